"""A 200 is an obligation, whatever is killed, frozen or told to stop: the bridge, its brokers, all of them at once.

Each test plays a schedule of faults that a seed decides, and prints it. FAULTS_SEED and FAULTS_SECONDS choose another or a
longer one, FAULTS='{"seconds": ..., "faults": [...]}' plays what was printed."""

import asyncio
import os
import time

import pytest

from harness import consumers, wait
from harness.bridge import SECRET, route
from harness.disk import Disk
from harness.faults import BRIDGE, DISK, Fault, Player, Schedule
from harness.kafka import KafkaCluster
from harness.oracle import Oracle
from harness.sender import Load, statuses

DEADLINE_S = 2.5
SECONDS = float(os.environ.get("FAULTS_SECONDS", 30))
SEED = os.environ.get("FAULTS_SEED", "1")
ACCOUNTS = [f"account-{n}" for n in range(8)]
RATE = 150


@pytest.fixture
def cluster(request):
    with KafkaCluster(request.param) as cluster:
        yield cluster


@pytest.fixture
def disk():
    disk = Disk()
    yield disk
    disk.close()


def chosen_schedule(victims):
    if os.environ.get("FAULTS"):
        return Schedule.parse(os.environ["FAULTS"])
    return Schedule.of_seed(SEED, SECONDS, victims)


def brokers(cluster):
    return [f"broker-{broker.node}" for broker in cluster.brokers]


def run(bridge, cluster, schedule, disk=None):
    """Loads the bridge while the schedule is played, and until all is well again; returns what was owed and answered."""
    oracle, player = Oracle(), Player(bridge, cluster, disk)
    paths = [f"/in/maesn/{account}/by-hand" for account in ACCOUNTS]

    async def scenario():
        async with Load(bridge.ingress_port, paths, SECRET, connections=32, rate=RATE, oracle=oracle) as load:
            await load.answered(RATE)
            await player.play(schedule)
            healed_at = time.monotonic()
            await load.until(lambda: len(load.since(healed_at)) >= RATE and
                             all(a.status == 200 for a in load.since(healed_at)[-RATE:]), 60, "nothing but 200 again")
        return load

    return asyncio.run(scenario()), oracle, player


def check_answers(load, player):
    """200, or 503 with Retry-After, in time; no answer only where the bridge itself was hit."""
    for name, answer in load.answers:
        if player.was_disturbed(answer.sent_at, answer.sent_at + answer.elapsed):
            assert answer.status in (0, 200, 503), f"{name}: {answer}"
            continue
        assert answer.status in (200, 503), f"{name}: {answer}"
        assert answer.status == 200 or int(answer.retry_after) >= 1, f"{name}: {answer}"
        assert answer.elapsed < DEADLINE_S + 1, f"{name}: {answer}"


@pytest.mark.parametrize("cluster", [1, 3], indirect=True, ids=["one broker", "three brokers"])
def test_nothing_that_was_answered_200_is_lost_to_faults(cluster, start_bridge):
    schedule = chosen_schedule([BRIDGE, BRIDGE, *brokers(cluster)])
    print(f"FAULTS='{schedule}'")
    assert schedule.faults
    bridge = start_bridge(cluster, routes=[route(account) for account in ACCOUNTS])
    load, oracle, player = run(bridge, cluster, schedule)

    settled = oracle.settle(consumers.read_all(cluster, *bridge.topics.all, seconds=120))
    print(f"{len(schedule.faults)} faults; {statuses(a for _, a in load.answers)}; {len(settled.unacknowledged)} in Kafka"
          f" without a 200, {len(settled.twice)} twice")
    check_answers(load, player)
    assert len(settled.delivered) > RATE
    # Of what was answered 503 only what was on the wire may have arrived, and the bridge knew: as far as it lived.
    if not schedule.hits(BRIDGE, "kill", "terminate"):
        said_503 = oracle.named(lambda a: a.status == 503) & settled.unacknowledged
        assert len(said_503) <= bridge.metric("maesn_bridge_kafka_messages_total", result="ambiguous")


@pytest.mark.parametrize("cluster", [1, 3], indirect=True, ids=["one broker", "three brokers"])
def test_nothing_that_was_answered_200_from_the_spool_is_lost_to_faults(cluster, start_bridge, disk):
    schedule = chosen_schedule([BRIDGE, BRIDGE, DISK, *brokers(cluster)])
    print(f"FAULTS='{schedule}'")
    assert schedule.faults
    bridge = start_bridge(cluster, {"spool": {"directory": disk.directory, "max_bytes": 4 << 20}},
                          routes=[route(account) for account in ACCOUNTS], prefix=disk.prefix)
    load, oracle, player = run(bridge, cluster, schedule, disk)

    wait.until(lambda: bridge.metric("maesn_bridge_spool_records") == 0, 60, "the spool is drained")
    settled = oracle.settle(consumers.read_all(cluster, *bridge.topics.all, seconds=120))
    print(f"{len(schedule.faults)} faults; {statuses(a for _, a in load.answers)}; {len(settled.unacknowledged)} in Kafka"
          f" without a 200, {len(settled.twice)} twice")
    check_answers(load, player)
    assert len(settled.delivered) > RATE


def test_a_schedule_can_be_played_again_from_its_seed_and_from_what_was_printed():
    victims = [BRIDGE, "broker-1", "broker-2"]
    schedule = Schedule.of_seed("7", 600, victims)
    assert len(schedule.faults) > 50
    assert {f.whom for f in schedule.faults} == set(victims)
    assert str(Schedule.of_seed("7", 600, victims)) == str(schedule)
    assert str(Schedule.of_seed("8", 600, victims)) != str(schedule)
    assert Schedule.parse(str(schedule)).faults == schedule.faults
    for whom in victims:
        hits = schedule.hits(whom)
        assert all(one.at_s + one.for_s < next_one.at_s for one, next_one in zip(hits, hits[1:]))
    assert Schedule.parse('{"seconds": 1, "faults": [[0.5, "kill", "bridge", 0.2]]}').faults == \
        [Fault(0.5, "kill", BRIDGE, 0.2)]
