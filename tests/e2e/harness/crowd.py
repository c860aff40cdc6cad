"""A Maesn for many accounts: a process of its own that answers thousands of calls a second and remembers who asked what
and when. It knows nothing of companies, errors or pages; harness.maesn does."""

import asyncio
import json
import multiprocessing
import re
import secrets
import time
import urllib.parse

from harness.maesn import API_KEY, YEAR_S

HEAD = re.compile(rb"(GET|POST|DELETE) (\S+) HTTP/1\.1\r\n")
FIELD = re.compile(rb"^(x-api-key|x-account-key|content-length): *([^\r]*)\r$", re.IGNORECASE | re.MULTILINE)


def text(unix_s):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s)) + ".000Z"


class State:
    def __init__(self):
        self.calls = []  # (method, account key, when)
        self.subscriptions = {}  # account key: {id: entry}
        self.made = 0

    def answer(self, method, target, account_key, body):
        """(status, data)"""
        self.calls.append((method, account_key, time.monotonic()))
        mine = self.subscriptions.setdefault(account_key, {})
        path = urllib.parse.urlsplit(target).path
        if method == "GET" and path == "/webhooks":
            return 200, list(mine.values())
        if method == "POST" and path == "/webhooks":
            self.made += 1
            now = time.time()
            entry = {"id": f"00000000-0000-4000-8000-{self.made:012d}", "callbackUrl": json.loads(body)["callbackUrl"],
                     "createdDate": text(now), "updatedDate": text(now), "expiresDate": text(now + YEAR_S)}
            mine[entry["id"]] = entry
            return 201, entry | {"secret": secrets.token_hex(32)}
        if method == "DELETE" and mine.pop(path.rpartition("/")[2], None):
            return 200, {}
        return 404, None


class Exchange(asyncio.Protocol):
    def __init__(self, state):
        self.state = state
        self.buffer = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end + 2]
            fields = {name.lower(): value for name, value in FIELD.findall(head)}
            whole = end + 4 + int(fields.get(b"content-length", 0))
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4:whole], self.buffer[whole:]
            self.reply(HEAD.match(head), fields, body)

    def reply(self, line, fields, body):
        if line is None or fields.get(b"x-api-key") != API_KEY.encode() or not fields.get(b"x-account-key"):
            status, data = 401, None
        else:
            status, data = self.state.answer(line[1].decode(), line[2].decode(), fields[b"x-account-key"].decode(), body)
        answer = json.dumps({"meta": None, "data": data, "errors": None, "rawData": None}).encode()
        self.transport.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                             % (status, len(answer)) + answer)


def serve(pipe):
    state = State()

    async def run():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Exchange(state), "127.0.0.1", 0, backlog=1024)
        ended = loop.create_future()

        def command():
            try:
                wanted = pipe.recv()
            except EOFError:
                wanted = "stop"
            if wanted == "stop":
                loop.remove_reader(pipe.fileno())
                ended.set_result(None)
            elif wanted == "count":
                pipe.send((len(state.calls), sum(map(len, state.subscriptions.values()))))
            elif wanted == "calls":
                pipe.send(state.calls)
                state.calls = []
            else:
                pipe.send({key: set(mine) for key, mine in state.subscriptions.items()})

        loop.add_reader(pipe.fileno(), command)
        pipe.send(server.sockets[0].getsockname()[1])
        await ended

    asyncio.run(run())


class Crowd:
    """In the place of harness.maesn.Maesn, for a World."""

    def __init__(self):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.url = f"http://127.0.0.1:{self.pipe.recv()}"

    def url_of(self, _actor):
        """As harness.provider.ProviderServer has it, but nobody is told from anybody."""
        return self.url

    def _ask(self, wanted):
        self.pipe.send(wanted)
        return self.pipe.recv()

    def count(self):
        """How many (calls since take_calls(), subscriptions)."""
        return self._ask("count")

    def take_calls(self):
        """The calls since the last time: (method, account key, monotonic time of its arrival)."""
        return self._ask("calls")

    def subscriptions(self):
        """{account key: set of ids}"""
        return self._ask("subscriptions")

    def stop(self):
        self.pipe.send("stop")
        self.process.join(10)
