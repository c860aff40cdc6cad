"""The disk below the spool runs full, fails or hangs while Kafka is away: 503, nothing answered 200 is lost, no restart."""

import json
import shutil
import tempfile

import pytest

from harness import consumers, wait
from harness.bridge import PATH, SECRET
from harness.faulty_disk import FaultyDisk
from harness.sender import encode, event, post


@pytest.fixture
def disk():
    path = tempfile.mkdtemp(prefix="maesn-bridge-spool-")
    yield FaultyDisk(path, f"{path}/fault")  # where the sandbox lets the program read it
    shutil.rmtree(path, ignore_errors=True)


def send(bridge, name, padding=0):
    return post(bridge.ingress_port, PATH, encode(event(name, padding="x" * padding)), SECRET).status


@pytest.mark.parametrize("fault", ["full", "flush-fails", "flush-stuck"])
def test_a_disk_that_fails_costs_no_200_and_is_taken_again(fault, own_kafka, start_bridge, disk):
    bridge = start_bridge(own_kafka, {"spool": {"directory": disk.directory}}, environ=disk.environment)
    stored = set()

    def send_until(status, why):
        def done():
            name = f"{why}-{len(stored)}-{attempts.pop(0)}"
            answer = send(bridge, name, 20000)
            if answer == 200:
                stored.add(name)
            return answer == status
        attempts = list(range(10000))
        wait.until(done, 60, why)

    own_kafka.brokers[0].sigstop()
    try:
        send_until(200, "it is answered from the spool")
        disk.set(fault)
        send_until(503, "the disk refuses")
        wait.until(lambda: bridge.admin("/readyz")[0] == 503, 10, "it is not ready")
        assert bridge.metric("maesn_bridge_spool_healthy") == 0
        disk.heal()
        wait.until(lambda: bridge.admin("/readyz")[0] == 200, 20, "it is ready again")
        send_until(200, "it is answered from the spool again")
        assert bridge.metric("maesn_bridge_spool_healthy") == 1
    finally:
        disk.heal()
        own_kafka.brokers[0].sigcont()
    wait.until(lambda: bridge.metric("maesn_bridge_spool_records") == 0, 60, "the spool is drained")
    found = {json.loads(record.value)["resourceId"] for record in consumers.read_all(own_kafka, *bridge.topics.all, seconds=60)}
    assert stored <= found
