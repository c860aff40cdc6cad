"""A server under load.c's load: by default connections in lock-step, each sends its next signed callback when the last one is
answered."""

import dataclasses
import pathlib

import load
import process


@dataclasses.dataclass
class Measured:
    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: float  # of the process, a callback that was answered 200
    resident_mib: float  # at the end
    errors: int  # callbacks that were not answered 200


def prepare(scratch, paths, secret, callbacks=4096):
    """The file of so many callbacks to these paths in turn."""
    return load.prepare(pathlib.Path(scratch) / "requests", [(path, secret) for path in paths], count=callbacks)


def run(pid, port, requests, connections, seconds, **options):
    """What the server with this pid does under that load."""
    before = process.cpu_seconds(pid)
    got = load.run(requests, port, connections=connections, seconds=seconds, **options)
    cpu = process.cpu_seconds(pid) - before
    latency, answered = got["latency_ms"], got["statuses"].get("200", 0)
    return Measured(got["per_second"], latency["p50"], latency["p99"], latency["p99.9"], cpu / max(1, answered) * 1e6,
                    process.resident_mib(pid), got["answers"] - answered + sum(got["failures"].values()))
