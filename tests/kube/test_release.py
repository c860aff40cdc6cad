"""The chart on a real cluster, under the Pod Security Standard `restricted`: install, roll, change, break, remove."""

import asyncio
import os
import pathlib
import signal

from conftest import ROUTE
from harness import consumers, wait
from harness.bridge import PATH, SECRET
from harness.oracle import Oracle
from harness.sender import Connection, Load, encode, event, signed_request, statuses
from kube import Release, kubectl


ONE = "one-callback"  # not the oracle's


def callback(release, path=PATH, secret=SECRET):
    """The status of a signed callback through the service; 0: no answer."""
    async def once():
        connection = Connection(80, host=release.address())
        try:
            return (await connection.exchange(signed_request(path, encode(event(ONE)), secret))).status
        finally:
            await connection.close()

    return asyncio.run(once())


async def during(action, release, oracle, rate=400):
    """Runs the action in a thread while callbacks come, on kept and on new connections; their answers."""
    loads = [Load(80, PATH, SECRET, connections=8, rate=rate / 2, prefix=f"{prefix}-{len(oracle.answers)}", oracle=oracle,
                  host=release.address(), keeps_alive=prefix == "kept") for prefix in ("kept", "new")]
    async with loads[0], loads[1]:
        await loads[0].answered(50)
        await asyncio.to_thread(action)
        await loads[0].answered(50)
    return [answer for load in loads for _, answer in load.answers]


def test_a_callback_through_the_service_is_in_kafka(kafka, release):
    assert callback(release) == 200
    assert callback(release, secret="wrong") == 401
    assert any(ONE.encode() in record.value for record in consumers.read_all(kafka, "maesn.invoice"))
    for pod in release.pods("ingress"):
        assert pod["spec"]["automountServiceAccountToken"] is False


def test_rolling_restarts_and_upgrades_under_load_lose_and_refuse_nothing(kafka, release, values):
    oracle = Oracle()

    def roll():
        for _ in range(4):
            release.restart("deployment/bridge-maesn-bridge-ingress")
        for linger in (2, 3):
            release.upgrade({**values, "config": {**values["config"], "kafka": {**values["config"]["kafka"], "linger_ms": linger}}})
        release.rollback()

    answers = asyncio.run(during(roll, release, oracle))
    assert statuses(answers) == {200: len(answers)}, {a.error for a in answers if a.error}
    # Other releases wrote to the same topic.
    records = [r for r in consumers.read_all(kafka, "maesn.invoice") if ONE.encode() not in r.value]
    assert len(oracle.settle(records).delivered) == len(answers)


def test_processes_that_end_without_a_drain_are_seen_by_callers(release):
    """The check above can fail."""
    def end_them():
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            if entry.joinpath("comm").read_text().strip() == "maesn-bridge":
                os.kill(int(entry.name), signal.SIGKILL)

    answers = asyncio.run(during(end_them, release, Oracle()))
    assert statuses(answers) != {200: len(answers)}
    wait.until(lambda: callback(release) == 200, 60, "the containers were started again")


def test_a_changed_configmap_and_a_changed_secret_reach_the_process_without_a_restart(release, values, namespace):
    before = {pod["metadata"]["name"] for pod in release.pods("ingress")}
    other = {**ROUTE, "path": "/in/maesn/other/by-hand", "account": "other", "secret_file": "/etc/maesn-bridge/secrets/other"}
    assert callback(release, other["path"], "a" * 64) == 404
    namespace.secret("bridge-secrets", acme_xero=SECRET, other="a" * 64)
    release.upgrade({**values, "routes": [ROUTE, other]})
    wait.until(lambda: all(callback(release, other["path"], "a" * 64) == 200 for _ in range(8)), 90, "the new route serves at every replica")

    namespace.secret("bridge-secrets", acme_xero=SECRET, other="b" * 64)
    wait.until(lambda: all(callback(release, other["path"], "b" * 64) == 200 for _ in range(8)), 90, "the new secret is in force at every replica")
    assert {pod["metadata"]["name"] for pod in release.pods("ingress")} == before
    assert release.restarts() == 0


def test_an_eviction_leaves_a_replica_in_service(release, namespace):
    def evict(pod):
        body = f'{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{pod}","namespace":"{namespace.name}"}}}}'
        return kubectl("create", "--raw", f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction", "--filename", "-", stdin=body,
                       fails=True)

    first, second = (pod["metadata"]["name"] for pod in release.pods("ingress"))
    assert evict(first).returncode == 0
    refused = evict(second)
    assert refused.returncode != 0 and "disruption budget" in refused.stderr, refused.stderr
    assert callback(release) == 200


def test_while_the_broker_is_away_no_pod_restarts_or_leaves_the_service(kafka, release):
    [broker] = kafka.brokers
    broker.sigstop()
    try:
        wait.until(lambda: callback(release) == 503, 60, "callbacks are answered 503")
        # Longer than the liveness probe needs to give up.
        for _ in range(8):
            kubectl("--namespace", release.namespace.name, "wait", "--for=condition=Ready", "pod", "--selector",
                    f"app.kubernetes.io/instance={release.name}", "--timeout=1s")
            assert callback(release) == 503
        assert release.restarts() == 0
    finally:
        broker.sigcont()
    wait.until(lambda: callback(release) == 200, 60, "callbacks are answered 200 again")


def test_an_uninstalled_release_leaves_nothing_behind(namespace, values):
    before = namespace.objects()
    release = Release(namespace, "fleeting").install(values)
    assert len(namespace.objects()) > len(before)
    release.uninstall()
    wait.until(lambda: namespace.objects() == before, 60, f"nothing is left but {before}")
