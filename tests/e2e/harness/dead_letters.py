"""Dead letters as an older parser would have written them, and the command that replays them."""

import dataclasses
import json
import subprocess
import time

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from harness import consumers, wait
from harness.bridge import Bridge, run
from harness.registry_cli import validate

# The delivery's own; of a replayed record they are those of its letter.
OF_THE_DELIVERY = ("ce_recordedtime", "traceparent")


@dataclasses.dataclass
class Letter:
    value: bytes
    headers: list  # [(name, bytes)]
    key: bytes = b"acme-42"

    def header(self, name):
        return dict(self.headers)[name].decode()


def letter(real, value, **changes):
    """A letter the bridge wrote, with another value and other headers ("-" written "_"); None takes one away."""
    changes = {name if name.startswith("ce_") else name.replace("_", "-"): text for name, text in changes.items()}
    headers = [(name, changes.pop(name).encode() if changes.get(name) else text) for name, text in real.header_list
               if changes.get(name, "") is not None]
    headers += [(name, text.encode()) for name, text in changes.items() if text is not None]
    return Letter(value, headers, real.key)


def produce(cluster, topic, letters):
    """Appends them; each must be acknowledged."""
    failed = []
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "partitioner": "murmur2_random", "linger.ms": 5,
                         "log_level": 0})
    for one in letters:
        producer.produce(topic, one.value, one.key, headers=one.headers,
                         on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert producer.flush(60) == 0 and not failed, failed


def same_record(record, expected, but=OF_THE_DELIVERY):
    """Asserts that topic, key, value and headers are the expected ones, in their order, but for some headers' values."""
    def content(r):
        return r.topic, r.key, r.value, [(name, None if name in but else value) for name, value in r.header_list]

    assert content(record) == content(expected)


class Replay:
    """`replay` with the configuration of a bridge."""

    def __init__(self, cluster, bridge):
        self.cluster = cluster
        self.config = bridge.config
        self.topics = bridge.topics

    @property
    def letters_topic(self):
        return self.topics["dead-letter"]

    @property
    def marks_topic(self):
        return f"{self.letters_topic}.replayed"

    def run(self, *options, **more):
        return run("replay", "--config", self.config.file, *options, **more)

    def json(self, *options, code=0):
        done = self.run("--output", "json", *options)
        assert done.returncode == code, f"{done.returncode}: {done.stderr}{done.stdout}"
        report = json.loads(done.stdout)
        validate(report, "replay")
        return report

    def execute(self, *options, code=0):
        return self.json("--execute", *options, code=code)

    def start(self, *options):
        """A process that may be killed."""
        return subprocess.Popen([*Bridge(self.config, ("replay",)).command, "--output", "json", "--execute", *options],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def produced(self):
        """Every record of the topics of events."""
        return consumers.read_all(self.cluster, *(t for t in self.topics.all if t != self.letters_topic))

    def letters(self):
        return consumers.read_all(self.cluster, self.letters_topic)

    def marks(self):
        """{partition/offset of a letter: its mark}"""
        marks = {}
        for record in consumers.read_all(self.cluster, self.marks_topic):
            if record.value is None:
                marks.pop(record.key.decode(), None)
            else:
                marks[record.key.decode()] = json.loads(record.value)
        return marks

    def written(self):
        """What is in the topics, to see that nothing was added."""
        return [(r.topic, r.partition, r.offset) for r in self.produced() + self.letters()], self.marks()

    def make_anew(self, topic):
        """Deletes and creates it: its offsets begin with 0 again."""
        admin = self.cluster.admin()
        admin.delete_topics([topic])[topic].result(30)
        wait.until(lambda: topic not in self.cluster.topics(), 30, f"{topic} is gone")
        created = admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1)])[topic]
        created.result(30)
        wait.until(lambda: len(self.cluster.leaders(topic)) == 3, 30, f"{topic} has leaders")

    def expire(self, topic):
        """As when retention has deleted all its records."""
        ends = {}
        for record in consumers.read_all(self.cluster, topic):
            ends[record.partition] = record.offset + 1
        for future in self.cluster.admin().delete_records(
                [TopicPartition(topic, p, end) for p, end in ends.items()]).values():
            future.result(30)


def reported(process, seconds=60):
    """(exit code, report or None, stderr) of a started replay."""
    out, err = process.communicate(timeout=seconds)
    report = json.loads(out) if out else None
    if report:
        validate(report, "replay")
    return process.returncode, report, err


def kill_when(process, condition, seconds=30):
    """SIGKILL as soon as the condition is true, or the process is over; returns whether it was killed."""
    end = time.monotonic() + seconds
    while process.poll() is None and not condition():
        assert time.monotonic() < end
        time.sleep(0.002)  # only paces the probing
    was_killed = process.poll() is None
    process.kill()
    process.communicate()
    return was_killed
