"""deploy/compose.yaml is a compose file, confines what it starts, and what it declares works: started here without containers."""

import json
import os
import pathlib
import shlex
import subprocess

import jsonschema
import pytest
import yaml

from harness import consumers, wait
from harness.bridge import run
from harness.composition import Composition
from harness.environment import BINARY, CACHE, ROOT
from harness.kafka import java
from harness.prometheus import api
from harness.sender import encode, event, post

FILE = ROOT / "deploy/compose.yaml"
DECLARED = yaml.safe_load(FILE.read_text())
SERVICES = DECLARED["services"]
# What the image's scripts run.
KAFKA = {"kafka-storage.sh": "kafka.tools.StorageTool", "kafka-server-start.sh": "kafka.Kafka",
         "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand"}


def validate(document):
    jsonschema.Draft7Validator(json.loads((CACHE / "compose-spec.json").read_text())).validate(document)


def test_it_is_a_compose_file():
    validate(DECLARED)


@pytest.mark.parametrize("service, key, value", [
    ("ingress", "read-only", True),                                   # a key misspelt
    ("ingress", "cap_drop", "ALL"),                                   # text for a list
    ("topics", "depends_on", {"kafka": {"condition": "service_healty"}}),  # a condition that there is not
    ("kafka", "healthcheck", {"test": ["CMD"], "interval": 5}),       # a number for a duration
])
def test_what_is_wrong_in_it_is_seen(service, key, value):
    with pytest.raises(jsonschema.ValidationError):
        validate({**DECLARED, "services": {**SERVICES, service: {**SERVICES[service], key: value}}})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_right_that_it_does_not_need(name):
    service = SERVICES[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    tag = service["image"].rpartition(":")[2]
    assert tag[0].isdigit() or tag[0] == "v" and tag[1].isdigit(), "an image that may change"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "healthcheck" in service or service["restart"] == "no"
    assert all(mount["read_only"] for mount in service.get("volumes", []) if mount["type"] == "bind")
    assert not [key for key in service.get("environment", {}) if any(word in key for word in ("PASSWORD", "SECRET", "TOKEN")) and "FILE" not in key]


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    scripts = tmp_path_factory.mktemp("kafka-bin")
    for name, main in KAFKA.items():
        (scripts / name).write_text(f"#!/bin/bash\nexec {shlex.join(java(main, jvm=('-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1')))} \"$@\"\n")
        (scripts / name).chmod(0o755)
    started = Composition(FILE, {
        "maesn-bridge": {"": BINARY, "/usr/bin/maesn-bridge": BINARY},
        "apache/kafka": {"/opt/kafka/bin": scripts},
        "prom/prometheus": {"": CACHE / "prometheus", "/bin/promtool": CACHE / "promtool"},
    }).up()
    yield started
    started.down()


def test_everything_but_grafana_is_started_and_healthy(composition):
    assert set(SERVICES) - set(composition.services) == {"grafana"}
    for name, service in composition.services.items():
        composition.await_condition(name, "service_healthy" if "healthcheck" in service else "service_completed_successfully")


@pytest.mark.parametrize("name, process", [("topics", "ingress"), ("ingress", "ingress"), ("reconciler", "reconciler")])
def test_a_service_has_the_secrets_that_its_process_reads_and_no_other(composition, name, process):
    file = f"{composition.root(name)}/etc/maesn-bridge/bridge.yaml"

    def problems():
        return json.loads(run("check", "--config", file, "--process", process, "--output", "json").stdout)["problems"]

    def is_missed(secret):
        held = pathlib.Path(f"{composition.root(name)}/run/secrets/{secret}")
        text = held.read_text()
        held.unlink()
        try:
            return any(str(held) in problem["text"] for problem in problems())
        finally:
            held.write_text(text)

    secrets = SERVICES[name]["secrets"]
    assert [problem for problem in problems() if problem["severity"] == "error"] == []
    assert [secret for secret in secrets if not is_missed(secret)] == []


def test_a_signed_callback_is_a_record_that_this_machine_can_read(composition):
    class Cluster:
        bootstrap = f"127.0.0.1:{composition.port('kafka', 19092)}"

    secret = (ROOT / "deploy/compose/secrets/example-webhook-secret").read_text().strip()
    composition.await_condition("ingress", "service_healthy")
    port = composition.port("ingress", 8080)
    assert post(port, "/in/maesn/acme-42/by-hand", encode(event("of-the-tour")), secret).status == 200
    assert post(port, "/in/maesn/acme-42/by-hand", encode(event("of-the-tour")), "wrong").status == 401
    assert [b"of-the-tour" in record.value for record in consumers.read_all(Cluster, "maesn.invoice")] == [True]


def test_prometheus_scrapes_both_processes_and_has_the_alerts(composition):
    port = composition.port("prometheus", 9090)
    pods = {"ingress", "reconciler"}
    wait.until(lambda: {s["metric"]["pod"] for s in api(port, "query", query="maesn_bridge_build_info")["result"]} == pods, 60, "both are scraped")
    assert {target["health"] for target in api(port, "targets")["activeTargets"]} == {"up"}
    assert [group["name"] for group in api(port, "rules")["groups"]] == ["maesn-bridge"]


def test_grafana_is_given_the_datasource_and_the_dashboard():
    """It is in no package registry: what is declared for it is looked at."""
    mounted = {mount["target"]: (ROOT / "deploy" / mount["source"]).resolve() for mount in SERVICES["grafana"]["volumes"] if mount["type"] == "bind"}
    assert all(path.is_file() for path in mounted.values())
    [source] = yaml.safe_load(mounted["/etc/grafana/provisioning/datasources/tour.yaml"].read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    [provider] = yaml.safe_load(mounted["/etc/grafana/provisioning/dashboards/tour.yaml"].read_text())["providers"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in mounted and home.startswith(provider["options"]["path"] + "/")
    assert mounted[home] == ROOT / "deploy/helm/maesn-bridge/files/dashboard.json"


def test_the_readmes_command_sends_a_callback_that_is_accepted(composition):
    lines = (ROOT / "README.md").read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("docker compose") and " up " in line)
    composition.await_condition("ingress", "service_healthy")
    commands = "\n".join(lines[first + 1:first + 4]).replace("http://127.0.0.1:8080", f"http://127.0.0.1:{composition.port('ingress', 8080)}")
    done = subprocess.run(["bash", "-euc", commands], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "no_proxy": "127.0.0.1"})
    assert done.stdout.startswith("HTTP/1.1 200"), done.stdout + done.stderr
