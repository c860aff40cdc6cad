"""What is published for subscribers is what the bridge writes: deploy/asyncapi.yaml, its schemas, and the consumers."""

import copy
import json
import os
import subprocess
import sys

import jsonschema
import pytest
import yaml
from confluent_kafka import Producer

from conftest import numbers
from harness import consumers, wait
from harness.bridge import PATH, SECRET, ConfigDirectory, route, run
from harness.environment import CACHE, NODE_MODULES, ROOT, java_consumer_classpath
from harness.sender import encode, event, post

FILE = ROOT / "deploy/asyncapi.yaml"
# Sealed, or the memory of `replay`: nothing to read for a subscriber.
INTERNAL = {"maesn.bridge.registry", "maesn.bridge.accounts", "maesn.dead-letter.replayed"}


def resolved(node, directory=FILE.parent, document=None):
    """The node with each $ref replaced by what it refers to."""
    document = document if document is not None else yaml.safe_load(FILE.read_text())
    if isinstance(node, list):
        return [resolved(item, directory, document) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" not in node:
        return {name: resolved(child, directory, document) for name, child in node.items()}
    reference = node["$ref"]
    if not reference.startswith("#/"):
        return json.loads((directory / reference).read_text())
    target = document
    for part in reference[2:].split("/"):
        target = target[part]
    return resolved(target, directory, document)


def contract():
    return resolved(yaml.safe_load(FILE.read_text()))


def channels():
    return {channel["address"]: channel for channel in contract()["channels"].values()}


def message_of(channel):
    [message] = channel["messages"].values()
    for trait in message.get("traits", []):
        message = {**trait, **message}
    return message


@pytest.fixture(scope="module")
def tools():
    """What the AsyncAPI parser and the model generator make of the document."""
    done = subprocess.run(["node", str(ROOT / "tests/e2e/consumers/contract.js"), str(FILE)], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "NODE_PATH": str(NODE_MODULES)})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_document_is_valid_asyncapi(tools):
    assert tools["errors"] == []
    assert len(channels()) >= 20


def test_models_can_be_generated_in_many_languages(tools):
    assert len(tools["generated"]) >= 6
    for language, models in tools["generated"].items():
        texts = dict(models)
        assert "account" in texts["UnifiedEvent"].lower(), language
        assert "callbacks" in texts["Activity"].lower(), language


MESSAGES = contract()["components"]["messages"]


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_has_an_example_that_fits_its_schemas(name):
    message = message_of({"messages": {name: MESSAGES[name]}})
    assert message["examples"], name
    for example in message["examples"]:
        jsonschema.validate(example["payload"], message["payload"])
        assert ("headers" in example) == ("headers" in message), example["name"]
        jsonschema.validate(example.get("headers", {}), message.get("headers", {}))


def test_each_message_is_one_of_a_channel():
    assert {message["name"] for channel in channels().values() for message in channel["messages"].values()} == set(MESSAGES)


def planned_topics(cluster):
    """What `topics apply` would create, with the default settings on three brokers."""
    directory = ConfigDirectory({"kafka": {"brokers": cluster.bootstrap}, "topics": {"registry": "maesn.bridge.registry"},
                                 "route_key_file": "secrets/route-key", "keyring_file": "secrets/keyring"},
                                [route(resource="PROBE")], secrets={"route-key": "a:" + "1" * 64, "keyring": "a:" + "2" * 64})
    try:
        planned = run("topics", "plan", "--config", directory.file, "--replication-factor", "3", "--output", "json")
    finally:
        directory.remove()
    assert planned.returncode == 2, planned.stderr
    return {change["topic"]: change for change in json.loads(planned.stdout)["changes"]}


def test_topics_partitions_and_retention_are_those_that_topics_apply_creates(own_kafka):
    created = planned_topics(own_kafka)
    documented = channels()
    assert set(created) - INTERNAL == set(documented)
    for topic, channel in documented.items():
        binding = channel["bindings"]["kafka"]
        assert binding["partitions"] == created[topic]["partitions"], topic
        assert binding["replicas"] == created[topic]["replication_factor"], topic
        for name, value in binding["topicConfiguration"].items():
            text = ",".join(value) if isinstance(value, list) else str(value)
            assert created[topic]["settings"][name]["to"] == text, (topic, name)


# --- each record that the bridge writes --------------------------------------------------------------------------------


def check(record, prefix):
    """Raises unless the record is as the channel of its topic says."""
    channel = channels()["maesn." + record.topic.removeprefix(prefix + ".")]
    message = message_of(channel)
    jsonschema.validate(record.headers, message["headers"])
    jsonschema.validate(record.key.decode(), message["bindings"]["kafka"]["key"])
    if message["contentType"] == "application/json":
        jsonschema.validate(json.loads(record.value), message["payload"])


BODIES = [
    encode(event(1)), encode([event(n, "CUSTOMER") for n in range(5)]), encode(event(2, "NO_SUCH_RESOURCE", "IMAGINED")),
    encode(event(3, "TOKEN", "REVOKED")), b'{"resource":"INVOICE"}',
    b'{"resource":"payment","resourceId":12345678901234567890123,"eventType":null,"filterDate":"yesterday","more":{"a":[1]}}',
    b"not json", b"", b"[17,{}]", b'{"resource":"INVOICE","resource":"BILL"}',
]


@pytest.fixture
def records(kafka, bridge):
    for body in BODIES:
        assert post(bridge.ingress_port, PATH, body, SECRET).status == 200
    return consumers.read_all(kafka, *bridge.topics.all)


def test_each_record_is_as_its_channel_says(bridge, records):
    assert {r.topic.removeprefix(bridge.topics.prefix) for r in records} == {
        ".invoice", ".customer", ".payment", ".other", ".token", ".dead-letter"}
    for record in records:
        check(record, bridge.topics.prefix)


def test_a_record_that_lacks_a_header_or_has_one_too_many_is_not_as_its_channel_says(bridge, records):
    for record in (next(r for r in records if r.topic == bridge.topics[slug]) for slug in ("invoice", "dead-letter")):
        for name in ("ce_id", "ce_recordedtime", "traceparent"):
            changed = copy.deepcopy(record)
            changed.header_list = [(n, v) for n, v in record.header_list if n != name]
            with pytest.raises(jsonschema.ValidationError):
                check(changed, bridge.topics.prefix)
        changed = copy.deepcopy(record)
        changed.header_list.append(("x-forwarded-for", b"192.0.2.1"))
        with pytest.raises(jsonschema.ValidationError):
            check(changed, bridge.topics.prefix)


# --- the consumers -----------------------------------------------------------------------------------------------------

CONSUMERS = ROOT / "deploy/consumers"


def test_the_libraries_of_the_consumers_are_those_under_test():
    ours = json.loads((ROOT / "tests/e2e/consumers/package.json").read_text())["dependencies"]
    theirs = json.loads((CONSUMERS / "javascript/package.json").read_text())["dependencies"]
    assert theirs.items() <= ours.items()
    ours = (ROOT / "tests/e2e/requirements.txt").read_text().split()
    assert set((CONSUMERS / "python/requirements.txt").read_text().split()) <= set(ours)


def program(language, directory):
    """The command that runs the consumer."""
    if language == "python":
        return [sys.executable, str(CONSUMERS / "python/consumer.py")]
    if language == "java":
        return ["java", "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", java_consumer_classpath(),
                str(CONSUMERS / "java/Consumer.java")]
    if language == "go":
        return [str(CACHE / "go/consumer")]
    # An ES module finds its libraries beside itself, not in NODE_PATH.
    (directory / "node_modules").symlink_to(NODE_MODULES)
    (directory / "consumer.mjs").write_text((CONSUMERS / "javascript/consumer.mjs").read_text())
    return ["node", str(directory / "consumer.mjs")]


def consume(language, kafka, topics, count, directory):
    """The `count` lines that the consumer prints."""
    output = directory / f"{language}.txt"
    with open(output, "w") as file, open(directory / f"{language}-errors.txt", "w") as errors:
        process = subprocess.Popen([*program(language, directory), kafka.bootstrap, f"group-{language}-{next(numbers)}", *topics],
                                   stdin=subprocess.DEVNULL, stdout=file, stderr=errors)
        try:
            wait.until(lambda: len(output.read_text().splitlines()) >= count or process.poll() is not None, 60,
                       f"the consumer in {language} reads {count} records")
            assert process.poll() is None, (directory / f"{language}-errors.txt").read_text()
        finally:
            process.kill()
            process.wait()
    return sorted(output.read_text().splitlines())


def test_the_consumers_read_the_same_records_and_agree_what_is_to_be_read_again(kafka, bridge, tmp_path):
    """A copy with an old time of receipt stands behind the events of one record: it needs no read."""
    body = encode([event(n, resource) for resource in ("INVOICE", "CUSTOMER") for n in range(10)])
    assert post(bridge.ingress_port, PATH, body, SECRET).status == 200
    topics = [bridge.topics["invoice"], bridge.topics["customer"]]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for record in consumers.read_all(kafka, *topics):
        headers = [(n, b"2026-01-01T00:00:00Z" if n == "ce_recordedtime" else v) for n, v in record.header_list]
        producer.produce(record.topic, record.value, record.key, record.partition, headers=headers)
    assert producer.flush(30) == 0

    wanted = sorted(f"{verb} acme-42 {resource} {n}" for verb in ("read", "skip") for resource in ("INVOICE", "CUSTOMER")
                    for n in range(10))
    for language in ("python", "javascript", "java", "go"):
        assert consume(language, kafka, topics, len(wanted), tmp_path) == wanted, language
