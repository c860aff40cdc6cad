"""`replay`: dead letters become what the ingress would make of them today, each once, whatever happens to the runs."""

import asyncio
import datetime
import hashlib
import hmac
import json
import os
import random
import signal
import subprocess
import time

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from harness import consumers, wait
from harness.bridge import PATH, SECRET, Bridge, route, run
from harness.dead_letters import Replay, kill_when, letter, produce, reported, same_record
from harness.sender import Connection, encode, event, post, request
from test_contract import check
from test_main_job import expected_id

BAD = b"oops"


@pytest.fixture
def replay(kafka, bridge):
    return Replay(kafka, bridge)


def real_letter(replay, bridge, body=BAD, path=PATH):
    """A dead letter the bridge itself wrote; it stays in the topic."""
    before = len(replay.letters())
    assert post(bridge.ingress_port, path, body, SECRET).status == 200
    letters = replay.letters()
    assert len(letters) == before + 1
    return max(letters, key=lambda r: r.timestamp)


def as_directly(replay, bridge, body, path=PATH):
    """The records that the ingress makes of the body."""
    before = {(r.topic, r.partition, r.offset) for r in replay.produced()}
    assert post(bridge.ingress_port, path, body, SECRET).status == 200
    return [r for r in replay.produced() if (r.topic, r.partition, r.offset) not in before]


def filed(real, bodies, **changes):
    """Well-formed bodies, filed as dead letters."""
    return [letter(real, body, ce_id=expected_id(body), **changes) for body in bodies]


def bodies_of(count, resource="INVOICE", name="event"):
    return [encode(event(f"{name}-{n}", resource)) for n in range(count)]


def test_a_dry_run_shows_what_would_become_of_the_letters_and_writes_nothing(replay, bridge):
    real = real_letter(replay, bridge)
    produce(replay.cluster, replay.letters_topic,
            filed(real, bodies_of(3)) + filed(real, bodies_of(2, "CUSTOMER"), dead_letter_reason="no-resource"))
    before = replay.written()

    report = replay.json()

    assert {k: report[k] for k in ("executed", "letters", "replayed", "records", "not_understood", "replayed_before")} == {
        "executed": False, "letters": 6, "replayed": 5, "records": 5, "not_understood": 1, "replayed_before": 0}
    assert {(g["outcome"], g["reason"], g["account"], g.get("topic"), g["letters"], g["records"]) for g in report["groups"]} == {
        ("replayed", "not-json", "acme-42", replay.topics["invoice"], 3, 3),
        ("replayed", "no-resource", "acme-42", replay.topics["customer"], 2, 2),
        ("not-understood", "not-json", "acme-42", None, 1, 0)}
    text = replay.run("--dry-run")
    assert text.returncode == 0, text.stderr
    assert "would be replayed" in text.stdout and "nothing was written" in text.stdout
    assert "the body is not JSON at byte 0" in text.stdout and "INVOICE:acme-42" in text.stdout
    assert replay.written() == before
    assert replay.marks_topic not in replay.cluster.topics()


def test_ten_thousand_letters_become_what_the_ingress_makes_of_their_bodies_each_once(replay, bridge):
    real = real_letter(replay, bridge)
    bodies = bodies_of(9_000) + bodies_of(1_000, "CUSTOMER")
    recorded = "2026-01-02T03:04:05.678Z"
    letters = filed(real, bodies, ce_recordedtime=recorded)
    produce(replay.cluster, replay.letters_topic, letters)
    bridge.config.write_routes([])  # they need no route any more

    started = time.monotonic()
    report = replay.execute()
    print(f"10,000 letters replayed in {time.monotonic() - started:.2f} s")

    assert (report["replayed"], report["records"], report["not_understood"]) == (10_000, 10_000, 1)
    records = replay.produced()
    assert sorted(r.headers["ce_id"] for r in records) == sorted(expected_id(body) for body in bodies)
    assert {r.headers["ce_recordedtime"] for r in records} == {recorded}
    assert {r.headers["traceparent"] for r in records} == {real.headers["traceparent"]}
    assert {(r.topic, json.loads(r.value)["resourceId"]) for r in records} == {
        (replay.topics[json.loads(body)["resource"].lower()], json.loads(body)["resourceId"]) for body in bodies}
    assert len(replay.marks()) == 10_000

    after = replay.written()
    again = replay.execute()
    assert (again["replayed"], again["replayed_before"], again["not_understood"]) == (0, 10_000, 1)
    assert replay.written() == after

    bridge.config.write_routes([route()])
    wait.until(lambda: post(bridge.ingress_port, PATH, b"[]", SECRET).status == 200, 10, "the route is back")
    by_id = {r.headers["ce_id"]: r for r in records}
    for body in random.Random(1).sample(bodies, 20):
        [direct] = as_directly(replay, bridge, body)
        same_record(by_id[expected_id(body)], direct)
        assert by_id[expected_id(body)].partition == direct.partition


class Watermarks:
    """How many offsets a topic has, control records included: only to see progress."""

    def __init__(self, cluster, topic):
        self.consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "watermarks", "log_level": 0})
        partitions = self.consumer.list_topics(topic, timeout=5).topics[topic].partitions
        self.partitions = [TopicPartition(topic, p) for p in partitions]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.consumer.close()

    def count(self):
        return sum(self.consumer.get_watermark_offsets(p, timeout=5)[1] for p in self.partitions)


@pytest.mark.parametrize("seed", range(4))
def test_runs_that_are_killed_at_any_moment_replay_each_letter_once(replay, bridge, seed):
    dice = random.Random(seed)
    bodies = bodies_of(10_000)
    real = real_letter(replay, bridge)
    kills = 0
    with Watermarks(replay.cluster, replay.topics["invoice"]) as watermarks:
        for n in range(8):
            # Something new for each, so that one that comes to its end takes no other's chance.
            produce(replay.cluster, replay.letters_topic, filed(real, bodies[n * 1250:(n + 1) * 1250]))
            before = watermarks.count()
            if dice.random() < 0.3:  # at some time before anything is produced, or right after it
                at = time.monotonic() + dice.uniform(0.05, 1.5)
                kills += kill_when(replay.start(), lambda: time.monotonic() > at or watermarks.count() > before)
            else:
                goal = before + dice.randint(1, 1000)
                kills += kill_when(replay.start(), lambda: watermarks.count() >= goal)
    left = replay.execute()
    print(f"{kills} of 8 runs killed, {left['replayed_before']} letters replayed by them, {left['replayed']} by the last")

    assert kills >= 4
    assert left["replayed_before"] + left["replayed"] == len(bodies)
    assert sorted(r.headers["ce_id"] for r in replay.produced()) == sorted(map(expected_id, bodies))
    assert len(replay.marks()) == len(bodies)
    assert replay.execute()["replayed"] == 0


def test_an_interrupted_run_says_so_and_the_next_goes_on(replay, bridge):
    bodies = bodies_of(10_000)
    produce(replay.cluster, replay.letters_topic, filed(real_letter(replay, bridge), bodies))
    process = replay.start()
    with Watermarks(replay.cluster, replay.topics["invoice"]) as watermarks:
        wait.until(lambda: watermarks.count() > 0, 30, "the first batch")
        process.send_signal(signal.SIGINT)
    code, report, errors = reported(process)
    assert (code, report["interrupted"], errors) == (1, True, "")
    assert 0 < report["replayed"] < len(bodies)
    assert len(replay.produced()) == report["replayed"]
    assert replay.execute()["replayed"] == len(bodies) - report["replayed"]
    assert sorted(r.headers["ce_id"] for r in replay.produced()) == sorted(map(expected_id, bodies))


def test_of_two_runs_the_later_takes_over(replay, bridge):
    bodies = bodies_of(10_000)
    produce(replay.cluster, replay.letters_topic, filed(real_letter(replay, bridge), bodies))
    first = replay.start()
    with Watermarks(replay.cluster, replay.topics["invoice"]) as watermarks:
        wait.until(lambda: watermarks.count() > 0, 30, "the first batch")
        first.send_signal(signal.SIGSTOP)
    try:
        second = replay.execute()
    finally:
        first.send_signal(signal.SIGCONT)
    code, report, errors = reported(first)
    assert code == 1 and "another replay has taken over" in errors
    assert report["replayed"] + second["replayed"] == len(bodies)
    assert sorted(r.headers["ce_id"] for r in replay.produced()) == sorted(map(expected_id, bodies))


def test_what_a_filter_leaves_out_is_there_for_the_next_run(replay, bridge):
    real = real_letter(replay, bridge)
    now = datetime.datetime.now(datetime.timezone.utc)

    def at(**ago):
        return (now - datetime.timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def others(body):  # of account bakery
        return letter(real, body, ce_id=f"bakery-{body.decode()[-20:-2]}", ce_source="/maesn/xero/bakery")

    groups = {
        "bakery": [others(body) for body in bodies_of(3, name="bakery")],
        "empty": filed(real, bodies_of(4, name="empty"), dead_letter_reason="empty", ce_recordedtime=at(days=1)),
        "old": filed(real, bodies_of(5, name="old"), ce_recordedtime=at(days=10)),
        "older": filed(real, bodies_of(6, name="older"), ce_recordedtime=at(days=13)),
    }
    mixed = [one for group in groups.values() for one in group]
    random.Random(1).shuffle(mixed)
    produce(replay.cluster, replay.letters_topic, mixed)

    def replayed(*options):
        before = len(replay.produced())
        report = replay.execute(*options)
        assert len(replay.produced()) - before == report["replayed"]
        return report["replayed"], report["not_selected"]

    assert replay.json("--account", "nobody")["replayed"] == 0
    assert replayed("--account", "bakery") == (3, 16)
    assert replayed("--account", "bakery") == (0, 16)
    assert replayed("--until", at(days=9), "--since", "12d") == (5, 11)
    assert replayed("--reason", "empty", "--reason", "too-deep") == (4, 7)
    assert replayed("--since", at(days=12)) == (0, 6)
    assert replayed() == (6, 0)
    assert len(replay.produced()) == len(mixed)


def test_what_is_still_not_understood_stays_and_is_told_again(replay, bridge):
    for body in (BAD, b"17", b'{"eventType":"UPDATED"}', b"", b'[{"resource":"INVOICE","resourceId":"1"},17]'):
        assert post(bridge.ingress_port, PATH, body, SECRET).status == 200
    before = replay.written()
    for _ in range(2):
        report = replay.execute()
        assert (report["replayed"], report["not_understood"]) == (0, 5)
        assert {g["reason"]: g["example"]["detail"] for g in report["groups"]} == {
            "not-json": "the body is not JSON at byte 0", "not-an-object": "it is JSON, but not an object",
            "no-resource": 'it has no text "resource"', "empty": "the body is empty"}
        assert replay.written() == before


def test_an_element_keeps_the_id_that_it_had_in_its_array(replay, bridge):
    good = event("2")
    real = real_letter(replay, bridge, b'[{"resource":"INVOICE","resourceId":"1"},17]')
    assert real.headers["dead-letter-element"] == "1"
    check(real, replay.topics.prefix)
    produce(replay.cluster, replay.letters_topic, [letter(real, encode(good)), letter(real, b"[" + encode(good) + b"]")])
    report = replay.execute()
    # An array in an array is no event, however it is wrapped.
    assert (report["replayed"], report["not_understood"]) == (1, 2)
    [record] = [r for r in replay.produced() if r.headers["ce_id"] == real.headers["ce_id"]]
    [direct] = as_directly(replay, bridge, encode(good))
    same_record(record, direct, but=("ce_id", "ce_recordedtime", "traceparent"))


def test_a_whole_array_becomes_its_events_and_a_letter_for_each_bad_element(replay, bridge, start_bridge):
    # A route of one resource only: the ids hash it, and the letter tells.
    one = start_bridge(replay.cluster, routes=[route(resource="INVOICE", event="UPDATED")])
    replay = Replay(replay.cluster, one)
    body = b'[{"resource":"INVOICE","resourceId":"1"},17,{"resource":"CUSTOMER","resourceId":"2"}]'
    real = real_letter(replay, one)
    specification = b"maesn/acme-42/invoice/updated"
    assert real.headers["dead-letter-specification"] == specification.decode()
    produce(replay.cluster, replay.letters_topic, [letter(real, body, ce_id=expected_id(body, 0, specification))])
    report = replay.execute()
    assert (report["replayed"], report["records"], report["not_understood"]) == (1, 3, 1)
    replayed = replay.produced() + replay.letters()[-1:]
    direct = as_directly(replay, one, body) + [max(replay.letters(), key=lambda r: r.offset)]
    assert len(replayed) == len(direct) == 3
    for theirs in replayed:
        [ours] = [r for r in direct if r.headers["ce_id"] == theirs.headers["ce_id"]]
        same_record(theirs, ours)
    # Its bad element is a letter of its own now, as that of the direct callback; nothing else is left to do.
    assert {k: replay.execute()[k] for k in ("replayed", "replayed_before", "not_understood")} == {
        "replayed": 0, "replayed_before": 1, "not_understood": 3}


def set_max_message_bytes(cluster, topic, size):
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)])
    for future in cluster.admin().incremental_alter_configs([resource]).values():
        future.result(30)


@pytest.mark.parametrize("record_format", ["binary", "structured"])
def test_a_record_the_broker_refused_goes_to_its_topic_as_it_was(kafka, start_bridge, record_format):
    bridge = start_bridge(kafka, {"format": record_format})
    replay = Replay(kafka, bridge)
    large = encode({**event("large", "CUSTOMER"), "note": "x" * 3000})
    set_max_message_bytes(kafka, replay.topics["customer"], 2000)
    real = real_letter(replay, bridge, large)
    assert real.headers["dead-letter-reason"] == "refused-by-broker"
    check(real, replay.topics.prefix)
    bodies = bodies_of(5)
    produce(kafka, replay.letters_topic, filed(real_letter(replay, bridge), bodies))

    # The others do not suffer from it.
    report = replay.execute(code=1)
    assert (report["replayed"], report["refused"]) == (5, 1)
    assert len(replay.produced()) == 5
    [group] = [g for g in report["groups"] if g["outcome"] == "refused"]
    assert group["topic"] == replay.topics["customer"] and "large" in group["example"]["detail"]

    set_max_message_bytes(kafka, replay.topics["customer"], 1_000_000)
    assert replay.execute()["replayed"] == 1
    [record] = [r for r in replay.produced() if r.topic == replay.topics["customer"]]
    [direct] = as_directly(replay, bridge, large)
    if record_format == "binary":
        same_record(record, direct)
        assert record.headers["ce_recordedtime"] == real.headers["ce_recordedtime"]
    else:
        assert record.value == real.value
        assert [name for name, _ in record.header_list] == [name for name, _ in direct.header_list]
        assert consumers.python_cloudevent(record).get_id() == expected_id(large)
    assert record.headers["traceparent"] == real.headers["traceparent"]
    assert replay.execute()["replayed"] == 0


MONEYBIRD_PATH = "/in/moneybird/bakery/by-hand"


def push(bridge, body, delivery):
    """A signed push of Moneybird's."""
    now = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()

    async def once():
        connection = Connection(bridge.ingress_port)
        try:
            return await connection.exchange(request(MONEYBIRD_PATH, body, {
                "Moneybird-Signature": f"t={now},v1={signature}", "Idempotency-Key": delivery}))
        finally:
            await connection.close()

    assert asyncio.run(once()).status == 200


def test_a_moneybird_letter_is_replayed_with_its_token_masked_and_the_id_of_its_delivery(kafka, start_bridge):
    bridge = start_bridge(kafka, routes=[{"path": MONEYBIRD_PATH, "provider": "moneybird", "account": "bakery",
                                          "system": "moneybird", "secret_file": "../secrets/acme-xero"}])
    replay = Replay(kafka, bridge)
    understood = {"administration_id": "123", "webhook_token": "tok-canary", "entity_type": "Contact", "entity_id": "789",
                  "action": "contact_created", "entity": {"id": "789", "company_name": "Example B.V."}}
    body = encode({name: value for name, value in understood.items() if name not in ("action", "entity_type")})
    push(bridge, body, "delivery-1")
    [real] = replay.letters()
    assert real.headers["dead-letter-reason"] == "no-resource" and b"tok-canary" not in real.value
    masked = encode({**understood, "webhook_token": "*" * len("tok-canary")})
    produce(kafka, replay.letters_topic, [letter(real, masked), letter(real, b"[" + masked + b"," + masked + b"]")])

    assert replay.execute()["records"] == 3

    replayed = {r.headers["ce_id"]: r for r in replay.produced()}
    assert replayed.keys() == {"delivery-1", "delivery-1.0", "delivery-1.1"}
    push(bridge, encode(understood), "delivery-1")
    [direct] = [r for r in replay.produced() if r.headers["traceparent"] != real.headers["traceparent"]]
    same_record(replayed["delivery-1"], direct)
    assert b"Example B.V." not in direct.value


def test_a_letter_whose_topic_is_missing_stays_until_it_is_there(kafka, start_bridge):
    bridge = start_bridge(kafka)
    replay = Replay(kafka, bridge)
    produce(kafka, replay.letters_topic, filed(real_letter(replay, bridge), bodies_of(2) + bodies_of(3, "BILL")))
    dry = replay.json(code=1)
    assert (dry["replayed"], dry["no_topic"]) == (2, 3)
    report = replay.execute(code=1)
    assert (report["replayed"], report["no_topic"]) == (2, 3)
    kafka.create_topics(replay.topics["bill"])
    assert replay.execute()["replayed"] == 3
    assert len(consumers.read_all(kafka, replay.topics["bill"])) == 3


def test_a_topic_made_anew_hides_no_letter_behind_the_marks_of_the_old_one(replay, bridge):
    real = real_letter(replay, bridge)
    produce(replay.cluster, replay.letters_topic, filed(real, bodies_of(10, name="first")))
    assert replay.execute()["replayed"] == 10
    replay.make_anew(replay.letters_topic)
    produce(replay.cluster, replay.letters_topic, filed(real, bodies_of(12, name="second")))
    assert replay.execute()["replayed"] == 12
    assert replay.execute()["replayed"] == 0


def test_marks_of_letters_that_have_expired_are_forgotten(replay, bridge):
    real = real_letter(replay, bridge)
    produce(replay.cluster, replay.letters_topic, filed(real, bodies_of(10)))
    assert replay.execute()["replayed"] == 10
    assert len(replay.marks()) == 10
    replay.expire(replay.letters_topic)
    produce(replay.cluster, replay.letters_topic, filed(real, bodies_of(2, name="later")))
    assert replay.execute()["replayed"] == 2
    assert len(replay.marks()) == 2


def test_a_record_that_is_no_letter_is_told_about_and_left(replay, bridge):
    real = real_letter(replay, bridge)
    [good] = bodies_of(1)
    produce(replay.cluster, replay.letters_topic, [
        letter(real, good, ce_source=None), letter(real, good, ce_source='/maesn/xero/a"b'),
        letter(real, good, dead_letter_reason="of-tomorrow"), letter(real, good, ce_recordedtime="yesterday")])
    report = replay.execute()
    assert (report["replayed"], report["unreadable"], report["not_understood"]) == (0, 4, 1)
    assert replay.execute("--account", "acme-42")["unreadable"] == 0


def test_a_terminal_sees_how_far_it_is_and_a_pipe_does_not(replay, bridge):
    produce(replay.cluster, replay.letters_topic, filed(real_letter(replay, bridge), bodies_of(1200)))
    ours, theirs = os.openpty()
    try:
        done = subprocess.run([*Bridge(replay.config, ("replay",)).command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=theirs, text=True, timeout=60)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert "\r100 %  1201 letters read, 1200 to replay" in shown and shown.endswith("\r\x1b[K")
    assert "\r" not in done.stdout
    assert replay.run().stderr == ""


@pytest.mark.parametrize("options, said", [
    (("--reason", "notjson"), 'did you mean "not-json"?'),
    (("--since", "yesterday"), "an RFC 3339 date-time"),
    (("--until", "5 minutes"), "an RFC 3339 date-time"),
    (("--since", "2026-01-02T03:04:05"), "an RFC 3339 date-time"),
    (("--execute", "--dry-run"), "exclude each other"),
])
def test_wrong_use_is_told_and_exits_64(replay, options, said):
    done = replay.run(*options)
    assert done.returncode == 64 and said in done.stderr, done.stderr
    assert done.stdout == ""


def test_a_cluster_that_is_away_or_lacks_the_topic_exits_69(kafka, start_bridge):
    bridge = start_bridge(kafka, create_topics=False)
    done = Replay(kafka, bridge).run()
    assert done.returncode == 69 and bridge.topics["dead-letter"] in done.stderr, done.stderr


def test_topics_apply_makes_the_topic_of_marks_as_replay_does(replay, bridge):
    assert run("topics", "apply", "--config", bridge.config.file).returncode == 0
    assert replay.marks_topic in replay.cluster.topics()
    assert run("topics", "plan", "--config", bridge.config.file).returncode == 0
    produce(replay.cluster, replay.letters_topic, filed(real_letter(replay, bridge), bodies_of(2)))
    assert replay.execute()["replayed"] == 2
