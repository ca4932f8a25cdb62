#!/usr/bin/env bash
# promote.sh FORMER WANTED OTHER: what one types without a tool, on the lab's hosts. Stop the primary, promote a standby, have the other one follow
# it, and start the former one as a standby.
set -euo pipefail
former=$1 wanted=$2 other=$3
on() { podman exec --interactive "$LAB_NAME-$1" bash -euo pipefail -s; }

on "$former" <<<'systemctl stop postgresql@15-main'
on "$wanted" <<END
runuser -u postgres -- psql -qXAt >/dev/null <<'SQL'
SELECT pg_promote();
SELECT pg_create_physical_replication_slot(name, true) FROM unnest(ARRAY['$former', '$other']) AS name
WHERE name NOT IN (SELECT slot_name FROM pg_replication_slots);
SQL
END
way=$(
  on "$other" <<END
way=\$(runuser -u postgres -- psql -qXAtc 'SHOW primary_conninfo' | sed 's/host=$former/host=$wanted/')
runuser -u postgres -- psql -qXAt >/dev/null <<SQL
ALTER SYSTEM SET primary_conninfo = '\$way';
SELECT pg_reload_conf();
SQL
echo "\$way"
END
)
on "$former" <<END
cd /var/lib/postgresql/15/main
runuser -u postgres -- touch standby.signal
sed -i '/^primary_/d' postgresql.auto.conf
cat >>postgresql.auto.conf <<'CONF'
primary_conninfo = '${way/application_name=$other/application_name=$former}'
primary_slot_name = '$former'
CONF
systemctl start postgresql@15-main
END
