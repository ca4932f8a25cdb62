#!/usr/bin/env python3
"""A server that says who it is, for the verification of the load balancers.

/             the request as the server got it: name, path, headers
/?s=2         the same after two seconds
/large        64 KiB of text
/health       what /fault says
/fault?…      health=503 or body=text or fail=all from now on; health=200&body=ok&fail= heals
"""

import json
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

NAME = socket.gethostname()
STATE = {"health": "200", "body": "ok", "fail": ""}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.path == "/health":
            self.answer(int(STATE["health"]), STATE["body"], "text/plain")
        elif parts.path == "/fault":
            STATE.update(query)
            self.answer(200, json.dumps(STATE))
        else:
            time.sleep(float(query.get("s", 0)))
            self.serve(parts.path)

    def serve(self, path):
        if STATE["fail"]:
            self.answer(500, "failing")
        elif path == "/large":
            self.answer(200, "claims " * 9362, "text/plain")
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.answer(200, json.dumps({"name": NAME, "path": self.path, "headers": headers}))

    do_POST = do_GET

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status, text, kind="application/json"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Server", NAME)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_):
        """A health check closes its connection as soon as it has seen enough."""


Server(("", int(sys.argv[1])), Handler).serve_forever()
