"""Senders of callbacks: what Maesn does, and many of it at once."""

import asyncio
import dataclasses
import hashlib
import hmac
import json
import time

SIGNATURE_HEADER = "X-MAESN-SIGNATURE"


def sign(secret, body):
    """Source: Maesn's webhook guide, read 2026-11-21: lower-case hex of HMAC-SHA256 over the raw body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def event(resource_id, resource="INVOICE", event_type="UPDATED", **more):
    """The published sample event with another id."""
    return {"eventType": event_type, "filterDate": "2026-01-02T03:04:05Z", "resource": resource,
            "resourceId": str(resource_id), **more}


def encode(value):
    return json.dumps(value, separators=(",", ":")).encode()


@dataclasses.dataclass
class Answer:
    """What came back for one callback. status 0: no whole answer, `error` says why."""

    status: int = 0
    headers: dict = dataclasses.field(default_factory=dict)  # names in lower case
    body: bytes = b""
    sent_at: float = 0.0  # monotonic
    elapsed: float = 0.0
    error: str = ""

    @property
    def retry_after(self):
        return self.headers.get("retry-after")


def request(path, body, headers=None, method="POST"):
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bridge", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def signed_request(path, body, secret):
    return request(path, body, {"Content-Type": "application/json", SIGNATURE_HEADER: sign(secret, body)})


async def read_answer(reader, answer):
    """Reads one answer from the stream into `answer`."""
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    answer.headers = {name.strip().lower(): value.strip() for name, _, value in
                      (line.partition(":") for line in lines if line)}
    answer.body = await reader.readexactly(int(answer.headers.get("content-length", 0)))
    answer.status = int(status_line.split(" ")[1])


class Connection:
    """One keep-alive connection in lock-step: a request, its answer, the next. Opened when first needed and again
    after it was closed between two requests."""

    def __init__(self, port, ssl=None, host="127.0.0.1"):
        self.host, self.port, self.ssl = host, port, ssl
        self.reader = self.writer = None

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, ssl=self.ssl)

    async def exchange(self, data, seconds=30):
        answer = Answer(sent_at=time.monotonic())
        try:
            if self.writer is None:
                await asyncio.wait_for(self.open(), seconds)
            self.writer.write(data)
            await asyncio.wait_for(read_answer(self.reader, answer), seconds)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            answer.error = f"{type(error).__name__}: {error}"
        answer.elapsed = time.monotonic() - answer.sent_at
        if answer.error or answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    async def close(self):
        writer, self.reader, self.writer = self.writer, None, None
        if writer:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass  # it was broken already


def exchange(port, data):
    """The answer to the bytes of one request, on a connection of its own."""
    async def once():
        connection = Connection(port)
        try:
            return await connection.exchange(data)
        finally:
            await connection.close()

    return asyncio.run(once())


def post(port, path, body, secret):
    """One signed callback on a connection of its own."""
    return exchange(port, signed_request(path, body, secret))


class Load:
    """Signed callbacks, each with an event id of its own, from so many lock-step connections until stop().

    Runs in the caller's event loop: `async with Load(...) as load: ...`. path: one, or several that take turns. rate: callbacks a second over all
    connections; None: as fast as the answers come. `secret` may be replaced while it runs. keeps_alive: False for a new
    connection each time. patience: seconds for an answer."""

    def __init__(self, port, path, secret, connections=16, rate=None, prefix="event", oracle=None, host="127.0.0.1",
                 keeps_alive=True, patience=30):
        self.port, self.paths, self.secret = port, [path] if isinstance(path, str) else path, secret
        self.connections, self.rate, self.prefix, self.oracle = connections, rate, prefix, oracle
        self.host, self.keeps_alive, self.patience = host, keeps_alive, patience
        self.answers = []  # (id, Answer), in the order of the answers
        self._count = 0
        self._stopping = False
        self._tasks = []
        self._next_at = 0.0

    async def __aenter__(self):
        self._next_at = time.monotonic()
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self.connections)]
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def _turn(self):
        """Waits for this connection's turn in the schedule."""
        if self.rate:
            at, self._next_at = self._next_at, max(self._next_at, time.monotonic() - 1) + 1 / self.rate
            await asyncio.sleep(max(0, at - time.monotonic()))

    async def _run(self):
        connection = Connection(self.port, host=self.host)
        while True:
            await self._turn()
            if self._stopping:
                break
            self._count += 1
            name = f"{self.prefix}-{self._count}"
            body = encode(event(name))
            if self.oracle:
                self.oracle.sent(name)
            path, secret = self.target()
            answer = await connection.exchange(signed_request(path, body, secret), self.patience)
            self.answers.append((name, answer))
            if self.oracle:
                self.oracle.answered(name, answer)
            if not self.keeps_alive:
                await connection.close()
            if not self.may_go_on(answer):
                break
        await connection.close()

    def target(self):
        """(path, secret) of the callback whose turn it is."""
        return self.paths[self._count % len(self.paths)], self.secret

    def may_go_on(self, answer):
        """Whether this connection sends another one after this answer."""
        return True

    def is_over(self):
        return all(task.done() for task in self._tasks)

    async def stop(self):
        """Lets every connection get its last answer."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def since(self, mono):
        """Answers to what was sent after that instant."""
        return [answer for _, answer in self.answers if answer.sent_at >= mono]

    async def until(self, condition, seconds, what):
        """Waits, while the load goes on, for condition() to be true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            await asyncio.sleep(0.02)

    async def answered(self, count, seconds=20):
        """Waits for so many more answers."""
        goal = len(self.answers) + count
        await self.until(lambda: len(self.answers) >= goal, seconds, f"{count} more answers")


def statuses(answers):
    """How often each status came."""
    counts = {}
    for answer in answers:
        counts[answer.status] = counts.get(answer.status, 0) + 1
    return counts
