"""A reconciler that is killed again and again, at a provider that fails in every way there is.

CHAOS_SEED=N replays a run: what goes wrong with the nth request of an account, when a process is killed and what happens
between two lives depend on it alone; how the accounts' passes interleave does not.
"""

import collections
import concurrent.futures
import itertools
import json
import os
import random
import threading
import time

import pytest

from harness import wait
from harness.maesn import Maesn
from harness.provider import Fault
from harness.reconciler import PUBLIC_URL, World, account
from harness.sender import post

SEED = int(os.environ.get("CHAOS_SEED", "20261122"))
WORLDS, KILLS = 4, 15
SETTLED_S = 200

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]
MORE = [*INVOICES, {"resource": "CUSTOMER", "events": ["DELETED"]}]
NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")
SYSTEM = "lexware-office"

HTTP_TIMEOUT_S = 1.5
SECOND_LOOK_S = 1
SETTINGS = {"reconciler": {"policy": "sync", "delete_delay_s": 0, "session_timeout_ms": 3000, "second_look_s": SECOND_LOOK_S},
            "http": {"timeout_ms": int(HTTP_TIMEOUT_S * 1000)}}

# What may go wrong with any request, and with a list only.
FAULTS = (
    Fault(status=500, acts=False), Fault(status=502), Fault(status=503, body="<html>busy</html>"),
    Fault(resets=True, acts=False), Fault(resets=True), Fault(cuts=True), Fault(delay_s=HTTP_TIMEOUT_S + 0.5),
    Fault(status=429, acts=False, headers={"Retry-After": "1"}), Fault(delay_s=0.2),
)
LIST_FAULTS = (
    Fault(alter=lambda text: text[:-20]), Fault(body="<html>maintenance</html>"), Fault(body=""),
    Fault(alter=lambda text: text.replace('"errors": null', '"errors": ["upstream"]')),
)
# Somebody else's: another URL, another token, another bridge's account.
FOREIGN = ("https://elsewhere.example.com/hooks/1",
           f"{PUBLIC_URL}/in/maesn/first/invoice/created/1795293215356-aaaaaaaaaaaaaaaaaaaaaaaaaa",
           f"{PUBLIC_URL}.example.org/in/maesn/first/invoice/created/1795293215356-aaaaaaaaaaaaaaaaaaaaaaaaaa")


def key_of(name):
    return f"key-of-{name}"


class Killed:
    """One world whose reconciler is killed KILLS times. Everything random comes from its seed."""

    def __init__(self, cluster, number):
        self.seed = f"{SEED}/{number}"
        self.random = random.Random(self.seed)
        self.maesn = Maesn()
        self.maesn.fault = self.fault
        self.asked = collections.Counter()  # by account
        self.in_life = 0  # requests of this life
        self.kill_at = None  # (the how manieth, when)
        self.has_faults = True
        self.declared = {name: INVOICES for name in NAMES}
        self.world = World(cluster, self.maesn, f"chaos{number}", self.accounts(), SETTINGS)
        self.bridge = None
        self.foreign = set()
        with self.maesn.lock:
            for name, url in itertools.product(NAMES, FOREIGN):
                self.foreign.add(self.maesn.add(key_of(name), {}, {"callbackUrl": url}).id)

    def accounts(self):
        return [account(name, SYSTEM, subscriptions) for name, subscriptions in self.declared.items()]

    def stop(self):
        self.maesn.stop()
        self.world.stop()

    # --- the provider ---

    def fault(self, request):
        name = request.account_key
        self.asked[name] += 1
        chance = random.Random(f"{self.seed}/{name}/{self.asked[name]}")
        fault = Fault()
        if self.has_faults and chance.random() < 0.3:
            fault = chance.choice(FAULTS + LIST_FAULTS if request.method == "GET" else FAULTS)
        self.in_life += 1
        if self.kill_at and self.kill_at[0] == self.in_life:
            _, when, after_s = self.kill_at
            if when == "came":
                self.bridge.process.kill()
            else:
                fault = Fault(**{**vars(fault), "then": self.kill_now if when == "acted" else
                                 lambda: threading.Timer(after_s, self.kill_now).start()})
        return fault

    def kill_now(self):
        self.bridge.process.kill()  # one that has ended is left alone

    # --- lives ---

    def live_once(self):
        """A process from its start to its death."""
        self.in_life = 0
        longest_s = self.random.uniform(6, 9)
        if self.random.random() < 0.2:  # anywhere, also before it owns anything
            self.kill_at, longest_s = None, self.random.uniform(0.05, 7)
        else:
            self.kill_at = (self.random.randint(1, 12), self.random.choice(("came", "acted", "answered")),
                            self.random.uniform(0, 0.05))
        self.bridge = self.world.start(ready=False)
        ends_at = time.monotonic() + longest_s
        wait.until(lambda: self.bridge.process.poll() is not None or time.monotonic() > ends_at, 20, "the life is over")
        assert self.bridge.process.poll() in (None, -9), self.bridge.output.read_text()[-2000:]
        self.kill_at = None
        self.bridge.kill()

    def upset(self):
        """What happens to a provider and a configuration in the course of time."""
        name = self.random.choice(NAMES)
        what = self.random.choice(("gone", "twice", "declared", "rotate", "rotate"))
        with self.maesn.lock:
            ours = [s for s in self.maesn.subscriptions.values()
                    if s.account_key == key_of(name) and s.id not in self.foreign]
            if what == "gone" and ours:
                self.maesn.remove(self.random.choice(ours))
            if what == "twice" and ours:
                self.maesn.add(key_of(name), {}, self.random.choice(ours).body)
        if what == "declared":
            self.declared[name] = self.random.choice((INVOICES, MORE))
            self.world.declare(self.accounts())
        if what == "rotate":
            self.world.request(name, "rotate")

    def suffer(self):
        for life in range(KILLS):
            self.live_once()
            if life < KILLS * 2 // 3:  # what is replaced again and again is replaced more and more slowly
                for _ in range(3):
                    self.upset()

    # --- what is to come of it ---

    def ours(self, name):
        return [s for s in self.maesn.of(key_of(name)) if s.id not in self.foreign]

    def is_settled(self):
        active = {r["provider_id"]: r.get("secret") for r in self.world.routes(state="active")}
        for name in NAMES:
            wanted = sorted((s["resource"], e) for s in self.declared[name] for e in s["events"])
            ours = self.ours(name)
            if sorted(s.specification for s in ours) != wanted or any(active.get(s.id) != s.secret for s in ours):
                return False
        return len(active) == sum(len(self.ours(name)) for name in NAMES)

    def settle(self):
        """The faults stop. Returns how long it took until nothing was left to do."""
        self.has_faults = False
        self.maesn.released.set()  # no answer is late any more
        self.world.config.settings["http"]["timeout_ms"] = 30000  # a loaded machine is no fault of the provider's
        self.world.config.write("bridge.yaml", json.dumps(self.world.config.settings))
        self.world.start()
        began_at = time.monotonic()
        wait.until(lambda: self.is_at_rest(began_at), SETTLED_S, f"{self.seed} settled")
        self.check_passes(began_at)
        return time.monotonic() - began_at

    def is_at_rest(self, began_at):
        """As declared, and since an account's last write two passes found nothing to do, with nothing left to wait for: before
        the first pass, all may look settled although a rotation was asked for."""
        for name in NAMES:
            requests = [r for r in self.maesn.asked(account_key=key_of(name)) if r.at > began_at]
            moved_at = max((r.at for r in requests if r.writes), default=requests[0].at if requests else began_at)
            if sum(r.at > moved_at + 2 * SECOND_LOOK_S for r in requests) < 2:
                return False
        return self.is_settled()

    def check_passes(self, began_at):
        """What is done for one specification is done in three passes, as in tests/integration/test_reconciler_model.c; while an
        overlap or a second look is waited for, others come and do nothing."""
        with self.maesn.lock:
            made = {s.id: s.specification for s in (*self.maesn.subscriptions.values(), *self.maesn.ended)}
        for name in NAMES:
            number, writing = 0, collections.defaultdict(set)
            for r in (r for r in self.maesn.asked(account_key=key_of(name)) if r.at > began_at):
                number += not r.writes  # each begins with its list
                if r.writes:
                    writing[(r.body["resource"], r.body["eventType"]) if r.method == "POST" else
                            made[r.path.rpartition("/")[2]]].add(number)
            assert all(len(passes) <= 3 for passes in writing.values()), f"{self.seed}: {name}: {dict(writing)}"

    def check_foreign(self):
        assert self.foreign <= self.maesn.subscriptions.keys(), f"{self.seed}: a foreign subscription is gone"
        deleted = {r.path.rpartition("/")[2] for r in self.maesn.asked("DELETE")}
        assert not deleted & self.foreign, f"{self.seed}: a foreign subscription was to be deleted"

    def check_doubts(self):
        """After a POST that may have worked, nothing but lists until one was answered."""
        for name in NAMES:
            doubt = None
            for r in self.maesn.asked(account_key=key_of(name)):
                if r.method == "GET":
                    is_useless = r.fault.is_ambiguous or r.fault.status or r.fault.body is not None or r.fault.alter
                    doubt = doubt if is_useless else None
                    continue
                assert doubt is None, f"{self.seed}: {r} after {doubt}"
                if r.method == "POST" and (r.fault.is_ambiguous or not r.status):
                    doubt = r

    def check_callbacks(self):
        ingress = self.world.start_ingress()
        for name in NAMES:
            for s in self.ours(name):
                assert post(ingress.ingress_port, s.path, b"[]", s.secret).status == 200, f"{self.seed}: {s}"


@pytest.fixture
def worlds(kafka):
    made = [Killed(kafka, number) for number in range(WORLDS)]
    yield made
    for world in made:
        world.stop()


def test_sixty_kills_at_a_failing_provider_leave_exactly_what_is_declared(worlds):
    """Fails when a crash or a fault anywhere loses a secret, leaves a subscription behind or makes it twice, or touches what
    is not ours."""
    with concurrent.futures.ThreadPoolExecutor(WORLDS) as pool:
        list(pool.map(Killed.suffer, worlds))
        took_s = list(pool.map(Killed.settle, worlds))
    for world in worlds:
        world.check_foreign()
        world.check_doubts()
        world.check_callbacks()
        posts = len(world.maesn.asked("POST"))
        faults = collections.Counter(r.fault != Fault() for r in world.maesn.asked())
        print(f"{world.seed}: {posts} POSTs, {len(world.maesn.asked('DELETE'))} DELETEs, {faults[True]} of"
              f" {sum(faults.values())} requests failed")
    print(f"settled within {max(took_s):.0f} s")
