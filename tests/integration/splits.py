# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of traffic_split share: a split, clients that count who answered, and a bound for a share."""

from __future__ import annotations

import contextlib
import http.client
import math
import threading
import time
import typing as t

VERSIONS = {"app1": "stable", "app2": "stable", "app3": "canary"}
DATA = {
    "weights": {"stable": 95, "canary": 5},
    "match": [
        {"by": "header", "name": "X-Version", "value": "canary", "version": "canary"},
        {"by": "cookie", "name": "version", "value": "stable", "version": "stable"},
    ],
    "sticky": {"by": "cookie", "name": "user"},
}
# Six standard deviations: one in a billion runs fails by chance.
DEVIATIONS = 6.0


def answers(port: int, number: int, headers: t.Callable[[int], dict[str, str]] = lambda _: {}) -> list[str]:
    """Who answered each of so many requests over one kept connection; anything but 200 stands as its status."""
    found = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for count in range(number):
            connection.request("GET", "/", headers=headers(count))
            answer = connection.getresponse()
            body = answer.read().decode()
            found.append(body if answer.status == 200 else str(answer.status))
    return found


def assert_share(found: int, number: int, percent: float) -> None:
    """A number of answers is within the binomial bounds of a share."""
    share = percent / 100
    deviation = math.sqrt(number * share * (1 - share))
    assert abs(found - number * share) <= DEVIATIONS * deviation, f"{found} of {number} is not {percent} %"


def assert_clients_keep_their_version(balancer: t.Any) -> None:
    """By the cookie of DATA: the same clients get canary again, and keep it when others get it, too."""

    def canary_users() -> set[int]:
        versions = balancer.answers(200, lambda number: {"Cookie": f"user=u{number}"})
        return {number for number, version in enumerate(versions) if version == "canary"}

    balancer.split(weights={"stable": 70, "canary": 30})
    before = canary_users()
    assert_share(len(before), 200, 30)
    again = canary_users()
    assert again == before, f"{before ^ again} changed their version"
    balancer.split(weights={"stable": 40, "canary": 60})
    more = canary_users()
    assert before < more, f"{before - more} lost their version, {len(more - before)} got it"


class Load:
    """Clients at a constant rate, over kept connections and over new ones, that count what fails."""

    def __init__(self, port: int, headers: dict[str, str] | None = None, rate: float = 150.0) -> None:
        self.requests = 0
        self.failures: list[str] = []
        self._port = port
        self._headers = headers or {}
        self._pause = 2 / rate
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(keep,), daemon=True) for keep in (True, False)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                connection.request("POST", "/", body=b"x", headers=self._headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            self.requests += 1
            if not keep:
                connection.close()
            due += self._pause
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()
