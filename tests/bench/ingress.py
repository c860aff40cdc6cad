"""Measures the ingress; started by tests/bench/ingress."""

import argparse
import asyncio
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.sender import Load, encode, event, sign  # noqa: E402

ACCOUNTS = 16
PARTITIONS = 6
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")

# Requests are signed and laid out before the clock runs; each is another event.
SCRIPT = """
local requests = {}
function init()
  for line in io.lines("%s") do
    local path, signature, body = line:match("^(%%S+) (%%S+) (.*)$")
    requests[#requests + 1] = wrk.format("POST", path, {
      ["Content-Type"] = "application/json", ["X-MAESN-SIGNATURE"] = signature }, body)
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


def cpu_seconds(pid):
    """User and system time of the process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def closed_loop(bridge, script, connections, seconds):
    """A row of the table: wrk with so many lock-step connections."""
    before = cpu_seconds(bridge.pid)
    output = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script,
                             f"http://127.0.0.1:{bridge.ingress_port}{PATH}"], check=True, capture_output=True, text=True,
                            timeout=seconds + 60).stdout
    requests, microseconds, p50, p99, p999, errors = map(int, re.search(r"RESULT (.*)", output)[1].split())
    cpu = cpu_seconds(bridge.pid) - before
    return (f"{connections} connections", requests / microseconds * 1e6, p50 / 1000, p99 / 1000, p999 / 1000,
            cpu / requests * 1e6, resident_mib(bridge.pid), errors)


def open_loop(bridge, rate, seconds):
    """A row of the table: callbacks at a fixed rate."""
    async def scenario():
        async with Load(bridge.ingress_port, PATH, SECRET, connections=16, rate=rate) as load:
            await load.answered(rate * seconds, seconds=seconds * 3 + 10)
        return [answer for _, answer in load.answers]

    before = cpu_seconds(bridge.pid)
    answers = asyncio.run(scenario())
    cpu = cpu_seconds(bridge.pid) - before
    elapsed = sorted(answer.elapsed * 1000 for answer in answers)
    return (f"fixed rate {rate}/s", rate, elapsed[len(elapsed) // 2], elapsed[len(elapsed) * 99 // 100],
            elapsed[len(elapsed) * 999 // 1000], cpu / len(answers) * 1e6, resident_mib(bridge.pid),
            sum(answer.status != 200 for answer in answers))


def prepare(scratch, routes):
    """wrk's script."""
    prepared = pathlib.Path(scratch) / "requests"
    with open(prepared, "wb") as file:
        for n in range(4096):
            body = encode(event(f"11111111-2222-4333-8444-{n:012d}"))
            path = routes[n % len(routes)]["path"]
            file.write(f"{path} {sign(SECRET, body)} ".encode() + body + b"\n")
    script = pathlib.Path(scratch) / "script.lua"
    script.write_text(SCRIPT % prepared)
    return script


def measure(bridges, script, seconds):
    [bridge] = bridges
    print_table([*(closed_loop(bridge, script, connections, seconds) for connections in (1, 16, 64, 256)),
                 open_loop(bridge, 100, seconds)])


def compare(bridges, script, seconds, rounds):
    """What a spool costs while Kafka is there: the two bridges take turns, the first one in every other round."""
    pairs = []
    for n in range(rounds):
        turns = (0, 1) if n % 2 == 0 else (1, 0)
        rows = {turn: closed_loop(bridges[turn], script, 64, seconds) for turn in turns}
        assert rows[0][-1] == rows[1][-1] == 0, "not everything was answered 200"
        pairs.append((rows[0], rows[1]))
    assert bridges[1].metric("maesn_bridge_spool_stored_records_total") == 0, "the spool was used"
    print(f"with a spool, beside one without, 64 connections, medians of {rounds} rounds of {seconds} s in turn:")
    for name, column in (("callbacks/s", 1), ("CPU a callback", 5), ("p50", 2), ("RSS", 6)):
        ratios = sorted(spooling[column] / direct[column] for direct, spooling in pairs)
        print(f"{name}: {statistics.median(ratios):.3f} times ({ratios[0]:.3f} to {ratios[-1]:.3f})")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=10, help="of each measurement (default 10)")
    arguments.add_argument("--spool", type=int, metavar="ROUNDS", help="what a spool costs that is not needed, instead")
    asked = arguments.parse_args()
    routes = [route(), *(route(f"account-{n}") for n in range(ACCOUNTS))]
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster, tempfile.TemporaryDirectory() as scratch:
        cluster.create_topics(*TOPICS, partitions=PARTITIONS)
        spools = [{}, {"spool": {"directory": scratch}}] if asked.spool else [{}]
        bridges = [Bridge(ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}, **spool}, routes)) for spool in spools]
        try:
            script = prepare(scratch, routes)
            for bridge in bridges:
                bridge.start()
                closed_loop(bridge, script, 64, 5)  # the broker's compiler warms up
            if asked.spool:
                compare(bridges, script, asked.seconds, asked.spool)
            else:
                measure(bridges, script, asked.seconds)
            assert all(bridge.stop() == 0 for bridge in bridges)
        finally:
            for bridge in bridges:
                bridge.kill()
                bridge.config.remove()


def print_table(rows):
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    print(f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), Linux {platform.release()}; sender, bridge and"
          f" one Kafka 4.3.0 broker on them; acks=all, one signed event a callback, {PARTITIONS} partitions\n")
    print("| load | callbacks/s | p50 ms | p99 ms | p99.9 ms | CPU µs/callback | RSS MiB | not 200 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, rate, p50, p99, p999, cpu, rss, errors in rows:
        print(f"| {name} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {p999:.2f} | {cpu:.0f} | {rss:.1f} | {errors} |")


main()
