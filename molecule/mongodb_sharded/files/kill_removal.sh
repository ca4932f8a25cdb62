#!/usr/bin/env bash
# kill_removal.sh LAB: begins to remove the shard south, and once its chunks begin to move kills the controller, and the module that it runs
# on the host, at once. Fails if the removal was not in the middle then.
set -uo pipefail
lab=$1
cd "$HS_ROOT" || exit 1
host() { podman exec "$lab-config1" "$@"; }
log=$(mktemp)
setsid ansible-playbook -i inventories/lab playbooks/remove_shard.yml -e database=mongodb -e mongodb_router_shard=south -e "@molecule/mongodb_sharded/lab.yml" >"$log" 2>&1 &
controller=$!
trap 'kill -KILL -- "-$controller" 2>/dev/null; rm -f "$log"' EXIT
for turn in $(seq 600); do
  kill -0 "$controller" 2>/dev/null || break
  sleep 0.2
  # Looking takes processor time that the controller needs to come this far.
  grep -q '^TASK .* Drain it, ' "$log" || continue
  if host python3 /root/documents.py show | grep -q '"draining": \["south"\]'; then
    kill -KILL -- "-$controller"
    # The module is the only one there that has a connection to the router.
    module=$(host ss -tnpH state established '( dport = :27016 )' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)
    # shellcheck disable=SC2086
    test -n "$module" && host kill -KILL $module || { echo "There was no module to kill."; exit 1; }
    host python3 /root/documents.py show
    exit 0
  fi
done
cat "$log"
exit 1
