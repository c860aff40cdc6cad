"""The cluster is there (tests/kube/cluster made it): Kafka beside it, the image in it."""

import itertools
import os

import pytest

from harness.bridge import SECRET
from harness.kafka import KafkaCluster
from kube import IMAGE, NODE, Namespace, Release, call

TOPICS = ["maesn.invoice", "maesn.customer", "maesn.other", "maesn.token", "maesn.dead-letter"]
ROUTE = {"path": "/in/maesn/acme-42/by-hand", "provider": "maesn", "account": "acme-42", "system": "xero",
         "secret_file": "/etc/maesn-bridge/secrets/acme-xero"}

numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def image():
    call("ctr", "--namespace", "k8s.io", "images", "import", os.environ["IMAGE_ARCHIVE"])


@pytest.fixture(scope="session")
def kafka():
    with KafkaCluster(1, host=NODE) as cluster:
        cluster.create_topics(*TOPICS)
        yield cluster


@pytest.fixture
def values(kafka):
    """One static route, nothing for the reconciler to do; and times for somebody who waits."""
    return {"image": IMAGE, "reconciler": {"enabled": False}, "routes": [ROUTE], "secrets": [{"name": "bridge-secrets"}],
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
def release(namespace, values):
    return Release(namespace).install(values)
