"""The registry topic as a reconciler writes it: sealed records, each commit a transaction, in the partition of the
record's account. Written from the description of the formats, not from the program's code."""

import base64
import hashlib
import hmac
import json
import os
import time
import uuid

from confluent_kafka import Producer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PARTITIONS = 4


def murmur2(data):
    """As Java clients hash keys. Source: org.apache.kafka.common.utils.Utils.murmur2()."""
    m, mask = 0x5bd1e995, 0xffffffff
    h = 0x9747b28c ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def now_ms():
    return int(time.time() * 1000)


class KeyFile:
    """A key file of one key, or, with more, of a ring that writes with the first."""

    def __init__(self, *names):
        self.keys = {name: os.urandom(32) for name in names}

    @property
    def text(self):
        return "# made by a test\n" + "\n".join(f"{name}:{key.hex()}" for name, key in self.keys.items())

    @property
    def first(self):
        return next(iter(self.keys.items()))


def path_under(route_keys, key):
    """The path of a callback URL: the record's key, and its token."""
    digest = hmac.new(route_keys.first[1], key.encode(), hashlib.sha256).digest()[:16]
    return f"{key}-{base64.b32encode(digest).decode().lower().rstrip('=')}"


class Route:
    """One generation of a subscription."""

    def __init__(self, account, resource="invoice", event="all", provider="maesn", system="xero", age_s=3600, secret=None):
        self.generation = now_ms() - age_s * 1000
        self.account, self.provider, self.system = account, provider, system
        self.resource, self.event = resource, event
        self.secret = secret or uuid.uuid4().hex * 2

    @property
    def specification(self):
        return f"{self.provider}/{self.account}/{self.resource}/{self.event}"

    @property
    def key(self):
        return f"/in/{self.specification}/{self.generation}"

    def path(self, route_keys):
        return path_under(route_keys, self.key)

    def record(self, state="active", **more):
        record = {"version": 1, "state": state, "provider": self.provider, "account": self.account,
                  "resource": self.resource, "event": self.event, "generation_unix_ms": self.generation,
                  "origin": "created", "system": self.system}
        if state != "pending":
            record |= {"secret": self.secret, "provider_id": "1"}
        return record | more


class Registry:
    """The topic and its keys; `settings` and `secrets` are what a bridge needs to read it."""

    def __init__(self, cluster, prefix, partitions=PARTITIONS, create=True):
        self.topic, self.activity = f"{prefix}.registry", f"{prefix}.activity"
        self.partitions = partitions
        self.keyring, self.route_keys = KeyFile("2026-05"), KeyFile("route")
        self.settings = {"topics": {"registry": self.topic, "activity": self.activity},
                         "keyring_file": "secrets/keyring", "route_key_file": "secrets/route-key"}
        self.secrets = {"keyring": self.keyring.text, "route-key": self.route_keys.text}
        if create:
            cluster.create_topics(self.topic, partitions=partitions, config={"cleanup.policy": "compact"})
            cluster.create_topics(self.activity, partitions=1, config={"cleanup.policy": "compact"})
        self._producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": str(uuid.uuid4()),
                                   "linger.ms": 0, "log_level": 0})
        self._is_begun = False

    def partition(self, account):
        return (murmur2(account.encode()) & 0x7fffffff) % self.partitions

    def seal(self, key, record, keyring=None, topic=None):
        name, secret = (keyring or self.keyring).first
        nonce = os.urandom(12)
        additional = b"\0".join([(topic or self.topic).encode(), key.encode(), b"\x01" + name.encode()])
        sealed = AESGCM(secret).encrypt(nonce, json.dumps(record).encode(), additional)
        return bytes([1, len(name)]) + name.encode() + nonce + sealed

    def commit(self, *records):
        """(key, value, partition) each, value None for a tombstone, in one transaction. Returns when it is committed."""
        if not self._is_begun:
            self._producer.init_transactions(30)
            self._is_begun = True
        self._producer.begin_transaction()
        for key, value, partition in records:
            while True:
                try:
                    self._producer.produce(self.topic, key=key, value=value, partition=partition)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        self._producer.commit_transaction(60)
        return time.monotonic()

    def put(self, *routes, state="active"):
        return self.commit(*((r.key, self.seal(r.key, r.record(state)), self.partition(r.account)) for r in routes))

    def delete(self, route):
        return self.commit((route.key, None, self.partition(route.account)))

    def path(self, route):
        return route.path(self.route_keys)
