"""`plan` and `apply` against Apache Kafka and a Maesn that does what its documents say."""

import json
import re

import pytest

from harness import wait
from harness.bridge import run
from harness.maesn import Maesn
from harness.reconciler import World, account
from harness.registry_cli import validate

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]


@pytest.fixture
def maesn():
    server = Maesn()
    yield server
    server.stop()


@pytest.fixture
def make_world(kafka, maesn, request):
    """make_world(accounts, settings): a registry, a provider and a configuration; no reconciler runs."""
    worlds = []

    def make(accounts=(), settings=None, **more):
        prefix = f"plan{len(worlds)}-{re.sub('[^a-z0-9]+', '-', request.node.name.lower())[:60]}"
        worlds.append(Commands(World(kafka, maesn, prefix, accounts, settings, **more)))
        return worlds[-1]

    yield make
    for commands in worlds:
        commands.world.stop()


class Commands:
    """The commands over one world. Nothing they print holds a secret."""

    def __init__(self, world):
        self.world = world

    def run(self, *arguments, code=0, **more):
        done = run(*arguments, "--config", self.world.config.file, **more)
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        held = [s.secret for s in self.world.maesn.subscriptions.values()]
        for secret in (*held, *(a["id"].join(("key-of-", "")) for a in self.world.accounts)):
            assert secret not in done.stdout + done.stderr
        return done

    def plan(self, code=0):
        """The lines of the plan."""
        return self.run("plan", code=code).stdout.splitlines()

    def plan_json(self, code=0):
        told = json.loads(self.run("plan", "--output", "json", code=code).stdout)
        validate(told, "plan")
        assert told["exit_code"] == code
        return told

    def steps(self, code=0):
        """{account: [(resource, event, action)]} of the plan."""
        return {a["account"]: [(s["resource"], s["event"], s["action"]) for s in a["subscriptions"]]
                for a in self.plan_json(code)["accounts"]}

    def end_offsets(self):
        world = self.world
        return {topic: world.cluster.end_offsets(topic) for topic in (world.registry.topic, world.accounts_topic, world.token_topic)}


# --- plan --------------------------------------------------------------------------------------------------------------

def test_a_plan_tells_what_is_missing_and_writes_nothing(make_world, maesn):
    one = make_world([account("acme-42", "freshbooks", INVOICES, company_id="7"), account("beta", "weclapp")])
    before = one.end_offsets()
    lines = one.plan(code=2)
    assert lines[0] == "acme-42 (maesn, freshbooks)"
    assert [line.split() for line in lines[1:3]] == [["+", "create", "invoice", event, "wanted,", "and", "not", "there"]
                                                     for event in ("created", "updated")]
    assert lines[4] == "beta (maesn, weclapp)" and lines[5].split()[:4] == ["+", "create", "all", "all"]
    assert lines[-2:] == ["Plan: 3 to create", "0 of 2 accounts are as they should be"]
    assert one.steps(code=2) == {"acme-42": [("invoice", "created", "create"), ("invoice", "updated", "create")],
                                 "beta": [("all", "all", "create")]}
    assert one.end_offsets() == before
    assert {r.method for r in maesn.asked()} == {"GET"}


def test_a_plan_of_what_is_as_declared_is_clean_also_while_a_reconciler_runs(make_world):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    assert one.plan(code=2)[-2] == "Plan: 2 to create"
    one.world.start()
    one.world.await_settled("acme-42", count=2)
    before = one.end_offsets()
    assert one.plan() == ["1 of 1 account is as it should be"]
    assert one.steps() == {"acme-42": []}
    assert one.end_offsets() == before
    assert one.world.bridges[0].stop() == 0


def test_nothing_declared_and_nothing_held_is_a_clean_plan(make_world, maesn):
    one = make_world()
    assert one.plan() == ["0 of 0 accounts are as they should be"]
    assert not maesn.asked()


def test_a_provider_that_is_away_is_69(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)], {"http": {"timeout_ms": 1000, "connect_timeout_ms": 500}})
    maesn.stop()
    lines = one.plan(code=69)
    assert lines[0] == "acme-42 (maesn, lexware-office)" and lines[1].startswith("  ! unknown")
    assert one.plan_json(code=69)["summary"]["unknown"] == 1


def test_one_account_whose_list_cannot_be_trusted_is_1_and_the_others_are_planned(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES), account("beta", "lexware-office", INVOICES)])
    maesn.fault = lambda request: (200, "<html>") if request.account_key == "key-of-beta" else None
    told = {a["account"]: a for a in one.plan_json(code=1)["accounts"]}
    assert [s["action"] for s in told["acme-42"]["subscriptions"]] == ["create", "create"]
    assert told["beta"]["result"] == "unknown" and told["beta"]["reason"]


def test_a_blocked_account_is_a_difference_with_its_reason(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    maesn.fault = lambda request: (401, "{}")
    lines = one.plan(code=2)
    assert lines[1].startswith("  ! blocked") and "401" in lines[1]
    assert lines[-2] == "Plan: 1 account blocked"
    [told] = one.plan_json(code=2)["accounts"]
    assert told["result"] == "blocked" and "401" in told["reason"]
    maesn.fault = lambda request: None
    one.world.revoke("acme-42")
    assert one.steps(code=2) == {"acme-42": [("invoice", "created", "create"), ("invoice", "updated", "create")]}


def test_an_account_whose_records_cannot_be_read_is_unknown(make_world):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    one.world.start()
    one.world.await_settled("acme-42", count=2)
    one.world.bridges[0].stop()
    one.world.config.write("secrets/keyring", "another:" + "ab" * 32)
    [told] = one.plan_json(code=1)["accounts"]
    assert told["result"] == "unknown" and "cannot be read" in told["reason"]


def test_what_upsert_only_leaves_is_listed_and_no_difference(make_world):
    one = make_world([account("acme-42", "lexware-office", INVOICES), account("goes", "lexware-office", INVOICES)])
    one.world.start()
    one.world.await_settled("acme-42", "goes", count=4)
    one.world.bridges[0].stop()
    one.world.declare([account("acme-42", "lexware-office", INVOICES)])
    lines = one.plan()
    assert lines[0] == "goes (maesn, lexware-office, no longer declared)"
    assert [line.split()[1] for line in lines[1:3]] == ["leave", "leave"]
    assert lines[-2:] == ["Plan: 2 left", "2 of 2 accounts are as they should be"]


def test_topics_that_are_not_there_are_69_and_faulty_ones_78(make_world, kafka):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    settings = one.world.config.settings
    kafka.create_topics(f"{one.world.prefix}.events", config={"cleanup.policy": "delete"})
    for topics, code, told in (({"accounts": "no-such-topic"}, 69, "topics apply"), ({"registry": ""}, 78, "topics.registry"),
                               ({"registry": f"{one.world.prefix}.events"}, 78, "cleanup.policy")):
        one.world.config.write("bridge.yaml", json.dumps({**settings, "topics": {**settings["topics"], **topics}}))
        done = one.run("plan", code=code)
        assert told in done.stderr and done.stdout == ""
    one.world.config.write("bridge.yaml", json.dumps({**settings, "kafka": {"brokers": "127.0.0.1:1"}}))
    assert one.run("plan", code=69).stdout == ""
    one.world.config.write("bridge.yaml", json.dumps(settings))
    one.world.declare([account("acme-42", "nonesuch", INVOICES)])
    assert re.search(r"accounts\.yaml:\d+:\d+: .*system", one.run("plan", code=78).stderr)
