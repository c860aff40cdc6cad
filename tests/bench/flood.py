"""Measures a flood of wrong signatures; started by tests/bench/flood. Exits with 1 when the median ratio of p99 is above 2."""

import argparse
import asyncio
import collections
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.sender import SIGNATURE_HEADER, Load, encode, event  # noqa: E402

TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
OTHER = "/in/maesn/account-b/by-hand"
RATE = 100
RATIO_MAX = 2  # of the p99 with the flood to that without
ROUNDS = 5  # each without and then with the flood; the median of their ratios leaves out what else the machine does

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["%s"] = string.rep("0", 64)
local file = io.open("%s", "rb")
wrk.body = file:read("*all")
file:close()
function done(summary)
  io.write(string.format("RESULT %%d %%d\\n", summary.requests, summary.duration))
end
"""

Flood = collections.namedtuple("Flood", "connections body")


def start_flood(bridge, flood, seconds, directory):
    body = directory / "body"
    body.write_bytes(encode(event("forged", filler="x" * flood.body)))
    script = directory / "script.lua"
    script.write_text(SCRIPT % (SIGNATURE_HEADER, body))
    return subprocess.Popen(["wrk", "-t1", f"-c{flood.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script),
                             f"http://127.0.0.1:{bridge.ingress_port}{PATH}"], stdout=subprocess.PIPE, text=True)


def genuine(bridge, seconds, name):
    """The latencies, in milliseconds, of the other account's callbacks; every one of them is answered 200."""
    async def scenario():
        async with Load(bridge.ingress_port, OTHER, SECRET, connections=8, rate=RATE, prefix=name) as load:
            await load.answered(RATE * seconds, seconds=seconds * 3 + 10)
        return [answer for _, answer in load.answers]

    answers = asyncio.run(scenario())
    assert all(answer.status == 200 for answer in answers), [a for a in answers if a.status != 200][:5]
    return [answer.elapsed * 1000 for answer in answers]


def percentile(values, percent):
    return sorted(values)[len(values) * percent // 100]


def median_of(rounds, percent):
    return statistics.median(percentile(values, percent) for values in rounds)


def measure(bridge, flood, seconds, directory):
    """Latencies without and with the flood, round by round, and its requests a second."""
    calm, flooded, requests, duration = [], [], 0, 0
    for n in range(ROUNDS):
        calm.append(genuine(bridge, seconds, f"calm-{flood}-{n}"))
        process = start_flood(bridge, flood, seconds + 2, directory)
        flooded.append(genuine(bridge, seconds, f"flooded-{flood}-{n}"))
        found = re.search(r"RESULT (\d+) (\d+)", process.communicate(timeout=60)[0])
        requests, duration = requests + int(found[1]), duration + int(found[2]) / 1e6
    return calm, flooded, requests / duration


def judge(ratios):
    """Says whether the ratios of p99, by number of connections, are what they may be; returns the exit code."""
    missed = {connections: ratio for connections, ratio in ratios.items() if ratio > RATIO_MAX}
    for connections, ratio in missed.items():
        print(f"flood: NOT MET: with {connections} connections the median ratio of p99 is {ratio:.2f}, above {RATIO_MAX}")
    if not missed:
        print(f"flood: met: the median ratio of p99 is {max(ratios.values()):.2f} at most, not above {RATIO_MAX}")
    return 1 if missed else 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=5, help="of each of the rounds (default 5)")
    arguments.add_argument("--connections", type=int, action="append", help="of the flood (default 16, 64 and 256)")
    arguments.add_argument("--body", type=int, default=0, help="bytes added to each forged body (default 0)")
    wanted = arguments.parse_args()
    ratios = {}
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster, tempfile.TemporaryDirectory() as directory:
        cluster.create_topics(*TOPICS)
        config = ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}}, [route(), route("account-b")])
        bridge = Bridge(config)
        try:
            bridge.start()
            genuine(bridge, 10, "warm-up")  # the broker's compiler
            print("| flood | its requests/s | genuine p50 ms | p99 ms | with it p50 ms | p99 ms | p99 ratio |\n"
                  "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
            for connections in wanted.connections or (16, 64, 256):
                calm, flooded, rate = measure(bridge, Flood(connections, wanted.body), wanted.seconds, pathlib.Path(directory))
                row = [median_of(rounds, p) for rounds in (calm, flooded) for p in (50, 99)]
                ratio = statistics.median(percentile(b, 99) / percentile(a, 99) for a, b in zip(calm, flooded))
                ratios[connections] = ratio
                print(f"| {connections} connections | {rate:,.0f} | " + " | ".join(f"{ms:.1f}" for ms in row) +
                      f" | {ratio:.2f} |", flush=True)
            assert bridge.stop() == 0
        finally:
            bridge.kill()
            config.remove()
    return judge(ratios)


if __name__ == "__main__":
    sys.exit(main())
