"""`probe`: a signed test event through a real ingress and a real Kafka, and which hop it is when it does not come through."""

import concurrent.futures
import datetime
import json
import os
import re
import signal
import subprocess
import time

import pytest
import yaml

from conftest import Topics, numbers
from harness import consumers, wait
from harness.bridge import PATH, SECRET, Bridge, route, run
from harness.environment import CACHE
from harness.kafka import KafkaCluster
from harness.ports import free_ports
from harness.probe import PROBE_SECRET, ROUTE, Probe, answering, mute_server
from harness.sender import encode, event, post
from harness.tls import self_signed
from test_contract import check
from test_main_job import expected_id

HOPS = ["kafka", "dns", "connect", "answer", "record"]


@pytest.fixture
def probes():
    """probes(cluster, bridge, ...): a Probe."""
    made = []

    def make(cluster, bridge, **more):
        made.append(Probe(cluster, bridge, **more))
        return made[-1]

    yield make
    for probe in made:
        probe.remove()


def probed_bridge(start_bridge, cluster, settings=None, has_topic=True):
    """A bridge with the route for probing, and its topic."""
    topics = Topics(f"probe{next(numbers)}")
    if has_topic:
        cluster.create_topics(topics["probe"])
    return start_bridge(cluster, settings, routes=[route(), ROUTE], secrets={"probe": PROBE_SECRET}, topics=topics)


@pytest.fixture
def probe(kafka, start_bridge, probes):
    return probes(kafka, probed_bridge(start_bridge, kafka))


# --- it comes through ---------------------------------------------------------------------------------------------------


def test_the_record_is_the_one_it_tells_of_and_no_subscriber_meets_it(probe):
    started = datetime.datetime.now(datetime.timezone.utc)
    report = probe.json()
    [record] = probe.records()
    assert (record.topic, record.partition, record.offset) == (report["topic"], report["partition"], report["offset"])
    assert record.key == b"PROBE:probe"
    assert record.headers["ce_id"] == report["ce_id"]
    assert record.headers["ce_type"] == "com.maesn.probe.created"
    assert record.headers["ce_source"] == "/maesn/xero/probe"
    assert record.headers["ce_recordedtime"] == report["received_at"]
    body = record.value.removesuffix(b',"account":"probe","system":"xero","provider":"maesn"}') + b"}"
    assert report["ce_id"] == expected_id(body, specification=b"maesn/probe/probe/all")
    assert record.timestamp == datetime.datetime.fromisoformat(report["record_timestamp"]).timestamp() * 1000
    assert record.headers["traceparent-in"]
    assert list(report["hops_ms"]) == HOPS
    total = sum(report["hops_ms"][hop] for hop in HOPS[1:])
    assert total - 0.01 <= report["total_ms"] + 1 and 0 < report["total_ms"] < 30_000
    instants = [datetime.datetime.fromisoformat(report[name]) for name in ("sent_at", "received_at", "met_at")]
    assert started - datetime.timedelta(milliseconds=1) <= instants[0] <= instants[1] <= instants[2]
    assert consumers.read_all(probe.cluster, *probe.bridge.topics.all) == []
    check(record, probe.bridge.topics.prefix)


def test_people_get_a_table_with_colours_only_on_a_terminal(probe):
    done = probe.run()
    assert done.returncode == 0 and done.stderr == "" and "\x1b" not in done.stdout
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["HOP", "TIME", "DETAIL"]
    assert [line.split()[0] for line in lines[:5]] == HOPS
    assert all(re.match(r"\w+ +\d+\.\d{3} ms  ", line) for line in lines[:5]), lines
    assert re.fullmatch(r"the test event [0-9a-f]{32} came through in \d+\.\d{3} ms", lines[-1])
    ours, theirs = os.openpty()
    try:
        done = subprocess.run([*Bridge(probe.config, ("probe",)).command, "--url", probe.url], stdin=subprocess.DEVNULL,
                              stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm", "NO_COLOR": ""}, timeout=60)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0 and "\x1b[32mkafka" in shown


def test_without_url_it_goes_to_the_public_one(kafka, probe, probes):
    other = probes(kafka, probe.bridge, settings={"public_base_url": probe.url})
    done = run("probe", "--config", other.config.file, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"] == probe.url


@pytest.mark.parametrize("settings", [{"format": "structured"}, {"ingress": {"trace": "continue"}},
                                      {"topics": {"key": "{resource_id}"}}, {"spool": {"directory": "spool"}}],
                         ids=["structured", "trace", "key", "spool"])
def test_whatever_the_settings_make_of_an_event_is_what_it_expects(kafka, start_bridge, probes, settings, tmp_path):
    if "spool" in settings:
        settings = {"spool": {"directory": str(tmp_path)}}
    bridge = probed_bridge(start_bridge, kafka, settings)
    probe = probes(kafka, bridge)
    for _ in range(3):
        probe.json()
    assert len(probe.records()) == 3


def test_probes_at_the_same_time_and_records_of_others_are_not_taken_for_its_own(probe):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda _: probe.json(), range(16)))
    by_id = {record.headers["ce_id"]: record for record in probe.records()}
    assert len({report["ce_id"] for report in reports}) == 16
    for report in reports:
        assert by_id[report["ce_id"]].offset == report["offset"]


def test_over_tls_the_certificate_is_checked(kafka, start_bridge, probes, tmp_path):
    certificate, key = self_signed(tmp_path, "localhost")
    stranger, _ = self_signed(tmp_path, "stranger")
    bridge = probed_bridge(start_bridge, kafka, {"ingress": {"tls": {"certificate_file": str(certificate), "key_file": str(key)}}})
    probe = probes(kafka, bridge, settings={"http": {"ca_file": str(certificate)}})
    url = f"https://localhost:{bridge.ingress_port}"
    assert list(probe.json(url=url)["hops_ms"]) == ["kafka", "dns", "connect", "tls", "answer", "record"]
    report = probe.json("--ca-file", stranger, url=url, code=69)
    assert report["failed_hop"] == "tls" and "certificate" in report["problem"]
    assert list(report["hops_ms"]) == ["kafka", "dns", "connect"]
    assert probe.json("--ca-file", certificate, url=url)["ok"]
    assert probe.json(url=probe.url, code=69)["failed_hop"] == "answer"  # http where there is TLS
    done = probe.run("--ca-file", tmp_path / "missing", url=url)
    assert done.returncode == 78 and "ca_file" in done.stderr
    assert len(probe.records()) == 2


# --- what it is told ----------------------------------------------------------------------------------------------------


def test_without_a_route_for_probing_it_prints_one_that_works(kafka, start_bridge, probes):
    topics = Topics(f"probe{next(numbers)}")
    kafka.create_topics(topics["probe"])
    bridge = start_bridge(kafka, topics=topics)
    probe = probes(kafka, bridge, routes=[])
    done = probe.run()
    assert done.returncode == 78 and done.stdout == ""
    sentence, _, snippet = done.stderr.partition("\n\n")
    assert sentence.startswith("maesn-bridge probe: no route of account probe has `resource: PROBE`; in ")
    assert str(probe.config.path / "routes.d") in sentence
    for config in (probe.config, bridge.config):
        config.write("secrets/probe", PROBE_SECRET)
        config.write("routes.d/probe.yaml", snippet)
    wait.until(lambda: post(bridge.ingress_port, yaml.safe_load(snippet)["routes"][0]["path"], b"[]", PROBE_SECRET).status == 200,
               10, "the ingress has the route")
    assert probe.json()["ok"]


@pytest.mark.parametrize("routes, options, code, said", [
    ([route()], ("--account", "acme-42"), 78, "no route of account acme-42 has `resource: PROBE`"),
    ([ROUTE, {**ROUTE, "path": "/in/maesn/probe/second"}], (), 78,
     "/in/maesn/probe/by-hand and /in/maesn/probe/second are both routes of account probe with `resource: PROBE`, expected one"),
    ([{"path": "/in/moneybird/probe/x", "provider": "moneybird", "account": "probe", "resource": "PROBE",
       "secret_file": "../secrets/probe"}], (), 78, "the provider of /in/moneybird/probe/x is moneybird, expected maesn"),
    ([ROUTE], ("--timeout", "0"), 64, "--timeout: 0, expected seconds from 1 to 600"),
    ([ROUTE], ("--timeout", "601"), 64, "--timeout: 601, expected seconds"),
    ([ROUTE], ("--timeout", "5s"), 64, "--timeout: 5s, expected seconds"),
    ([ROUTE], ("--timeout", ""), 64, "--timeout: , expected seconds"),
    ([ROUTE], ("--url", "ftp://x"), 64, "--url: ftp://x, expected an http or https URL"),
    ([ROUTE], ("--url", "http://x/"), 64, "--url: http://x/, expected"),
])
def test_what_it_cannot_do_is_told(probe, probes, kafka, routes, options, code, said):
    other = probes(kafka, probe.bridge, routes=routes)
    done = run("probe", "--config", other.config.file, *(options if "--url" in options else ("--url", probe.url, *options)))
    assert done.returncode == code and said in done.stderr, done.stderr
    assert done.stdout == ""
    assert probe.records() == []


def test_without_a_url_it_says_where_to_write_it(probe):
    done = run("probe", "--config", probe.config.file)
    assert done.returncode == 78
    assert "public_base_url: missing, expected" in done.stderr and "--url" in done.stderr


def test_only_its_route_has_a_topic_for_test_events(kafka, probe, probes):
    topics = lambda config: json.loads(run("topics", "plan", "--config", config.file, "--output", "json").stdout)
    planned = topics(probes(kafka, probe.bridge, settings={"topics": {"template": "x.{account}.{resource}"}},
                            routes=[route(), ROUTE]).config)
    assert [c["topic"] for c in planned["changes"] if c["topic"].endswith(".probe")] == ["x.probe.probe"]
    assert post(probe.bridge.ingress_port, PATH, encode(event(1, "PROBE")), SECRET).status == 200
    [record] = consumers.read_all(kafka, *probe.bridge.topics.all)
    assert record.topic == probe.bridge.topics["other"] and probe.records() == []


# --- the hop at which it fails ------------------------------------------------------------------------------------------


def test_a_broker_that_is_away_is_told_before_anything_is_sent(kafka, probe, probes):
    [port] = free_ports(1)
    away = probes(kafka, probe.bridge, settings={"kafka": {"brokers": f"127.0.0.1:{port}"}})
    report = away.json("--timeout", "2", code=69)
    assert report["failed_hop"] == "kafka" and report["hops_ms"] == {}
    assert "the brokers do not answer" in report["problem"] and "Connection refused" in report["problem"]
    assert probe.bridge.metric("maesn_bridge_http_requests_total") == 0


def test_a_wrong_password_of_kafka_is_told(kafka, probe, probes):
    with KafkaCluster(1, password="right") as guarded:
        stranger = probes(kafka, probe.bridge, settings={"kafka": {
            "brokers": guarded.guarded_bootstrap, "sasl_password_file": "secrets/kafka",
            "raw": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "bridge"}}})
        stranger.config.write("secrets/kafka", "wrong-kafka-password")
        report = stranger.json("--timeout", "3", code=69)
    assert report["failed_hop"] == "kafka" and "uthentication failed" in report["problem"]
    assert "wrong-kafka-password" not in json.dumps(report)


def test_a_missing_topic_is_told(kafka, start_bridge, probes):
    bridge = probed_bridge(start_bridge, kafka, has_topic=False)
    report = probes(kafka, bridge).json(code=69)
    assert report["failed_hop"] == "kafka" and report["problem"].startswith(f"{bridge.topics['probe']}: ")
    assert "topics apply" in report["problem"]


def test_an_ingress_that_is_away_is_the_hop_connect(probe):
    [port] = free_ports(1)
    report = probe.json(url=f"http://127.0.0.1:{port}", code=69)
    assert report["failed_hop"] == "connect" and list(report["hops_ms"]) == ["kafka", "dns"]


def test_a_name_that_nobody_knows_is_the_hop_dns(probe):
    report = probe.json(url="http://no-such-host.invalid", code=69)
    assert report["failed_hop"] == "dns" and list(report["hops_ms"]) == ["kafka"]


@pytest.mark.parametrize("scheme, hop", [("http", "answer"), ("https", "tls")])
def test_somebody_who_says_nothing_is_waited_for_no_longer_than_the_timeout(probe, scheme, hop):
    with mute_server() as (address, _):
        began = time.monotonic()
        report = probe.json("--timeout", "2", url=f"{scheme}://{address}", code=69)
        assert time.monotonic() - began < 6
    assert report["failed_hop"] == hop and "time" in report["problem"].lower()


def test_a_wrong_signature_is_refused(kafka, probe, probes):
    report = probes(kafka, probe.bridge, secret="another-secret-than-the-ingress-has").json(code=1)
    assert (report["failed_hop"], report["http_status"]) == ("answer", 401)
    assert "another secret" in report["problem"]
    assert probe.records() == []


@pytest.mark.parametrize("status, code", [(301, 1), (404, 1), (400, 1), (204, 1), (429, 69), (408, 69), (500, 69), (502, 69)])
def test_another_answer_than_200_fails(probe, status, code):
    answer = f"HTTP/1.1 {status} Whatever\r\nLocation: {probe.url}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with answering(answer.encode()) as url:
        report = probe.json(url=url, code=code)
    assert (report["failed_hop"], report["http_status"]) == ("answer", status)
    assert report["problem"].startswith(f"answered {status}")


def test_an_ingress_without_kafka_answers_503(kafka, start_bridge, probes):
    [port] = free_ports(1)
    bridge = probed_bridge(start_bridge, kafka, {"kafka": {"brokers": f"127.0.0.1:{port}"}, "ingress": {"deadline_ms": 500}})
    report = probes(kafka, bridge).json(code=69)
    assert (report["failed_hop"], report["http_status"]) == ("answer", 503)


def test_an_event_that_waits_in_the_spool_is_not_called_delivered(kafka, start_bridge, probes, tmp_path):
    [port] = free_ports(1)
    bridge = probed_bridge(start_bridge, kafka, {"kafka": {"brokers": f"127.0.0.1:{port}"}, "ingress": {"deadline_ms": 500},
                                                 "spool": {"directory": str(tmp_path)}})
    probe = probes(kafka, bridge)
    report = probe.json("--timeout", "4", code=69)
    assert (report["failed_hop"], report["http_status"]) == ("record", 200)
    assert "spool" in report["problem"] and probe.records() == []
    assert 3000 < report["total_ms"] < 10_000


def test_a_record_that_is_another_than_it_must_be_is_told(kafka, probe, probes):
    report = probes(kafka, probe.bridge, settings={"format": "structured"}).json(code=1)
    assert report["failed_hop"] == "record"
    assert report["problem"] == ("the record's header content-type is application/json, expected "
                                 "application/cloudevents+json; charset=UTF-8")
    assert list(report["hops_ms"]) == HOPS
    report = probes(kafka, probe.bridge, settings={"ingress": {"trace": "continue"}}).json(code=1)
    assert report["problem"].startswith("the record's header traceparent is 00-")
    report = probes(kafka, probe.bridge, routes=[{**ROUTE, "system": "exact-nl"}]).json(code=1)
    assert report["problem"] == "the record's header ce_source is /maesn/xero/probe, expected /maesn/exact-nl/probe"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_report(probe, number):
    with mute_server() as (address, listener):
        process = probe.start("--timeout", "60", url=f"http://{address}")
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b"P"
            began = time.monotonic()
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
            assert time.monotonic() - began < 5
    report = json.loads(out)
    assert process.returncode == 1 and report["problem"] == "interrupted" and "interrupted" in err


# --- for Prometheus -----------------------------------------------------------------------------------------------------


def metrics(path):
    """{series: value}, of a file that promtool finds nothing wrong with."""
    text = path.read_text()
    done = subprocess.run([CACHE / "promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def test_a_textfile_has_the_result_whole_for_the_node_exporter(probe, tmp_path):
    path = tmp_path / "probe.prom"
    report = probe.json("--textfile", path)
    found = metrics(path)
    assert found['maesn_bridge_probe_success{account="probe"}'] == 1
    assert found['maesn_bridge_probe_seconds{account="probe"}'] == pytest.approx(report["total_ms"] / 1000)
    assert abs(found['maesn_bridge_probe_timestamp_seconds{account="probe"}'] - time.time()) < 60
    for hop in HOPS:
        assert found[f'maesn_bridge_probe_hop_seconds{{account="probe",hop="{hop}"}}'] == pytest.approx(report["hops_ms"][hop] / 1000)
        assert found[f'maesn_bridge_probe_hop_failed{{account="probe",hop="{hop}"}}'] == 0
    [port] = free_ports(1)
    probe.json("--textfile", path, url=f"http://127.0.0.1:{port}", code=69)
    found = metrics(path)
    assert found['maesn_bridge_probe_success{account="probe"}'] == 0
    assert found['maesn_bridge_probe_hop_failed{account="probe",hop="connect"}'] == 1
    assert 'maesn_bridge_probe_hop_seconds{account="probe",hop="connect"}' not in found
    assert [p.name for p in tmp_path.iterdir()] == ["probe.prom"]


def test_a_textfile_that_cannot_be_written_is_told(probe, tmp_path):
    done = probe.run("--textfile", tmp_path / "missing" / "probe.prom")
    assert done.returncode == 1 and "cannot be written" in done.stderr and "came through" in done.stdout
