#!/usr/bin/env python3
"""load HOST:PORT…: requests over kept and over fresh connections until SIGTERM, two minutes at the most.

Prints what was sent and what failed. Clients behave as the standard says: they go by `Connection: close`, and never
repeat a request.
"""

import collections
import http.client
import json
import signal
import sys
import threading
import time

END = threading.Event()
SENT, FAILED = collections.Counter(), collections.Counter()
LOCK = threading.Lock()


def client(place, keep, method):
    connection = None
    while not END.is_set():
        try:
            connection = connection or http.client.HTTPConnection(place, timeout=10)
            body = b"x" * 100 if method == "POST" else None
            connection.request(method, "/", body=body, headers={} if keep else {"Connection": "close"})
            answer = connection.getresponse()
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
        time.sleep(0.02)


threads = [
    threading.Thread(target=client, args=(place, keep, method))
    for place in sys.argv[1:]
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
print(json.dumps({"sent": sum(SENT.values()), "failed": sum(FAILED.values()), "reasons": FAILED}))
