"""The corpus of requests that two readers may read differently, and what carries them on."""

import dataclasses
import re

from harness import environment, wait
from harness.bridge import PATH, SECRET
from harness.links import Link
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


class Tap(Link):
    """What a proxy takes for the bridge; `ways` are the connections that it made, and what it sent over each."""

    def __init__(self, bridge):
        super().__init__(bridge.ingress_port, keeps=True)
        self.ingress_port, self.admin_port = self.port, bridge.admin_port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        wait.until(self.is_idle, 15, "who was in front has gone, and so its connections")
        self.close()
