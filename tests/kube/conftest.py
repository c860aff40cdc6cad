"""The cluster is there (tests/kube/cluster made it): Kafka beside it, the image in it."""

import itertools
import os
import pathlib
import shutil
import tempfile

import pytest

from harness.bridge import SECRET, merged
from harness.environment import ROOT, strimzi_classpath
from harness.kafka import SHORT_LIVED, KafkaCluster
from harness.probe import PROBE_SECRET
from harness.registry import Registry
from kube import IMAGE, NODE, Namespace, Release, apply, call, kubectl

TOPICS = ["maesn.invoice", "maesn.customer", "maesn.other", "maesn.token", "maesn.dead-letter"]
ROUTE = {"path": "/in/maesn/acme-42/by-hand", "provider": "maesn", "account": "acme-42", "system": "xero",
         "secret_file": "/etc/maesn-bridge/secrets/acme-xero"}
PROBE_ROUTE = {**ROUTE, "path": "/in/maesn/probe/by-hand", "account": "probe", "resource": "PROBE",
               "secret_file": "/etc/maesn-bridge/secrets/probe"}

numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def image():
    call("ctr", "--namespace", "k8s.io", "images", "import", os.environ["IMAGE_ARCHIVE"])


@pytest.fixture(scope="session", autouse=True)
def custom_resources():
    """Every kind that the chart can make is known to the API server."""
    for file in pathlib.Path(os.environ["CUSTOM_RESOURCES"]).glob("*.yaml"):
        kubectl("apply", "--server-side", "--filename", file)
    strimzis = call("java", *SHORT_LIVED, "-cp", strimzi_classpath(), ROOT / "tests/e2e/strimzi/Definitions.java")
    kubectl("apply", "--server-side", "--filename", "-", stdin=strimzis)
    kubectl("wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=30s")


@pytest.fixture(scope="session")
def kafka():
    with KafkaCluster(1, host=NODE) as cluster:
        cluster.create_topics(*TOPICS)
        yield cluster


@pytest.fixture
def values(kafka):
    """One static route, nothing for the reconciler to do; and times for somebody who waits."""
    return {"image": IMAGE, "reconciler": {"enabled": False}, "routes": [ROUTE], "secrets": [{"name": "bridge-secrets", "for": ["ingress"]}],
            "ingress": {"minReadySeconds": 1, "shutdownDelaySeconds": 3, "shutdownHardStopSeconds": 8},
            "networkPolicy": {"kafkaPorts": kafka.ports},
            "config": {"kafka": {"brokers": kafka.bootstrap}, "topics": {"registry": ""}}}


@pytest.fixture
def namespace():
    made = Namespace(f"test-{next(numbers)}")
    made.secret("bridge-secrets", acme_xero=SECRET)
    yield made
    call("kubectl", "delete", "namespace", made.name, "--wait=false")


@pytest.fixture
def both(kafka, namespace, values):
    """Values for both processes, each with the Secrets that it reads; and the probe's route."""
    topics = Registry(kafka, namespace.name)
    kafka.create_topics(f"{namespace.name}.accounts", partitions=4, config={"cleanup.policy": "compact"})
    namespace.secret("bridge-secrets", acme_xero=SECRET, probe=PROBE_SECRET)
    namespace.secret("bridge-keys", **{name.replace("-", "_"): text for name, text in topics.secrets.items()})
    namespace.secret("bridge-accounts", maesn_api_key="api-key")
    secrets = {"bridge-secrets": ["ingress"], "bridge-keys": ["ingress", "reconciler"], "bridge-accounts": ["reconciler"]}
    return merged(values, {"reconciler": {"enabled": True, "replicas": 2}, "routes": [ROUTE, PROBE_ROUTE],
                           "secrets": [{"name": name, "for": processes} for name, processes in secrets.items()],
                           "config": {"topics": {**topics.settings["topics"], "accounts": f"{namespace.name}.accounts"},
                                      "public_base_url": "https://hooks.example.com"}})


@pytest.fixture
def release(namespace, values):
    return Release(namespace).install(values)


@pytest.fixture
def volumes(namespace):
    """The name of a storage class of two volumes, which are directories of the node."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-volumes-"))
    names = [f"{namespace.name}-{number}" for number in (1, 2)]
    for name in names:
        (directory / name).mkdir()
        apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
               "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": namespace.name,
                        "persistentVolumeReclaimPolicy": "Retain", "local": {"path": str(directory / name)},
                        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node"]}]}]}}}})
    yield namespace.name
    kubectl("delete", "persistentvolume", *names, "--wait=false")
    shutil.rmtree(directory, ignore_errors=True)
