"""Measures growth over time; started by tests/bench/soak."""

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import load  # noqa: E402
import results  # noqa: E402
from harness.bridge import SECRET, Bridge, ConfigDirectory, route  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from process import resident_mib  # noqa: E402

ACCOUNTS = 100
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
# A broker keeps no more than the last of it.
RETENTION = {"retention.bytes": str(64 << 20), "segment.bytes": str(16 << 20), "retention.ms": "600000"}
STAYING_RATE, PASSING_RATE = 900, 100
DISTINCT_S = 400  # longer than ingress.replay_window_s, within which the same callback would be a suspected replay
SAMPLE_S = 5
MEMORY_MAX = 1.0  # MB an hour


def slope(samples):
    """Of [(seconds, value)], by least squares, an hour."""
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_v = sum(v for _, v in samples) / len(samples)
    return 3600 * sum((t - mean_t) * (v - mean_v) for t, v in samples) / sum((t - mean_t) ** 2 for t, _ in samples)


def sample(bridge, loads, seconds):
    """[(seconds, MB, descriptors)] until the loads are over."""
    samples, began_at = [], time.monotonic()
    while any(process.poll() is None for process in loads) and time.monotonic() < began_at + seconds:
        samples.append((time.monotonic() - began_at, resident_mib(bridge.pid) * 1.048576,
                        len(os.listdir(f"/proc/{bridge.pid}/fd"))))
        bridge.admin("/metrics")  # as Prometheus would
        time.sleep(SAMPLE_S)  # the interval itself
    return samples


def send(bridge, routes, directory, seconds):
    """The samples, and how often each status, or no answer, came."""
    loads = []
    for name, rate, closes in (("11111111", STAYING_RATE, False), ("22222222", PASSING_RATE, True)):
        file = load.prepare(directory / name, routes, count=rate * min(DISTINCT_S, seconds), prefix=f"{name}-2222-4333-8444-",
                            closes=closes)
        loads.append((file, {"connections": 32, "in_advance": 0 if closes else 32, "rate": rate}))
    started = [load.start(file, bridge.ingress_port, seconds=seconds, patience=10, **options) for file, options in loads]
    samples = sample(bridge, started, seconds)
    answers = {}
    for process in started:
        got = load.result(process)
        for what, count in (*got["statuses"].items(), *got["failures"].items()):
            answers[what] = answers.get(what, 0) + count
    return samples, {what: count for what, count in answers.items() if count}


def judge(samples, answers, held):
    """([lines that say what was found], [what should be otherwise])."""
    steady = samples[len(samples) // 6:]
    memory, descriptors = slope([(t, mb) for t, mb, _ in steady]), slope([(t, fds) for t, _, fds in steady])
    acknowledged = answers.get("200", 0)
    lines = [f"answers: {answers}; records in Kafka: {held:,}; acknowledged and not there: {max(0, acknowledged - held)}",
             f"memory (RSS): {steady[0][1]:.2f} MB after a sixth, {steady[-1][1]:.2f} MB at the end,"
             f" {max(mb for _, mb, _ in samples):.2f} MB at most; slope {memory:+.3f} MB an hour",
             f"descriptors: {min(fds for *_, fds in steady)} to {max(fds for *_, fds in steady)}; slope {descriptors:+.2f} an hour",
             f"slopes by least squares over {len(steady)} samples"]
    faults = [f"memory grows by {memory:.3f} MB an hour"] * (memory >= MEMORY_MAX)
    faults += [f"descriptors grow by {descriptors:.2f} an hour"] * (round(descriptors) > 0)
    faults += ["answers that are neither 200 nor 503"] * (not {"200", "503"} >= set(answers))  # 503: the machine was busy
    faults += ["what was acknowledged is not in Kafka"] * (held < acknowledged)
    return lines, faults


def measure(seconds):
    accounts = [f"account-{n}" for n in range(ACCOUNTS)]
    routes = [(route(account)["path"], SECRET) for account in accounts]
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster(1, jvm=("-Xmx512m",), properties="log.retention.check.interval.ms=10000"))
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster.create_topics(*TOPICS, config=RETENTION)
        config = ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}}, [route(account) for account in accounts])
        stack.callback(config.remove)
        bridge = Bridge(config)
        stack.callback(bridge.kill)
        bridge.start()
        samples, answers = send(bridge, routes, directory, seconds)
        held = sum(offset for topic in TOPICS for offset in cluster.end_offsets(topic).values())
        code = bridge.stop()
    lines, faults = judge(samples, answers, held)
    return lines, faults + [f"exit code {code}"] * (code != 0)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seconds", type=int, nargs="?", default=3600)
    seconds = arguments.parse_args().seconds
    lines, faults = measure(seconds)
    return results.append("soak", f"{STAYING_RATE + PASSING_RATE:,} callbacks a second for {seconds:,} s", lines, faults)


if __name__ == "__main__":
    sys.exit(main())
