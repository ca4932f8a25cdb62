#!/usr/bin/env bash
# kill_midway.sh SCENARIO PLAYBOOK VARIABLES HOST SIGN [AFTERWARDS]: runs a playbook in a scenario's lab, kills the controller once the shell
# command SIGN succeeds on HOST, and runs AFTERWARDS there at once. Fails unless it came that far, and AFTERWARDS succeeds.
set -uo pipefail
scenario=$1 playbook=$2 variables=$3 host=$LAB_NAME-$4 sign=$5 afterwards=${6:-true}
cd "$HS_ROOT" || exit 1
log=$(mktemp)
setsid ansible-playbook -i inventories/lab "playbooks/$playbook.yml" -e "@molecule/$scenario/lab.yml" -e "$variables" >"$log" 2>&1 &
controller=$!
# One command that waits inside: looks from outside would take processor time that the controller needs.
{ podman exec "$host" timeout 300 sh -c "until $sign; do sleep 0.2; done" && kill -KILL -- "-$controller"; } >/dev/null 2>&1 &
watcher=$!
trap 'kill "$watcher" 2>/dev/null; kill -KILL -- "-$controller" 2>/dev/null; rm -f "$log"' EXIT
wait "$controller"
if (($? == 137)); then
  podman exec "$host" sh -c "$afterwards" && exit 0
  echo "The controller was killed, and on $host failed: $afterwards"
  exit 1
fi
cat "$log"
exit 1
