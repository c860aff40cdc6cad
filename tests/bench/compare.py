"""Measures the bridge beside its alternatives; started by tests/bench/compare."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import closed_loop  # noqa: E402
from harness import wait  # noqa: E402
from harness.bridge import SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.environment import ROOT  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.ports import free_ports  # noqa: E402
from harness.sender import exchange, request  # noqa: E402
from process import machine, resident_mib  # noqa: E402

ACCOUNTS = 1000
PARTITIONS = 6
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
PEERS = ROOT / "tests/bench/peers"
BRIDGE = "maesn-bridge"


class Peer:
    """One of tests/bench/peers, running."""

    def __init__(self, command, environment, scratch):
        [self.port] = free_ports(1)
        self.output = open(pathlib.Path(scratch) / f"{self.port}.log", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        env={**os.environ, **environment, "LISTEN": f"127.0.0.1:{self.port}"})

    @property
    def pid(self):
        return self.process.pid

    def is_ready(self):
        assert self.process.poll() is None, pathlib.Path(self.output.name).read_text()[-2000:]
        return exchange(self.port, request("/ready", b"", method="GET")).status == 200

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=10)
        self.output.close()


def commands(cache):
    """What can be had here: {name: its command}."""
    found = {"Go: net/http, franz-go": [cache / "go/server"],
             "Rust: axum, rdkafka": [cache / "rust/release/peer"],
             "Node.js: fastify, kafkajs": ["node", cache / "node/server.mjs"],
             "Python: FastAPI, aiokafka": [cache / "python/bin/python", PEERS / "python/server.py"]}
    return {name: command for name, command in found.items() if all("/" not in str(c) or c.exists() for c in command)}


@contextlib.contextmanager
def contestants(cache, cluster, scratch, routes):
    """{name: (pid, port)} of all, running and ready."""
    declared = {r["path"]: {"account": r["account"], "system": r["system"], "secret": SECRET} for r in routes}
    file = pathlib.Path(scratch) / "routes.json"
    file.write_text(json.dumps(declared))
    bridge = Bridge(ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}}, routes))
    peers = {name: Peer(command, {"ROUTES": str(file), "BROKERS": cluster.bootstrap}, scratch)
             for name, command in commands(cache).items()}
    try:
        bridge.start()
        for name, peer in peers.items():
            wait.until(peer.is_ready, 30, f"{name} is ready")
        yield {BRIDGE: (bridge.pid, bridge.ingress_port), **{name: (p.pid, p.port) for name, p in peers.items()}}
        assert bridge.stop() == 0
    finally:
        bridge.kill()
        bridge.config.remove()
        for peer in peers.values():
            peer.stop()


def measure(running, script, connections, rounds, seconds):
    """{name: its figures, a round each}. Each round begins with another one."""
    measured = collections.defaultdict(list)
    names = list(running)
    for n in range(rounds):
        for name in names[n % len(names):] + names[:n % len(names)]:
            pid, port = running[name]
            measured[name].append(closed_loop.run(pid, port, script, connections, seconds))
            print(f"{connections} connections, round {n + 1}: {name}: {measured[name][-1].per_second:,.0f}/s", file=sys.stderr)
    return measured


def median(figures, name):
    return statistics.median(getattr(m, name) for m in figures)


def print_table(connections, measured):
    ours = measured[BRIDGE]
    print(f"\n{connections} connections in lock-step\n\n| | callbacks/s | of ours | p50 ms | p99 ms | CPU µs/callback | of ours"
          " | RSS MiB | not 200 |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, figures in sorted(measured.items(), key=lambda item: -median(item[1], "per_second")):
        rate = statistics.median(m.per_second / o.per_second for m, o in zip(figures, ours))
        cpu = statistics.median(m.cpu_us / o.cpu_us for m, o in zip(figures, ours))
        print(f"| {name} | {median(figures, 'per_second'):,.0f} | {rate:.2f} | {median(figures, 'p50_ms'):.1f} |"
              f" {median(figures, 'p99_ms'):.1f} | {median(figures, 'cpu_us'):.0f} | {cpu:.2f} |"
              f" {max(m.resident_mib for m in figures):.0f} | {sum(m.errors for m in figures)} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("cache", type=pathlib.Path, help="where the alternatives were built")
    arguments.add_argument("--connections", type=int, action="append", help="(default 64 and 256)")
    arguments.add_argument("--rounds", type=int, default=5, help="of which the median counts (default 5)")
    arguments.add_argument("--seconds", type=int, default=5, help="of each measurement (default 5)")
    asked = arguments.parse_args()
    routes = [route(f"account-{n}") for n in range(ACCOUNTS)]
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster, tempfile.TemporaryDirectory() as scratch:
        cluster.create_topics(*TOPICS, partitions=PARTITIONS)
        script = closed_loop.prepare(scratch, [r["path"] for r in routes], SECRET)
        with contestants(asked.cache, cluster, scratch, routes) as running:
            idle = {name: resident_mib(pid) for name, (pid, _) in running.items()}
            for pid, port in running.values():
                closed_loop.run(pid, port, script, 64, 5)  # compilers warm up
            tables = {n: measure(running, script, n, asked.rounds, asked.seconds) for n in asked.connections or (64, 256)}
    print(f"{machine()}; sender, contestants and one Kafka 4.3.0 broker on them, in turns; acks=all, {ACCOUNTS} routes, one signed"
          f" event a callback, {PARTITIONS} partitions; medians of {asked.rounds} rounds of {asked.seconds} s, ratios within a round")
    print("RSS at start, MiB: " + ", ".join(f"{name} {mib:.0f}" for name, mib in idle.items()))
    for connections, measured in tables.items():
        print_table(connections, measured)


main()
