"""Measures a crowd of slow connections; started by tests/bench/slow_loris."""

import argparse
import contextlib
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import load  # noqa: E402
import results  # noqa: E402
from harness import wait  # noqa: E402
from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.loris import Loris  # noqa: E402
from process import cpu_seconds, resident_mib  # noqa: E402

OTHER = "/in/maesn/account-b/by-hand"  # the genuine one's; the crowd knows another path
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
P99_MAX_MS = 100
SETTINGS = {"the default connections_max, 4096": {}, "connections_max: 15000": {"connections_max": 15000, "in_flight_max": 20000}}
# (what, prepared with, sent with)
GENUINE = (("connections that stay", {"closes": False}, {"connections": 16, "rate": 100, "in_advance": 0}),
           ("new connections", {"closes": True}, {"connections": 16, "rate": 50, "in_advance": 0}))


def genuine(bridge, directory, seconds):
    """{what: load.c's result}"""
    started = {}
    for what, prepared, sent in GENUINE:
        file = load.prepare(directory / what, [(OTHER, SECRET)], count=4096, **prepared)
        started[what] = load.start(file, bridge.ingress_port, seconds=seconds, patience=10, **sent)
    return {what: load.result(process, seconds + 60) for what, process in started.items()}


def describe(name, got):
    """([lines], [faults])"""
    lines, faults = [], []
    for what, figures in got.items():
        latency, lag = figures["latency_ms"], figures["lag_ms"]
        not_200 = figures["answers"] - figures["statuses"].get("200", 0) + sum(figures["failures"].values())
        lines.append(f"{name}: {what}: {figures['answers']:,} answers, not 200: {not_200}; p50 {latency['p50']:.1f} ms,"
                     f" p99 {latency['p99']:.1f} ms (of it the sender's lag {lag['p99']:.1f} ms)")
        faults += [f"{name}: {what}: p99 {latency['p99']:.1f} ms"] * (latency["p99"] >= P99_MAX_MS)
        faults += [f"{name}: {what}: {not_200} not answered 200"] * (not_200 > 0)
    return lines, faults


def measure(cluster, settings, count, seconds, directory):
    """The genuine figures without and with the crowd, and a line about the crowd."""
    config = ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}, "ingress": settings}, [route(), route("account-b")])
    bridge = Bridge(config)
    try:
        bridge.start()
        genuine(bridge, directory, 5)  # the broker's compiler
        calm = genuine(bridge, directory, seconds)
        with Loris(bridge.ingress_port, count, PATH) as loris:
            wait.until(lambda: loris.said["opened"] >= count, 120, f"{count} connections were opened")
            before, cpu = dict(loris.said), cpu_seconds(bridge.pid)
            beside = genuine(bridge, directory, seconds)
            cpu, after = cpu_seconds(bridge.pid) - cpu, dict(loris.said)
            crowd = (f"{after['held']:,} held by the crowd, {(after['opened'] - before['opened']) / seconds:,.0f} opened and"
                     f" {(after['ended'] - before['ended']) / seconds:,.0f} ended a second; the bridge: {cpu / seconds:.0%} of a core,"
                     f" {resident_mib(bridge.pid):.0f} MiB")
        code = bridge.stop()
        assert code == 0, f"exit code {code}: {bridge.tail()}"
        return calm, beside, crowd
    finally:
        bridge.kill()
        config.remove()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=int, default=30, help="of each measurement (default 30)")
    arguments.add_argument("--connections", type=int, default=10000, help="of the crowd (default 10000)")
    asked = arguments.parse_args()
    lines, faults = [], []
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(1, jvm=("-Xmx512m",)))
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster.create_topics(*TOPICS)
        for name, settings in SETTINGS.items():
            calm, beside, crowd = measure(cluster, settings, asked.connections, asked.seconds, directory)
            lines += describe(f"{name}: without the crowd", calm)[0]
            found, wrong = describe(f"{name}: with it", beside)
            lines += [*found, f"{name}: {crowd}"]
            faults += wrong
    return results.append("slow-loris", f"{asked.connections:,} slow connections, {asked.seconds} s each", lines, faults)


if __name__ == "__main__":
    sys.exit(main())
