# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole module in one process: what it tells, and what it must not tell."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic

from ansible_collections.horizontal.scaling.plugins.modules import config_tree

try:  # ansible-core 2.19 and newer
    from ansible.module_utils.testing import patch_module_args
except ImportError:
    patch_module_args = None


@pytest.fixture
def call(monkeypatch, capsys):
    logged = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, msg, log_args=None: logged.append((msg, log_args)))

    def run(**options):
        if patch_module_args is None:
            monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
            with pytest.raises(SystemExit):
                config_tree.main()
        else:
            with patch_module_args(options), pytest.raises(SystemExit):
                config_tree.main()
        return json.loads(capsys.readouterr().out), logged

    return run


def test_secrets_stand_neither_in_the_result_nor_in_the_log(call, tmp_path):
    files = [
        {"path": "open", "content": "plain text\n"},
        {"path": "shut", "content": "opensesame\n", "sensitive": True},
    ]
    result, logged = call(root=str(tmp_path / "root"), files=files)
    assert result["changed"] is True
    assert "opensesame" not in json.dumps(result)
    assert [part["after"] for part in result["diff"]] == ["plain text\n", "(sensitive new content, not shown)\n"]
    assert "opensesame" not in str(logged)
    assert f"root={tmp_path}/root" in str(logged)


def test_errors_are_one_sentence(call, tmp_path):
    result, _ = call(root=str(tmp_path), files=[{"path": "../x", "content": ""}])
    assert result["failed"] is True
    assert result["msg"].startswith("files[0].path '../x' is not accepted: give a path relative to the root")
