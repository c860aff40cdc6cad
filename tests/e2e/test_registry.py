"""An ingress that reads its routes from the registry topic."""

import asyncio
import itertools
import json
import threading
import time

import pytest

from harness import wait
from harness.bridge import SECRET, Bridge, ConfigDirectory, merged
from harness.consumers import read_all
from harness.ports import free_ports
from harness.registry import KeyFile, Registry, Route
from harness.sender import Load, encode, event, exchange, post, request, statuses

BODY = encode(event("1111"))
NOTHING = b"[]"  # verifies, produces nothing

numbers = itertools.count(1)


@pytest.fixture
def registry(kafka):
    return Registry(kafka, f"reg{next(numbers)}")


@pytest.fixture
def bridge(kafka, registry, start_bridge):
    return start_bridge(kafka, registry.settings, secrets=registry.secrets)


def status_of(bridge, registry, route, secret=None, body=NOTHING):
    return post(bridge.ingress_port, registry.path(route), body, secret or route.secret).status


def send(bridge, data):
    """The answer to a request of any form."""
    return exchange(bridge.ingress_port, data)


def await_status(bridge, registry, route, status, seconds=2, **more):
    wait.until(lambda: status_of(bridge, registry, route, **more) == status, seconds, f"{route.key} is answered {status}")


def await_entries(bridge, count):
    wait.until(lambda: bridge.metric("maesn_bridge_registry_entries") == count, 5, f"{count} entries")


# --- following ---


def test_a_committed_route_serves_callbacks_within_half_a_second_and_is_never_404_before(bridge, registry):
    delays = []
    for i in range(30):
        route = Route(f"account-{i}", age_s=1)
        assert status_of(bridge, registry, route) == 503  # young: the registry may be ahead of us
        committed_at = registry.put(route)
        while (status := status_of(bridge, registry, route)) != 200:
            assert status == 503
            assert time.monotonic() < committed_at + 2, f"{route.key} is still answered {status}"
        delays.append(time.monotonic() - committed_at)
    assert sorted(delays)[-1] < 0.5, delays
    assert bridge.metric("maesn_bridge_registry_entries") == 30
    assert bridge.metric("maesn_bridge_registry_loaded") == 1


def test_an_event_of_a_registry_route_is_described_by_its_record(kafka, bridge, registry):
    route = Route("acme-42", resource="journal-entry", event="created", system="exact-nl")
    registry.put(route)
    await_status(bridge, registry, route, 200)
    assert status_of(bridge, registry, route, body=BODY) == 200
    [record] = read_all(kafka, bridge.topics["invoice"])
    assert record.key == b"INVOICE:acme-42"
    assert record.headers["ce_source"] == "/maesn/exact-nl/acme-42"
    assert json.loads(record.value)["system"] == "exact-nl"


def test_each_state_but_pending_verifies_and_a_tombstone_is_404(bridge, registry):
    route = Route("acme-42")
    for state in ("active", "retiring", "retired"):
        registry.put(route, state=state)
        await_status(bridge, registry, route, 200)
        assert status_of(bridge, registry, route, secret="wrong") == 401
    registry.delete(route)
    await_status(bridge, registry, route, 404)
    await_entries(bridge, 0)


def test_a_secret_that_rotates_under_load_refuses_no_callback(bridge, registry):
    """Make before break: the new generation is there before the old one retires."""
    old, new = Route("acme-42"), Route("acme-42", age_s=0)
    registry.put(old)
    await_status(bridge, registry, old, 200)

    async def scenario():
        async with Load(bridge.ingress_port, registry.path(old), old.secret, connections=8, rate=200) as load:
            await load.answered(50)
            registry.put(new, state="pending")
            async with Load(bridge.ingress_port, registry.path(new), new.secret, connections=8, rate=200,
                            prefix="new") as newer:
                await asyncio.to_thread(registry.put, new)
                await newer.answered(50)
                await asyncio.to_thread(registry.put, old, state="retired")
                await load.answered(50)
        return load, newer

    load, newer = asyncio.run(scenario())
    assert statuses(a for _, a in load.answers) == {200: len(load.answers)}
    # What came between the intent and what this replica had read of it was put off, never refused.
    assert set(statuses(a for _, a in newer.answers)) <= {200, 503}
    assert statuses(a for _, a in newer.answers)[200] >= 50


def test_a_restarted_bridge_knows_what_was_committed(kafka, registry, start_bridge):
    kept, gone = Route("acme-42"), Route("globex")
    registry.put(kept, gone)
    registry.delete(gone)
    bridge = start_bridge(kafka, registry.settings, secrets=registry.secrets)
    [loaded] = bridge.log("registry.loaded")
    assert loaded["routes"] == 1
    assert status_of(bridge, registry, kept) == 200
    assert status_of(bridge, registry, gone) == 404


def test_static_routes_stand_beside_the_registry(bridge, registry):
    registry.put(route := Route("acme-42"))
    await_status(bridge, registry, route, 200)
    assert post(bridge.ingress_port, "/in/maesn/acme-42/by-hand", NOTHING, SECRET).status == 200


# --- what is not known yet ---


def test_a_signed_callback_on_a_pending_route_waits_for_the_secret(kafka, bridge, registry):
    route = Route("acme-42", age_s=1)
    registry.put(route, state="pending")
    await_entries(bridge, 1)
    answers = []
    sender = threading.Thread(
        target=lambda: answers.append(post(bridge.ingress_port, registry.path(route), BODY, route.secret)))
    sender.start()
    wait.until(lambda: bridge.metric("maesn_bridge_in_flight_requests") == 1, 2, "the callback is held")
    assert not answers
    committed_at = registry.put(route)
    sender.join(5)
    [answer] = answers
    assert answer.status == 200
    assert answer.sent_at + answer.elapsed < committed_at + 0.5
    [record] = read_all(kafka, bridge.topics["invoice"])
    assert record.key == b"INVOICE:acme-42"


def test_a_secret_that_does_not_come_is_503_at_the_deadline(bridge, registry):
    route = Route("acme-42", age_s=1)
    registry.put(route, state="pending")
    await_entries(bridge, 1)
    answer = post(bridge.ingress_port, registry.path(route), BODY, route.secret)
    assert (answer.status, answer.retry_after) == (503, "1")
    assert 2.4 < answer.elapsed < 3.0  # deadline_ms is 2500


def unsigned(path, method="POST"):
    return request(path, NOTHING if method == "POST" else b"", method=method)


def test_what_carries_no_signature_is_401_but_for_moneybirds_probe(kafka, bridge, registry):
    maesn = Route("acme-42", age_s=1)
    bird = Route("bird-1", provider="moneybird", system="moneybird", resource="all", age_s=1)
    for known in (False, True):
        if known:
            registry.put(maesn, bird, state="pending")
            await_entries(bridge, 2)
        assert send(bridge, unsigned(registry.path(maesn))).status == 401
        for method in ("POST", "GET", "HEAD"):
            assert send(bridge, unsigned(registry.path(bird), method)).status == 200
        assert send(bridge, unsigned(registry.path(bird), "PUT")).status == 405
    # Nothing of it was taken for an event, and nothing old is taken for a probe.
    old = Route("bird-2", provider="moneybird", system="moneybird", resource="all")
    assert send(bridge, unsigned(registry.path(old))).status == 404
    assert read_all(kafka, *bridge.topics.all) == []


def test_a_wrong_token_or_an_old_generation_is_404(bridge, registry):
    young, old, future = Route("acme-42", age_s=1), Route("acme-42", age_s=16 * 60), Route("acme-42", age_s=-120)
    assert status_of(bridge, registry, young) == 503
    assert status_of(bridge, registry, old) == 404
    assert status_of(bridge, registry, future) == 404
    path = registry.path(young)
    forged = path[:-1] + ("a" if path[-1] != "a" else "b")
    assert post(bridge.ingress_port, forged, NOTHING, young.secret).status == 404
    assert post(bridge.ingress_port, Route("acme-42", age_s=1).path(KeyFile("another")), NOTHING, "s").status == 404


def test_until_the_registry_is_read_the_process_is_unready_and_nothing_is_404(kafka, registry, start_bridge):
    """The broker is away: a port that nobody listens on."""
    [port] = free_ports(1)
    settings = merged(registry.settings, {"kafka": {"brokers": f"127.0.0.1:{port}"}})
    bridge = start_bridge(kafka, settings, secrets=registry.secrets, create_topics=False, ready=False)
    wait.until(lambda: bridge.admin("/livez")[0] == 200, 10, "the bridge lives")
    code, text = bridge.admin("/readyz?verbose")
    assert code == 503
    assert f"[-]registry failed: topic {registry.topic} was not read to its end yet" in text
    assert bridge.metric("maesn_bridge_registry_loaded") == 0
    old = Route("acme-42")
    for path in ("/in/nobody", registry.path(old), registry.path(Route("acme-42", age_s=1))):
        answer = post(bridge.ingress_port, path, NOTHING, "a-secret")
        assert (answer.status, answer.retry_after) == (503, "1")
    bird = Route("bird-1", provider="moneybird", system="moneybird", resource="all")
    assert send(bridge, unsigned(registry.path(bird))).status == 503
    assert post(bridge.ingress_port, "/in/maesn/acme-42/by-hand", NOTHING, SECRET).status == 200


# --- what cannot be read ---


def flipped(value):
    return value[:-1] + bytes([value[-1] ^ 1])


def test_an_unreadable_record_disables_its_route_and_no_other(bridge, registry):
    good, bad, moved = Route("acme-42"), Route("acme-42", event="created"), Route("acme-42", event="updated")
    registry.put(good, bad, moved)
    for route in (good, bad, moved):
        await_status(bridge, registry, route, 200)
    partition = registry.partition("acme-42")
    registry.commit((bad.key, flipped(registry.seal(bad.key, bad.record())), partition),
                    (moved.key, registry.seal(good.key, good.record()), partition))
    for route in (bad, moved):
        await_status(bridge, registry, route, 503)
    assert status_of(bridge, registry, good) == 200
    assert bridge.metric("maesn_bridge_registry_entries") == 3
    assert bridge.metric("maesn_bridge_registry_entries_unreadable") == 2
    assert {line["key"] for line in bridge.log("registry.record-refused")} == {bad.key, moved.key}
    assert not [line for line in bridge.log() for r in (good, bad, moved) if r.secret in json.dumps(line)]

    registry.put(bad)  # a record that can be read heals it
    await_status(bridge, registry, bad, 200)


def test_records_of_another_topic_or_version_disable_their_route(bridge, registry):
    foreign, newer = Route("acme-42", event="created"), Route("acme-42", event="updated")
    partition = registry.partition("acme-42")
    registry.commit((foreign.key, registry.seal(foreign.key, foreign.record(), topic="another.registry"), partition),
                    (newer.key, registry.seal(newer.key, newer.record() | {"version": 2}), partition))
    for route in (foreign, newer):
        await_status(bridge, registry, route, 503)


def test_a_key_that_comes_with_a_reload_brings_its_routes_back_within_two_seconds(bridge, registry):
    route, new_key = Route("acme-42"), KeyFile("2026-06")
    registry.commit((route.key, registry.seal(route.key, route.record(), keyring=new_key),
                     registry.partition("acme-42")))
    await_status(bridge, registry, route, 503)
    [line] = bridge.log("registry.record-refused")
    assert line["sealed_under"] == "2026-06"
    registry.keyring.keys |= new_key.keys
    bridge.config.write("secrets/keyring", registry.keyring.text)
    await_status(bridge, registry, route, 200, seconds=2)
    assert bridge.metric("maesn_bridge_registry_entries_unreadable") == 0

    bridge.config.write("secrets/keyring", "no key\n")
    wait.until(lambda: bridge.metric("maesn_bridge_config_last_reload_successful") == 0, 3, "the file is refused")
    assert status_of(bridge, registry, route) == 200


def test_a_new_route_key_is_known_with_the_old_one(bridge, registry):
    route = Route("acme-42")
    registry.put(route)
    await_status(bridge, registry, route, 200)
    newer = KeyFile("newer")
    bridge.config.write("secrets/route-key", newer.text + "\n" + registry.route_keys.text)
    wait.until(lambda: post(bridge.ingress_port, route.path(newer), NOTHING, route.secret).status == 200, 2,
               "the new key's paths are known")
    assert status_of(bridge, registry, route) == 200


# --- topics that are not fit ---


def exit_of(cluster, registry):
    """Exit code and what was logged last of a bridge that must not go on."""
    bridge = Bridge(ConfigDirectory(merged({"kafka": {"brokers": cluster.bootstrap}}, registry.settings),
                                    secrets=registry.secrets)).spawn()
    try:
        code = bridge.process.wait(timeout=20)
        [line] = bridge.log("process.failed")
        return code, line["error"]
    finally:
        bridge.kill()
        bridge.config.remove()


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_registry_topic_that_is_not_compact_only_is_refused_with_78(kafka, policy):
    registry = Registry(kafka, f"reg{next(numbers)}", create=False)
    kafka.create_topics(registry.topic, partitions=4, config={"cleanup.policy": policy})
    code, error = exit_of(kafka, registry)
    assert code == 78
    assert registry.topic in error and "cleanup.policy" in error


def test_a_missing_registry_topic_is_69_and_says_what_makes_it(kafka):
    registry = Registry(kafka, f"reg{next(numbers)}", create=False)
    code, error = exit_of(kafka, registry)
    assert code == 69
    assert registry.topic in error and "topics apply" in error


def test_a_record_in_the_wrong_partition_is_refused_with_78(kafka, registry):
    route = Route("acme-42")
    registry.commit((route.key, registry.seal(route.key, route.record()), (registry.partition("acme-42") + 1) % 4))
    code, error = exit_of(kafka, registry)
    assert code == 78
    assert registry.topic in error and "resized" in error


def test_a_record_in_the_wrong_partition_of_a_running_process_is_an_alert(bridge, registry):
    good, route = Route("acme-42"), Route("globex")
    registry.put(good)
    await_status(bridge, registry, good, 200)
    registry.commit((route.key, registry.seal(route.key, route.record()), (registry.partition("globex") + 1) % 4))
    [line] = wait.until(lambda: bridge.log("registry.topic-refused"), 5, "it is logged")
    assert line["level"] == "error" and registry.topic in line["error"]
    assert bridge.metric("maesn_bridge_registry_loaded") == 0
    assert bridge.admin("/readyz")[0] == 200
    assert status_of(bridge, registry, good) == 200


@pytest.mark.parametrize("name", ["keyring", "route-key"])
def test_a_faulty_key_file_is_refused_with_78(kafka, registry, name):
    registry.secrets[name] = "no key"
    code, error = exit_of(kafka, registry)
    assert code == 78
    assert f"{name}:1" in error and "no key" not in error


# --- activity ---


def test_the_activity_topic_tells_when_a_subscription_was_last_heard(kafka, bridge, registry):
    route = Route("acme-42", resource="journal-entry", event="created")
    silent = Route("globex")
    registry.put(route, silent)
    await_status(bridge, registry, route, 200)
    before = int(time.time() * 1000)
    for _ in range(3):
        assert status_of(bridge, registry, route, body=BODY) == 200
    assert status_of(bridge, registry, silent, body=BODY, secret="wrong") == 401
    [record] = wait.until(lambda: read_all(kafka, registry.activity), 10, "a record of the activity")
    assert record.key.decode() == route.specification == "maesn/acme-42/journal-entry/created"
    value = json.loads(record.value)
    assert before <= value["first_at_unix_ms"] <= value["last_at_unix_ms"] <= int(time.time() * 1000)
    assert (value["version"], set(value)) == (1, {"version", "first_at_unix_ms", "last_at_unix_ms", "callbacks"})
    # At most one a minute: more callbacks make no more records now.
    for _ in range(3):
        assert status_of(bridge, registry, route, body=BODY) == 200
    time.sleep(2.5)  # more than two turns of the writer
    assert len(read_all(kafka, registry.activity)) == 1


def test_callbacks_do_not_mind_that_the_activity_topic_is_missing(kafka, start_bridge):
    registry = Registry(kafka, f"reg{next(numbers)}", create=False)
    kafka.create_topics(registry.topic, partitions=4, config={"cleanup.policy": "compact"})
    bridge = start_bridge(kafka, registry.settings, secrets=registry.secrets)
    route = Route("acme-42")
    registry.put(route)
    await_status(bridge, registry, route, 200)
    started_at = time.monotonic()
    while time.monotonic() < started_at + 3:
        answer = post(bridge.ingress_port, registry.path(route), BODY, route.secret)
        assert answer.status == 200 and answer.elapsed < 1
