"""Fixtures: brokers that are shared, bridges that are not. A bridge that does not stop as it should fails its test."""

import itertools
import os

import pytest

from harness import environment
from harness.bridge import Bridge, ConfigDirectory, merged
from harness.kafka import KafkaCluster
from harness.maesn import Maesn
from harness.reconciler import World

# Those that Maesn's sample and the tests' arrays go to; `topics apply` has tests of its own.
RESOURCES = ("invoice", "customer", "contact", "payment")

numbers = itertools.count(1)


def pytest_sessionstart(session):
    cached = ("kafka.classpath", "strimzi.classpath", "prometheus", "compose-spec.json", "kube/helm")
    missing = [str(path) for path in (environment.BINARY, environment.NODE_MODULES / "cloudevents",
                                      *(environment.CACHE / name for name in cached)) if not path.exists()]
    if missing:
        pytest.exit(f"missing: {', '.join(missing)}; `tests/run e2e` builds and installs them", returncode=3)


def pytest_terminal_summary(terminalreporter):
    """What tests have found out: figures, sizes, lists; and what was not run at all."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name != "outcome":  # tests/faults adds them up
                terminalreporter.write_line(f"{name}: {value}")
    if "LEFT_OUT" in os.environ:  # by tests/run
        terminalreporter.write_line(f"LEFT OUT: {os.environ['LEFT_OUT']}", red=True, bold=True)


@pytest.fixture(scope="session")
def kafka():
    """One broker for every test that leaves it running."""
    with KafkaCluster(1) as cluster:
        yield cluster


@pytest.fixture
def own_kafka():
    """One broker for this test alone, which may stop it."""
    with KafkaCluster(1) as cluster:
        yield cluster


@pytest.fixture
def three_brokers():
    with KafkaCluster(3) as cluster:
        yield cluster


class Topics:
    """The topics of one bridge, under a prefix of their own so that tests can share a broker."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.settings = {"template": f"{prefix}.{{resource}}", "other": f"{prefix}.other",
                         "dead_letter": f"{prefix}.dead-letter", "token": f"{prefix}.token", "registry": ""}

    def __getitem__(self, slug):
        return f"{self.prefix}.{slug}"

    @property
    def all(self):
        return [self[slug] for slug in (*RESOURCES, "other", "dead-letter", "token")]


def stop_with_0(bridges):
    """Each that still runs has to, and to have logged nothing but JSON lines."""
    for bridge in bridges:
        stopped_before = bridge.process.poll() is not None
        code = bridge.stop()
        bridge.log()
        assert stopped_before or code == 0, f"exit code {code}: {bridge.output.read_text()[-3000:]}"


@pytest.fixture
def start_bridge():
    """start_bridge(cluster, settings, routes, secrets): a running bridge; `bridge.topics` names its topics. When the test
    is over it has to stop with 0 and to have logged nothing but JSON lines."""
    bridges = []

    def start(cluster, settings=None, routes=None, secrets=None, topics=None, partitions=3, create_topics=True, ready=True,
              **process):
        topics = topics or Topics(f"t{next(numbers)}")
        if create_topics:
            cluster.create_topics(*topics.all, partitions=partitions)
        config = ConfigDirectory(merged({"kafka": {"brokers": cluster.bootstrap}, "topics": topics.settings},
                                        settings or {}), routes, secrets)
        bridge = Bridge(config, **process)
        bridge.topics = topics
        bridges.append(bridge)
        return bridge.start() if ready else bridge.spawn()

    yield start
    try:
        stop_with_0(bridges)
    finally:
        for bridge in bridges:
            bridge.kill()
            bridge.config.remove()


@pytest.fixture
def maesn():
    server = Maesn()
    yield server
    server.stop()


@pytest.fixture
def start_world(kafka, maesn):
    """start_world(accounts, settings): a world in which a reconciler is ready; each that still runs has to stop with 0."""
    worlds = []

    def start(accounts, settings=None, ready=True, cluster=kafka, **more):
        world = World(cluster, maesn, f"world{next(numbers)}", accounts, settings, **more)
        worlds.append(world)
        world.start(ready)
        return world

    yield start
    try:
        for world in worlds:
            stop_with_0(world.bridges)
    finally:
        for world in worlds:
            world.stop()


@pytest.fixture
def bridge(kafka, start_bridge):
    """A bridge with one Maesn route, account acme-42, system xero."""
    return start_bridge(kafka)
