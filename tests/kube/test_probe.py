"""`helm test` and the CronJob: the chart's own probe, under the standard `restricted`."""

import json

import pytest

from conftest import PROBE_ROUTE, ROUTE
from harness import consumers, wait
from harness.bridge import SECRET
from harness.probe import PROBE_SECRET
from kube import NODE, Namespace, Release, call, get, kubectl, refusal, render


@pytest.fixture(scope="module")
def topic(kafka):
    kafka.create_topics("maesn.probe")
    return "maesn.probe"


@pytest.fixture
def probed(topic, namespace, values):
    """A release whose probe goes through its Service, by the address: the cluster resolves no names."""
    namespace.secret("bridge-secrets", acme_xero=SECRET, probe=PROBE_SECRET)
    values = {**values, "routes": [ROUTE, PROBE_ROUTE], "ingress": {**values.get("ingress", {}), "replicas": 1}}
    release = Release(namespace).install(values)
    release.values = {**values, "probe": {"url": f"http://{release.address()}"}}
    release.upgrade(release.values)
    return release


def helm_test(release):
    return call("helm", "test", release.name, "--namespace", release.namespace.name, "--timeout", "90s", fails=True)


def test_helm_test_sends_an_event_through_everything_and_leaves_nothing(kafka, topic, probed):
    before = probed.namespace.objects()
    done = helm_test(probed)
    assert done.returncode == 0, done.stdout + done.stderr + probed.describe()
    said = done.stdout + done.stderr
    assert "came through in" in said and PROBE_SECRET not in said
    assert len(consumers.read_all(kafka, topic)) == 1
    assert probed.namespace.objects() == before


def test_helm_test_fails_at_the_hop_that_fails_and_says_so(probed):
    probed.upgrade({**probed.values, "probe": {"url": f"http://{NODE}:1"}})  # where nobody listens
    done = helm_test(probed)
    assert done.returncode != 0, done.stdout + done.stderr
    assert "maesn-bridge probe: connect: " in done.stdout + done.stderr
    logs = kubectl("--namespace", probed.namespace.name, "logs", f"{probed.name}-maesn-bridge-probe-test")
    assert "maesn-bridge probe: connect: " in logs, logs


def test_without_its_route_helm_test_says_what_to_write(topic, namespace, values):
    release = Release(namespace).install(values)
    done = helm_test(release)
    assert done.returncode != 0, done.stdout + done.stderr
    logs = kubectl("--namespace", namespace.name, "logs", f"{release.name}-maesn-bridge-probe-test")
    assert "no route of account probe has `resource: PROBE`" in logs and "  - path: /in/maesn/probe/" in logs


def test_the_cron_job_probes(kafka, topic, probed):
    values = {**probed.values, "probe": {**probed.values["probe"], "schedule": "0 0 1 1 *"}}
    probed.upgrade(values)
    count = len(consumers.read_all(kafka, topic))
    space = probed.namespace.name
    kubectl("--namespace", space, "create", "job", "now", f"--from=cronjob/{probed.name}-maesn-bridge-probe")
    wait.until(lambda: get("job/now", space)["status"].get("succeeded") == 1, 90, "the job has succeeded")
    assert len(consumers.read_all(kafka, topic)) == count + 1


ROUTES = {"routes": [PROBE_ROUTE]}
PERMUTATIONS = {
    "no route": {},
    "a schedule": {**ROUTES, "probe": {"schedule": "*/5 * * * *", "podAnnotations": {"a": "b"}}},
    "a daily one": {**ROUTES, "probe": {"schedule": "@daily"}},
    "placement": {**ROUTES, "probe": {"schedule": "0 * * * *", "nodeSelector": {"disk": "fast"}, "priorityClassName": "system-cluster-critical",
                                      "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]}},
    "a long name": {**ROUTES, "fullnameOverride": "x" * 80, "probe": {"schedule": "@hourly"}},
    "a narrow network policy": {**ROUTES, "networkPolicy": {"ingressFrom": [{"namespaceSelector": {}}]}},
    "no network policy": {**ROUTES, "networkPolicy": {"enabled": False}, "probe": {"schedule": "@hourly"}},
    "another way": {"probe": {"account": "canary", "url": "https://hooks.example.com", "timeoutSeconds": 600}},
}


@pytest.fixture(scope="module")
def space():
    return Namespace("probe-manifests").name


@pytest.mark.parametrize("values", PERMUTATIONS.values(), ids=PERMUTATIONS.keys())
def test_the_api_server_accepts_it_without_a_warning(values, space):
    manifest = render(values)
    assert "helm.sh/hook: test" in manifest
    assert refusal(manifest, space) == ""


@pytest.mark.parametrize("probe", [{"schedule": "every day"}, {"url": "ftp://x"}, {"url": "http://x/"}, {"timeoutSeconds": 0},
                                   {"account": "Probe"}, {"shedule": "@daily"}, {"schedule": "@daily"}], ids=json.dumps)
def test_helm_refuses_wrong_values_and_a_schedule_without_a_route(probe):
    assert render({"probe": probe}, fails=True).returncode != 0
