#!/usr/bin/env bash
# Runs the named stages (default: all), prints the time of each, and ends with `N passed, N failed`.
# Logs stand in build/logs; a failed stage shows the end of its log and does not stop the others. When all stages are asked for, a
# scenario that failed runs once more in a new lab, and both verdicts are printed: a test that is green at times only stays in sight.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
mkdir -p build/logs

# The quick ones first, whose failures say most, and the one that builds the hosts' image; then capability by capability, of each the
# longest first, so that the lanes end together. `molecule-kubernetes` is run by name: see docs/testing.md.
stages=(lint molecule-lab unit artifact cores
        molecule-{rolling_update,rolling_update_surroundings,modules,service,rolling_update_nginx,nginx,load_balancer}
        molecule-{mongodb,update_database,postgresql_patroni,postgresql_patroni_faults,postgresql_patroni_operators}
        molecule-{pgbackrest,pgbouncer,postgresql,postgresql_17,mongodb_sharded})

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

stage_cores() { tests/test_cores.sh; }

stage_artifact() { tests/test_artifact.sh; }

stage_molecule() { tests/lab/run_scenario.sh "$1"; }

run_stage() {
  local stage=$1 log=build/logs/$1.log began code took verdict=passed
  printf '\033[1m==>\033[0m %s\n' "$stage"
  began=$(date +%s)
  case $stage in
    molecule-*) stage_molecule "${stage#molecule-}" ;;
    lint | unit | cores | artifact) "stage_$stage" ;;
    *) echo "Unknown stage $stage"; false ;;
  esac </dev/null >"$log" 2>&1
  code=$?
  took=$(($(date +%s) - began))
  if ((code)); then
    verdict=FAILED
    tail -n 60 "$log"
    echo "(all of it: $log)"
  fi
  printf '    %s %s in %d s\n' "$stage" "$verdict" "$took"
  printf '  %-38s %-7s %5d s\n' "$stage" "$verdict" "$took" >>"build/logs/$stage.result"
  if ((code)) && may_repeat "$stage"; then
    mv "$log" "build/logs/$stage.first.log"
    flock "$queue.lock" sh -c 'echo "$1" >>"$0"' "$queue" "$stage"
  fi
}

# Labs share two cores, which some days are slower than any deadline; not again when it failed twice, or CI's time would end.
may_repeat() {
  [[ $1 == molecule-* ]] && ((lanes > 1 && SECONDS < 4200)) && (($(wc -l <"build/logs/$1.result") == 1))
}

# Takes one stage after the other from the queue, which all lanes share, until it is empty.
run_lane() {
  local stage
  while stage=$(flock "$queue.lock" sh -c 'head -n 1 "$0"; sed -i 1d "$0"' "$queue") && [[ -n $stage ]]; do run_stage "$stage"; done
}

rm -f build/logs/*.result build/logs/*.first.log
(($#)) && lanes=1 || lanes=2
(($#)) || set -- "${stages[@]}"
queue=build/logs/queue
printf '%s\n' "$@" >"$queue"
trap 'trap "" TERM; kill -TERM 0; wait; exit 130' INT TERM
# Scenarios wait more than they work, so two run beside each other.
for ((lane = 0; lane < lanes; lane++)); do run_lane & done
wait

# Why, once more and in few lines, where a reader of the end finds it.
for log in build/logs/*.log; do
  stage=$(basename "${log%.log}")
  grep -qs ' FAILED ' "build/logs/${stage%.first}.result" || continue
  why=$(grep -E '^(\[ERROR\]|[ "]*(E   |FAILED ))' "$log" | tail -n 12 | cut -c -500) && printf '\n%s:\n%s\n' "$stage" "$why"
done

passed=0
echo
for stage in "$@"; do
  cat "build/logs/$stage.result"
  if tail -n 1 "build/logs/$stage.result" | grep -q ' passed '; then passed=$((passed + 1)); fi
done
printf '\n%d s\n%d passed, %d failed\n' "$SECONDS" "$passed" $(($# - passed))
((passed == $#))
