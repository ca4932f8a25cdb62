# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.horizontal.scaling.plugins.module_utils.core import lock
from ansible_collections.horizontal.scaling.plugins.module_utils.core.errors import ScalingError


def test_a_second_editor_waits_and_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_SECONDS", 0.2)
    told = pytest.raises(ScalingError, match=f"Another process has been changing {tmp_path} for 0.2 s")
    with lock.directory_lock(tmp_path), told, lock.directory_lock(tmp_path):
        pass


def test_it_is_free_again_also_after_an_error(tmp_path):
    with pytest.raises(KeyError), lock.directory_lock(tmp_path):
        raise KeyError
    with lock.directory_lock(tmp_path):
        pass


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ScalingError, match="gone cannot be opened: No such file"), lock.directory_lock(
        tmp_path / "gone"
    ):
        pass
