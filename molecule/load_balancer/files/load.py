#!/usr/bin/env python3
"""load [--repeat] HOST:PORT…: requests over kept and over fresh connections until SIGTERM, two minutes at the most.

Prints what was sent and what failed. Clients behave as the standard says: they go by `Connection: close`. With --repeat
they send a request again, once and on a new connection, when a kept one was closed before a byte of an answer came
(RFC 9112 9.3.1), as browsers and HTTP libraries do; without, never.
"""

import collections
import http.client
import json
import signal
import sys
import threading
import time

END = threading.Event()
SENT, FAILED, REPEATED = collections.Counter(), collections.Counter(), collections.Counter()
LOCK = threading.Lock()


REPEAT = "--repeat" in sys.argv
CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


def ask(connection, keep, method):
    body = b"x" * 100 if method == "POST" else None
    connection.request(method, "/", body=body, headers={} if keep else {"Connection": "close"})
    return connection.getresponse()


def client(place, keep, method):
    connection = None
    while not END.is_set():
        try:
            kept, connection = connection, connection or http.client.HTTPConnection(place, timeout=10)
            try:
                answer = ask(connection, keep, method)
            except CLOSED:
                if not (REPEAT and kept):
                    raise
                connection = http.client.HTTPConnection(place, timeout=10)
                answer = ask(connection, keep, method)
                with LOCK:
                    REPEATED[method] += 1
            text = answer.read()
            reason = "" if answer.status == 200 and text else f"status {answer.status}"
            if answer.will_close:
                connection.close()
                connection = None
        except (OSError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}: {error}"
            connection = None
        with LOCK:
            SENT[method] += 1
            if reason:
                FAILED[f"{method} {reason}"] += 1
        time.sleep(0.05)


threads = [
    threading.Thread(target=client, args=(place, keep, method))
    for place in sys.argv[1 + REPEAT :]
    for keep in (True, True, False)
    for method in ("GET", "GET", "POST")
]
signal.signal(signal.SIGTERM, lambda *_: END.set())
for thread in threads:
    thread.start()
END.wait(120)
END.set()
for thread in threads:
    thread.join()
print(json.dumps({"sent": sum(SENT.values()), "failed": sum(FAILED.values()), "repeated": REPEATED, "reasons": FAILED}))
