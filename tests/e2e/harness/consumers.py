"""Subscribers: the Java console consumer, and the CloudEvents SDKs of Python and JavaScript."""

import dataclasses
import json
import os
import subprocess
import time
import uuid

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from harness import environment
from harness.kafka import run_java


@dataclasses.dataclass
class Record:
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    header_list: list  # [(name, bytes)], as they came

    @property
    def headers(self):
        """As text, by name; fails when a name comes twice."""
        names = [name for name, _ in self.header_list]
        assert len(names) == len(set(names)), f"a header comes twice: {names}"
        return {name: value.decode() for name, value in self.header_list}


def read_all(cluster, *topics, seconds=90):
    """Every record that the topics hold now, partition by partition. Topics that do not exist are empty.

    What Kafka holds is asked, not how a client finds its way back to a broker that was away: a consumer that gets nothing
    for a while is replaced by a new one, which reads from the beginning."""
    end = time.monotonic() + seconds
    while True:
        try:
            return _read_all(cluster, topics, patience=min(15, seconds))
        except _Silence as silence:
            print(f"{silence}; leaders: { {topic: cluster.leaders(topic) for topic in topics} }")
            assert time.monotonic() < end, f"{silence}, for {seconds} s"


class _Silence(Exception):
    """A consumer waited in vain for the ends of partitions."""


def _read_all(cluster, topics, patience):
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": f"read-{uuid.uuid4()}",
                         "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0,
                         "fetch.wait.max.ms": 20})
    try:
        existing = consumer.list_topics(timeout=10).topics
        return _drain(consumer, [TopicPartition(topic, partition, OFFSET_BEGINNING) for topic in topics if topic in existing
                                 for partition in existing[topic].partitions], patience)
    finally:
        consumer.close()


def _drain(consumer, assignment, patience):
    unfinished = {(tp.topic, tp.partition) for tp in assignment}
    consumer.assign(assignment)
    records = []
    heard_at = time.monotonic()
    while unfinished:
        messages = consumer.consume(10000, timeout=0.1)
        if messages:
            heard_at = time.monotonic()
        elif time.monotonic() >= heard_at + patience:
            raise _Silence(f"nothing within {patience} s from {sorted(unfinished)}")
        for message in messages:
            if message.error():
                assert message.error().name() == "_PARTITION_EOF", message.error()
                unfinished.discard((message.topic(), message.partition()))
            else:
                records.append(Record(message.topic(), message.partition(), message.offset(), message.timestamp()[1],
                                      message.key(), message.value(), message.headers() or []))
    return sorted(records, key=lambda r: (r.topic, r.partition, r.offset))


def python_cloudevent(record):
    """The record as the Python CloudEvents SDK decodes it."""
    message = KafkaMessage(dict(record.header_list), record.key, record.value)
    structured = record.headers["content-type"].lower().startswith("application/cloudevents")
    return (from_structured if structured else from_binary)(message, JSONFormat())


def java_console_consumer(cluster, topic, count, seconds=60):
    """`count` records as Kafka's own console consumer prints them: dictionaries with partition, offset, headers (text,
    "name:value,..."), key and value."""
    output = run_java(
        "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", cluster.bootstrap, "--topic", topic,
        "--from-beginning", "--max-messages", str(count), "--timeout-ms", str((seconds - 10) * 1000),
        "--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true",
        "--formatter-property", "print.timestamp=true", "--formatter-property", "print.headers=true",
        "--formatter-property", "print.key=true", "--formatter-property", "print.value=true",
        "--formatter-property", "key.separator=\t", seconds=seconds)
    records = []
    for line in output.splitlines():
        timestamp, partition, offset, headers, key, value = line.split("\t", 5)
        records.append({"timestamp": int(timestamp.removeprefix("CreateTime:")),
                        "partition": int(partition.removeprefix("Partition:")),
                        "offset": int(offset.removeprefix("Offset:")), "headers": headers, "key": key, "value": value})
    return records


def javascript_cloudevents(cluster, topic, count, seconds=60):
    """`count` records as KafkaJS reads and the JavaScript CloudEvents SDK decodes them."""
    done = subprocess.run(
        ["node", str(environment.ROOT / "tests/e2e/consumers/consume.js"), cluster.bootstrap, topic, str(count),
         f"js-{uuid.uuid4()}"], capture_output=True, text=True, timeout=seconds,
        env={**os.environ, "NODE_PATH": str(environment.NODE_MODULES)})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def sign_with_node(secret, body):
    """The signature that Maesn's published Node.js snippet computes."""
    done = subprocess.run(["node", str(environment.ROOT / "tests/e2e/consumers/sign.js")], input=body,
                          capture_output=True, timeout=30, env={**os.environ, "WEBHOOK_SECRET": secret})
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()
