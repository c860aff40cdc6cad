"""What judges schedules is right itself."""

import asyncio
import threading

import pytest
from confluent_kafka import Producer

from harness.sender import Answer, Load

from faults import mock_world
from faults.broker_errors import CODES
from faults.hits import SLACK_S, UNDER_WAY_S, Hit, overlaps, was_under_way
from faults.mock_world import MockWorld
from faults.player import Player
from faults.schedule import ANSWERS, BRIDGE, CLOCK, DISK, DOOR, Fault, Schedule
from faults.world import IngressWorld

HIT = Hit(Fault(0, "forth", CLOCK, 2), 100.0, 102.0)


@pytest.mark.parametrize("sent_at, elapsed, status, is_spooled, expected", (
    (101.0, 0.1, 200, False, True),  # wholly in it
    (99.0, 0.9, 200, False, False),  # acknowledged before it
    (99.0, 0.9, 200, True, True),  # but it may have been on a disk
    (99.0, 1.1, 200, False, True),  # into it
    (97.0, 2.5, 503, False, True),  # given up before it, and perhaps still on its way
    (99.0 - UNDER_WAY_S, 0.9, 503, False, False),  # long before it
    (99.0 - UNDER_WAY_S, 0.9, 0, True, True),  # but kept, although nobody heard so
    (102.0 + SLACK_S / 2, 0.1, 200, False, True),  # just after its end
    (102.0 + SLACK_S, 0.1, 503, False, False),  # after it
    (102.0 + SLACK_S, 0.1, 200, True, False),
))
def test_only_what_was_under_way_may_be_refused(sent_at, elapsed, status, is_spooled, expected):
    assert was_under_way(Answer(status, sent_at=sent_at, elapsed=elapsed), HIT, is_spooled) == expected


@pytest.mark.parametrize("since, until, expected", (
    (99.0, 99.9, False),
    (99.0, 100.1, True),
    (101.0, 101.1, True),
    (99.0, 103.0, True),
    (102.0 + SLACK_S / 2, 103.0, True),
    (102.0 + SLACK_S, 103.0, False),
))
def test_a_hit_is_felt_while_it_lasts_and_a_little_longer(since, until, expected):
    assert overlaps(HIT, since, until) == expected


def bare(kind, **has):
    """A world that nothing was started for."""
    world = object.__new__(kind)
    world.__dict__.update(has)
    return world


@pytest.mark.parametrize("kind, what, whom, expected", (
    (IngressWorld, "forth", CLOCK, True),
    (IngressWorld, "far", CLOCK, True),
    (IngressWorld, "back", CLOCK, False),
    (IngressWorld, "kill", BRIDGE, False),
    (MockWorld, "far", CLOCK, False),
    (MockWorld, "INVALID_RECORD", f"{ANSWERS}-1", True),
    (MockWorld, "POLICY_VIOLATION", f"{ANSWERS}-1", False),
))
def test_brokers_refuse_records_for_their_own_faults_only(kind, what, whom, expected):
    assert bare(kind)._refuses(Fault(0, what, whom, 1)) == expected


class Victim:
    def __init__(self, barrier):
        self.barrier = barrier

    def set(self, _):
        self.barrier.wait(20)

    def heal(self):
        self.barrier.wait(20)


def test_as_many_victims_as_a_schedule_has_are_hit_at_once_and_it_is_noted_when():
    """However few threads this machine gives an event loop."""
    count = 40
    barrier = threading.Barrier(count)
    player = Player(None, [Victim(barrier) for _ in range(count)], None, None, None, None)
    faults = [Fault(0, "cut", f"link-{n}", 0.1) for n in range(1, count + 1)]
    asyncio.run(player.play(Schedule(faults, 0.1)))
    assert {hit.fault for hit in player.hits} == set(faults)
    assert max(hit.since for hit in player.hits) < min(hit.until for hit in player.hits)


def test_who_may_answer_late_is_only_who_was_hit_at_the_door():
    player = Player(None, [], None, None, None, None)
    player.hits = [Hit(Fault(0, "full", DISK, 1), since=10, until=11), Hit(Fault(2, "cut", DOOR, 1), since=12, until=13)]
    assert not player.was_disturbed(10, 11)
    assert player.was_disturbed(12, 13)


def test_a_schedule_that_promised_nothing_before_all_was_well_shows_nothing():
    world, player = bare(IngressWorld, rate=100), Player(None, [], None, None, None, None)
    player.healed_at = 50.0
    load = Load(0, "/", "")
    load.answers = [("before", Answer(200, sent_at=40.0, elapsed=1))] * 9 + [("after", Answer(200, sent_at=49.5, elapsed=1))] * 500 + \
        [("before", Answer(503, sent_at=40.0, elapsed=1))] * 500
    with pytest.raises(AssertionError, match="^9 were answered 200"):
        world._promised(load, player)
    load.answers.append(("before", Answer(200, sent_at=48.0, elapsed=1)))
    assert world._promised(load, player) == 10


@pytest.fixture
def mock():
    kafka = mock_world.MockKafka()
    kafka.cluster.create_topics("topic")
    yield kafka
    kafka.cluster.stop()


def produce(kafka):
    """What becomes of a record that is sent once; the library repeats some errors in any case."""
    reports = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.send.max.retries": 0, "message.timeout.ms": 20000, "linger.ms": 0,
                         "log_level": 0})
    producer.produce("topic", b"", on_delivery=lambda error, _: reports.append(error.code() if error else 0))
    assert producer.flush(30) == 0
    return reports[0]


def test_a_producer_meets_each_error_that_was_ordered(mock):
    assert produce(mock) == 0  # it is well
    for name, code in CODES.items():
        mock.cluster.answer(code, every=2)  # the first, and not the second
        assert produce(mock) in (code, 0), name
        assert mock.cluster.asked() >= 1, name
        mock.cluster.be_well()


def test_an_ordered_error_that_nobody_met_fails_its_schedule(mock, monkeypatch):
    monkeypatch.setattr(mock_world, "MET_S", 0.1)
    world = bare(MockWorld, kafka=mock, met={"INVALID_RECORD": 0})
    heal = world._hit_answers("INVALID_RECORD", 2)
    with pytest.raises(AssertionError, match="a produce request is answered INVALID_RECORD"):
        heal()
    assert [produce(mock) for _ in range(3)] == [CODES["INVALID_RECORD"], 0, CODES["INVALID_RECORD"]]
    heal()
    assert world.answered_errors() == {"INVALID_RECORD": 2}
    assert produce(mock) == 0
