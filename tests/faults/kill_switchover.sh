# kill_switchover.sh PHASE NEW_PRIMARY, on the host of the present primary: waits for a phase of a switchover, then kills the module that makes it.
# shellcheck shell=bash
set -euo pipefail
phase=$1 wanted=$2
shopt -s nullglob

# The module unpacks itself, and is the only Python here that talks to the members' servers.
module() {
  local unpacked=(/tmp/ansible_*postgresql_primary_payload_*)
  ((${#unpacked[@]})) || return 1
  ss --no-header --tcp --numeric --processes state established '( dport = :5432 )' | grep -o '"python3[^,]*",pid=[0-9]*' | grep -o '[0-9]*$' | sort -u | head -n 1
}

# Whether the pooler holds clients back.
held_back() {
  PGPASSWORD=manages-in-the-lab psql -XA -c 'SHOW DATABASES' "host=pool1 port=6432 user=cluster_manager dbname=pgbouncer sslmode=require" |
    awk -F '|' '$1 == "name" { for (i = 1; i <= NF; i++) if ($i == "paused") n = i } $1 == "claims" { found = $n } END { exit found != 1 }'
}

come() {
  case $phase in
    begun) true ;;
    held_back) held_back ;;
    stopped) ! kill -0 "$server" 2>/dev/null ;;
    promoted) curl -sf -o /dev/null "http://$wanted:8008/primary" ;;
  esac
}

rm -rf /tmp/ansible_*postgresql_primary_payload_*
server=$(head -n 1 /var/lib/postgresql/*/main/postmaster.pid)
until pid=$(module) && [[ -n $pid ]]; do sleep 0.02; done
until come; do
  kill -0 "$pid" 2>/dev/null || { echo "too late for $phase"; exit 0; }
  sleep 0.005
done
kill -9 "$pid" || { echo "too late for $phase"; exit 0; }
echo killed
