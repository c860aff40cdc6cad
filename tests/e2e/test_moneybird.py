"""Accounts at Moneybird itself: webhooks that are kept, and what they push, end to end."""

import json
import time

import pytest

from harness import consumers, wait
from harness.moneybird import Moneybird, signed_push
from harness.provider import Fault
from harness.reconciler import World
from harness.sender import exchange, request

CONTACTS = [{"resource": "CONTACT", "events": ["CREATED", "DELETED"]}]


def native(name, administration="123456789012345678", subscriptions=CONTACTS, **more):
    return {"id": name, "provider": "moneybird", "company_id": administration, "account_key_file": f"../secrets/{name}",
            "subscriptions": subscriptions, **more}


@pytest.fixture
def moneybird():
    server = Moneybird()
    yield server
    server.stop()


numbers = iter(range(1, 1000))


@pytest.fixture
def start_native(kafka, moneybird):
    """start_native(accounts, settings): two ingresses, to one of which Moneybird's probe goes, and then a reconciler."""
    worlds = []

    def start(accounts, settings=None):
        world = World(kafka, moneybird, f"native{next(numbers)}", accounts, settings)
        worlds.append(world)
        world.topics = [f"{world.prefix}.{slug}" for slug in ("contact", "invoice", "other", "dead-letter")]
        kafka.create_topics(*world.topics)
        world.ingresses = [world.start_ingress(), world.start_ingress()]
        moneybird.ingress_ports = [i.ingress_port for i in world.ingresses]
        world.start()
        return world

    yield start
    try:
        for bridge in [bridge for world in worlds for bridge in world.bridges]:
            assert bridge.stop() == 0, bridge.output.read_text()[-3000:]
    finally:
        for world in worlds:
            world.stop()


def push(world, webhook, action, entity_id, delivery):
    """Pushes to each ingress until it knows the secret; returns the answers of the last try."""
    body = webhook.push(action, "Contact", entity_id)

    def answers():
        return [exchange(i.ingress_port, signed_push(webhook, body, delivery)).status for i in world.ingresses]

    wait.until(lambda: answers() == [200, 200], 10, "the push is taken")


def test_a_native_account_becomes_one_webhook_whose_pushes_are_records(kafka, start_native, moneybird):
    """Fails when the probe is refused before the secret is known, when what is wanted is not spelled out, or when token or
    secret are not kept."""
    world = start_native([native("bakery", events_raw=["estimate_created"])])
    wait.until(lambda: moneybird.of("key-of-bakery"), 30, "the webhook is made")
    [webhook] = moneybird.of("key-of-bakery")
    world.await_settled("bakery", count=1)

    [made] = moneybird.asked("POST")
    assert made.path == "/123456789012345678/webhooks.json"
    assert made.headers["authorization"] == "Bearer key-of-bakery"
    assert made.body["enabled_events"] == sorted({"contact_created", "contact_created_from_checkout_order",
                                                  "contact_destroyed", "estimate_created"})
    assert [answer.status for answer in moneybird.probes] == [200]
    [route] = world.routes("bakery", "active")
    assert (route["secret"], route["token"]) == (webhook.secret, webhook.token)
    assert consumers.read_all(kafka, *world.topics) == []  # the probe is no event

    push(world, webhook, "contact_created", "789", "delivery-1")
    push(world, webhook, "contact_destroyed", "790", "delivery-2")
    records = consumers.read_all(kafka, world.topics[0])
    events = {(r.headers["ce_id"], r.key, r.headers["ce_type"], json.loads(r.value)["resourceId"]) for r in records}
    assert {(key, type, id) for _, key, type, id in events} == {
        (b"CONTACT:bakery", "com.moneybird.contact.created", "789"), (b"CONTACT:bakery", "com.moneybird.contact.deleted", "790")}
    assert len(events) == 2  # one id a delivery, at both replicas
    assert not [r for r in records if b"Example B.V." in r.value]  # personal data stays out

    body = webhook.push("contact_created", "Contact", "791")
    for data in (signed_push(webhook, body, "late", at=time.time() - 600), request(webhook.path, body)):
        assert exchange(world.ingresses[0].ingress_port, data).status == 401
    assert len(consumers.read_all(kafka, *world.topics)) == len(records)


def test_another_set_of_events_is_another_webhook_made_before_the_old_one_goes(start_native, moneybird):
    """Fails when the set is not compared, or the old one goes before every ingress knows the new one's secret."""
    world = start_native([native("bakery")])
    world.await_settled("bakery", count=1)
    [old] = moneybird.of("key-of-bakery")
    world.declare([native("bakery", subscriptions=[{"resource": "CONTACT", "events": ["DELETED"]}])])
    wait.until(lambda: len(moneybird.of("key-of-bakery")) == 2, 30, "the new one stands beside the old one")
    [new] = [w for w in moneybird.of("key-of-bakery") if w is not old]
    assert new.enabled_events == ["contact_destroyed"]
    for webhook in (old, new):
        push(world, webhook, "contact_destroyed", "1", f"to-{webhook.id}")
    wait.until(lambda: old.ended_at, 40, "the old one is gone")
    assert old.ended_at - new.made_at >= 10  # overlap_s
    push(world, old, "contact_destroyed", "2", "still-in-the-queue")
    world.await_settled("bakery", count=1)
    assert len(moneybird.asked("POST")) == 2


def test_a_set_in_another_order_or_with_twins_is_the_same(start_native, moneybird):
    world = start_native([native("bakery")])
    world.await_settled("bakery", count=1)
    [webhook] = moneybird.of("key-of-bakery")
    with moneybird.lock:
        webhook.enabled_events = [*reversed(webhook.enabled_events), webhook.enabled_events[0]]
    lists = len(moneybird.asked("GET"))
    wait.until(lambda: len(moneybird.asked("GET")) >= lists + 2, 40, "two more passes")
    assert len(moneybird.asked("POST")) == 1


def test_a_deactivated_webhook_is_activated(start_native, moneybird):
    world = start_native([native("bakery")])
    world.await_settled("bakery", count=1)
    [webhook] = moneybird.of("key-of-bakery")
    moneybird.deactivate(webhook)
    wait.until(lambda: webhook.deactivated_at is None, 30, "it sends again")
    [activated] = moneybird.asked("PATCH")
    assert activated.path == f"/123456789012345678/webhooks/{webhook.id}/activate.json"
    assert len(moneybird.asked("POST")) == 1 and not moneybird.asked("DELETE")


def test_retry_after_holds_every_call_of_the_process_until_that_instant(start_native, moneybird):
    """Moneybird's Retry-After is an instant in seconds since 1970. Fails when it is taken for a duration, or holds only the
    account that was told."""
    until = []

    def fault(request):
        if until:
            return None
        until.append(int(time.time()) + 5)
        return Fault(acts=False, status=429, body='"Retry later"', headers={"Retry-After": until[0]})

    moneybird.fault = fault
    names = ["bakery", "butcher", "grocer"]
    world = start_native([native(name, administration=str(100 + i)) for i, name in enumerate(names)])
    world.await_settled(*names, count=3, seconds=60)
    now = time.monotonic() - time.time()
    refused, *later = moneybird.asked()
    early = [r for r in later if refused.ended_at + 0.2 < r.at < until[0] + now]
    assert not early, early
    assert min(r.at for r in later if r.writes) < until[0] + now + 10  # and not for 56 years


def test_no_more_calls_than_the_limit_within_its_window(start_native, moneybird):
    """Fails when retries, or another kind of call, are not counted."""
    moneybird.fault = lambda request: Fault(acts=False, status=500) if request.method == "GET" and len(
        moneybird.requests) % 3 == 0 else None
    names = [f"shop-{i}" for i in range(6)]
    world = start_native([native(name, administration=str(100 + i)) for i, name in enumerate(names)],
                         {"moneybird": {"requests_per_5_min": 8}})
    wait.until(lambda: len(moneybird.asked()) >= 8, 30, "all calls that are left are made")
    began_at = moneybird.asked()[0].at
    wait.until(lambda: time.monotonic() > began_at + 15, 30, "more than a pass was due again")
    assert len(moneybird.asked()) == 8
    # Those that wait for the rest of the five minutes do not keep the process.
    assert world.bridges[-1].stop(seconds=8) == 0
