"""The reconciler against Apache Kafka and a Maesn that does what its documents say."""

import hashlib
import itertools
import json
import signal
import time

from harness import wait
from harness.bridge import run
from harness.kafka import KafkaCluster
from harness.maesn import API_KEY
from harness.provider import Fault
from harness.reconciler import PUBLIC_URL, World, account
from harness.registry import now_ms
from harness.sender import post

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]
INVOICE = b'{"eventType": "CREATED", "resource": "INVOICE", "resourceId": "1", "filterDate": "2026-05-04T12:30:00Z"}'


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

    wait.until(lambda: is_delivered(world, subscription), 20, "a signed callback is answered 200")
    assert post(world.config.ingress_port, subscription.path, b"[]", "another secret").status == 401


def test_subscriptions_that_fell_silent_are_counted_and_listed_until_they_are_heard_again(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)], {"reconciler": {"silent_after_s": 8}})
    world.await_settled("acme-42", count=2)
    reconciler = world.bridges[0]
    wait.until(lambda: reconciler.metric("maesn_bridge_subscriptions_silent") == 2, 20, "neither was heard")
    assert reconciler.metric("maesn_bridge_subscriptions", state="active") == 2

    subscription = maesn.of("key-of-acme-42")[0]
    world.cluster.create_topics(f"{world.prefix}.invoice")
    world.start_ingress()
    wait.until(lambda: is_delivered(world, subscription, INVOICE), 20, "a callback is delivered")
    wait.until(lambda: reconciler.metric("maesn_bridge_subscriptions_silent") == 1, 8, "it was heard")
    listed = json.loads(run("subscriptions", "list", "--output", "json", "--config", world.config.file).stdout)
    heard, silent = sorted(listed["subscriptions"], key=lambda s: s["is_silent"])
    assert "last_event_at" in heard and f"/{heard['event']}/" in subscription.path and not heard["is_silent"]
    assert "last_event_at" not in silent and silent["is_silent"]
    wait.until(lambda: reconciler.metric("maesn_bridge_subscriptions_silent") == 2, 20, "it is silent again")


def is_delivered(world, subscription, body=b"[]"):
    try:
        return post(world.config.ingress_port, subscription.path, body, subscription.secret).status == 200
    except OSError:
        return False


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


def test_what_the_provider_refuses_is_not_asked_for_again_by_a_restarted_reconciler(start_world, maesn):
    maesn.fault = lambda request: (400, "{}") if request.method == "POST" else None
    world = start_world([account("acme-42", "freshbooks", INVOICES, company_id="123")])
    record = wait.until(lambda: (found := world.table().get("/account/acme-42")) and "refused" in found and found, 30, "it is refused")
    assert record["status"] == "invalid" and record["status_since_unix_ms"] > 0
    assert set(record["refused"].split()) == {"maesn/acme-42/invoice/created", "maesn/acme-42/invoice/updated"}
    assert world.bridges[0].stop() == 0
    posted = len(maesn.asked("POST"))
    assert posted == 2
    world.start()
    listed = len(maesn.asked("GET"))
    wait.until(lambda: len(maesn.asked("GET")) > listed, 30, "a pass after the restart")
    wait.until(lambda: world.bridges[-1].metric("maesn_bridge_reconcile_passes_total") > 1, 30, "it ended")
    assert len(maesn.asked("POST")) == posted
    assert run("subscriptions", "list", "--config", world.config.file).stdout.splitlines()[-1].startswith("acme-42: invalid")

    maesn.fault = lambda request: None
    world.declare([account("acme-42", "freshbooks", INVOICES, company_id="456")])  # another configuration
    wait.until(lambda: len(maesn.of("key-of-acme-42")) == 2, 40, "it is asked for again")
    wait.until(lambda: world.table()["/account/acme-42"]["status"] == "ok", 10, "it is valid")


def test_a_revoked_token_blocks_the_account_without_a_call_and_over_a_restart(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES), account("other", "xero")])
    for name, count in (("acme-42", 2), ("other", 1)):
        world.await_settled(name, count=count)
    asked = len(maesn.asked(account_key="key-of-acme-42"))
    world.revoke("acme-42")
    wait.until(lambda: world.bridges[0].metric("maesn_bridge_reconcile_accounts", status="blocked") == 1, 20, "it is blocked")
    assert len(maesn.asked(account_key="key-of-acme-42")) <= asked + 1  # a pass that was under way
    assert world.bridges[0].stop() == 0
    asked, others = len(maesn.asked(account_key="key-of-acme-42")), len(maesn.asked(account_key="key-of-other"))
    world.start()
    wait.until(lambda: len(maesn.asked(account_key="key-of-other")) > others, 20, "the other one is listed")
    assert world.bridges[1].metric("maesn_bridge_reconcile_accounts", status="blocked") == 1
    assert len(maesn.asked(account_key="key-of-acme-42")) == asked


def test_secrets_are_nowhere_to_be_read(start_world, maesn):
    """Neither in what a process tells at its most talkative, nor in the brokers' files."""
    world = start_world([account("acme-42", "lexware-office", INVOICES)],
                        {"log": {"level": "debug"}, "kafka": {"raw": {"debug": "all"}}})
    world.put_account("put", "key-of-put", subscriptions=INVOICES)
    world.await_settled("acme-42", "put", count=4)
    world.request("acme-42", "rotate")
    wait.until(lambda: len(maesn.asked("POST")) == 6, 20, "each has a replacement")
    world.await_settled("acme-42", "put", count=4)
    bridge = world.bridges[0]
    told = bridge.output.read_text() + bridge.admin("/metrics")[1] + bridge.admin("/debug/config")[1]
    segments = world.cluster.segments(world.prefix)
    assert b"/in/maesn/acme-42/invoice/created/" in segments, "the records are part of what is searched"
    held = [s.secret for s in (*maesn.subscriptions.values(), *maesn.ended)]
    assert len(held) == 6
    for secret in (API_KEY, "key-of-acme-42", "key-of-put", *held):
        assert secret not in told
        assert hashlib.sha256(secret.encode()).hexdigest() not in told
        assert secret.encode() not in segments


# --- what the documents ask for ---

# Source: docs.maesn.com, "Create webhook" (parameters) and "Webhooks" of 2026-02-13 (systems): the values of each system's
# subscriptions, for `all`; (company, resource, eventType), None: left out.
ENTITY_EVENTS = ("CREATED", "DELETED", "UPDATED")
INTEGRATIONS = {
    "businesscentral": ["ACCOUNT", "CREDIT_NOTE", "CUSTOMER", "DIMENSION", "EXPENSE", "INVOICE", "ITEM", "JOURNAL_ENTRY",
                        "OFFER", "SALES_ORDER", "SUPPLIER"],
    "exact-nl": ["ACCOUNT", "BANK_ACCOUNT", "BILL", "CONTACT", "EXPENSE", "INVOICE", "JOURNAL_ENTRY", "PAYMENT"],
    "freshbooks": [(r, e) for r in ("ACCOUNT", "CREDIT_NOTE", "CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER", "TAX_RATE")
                   for e in ENTITY_EVENTS],
    "lexware-office": [(r, e) for r in ("CUSTOMER", "INVOICE", "ITEM", "PAYMENT", "SUPPLIER") for e in ENTITY_EVENTS]
    + [("TOKEN", "REVOKED")],
    "moneybird": [(r, e) for r in ("CONTACT", "INVOICE", "PAYMENT", "TAX_RATE") for e in ENTITY_EVENTS],
    "qonto": ["INVOICE"],
    "quickbooks": [None],
    "weclapp": [None],
    "xero": [None],
}


def test_all_nine_integrations_are_posted_as_the_documents_ask(start_world, maesn):
    needs_company = ("businesscentral", "exact-nl", "freshbooks", "moneybird")
    accounts = [account(f"of-{system}", system, **({"company_id": "77"} if system in needs_company else {}),
                        **({"environment_name": "production"} if system == "businesscentral" else {}))
                for system in INTEGRATIONS]
    start_world(accounts)
    count = sum(map(len, INTEGRATIONS.values()))
    wait.until(lambda: len(maesn.asked("POST")) == count, 60, f"{count} subscriptions")
    for system, wanted in INTEGRATIONS.items():
        requests = maesn.asked("POST", f"key-of-of-{system}")
        bodies = [{k: v for k, v in r.body.items() if k != "callbackUrl"} for r in requests]
        expected = [{} if w is None else {"resource": w} if isinstance(w, str) else dict(zip(("resource", "eventType"), w))
                    for w in wanted]
        assert sorted(map(lambda b: sorted(b.items()), bodies)) == sorted(map(lambda e: sorted(e.items()), expected)), system
        query = ({"companyId": "77"} if system in needs_company else {}) \
            | ({"environmentName": "production"} if system == "businesscentral" else {})
        assert all(r.query == query for r in requests), system
        assert len({r.body["callbackUrl"] for r in requests}) == len(requests)


# --- at run time ---


def test_an_account_of_the_accounts_topic_is_subscribed_and_its_file_goes_first(start_world, maesn):
    world = start_world([account("in-a-file", "lexware-office", INVOICES)])
    world.put_account("at-run-time", "run-time-key", subscriptions=INVOICES)
    wait.until(lambda: len(maesn.of("run-time-key")) == 2, 20, "it is subscribed")
    world.put_account("in-a-file", "another-key", subscriptions=INVOICES)
    wait.until(lambda: world.bridges[0].log("account.twice-declared"), 10, "the second declaration is told")
    assert not maesn.asked(account_key="another-key")


def test_nothing_is_undeclared_while_the_accounts_topic_is_being_read(start_world, maesn):
    world = start_world([account("other", "xero")], {"reconciler": {"policy": "sync", "delete_delay_s": 0}})
    world.put_account("at-run-time", "run-time-key", subscriptions=INVOICES)
    wait.until(lambda: len(maesn.of("run-time-key")) == 2, 20, "it is subscribed")
    world.await_settled("other", count=1)
    assert world.bridges[0].stop() == 0
    asked = len(maesn.asked())
    world.start()
    wait.until(lambda: len(maesn.asked()) >= asked + 2, 20, "both were listed again")
    assert {r.method for r in maesn.asked()[asked:]} == {"GET"}


def test_a_request_to_rotate_replaces_each_subscription_once(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    world.await_settled("acme-42", count=2)
    before = {s.id for s in maesn.of("key-of-acme-42")}
    world.request("acme-42", "rotate")
    wait.until(lambda: len(maesn.asked("POST")) == 4, 20, "each has a replacement")
    # Make before break: the old ones live for the overlap.
    assert before < {s.id for s in maesn.of("key-of-acme-42")}
    wait.until(lambda: not before & {s.id for s in maesn.of("key-of-acme-42")}, 40, "the old ones are gone")
    world.await_settled("acme-42", count=2)
    assert len(maesn.asked("POST")) == 4


def test_a_rotation_asked_for_where_the_clock_is_ahead_is_done_once_when_its_time_comes(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    world.await_settled("acme-42", count=2)
    begins_at = time.monotonic() + 20
    world.request("acme-42", "rotate", requested_at_unix_ms=now_ms() + 20000)
    wait.until(lambda: len(maesn.asked("POST")) == 4, 40, "each has a replacement")
    assert all(r.at > begins_at for r in maesn.asked("POST")[2:])
    world.await_settled("acme-42", count=2)
    assert len(maesn.asked("POST")) == 4


def test_a_group_that_takes_nobody_is_told_with_the_setting_that_is_to_be_changed(maesn):
    """The broker's group.min.session.timeout.ms is above our session. (No member joins meanwhile, so nothing is called.)"""
    with KafkaCluster(properties="group.min.session.timeout.ms=9000\n") as cluster:
        world = World(cluster, maesn, "refused", [account("acme-42", "xero")], {"reconciler": {"session_timeout_ms": 4000}})
        try:
            bridge = world.start(ready=False)
            wait.until(lambda: "group.min.session.timeout.ms" in bridge.admin("/readyz?verbose")[1], 30, "it says why it is not ready")
            told = bridge.admin("/readyz?verbose")[1]
            assert bridge.admin("/readyz")[0] == 503 and "reconciler.session_timeout_ms: 4000" in told
            line = wait.until(lambda: bridge.log("group.refused"), 10, "it is logged")[0]
            assert line["level"] == "error" and "reconciler.session_timeout_ms: 4000" in line["error"]
            done = run("apply", "--config", world.config.file, seconds=60)
            assert done.returncode == 69 and "reconciler.session_timeout_ms: 4000" in done.stderr, done
        finally:
            world.stop()
    assert not maesn.asked()


# --- several reconcilers ---

def check_one_at_a_time(maesn, names):
    """No request for an account came before another process's was answered or given up."""
    for name in names:
        requests = maesn.asked(account_key=f"key-of-{name}")
        for earlier, later in itertools.pairwise(requests):
            overlap = earlier.actor != later.actor and (earlier.ended_at is None or earlier.ended_at > later.at)
            assert not overlap, f"{name}: {later.actor} while {earlier.actor} waits for {earlier.method}"


def test_three_reconcilers_share_the_accounts_and_the_rest_take_over(start_world, maesn):
    names = [f"tenant-{i}" for i in range(24)]
    maesn.fault = lambda request: Fault(delay_s=0.2)  # so that work done twice would be seen to overlap
    world = start_world([account(name, "xero") for name in names])
    world.await_settled(*names, count=len(names))
    for _ in range(2):
        world.start_another()
    bridges = world.bridges

    def led():
        return [b.metric("maesn_bridge_reconciler_partitions") for b in bridges if b.process.poll() is None]

    wait.until(lambda: sorted(led()) == [1, 1, 2], 40, "each leads some of the four partitions")
    bridges[1].kill()  # without a word: its session has to run out
    wait.until(lambda: sorted(led()) == [2, 2], 40, "two lead all partitions")
    asked = len(maesn.asked())
    wait.until(lambda: {r.account_key for r in maesn.asked()[asked:]} == {f"key-of-{n}" for n in names}, 60,
               "every account is looked after")
    # Nobody has made anything twice, or worked on what another one was working on.
    assert len(maesn.asked("POST")) == len(names) and len(maesn.subscriptions) == len(names)
    check_one_at_a_time(maesn, names)


def test_a_reconciler_that_was_stopped_past_its_session_does_nothing_for_what_others_own(start_world, maesn):
    """Stopped while its accounts are being subscribed, and continued when another one has done the rest."""
    names = [f"tenant-{i}" for i in range(40)]
    maesn.fault = lambda request: Fault(delay_s=0.2)
    world = start_world([account(name, "xero") for name in names])
    wait.until(lambda: len(maesn.asked("POST")) >= 5, 20, "some are subscribed")
    stopped = world.bridges[0]
    stopped.signal(signal.SIGSTOP)
    another = world.start_another()
    wait.until(lambda: another.metric("maesn_bridge_reconciler_partitions") == 4, 40, "another one leads all")
    world.await_settled(*names, count=len(names), seconds=60)
    asked = len(maesn.asked())
    wait.until(lambda: {r.account_key for r in maesn.asked()[asked:]} == {f"key-of-{n}" for n in names}, 40,
               "it has looked at all again")
    writes, records = [r for r in maesn.asked() if r.writes], len(world.records())
    stopped.signal(signal.SIGCONT)
    wait.until(lambda: stopped.metric("maesn_bridge_reconciler_partitions") == 2, 40, "it is one of two")
    world.await_settled(*names, count=len(names))
    # Nothing that it had begun came through, to the provider or to the registry, where what has had its time may go.
    assert [r for r in maesn.asked() if r.writes] == writes and len(maesn.subscriptions) == len(names)
    assert not [r for r in world.records()[records:] if r.value is not None]
    check_one_at_a_time(maesn, names)
