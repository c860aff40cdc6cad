"""Measures the ingress's registry; started by tests/bench/registry."""

import argparse
import asyncio
import itertools
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import wait  # noqa: E402
from harness.bridge import Bridge, ConfigDirectory, merged  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.registry import Registry, Route  # noqa: E402
from harness.sender import Connection, encode, event, signed_request  # noqa: E402
from process import cpu_seconds, resident_mib  # noqa: E402

TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
RESOURCES = ("invoice", "customer", "payment", "journal-entry", "contact", "item", "account", "tax-rate", "project", "offer")
BATCH = 10000
CHANGES = 200


def routes_of(count):
    """Ten subscriptions an account, as most systems have."""
    for n in range(count):
        yield Route(f"account-{n // len(RESOURCES):06d}", resource=RESOURCES[n % len(RESOURCES)])


def bridge_of(registry, cluster, settings=None):
    everything = {"kafka": {"brokers": cluster.bootstrap}, **(settings or {})}
    return Bridge(ConfigDirectory(merged(everything, registry.settings), secrets=registry.secrets))


def run(registry, cluster, count):
    """A bridge that has read so many routes, how long that took from its start, and of that the reading."""
    bridge = bridge_of(registry, cluster)
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


async def answered(bridge, registry, route):
    connection = Connection(bridge.ingress_port)
    answer = await connection.exchange(signed_request(registry.path(route), encode(event("1")), route.secret))
    await connection.close()
    return answer


def restart_in_an_outage(cluster, registry, count, known, spool):
    """A bridge that starts from the sealed copy of so many routes, one of them known here, while the broker is mute: seconds
    from its start to ready, of that the loading, and to the first 200; its CPU seconds until then; its resident MiB; and
    how large the copy is."""
    bridge = bridge_of(registry, cluster, {"spool": {"directory": spool}})
    try:
        bridge.start(seconds=120)
        copy = pathlib.Path(spool) / "registry.snapshot"
        wait.until(copy.exists, 60, "the copy is written")
        assert bridge.stop() == 0
        cluster.brokers[0].sigstop()
        started_at = time.monotonic()
        bridge.start(seconds=60)
        ready_s = time.monotonic() - started_at
        answer = asyncio.run(answered(bridge, registry, known))
        assert answer.status == 200, answer
        [loaded] = bridge.log("registry.snapshot-loaded")
        assert loaded["routes"] == count, loaded
        return (ready_s, loaded["duration_ms"] / 1000, answer.sent_at + answer.elapsed - started_at, cpu_seconds(bridge.pid),
                resident_mib(bridge.pid), copy.stat().st_size)
    finally:
        cluster.brokers[0].sigcont()
        bridge.kill()
        bridge.config.remove()


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
                known = batch[0]
            bridge, base_s, _ = run(empty, cluster, 0)
            bridges.append(bridge)
            base = resident_mib(bridge.pid)
            with tempfile.TemporaryDirectory(prefix="maesn-bridge-spool-") as spool:
                outage = restart_in_an_outage(cluster, full, count, known, spool)
            bridge, ready_s, read_s = run(full, cluster, count)
            bridges.append(bridge)
            resident = resident_mib(bridge.pid)
            delays = asyncio.run(measure_changes(bridge, full))
            wait.until(lambda: bridge.metric("maesn_bridge_registry_entries") == count + CHANGES, 5, "every change is in")
            assert all(bridge.stop() == 0 for bridge in bridges)
        finally:
            for bridge in bridges:
                bridge.kill()
                bridge.config.remove()
    print(f"| routes | ready after s | of that reading s | RSS MiB | bytes a route | served after commit p50 ms | p99 ms |\n"
          f"| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
          f"| 0 | {base_s:.2f} | | {base:.1f} | | | |\n"
          f"| {count:,} | {ready_s:.2f} | {read_s:.2f} | {resident:.1f} | {(resident - base) * 2**20 / count:.0f} | "
          f"{delays[len(delays) // 2] * 1000:.1f} | {delays[len(delays) * 99 // 100] * 1000:.1f} |")
    print_outage(count, *outage)


def print_outage(count, ready_s, load_s, first_200_s, cpu_s, resident, copy):
    print(f"\nstarted while the broker is mute, from a sealed copy of {count:,} routes, {copy / 2**20:.1f} MiB: ready after "
          f"{ready_s:.2f} s, of that loading {load_s:.2f} s, the first 200 after {first_200_s:.2f} s, CPU {cpu_s:.2f} s, "
          f"RSS {resident:.1f} MiB")


if __name__ == "__main__":
    main()
