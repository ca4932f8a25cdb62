#!/usr/bin/env bash
# Runs the named stages (default: all), prints the time of each, and ends with `N passed, N failed`.
# Logs stand in build/logs; a failed stage shows the end of its log and does not stop the others.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
mkdir -p build/logs

stage_lint() {
  local failed=0
  run() { echo "--- $*"; "$@" || failed=1; }
  run ruff check
  run ruff format --check
  run yamllint --strict .
  run ansible-lint --offline --nocolor
  run antsibull-changelog lint
  run antsibull-docs lint-collection-docs --plugin-docs --disallow-unknown-collection-refs --skip-rstcheck "$HS_STATE/collections/ansible_collections/horizontal/scaling"
  run python docs/generate_role_readmes.py --check
  return "$failed"
}

stage_unit() { python -m pytest; }

stage_sanity() { tests/sanity.sh --skip-test pylint --skip-test shebang; }

stage_cores() { tests/test_cores.sh; }

stage_artifact() { tests/test_artifact.sh; }

stage_molecule() { tests/lab/run_scenario.sh "$1"; }

if (($#)); then
  stages=("$@")
else
  stages=(lint unit sanity cores artifact molecule-{lab,modules,service,load_balancer,nginx,rolling_update,rolling_update_nginx})
fi

passed=0 failed=0 table=""
for stage in "${stages[@]}"; do
  log=build/logs/$stage.log
  printf '\033[1m==>\033[0m %s\n' "$stage"
  began=$(date +%s)
  case $stage in
    molecule-*) stage_molecule "${stage#molecule-}" ;;
    lint | unit | sanity | cores | artifact) "stage_$stage" ;;
    *) echo "Unknown stage $stage"; false ;;
  esac </dev/null >"$log" 2>&1
  code=$?
  took=$(($(date +%s) - began))
  if ((code == 0)); then
    verdict=passed passed=$((passed + 1))
  else
    verdict=FAILED failed=$((failed + 1))
    tail -n 60 "$log"
    echo "(all of it: $log)"
  fi
  printf '    %s in %d s\n' "$verdict" "$took"
  table+=$(printf '  %-26s %-7s %5d s' "$stage" "$verdict" "$took")$'\n'
done

printf '\n%s\n' "$table"
echo "$passed passed, $failed failed"
((failed == 0))
