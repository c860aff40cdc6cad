"""A sealed copy of the registry's routes beside the spool: a pod that restarts while Kafka is away goes on accepting."""

import json
import shutil
import stat
import tempfile
import time
import pathlib

import pytest

from conftest import Topics, numbers
from harness import consumers, wait
from harness.registry import Registry, Route, path_under
from harness.sender import encode, event, post


@pytest.fixture
def spool():
    path = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-spool-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


class World:
    """One broker with a registry, and bridges that come and go with the same spool and topics."""

    def __init__(self, cluster, spool, start_bridge):
        self.cluster, self.spool, self.start_bridge = cluster, spool, start_bridge
        self.topics = Topics(f"snapshot{next(numbers)}")
        self.registry = Registry(cluster, self.topics.prefix)
        self.topics.settings |= self.registry.settings["topics"]
        cluster.create_topics(*self.topics.all)

    @property
    def file(self):
        return self.spool / "registry.snapshot"

    def start(self, **more):
        settings = {**self.registry.settings, "spool": {"directory": str(self.spool)}}
        return self.start_bridge(self.cluster, settings, routes=[], secrets=self.registry.secrets, topics=self.topics,
                                 create_topics=False, **more)

    def written_by(self, *routes):
        """A bridge that has written these routes, and stopped."""
        self.registry.put(*routes)
        bridge = self.start()
        wait.until(self.file.exists, 20, "the snapshot is written")
        assert bridge.stop() == 0
        return bridge

    def path(self, route):
        return route.path(self.registry.route_keys)


@pytest.fixture
def world(own_kafka, spool, start_bridge):
    yield World(own_kafka, spool, start_bridge)
    own_kafka.brokers[0].sigcont()


def send(bridge, world, route, name="1", secret=None):
    return post(bridge.ingress_port, world.path(route), encode(event(name)), secret or route.secret)


def is_loaded(bridge):
    return bridge.metric("maesn_bridge_registry_loaded") == 1


def test_a_bridge_restarted_while_kafka_is_away_serves_what_it_knew_within_a_second(world):
    route, unknown = Route("acme-42"), Route("nobody")
    world.written_by(route)
    assert stat.S_IMODE(world.file.stat().st_mode) == 0o600
    assert route.secret.encode() not in world.file.read_bytes()
    assert [path.name for path in world.spool.iterdir() if path.name.endswith(".new")] == []
    broker = world.cluster.brokers[0]
    broker.sigstop()

    started = time.monotonic()
    bridge = world.start()
    print(f"ready after {time.monotonic() - started:.2f} s")
    assert time.monotonic() - started < 1.5  # a second, on a busy machine
    assert send(bridge, world, route).status == 200
    assert send(bridge, world, route, secret="0" * 64).status == 401
    # It may have come meanwhile, and so may any other: never 404.
    assert send(bridge, world, unknown).status == 503
    assert post(bridge.ingress_port, "/in/maesn/foreign", b"{}", "0" * 64).status == 503
    assert not is_loaded(bridge)

    broker.sigcont()
    wait.until(lambda: is_loaded(bridge), 20, "the topic is read")
    assert send(bridge, world, unknown).status == 404
    [record] = wait.until(lambda: consumers.read_all(world.cluster, world.topics["invoice"]), 30, "the spooled record")
    assert json.loads(record.value)["account"] == "acme-42"


def test_what_was_deleted_meanwhile_is_gone_once_the_topic_was_read(world):
    kept, deleted = Route("kept"), Route("deleted")
    world.written_by(kept, deleted)
    world.registry.delete(deleted)
    bridge = world.start()
    wait.until(lambda: is_loaded(bridge), 20, "the topic is read")
    assert send(bridge, world, deleted).status == 404
    assert send(bridge, world, kept).status == 200


def test_a_change_is_in_the_file_soon(world):
    route, later = Route("acme-42"), Route("later")
    world.registry.put(route)
    bridge = world.start()
    wait.until(world.file.exists, 20, "the snapshot is written")
    world.registry.put(later)
    wait.until(lambda: later.key.encode() in world.file.read_bytes(), 40, "the change is in the file")
    assert route.key.encode() in world.file.read_bytes()
    assert bridge.log("registry.snapshot-failed") == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:100] + b"?" + data[101:], lambda data: b""])
def test_a_damaged_file_is_not_used_and_is_written_anew(world, damage):
    route = Route("acme-42")
    world.written_by(route)
    whole = world.file.read_bytes()
    world.file.write_bytes(damage(whole))
    broker = world.cluster.brokers[0]
    broker.sigstop()
    bridge = world.start(ready=False)
    wait.until(lambda: bridge.log("registry.snapshot-refused"), 20, "the file is refused")
    wait.until(lambda: bridge.admin("/readyz")[0] == 503, 20, "it is not ready")
    assert send(bridge, world, route).status == 503
    broker.sigcont()
    wait.until(bridge.is_ready, 20, "the topic is read")
    assert send(bridge, world, route).status == 200
    wait.until(lambda: len(world.file.read_bytes()) == len(whole), 20, "the file is written anew")


def test_a_file_of_another_topic_is_not_used(world):
    route = Route("acme-42")
    world.written_by(route)
    data = world.file.read_bytes()
    other = World(world.cluster, world.spool, world.start_bridge)
    other.file.write_bytes(data)
    bridge = other.start()
    assert len(bridge.log("registry.snapshot-refused")) == 1
    assert post(bridge.ingress_port, path_under(other.registry.route_keys, route.key), b"{}", route.secret).status == 404
