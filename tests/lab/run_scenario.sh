#!/usr/bin/env bash
# run_scenario.sh SCENARIO: one Molecule scenario in a lab of its own, which is gone afterwards, however it ended.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
scenario=$1
export LAB_NAME=$LAB_NAME-$scenario ANSIBLE_FORCE_COLOR=0 PY_COLORS=0 NO_COLOR=1 COLUMNS=160
# Molecule's notes go first: where they are left, hosts are, too.
clean() {
  molecule reset -s "$scenario" >/dev/null 2>&1
  ansible-playbook tests/lab/destroy.yml >/dev/null
  # The cluster is the checkout's; scenarios that do not use it leave it alone.
  if [[ $scenario == kubernetes* ]]; then ansible-playbook tests/lab/destroy_cluster.yml >/dev/null; fi
}
trap 'clean; exit 130' INT TERM
# Nothing is left, as a rule, and to see so costs less.
[[ $scenario != kubernetes* && -z $(podman ps --all --quiet --filter "label=horizontal.scaling.lab=$LAB_NAME") ]] || clean
python tests/lab/build_artifacts.py "$HS_STATE/artifacts"
tests/lab/build_vegeta.sh
[[ $scenario != mongodb* && $scenario != modules ]] || tests/lab/build_mongodb.sh
molecule test --scenario-name "$scenario" --destroy never
code=$?
if ((code)) && [[ -d $HS_STATE/kubernetes/log ]]; then mkdir -p build/logs && cp -r "$HS_STATE/kubernetes/log" "build/logs/cluster-$scenario"; fi
clean
exit "$code"
