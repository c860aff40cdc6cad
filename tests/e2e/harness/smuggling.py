"""The corpus of requests that two readers may read differently, and what carries them on."""

import asyncio
import dataclasses
import re
import threading

from harness import environment
from harness.bridge import PATH, SECRET
from harness.sender import SIGNATURE_HEADER, encode, event, signed_request

CORPUS = environment.ROOT / "tests" / "vectors" / "smuggling" / "corpus"
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "0": "\0"}


@dataclasses.dataclass
class Entry:
    number: int
    name: str
    inner: str  # "never", "answered" or "either"
    template: str

    @property
    def inner_id(self):
        return f"inner-{self.number}"

    @property
    def mark(self):
        """Is in the entry's headers, to be found again; HAProxy writes names in lower case."""
        return b"x-entry: %d\r\n" % self.number

    @property
    def data(self):
        inner = signed_request(PATH, encode(event(self.inner_id)), SECRET).decode()
        rest = f"Host: bridge\r\n{self.mark.decode()}Content-Type: application/json\r\n{SIGNATURE_HEADER}: {'0' * 64}"
        text = self.template
        for name, value in {"head": f"POST {PATH} HTTP/1.1\r\n{rest}", "rest": rest, "path": PATH, "inner": inner,
                            "inner.length": str(len(inner)), "inner.hex": f"{len(inner):x}",
                            "prefix": f"POST {PATH} HTTP/1.1\r\nX-Ignore: "}.items():
            text = text.replace(f"{{{name}}}", value)
        return text.encode("latin-1")


def unescaped(line):
    text = re.sub(r"\\(x[0-9a-f]{2}|[rnt0])", lambda found: ESCAPES.get(found[1]) or chr(int(found[1][1:], 16)), line)
    return text[:-1] if text.endswith("\\") else text + "\r\n"


def corpus():
    """The format is described in the file itself."""
    entries = []
    for part in re.split(r"^=== ", CORPUS.read_text(), flags=re.MULTILINE)[1:]:
        title, *lines = part.removesuffix("\n").removesuffix("\n").split("\n")
        name, _, inner = title.rpartition(" | ")
        entries.append(Entry(len(entries) + 1, name, inner, "".join(map(unescaped, lines))))
    return entries


class Tap:
    """Carries connections on to a port, and keeps what was sent there: `connections`, a bytearray each."""

    def __init__(self, port):
        self.target, self.connections = port, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.server = self._run(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.ingress_port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        """When both sides have closed."""
        self._run(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    async def _stop(self):
        self.server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}  # who is in front has gone: they come to their end
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 15)

    async def _carry(self, reader, writer):
        sent = bytearray()
        self.connections.append(sent)
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        back = asyncio.create_task(self._pass(there_reader, writer))
        try:
            await self._pass(reader, there, sent)
            await back
        finally:
            writer.close()
            there.close()

    async def _pass(self, reader, writer, kept=None):
        try:
            while data := await reader.read(65536):
                if kept is not None:
                    kept += data
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            writer.close()  # reset on one side ends it on the other
