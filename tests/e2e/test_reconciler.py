"""The reconciler against Apache Kafka and a Maesn that does what its documents say."""

import hashlib
import itertools
import time

import pytest

from harness import wait
from harness.maesn import API_KEY, Maesn
from harness.reconciler import PUBLIC_URL, World, account
from harness.sender import post

numbers = itertools.count(1)

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]


@pytest.fixture
def maesn():
    server = Maesn()
    yield server
    server.stop()


@pytest.fixture
def start_world(kafka, maesn):
    """start_world(accounts, settings): a world in which a reconciler is ready; it has to stop with 0."""
    worlds = []

    def start(accounts, settings=None, ready=True, **more):
        world = World(kafka, maesn, f"rec{next(numbers)}", accounts, settings, **more)
        worlds.append(world)
        world.start(ready)
        return world

    yield start
    try:
        for world in worlds:
            for bridge in world.bridges:
                stopped_before = bridge.process.poll() is not None
                code = bridge.stop()
                bridge.log()
                assert stopped_before or code == 0, f"exit code {code}: {bridge.output.read_text()[-3000:]}"
    finally:
        for world in worlds:
            world.stop()


def posted(maesn, name):
    """What was posted for the account, in the documents' words."""
    return sorted((r.query.get("companyId"), r.body.get("resource"), r.body.get("eventType"))
                  for r in maesn.asked("POST", f"key-of-{name}"))


def test_an_accounts_file_becomes_subscriptions_and_sealed_records(start_world, maesn):
    world = start_world([account("acme-42", "freshbooks", INVOICES, company_id="123")])
    world.await_settled("acme-42", count=2)

    assert posted(maesn, "acme-42") == [("123", "INVOICE", "CREATED"), ("123", "INVOICE", "UPDATED")]
    for request in maesn.asked("POST"):
        assert request.api_key == API_KEY and request.path == "/webhooks"
        assert request.body.keys() == {"callbackUrl", "resource", "eventType"}
        assert request.body["callbackUrl"].startswith(
            f"{PUBLIC_URL}/in/maesn/acme-42/invoice/{request.body['eventType'].lower()}/")
    # Listed first, then one POST at a time, and nothing else.
    assert [r.method for r in maesn.asked()][:3] == ["GET", "POST", "POST"]
    secrets = {s.id: s.secret for s in maesn.of("key-of-acme-42")}
    assert {r["provider_id"]: r["secret"] for r in world.routes()} == secrets
    for record in world.records():
        for secret in (*secrets.values(), "key-of-acme-42"):
            assert record.value is None or secret.encode() not in record.value


def test_a_second_pass_makes_one_get_per_account_and_writes_nothing(start_world, maesn):
    names = [f"tenant-{i}" for i in range(5)]
    world = start_world([account(name, "lexware-office", INVOICES) for name in names])
    for name in names:
        world.await_settled(name, count=2)
    bridge = world.bridges[0]
    records, asked = len(world.records()), len(maesn.asked())
    passes = bridge.metric("maesn_bridge_reconcile_passes_total")
    wait.until(lambda: len(maesn.asked()) >= asked + len(names), 30, "every account was listed again")
    assert {r.method for r in maesn.asked()[asked:]} == {"GET"}
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_passes_total") >= passes + len(names), 30, "the passes ended")
    assert len(world.records()) == records
    assert bridge.metric("maesn_bridge_reconcile_drift") == 0


def test_the_ingress_verifies_what_the_reconciler_subscribed(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    world.await_settled("acme-42", count=2)
    subscription = maesn.of("key-of-acme-42")[0]
    world.start_ingress()

    def status():
        try:
            return post(world.config.ingress_port, subscription.path, b"[]", subscription.secret).status
        except OSError:
            return 0

    wait.until(lambda: status() == 200, 20, "a signed callback is answered 200")
    assert post(world.config.ingress_port, subscription.path, b"[]", "another secret").status == 401


def test_an_account_that_is_no_longer_declared_is_deleted_after_the_delay_under_sync(start_world, maesn):
    keeps, goes = account("keeps", "lexware-office", INVOICES), account("goes", "lexware-office", INVOICES)
    world = start_world([keeps, goes], {"reconciler": {"policy": "sync", "delete_delay_s": 3}})
    for name in ("keeps", "goes"):
        world.await_settled(name, count=2)
    undeclared_at = time.monotonic()
    world.declare([keeps])
    wait.until(lambda: not maesn.of("key-of-goes"), 40, "its subscriptions are gone")
    assert min(r.at for r in maesn.asked("DELETE")) >= undeclared_at + 3
    assert maesn.of("key-of-keeps")
    # What the provider may still have in its queue verifies for the grace.
    wait.until(lambda: {r["state"] for r in world.routes("goes")} == {"retired"}, 10, "its routes are retired")


def test_nothing_is_deleted_where_nothing_is_declared_any_more(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)], {"reconciler": {"policy": "sync", "delete_delay_s": 0}})
    world.await_settled("acme-42", count=2)
    world.declare([])
    wait.until(lambda: world.bridges[0].metric("maesn_bridge_reconcile_deletes_withheld") == 1, 20, "deletes are withheld")
    asked = len(maesn.asked("GET"))
    wait.until(lambda: len(maesn.asked("GET")) > asked, 30, "another pass")
    assert not maesn.asked("DELETE")


def test_a_kill_in_the_middle_of_a_post_is_repaired(start_world, maesn):
    """The POST arrives and is never answered: its subscription has a secret that nobody knows."""
    maesn.fault = lambda request: "hold" if request.method == "POST" else None
    world = start_world([account("acme-42", "freshbooks", INVOICES, company_id="123")])
    wait.until(lambda: len(maesn.of("key-of-acme-42")) == 1, 20, "a subscription was made")
    world.bridges[0].kill()
    maesn.fault = lambda request: None
    maesn.released.set()
    lost = maesn.of("key-of-acme-42")[0].id

    world.start()
    world.await_settled("acme-42", count=2, seconds=60)
    assert lost not in {s.id for s in maesn.of("key-of-acme-42")}
    secrets = {s.id: s.secret for s in maesn.of("key-of-acme-42")}
    assert {r["provider_id"]: r["secret"] for r in world.routes(state="active")} == secrets


def test_a_refused_account_key_blocks_the_account_until_another_one_comes(start_world, maesn):
    maesn.fault = lambda request: (401, "{}") if request.account_key == "key-of-acme-42" else None
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    bridge = world.bridges[0]
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_accounts", status="blocked") == 1, 20, "it is blocked")
    assert len(maesn.asked()) == 1
    world.config.write("secrets/acme-42", "a-new-key\n")
    wait.until(lambda: maesn.of("a-new-key"), 10, "it is subscribed with the new key")
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_accounts", status="blocked") == 0, 20, "it is not blocked")


def test_secrets_are_nowhere_to_be_read(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    world.await_settled("acme-42", count=2)
    bridge = world.bridges[0]
    told = bridge.output.read_text() + bridge.admin("/metrics")[1] + bridge.admin("/debug/config")[1]
    for secret in (API_KEY, "key-of-acme-42", *(s.secret for s in maesn.of("key-of-acme-42"))):
        assert secret not in told
        assert hashlib.sha256(secret.encode()).hexdigest() not in told
