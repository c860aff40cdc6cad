"""Measures the bridge beside its alternatives; started by tests/bench/compare."""

import argparse
import datetime
import os
import pathlib
import re
import resource
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import growth  # noqa: E402
import load  # noqa: E402
import process  # noqa: E402
import report  # noqa: E402
import safety  # noqa: E402
from contestants import BRIDGE, World, contestants, running, status_of  # noqa: E402
from counters import count_events  # noqa: E402
from harness.environment import kernel  # noqa: E402
from harness.kafka import KafkaCluster  # noqa: E402
from harness.sender import signed_request  # noqa: E402
from harness.tls import self_signed  # noqa: E402
from rounds import accounts_of, measure, take_turns  # noqa: E402

ACCOUNTS = 1000
PARTITIONS = 6
TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
RATES = (5000, 10000, 20000)
CONNECTIONS = (64, 256)
# Brokers that keep what fits into memory: nobody reads it again.
TOPIC_CONFIG = {"retention.bytes": str(128 << 20), "segment.bytes": str(32 << 20)}
CLEANS_UP = "log.retention.check.interval.ms=5000\n"
BROKER = ("-Xmx1g", "-Xms1g")


class Bench:
    """What was asked for, and what has been measured so far."""

    def __init__(self, asked, chosen, scratch):
        self.asked, self.chosen, self.scratch = asked, chosen, pathlib.Path(scratch)
        self.rounds, self.seconds = asked.rounds, asked.seconds
        self.figures = {}
        self.accounts = accounts_of(ACCOUNTS)
        self.requests = self.prepared("base")

    @property
    def best(self):
        """One of each language: the tuned one where there is."""
        by_language = {c.language: c for c in self.chosen}
        return [c for c in self.chosen if by_language[c.language] is c]

    def prepared(self, name, accounts=None, **options):
        routes = [(path, secret) for _, path, secret in accounts or self.accounts]
        return load.prepare(self.scratch / f"requests-{name}", routes, **options)

    def cluster(self, brokers=1):
        return KafkaCluster(brokers, jvm=BROKER if brokers == 1 else ("-Xmx512m",), properties=CLEANS_UP)

    def world(self, cluster, accounts=None, **more):
        return World(cluster.bootstrap, accounts or self.accounts, self.scratch, **more)

    def say(self, text):
        print(f"[{time.monotonic() - self.asked.began_at:5.0f} s] {text}", file=sys.stderr, flush=True)


def closed(bench, started):
    """As much as so many connections in lock-step can get."""
    for connections in CONNECTIONS:
        bench.figures.setdefault("closed", {})[str(connections)] = take_turns(
            bench, started, f"{connections} connections", lambda one: measure(
                one, bench.requests, connections=connections, seconds=bench.seconds))


def opened(bench, started):
    """Fixed rates, whether or not the server keeps up. A contestant that was far from a rate in lock-step is spared it."""
    for rate in bench.asked.rates:
        able = {name: one for name, one in started.items() if reaches(bench, name, rate)}
        bench.figures.setdefault("open", {})[str(rate)] = take_turns(
            bench, able, f"{rate}/s", lambda one: measure(one, bench.requests, connections=256, rate=rate, seconds=bench.seconds))


def reaches(bench, name, rate):
    done = [m["per_second"] for by_name in bench.figures.get("closed", {}).values() for m in by_name.get(name, [])]
    return not done or max(done) > rate * 0.6


def counted(bench, started):
    """System calls and, where the machine counts them, instructions per callback."""
    bench.figures["counted"] = {name: {
        "saturated": count_events(one, bench.requests, connections=256, seconds=1),
        **({"5000": count_events(one, bench.requests, connections=256, rate=5000, seconds=1)}
           if reaches(bench, name, 5000) else {})} for name, one in started.items()}


def factors(bench, started):
    """One thing changed at a time, 256 connections in lock-step."""
    best = {c.name: started[c.name] for c in bench.best}
    for name, options in {
        "body 2 KiB": {"size": 2048}, "body 64 KiB": {"size": 65536, "count": 256},
        "array of 20": {"events": 20, "count": 1024}, "a connection each": {"closes": True},
    }.items():
        requests = bench.prepared(name.replace(" ", "-"), **options)
        add_factor(bench, name, best, requests)


def add_factor(bench, name, started, requests, **options):
    rounds = min(3, bench.rounds)
    bench.figures.setdefault("factors", {})[name] = take_turns(bench, started, name, lambda one: measure(
        one, requests, connections=256, seconds=bench.seconds, **options), rounds)


def worlds(bench, cluster):
    """What takes contestants that are started otherwise."""
    certificate = self_signed(bench.scratch, "localhost")
    with running(bench.best, bench.world(cluster, certificate=certificate)) as started:
        warm_up(bench, started, tls=True)
        add_factor(bench, "TLS", started, bench.requests, tls=True)
    for count in (1, 100000):
        accounts = accounts_of(count)
        with running(bench.best, bench.world(cluster, accounts)) as started:
            requests = bench.prepared(f"routes-{count}", accounts, count=max(4096, count))
            warm_up(bench, started, requests)
            add_factor(bench, f"{count:,} route{'s' * (count > 1)}", started, requests)


def three_brokers(bench):
    with bench.cluster(3) as cluster:
        cluster.create_topics(*TOPICS, partitions=PARTITIONS, config=TOPIC_CONFIG)
        with running(bench.best, bench.world(cluster)) as started:
            warm_up(bench, started)
            add_factor(bench, "three brokers", started, bench.requests)


def starts(bench, cluster):
    """Milliseconds from the start of the process until it says that it is ready, and until it acknowledges a callback."""
    _, path, secret = bench.accounts[0]
    callback = signed_request(path, load.body_of("started"), secret)

    def start(contestant):
        one = contestant.start(bench.world(cluster))
        try:
            took = {}
            for what, condition in (("ready_ms", one.is_ready), ("acknowledged_ms", lambda: status_of(one.port, callback, 10) == 200)):
                while not condition():
                    assert time.monotonic() < one.started_at + 60, f"{contestant.name}: {what}: {one.output()[-2000:]}"
                    time.sleep(0.001)
                took[what] = round((time.monotonic() - one.started_at) * 1000, 1)
            return took
        finally:
            one.close()

    bench.figures["starts"] = take_turns(bench, {c.name: c for c in bench.chosen}, "starts", start)


def warm_up(bench, started, requests=None, **options):
    """Compilers, of the broker's too, and connections."""
    for one in started.values():
        load.run(requests or bench.requests, one.port, connections=64, seconds=bench.asked.warm_up, **options)


def base_case(bench, cluster):
    stages = bench.asked.stages
    with running(bench.chosen, bench.world(cluster)) as started:
        time.sleep(1)  # until what starting took has been given back
        idle = {name: round(one.resident_mib(), 1) for name, one in started.items()}
        warm_up(bench, started)
        bench.figures["idle_mib"] = idle
        for stage in (closed, opened, counted, factors):
            if stage.__name__ in stages:
                bench.say(stage.__name__)
                stage(bench, started)


def about(bench, noise):
    return {
        "taken": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "tests/bench/compare" + "".join(f" {a}" for a in sys.argv[2:]),
        "rounds": bench.rounds, "seconds": bench.seconds, "accounts": ACCOUNTS, "partitions": PARTITIONS,
        "machine": {"cores": os.cpu_count(), "processor": process.processor(), "linux": kernel(),
                    "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
                    "load_before": round(os.getloadavg()[0], 2), "noise_ms": noise},
        "contestants": {c.name: {"language": c.language, "version": c.version, "tuned": c.is_tuned,
                                 "size_mib": round(c.size_mib(), 1)} for c in bench.chosen},
    }


STAGES = ("closed", "opened", "counted", "factors", "worlds", "starts", "three_brokers", "safety", "growth")


def run(bench):
    stages = bench.asked.stages
    with bench.cluster() as cluster:
        cluster.create_topics(*TOPICS, partitions=PARTITIONS, config=TOPIC_CONFIG)
        if {"closed", "opened", "counted", "factors"} & set(stages):
            base_case(bench, cluster)
        for stage in (worlds, starts):
            if stage.__name__ in stages:
                bench.say(stage.__name__)
                stage(bench, cluster)
        if "growth" in stages:
            bench.say("growth")
            bench.figures["growth"] = growth.measure_all(bench, cluster)
    if "three_brokers" in stages:
        bench.say("three brokers")
        three_brokers(bench)
    if "safety" in stages:
        bench.say("safety")
        bench.figures["safety"] = safety.measure_all(bench)


def options():
    arguments = argparse.ArgumentParser(prog="tests/bench/compare", description=__doc__)
    arguments.add_argument("cache", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments.add_argument("--quick", action="store_true", help="one short round of what matters most, some minutes")
    arguments.add_argument("--rounds", type=int, help="of which the median counts (default 5)")
    arguments.add_argument("--seconds", type=int, help="of each measurement (default 2)")
    arguments.add_argument("--stages", help=f"of {','.join(STAGES)} (default all)")
    arguments.add_argument("--only", default="", help="contestants whose name matches; the bridge always takes part")
    arguments.add_argument("--report", type=pathlib.Path, help="where the report goes, e.g. tests/bench/report (default: it is printed)")
    asked = arguments.parse_args()
    asked.began_at = time.monotonic()
    asked.rounds = asked.rounds or (1 if asked.quick else 5)
    asked.seconds = asked.seconds or (1 if asked.quick else 2)
    asked.warm_up = 1 if asked.quick else 3
    asked.rates = (5000, 20000) if asked.quick else RATES
    asked.stages = asked.stages.split(",") if asked.stages else ("closed", "opened", "starts", "safety") if asked.quick else STAGES
    assert set(asked.stages) <= set(STAGES), f"stages are {STAGES}"
    return asked


def main():
    asked = options()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))  # contestants inherit it
    with tempfile.TemporaryDirectory(prefix="maesn-bridge-compare-") as scratch:
        chosen = [c for c in contestants(asked.cache) if c.name == BRIDGE or re.search(asked.only, c.name, re.IGNORECASE)]
        bench = Bench(asked, chosen, scratch)
        bench.say(", ".join(c.name for c in chosen))
        bench.figures["about"] = about(bench, load.noise(scratch))
        try:
            run(bench)
        except BaseException:
            print(report.text(bench.figures))  # what was measured before is not lost
            raise
    if asked.report:
        asked.report.mkdir(parents=True, exist_ok=True)
        report.dump(bench.figures, asked.report / "figures.json")
        report.write(asked.report)
    print(report.text(bench.figures))


main()
