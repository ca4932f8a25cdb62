# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json
import pathlib
import sys

import demo
import generator
import trial

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab/claims_service/claims_service"))


def test_the_claim_that_is_sent_is_a_valid_one():
    import fhir

    assert fhir.validate(json.loads((generator.HERE / "claim.json").read_text())) == []


def test_a_fifth_of_the_requests_send_a_claim_in():
    targets = [json.loads(line) for line in generator.targets("http://10.89.0.250").splitlines()]
    assert [target["method"] for target in targets].count("POST") * 5 == len(targets)
    posts = [target for target in targets if target["method"] == "POST"]
    assert json.loads(base64.b64decode(posts[0]["body"]))["resourceType"] == "Claim"
    assert all(target["url"].startswith("http://10.89.0.250/") for target in targets)


def test_a_rate_of_zero_leaves_a_stream_out():
    assert [attack.name for attack in generator.usual_attacks(100, 0)] == ["keep-alive"]
    assert [attack.keep_alive for attack in generator.usual_attacks(100, 10)] == [True, False]


def test_extra_variables_reach_the_playbook():
    command = demo.playbook(demo.options(["--version", "3.0.0", "-e", "rollout_watch=5", "-e", "a=b"]))
    assert command[:2] == ["ansible-playbook", "horizontal.scaling.deploy"]
    assert [command[index + 1] for index, word in enumerate(command) if word == "-e"] == [
        "rollout_service=claims-service",
        "rollout_version=3.0.0",
        "rollout_watch=5",
        "a=b",
    ]


def test_rollouts_are_found_in_the_output_of_a_playbook():
    result = {"msg": {"current": [{"id": 2}], "history": [{"id": 1}]}}
    output = {"plays": [{"tasks": [{"hosts": {"app1": {"msg": "text"}}}, {"hosts": {"app1": result, "app2": {}}}]}]}
    assert [record["id"] for record in trial._rollouts(output)] == [2, 1]
    assert trial._rollouts({"plays": []}) == []


def test_the_machine_is_described():
    assert {"system", "cores", "processor", "memory", "kernel"} <= set(trial.machine())


def test_how_busy_the_processors_were():
    assert trial._busy((100, 200), (150, 400)) == 0.75
    assert trial._busy((0, 0), (0, 0)) is None
