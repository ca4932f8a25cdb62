# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import stat
import threading
import time

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger import file_store, report, service
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.document import Unreadable, decode, encode
from ansible_collections.horizontal.scaling.plugins.module_utils.ledger.file_store import FileStore
from ansible_collections.horizontal.scaling.plugins.module_utils.rollout.plan import make_plan
from ansible_collections.horizontal.scaling.plugins.modules import rollout, rollout_info

HOSTS = [{"name": f"app{n}", "version": "1.0.0", "running": True, "in_rotation": True} for n in (1, 2)]
PLAN = make_plan("claims", "2.0.0", HOSTS, batch_sizes=["1"])


@pytest.fixture
def ledger(tmp_path):
    def act(action, check_mode=False, **options):
        parameters = {name: option.get("default") for name, option in rollout.SPEC.items()}
        parameters.update({"service": "claims", "owner": "ops@laptop", "path": str(tmp_path / "ledger")}, action=action)
        parameters.update(options)
        return rollout.converge(parameters, check_mode).as_result(True)

    act.path = tmp_path / "ledger"
    act.current = act.path / "claims" / "current.json"
    return act


def begin(ledger, **options):
    return ledger("begin", plan=dict(PLAN, service=options.get("service", "claims")), **options)


def info(ledger, **options):
    given = dict({"service": "", "path": str(ledger.path), "limit": 0}, **options)
    return report.gather(given, False).as_result(True)


def finished(ledger, outcome="failed", **options):
    opened = begin(ledger, **options)
    return ledger("finish", token=opened["token"], outcome=outcome)


def test_check_mode_of_a_first_begin_writes_nothing(ledger):
    result = begin(ledger, check_mode=True)
    assert result["changed"]
    assert not ledger.path.exists()
    real = begin(ledger)
    assert real["diff"] == result["diff"]
    assert ledger.current.exists()


def test_modes_of_files(ledger):
    begin(ledger)
    assert stat.S_IMODE(ledger.current.stat().st_mode) == 0o640
    assert stat.S_IMODE(ledger.current.parent.stat().st_mode) & 0o027 == 0


def test_the_whole_way(ledger):
    token = begin(ledger)["token"]
    for number in (1, 2):
        for phase in ("draining", "replacing", "verifying", "done"):
            checked = ledger("advance", check_mode=True, token=token, batch=number, phase=phase)
            result = ledger("advance", token=token, batch=number, phase=phase)
            assert result["changed"]
            assert checked["diff"] == result["diff"]
            assert not ledger("advance", token=token, batch=number, phase=phase)["changed"]
    result = ledger("finish", token=token, outcome="succeeded")
    assert (result["changed"], result["rollout"]["state"]) == (True, "succeeded")
    assert not ledger("finish", token=token, outcome="succeeded")["changed"]
    assert [(line["state"], line["batches"]) for line in info(ledger)["lines"]] == [("succeeded", "2/2")]


def test_no_result_but_the_first_has_the_token(ledger):
    token = begin(ledger)["token"]
    shown = [ledger("advance", token=token, batch=1, phase="draining"), ledger("pause"), info(ledger)]
    assert token not in json.dumps(shown)
    assert token not in json.dumps(ledger("finish", token=token, outcome="failed"))


def test_a_second_operator_is_refused_and_another_service_is_not(ledger):
    begin(ledger)
    before = ledger.current.read_bytes()
    for check_mode in (True, False):
        with pytest.raises(ScalingError, match="is running: held by ops@laptop since"):
            begin(ledger, owner="b@desk", check_mode=check_mode)
    assert ledger.current.read_bytes() == before
    assert begin(ledger, service="members", owner="b@desk")["changed"]
    assert {record["service"] for record in info(ledger)["current"]} == {"claims", "members"}
    assert [record["service"] for record in info(ledger, service="members")["current"]] == ["members"]


def test_a_plan_is_refused_when_another_rollout_ended_since(ledger):
    finished(ledger)
    seen = info(ledger)["history"][0]["id"]
    assert begin(ledger, seen=seen, check_mode=True)["changed"]
    finished(ledger)
    with pytest.raises(ScalingError, match="began and ended after this plan was made. Run again"):
        begin(ledger, seen=seen)
    assert begin(ledger, seen=info(ledger)["history"][0]["id"])["changed"]


def test_two_begins_at_once_have_one_winner(ledger):
    results = []

    def attempt(owner):
        try:
            results.append(begin(ledger, owner=owner)["token"])
        except ScalingError as error:
            results.append(str(error))

    threads = [threading.Thread(target=attempt, args=(f"ops@host{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("held by" in result for result in results) == 7


def test_actions_without_a_rollout_create_nothing(ledger):
    for action in ("pause", "resume", "abort", "take_over"):
        with pytest.raises(ScalingError, match="claims has no open rollout to"):
            ledger(action)
    assert not ledger.path.exists()


@pytest.mark.parametrize("action", ["pause", "abort"])
def test_a_request_made_twice_changes_once(ledger, action):
    begin(ledger)
    assert ledger(action, check_mode=True)["changed"]
    assert ledger(action, reason="slow")["changed"]
    assert not ledger(action)["changed"]
    line = info(ledger)["lines"][0]
    assert line["reason"] == f"ops@laptop asked to {action}: slow"


def test_advance_waits_while_paused_and_goes_on_when_resumed(ledger):
    token = begin(ledger)["token"]
    ledger("pause", owner="b@desk")
    seen = []

    def resume():
        while not info(ledger)["current"][0]["waiting"]:
            time.sleep(0.01)
        seen.append(info(ledger)["current"][0]["state"])
        ledger("resume", owner="b@desk")

    thread = threading.Thread(target=resume)
    thread.start()
    result = ledger("advance", token=token, batch=1, phase="draining", pause_timeout=10)
    thread.join()
    assert seen == ["paused"]
    assert (result["rollout"]["state"], result["rollout"]["batches"][0]["state"]) == ("running", "active")


def test_advance_says_what_to_do_when_nobody_resumes(ledger):
    token = begin(ledger)["token"]
    ledger("pause", owner="b@desk", reason="database is slow")
    wanted = (
        "paused before batch 1 of 2: b@desk asked for it .database is slow., and nobody resumed it within 0.1 s. "
        ".*=resume .*=rollback"
    )
    with pytest.raises(ScalingError, match=wanted) as error:
        ledger("advance", token=token, batch=1, phase="draining", pause_timeout=0.1)
    assert error.value.details["requested"] == "paused"
    assert token not in json.dumps(error.value.details)
    assert info(ledger)["current"][0]["state"] == "paused"
    with pytest.raises(ScalingError, match="no run is waiting"):
        ledger("resume")
    assert ledger("take_over", owner="c@desk")["token"] != token


def test_check_mode_does_not_wait(ledger):
    token = begin(ledger)["token"]
    ledger("pause")
    before = ledger.current.read_bytes()
    with pytest.raises(ScalingError, match="is paused before batch 1"):
        ledger("advance", check_mode=True, token=token, batch=1, phase="draining", pause_timeout=60)
    assert ledger.current.read_bytes() == before


def test_an_abort_reaches_a_run_that_waits(ledger):
    token = begin(ledger)["token"]
    ledger("pause")
    timer = threading.Timer(0.1, lambda: ledger("abort", owner="b@desk", reason="wrong version"))
    timer.start()
    with pytest.raises(ScalingError, match="was aborted by b@desk: wrong version") as error:
        ledger("advance", token=token, batch=1, phase="draining", pause_timeout=10)
    timer.join()
    assert error.value.details["requested"] == "aborted"


def test_a_waiting_run_that_is_taken_over_stops(ledger):
    token = begin(ledger)["token"]
    ledger("pause")
    timer = threading.Timer(0.1, lambda: ledger("take_over", owner="b@desk", force_take_over=True))
    timer.start()
    with pytest.raises(ScalingError, match="b@desk holds it since") as error:
        ledger("advance", token=token, batch=1, phase="draining", pause_timeout=10)
    timer.join()
    assert error.value.details["requested"] == "fenced"


def test_a_run_whose_rollout_was_finished_by_another_stops(ledger):
    token = begin(ledger)["token"]
    other = ledger("take_over", owner="b@desk", force_take_over=True)["token"]
    ledger("finish", token=other, outcome="rolled_back")
    with pytest.raises(ScalingError, match="ended as rolled_back") as error:
        ledger("advance", token=token, batch=1, phase="draining")
    assert error.value.details["requested"] == "fenced"


def test_history_is_kept_newest_first_and_limited(ledger, monkeypatch):
    clock = iter(range(1_800_000_000, 1_900_000_000, 60))
    monkeypatch.setattr(service.Ledger.__init__, "__defaults__", (False, lambda: next(clock)))
    identities = [finished(ledger, history=3)["rollout"]["id"] for _number in range(6)]
    shown = info(ledger)["history"]
    assert [record["id"] for record in shown] == identities[:1:-1]
    assert len(list((ledger.path / "claims" / "history").iterdir())) == 3
    assert [record["id"] for record in info(ledger, limit=2)["history"]] == identities[:3:-1]
    assert all("token" not in record for record in shown)


def broken(content):
    """Ways in which a file may be damaged."""
    yield b""
    yield content[: len(content) // 2]
    yield content[:-20]
    yield b"\0" * len(content)
    yield content.replace(b'"state":"running"', b'"state":"aborted"')
    yield b"not json"
    yield b"[1, 2]"


@pytest.mark.parametrize("damage", range(7))
def test_a_corrupt_record_is_kept_aside_and_stops_everything(ledger, damage):
    token = begin(ledger)["token"]
    bad = list(broken(ledger.current.read_bytes()))[damage]
    ledger.current.write_bytes(bad)
    assert info(ledger)["corrupt"][0]["path"] == str(ledger.current)
    with pytest.raises(ScalingError, match="is corrupt"):
        begin(ledger, check_mode=True)
    assert ledger.current.read_bytes() == bad
    with pytest.raises(
        ScalingError, match=r"The record of the last rollout of claims is corrupt \(.*\); it is kept as"
    ):
        ledger("advance", token=token, batch=1, phase="draining")
    (aside,) = ledger.current.parent.glob("current.json.corrupt-*")
    assert aside.read_bytes() == bad
    for _again in range(2):
        with pytest.raises(ScalingError, match=str(aside)):
            begin(ledger)
    assert info(ledger)["corrupt"] == [{"path": str(aside), "reason": "set aside", "service": "claims"}]
    opened = begin(ledger, discard_corrupt=True)
    assert "begun over a corrupt record" in opened["rollout"]["events"][0]["what"]
    (kept,) = ledger.current.parent.glob("current.json.discarded-*")
    assert kept.read_bytes() == bad
    assert info(ledger)["corrupt"] == []
    assert ledger("finish", token=opened["token"], outcome="failed")["changed"]


def test_discard_works_at_once(ledger):
    begin(ledger)
    ledger.current.write_bytes(b"{")
    assert begin(ledger, discard_corrupt=True)["changed"]


def test_a_corrupt_history_is_named_and_stops_nothing(ledger):
    finished(ledger)
    finished(ledger)
    (old,) = (ledger.path / "claims" / "history").iterdir()
    old.write_bytes(b"{")
    shown = info(ledger)
    assert len(shown["history"]) == 1
    assert shown["corrupt"][0]["path"] == str(old)
    assert finished(ledger)["changed"]


def test_a_later_format_is_refused_and_left_alone(ledger):
    begin(ledger)
    content = ledger.current.read_bytes().replace(b'{"format": 1', b'{"format": 2')
    ledger.current.write_bytes(content)
    with pytest.raises(ScalingError, match="was written by another version of the collection: it has format 2"):
        ledger("pause")
    assert ledger.current.read_bytes() == content


def test_every_cut_and_every_changed_byte_is_noticed():
    content = encode({"state": "running", "number": 1, "text": "é"})
    for place in range(len(content) - 1):
        with pytest.raises(Unreadable):
            decode(content[:place])
        changed = bytearray(content)
        changed[place] ^= 1
        try:
            found = decode(bytes(changed))
        except Exception:  # noqa: BLE001, S112 - noticed
            continue
        assert found == decode(content)


def test_an_interrupted_write_leaves_the_old_record(ledger, monkeypatch):
    token = begin(ledger)["token"]
    before = ledger.current.read_bytes()

    def fail(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_store.os, "fsync", fail)
    with pytest.raises(ScalingError, match="Cannot write .*current.json: No space left on device"):
        ledger("advance", token=token, batch=1, phase="draining")
    assert ledger.current.read_bytes() == before


def test_a_path_that_is_no_directory(ledger, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ScalingError, match="Cannot create the ledger in .*Not a directory.*must be a directory"):
        begin(ledger, path=str(tmp_path / "file"))


def test_a_lock_that_is_held_for_ever_is_named(ledger, monkeypatch):
    begin(ledger)
    monkeypatch.setattr(file_store, "LOCK_TIMEOUT", 0.05)
    store = FileStore(str(ledger.path), "claims")
    with store.locked(), pytest.raises(ScalingError, match="is locked by another process"):
        ledger("pause")
    assert ledger("pause")["changed"]


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        ("begin", {"service": "../x", "plan": PLAN}, "service is '../x'; give a name"),
        ("begin", {"service": "..", "plan": PLAN}, "service is '..'; give a name"),
        ("begin", {}, "plan is missing; give the plan that rollout_plan returned"),
        ("begin", {"plan": PLAN, "owner": ""}, "owner is ''; give who acts"),
        ("begin", {"plan": PLAN, "history": 0}, "history is 0; give how many finished rollouts are kept, at least 1"),
        ("advance", {"pause_timeout": -1}, "pause_timeout is -1; give seconds, 0 to stop at once"),
        ("advance", {"batch": 1, "phase": "draining"}, "token is empty; give the token"),
        ("finish", {"token": "x"}, "outcome is 'None'; give succeeded, failed, rolled_back or aborted"),
        ("pause", {"owner": ""}, "owner is ''; give who acts"),
        ("resume", {"owner": "a b"}, "owner is 'a b'; give who acts"),
        ("abort", {"owner": ""}, "owner is ''; give who acts"),
        ("take_over", {"owner": ""}, "owner is ''; give who acts"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(ledger, action, options, message):
    begin(ledger)
    with pytest.raises(ScalingError, match=message):
        ledger(action, **options)


def test_info_refuses_in_a_sentence(ledger):
    with pytest.raises(ScalingError, match="service is '/etc'; give a name"):
        info(ledger, service="/etc")
    with pytest.raises(ScalingError, match="limit is -1; give how many"):
        info(ledger, limit=-1)


def test_info_of_no_ledger_is_empty(ledger):
    assert info(ledger) == {"current": [], "history": [], "lines": [], "corrupt": [], "changed": False}
    assert info(ledger, service="claims")["history"] == []
    assert set(rollout_info.SPEC) == {"service", "path", "kubernetes", "limit"}
