#!/usr/bin/env bash
# kill_rotation.sh LAB KEY: begins to give the set another key, and kills the controller once a member knows both keys and another does not.
set -uo pipefail
lab=$1 key=$2
cd "$HS_ROOT" || exit 1
log=$(mktemp)
printf '{"mongodb_hosts": "mongo1,mongo2,mongo3", "mongodb_key": "%s", "mongodb_settings": {"operationProfiling": {"slowOpThresholdMs": 250}}}' "$key" >"$log.json"
setsid ansible-playbook -i inventories/lab playbooks/rotate_keyfile.yml -e "@molecule/mongodb/lab.yml" -e "@$log.json" >"$log" 2>&1 &
controller=$!
trap 'kill -KILL -- "-$controller" 2>/dev/null; rm -f "$log" "$log.json"' EXIT
known() { for host in mongo1 mongo2 mongo3; do podman exec "$lab-$host" grep -c '^- ' /etc/mongodb/keyfile; done | grep -cx 2; }
for turn in $(seq 600); do
  # The first member has its file by then; a look into the hosts takes processor time that the controller needs.
  if grep -q '^TASK .* Say why it is restarted\]' "$log"; then
    kill -KILL -- "-$controller"
    found=$(known)
    test "$found" -gt 0 && test "$found" -lt 3 && exit 0
    echo "$found of three members know both keys."
    exit 1
  fi
  kill -0 "$controller" 2>/dev/null || break
  sleep 0.2
done
cat "$log"
exit 1
