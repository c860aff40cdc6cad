"""Measures the ingress; started by tests/bench/ingress."""

import argparse
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import closed_loop  # noqa: E402
from harness.bridge import SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from process import machine  # noqa: E402

ACCOUNTS = 16
PARTITIONS = 6
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")


def lock_step(bridge, requests, connections, seconds):
    return closed_loop.run(bridge.pid, bridge.ingress_port, requests, connections, seconds)


def fixed_rate(bridge, requests, rate, seconds):
    return closed_loop.run(bridge.pid, bridge.ingress_port, requests, 16, seconds, rate=rate)


def measure(bridges, requests, seconds):
    [bridge] = bridges
    print_table([*((f"{n} connections", lock_step(bridge, requests, n, seconds)) for n in (1, 16, 64, 256)),
                 ("fixed rate 100/s", fixed_rate(bridge, requests, 100, seconds))])


def compare(bridges, requests, seconds, rounds):
    """What a spool costs while Kafka is there: the two bridges take turns, the first one in every other round."""
    pairs = []
    for n in range(rounds):
        turns = (0, 1) if n % 2 == 0 else (1, 0)
        measured = {turn: lock_step(bridges[turn], requests, 64, seconds) for turn in turns}
        assert measured[0].errors == measured[1].errors == 0, "not everything was answered 200"
        pairs.append((measured[0], measured[1]))
    assert bridges[1].metric("maesn_bridge_spool_stored_records_total") == 0, "the spool was used"
    print(f"with a spool, beside one without, 64 connections, medians of {rounds} rounds of {seconds} s in turn:")
    for name, figure in (("callbacks/s", "per_second"), ("CPU a callback", "cpu_us"), ("p50", "p50_ms"), ("RSS", "resident_mib")):
        ratios = sorted(getattr(spooling, figure) / getattr(direct, figure) for direct, spooling in pairs)
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
            requests = closed_loop.prepare(scratch, [r["path"] for r in routes], SECRET)
            for bridge in bridges:
                bridge.start()
                lock_step(bridge, requests, 64, 5)  # the broker's compiler warms up
            if asked.spool:
                compare(bridges, requests, asked.seconds, asked.spool)
            else:
                measure(bridges, requests, asked.seconds)
            assert all(bridge.stop() == 0 for bridge in bridges)
        finally:
            for bridge in bridges:
                bridge.kill()
                bridge.config.remove()


def print_table(rows):
    print(f"{machine()}; sender, bridge and one Kafka 4.3.0 broker on them; acks=all,"
          f" one signed event a callback, {PARTITIONS} partitions\n")
    print("| load | callbacks/s | p50 ms | p99 ms | p99.9 ms | CPU µs/callback | RSS MiB | not 200 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, m in rows:
        print(f"| {name} | {m.per_second:,.0f} | {m.p50_ms:.2f} | {m.p99_ms:.2f} | {m.p999_ms:.2f} | {m.cpu_us:.0f} |"
              f" {m.resident_mib:.1f} | {m.errors} |")


main()
