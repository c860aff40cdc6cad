"""The admin listener: what machines and people ask."""

import json
import re
import subprocess

from harness import environment, wait
from harness.bridge import PATH, SECRET, run
from harness.sender import encode, event, post

PUBLISHED = {
    "maesn_bridge_http_requests_total", "maesn_bridge_http_request_duration_seconds_bucket",
    "maesn_bridge_in_flight_requests", "maesn_bridge_signature_verifications_total", "maesn_bridge_kafka_messages_total",
    "maesn_bridge_requests_limited_total", "maesn_bridge_suspected_replays_total",
    "maesn_bridge_kafka_delivery_duration_seconds_bucket", "maesn_bridge_dead_letters_total",
    "maesn_bridge_config_last_reload_successful", "maesn_bridge_config_last_reload_success_timestamp_seconds",
    "maesn_bridge_config_restart_required", "maesn_bridge_secret_files_missing", "maesn_bridge_build_info",
    "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds",
}


def use(bridge):
    """Some of everything, so that every series has a value."""
    for body, secret in ((encode(event(1)), SECRET), (encode(event(2)), "wrong"), (b"not json", SECRET)):
        post(bridge.ingress_port, PATH, body, secret)
    post(bridge.ingress_port, "/in/nobody", b"{}", SECRET)


def test_promtool_finds_nothing_wrong_with_a_live_scrape(bridge):
    use(bridge)
    status, text = bridge.admin("/metrics")
    assert status == 200
    done = subprocess.run([environment.CACHE / "promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout + done.stderr == ""


def test_the_published_metrics_are_there_and_count(bridge):
    use(bridge)
    text = bridge.admin("/metrics")[1]
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert PUBLISHED - names == set()
    assert bridge.metric("maesn_bridge_http_requests_total", provider="maesn", code="200") == 2
    assert bridge.metric("maesn_bridge_http_requests_total", provider="maesn", code="401") == 1
    assert bridge.metric("maesn_bridge_http_requests_total", code="404") == 1
    assert bridge.metric("maesn_bridge_signature_verifications_total", provider="maesn", result="current") == 2
    assert bridge.metric("maesn_bridge_signature_verifications_total", provider="maesn", result="bad") == 1
    assert bridge.metric("maesn_bridge_kafka_messages_total", topic=bridge.topics["invoice"], result="acked") == 1
    assert bridge.metric("maesn_bridge_dead_letters_total", reason="not-json") == 1
    assert bridge.metric("maesn_bridge_http_request_duration_seconds_count") >= 3


def test_the_probes_answer_and_the_verbose_one_says_what_was_asked(bridge):
    assert bridge.admin("/livez")[0] == 200
    assert bridge.admin("/readyz")[0] == 200
    missing = re.compile(r"^\[-\]kafka failed: \d+ topics are missing", re.MULTILINE)
    wait.until(lambda: missing.search(bridge.admin("/readyz?verbose")[1]), 10, "the topics not made to be missed")
    assert run("topics", "apply", "--config", bridge.config.file).returncode == 0
    wait.until(lambda: "[+]kafka ok" in bridge.admin("/readyz?verbose")[1], 10, "the missing topics to be seen")
    version = json.loads(bridge.admin("/version")[1])
    assert version["version"] in run("--version").stdout
    assert bridge.admin("/nothing-here")[0] == 404


def test_livez_does_not_depend_on_the_broker(own_kafka, start_bridge):
    bridge = start_bridge(own_kafka)
    own_kafka.brokers[0].sigstop()
    try:
        post(bridge.ingress_port, PATH, encode(event(1)), SECRET)
        assert bridge.admin("/livez")[0] == 200
        wait.until(lambda: "[-]kafka" in bridge.admin("/readyz?verbose")[1], 10, "the outage to be shown")
    finally:
        own_kafka.brokers[0].sigcont()


def test_the_public_listener_serves_nothing_of_it(bridge):
    for path in ("/metrics", "/livez", "/debug/config", "/rejections.json", "/status", "/status.json"):
        assert post(bridge.ingress_port, path, b"", SECRET).status == 404
