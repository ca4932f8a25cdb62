# SPDX-License-Identifier: GPL-3.0-or-later
"""Both load balancers take the same service data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"


def read(*parts):
    return yaml.safe_load(ROLES.joinpath(*parts).read_text(encoding="utf-8"))


def services(role):
    return read(role, "meta", "argument_specs.yml")["argument_specs"]["main"]["options"][f"{role}_services"]


def shape(option):
    """An option without its words."""
    kept = {key: value for key, value in option.items() if key not in ("description", "options")}
    if "options" in option:
        kept["options"] = {name: shape(below) for name, below in option["options"].items()}
    return kept


def defaults(options):
    return {name: option["default"] for name, option in options.items() if "default" in option}


@pytest.mark.skipif(not (ROLES / "haproxy" / "meta").is_dir(), reason="the artifact has no other role to compare with")
def test_services_are_described_in_the_same_way():
    assert shape(services("nginx")) == shape(services("haproxy"))


def test_what_the_templates_assume_is_what_is_documented():
    options, variables = services("nginx")["options"], read("nginx", "vars", "main.yml")
    unprobed = {"health_path"}  # used by others than NGINX
    assert (
        variables["__nginx_service_defaults"].items()
        >= {name: value for name, value in defaults(options).items() if name not in unprobed}.items()
    )
    assert variables["__nginx_tls_defaults"] == defaults(options["tls"]["options"])
    assert variables["__nginx_rate_limit_defaults"] == defaults(options["rate_limit"]["options"])
    assert defaults(options["servers"]["options"]) == variables["__nginx_server_defaults"]


def test_every_variable_has_a_default_and_a_description():
    documented = read("nginx", "meta", "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert set(documented) == set(read("nginx", "defaults", "main.yml"))
