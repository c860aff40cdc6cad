"""`maesn-bridge reconciler` with accounts, a registry and a provider; what it has written, opened."""

import json

from confluent_kafka import Producer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness import wait
from harness.bridge import Bridge, ConfigDirectory, merged
from harness.consumers import read_all
from harness.maesn import API_KEY
from harness.ports import free_ports
from harness.registry import Registry, now_ms

PUBLIC_URL = "https://hooks.example.com"


def account(name, system="xero", subscriptions="all", **more):
    """An account as accounts.d/*.yaml declares it; its key is "key-of-NAME"."""
    return {"id": name, "system": system, "account_key_file": f"../secrets/{name}", "subscriptions": subscriptions, **more}


class World:
    """One registry, one provider, one configuration; as many reconcilers as a test wants."""

    def __init__(self, cluster, maesn, prefix, accounts=(), settings=None, partitions=4):
        self.cluster, self.maesn, self.prefix = cluster, maesn, prefix
        self.registry = Registry(cluster, prefix, partitions)
        self.accounts_topic = f"{prefix}.accounts"
        cluster.create_topics(self.accounts_topic, partitions=partitions, config={"cleanup.policy": "compact"})
        self.token_topic = f"{prefix}.token"
        cluster.create_topics(self.token_topic, partitions=1)
        self.accounts, self.more_settings = accounts, settings
        self.bridges, self.configs = [], []
        self.config = self._config(accounts, settings)

    def _config(self, accounts, settings):
        actor = f"reconciler-{len(self.configs) + 1}"
        base = merged(self.registry.settings, {
            "kafka": {"brokers": self.cluster.bootstrap},
            "topics": {"token": self.token_topic, "accounts": self.accounts_topic,
                       "other": f"{self.prefix}.other", "dead_letter": f"{self.prefix}.dead-letter",
                       "template": f"{self.prefix}.{{resource}}"},
            "public_base_url": PUBLIC_URL,
            "accounts_dir": "accounts.d",
            "maesn": {"base_url": self.maesn.url_of(actor), "api_key_file": "secrets/maesn-api-key"},
            # Another one than Maesn's: what is limited and held is told from the URL.
            "moneybird": {"base_url": self.maesn.url_of(f"{actor}-native")},
            "reconciler": {"interval_s": 10, "second_look_s": 1, "pending_ttl_s": 60, "delete_delay_s": 1,
                           "overlap_s": 10, "retire_grace_s": 60, "session_timeout_ms": 6000},
            "http": {"timeout_ms": 5000},
        })
        keys = {a["id"]: f"key-of-{a['id']}" for a in accounts}
        config = ConfigDirectory(merged(base, settings or {}), routes=[],
                                 secrets={**self.registry.secrets, "maesn-api-key": API_KEY, **keys})
        config.settings["reconciler"]["admin_listen"] = f"127.0.0.1:{config.admin_port}"
        config.settings["admin"]["listen"] = f"127.0.0.1:{free_ports(1)[0]}"
        config.write("bridge.yaml", json.dumps(config.settings, indent=2))
        config.actor = actor
        self.configs.append(config)
        (config.path / "accounts.d").mkdir()
        self.declare(accounts, config)
        return config

    def declare(self, accounts, config=None):
        config = config or self.config
        for a in accounts:
            config.write(f"secrets/{a['id']}", f"key-of-{a['id']}\n")
        config.write("accounts.d/accounts.yaml", json.dumps({"accounts": list(accounts)}))

    def start(self, ready=True):
        bridge = Bridge(self.config, command=("reconciler",))
        self.bridges.append(bridge)
        return bridge.start() if ready else bridge.spawn()

    def start_another(self):
        """One more reconciler of the same registry and accounts; its configuration directory is its own."""
        bridge = Bridge(self._config(self.accounts, self.more_settings), command=("reconciler",))
        self.bridges.append(bridge)
        return bridge.start()

    # --- what an ingress and commands write ---

    def revoke(self, account):
        """The record of a TOKEN event, as an ingress makes it."""
        self._produce(self.token_topic, f"TOKEN:{account}", 0, json.dumps({
            "eventType": "REVOKED", "resource": "TOKEN", "account": account, "system": "xero", "provider": "maesn"}))

    def _produce(self, topic, key, partition, value):
        producer = Producer({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        producer.produce(topic, key=key, value=value, partition=partition)
        assert producer.flush(20) == 0

    def put_in_accounts_topic(self, account, key, record):
        """A sealed record for this account; None: a tombstone."""
        value = None if record is None else self.registry.seal(key, {"version": 1, **record}, topic=self.accounts_topic)
        self._produce(self.accounts_topic, key, self.registry.partition(account), value)

    def put_account(self, account, account_key, system="lexware-office", subscriptions="all"):
        self.put_in_accounts_topic(account, account, {"account": account, "provider": "maesn", "system": system,
                                                      "account_key": account_key, "subscriptions": subscriptions})

    def request(self, account, kind, **more):
        self.put_in_accounts_topic(account, f"/request/{account}", {
            "account": account, "kind": kind, "requested_at_unix_ms": now_ms(), **more})

    def start_ingress(self):
        """One more ingress of the same registry, ready. The first one has the files of the first reconciler."""
        is_first = not any(bridge.command[1] == "ingress" for bridge in self.bridges)
        config = self.config if is_first else self._config(self.accounts, self.more_settings)
        bridge = Bridge(config)
        bridge.output = config.path / "ingress-stderr"
        bridge.admin_port = int(config.settings["admin"]["listen"].rpartition(":")[2])
        self.bridges.append(bridge)
        return bridge.start()

    def stop(self):
        for bridge in self.bridges:
            bridge.kill()
        for config in self.configs:
            config.remove()

    # --- what it has written ---

    def records(self):
        """Every record so far, as it stands in the topic."""
        return read_all(self.cluster, self.registry.topic)

    def open(self, record):
        name_len = record.value[1]
        name = record.value[2:2 + name_len].decode()
        nonce, sealed = record.value[2 + name_len:14 + name_len], record.value[14 + name_len:]
        additional = b"\0".join([record.topic.encode(), record.key, b"\x01" + name.encode()])
        return json.loads(AESGCM(self.registry.keyring.keys[name]).decrypt(nonce, sealed, additional))

    def table(self):
        """What the registry says now: {key: record}."""
        table = {}
        for record in self.records():
            table.pop(record.key.decode(), None)
            if record.value is not None:
                table[record.key.decode()] = self.open(record)
        return table

    def routes(self, account=None, state=None):
        return [r for key, r in self.table().items() if key.startswith("/in/") and account in (None, r["account"])
                and state in (None, r["state"])]

    def is_settled(self, *names, count):
        """Whether the provider holds `count` subscriptions of these accounts, each the one of an active route."""
        held = {s.id for name in names for s in self.maesn.of(f"key-of-{name}")}
        active = {r["provider_id"] for name in names for r in self.routes(name, "active")}
        return len(held) == count and held == active

    def await_settled(self, *names, count, seconds=40):
        wait.until(lambda: self.is_settled(*names, count=count), seconds, f"{names} have {count} subscriptions")
