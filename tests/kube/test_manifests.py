"""What the chart renders is what an API server accepts, without a warning, whatever the values; and what is wrong is caught."""

import json
import re

import jsonschema
import pytest
import yaml

from conftest import PROBE_ROUTE
from harness.bridge import merged
from harness.environment import ROOT
from kube import CHART, Namespace, call, kubectl, refusal, render
from restricted import broken, pod_specs

PODS = {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
        "podAnnotations": {"a": "b"}, "priorityClassName": "system-cluster-critical",
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}}]}}}
HPA = {"autoscaling": {"hpa": {"enabled": True}}}
KEDA = {"autoscaling": {"keda": {"enabled": True, "prometheusServerAddress": "http://prometheus:9090"}}}
SPOOL = {"ingress": {"spool": {"enabled": True}}}
ROUTE = {"path": "/in/maesn/a/b", "provider": "maesn", "account": "a", "system": "xero", "secret_file": "/etc/maesn-bridge/secrets/a"}
STATIC = {"reconciler": {"enabled": False}, "config": {"topics": {"registry": ""}}}
TLS = {"config": {"ingress": {"tls": {"certificate_file": "/etc/maesn-bridge/secrets/tls.crt", "key_file": "/etc/maesn-bridge/secrets/tls.key"}}}}
MONITORING = {"monitoring": {name: {"enabled": True} for name in ("podMonitor", "prometheusRule", "dashboard")}}
INGRESS = {"exposure": {"ingress": {"enabled": True, "host": "hooks.example.com"}}}
GATEWAY = {"exposure": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}}
TOPICS = {"strimzi": {"cluster": "events", "topics": {"enabled": True}}}
USERS = {"strimzi": {"cluster": "events", "users": {"enabled": True}}}
STRIMZI = merged(TOPICS, merged(USERS, {"strimzi": {"users": {"consumers": [{"name": "billing", "topics": ["maesn.invoice"]}, {"name": "reports"}]}}}))

PERMUTATIONS = {
    "the defaults": {},
    "static routes only": {**STATIC, "routes": [ROUTE]},
    "no secrets": {**STATIC, "secrets": []},
    "no reconciler beside a registry": {"reconciler": {"enabled": False}},
    "accounts": {"accounts": [{"id": "a", "system": "xero", "account_key_file": "/etc/maesn-bridge/secrets/a", "subscriptions": "all"}]},
    "one replica": {"ingress": {"replicas": 1}},
    "no replica": {"ingress": {"replicas": 0}, "reconciler": {"replicas": 0}},
    "three replicas of each": {"ingress": {"replicas": 3}, "reconciler": {"replicas": 3}},
    "a spool": SPOOL,
    "a spool with its class": {"ingress": {"spool": {"enabled": True, "size": "100Gi", "storageClassName": "fast"}}},
    "a spool and one replica": {"ingress": {"replicas": 1, "spool": {"enabled": True}}},
    "a spool and an autoscaler": {**SPOOL, **HPA},
    "an autoscaler on CPU": HPA,
    "an autoscaler on requests": KEDA,
    "a spool and an autoscaler on requests": {**SPOOL, **KEDA},
    "an autoscaler down to one": {"autoscaling": {"hpa": {"enabled": True, "minReplicas": 1}}},
    "a tag": {"image": {"tag": "1.2.3"}},
    "a digest": {"image": {"digest": "sha256:" + "0" * 64}},
    "a registry that wants a password": {"imagePullSecrets": [{"name": "registry"}]},
    "names": {"nameOverride": "hooks", "fullnameOverride": "the-bridge"},
    "a long name": {"fullnameOverride": "x" * 80},
    "common labels": {"commonLabels": {"team": "billing"}},
    "secrets with items": {"secrets": [{"name": "a", "for": ["ingress"], "items": [{"key": "password", "path": "kafka-password"}]},
                                       {"name": "b", "for": ["ingress", "reconciler"], "optional": True}]},
    "a Secret in parts": {"secrets": [
        {"name": "a", "for": ["ingress"], "items": [{"key": "route-key", "path": "route-key"}, {"key": "keyring", "path": "keyring"}]},
        {"name": "a", "for": ["reconciler"]}]},
    "placement": {"ingress": PODS, "reconciler": PODS},
    "resources": {"ingress": {"resources": {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}}},
    "a load balancer": {"ingress": {"service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}}}},
    "node ports": {"ingress": {"service": {"type": "NodePort"}}},
    "a long drain": {"ingress": {"shutdownDelaySeconds": 60, "shutdownHardStopSeconds": 120}},
    "a service account of the user's": {"serviceAccount": {"create": False, "name": "mine"}},
    "the namespace's service account": {"serviceAccount": {"create": False}},
    "an annotated service account": {"serviceAccount": {"annotations": {"a": "b"}, "name": "mine"}},
    "no disruption budget": {"podDisruptionBudget": {"enabled": False}},
    "no network policy": {"networkPolicy": {"enabled": False}},
    "a narrow network policy": {"networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
        "monitoringFrom": [{"namespaceSelector": {}}], "kafkaPorts": [9093],
        "extraEgress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]}},
    "a pod monitor": {"monitoring": {"podMonitor": {"enabled": True, "interval": "10s", "labels": {"release": "prometheus"}}}},
    "alerts": {"monitoring": {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}},
    "a dashboard": {"monitoring": {"dashboard": {"enabled": True, "labels": {"find_me": "yes"}, "annotations": {"grafana_folder": "Webhooks"}}}},
    "TLS of its own": TLS,
    "brokers of many ports": {"config": {"kafka": {"brokers": "a:9092,SSL://b:29093,[::1]:443"}}},
    "providers elsewhere": {"config": {"maesn": {"base_url": "https://proxy:8443/maesn"}}},
    "an ingress": INGRESS,
    "an ingress with TLS": {"exposure": {"ingress": {"enabled": True, "host": "hooks.example.com", "className": "nginx",
                                                     "annotations": {"a": "b"}, "tlsSecretName": "tls"}}},
    "a gateway": {"exposure": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["hooks.example.com"]}}},
    "Strimzi's topics": TOPICS,
    "Strimzi's topics, few and small": merged(TOPICS, {"strimzi": {"topics": {"partitions": 1, "replicas": 1}}}),
    "Strimzi's users": USERS,
    "Strimzi's users of an ingress alone": merged(USERS, STATIC),
    "Strimzi's users of topics that nobody knows": merged(USERS, {"config": {"topics": {"template": "events.{account}.{resource}"}}}),
    "Strimzi with consumers and the probe": {**STRIMZI, "routes": [PROBE_ROUTE]},
    "Strimzi with other names": merged(STRIMZI, {"config": {"topics": {"template": "Acme_{resource}", "registry": "acme.registry"}}}),
    "everything at once, with an Ingress": {**SPOOL, **HPA, **INGRESS, **MONITORING, **STRIMZI, "reconciler": {"replicas": 3},
                                            "routes": [PROBE_ROUTE], "probe": {"schedule": "@daily"}},
    "everything at once, with a gateway": {**SPOOL, **KEDA, **GATEWAY, **MONITORING, **STRIMZI, "reconciler": {"replicas": 3},
                                           "routes": [PROBE_ROUTE], "probe": {"schedule": "@daily"}},
}


@pytest.fixture(scope="module")
def namespace():
    return Namespace("manifests").name


@pytest.mark.parametrize("values", PERMUTATIONS.values(), ids=PERMUTATIONS.keys())
def test_the_api_server_accepts_it_without_a_warning(values, namespace):
    manifest = render(values)
    assert refusal(manifest, namespace) == ""
    assert [broken(spec) for spec in pod_specs(manifest) if broken(spec)] == []


def test_helm_has_nothing_against_the_chart():
    call("helm", "lint", "--strict", CHART)


# --- what restarts a process --------------------------------------------------------------------------------------------

def settings():
    """(key, processes that use it, whether it is read again without a restart) of every setting, as the program tells them."""
    table = (ROOT / "config/REFERENCE.md").read_text().split("## bridge.yaml")[1].split("\n## ")[0]
    for key, used_by in re.findall(r"^\| `([a-z0-9_.]+)` \| .*? \| .*? \| ([a-z, *]+) \|", table, re.MULTILINE):
        names = used_by.split(",")[0]
        yield key, {"ingress", "reconciler"} if names == "both" else {names}, "*reloaded*" in used_by


def nested(key, value):
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


SCHEMA = json.loads((ROOT / "config/bridge.schema.json").read_text())
ANYTHING = ["changed", "changed:1", "https://changed", True, 7, 77, 7777, 100_000, 2_000_000, ["https://changed"], {"changed": 1}, {"changed": {}}]


def other_value(key):
    """One that the setting may have, and the values here do not set."""
    schema = SCHEMA
    for name in key.split("."):
        schema = schema["properties"][name]
    judge = jsonschema.Draft202012Validator(schema)
    return next(value for value in [*schema.get("enum", []), *ANYTHING] if judge.is_valid(value))


def checksums(manifest):
    """Of each process: another one restarts it."""
    workloads = [d for d in yaml.safe_load_all(manifest) if d and d["kind"] in ("Deployment", "StatefulSet")]
    return {w["metadata"]["labels"]["app.kubernetes.io/component"]: w["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for w in workloads}


def test_a_changed_setting_restarts_the_processes_that_use_it_unless_they_read_it_again():
    base = merged(SPOOL, TLS)
    before = checksums(render(base))
    judged = 0
    for key, users, is_reloaded in settings():
        rendered = render(merged(base, {"config": nested(key, other_value(key))}), fails=True)
        if rendered.returncode != 0:
            assert f"config.{key}: the chart sets it" in rendered.stderr, rendered.stderr
            continue
        after = checksums(rendered.stdout)
        assert {name for name in before if after[name] != before[name]} == (set() if is_reloaded else users), key
        judged += 1
    assert judged > 40


def test_the_api_server_accepts_the_kustomize_base_without_a_warning(namespace):
    assert refusal(kubectl("kustomize", ROOT / "deploy/kustomize/base"), namespace) == ""


# --- what is wrong is caught -------------------------------------------------------------------------------------------

WRONG_VALUES = {
    "a key misspelt": {"ingress": {"replica": 2}},
    "text for a number": {"ingress": {"replicas": "two"}},
    "a size without a unit": {"ingress": {"spool": {"enabled": True, "size": "large"}}},
    "a setting misspelt": {"config": {"ingress": {"deadlinems": 1000}}},
    "exposed twice": merged(INGRESS, GATEWAY),
    "a Secret for nobody": {"secrets": [{"name": "a"}]},
    "no keys": {"secrets": []},
    "topics without a cluster": {"strimzi": {"topics": {"enabled": True}}},
    "two autoscalers": {**HPA, "autoscaling": {**HPA["autoscaling"], **KEDA["autoscaling"]}},
    "an autoscaler without its Prometheus": {"autoscaling": {"keda": {"enabled": True}}},
    "an ingress without a host": {"exposure": {"ingress": {"enabled": True}}},
    "a gateway without a parent": {"exposure": {"httpRoute": {"enabled": True}}},
    "a listener of the user's": {"config": {"ingress": {"listen": "0.0.0.0:80"}}},
    "a drain that the pods do not know of": {"config": {"shutdown": {"hard_stop_ms": 600000}}},
    "a directory of the user's": {"config": {"routes_dir": "elsewhere"}},
    "a grace shorter than the drain": {"ingress": {"shutdownDelaySeconds": 30, "shutdownHardStopSeconds": 30}},
}


@pytest.mark.parametrize("values", WRONG_VALUES.values(), ids=WRONG_VALUES.keys())
def test_helm_refuses_wrong_values(values):
    assert render(values, fails=True).returncode != 0


# What a chart like this could render by mistake; each is a change of a manifest that was right, that of the values behind it.
MUTATIONS = {
    "a misspelt field": ("replicas: 2", "replica: 2"),
    "a field of the wrong type": ("minReadySeconds: 5", "minReadySeconds: soon"),
    "a budget with both limits": ("  maxUnavailable: 1\n  # A pod", "  maxUnavailable: 1\n  minAvailable: 1\n  # A pod"),
    "a selector that matches no pod": ("      app.kubernetes.io/component: ingress\n  template:", "      app.kubernetes.io/component: other\n  template:"),
    "a port name too long": ("name: admin, containerPort: 9090", "name: administration-port, containerPort: 9090"),
    "a request beyond its limit": ("memory: 64Mi", "memory: 64Gi"),
    "privilege escalation": ("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    "a user that may be root": ("runAsNonRoot: true", "runAsNonRoot: false"),
    "root": ("runAsUser: 65532", "runAsUser: 0"),
    "a capability": ("capabilities: {drop: [ALL]}", "capabilities: {drop: [ALL], add: [SYS_ADMIN]}"),
    "no seccomp profile": ("seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}"),
    "the host's network": ("enableServiceLinks: false", "enableServiceLinks: false\n      hostNetwork: true"),
    "the host's disk": ("    projected:\n", "    hostPath: {path: /}\n    projected:\n"),
    "a pause before the end that is longer than the grace": ("livenessProbe:", "lifecycle: {preStop: {sleep: {seconds: 600}}}\n          livenessProbe:"),
    "a grace below zero": ("            terminationGracePeriodSeconds: 10", "            terminationGracePeriodSeconds: -10"),
    "an unknown probe": ("livenessProbe:", "aliveProbe:"),
    "an autoscaler upside down": ("maxReplicas: 10", "maxReplicas: 1", HPA),
    "a misspelt field of a ScaledObject": ("minReplicaCount:", "minimumReplicaCount:", KEDA),
    "a trigger of a ScaledObject that says nothing": ("type: prometheus", "tipe: prometheus", KEDA),
    "a misspelt field of an HTTPRoute": ("parentRefs:", "parents:", GATEWAY),
    "an unknown match of an HTTPRoute": ("type: PathPrefix", "type: Prefix", GATEWAY),
    "a misspelt field of an Ingress": ("pathType:", "type:", INGRESS),
    "a misspelt field of a PodMonitor": ("podTargetLabels:", "targetLabels:", MONITORING),
    "an interval of a PodMonitor that is none": ("interval: 30s", "interval: soon", MONITORING),
    "a misspelt field of a PrometheusRule": ("- alert:", "- alarm:", MONITORING),
    "a misspelt field of a KafkaTopic": ("  partitions: 6", "  partition: 6", TOPICS),
    "text for a KafkaTopic's number": ("  partitions: 6", "  partitions: many", TOPICS),
    "a misspelt field of a KafkaUser": ("patternType:", "pattern:", USERS),
    "an unknown operation of a KafkaUser": ("operations: [Write]", "operations: [Wirte]", USERS),
    "an unknown kind of a KafkaUser's resource": ("type: transactionalId", "type: transactional-id", USERS),
}


@pytest.mark.parametrize("was, becomes, values", [(*mutation, {})[:3] for mutation in MUTATIONS.values()], ids=MUTATIONS.keys())
def test_the_api_server_refuses_what_is_wrong_in_a_manifest(was, becomes, values, namespace):
    manifest = render(values)
    assert was in manifest, "the mutation has nothing to change"
    assert refusal(manifest.replace(was, becomes), namespace) != ""


def test_the_api_server_refuses_another_selector_on_an_upgrade(namespace):
    manifest = render({"ingress": {"replicas": 0}, "reconciler": {"enabled": False}})
    kubectl("--namespace", namespace, "apply", "--filename", "-", stdin=manifest)
    assert "immutable" in refusal(manifest.replace("app.kubernetes.io/component: ingress", "app.kubernetes.io/component: other"), namespace)
