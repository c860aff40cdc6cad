"""wrk with connections in lock-step: each sends its next signed callback when the last one is answered."""

import dataclasses
import pathlib
import re
import subprocess

import process
from harness.sender import SIGNATURE_HEADER, encode, event, sign

# Requests are signed and laid out before the clock runs; each is another event.
SCRIPT = """
local requests = {}
function init()
  for line in io.lines("%s") do
    local path, signature, body = line:match("^(%%S+) (%%S+) (.*)$")
    requests[#requests + 1] = wrk.format("POST", path, {
      ["Content-Type"] = "application/json", ["%s"] = signature }, body)
  end
end
local i = 0
function request()
  i = i %% #requests + 1
  return requests[i]
end
function done(summary, latency)
  io.write(string.format("RESULT %%d %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


@dataclasses.dataclass
class Measured:
    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: float  # of the process, a request
    resident_mib: float  # at the end
    errors: int  # requests that were not answered 2xx


def prepare(scratch, paths, secret, callbacks=4096):
    """wrk's script: callbacks to these paths in turn."""
    prepared = pathlib.Path(scratch) / "requests"
    with open(prepared, "wb") as file:
        for n in range(callbacks):
            body = encode(event(f"11111111-2222-4333-8444-{n:012d}"))
            file.write(f"{paths[n % len(paths)]} {sign(secret, body)} ".encode() + body + b"\n")
    script = pathlib.Path(scratch) / "script.lua"
    script.write_text(SCRIPT % (prepared, SIGNATURE_HEADER))
    return script


def run(pid, port, script, connections, seconds):
    """What the server with this pid does under that load."""
    before = process.cpu_seconds(pid)
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script,
                             f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True,
                            timeout=seconds + 60).stdout
    requests, microseconds, p50, p99, p999, errors = map(int, re.search(r"RESULT (.*)", output)[1].split())
    cpu = process.cpu_seconds(pid) - before
    return Measured(requests / microseconds * 1e6, p50 / 1000, p99 / 1000, p999 / 1000, cpu / max(1, requests) * 1e6,
                    process.resident_mib(pid), errors)
