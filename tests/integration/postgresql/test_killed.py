# SPDX-License-Identifier: GPL-3.0-or-later
"""A switchover whose controller is killed at any instant is finished by the next run, and loses no acknowledged row."""

from __future__ import annotations

import contextlib
import multiprocessing
import time

import pytest

from ..running import until

# From before the first look to after the last one; a whole switchover takes about half a second here.
INSTANTS = [0.02 * step for step in range(1, 26)]


def one_primary(site, name):
    found = site.cluster("postgresql_cluster_info", owner=site.owner)
    return found["primaries"] == [name] and sum(bool(each.get("streaming")) for each in found["members"]) == 2


def killed_after(site, seconds, now, wanted):
    """What becomes of the former primary when the module is killed so many seconds after its start."""
    child = multiprocessing.get_context("fork").Process(target=site.switch, args=(now, wanted), daemon=True)
    child.start()
    time.sleep(seconds)
    child.kill()
    child.join()


@pytest.mark.parametrize("instants", [INSTANTS[part::5] for part in range(5)], ids=range(5))
def test_the_next_run_finishes_what_was_cut_off(site, writer, instants):
    a, b, c = site.trio()
    load = writer([a, b, c])
    now, wanted = a, b
    for seconds in instants:
        killed_after(site, seconds, now, wanted)
        found = site.cluster("postgresql_cluster_info", owner=site.owner)
        assert len(found["primaries"]) < 2, found["primaries"]

        def finished(now=now, wanted=wanted):
            with contextlib.suppress(KeyError):
                return not site.switch(now, wanted).get("failed") and one_primary(site, wanted.name)

        until(finished, 20)
        now, wanted = wanted, now
    load.stop()
    assert len(load.acknowledged) > 100
    assert set(load.acknowledged) <= set(now.numbers())
