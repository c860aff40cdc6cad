"""What became of callbacks when the contestant, or the broker, went away: what was answered against what Kafka holds."""

import collections
import dataclasses
import json
import threading
import time

import load
from contestants import running
from harness import wait
from harness.consumers import read_all
from harness.kafka import KafkaCluster

TOPICS = ("maesn.invoice", "maesn.other", "maesn.dead-letter", "maesn.token")
KILL_RATE, TERMINATE_RATE = 1000, 2000
OUTAGE_RATE, CALM_S, OUTAGE_S, AFTER_S = 200, 5, 30, 10
DEADLINE_S = 2.5  # of the bridge, and of every alternative
GRACE_S = 0.5


@dataclasses.dataclass
class Sent:
    """Callbacks to one contestant; ids are the prefix and a number."""

    prefix: str
    ledger: object
    process: object

    def outcomes(self):
        load.result(self.process)
        return {f"{self.prefix}{n:012d}": entry for n, entry in enumerate(load.read_ledger(self.ledger))}


def send(bench, one, prefix, count, **options):
    requests = bench.prepared(prefix, prefix=prefix, count=count)
    ledger = bench.scratch / f"ledger-{prefix}"
    return Sent(prefix, ledger, load.start(requests, one.port, once=True, ledger=ledger, **options))


def judge(outcomes, held):
    """outcomes: {id: (status, how, seconds)}; held: how often each id is in Kafka."""
    acknowledged = {name for name, (status, _, _) in outcomes.items() if status == 200}
    answered_otherwise = {name for name, (status, _, _) in outcomes.items() if status not in (0, 200)}
    hows = collections.Counter(how for status, how, _ in outcomes.values() if status == 0)
    return {"sent": len(outcomes), "acknowledged": len(acknowledged), "lost": len(acknowledged - held.keys()),
            "answered_otherwise": len(answered_otherwise), "held_after_non_2xx": len(answered_otherwise & held.keys()),
            "late": sum(seconds > DEADLINE_S + GRACE_S and how not in ("refused", "not_sent") for _, how, seconds in outcomes.values()),
            "slowest_s": round(max((seconds for status, _, seconds in outcomes.values() if status), default=0), 2),
            **{how: hows[how] for how in ("refused", "reset", "unanswered", "not_sent")}}


def held_by(cluster):
    return collections.Counter(json.loads(record.value).get("resourceId") for record in read_all(cluster, *TOPICS, seconds=120))


def stopped_under_load(bench, cluster, number, contestant, how):
    """SIGKILL or SIGTERM while callbacks come: {id: outcome}."""
    rate, seconds = (KILL_RATE, 2) if how == "kill" else (TERMINATE_RATE, 3)
    # What the product does by default: it serves for a while after SIGTERM, so that load balancers can look away.
    settings = {"shutdown": {"delay_ms": 1000}}
    with running([contestant], bench.world(cluster, settings=settings)) as started:
        one = started[contestant.name]
        load.run(bench.requests, one.port, connections=16, seconds=1)
        sent = send(bench, one, f"{how}-{number}-", rate * seconds, connections=128, rate=rate, seconds=seconds, patience=4)
        time.sleep(1.2)  # in the midst of it
        one.kill() if how == "kill" else one.terminate()
        outcomes = sent.outcomes()
        time.sleep(0.5)  # what was on its way to the broker arrives
    return outcomes


def watch_memory(started, most, stopping):
    while not stopping.wait(0.2):
        for name, one in started.items():
            most[name] = max(most[name], one.resident_mib())


def outage(bench, cluster):
    """The broker is killed and comes back, under all contestants at once: {name: ({id: outcome}, MiB before, most MiB)}."""
    count = OUTAGE_RATE * (CALM_S + OUTAGE_S + AFTER_S)
    with running(bench.chosen, bench.world(cluster)) as started:
        for one in started.values():
            load.run(bench.requests, one.port, connections=64, seconds=1)
        sent = {name: send(bench, one, f"outage-{n}-", count, connections=4096, in_advance=16, rate=OUTAGE_RATE, patience=5,
                           seconds=CALM_S + OUTAGE_S + AFTER_S) for n, (name, one) in enumerate(started.items())}
        time.sleep(CALM_S)
        before = {name: one.resident_mib() for name, one in started.items()}
        most, stopping = dict(before), threading.Event()
        watcher = threading.Thread(target=watch_memory, args=(started, most, stopping))
        watcher.start()
        cluster.brokers[0].kill()
        time.sleep(OUTAGE_S)
        stopping.set()
        watcher.join()
        cluster.brokers[0].start()
        wait.until(cluster.brokers[0].accepts, 60, "the broker listens again")
        outcomes = {name: s.outcomes() for name, s in sent.items()}
        time.sleep(3)  # who still holds records back delivers them now
    return {name: (outcomes[name], before[name], most[name]) for name in outcomes}


def measure_all(bench):
    """{name: {"kill": …, "terminate": …, "outage": …}}"""
    with KafkaCluster(1, jvm=("-Xmx1g",)) as cluster:
        cluster.create_topics(*TOPICS, partitions=6)
        outcomes = {contestant.name: {} for contestant in bench.chosen}
        for number, contestant in enumerate(bench.chosen):
            for how in ("kill", "terminate"):
                outcomes[contestant.name][how] = stopped_under_load(bench, cluster, number, contestant, how)
                bench.say(f"{how}: {contestant.name}")
        bench.say("outage")
        after_outage = outage(bench, cluster)
        held = held_by(cluster)
    for name, (outcome, before, most) in after_outage.items():
        outcomes[name]["outage"] = outcome
    judged = {name: {how: judge(o, held) for how, o in by_how.items()} for name, by_how in outcomes.items()}
    for name, (_, before, most) in after_outage.items():
        judged[name]["outage"] |= {"before_mib": round(before, 1), "growth_mib": round(most - before, 1)}
        bench.say(f"{name}: {judged[name]}")
    return judged
