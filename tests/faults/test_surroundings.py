# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout when load balancers, hosts, disks, artifacts or its input fail, as docs/operations.md promises."""

from __future__ import annotations

import time
import typing as t

import pytest

from .conftest import AT_ONCE, BALANCERS, HOSTS, TWO_BATCHES, UNWATCHED, ways


def test_a_load_balancer_that_is_down_stops_the_rollout_before_it_starts_unless_it_is_left_out(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    platform.on("lb2", "systemctl", "stop", platform.balancer_type)
    try:
        refused = platform.run("deploy", rollout_version=new, **AT_ONCE)
        assert platform.record()["id"] == before
        assert platform.versions() == dict.fromkeys(HOSTS, old)
        run = platform.run("deploy", rollout_version=new, rollout_allow_missing_load_balancers=True, **AT_ONCE)
    finally:
        platform.on("lb2", "systemctl", "start", platform.balancer_type)
    assert refused.code != 0
    assert "Load balancer lb2 does not answer" in refused.output
    assert run.code == 0
    platform.all_serve(new)


def test_a_load_balancer_that_dies_in_the_middle_pauses_the_rollout(platform, tmp_path, failed_requests):
    _, new = platform.settle()
    holder = platform.address_holder()
    with platform.load(tmp_path):
        process = platform.start("deploy", rollout_version=new, **TWO_BATCHES)
        platform.wait_for_batch(1)
        with platform.off_the_network(holder):
            # All of them to the dead one: nobody else has the address yet.
            cut = platform.open_connections()
            run = platform.finish(process)
            assert platform.holds_the_address(other(holder))
    assert run.code != 0
    assert f"Load balancer {holder} does not answer any more" in run.output
    assert "The rollout is paused; go on with rollout_unfinished=resume" in run.output
    assert platform.record()["state"] == "paused"
    # A connection carries one request at a time.
    assert cut > 0
    assert failed_requests() <= cut
    resumed = platform.run("deploy", rollout_version=new, rollout_on_inconclusive="continue", **ways("resume"))
    assert resumed.code == 0
    platform.all_serve(new)


def test_a_bad_configuration_comes_to_one_load_balancer_at_the_most(platform, tmp_path, failed_requests):
    one_by_one = {"limit": "load_balancers", "scaling_load_balancer_serial": 1}
    with platform.load(tmp_path):
        run = platform.run("site", haproxy_raw_global="blanace leastconn", **one_by_one)
        time.sleep(2)
    assert run.code != 0
    assert "unknown keyword 'blanace'" in run.output
    assert "fatal: [lb1]" in run.output
    assert "fatal: [lb2]" not in run.output
    assert platform.all_up()
    assert failed_requests() == 0


def test_the_other_product_takes_over_and_gives_back(platform, tmp_path, outcomes):
    version, _ = platform.settle()
    first, second = platform.balancer_type, OTHER_PRODUCT[platform.balancer_type]
    try:
        for product in (second, first):
            platform.balancer_type = product
            with platform.load(tmp_path):
                run = platform.run("site", limit="load_balancers")
                time.sleep(2)
            assert run.code == 0
            for balancer in BALANCERS:
                assert states_of_products(platform, balancer, product) == ["active", "inactive", "enabled", "disabled"]
            platform.all_serve(version)
            # Only connections that were open to the one that stopped.
            assert outcomes()["connect_error"] == 0
    finally:
        platform.balancer_type = first


def test_another_product_that_does_not_start_leaves_the_former_one_serving(platform):
    version, _ = platform.settle()
    first, second = platform.balancer_type, OTHER_PRODUCT[platform.balancer_type]
    broken = f"/run/systemd/system/{second}.service.d"
    platform.on("lb1", "sh", "-c", f"mkdir {broken}; printf '[Service]\\nExecStartPre=false\\n' >{broken}/broken.conf")
    try:
        platform.balancer_type = second
        run = platform.run("site", limit="load_balancers", scaling_load_balancer_serial=1)
    finally:
        platform.on("lb1", "rm", "-r", broken)
        platform.balancer_type = first
    assert run.code != 0
    assert f"{second} does not start, so {first} serves on" in run.output
    assert "fatal: [lb2]" not in run.output
    active, left, *enabled = states_of_products(platform, "lb1", first)
    assert [active, *enabled] == ["active", "enabled", "disabled"]
    # Whether systemd still remembers its failures depends on how often it has tried again.
    assert left in ("inactive", "failed")
    assert platform.all_up()
    platform.all_serve(version)


def test_the_address_does_not_move_back(platform):
    holder = platform.address_holder()
    with platform.off_the_network(holder):
        assert platform.holds_the_address(other(holder))
    time.sleep(5)
    assert platform.address_holder() == other(holder)


def test_an_unreachable_host_changes_nothing(platform):
    old, new = platform.settle()
    before = platform.record()["id"]
    with platform.off_the_network("app3"):
        run = platform.run("deploy", rollout_version=new, **TWO_BATCHES)
    assert run.code != 0
    assert "app3" in run.output
    assert "unreachable=1" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_host_that_vanishes_in_its_batch_is_left_out_and_named(platform, tmp_path, failed_requests):
    old, new = platform.settle()
    with platform.load(tmp_path):
        process = platform.start("deploy", rollout_version=new, **TWO_BATCHES)
        platform.wait_for_batch(1)
        with platform.off_the_network("app1"):
            run = platform.finish(process)
    assert run.code != 0
    assert "app1: cannot be reached" in run.output
    assert "Out of rotation: app1" in run.output
    assert platform.record()["state"] == "failed"
    assert platform.versions() | {"app1": ""} == {"app1": "", "app2": old, "app3": old}
    assert failed_requests() == 0


def test_a_full_disk_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    platform.on("app3", "rm", "-rf", "/opt/claims-service/releases/3.0.0")
    with platform.full_disk("app3"):
        run = platform.run("deploy", rollout_version="3.0.0", **TWO_BATCHES)
    assert run.code != 0
    assert "No space left for the release in /opt/claims-service/releases" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_wrong_checksum_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    for host in HOSTS:
        platform.on(host, "rm", "-rf", "/opt/claims-service/releases/3.0.0")
    run = platform.run("deploy", rollout_version="3.0.0", service_checksum="sha256:" + "0" * 64, **TWO_BATCHES)
    assert run.code != 0
    assert "checksum" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_missing_artifact_changes_nothing(platform):
    old, _ = platform.settle()
    before = platform.record()["id"]
    run = platform.run("deploy", rollout_version="9.9.9", **TWO_BATCHES)
    assert run.code != 0
    assert "claims-service-9.9.9.tar.gz" in run.output
    assert platform.record()["id"] == before
    platform.all_serve(old)


def test_a_spare_host_stands_in_and_leaves(platform):
    _, new = platform.settle()
    drained = platform.run("drain_host", host_name="app3")
    assert drained.code == 0
    run = platform.run(
        "deploy",
        rollout_version=new,
        rollout_batch_sizes=["50%"],
        rollout_max_unavailable="0",
        rollout_max_surge="1",
        rollout_spare_hosts=["app3"],
        **UNWATCHED,
    )
    assert run.code == 0, run.output[-3000:]
    assert platform.versions() == dict.fromkeys(HOSTS, new)
    rotation = platform.rotation()
    assert rotation.pop("app3") == {"MAINT"}
    assert rotation == dict.fromkeys(("app1", "app2"), {"UP"})
    assert platform.run("restore_host", host_name="app3").code == 0
    platform.all_serve(new)


# What stands together is refused together: each option with its bad value, and what would be accepted instead.
REFUSED: list[dict[str, tuple[t.Any, str]]] = [
    {
        "rollout_version": ("not a version", "rollout_version is 'not a version'; give a version"),
        "rollout_service": ("claims/service", "rollout_service is 'claims/service'; give the name of a service"),
        "rollout_watch": (-1, "rollout_watch is -1; give seconds"),
        "rollout_drain_timeout": (0, "rollout_drain_timeout is 0; give seconds"),
        "rollout_health_successes": (0, "rollout_health_successes is 0; give a number"),
        "rollout_health_path": ("health", "rollout_health_path is 'health'; give a path that begins with /"),
        "rollout_gate": (
            ["response_time < 200ms"],
            "rollout_gate has 'response_time < 200ms', which load balancers do not count; give expressions over "
            "error_rate, success_rate and requests",
        ),
        "rollout_load_balancers": (
            ["lb9"],
            "rollout_load_balancers names lb9, which the inventory does not have; give host names of the inventory",
        ),
        "rollout_spare_hosts": (["app9"], "rollout_spare_hosts names app9, which are no hosts of the service"),
        "rollout_watch_interval": (0, "rollout_watch_interval is 0; give seconds, at least 1"),
        "rollout_health_deadline": (0, "rollout_health_deadline is 0; give seconds, at least 1"),
        "rollout_gate_minimum": (-1, "rollout_gate_minimum is -1; give a number of requests"),
        "rollout_pause_timeout": (-1, "rollout_pause_timeout is -1; give seconds, 0 or more"),
        "rollout_ledger_history": (0, "rollout_ledger_history is 0; give a number of rollouts"),
    },
    {
        "rollout_strategy": ("big_bang", "value of rollout_strategy must be one of: rolling, got: big_bang"),
        "rollout_watch": ("soon", "'rollout_watch' is of type"),
        "rollout_allow_empty_group": ("perhaps", "'perhaps' is not a valid boolean"),
        "rollout_on_inconclusive": ("stop", "value of rollout_on_inconclusive must be one of: "),
        "rollout_load_balancer_type": ("apache", "value of rollout_load_balancer_type must be one of: "),
        "rollout_unfinished": (
            "ignore",
            "value of rollout_unfinished must be one of: refuse, resume, rollback, got: ignore",
        ),
    },
    {"rollout_load_balancers": ([], "rollout_load_balancers is empty")},
    {"rollout_gate": (["error_rate << 5"], "error_rate << 5")},
    {"rollout_ledger_host": ("load9", "rollout_ledger_host is 'load9'; it must be a host of the inventory")},
    {"rollout_batch_sizes": (["2x"], "give a count from 1")},
    {"rollout_max_unavailable": ("0", "at least 1")},
    {"rollout_max_surge": ("some", "give a count from 0")},
]


@pytest.mark.parametrize("options", REFUSED, ids=lambda options: f"{len(options)}-{next(iter(options))}")
def test_bad_input_is_one_clear_sentence_an_option(platform, options):
    values = {option: value for option, (value, _) in options.items()}
    run = platform.run("deploy", **{"rollout_version": "9.0.0", "rollout_hosts": "claims_service", **values})
    assert run.code != 0
    for option, (_, sentence) in options.items():
        assert option.removeprefix("rollout_") in run.output
        assert sentence in run.output


OTHER_PRODUCT = {"haproxy": "nginx", "nginx": "haproxy"}


def states_of_products(platform, balancer: str, product: str) -> list[str]:
    state = "systemctl is-active $0 $1; systemctl is-enabled $0 $1; true"
    return platform.on(balancer, "sh", "-c", state, product, OTHER_PRODUCT[product]).split()


def other(balancer: str) -> str:
    return {"lb1": "lb2", "lb2": "lb1"}[balancer]
