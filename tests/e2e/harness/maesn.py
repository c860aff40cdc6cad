"""Maesn's webhook API, as its documents describe it, on a free port of loopback.

Source: docs.maesn.com, "Create webhook" and "Authentication"; the OpenAPI in github.com/maesndev/sdk-typescript at
b364da3; read 2026-11-21. What an answer to a list does not tell (resource, event, company) it does not tell here.
"""

import dataclasses
import datetime
import http.server
import json
import re
import secrets
import threading
import time
import urllib.parse
import uuid

API_KEY = "the-tenants-api-key-0123456789abcdef"
YEAR_S = 365 * 86400


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    api_key: str
    account_key: str
    body: dict | None
    at: float = dataclasses.field(default_factory=time.monotonic)


@dataclasses.dataclass
class Subscription:
    id: str
    account_key: str
    query: dict
    body: dict  # as it was posted
    secret: str
    created: datetime.datetime
    expires: datetime.datetime

    @property
    def url(self):
        return self.body["callbackUrl"]

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    def told(self, with_secret=False):
        told = {"id": self.id, "callbackUrl": self.url, "createdDate": text(self.created),
                "updatedDate": text(self.created), "expiresDate": text(self.expires)}
        return told | ({"secret": self.secret} if with_secret else {})


def text(instant):
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def envelope(data):
    return {"meta": None, "data": data, "errors": None, "rawData": None}


class Maesn:
    """`requests` is all that was asked, `subscriptions` what exists. `fault(request)` may return (status, body text) that
    is answered instead, "reset" to act and close without an answer, "hold" to act and answer when released; None: nothing
    special."""

    def __init__(self, lifetime_s=YEAR_S):
        self.lifetime_s = lifetime_s
        self.requests, self.subscriptions = [], {}
        self.fault = lambda request: None
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def of(self, account_key):
        with self.lock:
            return [s for s in self.subscriptions.values() if s.account_key == account_key]

    def asked(self, method=None, account_key=None):
        with self.lock:
            return [r for r in self.requests if method in (None, r.method) and account_key in (None, r.account_key)]

    def act(self, request):
        """(status, envelope) of a request that is as it should be."""
        now = datetime.datetime.now(datetime.timezone.utc)
        if request.api_key != API_KEY or not request.account_key:
            return 401, envelope(None)
        mine = {s.id: s for s in self.subscriptions.values()
                if s.account_key == request.account_key and s.query == request.query and s.expires > now}
        if request.method == "GET" and request.path == "/webhooks":
            return 200, envelope([s.told() for s in mine.values()])
        if request.method == "POST" and request.path == "/webhooks":
            made = Subscription(str(uuid.uuid4()), request.account_key, request.query, request.body,
                                secrets.token_hex(32), now, now + datetime.timedelta(seconds=self.lifetime_s))
            self.subscriptions[made.id] = made
            return 201, envelope(made.told(with_secret=True))
        found = re.fullmatch(r"/webhooks/([^/]+)", request.path)
        if request.method == "DELETE" and found and found[1] in mine:
            del self.subscriptions[found[1]]
            return 200, envelope({})
        return 404, envelope(None)

    def _handler(self):
        maesn = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                url = urllib.parse.urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, url.path, dict(urllib.parse.parse_qsl(url.query)),
                                  self.headers.get("X-API-KEY"), self.headers.get("X-ACCOUNT-KEY"),
                                  json.loads(body) if body else None)
                with maesn.lock:
                    maesn.requests.append(request)
                    fault = maesn.fault(request)
                    status, answer = fault if isinstance(fault, tuple) else maesn.act(request)
                if fault == "hold":
                    maesn.released.wait(60)
                if fault == "reset":
                    self.close_connection = True
                    return
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass  # the caller is gone

            do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        return Handler
