#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes numbered documents, as an application would, until it is told to end; then reads all of them back.

    writer.py URI RESULT

Writes are retryable and wait for a majority; INTERVAL in its environment: seconds between two of them. The result, as
JSON: how many were acknowledged, which of them are missing, errors that the application saw, the longest time without
an acknowledgement, and all such times above PAUSE.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

URI, RESULT = sys.argv[1:]
INTERVAL = float(os.environ.get("INTERVAL", "0.025"))
PAUSE = 0.2
state = {"run": True}


def end(*_arguments):
    state["run"] = False


def main():
    signal.signal(signal.SIGTERM, end)
    database = pymongo.MongoClient(URI).numbers
    written = database.get_collection("written", read_concern=ReadConcern("majority"))
    last_one = written.find_one(sort=[("_id", -1)])
    number = last_one["_id"] if last_one else 0
    acknowledged, errors, gaps, last = [], [], [], time.monotonic()
    while state["run"]:
        number += 1
        try:
            written.insert_one({"_id": number})
        except PyMongoError as error:
            errors.append(f"{number}: {type(error).__name__}: {error}"[:300])
            time.sleep(0.05)
            continue
        acknowledged.append(number)
        now = time.monotonic()
        gaps.append(now - last)
        last = now
        time.sleep(INTERVAL)
    there = {document["_id"] for document in written.find({}, {"_id": 1})}
    result = {
        "acknowledged": len(acknowledged),
        "missing": [each for each in acknowledged if each not in there],
        "errors": errors,
        "longest_gap": round(max(gaps, default=0), 3),
        "pauses": [round(gap, 3) for gap in gaps if gap > PAUSE],
    }
    Path(RESULT).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
