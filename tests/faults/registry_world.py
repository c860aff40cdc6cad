"""A world with a provider and two reconcilers: the routes of its ingress come from the registry. Some accounts are as declared
from the first moment on and send callbacks, others are upset again and again."""

import json
import random
import signal
import time

from harness import wait
from harness.bridge import Bridge
from harness.maesn import Maesn
from harness.provider import ISSUE, Fault
from harness.reconciler import PUBLIC_URL, World, account
from harness.registry import KeyFile
from harness.sender import Load, post

from faults.player import hit_process
from faults.schedule import KEYS, PROVIDER, RECONCILER, TENANT
from faults.world import ACCOUNTS, IngressWorld

RESTLESS = ("restless-1", "restless-2", "restless-3")
SYSTEM = "lexware-office"
INVOICES = [{"resource": "INVOICE", "events": ["UPDATED"]}]
RECONCILERS = 2
SETTLED_S = 180
HTTP_TIMEOUT_S = 3
SETTINGS = {"reconciler": {"policy": "sync", "interval_s": 10, "second_look_s": 1, "overlap_s": 10, "delete_delay_s": 0,
                           "session_timeout_ms": 3000},
            "http": {"timeout_ms": HTTP_TIMEOUT_S * 1000}}

FAULTS = {
    "errors": (Fault(status=500, acts=False), Fault(status=502), Fault(status=503, body="<html>busy</html>")),
    "resets": (Fault(resets=True, acts=False), Fault(resets=True), Fault(cuts=True)),
    "limits": (Fault(status=429, acts=False, headers={"Retry-After": "1"}), Fault(status=429, acts=False)),
    "stalls": (Fault(delay_s=HTTP_TIMEOUT_S + 0.5), Fault(delay_s=0.2)),
}
# Nothing is done; of the bodies nothing is known but that a 400 may tell what is wrong.
REFUSALS = {status: (Fault(status=int(status), acts=False, body=body),) for status, body in {
    "400": '{"errors": [], "validationErrors": ["callbackUrl must be a URL"]}', "401": "{}", "403": '{"errors": ["forbidden"]}',
    "404": "", "405": "<html>Method Not Allowed</html>"}.items()}
FAULTS |= REFUSALS
OF_LISTS = (Fault(alter=lambda text: text[:-20]), Fault(body="<html>maintenance</html>"), Fault(body=""),
            Fault(alter=lambda text: text.replace('"errors": null', '"errors": ["upstream"]')))
FOREIGN = ("https://elsewhere.example.com/hooks/1",
           f"{PUBLIC_URL}/in/maesn/account-1/invoice/updated/1795293215356-aaaaaaaaaaaaaaaaaaaaaaaaaa")


class TenantsLoad(Load):
    """From subscriptions in turn, each with its own secret."""

    def __init__(self, port, subscriptions, **how):
        super().__init__(port, [], None, **how)
        self.subscriptions = subscriptions

    def target(self):
        subscription = self.subscriptions[self._count % len(self.subscriptions)]
        return subscription.path, subscription.secret


class RegistryWorld(IngressWorld):
    def _bridge(self):
        self.chance = random.Random(f"registry {self.seed}")
        self.maesn = Maesn()
        self.maesn.fault = self._fault
        self.failing = None  # how, see FAULTS
        self.issue = 1  # of the account keys
        names = [*ACCOUNTS, *RESTLESS]
        self.tenants = World(self.kafka.cluster, self.maesn, f"s{self.seed}", [account(n, SYSTEM, INVOICES) for n in names],
                             {**SETTINGS, "kafka": self._kafka_settings()})
        configs = [self.tenants.config, *(self.tenants._config(self.tenants.accounts, self.tenants.more_settings)
                                          for _ in range(1, RECONCILERS))]
        self.reconcilers = [Bridge(config, command=("reconciler",)) for config in configs]
        more = {"spool": {"directory": str(self.directory / "spool"), "max_bytes": 16 << 20}} if self.has_spool else {}
        config = self.tenants._config(self.tenants.accounts, {**self.tenants.more_settings, **more})
        config.settings["admin"]["listen"] = f"127.0.0.1:{config.admin_port}"
        config.settings["reconciler"].pop("admin_listen")
        config.write("bridge.yaml", json.dumps(config.settings))
        return self._bridge_of(config)

    def victims(self):
        return [*super().victims(), *(f"{RECONCILER}-{n}" for n in range(1, RECONCILERS + 1)), PROVIDER, PROVIDER, TENANT, TENANT, KEYS]

    def others(self):
        return {RECONCILER: self._hit_reconciler, PROVIDER: self._hit_provider, TENANT: self._hit_tenant, KEYS: self._swap_keys}

    def load(self, **how):
        return TenantsLoad(self.door.port, self.steady, **how)

    def _begin(self):
        self.kafka.cluster.create_topics(*(topic for slug, topic in self.topics.items() if slug != "token"))
        for reconciler in self.reconcilers:
            reconciler.start(60)
        wait.until(self._is_as_declared, SETTLED_S, "all is as declared")
        self.steady = [s for name in ACCOUNTS for s in self._ours(name)]
        with self.maesn.lock:
            self.foreign = {self.maesn.add(f"key-of-{name}", {}, {"callbackUrl": url}).id for name in (*ACCOUNTS, *RESTLESS)
                            for url in FOREIGN}
        self.bridge.start(60)

    def __exit__(self, *what):
        for reconciler in self.reconcilers:
            reconciler.kill()
        super().__exit__(*what)
        self.maesn.stop()
        self.tenants.stop()
        if self.kafka.is_left_well:
            self.kafka.cluster.delete_topics(self.tenants.registry.topic, self.tenants.registry.activity,
                                             self.tenants.accounts_topic)

    # --- victims: each returns what undoes it ---

    def _hit_reconciler(self, what, number):
        reconciler = self.reconcilers[number - 1]

        def start():
            reconciler.spawn()
            wait.until(lambda: reconciler.admin("/livez")[0] == 200, 120, "the reconciler lives again")
        return hit_process(reconciler, what, start)

    def _hit_provider(self, what, _):
        self.failing = what

        def heal():
            self.failing = None
            if what in REFUSALS:
                self._authorize_again()
        return heal

    def _authorize_again(self):
        """The customers have seen to it: Maesn gives out another key for each account."""
        self.issue += 1
        for bridge in (*self.reconcilers, self.bridge):
            for name in (*ACCOUNTS, *RESTLESS):
                bridge.config.write(f"secrets/{name}", f"key-of-{name}{ISSUE}{self.issue}\n")
            bridge.process.send_signal(signal.SIGHUP)  # one that has ended is left alone

    def _fault(self, request):
        """Of half of the requests, while it is failing; a list that is none is an answer to a list only."""
        faults = OF_LISTS if self.failing == "lies" and request.method == "GET" else FAULTS.get(self.failing)
        return self.chance.choice(faults) if faults and self.chance.random() < 0.5 else None

    def _hit_tenant(self, what, _):
        name = self.chance.choice(RESTLESS)
        if what == "rotated":
            self.tenants.request(name, "rotate")
        with self.maesn.lock:
            ours = [s for s in self.maesn.subscriptions.values() if s.account_key == f"key-of-{name}" and s.id not in self.foreign]
            if what == "gone" and ours:
                self.maesn.remove(self.chance.choice(ours))
            if what == "twice" and ours:
                self.maesn.add(f"key-of-{name}", {}, self.chance.choice(ours).body)
        return lambda: None

    def _swap_keys(self, *_):
        """First everybody can read with the new key, then it is written with."""
        fresh, ring = KeyFile(f"key-{len(self.tenants.registry.keyring.keys)}"), self.tenants.registry.keyring
        self._write_keyring(ring.text + "\n" + fresh.text)
        held = dict(ring.keys)
        ring.keys |= fresh.keys  # what opens the records here

        def swap():
            ring.keys = {**fresh.keys, **held}
            self._write_keyring(ring.text)
        return swap

    def _write_keyring(self, text):
        for bridge in (*self.reconcilers, self.bridge):
            bridge.config.write("secrets/keyring", text)
            bridge.process.send_signal(signal.SIGHUP)  # one that has ended is left alone

    # --- what is to come of it ---

    def _ours(self, name):
        return [s for s in self.maesn.of(f"key-of-{name}") if s.id not in getattr(self, "foreign", ())]

    def _is_as_declared(self):
        """One subscription each, and its secret in an active route."""
        names = (*ACCOUNTS, *RESTLESS)
        if any(len(self._ours(name)) != 1 for name in names):
            return False
        active = {r["provider_id"]: r["secret"] for r in self.tenants.routes(state="active")}
        return active == {s.id: s.secret for name in names for s in self._ours(name)}

    def _check_more(self):
        """Before the ingress is stopped."""
        healed_at = time.monotonic()

        def is_at_rest():
            """As declared, and each account was looked at once more since its last change."""
            for name in (*ACCOUNTS, *RESTLESS):
                asked = self.maesn.asked(account_key=f"key-of-{name}")
                moved_at = max((r.at for r in asked if r.writes), default=0.0)
                if not any(r.at > max(moved_at, healed_at) and r.status == 200 for r in asked):
                    return False
            return self._is_as_declared()

        wait.until(is_at_rest, SETTLED_S, "all is as declared again")
        deleted = {r.path.rpartition("/")[2] for r in self.maesn.asked("DELETE")}
        kept = self.foreign | {s.id for s in self.steady}
        assert kept <= self.maesn.subscriptions.keys(), "a subscription is gone that is foreign, or as declared"
        assert not deleted & kept, "a subscription was to be deleted that is foreign, or as declared"
        for name in (*ACCOUNTS, *RESTLESS):
            for s in self._ours(name):
                wait.until(lambda: post(self.bridge.ingress_port, s.path, b"[]", s.secret).status == 200, 30, f"a callback to {s}")
        for reconciler in self.reconcilers:
            assert reconciler.process.poll() is None, f"it exited with {reconciler.process.returncode}: {reconciler.tail()}"
            assert reconciler.stop() == 0, reconciler.tail()
