# SPDX-License-Identifier: GPL-3.0-or-later
# GPL-3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verbs on running members: read them, lock them, slots, where they stream from, promotion."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.horizontal.scaling.plugins.module_utils.core.deadline import Deadline
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError

from . import predicates
from .client import Client, Unreachable
from .predicates import Document, History

# "hs" and "pg": the advisory lock that one change of roles holds on every member it can reach.
LOCK = (0x6873, 0x7067)
# A standby must have at least as much of these as its primary, or it pauses.
SIZED = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
_SETTINGS = (
    *SIZED,
    "cluster_name",
    "data_checksums",
    "hot_standby",
    "max_slot_wal_keep_size",
    "port",
    "primary_slot_name",
    "recovery_min_apply_delay",
    "restore_command",
    "server_version",
    "synchronous_commit",
    "synchronous_standby_names",
    "wal_level",
    "wal_log_hints",
    "wal_segment_size",
)

READ = f"""
SELECT json_build_object(
  'version', current_setting('server_version_num')::int,
  'in_recovery', pg_is_in_recovery(),
  'checkpointer', (SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'),
  'started', extract(epoch FROM pg_postmaster_start_time())::text,
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'control_timeline', (SELECT timeline_id FROM pg_control_checkpoint()),
  'recovery_timeline', (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
  'wal_file', CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END,
  'current_lsn', CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() END,
  'receive_lsn', pg_last_wal_receive_lsn(),
  'replay_lsn', pg_last_wal_replay_lsn(),
  'replay_paused', CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END,
  'startup_wait', (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'),
  'replay_age', extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()),
  'receiver', (SELECT row_to_json(r) FROM (SELECT status, received_tli, sender_host, sender_port, slot_name,
      extract(epoch FROM clock_timestamp() - last_msg_receipt_time) AS silent
    FROM pg_stat_wal_receiver) r),
  'senders', (SELECT coalesce(json_agg(s), '[]') FROM (SELECT application_name, host(client_addr) AS address, state,
      sent_lsn, write_lsn, flush_lsn, replay_lsn, sync_state,
      extract(epoch FROM clock_timestamp() - reply_time)::float AS silent
    FROM pg_stat_replication ORDER BY application_name) s),
  'slots', (SELECT coalesce(json_agg(s), '[]') FROM (SELECT slot_name, slot_type, active, restart_lsn, wal_status,
      safe_wal_size FROM pg_replication_slots ORDER BY slot_name) s),
  'backups', (SELECT coalesce(json_agg(b), '[]') FROM (SELECT pid, phase, backup_total, backup_streamed
    FROM pg_stat_progress_basebackup) b),
  'transactions', (SELECT coalesce(json_agg(a), '[]') FROM (SELECT pid, usename AS user,
      application_name AS application, state, extract(epoch FROM clock_timestamp() - xact_start)::float AS seconds
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND xact_start < clock_timestamp() - interval '1 second'
      AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 20) a),
  'prepared_transactions', (SELECT count(*) FROM pg_prepared_xacts),
  'primary_conninfo', current_setting('primary_conninfo', true),
  'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN
    ({", ".join(f"'{name}'" for name in _SETTINGS)}))
)
"""


def read(client: Client) -> Document:
    """All that decisions need to know about a running member, in one round trip; raises ScalingError."""
    return client.document(READ)


def is_held_up(client: Client) -> bool:
    """Whether a member's delay keeps it from following; not so for one that does not answer, since it just restarts."""
    try:
        return predicates.applies_later(read(client))
    except Unreachable:
        return False


def shares_timeline(client: Client, upstream: Document) -> bool:
    """Whether a member is on the timeline of a primary that it streams from; not so while it does not answer."""
    try:
        return predicates.shares_timeline(read(client), upstream)
    except Unreachable:
        return False


def identify(client: Client) -> tuple[str, int, History]:
    """System identifier, timeline and its history, as a member tells them to its standbys; raises ScalingError."""
    found = client.replication("IDENTIFY_SYSTEM")[0]
    timeline = int(found["timeline"])
    if timeline == 1:
        return found["systemid"], timeline, []
    content = client.replication(f"TIMELINE_HISTORY {timeline}")[0]["content"]
    text = content.decode() if isinstance(content, (bytes, bytearray)) else str(content)
    return found["systemid"], timeline, predicates.parse_history(text)


def settle_timeline(client: Client, timeline: int, deadline: Deadline) -> None:
    """Have a member's control file tell its timeline, which it does only from a checkpoint after the promotion on.

    pg_rewind goes by the control file, and would find nothing to rewind; raises ScalingError.
    """
    read = "SELECT timeline_id FROM pg_control_checkpoint()"
    if client.value(read) == timeline:
        return
    try:
        client.rows("CHECKPOINT")
    except Unreachable as error:
        if error.details["sqlstate"] != "42501":
            raise
    told, done = deadline.wait_for(lambda: client.value(read), lambda number: number == timeline)
    if not done:
        raise ScalingError(
            f"The control file of {client.name} still tells timeline {told} and not {timeline}, which pg_rewind needs.",
            "Run CHECKPOINT there, or make the user a member of pg_checkpoint.",
        )


def oldest_wal(client: Client) -> str:
    """The oldest WAL file that a member still has, its name without the timeline; empty when this user may not look."""
    try:
        return client.value("SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'") or ""
    except Unreachable as error:
        if error.details["sqlstate"] == "42501":
            return ""
        raise


def create_slot(client: Client, name: str) -> None:
    """Have a physical slot that keeps WAL from now on."""
    if not client.value("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (name,)):
        client.rows("SELECT pg_create_physical_replication_slot(%s, true)", (name,))


def drop_slots(client: Client, names: t.Iterable[str]) -> list[str]:
    """Drop physical slots that exist and are not in use; their names."""
    found = client.rows(
        "SELECT slot_name FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND NOT active AND slot_name = ANY(%s)",
        (list(names),),
    )
    return [row["slot_name"] for row in found if _drop_slot(client, row["slot_name"])]


def _drop_slot(client: Client, name: str) -> bool:
    """Whether nobody has come to use the slot in the moment since it was looked at."""
    try:
        client.rows("SELECT pg_drop_replication_slot(%s)", (name,))
    except Unreachable as error:
        # 55006: replication slot is active for PID.
        if error.details["sqlstate"] != "55006":
            raise
        return False
    return True


def follow(client: Client, settings: t.Mapping[str, str]) -> None:
    """Write settings such as primary_conninfo into postgresql.auto.conf and reload; the receiver starts anew."""
    for name, value in settings.items():
        client.rows(f"ALTER SYSTEM SET {name} = {_literal(value)}")
    client.rows("SELECT pg_reload_conf()")


def promote(client: Client, deadline: Deadline) -> None:
    """Make a standby the primary and wait until it is; raises ScalingError."""
    # Its own wait looks ten times a second only, and clients wait meanwhile.
    if not client.value("SELECT pg_promote(false)"):
        raise ScalingError(f"PostgreSQL {client.name} ({client.place}) did not take the request for promotion.")
    _, done = deadline.wait_for(
        lambda: client.value("SELECT pg_is_in_recovery()"), lambda recovering: recovering is False, 0.005, 0.05
    )
    if not done:
        raise ScalingError(
            f"PostgreSQL {client.name} ({client.place}) has not ended its recovery {deadline.elapsed:.1f} s after the"
            " request for promotion.",
            "It may still do so: read it with postgresql_cluster_info before anything else is made the primary.",
        )


@contextlib.contextmanager
def locked(clients: t.Iterable[Client]) -> t.Iterator[None]:
    """Hold the members against a second change of roles; raises ScalingError that names who holds one."""
    held = []
    try:
        for client in clients:
            if not client.value("SELECT pg_try_advisory_lock(%s, %s)", LOCK):
                raise _held(client)
            held.append(client)
        yield
    finally:
        for client in held:
            # A member that was stopped meanwhile has let go of it.
            with contextlib.suppress(ScalingError):
                client.value("SELECT pg_advisory_unlock(%s, %s)", LOCK)


def _held(client: Client) -> ScalingError:
    holder = client.rows(
        "SELECT a.pid, host(a.client_addr) AS address, a.usename AS user,"
        " extract(epoch FROM clock_timestamp() - a.backend_start)::int AS seconds"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s",
        LOCK,
    )
    who = (
        f"{holder[0]['user']} from {holder[0]['address'] or 'its own host'}, process {holder[0]['pid']}, connected"
        f" {holder[0]['seconds']} s ago"
        if holder
        else "somebody who has just gone"
    )
    return ScalingError(
        f"Another change of roles is under way: {who} holds the lock on {client.name}.",
        "Wait until it has ended. If its controller is gone, its session ends with it, or by pg_terminate_backend.",
    )


def _literal(value: str) -> str:
    # ALTER SYSTEM takes no parameters; in E'' a backslash is one whatever standard_conforming_strings says.
    text = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{text}'" if "\\" in text else f"'{text}'"
