"""Measures the reconciler; started by tests/bench/reconciler."""

import argparse
import collections
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import wait  # noqa: E402
from harness.crowd import Crowd  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.reconciler import World, account  # noqa: E402
from process import cpu_seconds, machine, resident_mib  # noqa: E402

SUBSCRIPTIONS = 3
TENTHS = 10
# What a World has shorter, for tests, is here as the product has it.
DEFAULTS = {"second_look_s": 30, "pending_ttl_s": 600, "delete_delay_s": 600, "overlap_s": 60, "retire_grace_s": 86400,
            "session_timeout_ms": 10000}
# What a log may hold of an undisturbed run.
ORDINARY = {"account.reconciled", "config.loaded", "kafka.logged", "partition.claimed", "partitions.assigned", "process.started",
            "registry.loaded"}


def directory_bytes(cluster, topic):
    return sum(f.stat().st_size for f in cluster.directory.glob(f"broker-1/log/{topic}-*/*.log"))


def accounts_of(count):
    return [account(f"account-{n:06d}", system="lexware-office",
                    subscriptions=[{"resource": "INVOICE", "events": ["CREATED", "UPDATED", "DELETED"]}])
            for n in range(count)]


def first_pass(world, crowd, count):
    """Nothing is there; until everything is, and each secret is in the registry."""
    started_at = time.monotonic()
    bridge = world.start()
    wait.until(lambda: crowd.count()[1] == count * SUBSCRIPTIONS, 1800, "every subscription is made")
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_passes_total", result="complete") >= count, 60, "every pass is over")
    seconds = time.monotonic() - started_at
    methods = collections.Counter(method for method, _, _ in crowd.take_calls())
    return bridge, seconds, methods


def steady(world, crowd, bridge, count, interval_s):
    """One interval in which nothing is to be done."""
    wait.until(lambda: crowd.count()[0] >= count, interval_s * 3 + 60, "everyone has had a turn since")
    size, cpu, began_at = directory_bytes(world.cluster, world.registry.topic), cpu_seconds(bridge.pid), time.monotonic()
    time.sleep(interval_s)  # the interval itself
    cpu, written = cpu_seconds(bridge.pid) - cpu, directory_bytes(world.cluster, world.registry.topic) - size
    calls = [call for call in crowd.take_calls() if began_at <= call[2] < began_at + interval_s]
    tenths = collections.Counter(int((at - began_at) / interval_s * TENTHS) for _, _, at in calls)
    return {"gets": sum(method == "GET" for method, _, _ in calls), "listed": len({key for _, key, _ in calls}),
            "writes": sum(method != "GET" for method, _, _ in calls), "written": written,
            "fullest": max(tenths.values()) / (len(calls) / TENTHS), "cpu": cpu}


def restart(world, crowd, bridge, count):
    """Seconds from the start until every account has had its first pass, and the memory then."""
    assert bridge.stop() == 0
    crowd.take_calls()
    started_at = time.monotonic()
    bridge = world.start()
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_passes_total", result="complete") >= count, 600, "every pass is over")
    seconds = time.monotonic() - started_at
    loaded = bridge.log("registry.loaded")[-1]
    assert all(method == "GET" for method, _, _ in crowd.take_calls())
    return bridge, seconds, loaded["duration_ms"] / 1000


def measure(cluster, count, interval_s, partitions):
    crowd = Crowd()
    world = World(cluster, crowd, f"bench-{count}", accounts_of(count), {"reconciler": {**DEFAULTS, "interval_s": interval_s}}, partitions)
    try:
        bridge, first_s, methods = first_pass(world, crowd, count)
        first_cpu, peak = cpu_seconds(bridge.pid), resident_mib(bridge.pid, "VmHWM")
        assert methods["POST"] == count * SUBSCRIPTIONS and methods["DELETE"] == 0, methods
        size = directory_bytes(cluster, world.registry.topic)
        kept = {record.key: len(record.key) + len(record.value or b"") for record in world.records()}
        still = steady(world, crowd, bridge, count, interval_s)
        resident = resident_mib(bridge.pid)
        events = collections.Counter(line["event"] for line in bridge.log())
        bridge, again_s, read_s = restart(world, crowd, bridge, count)
        restarted, again_peak = resident_mib(bridge.pid), resident_mib(bridge.pid, "VmHWM")
        assert bridge.stop() == 0
    finally:
        world.stop()
        crowd.stop()
    return {"accounts": count, "first_s": first_s, "first_cpu": first_cpu, "peak": peak, "size": size, "kept": sum(kept.values()),
            "disturbances": {event: n for event, n in events.items() if event not in ORDINARY}, **still,
            "resident": resident, "again_s": again_s, "read_s": read_s, "restarted": restarted, "again_peak": again_peak}


def print_first_pass(rows):
    print("| accounts | first pass s | POSTs | POSTs/s | CPU ms an account | most RSS MiB | bytes in the registry an account |"
          " of these the latest of a key |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        made = row["accounts"] * SUBSCRIPTIONS
        print(f"| {row['accounts']:,} | {row['first_s']:.1f} | {made:,} | {made / row['first_s']:,.0f} | "
              f"{row['first_cpu'] / row['accounts'] * 1000:.2f} | {row['peak']:.1f} | {row['size'] / row['accounts']:,.0f} | "
              f"{row['kept'] / row['accounts']:,.0f} |")
        if row["disturbances"]:
            print(f"| | disturbed: {row['disturbances']} |")


def print_steady(rows):
    """What an account costs is the difference to the first row."""
    print("\n| accounts | GETs in an interval | accounts listed | other calls | bytes written | most in a tenth / mean | CPU s |"
          " CPU ms an account | RSS MiB |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        cost = (row["cpu"] - rows[0]["cpu"]) / row["accounts"] * 1000
        print(f"| {row['accounts']:,} | {row['gets']:,} | {row['listed']:,} | {row['writes']} | {row['written']} | "
              f"{row['fullest']:.2f} | {row['cpu']:.2f} | {'' if row is rows[0] else f'{cost:.2f}'} | {row['resident']:.1f} |")


def print_restart(rows):
    print("\n| accounts | registry read s | all passes over s | most RSS MiB | RSS MiB | bytes an account |\n"
          "| ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        cost = (row["restarted"] - rows[0]["restarted"]) * 2**20 / row["accounts"]
        print(f"| {row['accounts']:,} | {row['read_s']:.2f} | {row['again_s']:.1f} | {row['again_peak']:.1f} | {row['restarted']:.1f} | "
              f"{'' if row is rows[0] else f'{cost:,.0f}'} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--accounts", default="1,1000,10000", help="how many, one run each (default 1,1000,10000)")
    arguments.add_argument("--interval", type=int, default=60, help="seconds (default 60; the product's is 900)")
    arguments.add_argument("--partitions", type=int, default=8, help="of the registry, all led by one (default 8)")
    parsed = arguments.parse_args()
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster:
        rows = [measure(cluster, int(count), parsed.interval, parsed.partitions) for count in parsed.accounts.split(",")]
    print(f"{machine()}; reconciler, provider"
          f" and one Kafka 4.3.0 broker on them; {SUBSCRIPTIONS} subscriptions an account, {parsed.partitions} partitions,"
          f" reconciler.interval_s {parsed.interval}\n")
    print_first_pass(rows)
    print_steady(rows)
    print_restart(rows)


if __name__ == "__main__":
    main()
