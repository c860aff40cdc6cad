"""`plan` and `apply` against Apache Kafka and a Maesn that does what its documents say."""

import concurrent.futures
import dataclasses
import json
import os
import pty
import re
import signal
import subprocess
import urllib.request
import uuid

import pytest

from harness import environment, wait
from harness.bridge import run
from harness.consumers import read_all
from harness.maesn import API_KEY
from harness.reconciler import PUBLIC_URL, World, account
from harness.registry import Route
from harness.registry_cli import validate
from harness.sender import post

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]


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

    def apply_json(self, *arguments, code=0, command=("apply",)):
        told = json.loads(self.run(*command, *arguments, "--output", "json", code=code, seconds=100).stdout)
        validate(told, "apply")
        assert told["exit_code"] == code
        return told

    def steps(self, code=0):
        """{account: [(resource, event, action)]} of the plan."""
        return {a["account"]: [(s["resource"], s["event"], s["action"]) for s in a["subscriptions"]]
                for a in self.plan_json(code)["accounts"]}

    def end_offsets(self):
        world = self.world
        return {topic: world.cluster.end_offsets(topic) for topic in (world.registry.topic, world.accounts_topic, world.token_topic)}


def on_terminal(command, config):
    """What a command writes on a terminal, stdout and stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(environment.BINARY), command, "--config", str(config)], stdout=theirs, stderr=theirs,
                               stdin=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm", "NO_COLOR": ""})
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:
        pass  # the other side is closed
    os.close(ours)
    process.wait(timeout=60)
    return shown.decode()


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


# --- apply -------------------------------------------------------------------------------------------------------------

def secrets_held(one, *names):
    """{id: secret} of the active routes, and of what is at the provider."""
    held = {r["provider_id"]: r["secret"] for r in one.world.routes(state="active")}
    return held, {s.id: s.secret for name in names for s in one.world.maesn.of(f"key-of-{name}")}


def test_with_no_reconciler_apply_does_it_itself(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES), account("beta", "freshbooks", company_id="7")])
    lines = one.run("apply").stdout.splitlines()
    assert lines[0] == "acme-42: 2 created" and lines[1].startswith("beta: ") and lines[-1].startswith("Applied: ")
    held, there = secrets_held(one, "acme-42", "beta")
    assert held == there and len(there) > 2
    assert one.plan() == ["2 of 2 accounts are as they should be"]
    posts = len(maesn.asked("POST"))
    assert one.run("apply").stdout == "Applied: nothing had to be done\n"
    told = one.apply_json()
    assert (told["reconcilers"], [a["result"] for a in told["accounts"]]) == (0, ["unchanged", "unchanged"])
    assert len(maesn.asked("POST")) == posts


def add_duplicates(maesn, *names):
    """What nobody has asked for: each account's first subscription is there twice, at the same URL."""
    for name in names:
        twin = dataclasses.replace(maesn.of(f"key-of-{name}")[0], id=str(uuid.uuid4()), secret=uuid.uuid4().hex)
        maesn.subscriptions[twin.id] = twin


@pytest.mark.parametrize("reconcilers", (1, 2))
def test_with_reconcilers_apply_asks_them_and_sees_it_done(make_world, maesn, reconcilers):
    """Without being asked they would look again in an hour."""
    names = [f"tenant-{i}" for i in range(6)]
    one = make_world([account(name, "lexware-office", INVOICES) for name in names], {"reconciler": {"interval_s": 3600}})
    one.world.start()
    if reconcilers == 2:
        one.world.start_another()
    one.world.await_settled(*names, count=12)
    assert one.plan() == ["6 of 6 accounts are as they should be"]
    add_duplicates(maesn, *names)
    assert set(map(str, one.steps(code=2).values())) == {"[('invoice', 'created', 'delete')]"}
    lines = one.run("apply").stdout.splitlines()
    assert sorted(lines[:-1]) == [f"{name}: 1 deleted" for name in names]
    assert lines[-1] == f"Applied by {reconcilers} reconciler{'s' if reconcilers > 1 else ''}: 6 deleted"
    assert one.plan() == ["6 of 6 accounts are as they should be"]
    assert one.world.is_settled(*names, count=12)
    told = one.apply_json()
    assert (told["reconcilers"], {a["result"] for a in told["accounts"]}) == (reconcilers, {"unchanged"})
    for bridge in one.world.bridges:
        assert bridge.stop() == 0


def test_a_new_accounts_file_is_applied_by_the_reconciler_that_runs(make_world):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    one.world.start()
    one.world.await_settled("acme-42", count=2)
    one.world.declare([account("acme-42", "lexware-office", INVOICES), account("beta", "lexware-office", INVOICES)])
    told = one.apply_json()
    assert told["reconcilers"] == 1 and told["exit_code"] == 0
    assert one.plan()[-1] == "2 of 2 accounts are as they should be"
    held, there = secrets_held(one, "acme-42", "beta")
    assert held == there and len(there) == 4
    assert one.world.bridges[0].stop() == 0


def test_when_the_reconciler_dies_meanwhile_apply_does_it_itself(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)],
                     {"reconciler": {"interval_s": 3600}, "http": {"timeout_ms": 15000}})
    one.world.start()
    one.world.await_settled("acme-42", count=2)
    add_duplicates(maesn, "acme-42")
    maesn.fault = lambda request: "hold" if request.method == "POST" else (500, "{}") if request.method == "DELETE" else None
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        applying = pool.submit(one.apply_json)
        wait.until(lambda: maesn.asked("DELETE"), 40, "the reconciler was asked")
        one.world.bridges[0].kill()
        maesn.fault = lambda request: None
        told = applying.result(timeout=100)
    assert told["reconcilers"] == 0
    assert [(a["result"], a["deleted"]) for a in told["accounts"]] == [("done", 1)]
    assert one.plan() == ["1 of 1 account is as it should be"]


def test_a_reconciler_that_starts_meanwhile_takes_over(make_world, maesn):
    names = [f"tenant-{i}" for i in range(6)]
    one = make_world([account(name, "lexware-office", INVOICES) for name in names], {"http": {"timeout_ms": 15000}})
    maesn.fault = lambda request: "hold" if request.method == "POST" else None
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        applying = pool.submit(one.apply_json)
        wait.until(lambda: maesn.asked("POST"), 40, "it has begun")
        one.world.start()
        maesn.fault = lambda request: None
        maesn.released.set()
        told = applying.result(timeout=100)
    assert told["reconcilers"] == 1 and told["exit_code"] == 0
    # What was under way when it gave up is an orphan, looked for twice: the reconciler deals with it.
    one.world.await_settled(*names, count=12, seconds=60)
    assert one.world.bridges[0].stop() == 0


def test_an_interrupted_apply_leaves_the_group_at_once(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)], {"reconciler": {"session_timeout_ms": 60000}})
    maesn.fault = lambda request: "hold" if request.method == "POST" else None
    process = subprocess.Popen([str(environment.BINARY), "apply", "--config", str(one.world.config.file)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait.until(lambda: maesn.asked("POST"), 40, "it has begun")
    process.send_signal(signal.SIGINT)
    assert "interrupted" in process.communicate(timeout=30)[1] and process.returncode == 1
    maesn.fault = lambda request: None
    maesn.released.set()
    one.world.start()  # within its seconds, not after a session
    one.world.await_settled("acme-42", count=2, seconds=40)
    assert one.world.bridges[0].stop() == 0


def test_a_reconciler_that_does_not_come_further_is_given_up(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)],
                     {"reconciler": {"interval_s": 3600}, "http": {"timeout_ms": 1500}})
    one.world.start()
    one.world.await_settled("acme-42", count=2)
    add_duplicates(maesn, "acme-42")
    maesn.fault = lambda request: (500, "{}") if request.method == "DELETE" else None
    told = one.apply_json(code=1)
    assert told["stalled"] and told["accounts"][0]["result"] == "unfinished"
    lines = one.run("apply", code=1).stdout.splitlines()
    assert lines[-2].startswith("! no progress for 3 s: 1 account is not finished")
    assert lines[-1] == "Applied by 1 reconciler: 1 account unfinished"
    assert one.world.bridges[0].stop() == 0


@pytest.mark.parametrize("runs", (False, True), ids=("itself", "reconciler"))
def test_deletes_that_a_guard_rail_withholds_need_force(make_world, maesn, runs):
    names = [f"tenant-{i}" for i in range(5)]
    accounts = [account(name, "lexware-office", INVOICES) for name in names]
    one = make_world(accounts, {"reconciler": {"policy": "sync", "delete_delay_s": 0}})
    one.run("apply")
    one.world.declare(accounts[:3])  # 4 of 10
    if runs:
        one.world.start()
    wait.until(lambda: len(one.world.table()) == 15, 20, "the registry has them all")
    told = one.plan_json(code=1)
    assert told["deletes_withheld"] == {"wanted": 6, "active": 10, "unwanted": 4}
    assert told["summary"]["withhold"] == 4
    assert "4 of 10 active subscriptions are not wanted any more" in one.run("apply", code=1).stdout
    assert not maesn.asked("DELETE")
    done = one.run("apply", "--force").stdout.splitlines()
    assert done[-1] == ("Applied by 1 reconciler: " if runs else "Applied: ") + "4 deleted"
    assert len(maesn.asked("DELETE")) == 4
    assert one.plan()[-1].endswith("accounts are as they should be")

    one.world.declare([])
    assert "nothing at all is wanted, while 6 subscriptions are active" in one.run("apply", code=1).stdout
    assert len(maesn.asked("DELETE")) == 4
    assert one.apply_json("--force")["deletes_withheld"] is None
    assert not maesn.subscriptions
    if runs:
        assert one.world.bridges[0].stop() == 0


def test_force_lets_through_once_what_is_withheld_then(make_world, maesn):
    """What a file loses after that is withheld, however soon. Fails when the request counts as long as it is fresh."""
    names = [f"tenant-{i}" for i in range(8)]
    accounts = [account(name, "lexware-office", INVOICES) for name in names]
    one = make_world(accounts, {"reconciler": {"policy": "sync", "delete_delay_s": 0}})
    one.run("apply")
    one.world.declare(accounts[:4])
    bridge = one.world.start()
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_deletes_withheld") == 1, 20, "deletes are withheld")
    assert one.run("apply", "--force").stdout.splitlines()[-1] == "Applied by 1 reconciler: 8 deleted"

    one.world.declare([])
    asked = len(maesn.asked("GET"))
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_deletes_withheld") == 1, 20, "deletes are withheld again")
    wait.until(lambda: len(maesn.asked("GET")) >= asked + 8, 30, "two more passes over those that are left")
    assert len(maesn.asked("DELETE")) == 8
    # Those whose request was carried out declared and withdrawn again: it is still in the topic, and fresh.
    one.world.declare(accounts)
    one.world.await_settled(*names, count=16, seconds=60)
    one.world.declare(accounts[:4])
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_deletes_withheld") == 1, 20, "deletes are withheld once more")
    asked = len(maesn.asked("GET"))
    wait.until(lambda: len(maesn.asked("GET")) >= asked + 16, 40, "two more passes")
    assert len(maesn.asked("DELETE")) == 8 and len(maesn.subscriptions) == 16
    assert bridge.stop() == 0


def test_a_request_to_force_leaves_an_unfinished_rotation_standing(make_world, maesn):
    names = [f"tenant-{i}" for i in range(5)]
    accounts = [account(name, "lexware-office", INVOICES) for name in names]
    one = make_world(accounts, {"reconciler": {"policy": "sync", "delete_delay_s": 0}})
    one.run("apply")
    maesn.fault = lambda request: (500, "{}") if request.method == "POST" else None
    bridge = one.world.start()
    posts = len(maesn.asked("POST"))
    one.world.request("tenant-0", "rotate")
    wait.until(lambda: len(maesn.asked("POST")) > posts, 20, "the rotation is tried")
    before = {s.id for s in maesn.of("key-of-tenant-0")}
    fewer = [account(name, "lexware-office", [{"resource": "INVOICE", "events": ["CREATED"]}]) for name in names]
    one.world.declare(fewer)  # 5 of 10
    wait.until(lambda: bridge.metric("maesn_bridge_reconcile_deletes_withheld") == 1, 20, "deletes are withheld")
    run("apply", "--force", "--config", one.world.config.file, seconds=60)  # the rotation is not its business
    wait.until(lambda: len(maesn.asked("DELETE")) == 5, 20, "they are let through")
    maesn.fault = lambda request: None
    wait.until(lambda: maesn.of("key-of-tenant-0") and not before & {s.id for s in maesn.of("key-of-tenant-0")}, 90,
               "what is left of the account is replaced")
    assert len(maesn.subscriptions) == 5
    assert bridge.stop() == 0


def test_what_a_call_did_not_do_is_told(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES), account("beta", "lexware-office", INVOICES),
                      account("gamma", "lexware-office", INVOICES)])
    answers = {"key-of-acme-42": (400, "{}"), "key-of-beta": (401, "{}")}
    maesn.fault = lambda request: answers.get(request.account_key) if request.method == "POST" else None
    done = one.run("apply").stdout
    assert "acme-42: failed\n  ! failed    invoice created: create: " in done
    assert "beta: blocked: " in done and "gamma: 2 created\n" in done
    assert done.splitlines()[-1] == "Applied: 2 created, 3 failed, 1 account not worked on"
    assert [a["result"] for a in one.apply_json()["accounts"]] == ["unchanged", "blocked", "unchanged"]


def test_an_apply_that_nobody_answers_is_69(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)], {"http": {"timeout_ms": 1000, "connect_timeout_ms": 500}})
    maesn.stop()
    assert one.apply_json(code=69)["accounts"][0]["result"] == "unknown"


def test_a_terminal_gets_colour_and_progress(make_world):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    shown = on_terminal("plan", one.world.config.file)
    assert "\x1b[32m+ create" in shown and "1 of 1 accounts looked at" in shown
    assert "\x1b[32m2 created\x1b[0m" in on_terminal("apply", one.world.config.file)


# --- subscriptions rotate ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("runs", (False, True), ids=("itself", "reconciler"))
def test_a_rotation_replaces_what_is_there_and_nothing_else(make_world, maesn, runs):
    names = ("acme-42", "beta")
    one = make_world([account(name, "lexware-office", INVOICES) for name in names], {"reconciler": {"interval_s": 3600}})
    one.run("apply")
    if runs:
        one.world.start()
    before, _ = secrets_held(one, *names)
    told = one.apply_json(command=("subscriptions", "rotate", "acme-42"))
    assert [(a["account"], a["result"], a["created"]) for a in told["accounts"]] == [("acme-42", "done", 2)]
    after, there = secrets_held(one, *names)
    assert after.items() <= there.items() and len(after) == 4
    kept = {r["provider_id"] for r in one.world.routes("beta")}
    assert after.keys() & before.keys() == kept and len(kept) == 2
    assert sorted(r["state"] for r in one.world.routes("acme-42")) == ["active", "active", "retiring", "retiring"]

    everything = one.run("subscriptions", "rotate", "--all", "--resource", "INVOICE").stdout.splitlines()
    assert everything[:-1] == ["acme-42: 2 created", "beta: 2 created"]
    assert not secrets_held(one)[0].keys() & after.keys()
    if runs:
        assert one.world.bridges[0].stop() == 0


def test_a_rotation_is_not_done_before_its_answers_are(make_world, maesn):
    """While a POST is under way, what there is to see is an intent, not that anything is left to do."""
    one = make_world([account("acme-42", "lexware-office", INVOICES)], {"reconciler": {"interval_s": 3600}})
    one.world.start()
    one.world.await_settled("acme-42", count=2)
    before = secrets_held(one)[0].keys()
    maesn.fault = lambda request: "hold" if request.method == "POST" else None
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        posts = len(maesn.asked("POST"))
        rotating = pool.submit(one.apply_json, command=("subscriptions", "rotate", "acme-42"))
        wait.until(lambda: len(maesn.asked("POST")) > posts, 40, "the reconciler was asked")
        seen = len(maesn.asked("GET"))
        wait.until(lambda: len(maesn.asked("GET")) >= seen + 3, 40, "it was looked at again and again")
        assert not rotating.done()
        maesn.released.set()
        told = rotating.result(timeout=100)
    assert [(a["result"], a["created"]) for a in told["accounts"]] == [("done", 2)]
    assert len(secrets_held(one)[0]) == 2 and not secrets_held(one)[0].keys() & before
    assert one.world.bridges[0].stop() == 0


def test_what_cannot_be_rotated_is_1_and_wrong_use_64(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES)])
    one.run("apply")
    assert "nobody" in one.run("subscriptions", "rotate", "nobody", code=1).stderr
    for arguments in ((), ("acme-42", "--all"), ("Acme",), ("acme-42", "--resource", "")):
        assert "--help" in one.run("subscriptions", "rotate", *arguments, code=64).stderr
    # A slip must not look as if a secret had been replaced.
    for who in ("acme-42", "--all"):
        assert "INVOCE: no active" in one.run("subscriptions", "rotate", who, "--resource", "INVOCE", code=1).stderr
    one.apply_json("--resource", "INVOCE", command=("subscriptions", "rotate", "acme-42"), code=1)
    maesn.fault = lambda request: (400, "{}") if request.method == "POST" else None
    assert "! failed" in one.run("subscriptions", "rotate", "acme-42", code=1).stdout
    assert len(one.world.routes(state="active")) == 2


# --- subscriptions adopt -----------------------------------------------------------------------------------------------

def make_by_hand(one, name="acme-42", **more):
    """A subscription that somebody has made with curl; its URL is one of ours."""
    route = Route(name, event="created", age_s=60, **more)
    url = PUBLIC_URL + route.path(one.world.registry.route_keys)
    body = json.dumps({"callbackUrl": url, "resource": "INVOICE", "eventType": "CREATED"}).encode()
    asked = urllib.request.Request(f"{one.world.maesn.url}/webhooks", data=body, method="POST",
                                   headers={"X-API-KEY": API_KEY, "X-ACCOUNT-KEY": f"key-of-{name}"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        made = json.loads(answer.read())["data"]
    one.world.config.write("by-hand", made["secret"] + "\n")
    return next(s for s in one.world.maesn.subscriptions.values() if s.id == made["id"])


def adopt(one, made, *more, name="acme-42", code=0, url=None):
    return one.run("subscriptions", "adopt", name, "--id", made.id, "--callback-url", url or made.url,
                   "--secret-file", one.world.config.path / "by-hand", *more, code=code, seconds=100)


@pytest.mark.parametrize("runs", (False, True), ids=("itself", "reconciler"))
def test_an_adopted_subscription_is_verified_and_kept(make_world, maesn, runs):
    wanted = [] if runs else INVOICES  # the reconciler would make one of its own at once
    one = make_world([account("acme-42", "lexware-office", wanted)], {"reconciler": {"interval_s": 3600}})
    if runs:
        one.world.start()
        wait.until(lambda: maesn.asked("GET"), 20, "the first pass")
    made = make_by_hand(one)
    told = json.loads(adopt(one, made, "--output", "json").stdout)
    validate(told, "adoption")
    assert told == {"account": "acme-42", "subscription": "maesn/acme-42/invoice/created", "id": made.id,
                    "result": "adopted", "reconcilers": int(runs)}
    [held] = [r for r in one.world.routes(state="active") if r["provider_id"] == made.id]
    assert (held["secret"], held["origin"]) == (made.secret, "adopted")
    if not runs:
        one.run("apply")
        assert len(maesn.asked("POST")) == 2, "only the other one had to be made"
        assert one.plan() == ["1 of 1 account is as it should be"]
    one.world.start_ingress()

    def status():
        try:
            return post(one.world.config.ingress_port, made.path, b"[]", made.secret).status
        except OSError:
            return 0

    wait.until(lambda: status() == 200, 20, "a signed callback is answered 200")
    assert post(one.world.config.ingress_port, made.path, b"[]", "another secret").status == 401
    for topic in (one.world.registry.topic, one.world.accounts_topic):
        assert not any(made.secret.encode() in (r.value or b"") for r in read_all(one.world.cluster, topic))
    again = adopt(one, made, code=1)
    assert "the registry has a secret for this URL" in again.stderr


def test_what_is_not_ours_is_not_adopted(make_world, maesn):
    one = make_world([account("acme-42", "lexware-office", INVOICES), account("beta", "lexware-office", INVOICES)])
    made = make_by_hand(one)
    before = one.end_offsets()
    for name, url, told in (("acme-42", "https://elsewhere.example.com/hook", "has not the form of ours"),
                            ("acme-42", made.url[:-1] + "_", "has not the form of ours"),
                            ("beta", made.url, "is of the account acme-42, expected beta"),
                            ("nobody", made.url, "account nobody is not declared")):
        done = adopt(one, made, name=name, url=url, code=1)
        assert told in done.stderr and done.stdout == ""
    assert "--help" in one.run("subscriptions", "adopt", "acme-42", "--id", "x", code=64).stderr
    one.world.config.write("by-hand", "")
    assert "by-hand" in adopt(one, made, code=1).stderr
    assert one.end_offsets() == before


# --- forgetting --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("runs", (False, True), ids=("itself", "reconciler"))
def test_what_nobody_can_clean_up_after_is_forgotten(make_world, maesn, runs):
    stays, gone = account("stays", "lexware-office", INVOICES), account("gone", "lexware-office", INVOICES)
    one = make_world([stays, gone], {"reconciler": {"policy": "sync", "delete_delay_s": 0}})
    one.run("apply")
    maesn.fault = lambda request: (401, "{}") if request.account_key == "key-of-gone" else None
    if runs:
        one.world.start()
    assert "declares it: take it out first" in one.run("account", "forget", "gone", "--yes", code=1).stderr
    one.world.declare([stays])
    wait.until(lambda: "blocked" in "".join(one.plan(code=2)), 20, "nobody can clean up after it")
    left = {s.id for s in maesn.of("key-of-gone")}
    before, asked = one.end_offsets(), len(maesn.asked(account_key="key-of-gone"))

    told = json.loads(one.run("account", "forget", "gone", "--output", "json").stdout)
    validate(told, "account-forget")
    assert told["result"] == "unchanged" and {s["id"] for s in told["left_behind"]} == left
    assert all(s["state"] in ("active", "retiring") for s in told["left_behind"])
    if not runs:
        assert one.end_offsets() == before and len(maesn.asked(account_key="key-of-gone")) == asked
    lines = one.run("account", "forget", "gone").stdout.splitlines()
    assert lines[0].startswith("gone: not declared") and lines[-1] == "Nothing was changed; with --yes the registry forgets it."
    assert "gone" in {r["account"] for r in one.world.routes()}

    told = json.loads(one.run("account", "forget", "gone", "--yes", "--output", "json", seconds=60).stdout)
    validate(told, "account-forget")
    assert told["result"] == "forgotten" and told["reconcilers"] == (1 if runs else 0)
    assert {key.split("/")[2 if key.startswith("/account/") else 3] for key in one.world.table()} == {"stays"}
    assert one.plan()[-1].endswith("account is as it should be")
    assert {s.id for s in maesn.of("key-of-gone")} == left and not maesn.asked("DELETE")
    assert "the registry has no such account" in one.run("account", "forget", "gone", "--yes", code=1).stderr
    assert one.run("account", "forget", "No!", code=64).stdout == ""

    # Declared again it is an account like any other: the request that is still in the topic is older.
    maesn.fault = lambda request: None
    one.world.declare([stays, gone])
    one.run("apply")
    one.world.await_settled("gone", "stays", count=4)
    if runs:
        assert one.world.bridges[0].stop() == 0
