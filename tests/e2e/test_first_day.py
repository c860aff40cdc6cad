"""An operator's first day, as deploy/FIRST-DAY.md tells it: every command is run, every line of output is compared."""

import os
import sys
import uuid

import pytest

from harness import transcript
from harness.environment import BINARY, ROOT
from harness.maesn import API_KEY
from harness.ports import free_ports
from harness.sender import encode, event, post

DOCUMENT = ROOT / "deploy/FIRST-DAY.md"
CONSUMER = ROOT / "deploy/consumers/python/consumer.py"


class FirstDay:
    """What the document takes for granted, and what happens around its commands."""

    def __init__(self, directory, cluster, maesn):
        self.cluster, self.maesn = cluster, maesn
        (directory / "maesn-api-key").write_text(API_KEY)
        (directory / "acme-42").write_text("key-of-acme-42")
        ingress, admin, reconciler = free_ports(3)
        # What the document calls by its usual name is on a port of its own here.
        self.names = {"localhost:9092": cluster.bootstrap, "https://api.maesn.dev": maesn.url,
                      "127.0.0.1:8080": f"127.0.0.1:{ingress}", "127.0.0.1:9090": f"127.0.0.1:{admin}",
                      "127.0.0.1:9091": f"127.0.0.1:{reconciler}",
                      "python3 consumer.py": f"{sys.executable} {CONSUMER}"}
        self.ingress_port = ingress
        path = f"{BINARY.parent}:{os.environ['PATH']}"
        self.shell = transcript.Shell(directory, os.environ | {"PATH": path, "LC_ALL": "C.UTF-8"})

    def run(self, step):
        if step.command in EVENTS:
            EVENTS[step.command](self)
            return "", 0
        command = step.command
        for usual, here in self.names.items():
            command = command.replace(usual, here)
        printed, code = self.shell.run(command)
        for usual, here in self.names.items():
            printed = printed.replace(here, usual)
        return printed, code


    def invoice_changes(self):
        """Maesn tells each subscription for it, of two generations too; the public URL's name is this machine's here."""
        body = encode(event(uuid.uuid4()))
        for subscription in [s for s in self.maesn.of("key-of-acme-42") if s.specification == ("INVOICE", "UPDATED")]:
            answer = post(self.ingress_port, subscription.path, body, subscription.secret)
            assert answer.status == 200, answer


# What happens elsewhere while the operator waits; in the document these are comments.
EVENTS = {"# An invoice changes at Acme.": FirstDay.invoice_changes,
          "# Kafka stops.": lambda day: day.cluster.stop_brokers(),
          "# Kafka starts.": lambda day: [broker.restart() for broker in day.cluster.brokers]}


@pytest.fixture
def first_day(own_kafka, maesn, tmp_path):
    day = FirstDay(tmp_path, own_kafka, maesn)
    yield day
    day.shell.close()


def test_every_command_prints_what_the_document_shows(first_day):
    steps = transcript.steps(DOCUMENT.read_text())
    assert len(steps) >= 20
    for step in steps:
        printed, code = first_day.run(step)
        print(f"$ {step.command}\n{printed}[{code}]")
        assert code == step.code and transcript.matches(step.expected, printed), \
            f"{DOCUMENT.name}:{step.line}: {step.command}\nexpected [{step.code}]:\n{step.expected}\nprinted [{code}]:\n{printed}"
