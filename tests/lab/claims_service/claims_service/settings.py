# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from the environment; a release may bring faults of its own in faults.env."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t


@dataclasses.dataclass(frozen=True)
class Faults:
    """Ways to misbehave, for tests. Rates are 0 to 1."""

    error_rate: float = 0.0
    latency_ms: float = 0.0
    slow_start_s: float = 0.0
    ignore_sigterm: bool = False
    crash_on_start: bool = False
    unhealthy: bool = False


@dataclasses.dataclass(frozen=True)
class Settings:
    version: str
    host: str
    port: int
    storage: str
    shutdown_timeout_s: float
    kept_timeout_s: float
    faults: Faults


def read(release: pathlib.Path, environment: t.Mapping[str, str]) -> Settings:
    """Settings of a release: its VERSION, its faults.env, then the environment."""
    values = {**_env_file(release / "faults.env"), **environment}
    return Settings(
        version=(release / "VERSION").read_text(encoding="utf-8").strip(),
        host=values.get("HOST", "0.0.0.0"),
        port=int(values.get("PORT", "8080")),
        storage=values.get("STORAGE", "memory"),
        shutdown_timeout_s=float(values.get("SHUTDOWN_TIMEOUT_S", "20")),
        kept_timeout_s=float(values.get("KEPT_TIMEOUT_S", "0")),
        faults=Faults(
            error_rate=float(values.get("FAULT_ERROR_RATE", "0")),
            latency_ms=float(values.get("FAULT_LATENCY_MS", "0")),
            slow_start_s=float(values.get("FAULT_SLOW_START_S", "0")),
            ignore_sigterm=_flag(values, "FAULT_IGNORE_SIGTERM"),
            crash_on_start=_flag(values, "FAULT_CRASH_ON_START"),
            unhealthy=_flag(values, "FAULT_UNHEALTHY"),
        ),
    )


def _flag(values: t.Mapping[str, str], name: str) -> bool:
    return values.get(name, "0").lower() in ("1", "true", "yes")


def _env_file(path: pathlib.Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
