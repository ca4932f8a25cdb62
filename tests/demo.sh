#!/usr/bin/env bash
# The demonstration: a platform in the lab, a rollout under load, a table and build/report.html.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
mkdir -p build/logs

began=$SECONDS
step() { # title, log, command …
  local title=$1 log=build/logs/$2.log start=$SECONDS
  shift 2
  printf '\033[1m==>\033[0m %-58s' "$title"
  if ! "$@" >"$log" 2>&1; then
    echo " failed after $((SECONDS - start)) s"
    tail -n 40 "$log"
    exit 1
  fi
  echo " $((SECONDS - start)) s"
}

step "Pack claims-service 1.0.0 and 2.0.0" artifacts python tests/lab/build_artifacts.py "$HS_STATE/artifacts"
step "Have the load generator" vegeta tests/lab/build_vegeta.sh
step "Clear the lab of an earlier demonstration" destroy ansible-playbook tests/lab/destroy.yml
step "Boot 2 load balancers, 4 service hosts and a load host" create ansible-playbook tests/lab/create.yml
step "Bring the platform up (horizontal.scaling.site)" site ansible-playbook horizontal.scaling.site -i inventories/lab
code=0
# One host first, then two of what is left at a time.
python tests/load/demo.py -e '{"rollout_batch_sizes": ["1", "50%"], "rollout_max_unavailable": "50%"}' || code=$?
echo "The demonstration took $((SECONDS - began)) s. \`make clean\` removes the lab."
exit "$code"
