# SPDX-License-Identifier: GPL-3.0-or-later
"""WebSockets that stay open and long downloads: how each of them ended, one JSON line per connection.

Runs on the load host with nothing but Python's own library. A WebSocket echoes a message a second; it may be closed by
the server with a close frame (then it is opened again, as a client would), but not cut. A download must arrive whole.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import struct
import time
import urllib.parse

PATIENCE = 10.0  # seconds without a byte that was due
CLOSE, PING, PONG, TEXT = 8, 9, 10, 1


class Cut(Exception):
    """The connection ended, or went silent, where it should not."""


async def request(base, path, headers=()):
    """Send a GET; the streams, the status and the headers (names in lower case)."""
    address = urllib.parse.urlsplit(base)
    connect = asyncio.open_connection(address.hostname, address.port or 80)
    reader, writer = await asyncio.wait_for(connect, PATIENCE)
    lines = [f"GET {path} HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    except BaseException:
        writer.close()
        raise
    status, *fields = head.decode("latin-1").split("\r\n")
    found = dict(field.lower().split(": ", 1) for field in fields if ": " in field)
    return reader, writer, int(status.split(" ")[1]), found


def frame(kind, payload=b""):
    """A frame as a client sends it: final, masked; payloads under 126 bytes."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked


async def read_frame(reader):
    """Kind and payload of the next frame; servers do not mask."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(length)


async def echo(reader, writer, stop, result):
    """Messages back and forth until either side closes."""
    asked = False
    while True:
        if stop.is_set() and not asked:
            writer.write(frame(CLOSE, struct.pack(">H", 1000)))
            asked = True
        elif not asked:
            writer.write(frame(TEXT, b"claim"))
        try:
            kind, payload = await asyncio.wait_for(read_frame(reader), PATIENCE)
        except (asyncio.TimeoutError, OSError, EOFError) as error:
            raise Cut(f"{type(error).__name__} {error}".strip()) from error
        if kind == CLOSE:
            result["code"] = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
            if not asked:
                writer.write(frame(CLOSE, payload[:2]))
            return
        if kind == PING:
            writer.write(frame(PONG, payload))
        if kind == TEXT:
            result["messages"] += 1
            if not asked:
                await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=1)


async def websocket(base, stop, result):
    key = base64.b64encode(os.urandom(16)).decode()
    headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
    reader, writer, status, found = await request(base, "/ws", headers)
    try:
        result.update(status=status, messages=0, version=found.get("x-service-version", ""))
        result["host"] = found.get("x-service-host", "")
        if status != 101:
            raise Cut(f"answered {status}")
        await echo(reader, writer, stop, result)
        result["outcome"] = "closed"
    finally:
        writer.close()


async def download(base, seconds, result):
    reader, writer, status, found = await request(base, f"/download?seconds={seconds}", ["Connection: close"])
    try:
        expected = int(found.get("content-length", 0))
        result.update(status=status, expected=expected, bytes=0, version=found.get("x-service-version", ""))
        result["host"] = found.get("x-service-host", "")
        if status != 200:
            raise Cut(f"answered {status}")
        while result["bytes"] < expected:
            block = await asyncio.wait_for(reader.read(65536), PATIENCE)
            if not block:
                raise Cut(f"ended after {result['bytes']} of {expected} bytes")
            result["bytes"] += len(block)
        result["outcome"] = "whole"
    finally:
        writer.close()


async def again_and_again(kind, stop, connect):
    """Connections one after another, each reported when it has ended."""
    while not stop.is_set():
        result = {"kind": kind, "opened": time.time(), "outcome": "cut", "error": ""}
        try:
            await connect(result)
        except (Cut, OSError, EOFError, ValueError, asyncio.TimeoutError, asyncio.LimitOverrunError) as error:
            result["error"] = str(error) or type(error).__name__
            if "status" not in result:
                result["outcome"] = "refused"
        result["ended"] = time.time()
        print(json.dumps(result), flush=True)
        if result["outcome"] in ("cut", "refused"):
            await asyncio.sleep(0.2)


async def run(arguments):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.call_later(arguments.seconds, stop.set)
    streams = [
        again_and_again("websocket", stop, lambda result: websocket(arguments.base, stop, result))
        for _ in range(arguments.websockets)
    ]
    streams += [
        again_and_again("download", stop, lambda result: download(arguments.base, arguments.download_seconds, result))
        for _ in range(arguments.downloads)
    ]
    await asyncio.gather(*streams)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base", help="where to, e.g. http://10.89.0.250")
    parser.add_argument("--seconds", type=float, default=60, help="end by itself after this time")
    parser.add_argument("--websockets", type=int, default=0, help="open at the same time")
    parser.add_argument("--downloads", type=int, default=0, help="at the same time")
    parser.add_argument("--download-seconds", type=float, default=5)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
