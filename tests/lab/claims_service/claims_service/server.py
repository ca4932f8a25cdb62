# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side of claims-service, on aiohttp: claims, health, version, metrics, and a stop that loses no request."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import random
import signal
import socket
import sys
import time
import typing as t
import uuid

import prometheus_client
from aiohttp import WSCloseCode, WSMsgType, web

from . import fhir
from .settings import Settings, read
from .storage import STORAGES

REQUESTS = prometheus_client.Counter("claims_requests", "Requests answered", ["method", "route", "status"])
SECONDS = prometheus_client.Histogram("claims_request_seconds", "Time to answer", ["route"])
IN_FLIGHT = prometheus_client.Gauge("claims_requests_in_flight", "Requests being answered")
PROBES = ("/health", "/ready", "/version", "/metrics")


def log(event: str, **fields: t.Any) -> None:
    """One JSON object a line, for the journal."""
    print(json.dumps({"time": round(time.time(), 3), "event": event, **fields}), flush=True)


class Service:
    """One process of the service."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.storage = STORAGES[settings.storage]()
        self.stopping = asyncio.Event()
        self.in_flight = 0
        self.started = time.monotonic()
        self.sockets: set[web.WebSocketResponse] = set()
        self.hooks: list[t.Callable[[], t.Awaitable[None]]] = [self._close_sockets]

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._around], client_max_size=1024 * 1024)
        application.add_routes(
            [
                web.post("/claims", self.add_claim),
                web.get("/claims", self.list_claims),
                web.get("/claims/{id}", self.get_claim),
                web.get("/health", self.health),
                web.get("/ready", self.ready),
                web.get("/version", self.version),
                web.get("/metrics", self.metrics),
                web.get("/download", self.download),
                web.get("/ws", self.websocket),
            ]
        )
        application.on_response_prepare.append(self._mark)
        return application

    async def _mark(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Service-Version"] = self.settings.version
        response.headers["X-Service-Host"] = socket.gethostname()
        # A kept-alive connection ends with its answer once the service stops, so no request meets a closed door. The
        # header is written out: aiohttp has chosen its own before it comes here.
        if self.stopping.is_set() and not isinstance(response, web.WebSocketResponse):
            response.headers["Connection"] = "close"
            response.force_close()

    @web.middleware
    async def _around(self, request: web.Request, handler: t.Callable) -> web.StreamResponse:
        began = time.monotonic()
        route = request.match_info.route.resource.canonical if request.match_info.route.resource else "unknown"
        status = 500
        self.in_flight += 1
        IN_FLIGHT.inc()
        try:
            await self._misbehave(request)
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self.in_flight -= 1
            IN_FLIGHT.dec()
            seconds = time.monotonic() - began
            REQUESTS.labels(request.method, route, status).inc()
            SECONDS.labels(route).observe(seconds)
            if status >= 400:
                log("request", method=request.method, path=request.path, status=status, seconds=round(seconds, 4))

    async def _misbehave(self, request: web.Request) -> None:
        faults = self.settings.faults
        if request.path in PROBES:
            return
        if faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        if faults.error_rate and random.random() < faults.error_rate:
            raise web.HTTPInternalServerError(text="an injected fault\n")

    async def add_claim(self, request: web.Request) -> web.Response:
        try:
            claim = await request.json()
        except ValueError:
            return web.json_response(fhir.operation_outcome([("Claim", "is not valid JSON")]), status=422)
        issues = fhir.validate(claim)
        if issues:
            return web.json_response(fhir.operation_outcome(issues), status=422)
        claim["id"] = uuid.uuid4().hex
        await self.storage.add(claim["id"], claim)
        return web.json_response(claim, status=201, headers={"Location": f"/claims/{claim['id']}"})

    async def list_claims(self, request: web.Request) -> web.Response:
        try:
            count = min(100, int(request.query.get("count", "10")))
        except ValueError:
            raise web.HTTPBadRequest(text="count must be a number\n") from None
        claims = await self.storage.newest(count)
        return web.json_response({"resourceType": "Bundle", "entry": [{"resource": claim} for claim in claims]})

    async def get_claim(self, request: web.Request) -> web.Response:
        claim = await self.storage.get(request.match_info["id"])
        if claim is None:
            raise web.HTTPNotFound(text="no such claim\n")
        return web.json_response(claim)

    async def health(self, request: web.Request) -> web.Response:
        up = time.monotonic() - self.started >= self.settings.faults.slow_start_s and not self.settings.faults.unhealthy
        return web.json_response({"status": "ok" if up else "failing"}, status=200 if up else 503)

    async def ready(self, request: web.Request) -> web.Response:
        if self.stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        return await self.health(request)

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"name": "claims-service", "version": self.settings.version})

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=prometheus_client.generate_latest(), content_type="text/plain")

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A long answer: `seconds` of one block of 1 KiB every 0.1 s."""
        blocks = int(float(request.query.get("seconds", "5")) * 10)
        response = web.StreamResponse(headers={"Content-Length": str(blocks * 1024)})
        await response.prepare(request)
        for _ in range(blocks):
            await response.write(b"x" * 1024)
            await asyncio.sleep(0.1)
        await response.write_eof()
        return response

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Echoes; closed with 1001 (going away) when the service stops."""
        websocket = web.WebSocketResponse(heartbeat=10)
        await websocket.prepare(request)
        self.sockets.add(websocket)
        try:
            async for message in websocket:
                if message.type == WSMsgType.TEXT:
                    await websocket.send_str(message.data)
            # aiohttp 3.8 leaves its loop before it has sent the code that close() was given.
            if self.stopping.is_set():
                await websocket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping")
        finally:
            self.sockets.discard(websocket)
        return websocket

    async def _close_sockets(self) -> None:
        await asyncio.gather(
            *(websocket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping") for websocket in list(self.sockets))
        )

    async def run(self) -> None:
        runner = web.AppRunner(self.application(), access_log=None, keepalive_timeout=75)
        await runner.setup()
        loop = asyncio.get_running_loop()
        # Not aiohttp's TCPSite: stopping that also cuts the connections that have a request coming in.
        listener = await loop.create_server(runner.server, self.settings.host, self.settings.port, backlog=1024)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop, signal.Signals(number).name)
        log("started", version=self.settings.version, port=self.settings.port, pid=os.getpid())
        await self.stopping.wait()
        deadline = time.monotonic() + self.settings.shutdown_timeout_s
        listener.close()
        await self._run_hooks(deadline)
        await self._let_kept_connections_end(runner.server, deadline)
        cut = await self._finish(deadline)
        # What was answered may still be on its way; an idle connection ends at once.
        getattr(runner.server, "pre_shutdown", lambda: None)()  # aiohttp 3.9 and later
        await runner.server.shutdown(max(0.1, deadline - time.monotonic()))
        await runner.cleanup()
        log("stopped", requests_cut=cut)

    async def _run_hooks(self, deadline: float) -> None:
        """One after the other; a hook that fails or takes too long is logged, and the service ends all the same."""
        for hook in self.hooks:
            try:
                await asyncio.wait_for(hook(), max(0.1, deadline - time.monotonic()))
            except Exception as error:
                log("hook_failed", hook=getattr(hook, "__name__", repr(hook)), reason=repr(error))

    def _asked_to_stop(self, name: str) -> None:
        if self.settings.faults.ignore_sigterm:
            log("ignored", signal=name)
            return
        log("stopping", signal=name, in_flight=self.in_flight)
        self.stopping.set()

    async def _let_kept_connections_end(self, server: web.Server, deadline: float) -> None:
        """Where no load balancer has taken them away, clients may send on them just now; each ends with its answer."""
        end = min(deadline, time.monotonic() + self.settings.kept_timeout_s)
        while server.connections and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def _finish(self, deadline: float) -> int:
        """Wait for what is in flight; the requests that were left at the deadline."""
        while self.in_flight and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return self.in_flight


async def _serve(settings: Settings) -> None:
    await Service(settings).run()


def main(release: pathlib.Path) -> None:
    settings = read(release, os.environ)
    if settings.faults.crash_on_start:
        log("crashed", reason="an injected fault")
        sys.exit(3)
    asyncio.run(_serve(settings))
