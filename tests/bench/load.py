"""tests/bench/load.c: signed callbacks, prepared before the clock runs, in a closed or an open loop."""

import json
import pathlib
import struct
import subprocess

from harness.environment import CACHE
from harness.sender import SIGNATURE_HEADER, encode, event, request, sign

SOURCE = pathlib.Path(__file__).with_name("load.c")


def program():
    """Compiled when it is older than its source."""
    binary = CACHE / "load"
    if not binary.exists() or binary.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o", binary, SOURCE, "-lssl",
                        "-lcrypto"], check=True)
    return binary


def body_of(name, size=0, events=0):
    """One event; of so many bytes, or an array of so many events."""
    if events:
        return encode([event(f"{name}-{n}") for n in range(events)])
    body = encode(event(name))
    return encode(event(name, filler="x" * (size - len(body) - len(',"filler":""')))) if size else body


def prepare(file, routes, count=4096, prefix="11111111-2222-4333-8444-", closes=False, size=0, events=0):
    """Writes so many signed callbacks to the routes, [(path, secret)], in turn, each of another event (`prefix` and its
    number). closes: each asks that its connection be closed."""
    headers = {"Content-Type": "application/json", **({"Connection": "close"} if closes else {})}
    with open(file, "wb") as out:
        for n in range(count):
            path, secret = routes[n % len(routes)]
            body = body_of(f"{prefix}{n:012d}", size, events)
            data = request(path, body, {**headers, SIGNATURE_HEADER: sign(secret, body)})
            out.write(struct.pack("=I", len(data)) + data)
    return file


def command(file, port, *, connections=64, in_advance=None, rate=0, seconds=5, patience=1, once=False, tls=False, ledger=None):
    """See load.c."""
    return [program(), "--connections", str(connections), "--rate", str(rate), "--seconds", str(seconds),
            "--patience", str(patience), *([] if in_advance is None else ["--in-advance", str(in_advance)]),
            *(["--once"] if once else []), *(["--tls"] if tls else []),
            *(["--ledger", ledger] if ledger else []), file, str(port)]


def start(file, port, **options):
    """To be read with result()."""
    return subprocess.Popen(command(file, port, **options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def result(process, seconds=120):
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, f"load: {process.returncode}"
    return json.loads(output)


def run(file, port, **options):
    return result(start(file, port, **options), options.get("seconds", 5) + options.get("patience", 1) + 60)


def read_ledger(file):
    """[(status, "answered" or why there is no answer, seconds)] of the requests, in their order."""
    lines = (line.split() for line in pathlib.Path(file).read_text().splitlines())
    return [(int(status), how, int(us) / 1e6) for status, how, us in lines]


def noise(scratch, seconds=3):
    """How late a program wakes up on this machine while it has nothing else to do: percentiles, in milliseconds."""
    file = prepare(pathlib.Path(scratch) / "noise", [("/", "")], count=1)
    return run(file, 1, connections=0, rate=1000, seconds=seconds)["lag_ms"]
