"""What a release leaves behind when it goes, whatever was switched on: its volumes, and Strimzi's topics, which say that they stay."""

import re

import pytest
import yaml

from conftest import PROBE_ROUTE
from harness import wait
from harness.bridge import merged
from kube import CHART, Release, call, render

# All that can be had at once; what excludes each other is in one of the two.
EVERYTHING = {
    "a spool, an Ingress and an autoscaler on CPU": {
        "ingress": {"spool": {"enabled": True, "size": "1Gi"}},
        "autoscaling": {"hpa": {"enabled": True, "minReplicas": 1}},
        "exposure": {"ingress": {"enabled": True, "host": "hooks.example.com", "tlsSecretName": "hooks-tls"}}},
    "a gateway, an autoscaler on requests and Strimzi": {
        "autoscaling": {"keda": {"enabled": True, "prometheusServerAddress": "http://prometheus:9090"}},
        "exposure": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["hooks.example.com"]}},
        "strimzi": {"cluster": "events", "topics": {"enabled": True}, "users": {"enabled": True, "consumers": [{"name": "billing"}]}},
        "config": {"kafka": {"raw": {"security.protocol": "PLAINTEXT"}}}},  # this Kafka has no certificates
}
ALWAYS = {"routes": [PROBE_ROUTE], "probe": {"schedule": "@yearly"}, "reconciler": {"replicas": 2},
          "monitoring": {name: {"enabled": True} for name in ("podMonitor", "prometheusRule", "dashboard")}}


def kinds_of(manifest):
    return {thing["kind"] for thing in yaml.safe_load_all(manifest) if thing}


def test_between_them_they_switch_everything_on_that_the_chart_can_make():
    templates = "".join(file.read_text() for file in (CHART / "templates").rglob("*.yaml"))
    can_make = {kind for kinds in re.findall(r'^kind: (?:(\w+)|\{\{ ternary "(\w+)" "(\w+)")', templates, re.MULTILINE) for kind in kinds if kind}
    assert set().union(*(kinds_of(render(merged(ALWAYS, values))) for values in EVERYTHING.values())) == can_make


@pytest.mark.parametrize("changes", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_an_uninstalled_release_leaves_nothing_but_its_volumes(namespace, both, volumes, changes):
    # What Strimzi's operator would make.
    namespace.secret("events-cluster-ca-cert", **{"ca.crt": "x"})
    for component in ("ingress", "reconciler", "probe"):
        namespace.secret(f"fleeting-maesn-bridge-{component}", **{"user.crt": "x", "user.key": "x"})
    values = merged(merged(merged(ALWAYS, both), changes), {"ingress": {"spool": {"storageClassName": volumes}}})
    before = namespace.objects()
    release = Release(namespace, "fleeting").install(values)
    made = namespace.objects() - before
    declared = kinds_of(call("helm", "get", "manifest", release.name, "--namespace", namespace.name))
    kept = {name for name in made if name.startswith(("persistentvolumeclaim/", "kafkatopic.kafka.strimzi.io/"))}
    assert {name.split("/")[0].split(".")[0] for name in made} >= {kind.lower() for kind in declared}
    assert bool(kept) and len(made) > len(kept) + 20, made
    release.uninstall()
    wait.until(lambda: namespace.objects() == before | kept, 60, f"nothing is left but {before | kept}")
