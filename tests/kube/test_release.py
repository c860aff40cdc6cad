"""The chart on a real cluster, under the Pod Security Standard `restricted`: install, roll, change, break, remove."""

import asyncio
import os
import pathlib
import shutil
import signal
import tempfile
import time

import pytest

from conftest import ROUTE
from harness import consumers, wait
from harness.bridge import PATH, SECRET, merged
from harness.sender import Connection, request
from kube import Release, apply, call, kubectl
from traffic import Traffic, callback

ROLLS = 20
MIB = 1 << 20
LIVENESS_GIVES_UP_S = 45  # three failures, ten seconds apart, and what a restart takes


def test_a_callback_through_the_service_is_in_kafka(kafka, release):
    assert callback(release, name="the-first") == 200
    assert callback(release, secret="wrong") == 401
    assert any(b"the-first" in record.value for record in consumers.read_all(kafka, "maesn.invoice"))


def test_both_processes_hold_their_own_secrets_and_only_those_are_rolled_that_a_setting_concerns(namespace, both):
    release = Release(namespace).install(both)
    assert callback(release) == 200
    held = {"ingress": {"acme-xero", "probe", "route-key", "keyring"}, "reconciler": {"maesn-api-key", "route-key", "keyring"}}
    for component, secrets in held.items():
        for pod in release.pods(component):
            pod.execute("/usr/bin/maesn-bridge", "check", "--process", component, "--config", "/etc/maesn-bridge/config/bridge.yaml")
            assert pod.files("/etc/maesn-bridge/secrets") == secrets

    def names(component):
        return {pod.name for pod in release.pods(component)}

    ingress, reconcilers = names("ingress"), names("reconciler")
    release.upgrade(merged(both, {"config": {"reconciler": {"interval_s": 60}, "log": {"level": "debug"}}}))
    assert names("ingress") == ingress
    assert names("reconciler").isdisjoint(reconcilers)
    assert release.restarts() == 0


# --- rolling ------------------------------------------------------------------------------------------------------------

def roll(release, times):
    for _ in range(times):
        release.restart()


def test_rolling_restarts_and_upgrades_under_load_lose_and_refuse_nothing(kafka, release, values):
    call("ctr", "--namespace", "k8s.io", "images", "tag", "localhost/maesn-bridge:latest", "localhost/maesn-bridge:next")

    def roll_and_upgrade():
        roll(release, ROLLS)
        release.upgrade(merged(values, {"config": {"kafka": {"linger_ms": 2}}}))
        release.upgrade(merged(values, {"image": {"tag": "next"}}))
        release.upgrade(merged(values, {"config": {"kafka": {"linger_ms": 3}}}))
        release.rollback()

    traffic = Traffic(release)
    assert traffic.during(roll_and_upgrade).keys() == {200}
    assert traffic.settle(kafka) == len(traffic.answers)


def test_rolling_restarts_without_a_drain_are_seen_by_callers(kafka, namespace, values):
    """The check above can fail. What was answered 200 is in Kafka all the same."""
    release = Release(namespace).install(merged(values, {"ingress": {"shutdownDelaySeconds": 0}}))
    traffic = Traffic(release)
    assert traffic.during(lambda: roll(release, 2)).keys() > {200}
    traffic.settle(kafka)


def test_a_rolling_restart_of_the_pods_of_a_spool_loses_and_refuses_nothing(kafka, release_with_spool):
    traffic = Traffic(release_with_spool)
    assert traffic.during(release_with_spool.restart).keys() == {200}
    assert traffic.settle(kafka) == len(traffic.answers)


# --- what changes without a restart -------------------------------------------------------------------------------------

def test_a_changed_configmap_and_a_changed_secret_reach_the_process_without_a_restart(release, values, namespace):
    pods = release.pods("ingress")
    other = {**ROUTE, "path": "/in/maesn/other/by-hand", "account": "other", "secret_file": "/etc/maesn-bridge/secrets/other"}

    def answers(secret):
        return [callback(release, other["path"], secret, pod=pod) for pod in pods]

    assert answers("a" * 64) == [404, 404]
    namespace.secret("bridge-secrets", acme_xero=SECRET, other="a" * 64)
    release.upgrade({**values, "routes": [ROUTE, other]})
    wait.until(lambda: answers("a" * 64) == [200, 200], 90, "the new route serves at every replica")

    namespace.secret("bridge-secrets", acme_xero=SECRET, other="b" * 64)
    wait.until(lambda: answers("b" * 64) == [200, 200], 90, "the new secret is in force at every replica")
    assert answers("a" * 64) == [401, 401]
    assert {pod.name for pod in release.pods("ingress")} == {pod.name for pod in pods}
    assert release.restarts() == 0


# --- what breaks --------------------------------------------------------------------------------------------------------

def test_an_eviction_leaves_a_replica_in_service(release, namespace):
    def evict(pod):
        body = f'{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{pod.name}","namespace":"{namespace.name}"}}}}'
        return kubectl("create", "--raw", f"/api/v1/namespaces/{namespace.name}/pods/{pod.name}/eviction", "--filename", "-", stdin=body,
                       fails=True)

    first, second = release.pods("ingress")
    assert evict(first).returncode == 0
    refused = evict(second)
    assert refused.returncode != 0 and "disruption budget" in refused.stderr, refused.stderr
    assert callback(release) == 200


async def fill(pod, callbacks, size):
    """Sends so many bodies at once, all but the last byte of each, and waits until the connections have ended."""
    async def send():
        connection = Connection(8080, host=pod.address)
        await connection.exchange(request(PATH, bytes(size), {"Content-Type": "application/json"})[:-1], seconds=20)

    await asyncio.gather(*(send() for _ in range(callbacks)))


def test_processes_that_hang_or_are_killed_for_their_memory_are_restarted_and_lose_nothing_they_acknowledged(kafka, namespace, values):
    """Both at once, as it takes the liveness probe half a minute to give up."""
    changes = {"ingress": {"resources": {"requests": {"memory": "40Mi"}, "limits": {"memory": "40Mi"}}},
               "config": {"ingress": {"body_max_bytes": 900_000, "in_flight_max_bytes": 512 * MIB}}}
    release = Release(namespace).install(merged(values, changes))
    hanging, filled = release.pods("ingress")
    [process] = hanging.processes()

    def runs_again(pod, seconds):
        wait.until(lambda: pod.again().restarts == 1 and pod.again().is_ready, seconds, "its container was started again, once")

    def hang_and_fill():
        os.kill(process, signal.SIGSTOP)
        asyncio.run(fill(filled, 100, 900_000))
        runs_again(filled, 60)
        runs_again(hanging, 90)

    traffic = Traffic(release)
    assert 200 in traffic.during(hang_and_fill)
    assert filled.again().container["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert hanging.again().container["lastState"]["terminated"]["reason"] == "Error"
    traffic.settle(kafka)


def test_while_the_broker_is_away_no_process_restarts_and_no_ingress_leaves_the_service(kafka, namespace, both):
    release = Release(namespace).install(both)
    [broker] = kafka.brokers
    broker.sigstop()
    try:
        wait.until(lambda: callback(release) == 503, 60, "callbacks are answered 503")
        until = time.monotonic() + LIVENESS_GIVES_UP_S
        while time.monotonic() < until:
            kubectl("--namespace", release.namespace.name, "wait", "--for=condition=Ready", "pod", "--selector",
                    f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=ingress", "--timeout=1s")
            assert callback(release) == 503
            time.sleep(1)
        assert release.restarts() == 0
    finally:
        broker.sigcont()
    wait.until(lambda: callback(release) == 200, 60, "callbacks are answered 200 again")
    wait.until(lambda: all(pod.is_ready for pod in release.pods("reconciler")), 90, "the reconcilers are in their group again")


# --- volumes ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def release_with_spool(namespace, values, volumes):
    spool = {"enabled": True, "size": "1Gi", "storageClassName": volumes}
    return Release(namespace).install(merged(values, {"ingress": {"spool": spool}}))


def test_what_a_spool_holds_survives_its_pod(kafka, release_with_spool):
    release = release_with_spool
    [broker] = kafka.brokers
    traffic = Traffic(release)

    def spooled():
        return [pod.metric("maesn_bridge_spool_records") for pod in release.pods("ingress")]

    def replace(pod, kills=False):
        held = pod.metric("maesn_bridge_spool_records")
        if kills:
            for process in pod.processes():
                os.kill(process, signal.SIGKILL)
        kubectl("--namespace", pod.namespace, "delete", "pod", pod.name)
        wait.until(lambda: pod.again().uid != pod.uid and pod.again().is_ready, 60, f"another {pod.name} is ready")
        assert pod.again().metric("maesn_bridge_spool_records") >= held

    broker.sigstop()
    try:
        answered = traffic.during(lambda: wait.until(lambda: min(spooled()) > 100, 30, "both spools hold callbacks"))
        assert answered.keys() == {200}
        first, second = release.pods("ingress")
        assert traffic.during(lambda: replace(first)).keys() == {200}
        assert 200 in traffic.during(lambda: replace(second, kills=True))
    finally:
        broker.sigcont()
    wait.until(lambda: max(spooled()) == 0, 60, "the spools are drained")
    traffic.settle(kafka)
