"""How the bridge's cost grows: with routes, bodies, arrays, loop threads, accounts, and entries of the registry."""

import contextlib
import itertools

import load
import reconciler
import registry
from contestants import BRIDGE, running
from harness.kafka import KafkaCluster
from harness.registry import Registry
from rounds import accounts_of, measure, median, take_turns

ROUTES = (1, 10, 100, 1000, 10000, 100000)
BODIES = (150, 512, 2048, 8192, 32768, 131072)
ARRAYS = (1, 5, 20, 100)
THREADS = (1, 2, 4)
ACCOUNTS = (1, 1000, 3000)
ENTRIES = (0, 1000, 10000, 100000)
# With the usual key an account's invoices are in one partition: few routes would produce larger batches, to fewer.
KEY_OF_ALL_PARTITIONS = {"key": "{resource}:{account}:{resource_id}"}
CONNECTIONS = 64
PASS_S = 15  # reconciler.interval_s


class Variant:
    """A bridge under one load."""

    def __init__(self, one, requests):
        self.one, self.requests = one, requests


def measure_variants(bench, what, variants):
    """[{"at": …, the medians}] of {at: Variant}."""
    figures = take_turns(bench, {f"{at:,}": v for at, v in variants.items()}, what, lambda v: measure(
        v.one, v.requests, connections=CONNECTIONS, seconds=1), min(3, bench.rounds))
    return [{"at": at, **{key: median(figures[f"{at:,}"], key) for key in ("cpu_us", "per_second", "p99", "resident_mib")},
             "cpu_us_of_rounds": [f["cpu_us"] for f in figures[f"{at:,}"]]} for at in variants]


def of_callbacks(bench, cluster):
    """Everything about one callback, beside a bridge with the base case's routes."""
    bridge = [c for c in bench.chosen if c.name == BRIDGE]
    with contextlib.ExitStack() as stack:
        def start(accounts=None, **settings):
            return stack.enter_context(running(bridge, bench.world(cluster, accounts, settings=settings)))[BRIDGE]

        base = start()
        routes = {}
        for count in ROUTES:
            accounts = accounts_of(count)
            routes[count] = Variant(start(accounts, topics=KEY_OF_ALL_PARTITIONS), bench.prepared(f"growth-{count}", accounts, count=max(4096, count)))
        threads = {count: Variant(start(ingress={"threads": count}), bench.requests) for count in THREADS}
        bodies = {size: Variant(base, bench.prepared(f"body-{size}", size=size if size > 150 else 0, count=512)) for size in BODIES}
        arrays = {size: Variant(base, bench.prepared(f"array-{size}", events=size, count=512)) for size in ARRAYS}
        for variants in (routes, threads, bodies, arrays):
            for variant in variants.values():
                load.run(variant.requests, variant.one.port, connections=CONNECTIONS, seconds=1)
        return {name: measure_variants(bench, name, variants) for name, variants in (
            ("routes", routes), ("body bytes", bodies), ("events in an array", arrays), ("loop threads", threads))}


def of_accounts(bench):
    """A steady pass of the reconciler."""
    rows = []
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster:
        for count in ACCOUNTS:
            row = reconciler.measure(cluster, count, PASS_S, 8)
            bench.say(f"{count} accounts: {row}")
            rows.append({"at": count, "first_s": round(row["first_s"], 2), "pass_cpu_ms": round(row["cpu"] * 1000, 1),
                         "resident_mib": round(row["resident"], 1), "listed": row["listed"], "again_s": round(row["again_s"], 2)})
    return rows


def of_entries(bench):
    """Reading the registry at the start."""
    rows = []
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster:
        cluster.create_topics(*registry.TOPICS)
        for count in ENTRIES:
            filled = Registry(cluster, f"growth-{count}")
            routes = registry.routes_of(count)
            while batch := list(itertools.islice(routes, registry.BATCH)):
                filled.put(*batch)
            bridge = None
            try:
                bridge, ready_s, read_s = registry.run(filled, cluster, count)
                rows.append({"at": count, "ready_ms": round(ready_s * 1000), "read_ms": round(read_s * 1000),
                             "resident_mib": round(registry.resident_mib(bridge.pid), 1),
                             "cpu_ms": round(registry.cpu_seconds(bridge.pid) * 1000)})
                bench.say(f"{count} entries: {rows[-1]}")
                assert bridge.stop() == 0
            finally:
                if bridge:
                    bridge.kill()
                    bridge.config.remove()
    return rows


def measure_all(bench, cluster):
    return {**of_callbacks(bench, cluster), "accounts of the reconciler": of_accounts(bench), "entries of the registry": of_entries(bench)}
