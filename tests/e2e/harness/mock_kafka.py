"""tests/e2e/drivers/mock_driver.c as an object: librdkafka's mock cluster, real on the wire, whose brokers answer as a test wants.

It keeps 5 MiB or 100,000 batches of a partition, in memory only; it has no replicas, and an error is answered instead of storing
what was sent, never after it."""

import os
import pathlib
import threading

from harness import environment
from harness.kafka import Reachable
from harness.tables import Driver

BINARY = pathlib.Path(os.environ.get("MOCK_DRIVER") or environment.ROOT / "build/release/tests/e2e/drivers/mock_driver")


class MockBroker:
    def __init__(self, cluster, node):
        self.cluster, self.node = cluster, node

    def down(self):
        """Nobody is connected with it any more, nor can be; it still leads what it led."""
        self.cluster.tell("down", self.node)

    def up(self):
        self.cluster.tell("up", self.node)

    def answer_after(self, seconds):
        """What is asked for is done at once."""
        self.cluster.tell("rtt", self.node, int(seconds * 1000))


class MockCluster(Reachable):
    """Partition p of each topic is led by broker p % brokers + 1 at first."""

    def __init__(self, brokers):
        self.brokers = [MockBroker(self, node) for node in range(1, brokers + 1)]
        self.partitions = {}  # of each topic
        self._driver = Driver(brokers, binary=BINARY)
        self._turn = threading.Lock()
        self.bootstrap = self._driver.next()[1]

    def stop(self):
        self._driver.kill()

    def tell(self, *words):
        """Commands are in tests/support/mock_commands.h."""
        answer = self._ask(*words)
        assert answer == "0", f"{words}: {answer}"

    def _ask(self, *words):
        with self._turn:
            return self._driver.ask(" ".join(map(str, words)))

    def create_topics(self, *names, partitions=3):
        for name in names:
            self.tell("create", name, partitions)
            self.partitions[name] = partitions
        for broker in self.brokers:
            self.give_back(broker.node)

    def hand_over(self, node, to):
        """What `node` led at first is led by another one from now on; -1: by nobody."""
        for name, count in self.partitions.items():
            for partition in range(node - 1, count, len(self.brokers)):
                self.tell("leader", name, partition, to)

    def give_back(self, node):
        self.hand_over(node, node)

    def answer(self, code, every=1):
        """Every so manieth produce request is answered with this error, until be_well()."""
        self.tell("answer", code, every)

    def be_well(self):
        self.tell("well")

    def asked(self):
        """How many produce requests have come since answer()."""
        return int(self._ask("asked"))

    def sigstop(self):
        """All brokers at once: their sockets stay open and mute."""
        self._driver.sigstop()

    def sigcont(self):
        self._driver.sigcont()
