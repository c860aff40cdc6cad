"""A provider's API on a free port of loopback: what every one of them has in common, and how it can fail."""

import collections.abc
import dataclasses
import http.server
import json
import re
import select
import threading
import time
import urllib.parse


# Between an account key and the number of its issue: who authorizes once more is given another key of the same account.
ISSUE = ".issue-"


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    headers: dict  # names in lower case
    body: dict | None
    actor: str  # under whose URL it came, see ProviderServer.url_of(); "" without one
    at: float = dataclasses.field(default_factory=time.monotonic)
    ended_at: float | None = None  # when its answer was written, or its asker has closed the connection
    fault: object = None  # what went wrong with it
    status: int = 0  # of the answer that was written

    @property
    def api_key(self):
        return self.headers.get("x-api-key")

    @property
    def account_key(self):
        """Of whom it is: Maesn's account key, whichever issue of it, or the bearer of a native provider."""
        bearer = self.headers.get("authorization", "")
        return self.headers.get("x-account-key", "").partition(ISSUE)[0] or bearer.removeprefix("Bearer ")

    @property
    def writes(self):
        return self.method != "GET"


@dataclasses.dataclass
class Fault:
    """What becomes of one request. As it stands, nothing goes wrong."""

    acts: bool = True  # what is asked for is done
    status: int | None = None  # answered instead of the truth
    body: str | None = None  # likewise
    alter: collections.abc.Callable | None = None  # of the true answer's text makes the one that is sent
    headers: dict = dataclasses.field(default_factory=dict)  # beside the usual ones
    delay_s: float = 0.0  # before anything is answered
    hold: bool = False  # until `released` is set
    resets: bool = False  # the connection is closed without an answer
    cuts: bool = False  # the connection is closed within the body
    then: collections.abc.Callable | None = None  # called after acting, before the answer

    @property
    def is_ambiguous(self):
        """Whether the asker cannot know what was done."""
        return self.resets or self.cuts or (self.status or 200) >= 500 or self.delay_s > 1


NAMED = {"reset": Fault(resets=True), "hold": Fault(hold=True)}


def as_fault(told):
    """None, a Fault, the name of one, or (status, body) that is answered without acting."""
    if told is None:
        return Fault()
    if isinstance(told, str):
        return NAMED[told]
    return Fault(acts=False, status=told[0], body=told[1]) if isinstance(told, tuple) else told


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A caller that was killed is no error."""


class ProviderServer:
    """`requests` is all that was asked, `subscriptions` what exists, by id; `ended` what was deleted. `fault(request)`
    says what goes wrong, see as_fault(); it is called under the lock, and so one at a time."""

    def __init__(self):
        self.requests, self.subscriptions, self.ended = [], {}, []
        self.fault = lambda request: None
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def url_of(self, actor):
        """A base URL of its own, so that the requests of one process can be told from another's."""
        return f"{self.url}/actor/{actor}"

    def stop(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def of(self, account_key):
        with self.lock:
            return [s for s in self.subscriptions.values() if s.account_key == account_key]

    def asked(self, method=None, account_key=None, actor=None):
        with self.lock:
            return [r for r in self.requests if method in (None, r.method) and account_key in (None, r.account_key)
                    and actor in (None, r.actor)]

    def act(self, request):
        """(status, what to answer or None for no body) of a request that is as it should be."""
        raise NotImplementedError

    def remove(self, subscription):
        """It ends; under the lock."""
        del self.subscriptions[subscription.id]
        subscription.ended_at = time.monotonic()
        self.ended.append(subscription)

    def _take(self, method, target, headers, body):
        url = urllib.parse.urlsplit(target)
        actor, path = re.fullmatch(r"(?:/actor/([^/]+))?(/.*)", url.path).groups()
        request = Request(method, path, dict(urllib.parse.parse_qsl(url.query)),
                          {name.lower(): value for name, value in headers.items()},
                          json.loads(body) if body else None, actor or "")
        with self.lock:
            self.requests.append(request)
            request.fault = fault = as_fault(self.fault(request))
            status, answer = self.act(request) if fault.acts else (200, None)
        text = "" if answer is None else json.dumps(answer)
        if fault.alter:
            text = fault.alter(text)
        return request, fault.status or status, (text if fault.body is None else fault.body).encode()

    def _handler(self):
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request, status, data = provider._take(self.command, self.path, self.headers, body)
                fault = request.fault
                if fault.then:
                    fault.then()
                self._wait(60 if fault.hold else fault.delay_s)
                try:
                    if not fault.resets:
                        self._answer(status, data, fault)
                        request.status = status
                except OSError:
                    pass  # the caller is gone
                self.close_connection |= fault.resets or fault.cuts
                request.ended_at = time.monotonic()

            def _wait(self, seconds):
                """For so long, or until `released` is set, or nobody waits for the answer any more."""
                until = time.monotonic() + seconds
                while not provider.released.is_set() and (left := until - time.monotonic()) > 0:
                    if select.select([self.connection], [], [], min(left, 0.02))[0]:
                        return

            def _answer(self, status, data, fault):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **fault.headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(data[:len(data) // 2] if fault.cuts else data)

            do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        return Handler
