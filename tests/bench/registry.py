"""Measures the ingress's registry; started by tests/bench/registry."""

import argparse
import asyncio
import itertools
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import wait  # noqa: E402
from harness.bridge import Bridge, ConfigDirectory, merged  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.registry import Registry, Route  # noqa: E402
from harness.sender import Connection, signed_request  # noqa: E402

TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
RESOURCES = ("invoice", "customer", "payment", "journal-entry", "contact", "item", "account", "tax-rate", "project", "offer")
BATCH = 10000
CHANGES = 200


def resident_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def routes_of(count):
    """Ten subscriptions an account, as most systems have."""
    for n in range(count):
        yield Route(f"account-{n // len(RESOURCES):06d}", resource=RESOURCES[n % len(RESOURCES)])


def run(registry, cluster, count):
    """A bridge that has read so many routes, how long that took from its start, and of that the reading."""
    bridge = Bridge(ConfigDirectory(merged({"kafka": {"brokers": cluster.bootstrap}}, registry.settings),
                                    secrets=registry.secrets))
    started_at = time.monotonic()
    bridge.start(seconds=120)
    ready_s = time.monotonic() - started_at
    [loaded] = bridge.log("registry.loaded")
    assert (loaded["routes"], loaded["unreadable"]) == (count, 0), loaded
    return bridge, ready_s, loaded["duration_ms"] / 1000


async def served_after(bridge, registry, route, connection):
    """Seconds from the commit of the route to the first callback it answers 200."""
    callback = signed_request(registry.path(route), b"[]", route.secret)
    committed_at = await asyncio.to_thread(registry.put, route)
    while True:
        answer = await connection.exchange(callback)
        if answer.status == 200:
            return answer.sent_at + answer.elapsed - committed_at
        assert answer.status == 503 and time.monotonic() < committed_at + 10, answer


async def measure_changes(bridge, registry):
    connection = Connection(bridge.ingress_port)
    delays = sorted([await served_after(bridge, registry, Route(f"new-{n}", age_s=1), connection) for n in range(CHANGES)])
    await connection.close()
    return delays


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--routes", type=int, default=100000, help="default 100000")
    count = arguments.parse_args().routes
    bridges = []
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster:
        cluster.create_topics(*TOPICS)
        try:
            empty, full = Registry(cluster, "empty"), Registry(cluster, "full")
            routes = routes_of(count)
            while batch := list(itertools.islice(routes, BATCH)):
                full.put(*batch)
            bridge, base_s, _ = run(empty, cluster, 0)
            bridges.append(bridge)
            base = resident_bytes(bridge.pid)
            bridge, ready_s, read_s = run(full, cluster, count)
            bridges.append(bridge)
            resident = resident_bytes(bridge.pid)
            delays = asyncio.run(measure_changes(bridge, full))
            wait.until(lambda: bridge.metric("maesn_bridge_registry_entries") == count + CHANGES, 5, "every change is in")
            assert all(bridge.stop() == 0 for bridge in bridges)
        finally:
            for bridge in bridges:
                bridge.kill()
                bridge.config.remove()
    print(f"| routes | ready after s | of that reading s | RSS MiB | bytes a route | served after commit p50 ms | p99 ms |\n"
          f"| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
          f"| 0 | {base_s:.2f} | | {base / 2**20:.1f} | | | |\n"
          f"| {count:,} | {ready_s:.2f} | {read_s:.2f} | {resident / 2**20:.1f} | {(resident - base) / count:.0f} | "
          f"{delays[len(delays) // 2] * 1000:.1f} | {delays[len(delays) * 99 // 100] * 1000:.1f} |")


main()
