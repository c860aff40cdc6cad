"""The chart's KafkaTopic and KafkaUser resources: Strimzi understands them, they are what `topics apply` and the contract say, and
both processes do all their work on a real broker with exactly these rights."""

import json
import re
import subprocess

import pytest
import yaml
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, NewTopic, ResourcePatternType,
                                   ResourceType)

from conftest import numbers
from harness import helm, tls, wait
from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory, merged, route, run
from harness.environment import ROOT, strimzi_classpath
from harness.kafka import SHORT_LIVED, KafkaCluster
from harness.maesn import API_KEY
from harness.reconciler import account
from harness.registry import Registry, Route
from harness.sender import encode, event, post
from test_contract import INTERNAL, channels, planned_topics

PROBE = route("probe", path="/in/maesn/probe/by-hand", resource="PROBE", secret_file="../secrets/acme-xero")
VALUES = {"routes": [PROBE], "config": {"public_base_url": "https://hooks.example.com"},
          "secrets": [{"name": "keys", "for": ["ingress", "reconciler"]}],
          "strimzi": {"cluster": "events", "topics": {"enabled": True},
                      "users": {"enabled": True, "consumers": [{"name": "billing", "topics": ["maesn.invoice"]}, {"name": "reports"}]}}}


def topics(values=None):
    return {t["spec"]["topicName"]: t["spec"] for t in helm.render(merged(VALUES, values or {}), "KafkaTopic")}


def users(values=None):
    """{name: its rules}"""
    return {user["metadata"]["name"]: user["spec"]["authorization"]["acls"] for user in helm.render(merged(VALUES, values or {}), "KafkaUser")}


# --- what they say -----------------------------------------------------------------------------------------------------


def judged(resources):
    """What Strimzi's model has against them."""
    done = subprocess.run(["java", *SHORT_LIVED, "-cp", strimzi_classpath(), str(ROOT / "tests/e2e/strimzi/Judge.java")],
                          input=json.dumps(resources), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_strimzi_understands_every_resource_and_would_not_if_one_were_wrong():
    resources = [o for o in helm.render(VALUES) if o["apiVersion"].startswith("kafka.strimzi.io/")]
    assert {o["apiVersion"] for o in resources} == {"kafka.strimzi.io/v1"} and len(resources) > 25
    topic, user = (next(o for o in resources if o["kind"] == kind) for kind in ("KafkaTopic", "KafkaUser"))
    wrong = [merged(topic, {"metadata": {"name": "a-misspelt-field"}, "spec": {"partition": 1}}),
             merged(user, {"metadata": {"name": "an-unknown-operation"}, "spec": {"authorization": {"acls": [
                 merged(user["spec"]["authorization"]["acls"][0], {"operations": ["Wirte"]})]}}}),
             merged(user, {"metadata": {"name": "an-unknown-kind"}, "spec": {"authorization": {"acls": [
                 {"resource": {"type": "transactional-id", "name": "x"}, "operations": ["Write"]}]}}})]
    assert [line.split(":")[0].split(".")[0] for line in judged(resources + wrong)] == [o["metadata"]["name"] for o in wrong]


def test_topics_partitions_and_retention_are_those_of_topics_apply_and_of_the_contract(secured):
    created = secured.planned
    declared = topics()
    assert set(declared) == set(created) == set(channels()) | INTERNAL
    for name, spec in declared.items():
        assert (spec["partitions"], spec["replicas"]) == (created[name]["partitions"], created[name]["replication_factor"]), name
        assert spec["config"] == {setting: value["to"] for setting, value in created[name]["settings"].items()}, name


def test_names_follow_the_configuration():
    named = {"config": {"topics": {"template": "acme_Hooks.{resource}", "dead_letter": "acme.lost", "registry": ""}}, "reconciler": {"enabled": False}}
    assert {"acme_Hooks.invoice", "acme.lost", "acme.lost.replayed", "maesn.other"} <= set(topics(named))
    assert not {"maesn.bridge.registry", "maesn.bridge.accounts", "maesn.bridge.activity"} & set(topics(named))
    assert "acme-hooks.invoice" in {t["metadata"]["name"] for t in helm.render(merged(VALUES, named), "KafkaTopic")}


def test_a_topic_outlives_its_release():
    assert all(t["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for t in helm.render(VALUES, "KafkaTopic"))


def test_a_template_over_which_the_ingress_could_write_the_registry_is_refused():
    assert "maesn.bridge.registry" in helm.template(merged(VALUES, {"config": {"topics": {"template": "maesn.{account}.{resource}"}}}), fails=True)
    rules = users({"config": {"topics": {"template": "events.{account}.{resource}"}}})["bridge-maesn-bridge-ingress"]
    assert rules[0] == {"resource": {"type": "topic", "name": "events.", "patternType": "prefix"}, "operations": ["Write"], "host": "*"}


# --- what they are good for --------------------------------------------------------------------------------------------


class Rights:
    """Access lists as Strimzi's user operator makes them of KafkaUser resources."""

    TYPES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactionalId": ResourceType.TRANSACTIONAL_ID}
    PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}
    OPERATIONS = {"Read": AclOperation.READ, "Write": AclOperation.WRITE, "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS}

    def __init__(self, cluster, granted):
        """{user: rules}; returns when the broker goes by them."""
        wanted = [AclBinding(self.TYPES[rule["resource"]["type"]], rule["resource"]["name"], self.PATTERNS[rule["resource"]["patternType"]],
                             f"User:CN={user}", rule["host"], self.OPERATIONS[operation], AclPermissionType.ALLOW)
                  for user, rules in granted.items() for rule in rules for operation in rule["operations"]]
        for future in cluster.admin().create_acls(wanted).values():
            future.result(20)
        everything = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
        wait.until(lambda: set(wanted) <= set(cluster.admin().describe_acls(everything).result(20)), 20, "the broker knows the rights")


INGRESS, RECONCILER = "bridge-maesn-bridge-ingress", "bridge-maesn-bridge-reconciler"


class Deployment:
    """Processes, each with the certificate of a user, and one account."""

    def __init__(self, cluster, maesn, directory):
        self.cluster, self.maesn, self.directory = cluster, maesn, directory
        self.registry = Registry(cluster, "maesn.bridge", partitions=6, create=False)
        self.bridges = []

    def raw(self, user):
        """How the chart tells the processes to reach Kafka, the mounted files being here."""
        [config] = [o for o in helm.render(VALUES, "ConfigMap") if "bridge.yaml" in o["data"]]
        settings = yaml.safe_load(config["data"]["bridge.yaml"])["kafka"]["raw"]
        certificate, key = tls.signed_by(self.directory, self.cluster.authority, user)
        files = {"ca.crt": self.cluster.authority[0], "user.crt": certificate, "user.key": key}
        mounted = "/etc/maesn-bridge/secrets/kafka/"
        return {name: str(files[value.removeprefix(mounted)]) if value.startswith(mounted) else value for name, value in settings.items()}

    def spawn(self, command, user):
        settings = merged(self.registry.settings, {
            "kafka": {"brokers": self.cluster.guarded_bootstrap, "raw": self.raw(user)},
            "public_base_url": "https://hooks.example.com", "accounts_dir": "accounts.d",
            "maesn": {"base_url": self.maesn.url, "api_key_file": "secrets/maesn-api-key"},
            "reconciler": {"interval_s": 10, "second_look_s": 1, "session_timeout_ms": 6000}})
        config = ConfigDirectory(settings, [route(), PROBE], secrets={**self.registry.secrets, "maesn-api-key": API_KEY, "acme-42": "key-of-acme-42"})
        if command == "reconciler":
            config.settings["reconciler"]["admin_listen"] = config.settings["admin"]["listen"]
            config.settings["admin"]["listen"] = "127.0.0.1:0"
        config.write("bridge.yaml", json.dumps(config.settings))
        (config.path / "accounts.d").mkdir()
        config.write("accounts.d/accounts.yaml", json.dumps({"accounts": [account("acme-42")]}))
        self.bridges.append(Bridge(config, command=(command,)).spawn())
        return self.bridges[-1]

    def probe(self, ingress):
        """`maesn-bridge probe` as its user, with the ingress's files."""
        settings = merged(ingress.config.settings, {"kafka": {"raw": self.raw("bridge-maesn-bridge-probe")}})
        ingress.config.write("probe.yaml", json.dumps(settings))
        return run("probe", "--config", ingress.config.path / "probe.yaml", "--url", f"http://127.0.0.1:{ingress.config.ingress_port}")

    def start(self, command):
        bridge = self.spawn(command, f"bridge-maesn-bridge-{command}")
        wait.until(bridge.is_ready, 20, f"the {command} is ready")
        return bridge

    def stop(self):
        for bridge in self.bridges:
            bridge.kill()
            bridge.config.remove()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A broker that authorizes, with the chart's topics on it; `planned` is what `topics apply` would have created."""
    directory = tmp_path_factory.mktemp("authority")
    with KafkaCluster(1, authority=tls.self_signed(directory, "authority")) as cluster:
        cluster.planned = planned_topics(cluster)
        wanted = [NewTopic(name, num_partitions=spec["partitions"], replication_factor=1, config=spec["config"])
                  for name, spec in topics({"strimzi": {"topics": {"replicas": 1}}}).items()]
        for future in cluster.admin().create_topics(wanted, operation_timeout=30).values():
            future.result(60)
        yield cluster


@pytest.fixture
def deployment(secured, maesn, tmp_path):
    made = Deployment(secured, maesn, tmp_path)
    yield made
    made.stop()


def count(cluster, topic):
    return sum(cluster.end_offsets(topic).values())


def send(ingress, body, path=PATH, secret=SECRET):
    return post(ingress.config.ingress_port, path, body, secret).status


def is_refused(bridge):
    """Whether it tells that the broker forbids something."""
    return re.search("authorization failed|AUTHORIZATION_FAILED|brokers forbid", bridge.output.read_text())


def test_both_processes_do_all_their_work(secured, deployment, maesn):
    Rights(secured, users())
    reconciler, ingress = deployment.start("reconciler"), deployment.start("ingress")
    wait.until(lambda: len(maesn.of("key-of-acme-42")) == 1, 30, "the account is subscribed")
    [subscription] = maesn.of("key-of-acme-42")
    wait.until(lambda: send(ingress, encode(event(1)), subscription.path, subscription.secret) == 200, 20, "the ingress has read the route")
    assert send(ingress, encode(event(2, "NEVER_HEARD_OF"))) == send(ingress, b"not json") == 200
    for topic in ("maesn.invoice", "maesn.other", "maesn.dead-letter"):
        assert count(secured, topic) > 0, topic
    wait.until(lambda: count(secured, "maesn.bridge.activity") > 0, 20, "the activity is told")
    assert send(ingress, encode(event(3, "TOKEN", "REVOKED"))) == 200
    wait.until(lambda: reconciler.metric("maesn_bridge_reconcile_accounts", status="blocked") == 1, 20, "the reconciler heard of it")
    probed = deployment.probe(ingress)
    assert probed.returncode == 0, probed.stderr
    assert reconciler.stop() == ingress.stop() == 0
    assert not is_refused(reconciler) and not is_refused(ingress), ingress.output.read_text() + reconciler.output.read_text()


def single_rights():
    """Each right of each process; of the events' topics one, since they are alike."""
    rules = users()
    alike = {f"maesn.{resource}" for resource in yaml.safe_load((helm.CHART / "files/topics.yaml").read_text())["resources"]} - {"maesn.invoice"}
    return [(command, rule["resource"], operation) for command, user in (("ingress", INGRESS), ("reconciler", RECONCILER))
            for rule in rules[user] if rule["resource"]["name"] not in alike for operation in rule["operations"]]


SINGLE_RIGHTS = single_rights()

# A callback for each topic that is first asked for with its first record; any is told in the activity.
BODIES = {"maesn.invoice": encode(event(1)), "maesn.other": encode(event(2, "NEVER_HEARD_OF")), "maesn.token": encode(event(3, "TOKEN", "REVOKED")),
          "maesn.dead-letter": b"not json", "maesn.probe": encode(event(4, "PROBE")), "maesn.bridge.activity": encode(event(1))}


@pytest.mark.parametrize("command, resource, operation", SINGLE_RIGHTS, ids=[f"{c}, {r['name']}, {o}" for c, r, o in SINGLE_RIGHTS])
def test_without_one_of_its_rights_a_process_cannot_do_its_work(secured, deployment, command, resource, operation):
    user, topic = f"user-{next(numbers)}", resource["name"]
    rules = users()[INGRESS if command == "ingress" else RECONCILER]
    Rights(secured, {user: [{**rule, "operations": [o for o in rule["operations"] if (rule["resource"], o) != (resource, operation)]} for rule in rules]})
    bridge, subscription = deployment.spawn(command, user), Route("acme-42")
    if operation == "Write" and command == "ingress":
        deployment.registry.put(subscription)
        wait.until(bridge.is_ready, 20, "the ingress is ready")
        path, secret = (PROBE["path"], SECRET) if topic == "maesn.probe" else (deployment.registry.path(subscription), subscription.secret)
        send(bridge, BODIES[topic], path, secret)
        wait.until(lambda: [line for line in bridge.log("kafka.record-failed") if line["topic"] == topic], 20, "a record failed")
    else:
        wait.until(lambda: is_refused(bridge), 20, "it is told what is forbidden")


def test_nobody_can_do_what_is_not_theirs(secured, tmp_path):
    """The ingress cannot write the registry, the reconciler no events; a consumer reads its topics in its groups, and nothing else."""
    Rights(secured, users())
    deployment = Deployment(secured, None, tmp_path)

    def client(kind, user, **more):
        return kind({"bootstrap.servers": secured.guarded_bootstrap, "log_level": 0, **deployment.raw(user), **more})

    def produced(user, topic):
        reports = []
        producer = client(Producer, user, **{"message.timeout.ms": 10000})
        producer.produce(topic, b"{}", on_delivery=lambda error, _: reports.append(error is None))
        assert producer.flush(15) == 0
        return reports == [True]

    def read(user, group, topic):
        consumer = client(Consumer, user, **{"group.id": group, "auto.offset.reset": "earliest"})
        try:
            consumer.subscribe([topic])
            record = wait.until(lambda: consumer.poll(0.2), 20, "a record or an error")
            return record.error() is None
        finally:
            consumer.close()

    assert produced(INGRESS, "maesn.invoice")
    assert not produced(INGRESS, "maesn.bridge.registry") and not produced(INGRESS, "maesn.bridge.accounts")
    assert not produced(RECONCILER, "maesn.invoice")
    assert not produced("billing", "maesn.invoice") and not produced("stranger", "maesn.invoice")
    assert read("billing", "billing-1", "maesn.invoice")
    assert not read("billing", "reports-1", "maesn.invoice")
    for topic in ("maesn.customer", "maesn.dead-letter", "maesn.bridge.registry"):
        assert not read("billing", "billing-2", topic), topic
