#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs writer.py without TLS until all members take TLS, and with it from then on, as applications are moved.

    moving_writer.py URI RESULT

The URI is the one with TLS. What the first part saw is beside the result, as RESULT with _plain at the end of its name.
"""

import os
import ssl
import subprocess
import sys
import time
from socket import create_connection
from urllib.parse import urlsplit

WRITER = "/root/writer.py"
URI, RESULT = sys.argv[1:]
AUTHORITY = "/root/ca.pem"
MEMBERS = urlsplit(URI).netloc.rpartition("@")[2].split(",")


def takes_tls(member: str, context: ssl.SSLContext) -> bool:
    try:
        with create_connection((member, 27017), 2) as plain, context.wrap_socket(plain, server_hostname=member):
            return True
    except OSError:
        return False


def main() -> None:
    context = ssl.create_default_context(cafile=AUTHORITY)
    without = URI.replace(f"tls=true&tlsCAFile={AUTHORITY}", "tls=false")
    first = subprocess.Popen([WRITER, without, RESULT.replace(".json", "_plain.json")])
    while not all(takes_tls(member, context) for member in MEMBERS):
        time.sleep(1)
    first.terminate()
    first.wait()
    os.execv(WRITER, [WRITER, URI, RESULT])


if __name__ == "__main__":
    main()
