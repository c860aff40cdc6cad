"""Measures two binaries of the bridge in turns; started by tests/bench/ab."""

import argparse
import collections
import math
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import load  # noqa: E402
from harness.bridge import SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from process import cpu_seconds, machine, resident_mib, switches  # noqa: E402

ACCOUNTS = 1000
PARTITIONS = 6
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
FIGURES = {"callbacks/s": "per_second", "CPU µs/callback": "cpu_us", "waits/callback": "waits", "p50 ms": "p50_ms",
           "p99 ms": "p99_ms", "RSS MiB": "resident_mib"}


Turn = collections.namedtuple("Turn", "per_second cpu_us waits p50_ms p99_ms resident_mib")


def turn(bridge, requests, **options):
    cpu, waits = cpu_seconds(bridge.pid), switches(bridge.pid)
    got = load.run(requests, bridge.ingress_port, **options)
    cpu, waits = cpu_seconds(bridge.pid) - cpu, switches(bridge.pid) - waits
    answers = got["statuses"].get("200", 0)
    assert answers == got["answers"] > 0, f"not everything was answered 200: {got}"
    return Turn(got["per_second"], cpu / answers * 1e6, waits / answers, got["latency_ms"]["p50"], got["latency_ms"]["p99"],
                resident_mib(bridge.pid))


def system_calls(bridge, requests, **options):
    """A callback's, while perf counts them; None where it may not."""
    try:
        counter = subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(bridge.pid)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        return None
    answers = load.run(requests, bridge.ingress_port, **options)["answers"]
    counter.send_signal(signal.SIGINT)
    counted = counter.communicate(timeout=10)[1].split(",")[0]
    return int(counted) / answers if counted.isdigit() else None


def interval(ratios):
    """The smallest and the largest that the median is between in 95 % of all cases, whatever the distribution: so many of n
    ratios are below the true median as n coins show heads."""
    n, tail, k = len(ratios), 0.0, 0
    while tail + math.comb(n, k) / 2**n <= 0.025:
        tail += math.comb(n, k) / 2**n
        k += 1
    return ratios[max(0, k - 1)], ratios[min(n - 1, n - k)]


def print_ratios(pairs):
    print("| | old | new | new / old | 95 % interval |\n| --- | ---: | ---: | ---: | ---: |")
    for name, figure in FIGURES.items():
        old, new = ([getattr(m, figure) for m in side] for side in zip(*pairs))
        ratios = sorted(b / a for a, b in zip(old, new))
        low, high = interval(ratios)
        print(f"| {name} | {statistics.median(old):,.4g} | {statistics.median(new):,.4g} | {statistics.median(ratios):.3f} |"
              f" {low:.3f} to {high:.3f} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binaries", nargs=2, type=pathlib.Path, metavar="BINARY", help="the old one, the new one")
    arguments.add_argument("--rounds", type=int, default=30, help="(default 30)")
    arguments.add_argument("--seconds", type=int, default=2, help="of each turn (default 2)")
    arguments.add_argument("--connections", type=int, default=256, help="(default 256)")
    arguments.add_argument("--rate", type=int, default=0, help="callbacks a second, instead of as many as can be")
    asked = arguments.parse_args()
    routes = [route(f"account-{n}") for n in range(ACCOUNTS)]
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster, tempfile.TemporaryDirectory() as scratch:
        cluster.create_topics(*TOPICS, partitions=PARTITIONS)
        bridges = [Bridge(ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}}, routes), binary=b) for b in asked.binaries]
        try:
            requests = load.prepare(pathlib.Path(scratch) / "requests", [(r["path"], SECRET) for r in routes])
            options = {"connections": asked.connections, "seconds": asked.seconds, "rate": asked.rate}
            for bridge in bridges:
                bridge.start()
                load.run(requests, bridge.ingress_port, connections=64, seconds=5)  # the broker's compiler warms up
            pairs = []
            for n in range(asked.rounds):
                order = (0, 1) if n % 2 == 0 else (1, 0)
                turns = {i: turn(bridges[i], requests, **options) for i in order}
                pairs.append((turns[0], turns[1]))
            calls = [system_calls(bridge, requests, **options) for bridge in bridges]
            assert all(bridge.stop() == 0 for bridge in bridges)
        finally:
            for bridge in bridges:
                bridge.kill()
                bridge.config.remove()
    kind = f"{asked.rate:,} callbacks a second over {asked.connections} connections" if asked.rate else \
        f"{asked.connections} connections in lock-step"
    print(f"{machine()}; sender, both bridges and one Kafka 4.3.0 broker on them, in turns; {kind}; {asked.rounds} rounds of"
          f" {asked.seconds} s\n")
    print_ratios(pairs)
    print(f"| system calls/callback | {calls[0]:.2f} | {calls[1]:.2f} | {calls[1] / calls[0]:.3f} | |" if all(calls) else
          "\nSystem calls were not counted: perf may not here.")


main()
