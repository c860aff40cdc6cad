"""Compacted topics, their fenced writers and the membership that shares them, against Apache Kafka itself: librdkafka's
mock cluster has no compaction, no topic settings, no read_committed and no fencing."""

import time

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions

from conftest import numbers
from harness import tables, wait

COMPACT = {"cleanup.policy": "compact"}
SESSION_MS = 6000  # the broker's least allowed session


@pytest.fixture
def drive():
    drivers = []

    def start(*arguments):
        drivers.append(tables.Driver(*arguments))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()


@pytest.fixture
def topic(kafka):
    """topic(partitions=1, **settings): the name of a new one, compact-only unless told otherwise."""
    def make(partitions=1, config=None):
        name = f"table{next(numbers)}"
        kafka.create_topics(name, partitions=partitions, config=COMPACT if config is None else config)
        return name
    return make


@pytest.fixture
def writer(kafka, drive):
    def start(name, partition=0):
        driver = drive("write", kafka.bootstrap, name, partition)
        assert driver.next()[1] == "ok"
        assert driver.ask("claim") == "ok ready "
        return driver
    return start


@pytest.fixture
def reader(kafka, drive):
    return lambda name: drive("read", kafka.bootstrap, name)


def records(lines):
    return [line.split(" ", 1)[1] for line in lines if line.startswith("record ")]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_an_empty_topic_is_caught_up_at_the_end_of_each_of_its_partitions(topic, reader):
    lines = reader(topic(partitions=3)).until("caught-up")
    assert lines[0] == "opened 3"
    assert sorted(lines[1:-1]) == ["end 0 0", "end 1 0", "end 2 0"]


def test_what_was_committed_is_read_before_the_end_with_tombstones_and_empty_values_told_apart(topic, writer, reader):
    name = topic(partitions=2)
    driver = writer(name)
    assert driver.ask("write a=1 b=2") == "ok ready "
    assert driver.ask("write a b=") == "ok ready "
    lines = reader(name).until("caught-up")
    assert records(lines) == ["0 a 1", "0 b 2", "0 a (none)", "0 b "]
    assert lines.index("end 0 0") > lines.index("record 0 b ")


def test_a_partition_that_ends_with_control_records_only_has_an_end(topic, kafka, writer, reader):
    name = topic()
    assert writer(name).ask("write a=1") == "ok ready "  # ends with a commit marker
    abort(kafka, name, "first")
    abort(kafka, name, "second")  # and now with an abort marker
    assert records(reader(name).until("caught-up")) == ["0 a 1"]


def abort(kafka, name, key, flush=True):
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{name}-{key}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(name, key=key, value="aborted", partition=0)
    if flush:
        producer.flush(20)
    producer.abort_transaction(20)


def test_what_was_aborted_is_never_seen(topic, kafka, writer, reader):
    name = topic()
    driver = reader(name)
    driver.until("caught-up")
    abort(kafka, name, "aborted")
    assert writer(name).ask("write after=1") == "ok ready "
    assert records(driver.until("record 0 after")) == ["0 after 1"]


def test_an_open_transaction_does_not_keep_the_end_away_and_is_seen_when_it_is_committed(topic, kafka, writer, reader):
    name = topic()
    assert writer(name).ask("write a=1") == "ok ready "
    other = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{name}-open"})
    other.init_transactions(20)
    other.begin_transaction()
    other.produce(name, key="open", value="2", partition=0)
    other.flush(20)
    driver = reader(name)
    assert records(driver.until("caught-up")) == ["0 a 1"]
    other.commit_transaction(20)
    assert driver.next()[1] == "record 0 open 2"


def test_a_hundred_thousand_records_are_read_in_a_few_seconds(topic, kafka, reader):
    name = topic(partitions=6)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "queue.buffering.max.messages": 200000})
    for i in range(100000):
        producer.produce(name, key=f"/in/maesn/acme-{i}/journal-entry/created/1795293215356", value=b"x" * 600,
                         partition=i % 6)
    assert producer.flush(60) == 0
    started = time.monotonic()
    lines = reader(name).until("caught-up", 60)
    seconds = time.monotonic() - started
    print(f"{seconds:.2f} s")
    assert len(records(lines)) == 100000
    assert seconds < 5  # a reader whose queue is too small takes 15 s


def test_a_change_is_followed_within_half_a_second(topic, writer, reader):
    name = topic(partitions=3)
    followers = [reader(name) for _ in range(2)]
    for follower in followers:
        follower.until("caught-up")
    driver = writer(name, 1)
    delays = []
    for i in range(100):
        driver.send(f"write key={i}")
        committed_at, line = driver.next()
        assert line == "ok ready "
        for follower in followers:
            seen_at, line = follower.next()
            assert line == f"record 1 key {i}"
            delays.append(seen_at - committed_at)
    delays.sort()
    print(f"p50 {delays[len(delays) // 2] * 1000:.1f} ms, p99 {delays[len(delays) * 99 // 100] * 1000:.1f} ms")
    assert delays[len(delays) * 99 // 100] < 0.5


def test_a_refresh_is_answered_after_everything_committed_before_it(topic, writer, reader):
    name = topic(partitions=2)
    follower = reader(name)
    follower.until("caught-up")
    driver = writer(name)
    for i in range(1, 11):
        assert driver.ask(f"write key={i}") == "ok ready "
        follower.send("refresh 0")
        lines = follower.until(f"end 0 {i}", 5)
        assert f"asked {i}" in lines
    assert follower.is_silent(1)


def test_a_claim_and_a_refresh_show_what_the_fenced_writer_committed_last(topic, writer, reader):
    name = topic()
    follower = reader(name)
    follower.until("caught-up")
    for i in range(1, 21):
        assert writer(name).ask(f"write key={i}") == "ok ready "
        writer(name)
        follower.send("refresh 0")
        assert records(follower.until(f"end 0 {i}", 5)) == [f"0 key {i}"]


# --- topics that are not what they should be -------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_topic_that_is_not_compact_only_is_refused(topic, kafka, drive, reader, policy):
    name = topic(config={"cleanup.policy": policy})
    expected = (f'invalid {name}: cleanup.policy is "{policy}", expected "compact" and nothing else: '
                "its records must not go with time")
    assert reader(name).next()[1] == f"refused {expected}"
    assert drive("check", kafka.bootstrap, name).next()[1] == expected


def test_a_missing_topic_is_refused_with_what_to_do(kafka, drive, reader):
    name = f"table{next(numbers)}"
    expected = f"unavailable {name}: there is no such topic, run 'topics apply'"
    assert reader(name).next()[1] == f"refused {expected}"
    assert drive("check", kafka.bootstrap, name).next()[1] == expected


def test_a_topic_that_grows_while_it_is_read_is_refused(topic, kafka, drive, reader):
    name = topic(partitions=2)
    assert drive("check", kafka.bootstrap, name).next()[1] == "ok 2"
    driver = reader(name)
    driver.until("caught-up")
    kafka.admin().create_partitions([NewPartitions(name, 3)])[name].result(20)
    assert driver.next(30)[1] == (f"refused invalid {name}: it has 3 partitions now, and had 2: "
                                  "what belongs together is no longer in one partition")


def test_a_topic_that_is_deleted_while_it_is_read_is_told_of(topic, kafka, reader):
    name = topic()
    driver = reader(name)
    driver.until("caught-up")
    kafka.admin().delete_topics([name])[name].result(20)
    assert driver.next(40)[1] == f"refused unavailable {name}: there is no such topic, run 'topics apply'"


def test_a_reader_waits_for_brokers_that_are_away_and_goes_on_after_their_return(own_kafka, drive):
    own_kafka.create_topics("table", partitions=2, config=COMPACT)
    own_kafka.brokers[0].kill()
    driver = drive("read", own_kafka.bootstrap, "table")
    assert driver.is_silent(3)
    own_kafka.brokers[0].restart()
    assert driver.until("caught-up", 60)[0] == "opened 2"
    own_kafka.brokers[0].restart()
    writer = drive("write", own_kafka.bootstrap, "table", 1)
    assert writer.next()[1] == "ok"
    wait.until(lambda: writer.ask("claim", 30) == "ok ready ", 60, "the coordinator is back")
    assert writer.ask("write a=1") == "ok ready "
    assert driver.next()[1] == "record 1 a 1"


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_second_writer_fences_the_first_whose_records_are_never_seen(topic, writer, reader):
    name = topic()
    first = writer(name)
    assert first.ask("write a=first") == "ok ready "
    second = writer(name)
    answer = first.ask("write a=zombie")
    assert answer.startswith("unavailable fenced "), answer
    assert first.ask("write a=zombie").startswith("unavailable fenced ")
    assert second.ask("write a=second") == "ok ready "
    assert records(reader(name).until("caught-up")) == ["0 a first", "0 a second"]


def test_writers_of_other_partitions_are_not_fenced(topic, writer):
    name = topic(partitions=2)
    zero, one = writer(name, 0), writer(name, 1)
    assert zero.ask("write a=1") == "ok ready "
    assert one.ask("write a=1") == "ok ready "


def test_a_stopped_writer_that_goes_on_after_a_take_over_writes_nothing(topic, writer, reader):
    name = topic()
    zombie = writer(name)
    zombie.sigstop()
    successor = writer(name)
    assert successor.ask("write a=successor") == "ok ready "
    zombie.send("write a=zombie")
    zombie.sigcont()
    assert zombie.next()[1].startswith("unavailable fenced ")
    assert records(reader(name).until("caught-up")) == ["0 a successor"]


def test_all_records_of_a_write_are_committed_or_none(topic, writer, reader):
    name = topic(config={**COMPACT, "max.message.bytes": "10000"})
    driver = writer(name)
    answer = driver.ask("large a 20000")
    assert answer.startswith("invalid ready "), answer  # the broker refuses the second record
    assert driver.ask("large a 2000000").startswith("invalid ready ")  # librdkafka does
    assert driver.ask("write b=1") == "ok ready "
    assert records(reader(name).until("caught-up")) == ["0 b 1"]


def test_a_partition_that_is_not_there_cannot_be_claimed(topic, kafka, drive):
    name = topic()
    driver = drive("write", kafka.bootstrap, name, 7)
    assert driver.next()[1] == "ok"
    assert driver.ask("claim") == f"invalid unclaimed {name}: partition 7: there is no such partition"


def test_a_writer_does_not_call_committed_what_nobody_answered_for(own_kafka, drive):
    own_kafka.create_topics("table", partitions=1, config=COMPACT)
    driver = drive("write", own_kafka.bootstrap, "table", 0)
    driver.next()
    assert driver.ask("claim") == "ok ready "
    own_kafka.brokers[0].sigstop()
    try:
        answer = driver.ask("write a=1", 40)
    finally:
        own_kafka.brokers[0].sigcont()
    assert answer.startswith("unavailable "), answer


# --- sharing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def join(kafka, drive):
    return lambda name, group: drive("join", kafka.bootstrap, name, group, SESSION_MS)


def partitions(line):
    assert line.startswith("assigned"), line
    return {int(word) for word in line.split()[1:]}


def deadline(driver):
    """What is left of the member's deadline, in ms, and whether it has joined; other lines are passed over."""
    driver.send("deadline")
    _, left, joined = driver.until("deadline ")[-1].split()
    return int(left), joined == "joined"


def members(kafka, drive, group):
    return drive("count", kafka.bootstrap, group).next()[1]


def test_two_members_share_the_partitions_and_the_one_that_stays_takes_over_at_once(topic, kafka, drive, join):
    name = topic(partitions=6)
    group = f"{name}-reconciler"
    assert members(kafka, drive, group) == "ok 0"
    first = join(name, group)
    assert partitions(first.next()[1]) == set(range(6))
    second = join(name, group)
    assert first.next()[1] == "revoked kept"
    shares = partitions(first.next()[1]), partitions(second.next()[1])
    assert [len(share) for share in shares] == [3, 3] and shares[0] | shares[1] == set(range(6))
    assert members(kafka, drive, group) == "ok 2"
    started = time.monotonic()
    assert second.end() == 0
    assert second.until("left")[0] == "revoked kept"
    left = time.monotonic() - started
    assert first.next()[1] == "revoked kept"
    at, line = first.next()
    assert partitions(line) == set(range(6))
    print(f"left in {left * 1000:.0f} ms, taken over after {(at - started) * 1000:.0f} ms")
    assert left < 2
    assert at - started < SESSION_MS / 1000 - 1
    assert members(kafka, drive, group) == "ok 1"


def test_a_member_without_partitions_has_joined_and_has_no_deadline(topic, join):
    name = topic(partitions=1)
    drivers = [join(name, name), join(name, name)]

    def is_shared():
        states = [deadline(driver) for driver in drivers]
        return all(joined for _, joined in states) and sorted(left > 0 for left, _ in states) == [False, True]

    wait.until(is_shared, 30, "both have joined, and one has the partition")


def test_the_deadline_is_renewed_while_the_coordinator_answers(topic, join):
    driver = join(topic(partitions=2), f"group{next(numbers)}")
    driver.until("assigned")
    end = time.monotonic() + SESSION_MS * 2 / 1000
    seen = []
    while time.monotonic() < end:
        seen.append(deadline(driver)[0])
        assert driver.is_silent(0.05)
    assert min(seen) > 0
    assert max(seen) <= SESSION_MS - 2000


def test_the_deadline_passes_when_the_coordinator_is_mute(own_kafka, drive):
    own_kafka.create_topics("table", partitions=2, config=COMPACT)
    driver = drive("join", own_kafka.bootstrap, "table", "group", SESSION_MS)
    driver.until("assigned")
    own_kafka.brokers[0].sigstop()
    try:
        wait.until(lambda: deadline(driver)[0] < 0, SESSION_MS / 1000 - 2 + 0.5, "it passes")
        started = time.monotonic()
        driver.end()
        assert time.monotonic() - started < 6  # leaving gives up in time
    finally:
        own_kafka.brokers[0].sigcont()


def test_a_stopped_member_loses_its_partitions_and_its_deadline_is_past_when_it_goes_on(topic, join):
    name = topic(partitions=6)
    stopped, other = join(name, name), join(name, name)
    wait_for_shares(stopped, other)
    stopped.sigstop()
    assert other.next(30)[1] == "revoked kept"
    assert partitions(other.next(30)[1]) == set(range(6))
    stopped.send("deadline")
    stopped.sigcont()
    lines = []
    while not lines or not lines[-1].startswith("revoked"):  # ask on, from its first breath until it hears of its loss
        lines.append(stopped.next()[1])
        if lines[-1].startswith("deadline"):
            stopped.send("deadline")
    assert lines[-1] == "revoked lost"
    assert all(int(line.split()[1]) < 0 for line in lines[:-1]), lines
    assert deadline(stopped)[0] < 0


def wait_for_shares(*drivers):
    """Until each of the members has its share; what was said on the way is read."""
    for driver in drivers:
        while len(partitions(driver.until("assigned")[-1])) != 6 // len(drivers):
            pass


def test_a_member_that_rejoins_gives_up_its_partitions_and_gets_them_anew(topic, join):
    name = topic(partitions=2)
    driver = join(name, name)
    driver.until("assigned")
    driver.send("rejoin")
    assert driver.next()[1] == "revoked kept"
    assert partitions(driver.next(30)[1]) == {0, 1}
    assert deadline(driver)[0] > 0
