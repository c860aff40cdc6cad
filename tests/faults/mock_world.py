"""A world whose brokers are librdkafka's mock cluster: there a broker answers what no healthy one can be made to, each error of
broker_errors.py in turn, and leaders move or go at once.

What a mock cannot do: it stores nothing of what it answers with an error, whereas a real leader may have (REQUEST_TIMED_OUT,
NOT_ENOUGH_REPLICAS_AFTER_APPEND); a `late` broker does what comes to the same. It has no replicas and no disk, so that it cannot be
killed. And it keeps no books of an idempotent producer's sequence: it acknowledges what comes after a batch that it refused, or
calls a batch a duplicate that it never had, which to such a producer says that the refused one is stored. So these worlds have
none. Source: rd_kafka_dr_implicit_ack(), rdkafka_broker.c, librdkafka 2.0.2; measured: with kafka.idempotence 2 of 4 schedules
"lost" what was refused, without it 0 of 6."""

import collections
import math
import random

from harness import wait
from harness.mock_kafka import MockCluster

from faults.broker_errors import CODES, REFUSALS
from faults.schedule import ANSWERS, BRIDGE, CLOCK, CLUSTER, DISK, DOOR, FILES, LONGEST_S, NODE, Fault, Schedule
from faults.world import IngressWorld

BROKERS = 3
# So many errors are answered in each schedule, one after the other: all of them within so many schedules.
ERRORS = 6
# The program may be away, or cut off, for as long as other faults last: after them it has to ask.
MET_S = 60
SLOW_S, LATE_S = 0.2, 6


class MockKafka:
    """For one world, which ends it."""

    links = ()
    is_left_well = True

    def __init__(self):
        self.cluster = MockCluster(BROKERS)

    @property
    def bootstrap(self):
        return self.cluster.bootstrap


def errors(nth, seconds, chance):
    """The faults of the nth mock world's brokers, its share of all errors."""
    every, span_s = chance.choice((1, 1, 2, 3)), seconds / ERRORS
    for i in range(ERRORS):
        name = list(CODES)[(nth * ERRORS + i) % len(CODES)]
        at_s = i * span_s + chance.uniform(0.05, 0.25) * span_s
        for_s = chance.uniform(0.1, LONGEST_S if i == ERRORS - 1 else 0.7 * span_s)
        yield Fault(round(at_s, 2), name, f"{ANSWERS}-{every}", round(for_s, 2))


class MockWorld(IngressWorld):
    """nth: the how manieth of its kind."""

    def __init__(self, nth, seed, rate, with_spool=None):
        self.nth = nth
        self.met = collections.Counter()  # by error: how many produce requests were answered with it
        super().__init__(MockKafka(), seed, rate, with_spool, idempotent=False)

    def _leave(self):
        self.kafka.cluster.stop()

    def victims(self):
        return [BRIDGE, BRIDGE, DOOR, CLOCK, FILES, *([DISK] if self.has_spool else []), CLUSTER,
                *(f"{NODE}-{broker.node}" for broker in self.kafka.cluster.brokers)]

    def schedule(self, seconds):
        more = errors(self.nth, seconds, random.Random(f"errors {self.seed} {seconds}"))
        return Schedule([*super().schedule(seconds).faults, *more], seconds, self.seed)

    def others(self):
        return {ANSWERS: self._hit_answers, NODE: self._hit_node, CLUSTER: self._freeze}

    # --- victims: each returns what undoes it ---

    def _hit_answers(self, what, every):
        cluster = self.kafka.cluster
        cluster.answer(CODES[what], every)

        def heal():
            """Not before somebody was answered so."""
            wait.until(cluster.asked, MET_S, f"a produce request is answered {what}")
            self.met[what] += math.ceil(cluster.asked() / every)
            cluster.be_well()
        return heal

    def answered_errors(self):
        return dict(self.met)

    def _hit_node(self, what, number):
        cluster, broker = self.kafka.cluster, self.kafka.cluster.brokers[number - 1]
        if what == "down":
            broker.down()
            return broker.up
        if what in ("slow", "late"):
            broker.answer_after(SLOW_S if what == "slow" else LATE_S)
            return lambda: broker.answer_after(0)
        cluster.hand_over(number, -1 if what == "leaderless" else number % BROKERS + 1)
        return lambda: cluster.give_back(number)

    def _freeze(self, *_):
        self.kafka.cluster.sigstop()
        return self.kafka.cluster.sigcont

    # --- what is owed ---

    def _refuses(self, fault):
        return fault.what in REFUSALS  # a mock cluster takes any timestamp

    def _records(self):
        """All of them: otherwise the cluster has forgotten what it had acknowledged."""
        records, first = super()._records(), collections.defaultdict(list)
        for record in records:
            first[record.topic, record.partition].append(record.offset)
        assert all(min(offsets) == 0 for offsets in first.values()), "more was acknowledged than a mock cluster keeps"
        return records
