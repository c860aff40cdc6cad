"""A signed callback becomes a durable, well-described Kafka record that any subscriber can read."""

import datetime
import hashlib
import json
import re
import subprocess

from conftest import Topics
from harness import consumers
from harness.bridge import PATH, SECRET, route
from harness.kafka import java
from harness.sender import SIGNATURE_HEADER, Connection, encode, event, post, request, sign

# Source: Maesn's webhook guide, sample of an event.
SAMPLE = (b'{"eventType":"UPDATED","filterDate":"2026-01-02T03:04:05Z","resource":"INVOICE",'
          b'"resourceId":"11111111-2222-4333-8444-555555555555"}')
SPECIFICATION = b"maesn/acme-42/all/all"

RFC3339_MILLISECONDS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z"


def expected_id(body, index=0, specification=SPECIFICATION):
    """ce_id, computed by the published rule."""
    return hashlib.sha256(b"\0".join([specification, body, str(index).encode()])).hexdigest()[:32]


class DefaultTopics(Topics):
    def __init__(self):
        super().__init__("maesn")


def send(bridge, body, headers, path=PATH):
    import asyncio

    async def once():
        connection = Connection(bridge.ingress_port)
        try:
            return await connection.exchange(request(path, body, headers))
        finally:
            await connection.close()

    return asyncio.run(once())


def test_the_published_sample_signed_by_the_published_snippet_arrives_in_maesn_invoice(own_kafka, start_bridge):
    bridge = start_bridge(own_kafka, topics=DefaultTopics())
    signature = consumers.sign_with_node(SECRET, SAMPLE)
    before = datetime.datetime.now(datetime.timezone.utc)

    answer = send(bridge, SAMPLE, {"Content-Type": "application/json", SIGNATURE_HEADER: signature})

    assert answer.status == 200, answer
    [record] = consumers.read_all(own_kafka, *bridge.topics.all)
    assert record.topic == "maesn.invoice"
    assert record.key == b"INVOICE:acme-42"
    assert record.value == SAMPLE[:-1] + b',"account":"acme-42","system":"xero","provider":"maesn"}'
    headers = dict(record.headers)
    recorded = headers.pop("ce_recordedtime")
    assert re.fullmatch(RFC3339_MILLISECONDS, recorded)
    assert abs(datetime.datetime.fromisoformat(recorded) - before) < datetime.timedelta(seconds=10)
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", headers.pop("traceparent"))
    assert headers == {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": expected_id(SAMPLE),
        "ce_source": "/maesn/xero/acme-42",
        "ce_type": "com.maesn.invoice.updated",
        "ce_subject": "11111111-2222-4333-8444-555555555555",
        "ce_time": "2026-01-02T03:04:05Z",
        "ce_dataschema": "urn:maesn-bridge:unified-event:1",
    }


def test_an_array_of_twenty_arrives_as_twenty_records_in_order_and_is_answered_once(kafka, bridge):
    body = encode([event(n, event_type="CREATED") for n in range(20)])
    answer = post(bridge.ingress_port, PATH, body, SECRET)

    assert answer.status == 200
    assert bridge.metric("maesn_bridge_http_requests_total", code="200") == 1
    records = consumers.read_all(kafka, *bridge.topics.all)
    assert [json.loads(record.value)["resourceId"] for record in records] == [str(n) for n in range(20)]
    assert [record.headers["ce_id"] for record in records] == [expected_id(body, n) for n in range(20)]
    assert len({record.partition for record in records}) == 1


def test_the_three_subscribers_read_the_same_events(kafka, bridge):
    post(bridge.ingress_port, PATH, SAMPLE, SECRET)
    post(bridge.ingress_port, PATH, encode([event(n) for n in range(20)]), SECRET)
    topic = bridge.topics["invoice"]
    records = consumers.read_all(kafka, topic)
    assert len(records) == 21

    by_offset = {(r.partition, r.offset): r for r in records}
    for line in consumers.java_console_consumer(kafka, topic, 21):
        record = by_offset[line["partition"], line["offset"]]
        assert line["key"].encode() == record.key
        assert line["value"].encode() == record.value
        assert line["headers"] == ",".join(f"{name}:{value.decode()}" for name, value in record.header_list)

    for decoded in consumers.javascript_cloudevents(kafka, topic, 21):
        record = by_offset[decoded["partition"], decoded["offset"]]
        assert decoded["key"].encode() == record.key
        assert decoded["data"] == json.loads(record.value)
        assert decoded["time"] == "2026-01-02T03:04:05.000Z"
        assert {name: decoded[name] for name in ("id", "source", "type", "subject", "recordedtime", "dataschema")} == {
            name: record.headers[f"ce_{name}"]
            for name in ("id", "source", "type", "subject", "recordedtime", "dataschema")}

    for record in records:
        decoded = consumers.python_cloudevent(record)
        assert decoded.get_data() == json.loads(record.value)
        assert decoded.get_id() == record.headers["ce_id"]
        assert decoded.get_type() == "com.maesn.invoice.updated"
        assert decoded.get_source() == "/maesn/xero/acme-42"
        assert decoded.get_subject() == record.headers["ce_subject"]
        assert decoded.get_time() == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        assert decoded.get_extension("recordedtime") == record.headers["ce_recordedtime"]


def test_the_partition_is_the_one_the_java_client_chooses_for_the_key(kafka, start_bridge):
    accounts = [f"account-{n}" for n in range(16)]
    bridge = start_bridge(kafka, routes=[route(account) for account in accounts], partitions=12)
    for account in accounts:
        assert post(bridge.ingress_port, f"/in/maesn/{account}/by-hand", SAMPLE, SECRET).status == 200
    topic = bridge.topics["invoice"]
    ours = {record.key: record.partition for record in consumers.read_all(kafka, topic)}

    subprocess.run(java("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", kafka.bootstrap, "--topic", topic,
                        "--reader-property", "parse.key=true", "--reader-property", "key.separator=\t"),
                   input="".join(f"INVOICE:{account}\tfrom Java\n" for account in accounts), text=True, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    theirs = {r.key: r.partition for r in consumers.read_all(kafka, topic) if r.value == b"from Java"}

    assert ours == theirs
    assert len(set(ours.values())) > 4


def test_the_same_delivery_sent_again_has_the_same_id(kafka, bridge):
    for _ in range(3):
        assert post(bridge.ingress_port, PATH, SAMPLE, SECRET).status == 200
    records = consumers.read_all(kafka, *bridge.topics.all)
    assert [record.headers["ce_id"] for record in records] == [expected_id(SAMPLE)] * 3
    assert len({record.headers["traceparent"] for record in records}) == 3


def test_the_name_of_the_signature_header_and_its_digits_may_be_in_either_case(kafka, bridge):
    for name, value in ((SIGNATURE_HEADER.lower(), sign(SECRET, SAMPLE)), ("X-Maesn-Signature", sign(SECRET, SAMPLE)),
                        (SIGNATURE_HEADER, sign(SECRET, SAMPLE).upper())):
        assert send(bridge, SAMPLE, {name: value}).status == 200
    assert len(consumers.read_all(kafka, *bridge.topics.all)) == 3


def test_structured_mode_puts_the_whole_event_in_the_value(kafka, start_bridge):
    bridge = start_bridge(kafka, {"format": "structured"})
    assert post(bridge.ingress_port, PATH, SAMPLE, SECRET).status == 200
    [record] = consumers.read_all(kafka, *bridge.topics.all)
    assert record.headers["content-type"].startswith("application/cloudevents+json")
    decoded = consumers.python_cloudevent(record)
    assert decoded.get_id() == expected_id(SAMPLE)
    assert decoded.get_data()["resourceId"] == "11111111-2222-4333-8444-555555555555"
    [from_javascript] = consumers.javascript_cloudevents(kafka, record.topic, 1)
    assert from_javascript["id"] == expected_id(SAMPLE)
    assert from_javascript["data"] == decoded.get_data()


def test_each_resource_goes_to_its_topic_and_the_unknown_to_one_for_all(kafka, bridge):
    body = encode([event(1, "CUSTOMER"), event(2, "NO_SUCH_RESOURCE"), event(3, "TOKEN", "REVOKED"), event(4, "payment")])
    assert post(bridge.ingress_port, PATH, body, SECRET).status == 200
    topics = bridge.topics
    assert {(r.topic, r.key, r.headers["ce_type"]) for r in consumers.read_all(kafka, *topics.all)} == {
        (topics["customer"], b"CUSTOMER:acme-42", "com.maesn.customer.updated"),
        (topics["other"], b"NO_SUCH_RESOURCE:acme-42", "com.maesn.no-such-resource.updated"),
        (topics["token"], b"TOKEN:acme-42", "com.maesn.token.revoked"),
        (topics["payment"], b"PAYMENT:acme-42", "com.maesn.payment.updated"),
    }


def test_numbers_beyond_2_to_the_53_and_trailing_zeros_survive(kafka, bridge):
    body = b'{"resource":"INVOICE","resourceId":12345678901234567890123,"amount":1.10,"n":9007199254740993,"z":1,"a":2}'
    assert post(bridge.ingress_port, PATH, body, SECRET).status == 200
    [record] = consumers.read_all(kafka, *bridge.topics.all)
    assert record.value.startswith(body[:-1] + b",")
    assert record.headers["ce_subject"] == "12345678901234567890123"
    assert record.headers["ce_type"] == "com.maesn.invoice.changed"


def test_what_verifies_but_cannot_be_understood_is_kept_with_its_bytes_and_the_reason(kafka, bridge):
    bodies = {
        b"not json at all \xff\x00": "not-json",
        b'"a text"': "not-an-object",
        b'{"eventType":"UPDATED"}': "no-resource",
        b'{"resource":"INVOICE","resource":"CUSTOMER"}': "duplicate-keys",
        b"": "empty",
    }
    for body in bodies:
        assert post(bridge.ingress_port, PATH, body, SECRET).status == 200, body
    records = consumers.read_all(kafka, *bridge.topics.all)
    assert {r.topic for r in records} == {bridge.topics["dead-letter"]}
    assert {r.value: r.headers["dead-letter-reason"] for r in records} == bodies
    for record in records:
        assert record.key == b"acme-42"
        assert record.headers["ce_type"] == "com.maesn.bridge.dead-letter"
        assert record.headers["ce_id"] == expected_id(record.value)
        assert record.headers["dead-letter-path"] == PATH
        assert record.headers["dead-letter-detail"]


def test_in_an_array_only_the_bad_elements_go_to_the_dead_letters(kafka, bridge):
    body = b'[{"resource":"INVOICE","resourceId":"1"},17,{"resource":"INVOICE","resourceId":"2"}]'
    assert post(bridge.ingress_port, PATH, body, SECRET).status == 200
    by_topic = {}
    for record in consumers.read_all(kafka, *bridge.topics.all):
        by_topic.setdefault(record.topic, []).append(record.value)
    assert [json.loads(value)["resourceId"] for value in by_topic[bridge.topics["invoice"]]] == ["1", "2"]
    assert by_topic[bridge.topics["dead-letter"]] == [b"17"]


def test_an_empty_array_is_answered_200_and_produces_nothing(kafka, bridge):
    assert post(bridge.ingress_port, PATH, b"[]", SECRET).status == 200
    assert consumers.read_all(kafka, *bridge.topics.all) == []


def test_a_moneybird_push_becomes_a_unified_event_without_personal_data(kafka, start_bridge):
    import hmac
    import time
    bridge = start_bridge(kafka, routes=[{"path": "/in/moneybird/bakery/by-hand", "provider": "moneybird",
                                          "account": "bakery", "system": "moneybird",
                                          "secret_file": "../secrets/acme-xero"}])
    body = encode({"administration_id": "123", "webhook_id": "456", "webhook_token": "tok-canary", "entity_type": "Contact",
                   "entity_id": "789", "state": None, "action": "contact_created",
                   "entity": {"id": "789", "company_name": "Example B.V."}})
    now = str(int(time.time()))
    signature = hmac.new(SECRET.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
    answer = send(bridge, body, {"Moneybird-Signature": f"t={now},v1={'0' * 64},v1={signature}",
                                 "Idempotency-Key": "delivery-1"}, "/in/moneybird/bakery/by-hand")
    assert answer.status == 200
    [record] = consumers.read_all(kafka, *bridge.topics.all)
    assert record.topic == bridge.topics["contact"]
    assert record.key == b"CONTACT:bakery"
    assert record.headers["ce_id"] == "delivery-1"
    assert record.headers["ce_type"] == "com.moneybird.contact.created"
    assert record.headers["ce_source"] == "/moneybird/moneybird/bakery"
    assert record.headers["ce_subject"] == "789"
    assert b"tok-canary" not in record.value and b"Example B.V." not in record.value
