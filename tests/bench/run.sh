#!/usr/bin/env bash
# Measures against peers and writes the figures into docs/benchmarks.md: run.sh [NAME…].
# Use an idle machine: two cores carry the hosts, the load and Ansible. All of it takes hours.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/lab/environment.sh
source tests/lab/environment.sh
mkdir -p build/bench
(($#)) || set -- haproxy_servers rollout_plan second_run rollout switchover kubernetes_apply postgresql_{site,clone} mongodb_{site,restart,growth}

if ! command -v haproxy >/dev/null && [[ " $* " == *" haproxy_servers "* ]]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends haproxy >/dev/null
fi
if [[ " $* " == *" rollout "* || " $* " == *" second_run "* ]]; then
  python tests/lab/build_artifacts.py "$HS_STATE/artifacts"
  tests/lab/build_vegeta.sh
fi

if [[ " $* " == *" mongodb_"* ]]; then
  tests/lab/build_mongodb.sh
  # What nothing but a peer needs.
  export HS_PEERS=$HS_CACHE/peers-$(hs_key tests/bench/peers/collections.txt)
  if [[ ! -e $HS_PEERS/.complete ]]; then
    rm -rf "$HS_PEERS"
    python tests/lab/fetch_collections.py tests/bench/peers/collections.txt "$HS_PEERS"
    touch "$HS_PEERS/.complete"
  fi
fi

if [[ " $* " == *" kubernetes_apply "* ]]; then
  # A cluster that somebody has up stays.
  python tests/lab/kubernetes/cluster.py status 2>/dev/null || trap 'ansible-playbook tests/lab/destroy_cluster.yml >/dev/null' EXIT
  ansible-playbook tests/lab/create_cluster.yml >/dev/null
fi

for name in "$@"; do
  began=$SECONDS
  printf '\033[1m==>\033[0m %s\n' "$name"
  python "tests/bench/$name.py" >"build/bench/$name.json.part"
  mv "build/bench/$name.json.part" "build/bench/$name.json"
  printf '    %d s\n' $((SECONDS - began))
  python tests/bench/write_docs.py "build/bench/$name.json"
done
