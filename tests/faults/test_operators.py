# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator may ask for beside a plain rollout, as docs/operations.md and docs/rollouts.md promise."""

from __future__ import annotations

import concurrent.futures
import json
import re

from .conftest import AT_ONCE, RECORDS, SERVICE, TWO_BATCHES, ways

HASH = re.compile(r"hash of this plan: ([0-9a-f]+)")


# Runs on a load balancer, since slow start is over before Ansible has asked twice: what share a server has, until it
# has all of it again.
SHARES = """
import csv, json, socket, sys, time
shares, end = [], time.monotonic() + 120
while time.monotonic() < end and not (shares and shares[-1] == 100 and min(shares) < 100):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("/run/haproxy/admin.sock")
        client.sendall(b"show stat\\n")
        rows = csv.DictReader(client.makefile(encoding="utf-8"))
        row = next(row for row in rows if (row["# pxname"], row["svname"]) == (sys.argv[1], sys.argv[2]))
    if row["status"].startswith("UP"):
        shares.append(int(row["throttle"] or 100))
    time.sleep(0.1)
print(json.dumps(shares))
"""


def test_rollback_goes_to_a_version_by_name_or_to_the_one_before_and_slow_start_gives_shares_back(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    told = platform.check("rollback", rollback_version=new, **AT_ONCE)
    assert told.code == 0
    assert f"app1 ({old} -> {new})" in told.output
    assert platform.record()["id"] == before
    platform.all_serve(old)
    with concurrent.futures.ThreadPoolExecutor() as beside:
        watching = beside.submit(platform.on, "lb1", "python3", "-c", SHARES, SERVICE, "app1")
        run = platform.run("rollback", rollback_version=new, **AT_ONCE)
        shares = json.loads(watching.result())
    assert run.code == 0
    platform.all_serve(new)
    grown = shares[next((n for n, share in enumerate(shares) if share < 100), len(shares)) :]
    assert len(grown) > 2, "it had all of its share at once"
    assert grown == sorted(grown)
    assert grown[-1] == 100
    record = platform.record()
    shown = platform.run("show_rollouts")
    assert f"{SERVICE} {record['id']} {old} {new} succeeded" in shown.output
    told = platform.run("show_rollouts", rollout_output="json")
    # In whichever format the controller prints results.
    assert re.search(rf'"?id"?: "?{record["id"]}\b', told.output)
    assert platform.run("rollback", **AT_ONCE).code == 0
    platform.all_serve(old)


def test_a_host_is_taken_out_and_back_and_check_mode_only_tells(platform):
    platform.settle()
    told = platform.check("drain_host", host_name="app2")
    assert told.code == 0
    assert re.search(r"lb1 : ok=\d+ changed=1", told.output)
    assert platform.all_up(0.1)
    assert platform.run("drain_host", host_name="app2").code == 0
    assert "UP" not in platform.rotation()["app2"]
    told = platform.check("restore_host", host_name="app2")
    assert re.search(r"lb1 : ok=\d+ changed=1", told.output)
    assert "UP" not in platform.rotation()["app2"]
    assert platform.run("restore_host", host_name="app2").code == 0
    assert platform.all_up()


def test_check_mode_tells_the_plan_and_touches_nothing_and_the_plan_that_was_seen_runs_and_no_other(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    options = {**TWO_BATCHES, "rollout_on_inconclusive": "continue"}
    told = platform.check("deploy", rollout_version=new, **options)
    assert told.code == 0
    assert f"batch 1 of 2: app1 ({old} -> {new})" in told.output
    seen = HASH.findall(told.output)
    assert seen
    other = platform.run("deploy", rollout_version=new, rollout_expected_hash=seen[-1], **AT_ONCE)
    assert other.code != 0
    assert f"expected_hash is '{seen[-1]}', but what is there now has the hash" in other.output
    platform.all_serve(old)
    assert platform.record()["id"] == before
    run = platform.run("deploy", rollout_version=new, rollout_expected_hash=seen[-1], **options)
    assert run.code == 0
    platform.all_serve(new)


def test_a_corrupt_record_stops_everything_until_somebody_has_looked(platform):
    old, new = platform.settle()
    platform.on("load1", "sh", "-c", f"echo nonsense >{RECORDS}/current.json")
    refused = platform.run("deploy", rollout_version=new, **AT_ONCE)
    assert refused.code != 0
    assert "is corrupt" in refused.output
    assert "discard_corrupt=true" in refused.output
    platform.all_serve(old)
    run = platform.run("deploy", rollout_version=new, rollout_discard_corrupt=True, **AT_ONCE)
    assert run.code == 0
    assert "current.json.discarded-" in platform.on("load1", "ls", RECORDS)
    platform.all_serve(new)


def test_a_pause_that_nobody_ends_expires(platform):
    old, new = platform.settle()
    options = {"rollout_on_inconclusive": "continue", "rollout_pause_timeout": 6, **TWO_BATCHES}
    process = platform.start("deploy", rollout_version=new, **options)
    platform.wait_for_batch(1)
    assert platform.run("control_rollout", rollout_action="pause").code == 0
    run = platform.finish(process)
    assert run.code != 0
    assert "rollout_unfinished=resume" in run.output
    assert platform.record()["state"] == "paused"
    assert platform.versions() == {"app1": new, "app2": old, "app3": old}
    assert platform.all_up()
    resumed = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve(new)


def test_sessions_that_do_not_end_are_cut_and_counted(platform):
    _, new = platform.settle()
    with platform.downloading(60):
        run = platform.run("deploy", rollout_version=new, rollout_drain_timeout=2, **AT_ONCE)
    assert run.code == 0
    assert "After 2 s (rollout_drain_timeout) these sessions were left, and are cut" in run.output
    cut = [batch["evidence"].get("cut_sessions") for batch in platform.record()["batches"]]
    assert any(cut)
    platform.all_serve(new)
