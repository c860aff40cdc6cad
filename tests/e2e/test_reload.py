"""Configuration changes while callbacks come in: seen within two seconds, or not at all."""

import asyncio
import json
import signal
import time

import pytest
from conftest import RESOURCES

from harness import wait
from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory, MountedDirectory, route
from harness.sender import Load, post, statuses

NEW_SECRET = "a-rotated-secret-0123456789abcdef"
SAMPLE = b"[]"  # verifies, produces nothing
INVOICE = b'[{"eventType": "CREATED", "resource": "INVOICE", "resourceId": "1", "filterDate": "2026-05-04T12:30:00Z"}]'


def accepts(bridge, secret, path=PATH):
    return post(bridge.ingress_port, path, SAMPLE, secret).status == 200


@pytest.fixture
def mounted(kafka, start_bridge, tmp_path):
    """(bridge, routes directory, secrets directory): both as Kubernetes mounts them."""
    routes, secrets = MountedDirectory(tmp_path / "routes"), MountedDirectory(tmp_path / "secrets")
    secrets.publish({"current": SECRET, "previous": "a-secret-of-long-ago"})
    routes.publish({"routes.yaml": declared(tmp_path)})
    bridge = start_bridge(kafka, {"routes_dir": str(routes.path)})
    return bridge, routes, secrets


def declared(directory, *more):
    return json.dumps({"routes": [route(secret_file=str(directory / "secrets/current"),
                                        previous_secret_file=str(directory / "secrets/previous")), *more]})


def test_a_rotated_secret_is_live_within_two_seconds_and_no_callback_is_refused(mounted):
    bridge, _, secrets = mounted

    async def scenario():
        async with Load(bridge.ingress_port, PATH, SECRET, connections=16, rate=300) as load:
            await load.answered(100)
            secrets.publish({"current": NEW_SECRET, "previous": SECRET})
            swapped_at = time.monotonic()
            while not await asyncio.to_thread(accepts, bridge, NEW_SECRET):
                assert time.monotonic() < swapped_at + 2, "the new secret is not live"
            await load.answered(100)
            load.secret = NEW_SECRET
            await load.answered(100)
        return load

    load = asyncio.run(scenario())
    assert statuses(a for _, a in load.answers) == {200: len(load.answers)}
    assert bridge.metric("maesn_bridge_signature_verifications_total", result="previous") > 0
    # The secret of long ago went with the swap.
    assert not accepts(bridge, "a-secret-of-long-ago")


def test_an_invalid_file_changes_nothing_and_shows_in_a_metric_until_it_is_mended(mounted, tmp_path):
    bridge, routes, _ = mounted
    assert bridge.metric("maesn_bridge_config_last_reload_successful") == 1

    async def scenario():
        async with Load(bridge.ingress_port, PATH, SECRET, connections=16, rate=300) as load:
            await load.answered(100)
            routes.publish({"routes.yaml": "routes:\n  - path: /in/maesn/acme-42/by-hand\n    no_such_key: 1\n"})
            await load.until(lambda: bridge.metric("maesn_bridge_config_last_reload_successful") == 0, 2, "the metric")
            await load.answered(300)
            routes.publish({"routes.yaml": declared(tmp_path, route("second", secret_file=str(tmp_path / "secrets/current")))})
            await load.until(lambda: bridge.metric("maesn_bridge_config_last_reload_successful") == 1, 2, "the metric")
            await load.answered(100)
        return load

    load = asyncio.run(scenario())
    assert statuses(a for _, a in load.answers) == {200: len(load.answers)}
    assert any(line["key"].endswith("no_such_key") and line["file"].endswith("routes.yaml") and line["line"] == 3
               for line in bridge.log("config.rejected"))
    assert accepts(bridge, SECRET, "/in/maesn/second/by-hand")


def test_a_vanished_secret_is_an_invalid_reload_and_a_vanished_previous_one_is_only_missing(mounted):
    bridge, _, secrets = mounted
    secrets.publish({"previous": SECRET})
    wait.until(lambda: bridge.metric("maesn_bridge_config_last_reload_successful") == 0, 3, "the metric")
    assert accepts(bridge, SECRET)
    secrets.publish({"current": NEW_SECRET})
    wait.until(lambda: accepts(bridge, NEW_SECRET), 3, "the new secret")
    wait.until(lambda: bridge.metric("maesn_bridge_secret_files_missing") == 1, 3, "the metric")
    assert bridge.metric("maesn_bridge_config_last_reload_successful") == 1
    assert not accepts(bridge, SECRET)


def test_a_route_taken_away_is_unknown_and_a_new_one_is_served(mounted, tmp_path):
    bridge, routes, _ = mounted
    routes.publish({"routes.yaml": json.dumps({"routes": [route("second", secret_file=str(tmp_path / "secrets/current"))]})})
    wait.until(lambda: accepts(bridge, SECRET, "/in/maesn/second/by-hand"), 2, "the new route")
    assert post(bridge.ingress_port, PATH, SAMPLE, SECRET).status == 404


def test_the_first_callback_of_a_new_account_with_topics_of_its_own_is_delivered(kafka, start_bridge):
    kafka.create_topics(*(f"own-topics.{account}.{slug}" for account in ("acme-42", "second") for slug in RESOURCES))
    bridge = start_bridge(kafka, {"topics": {"template": "own-topics.{account}.{resource}"}})
    bridge.config.write_routes([route(), route("second")])
    answers = []

    def is_served():
        answers.append(post(bridge.ingress_port, "/in/maesn/second/by-hand", INVOICE, SECRET).status)
        return answers[-1] != 404

    wait.until(is_served, 5, "the new route")
    assert answers[-1] == 200


def test_sighup_reloads_at_once_and_what_needs_a_restart_says_so(kafka, start_bridge):
    bridge = start_bridge(kafka)
    config = bridge.config
    config.write_routes([route(), route("second")])
    bridge.signal(signal.SIGHUP)
    wait.until(lambda: accepts(bridge, SECRET, "/in/maesn/second/by-hand"), 2, "the new route")
    assert bridge.metric("maesn_bridge_config_restart_required") == 0
    config.settings["ingress"]["body_max_bytes"] = 4096
    config.write("bridge.yaml", json.dumps(config.settings))
    bridge.signal(signal.SIGHUP)
    wait.until(lambda: bridge.metric("maesn_bridge_config_restart_required") == 1, 2, "the metric")
    assert accepts(bridge, SECRET)


def test_a_configuration_that_is_wrong_at_the_start_exits_78_and_names_every_error(kafka):
    config = ConfigDirectory({"kafka": {"brokers": kafka.bootstrap, "linger": 1}, "formt": "binary"})
    try:
        bridge = Bridge(config).spawn()
        assert bridge.process.wait(timeout=10) == 78
        errors = [line for line in bridge.output.read_text().splitlines() if f"{config.file}:" in line]
        assert any("kafka.linger" in line for line in errors) and any("formt" in line for line in errors)
    finally:
        bridge.kill()
        config.remove()
