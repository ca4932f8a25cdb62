#!/usr/bin/env bash
# run_scenario.sh SCENARIO: one Molecule scenario in a lab of its own, which is gone afterwards, however it ended.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
scenario=$1
export LAB_NAME=$LAB_NAME-$scenario ANSIBLE_FORCE_COLOR=0 PY_COLORS=0 NO_COLOR=1 COLUMNS=160
# What `molecule reset` removes, which takes as long as a playbook to start.
export MOLECULE_EPHEMERAL_DIRECTORY=$HS_STATE/molecule/$LAB_NAME
clean() {
  if [[ -n $(podman ps --all --quiet --filter "label=horizontal.scaling.lab=$LAB_NAME") ]] || podman network exists "$LAB_NAME"; then
    ansible-playbook tests/lab/destroy.yml >/dev/null
  fi
  rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY"
  # The cluster is the checkout's; scenarios that do not use it leave it alone.
  if [[ $scenario == kubernetes* ]]; then ansible-playbook tests/lab/destroy_cluster.yml >/dev/null; fi
}
trap 'clean; exit 130' INT TERM
clean
python tests/lab/build_artifacts.py "$HS_STATE/artifacts"
tests/lab/build_vegeta.sh
[[ $scenario != mongodb* && $scenario != modules ]] || tests/lab/build_mongodb.sh
molecule test --scenario-name "$scenario" --destroy never
code=$?
if ((code)) && [[ -d $HS_STATE/kubernetes/log ]]; then mkdir -p build/logs && cp -r "$HS_STATE/kubernetes/log" "build/logs/cluster-$scenario"; fi
clean
exit "$code"
