# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError
from ansible_collections.horizontal.scaling.plugins.module_utils.release.observed import Observed
from ansible_collections.horizontal.scaling.plugins.module_utils.release.plan import (
    Plan,
    Wanted,
    compute,
    predict,
    state,
    superfluous,
)

SUM, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def found(version="1", running=True, releases=("1",), **values):
    markers = {each: {"checksum": SUM, "staged": float(number)} for number, each in enumerate(releases)}
    unit = {"ActiveState": "active" if running else "inactive", "LoadState": "loaded"}
    base = Observed(version, running, version if running else "", True, markers, "", 7, "", False, unit)
    return base._replace(**values)


def wanted(state="running", version="1", **values):
    return Wanted(state, version, "", False, 3, True)._replace(**values)


def test_what_is_as_wanted_needs_nothing():
    assert compute(wanted(), found()) == Plan()


def test_an_upgrade_has_all_steps():
    plan = compute(wanted(version="2"), found())
    assert plan == Plan(stage="2", stop=True, switch="2", start="2")


def test_the_way_back_needs_no_artifact():
    plan = compute(wanted(version="1"), found("2", releases=("1", "2"), previous="1"))
    assert plan == Plan(stop=True, switch="1", start="1")


@pytest.mark.parametrize(
    "change", [{"running": False, "running_version": ""}, {"restart_pending": True}, {"running_version": "0"}]
)
def test_what_does_not_run_as_it_should_is_started_again(change):
    assert compute(wanted(), found()._replace(**change)) == Plan(stop=True, start="1")


def test_staging_leaves_alone_what_runs():
    assert compute(wanted("staged", "2"), found(restart_pending=True)) == Plan(stage="2")
    assert compute(wanted("staged", "1"), found()) == Plan()


def test_the_same_version_with_another_content_is_refused_unless_told():
    with pytest.raises(ScalingError, match=f"{SUM}, but {OTHER} is wanted"):
        compute(wanted(checksum=OTHER), found())
    plan = compute(wanted(checksum=OTHER, replace=True), found())
    assert plan == Plan(stage="1", stop=True, start="1")


def test_checksums_of_two_kinds_are_not_compared():
    with pytest.raises(ScalingError, match="cannot be compared"):
        compute(wanted(checksum="sha512:" + "1" * 128), found())


def test_the_current_release_is_never_deleted():
    with pytest.raises(ScalingError, match="is the current one"):
        compute(wanted("absent", "1"), found())
    with pytest.raises(ScalingError, match="is the current one"):
        compute(wanted("absent", "1"), found("2", releases=("1", "2"), running_version="1"))
    assert compute(wanted("absent", "1"), found("2", releases=("1", "2"))) == Plan(remove=("1",))
    assert compute(wanted("absent", "9"), found()) == Plan()


def test_a_stop():
    assert compute(wanted("stopped", ""), found()) == Plan(stop=True)
    assert compute(wanted("stopped", ""), found(running=False)) == Plan()


@pytest.mark.parametrize(
    ("keep", "version", "gone"),
    [
        (9, "5", ()),
        (3, "5", ("1",)),
        (1, "5", ("1", "2", "3")),
        (0, "5", ("1", "2", "3")),  # 4 ran before
        (1, "2", ("1", "3", "4")),  # going from 5 back to 2 keeps 5
    ],
)
def test_old_releases(keep, version, gone):
    there = found("4" if version == "5" else "5", releases=("1", "2", "3", "4", "5"))
    assert superfluous(wanted(version=version, keep=keep), there) == gone


def test_the_way_back_stays_when_nothing_changes():
    there = found("5", releases=("1", "2", "5"), previous="1")
    assert superfluous(wanted(version="5", keep=0), there) == ("2",)


def test_prediction():
    there = found(enabled=False, restart_pending=True)
    plan = compute(wanted(version="2", keep=1), there)
    after = predict(state(there), plan, SUM)
    assert after == {
        "current": "2",
        "runs": "2",
        "enabled": True,
        "restart_pending": False,
        "releases": {"1": SUM, "2": SUM},
    }
    assert predict(state(found()), Plan(), "") == state(found())
