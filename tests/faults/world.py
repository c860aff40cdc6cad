"""Everything that a schedule can hit: Kafka, the links to it, a bridge with or without a spool, its disk, clock and files.
What is owed is settled when all of it is well again."""

import asyncio
import collections
import json
import pathlib
import random
import shutil
import sys
import tempfile
import time

from harness import consumers, wait
from harness.bridge import SECRET, Bridge, ConfigDirectory, route
from harness.faulty_disk import FaultyDisk
from harness.kafka import KafkaCluster
from harness.links import Link
from harness.oracle import Oracle
from harness.sender import Load, event
from harness.skewed_clock import SkewedClock

from faults.hits import was_under_way
from faults.outcome import Outcome
from faults.player import Player
from faults.schedule import BRIDGE, CLOCK, DISK, DOOR, FILES, Schedule

ACCOUNTS = [f"account-{n}" for n in range(8)]
DEADLINE_S = 2.5
ANSWER_MARGIN_S = 1.5  # for the loader and two noisy cores
# From the end of the last fault to nothing but 200. The promise is 5 s, the summary says what it was; this bound leaves room for a
# machine on which everything else takes several times as long, too.
RECOVERY_S = 20
CONNECTIONS = 32
# What was acknowledged while something was still to be suffered, at least, by the callbacks that come in a second: a schedule in
# which nothing was promised shows nothing.
PROMISED_OF_RATE = 0.1
PULSE_S = 0.1

PROPERTIES = """
# Hundreds of worlds have their topics in it, one after the other: what is deleted goes at once.
file.delete.delay.ms=1000
# Less than most faults last, more than a machine of three worlds takes from a broker that nobody has hit.
broker.session.timeout.ms=1500
"""


class LinkedKafka:
    """A cluster whose brokers are each reached over a link. is_left_well: whether the schedules so far came to their ends."""

    def __init__(self, brokers):
        self.is_left_well = True
        self.links = [Link() for _ in range(brokers)]
        self.cluster = KafkaCluster(brokers, link_ports=[link.port for link in self.links], properties=PROPERTIES)
        for link, broker in zip(self.links, self.cluster.brokers, strict=True):
            link.target = broker.linked_port

    @property
    def bootstrap(self):
        """For a bridge."""
        return self.cluster.linked_bootstrap

    def __enter__(self):
        self.cluster.start()
        return self

    def __exit__(self, *_):
        for link in self.links:
            link.close()
        self.cluster.stop()


def has_spool(seed):
    return random.Random(f"world {seed}").random() < 0.6


def is_idempotent(seed):
    """Four seeds in a row are, four are not: with one broker and with three, with a registry and without."""
    return seed // 4 % 2 == 1


class IngressWorld:
    """One schedule's world in a cluster that others have used before it. with_spool, idempotent: None, as the seed has it."""

    def __init__(self, kafka, seed, rate, with_spool=None, idempotent=None):
        self.kafka, self.seed, self.rate = kafka, seed, rate
        self.has_spool = has_spool(seed) if with_spool is None else with_spool
        self.is_idempotent = is_idempotent(seed) if idempotent is None else idempotent
        self.oracle = Oracle()
        self.stolen = []  # (since when, for how many seconds more than asked for) the loader was not run
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-faults-"))
        self.clock = SkewedClock(self.directory / "clock")
        (self.directory / "spool").mkdir()
        self.disk = FaultyDisk(self.directory / "spool", self.directory / "spool/disk") if self.has_spool else None
        self.door = Link()
        self.topics = {slug: f"s{seed}.{slug}" for slug in ("invoice", "other", "dead-letter", "token")}
        self.bridge = self._bridge()

    def _kafka_settings(self):
        return {"brokers": self.kafka.bootstrap, "idempotence": self.is_idempotent}

    def _settings(self):
        settings = {
            "kafka": self._kafka_settings(),
            "topics": {"template": f"s{self.seed}.{{resource}}", "other": self.topics["other"],
                       "dead_letter": self.topics["dead-letter"], "token": self.topics["token"]},
        }
        if self.has_spool:
            settings["spool"] = {"directory": str(self.directory / "spool"), "max_bytes": 16 << 20}
        return settings

    def _bridge(self):
        routes = [route(account, previous_secret_file="../secrets/former") for account in ACCOUNTS]
        return self._bridge_of(ConfigDirectory(self._settings(), routes))

    def _bridge_of(self, config):
        preloads = [self.clock.environment] + ([self.disk.environment] if self.disk else [])
        environ = {name: value for preload in preloads for name, value in preload.items()}
        environ["LD_PRELOAD"] = " ".join(preload["LD_PRELOAD"] for preload in preloads)
        bridge = Bridge(config, environ=environ)
        self.door.target = bridge.ingress_port
        return bridge

    def victims(self):
        """The bridge is hit more often than anything else."""
        numbers = [broker.node for broker in self.kafka.cluster.brokers]
        return [BRIDGE, BRIDGE, BRIDGE, DOOR, CLOCK, FILES, *([DISK] if self.has_spool else []),
                *(f"{whom}-{number}" for number in numbers for whom in ("broker", "link"))]

    def schedule(self, seconds):
        return Schedule.of_seed(self.seed, seconds, self.victims())

    def others(self):
        """Victims that other worlds do not have, see Player."""
        return {}

    def load(self, **how):
        return Load(self.door.port, [f"/in/maesn/{account}/by-hand" for account in ACCOUNTS], SECRET, **how)

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _begin(self):
        self.kafka.cluster.create_topics(*self.topics.values())
        self.bridge.start()

    def __exit__(self, kind, *_):
        self.kafka.is_left_well = kind is None
        self.door.close()
        self.bridge.kill()
        self.bridge.config.remove()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._leave()

    def _leave(self):
        """The cluster, to whoever comes next."""
        if self.kafka.is_left_well:
            self.kafka.cluster.delete_topics(*self.topics.values())

    # --- the schedule ---

    def suffer(self, schedule):
        """Loads the bridge while the schedule is played and until all is well; settles; returns the Outcome."""
        player = Player(self.kafka.cluster, self.kafka.links, self.door, self.bridge, disk=self.disk, clock=self.clock,
                        others=self.others())
        load, recovered_s = asyncio.run(self._scenario(schedule, player))
        self._drained()
        self._check_answers(load, player)
        settled = self._settle(schedule, player.hits)
        self._check_more()
        promised = self._promised(load, player)
        self._stop()
        stolen_s = sum(late_s for _, late_s in self.stolen)
        return Outcome.of(self.seed, schedule, load, settled, recovered_s, stolen_s, promised, self.answered_errors())

    def answered_errors(self):
        """How many produce requests were answered with each error that was ordered."""
        return {}

    async def _scenario(self, schedule, player):
        async with self.load(connections=CONNECTIONS, rate=self.rate, oracle=self.oracle, prefix=f"s{self.seed}", patience=10) as load:
            pulse = asyncio.create_task(self._feel_pulse())
            await load.answered(self.rate)
            await player.play(schedule)
            kafka_back_at = await asyncio.to_thread(self.kafka.cluster.acknowledged_at, self.topics["other"])
            healed_at = max(player.healed_at, kafka_back_at)

            def is_well():
                last = load.since(healed_at)[-self.rate:]
                return len(last) == self.rate and all(answer.status == 200 for answer in last)
            try:
                await load.until(is_well, 180, "nothing but 200 again")
            except AssertionError as error:
                raise AssertionError(f"{error}: {await asyncio.to_thread(self._symptoms, load, healed_at)}") from None
            pulse.cancel()
        # The last answer that was none: from then on it was well.
        bad = [a.sent_at + a.elapsed for a in load.since(healed_at) if a.status != 200]
        recovered_s = max(0.0, max(bad, default=healed_at) - healed_at)
        assert recovered_s < RECOVERY_S, f"well again only after {recovered_s:.1f} s"
        return load, recovered_s

    async def _feel_pulse(self):
        """Notes when the machine gave this process no time: what it took from the loader is no lateness of an answer."""
        while True:
            since = time.monotonic()
            await asyncio.sleep(PULSE_S)
            if (late_s := time.monotonic() - since - PULSE_S) > PULSE_S:
                self.stolen.append((since, late_s))

    def _symptoms(self, load, healed_at):
        """What a person wants to see who finds it ill."""
        by_second = collections.defaultdict(collections.Counter)
        for answer in load.since(healed_at):
            by_second[int(answer.sent_at - healed_at)][answer.status] += 1
        return (f"{ {second: dict(statuses) for second, statuses in sorted(by_second.items())} }"
                f" {self.bridge.admin('/readyz?verbose')[1]} {self.kafka.cluster.leaders(self.topics['invoice'])} {self.bridge.tail()}")

    def _drained(self):
        if self.has_spool:
            wait.until(lambda: self.bridge.metric("maesn_bridge_spool_records") == 0, 90, "the spool is drained")

    def _check_answers(self, load, player):
        """200, or 503 with Retry-After, in time; none only where the bridge or the way to it was hit."""
        for name, answer in load.answers:
            if player.was_disturbed(answer.sent_at, answer.sent_at + answer.elapsed):
                assert answer.status in (0, 200, 503), f"{name}: {answer}"
                continue
            assert answer.status in (200, 503), f"{name}: {answer}"
            assert answer.status == 200 or int(answer.retry_after or 0) >= 1, f"{name}: {answer}"
            stolen_s = sum(late_s for at, late_s in self.stolen if at < answer.sent_at + answer.elapsed and at + late_s > answer.sent_at)
            assert answer.elapsed < DEADLINE_S + ANSWER_MARGIN_S + stolen_s, f"{name}: {answer}, {stolen_s:.1f} s were stolen"

    def _promised(self, load, player):
        """How many callbacks were answered 200 before all was well."""
        promised = sum(a.status == 200 and a.sent_at + a.elapsed < player.healed_at for _, a in load.answers)
        floor = PROMISED_OF_RATE * self.rate
        assert promised >= floor, f"{promised} were answered 200 before all was well, fewer than {floor:.0f}: the schedule shows nothing"
        return promised

    # --- what is owed ---

    def _settle(self, schedule, hits=()):
        records = [r for r in self._records() if r.value != b"eager"]
        settled = self.oracle.settle(records)
        self._check_payloads(records, hits)
        # Of what was answered 503 only what was on the wire may have arrived, and the bridge knew: as far as it lived.
        if not self.has_spool and not schedule.hits(BRIDGE, "kill", "terminate"):
            said_503 = self.oracle.named(lambda a: a.status == 503) & settled.unacknowledged
            assert len(said_503) <= self.bridge.metric("maesn_bridge_kafka_messages_total", result="ambiguous")
        return settled

    def _records(self):
        return consumers.read_all(self.kafka.cluster, *self.topics.values(), seconds=180)

    def _refuses(self, fault):
        """Whether brokers refuse records while it lasts: one from the future, by the broker's clock."""
        return fault.whom == CLOCK and fault.what in ("forth", "far")

    def _may_be_refused(self, name, hits):
        answer = self.oracle.answers[name]
        return any(self._refuses(hit.fault) and was_under_way(answer, hit, self.has_spool) for hit in hits)

    def _check_payloads(self, records, hits):
        """What was sent, and nothing of it altered; what is there twice has one id; what the broker refused is a dead letter."""
        ids = {}
        for record in records:
            value = json.loads(record.value)
            name, sent = value["resourceId"], event(value["resourceId"])
            assert {key: value.get(key) for key in sent} == sent, f"{name} was altered: {value}"
            account = record.headers["ce_source"].rpartition("/")[2]
            assert value["account"] == account and account in ACCOUNTS, f"{name} is said to be {account}'s: {value}"
            if record.topic == self.topics["dead-letter"]:
                assert record.headers["dead-letter-reason"] == "refused-by-broker", f"{name}: {record.headers}"
                assert self._may_be_refused(name, hits), f"{name} is a dead letter although nothing was wrong with it"
                assert record.key == account.encode(), f"{name} has the key {record.key}"
            else:
                assert record.key == f"INVOICE:{account}".encode(), f"{name} has the key {record.key}"
            assert ids.setdefault(name, record.headers["ce_id"]) == record.headers["ce_id"], f"{name} has two ids"

    def _check_more(self):
        """What other worlds owe beside this."""

    def _stop(self):
        """It lives, since nobody ordered otherwise, and comes to an end as it should."""
        assert self.bridge.process.poll() is None, f"it exited with {self.bridge.process.returncode}: {self.bridge.tail()}"
        assert self.bridge.stop() == 0, self.bridge.tail()
