"""A configuration with a registry of its own, and records to put into it."""

import json
import pathlib
import secrets

import jsonschema

from harness import environment
from harness.bridge import ConfigDirectory, merged, run

SCHEMAS = environment.ROOT / "deploy/schemas"
COMPACT = {"cleanup.policy": "compact"}
GENERATION = 1795293215356


def key_line(name):
    return f"{name}:{secrets.token_hex(32)}"


def validate(document, schema):
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{schema}.schema.json").read_text())).validate(document)


class Registry:
    """The topics of one registry under a prefix of their own, and the commands that look into them."""

    def __init__(self, cluster, prefix, partitions=4, settings=None, create=("registry", "accounts", "activity")):
        self.cluster = cluster
        self.topics = {name: f"{prefix}.{name}" for name in ("registry", "accounts", "activity", "token")}
        self.config = ConfigDirectory(merged({
            "kafka": {"brokers": cluster.bootstrap},
            "topics": self.topics,
            "public_base_url": "https://hooks.example.com",
            "route_key_file": "secrets/route-key",
            "keyring_file": "secrets/keyring",
            "maesn": {"api_key_file": "secrets/api-key"},
            "accounts_dir": "accounts.d",
        }, settings or {}), secrets={"route-key": key_line("r1"), "keyring": key_line("k1"), "api-key": "api-key-of-the-tenant"})
        (self.config.path / "accounts.d").mkdir()
        for name in create:
            cluster.create_topics(self.topics[name], partitions=partitions, config=COMPACT)

    def run(self, *arguments, stdin=""):
        return run(*arguments, "--config", self.config.file, stdin=stdin)

    def json(self, *arguments, schema, code=0, stdin=""):
        done = self.run(*arguments, "--output", "json", stdin=stdin)
        assert done.returncode == code, done.stderr
        document = json.loads(done.stdout)
        validate(document, schema)
        return document

    def fill(self, *lines):
        done = self.run("registry", "import", stdin="".join(json.dumps(line) + "\n" for line in lines))
        assert done.returncode == 0, done.stderr

    def export(self, *options, code=0):
        """{key: line} of the export."""
        done = self.run("registry", "export", *options)
        assert done.returncode == code, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            validate(line, "registry-line")
        assert [line["key"] for line in lines if line["key"].startswith("/")] == \
            sorted(line["key"] for line in lines if line["key"].startswith("/"))
        return {line["key"]: line for line in lines}

    def write_accounts(self, *accounts, name="accounts.d/accounts.yaml"):
        self.config.write(name, json.dumps({"accounts": list(accounts)}))
        return pathlib.Path(self.config.path / name)


def route_line(account="acme-42", resource="invoice", event="created", generation=GENERATION, state="active", **more):
    record = {"version": 1, "state": state, "provider": "maesn", "account": account, "resource": resource, "event": event,
              "generation_unix_ms": generation, "origin": "created", "system": "xero",
              "public_base_url": "https://hooks.example.com", "provider_id": f"id-{account}-{resource}",
              "secret": f"signing-secret-of-{account}", **more}
    return {"key": f"/in/maesn/{account}/{resource}/{event}/{generation}", "record": record}


def account_line(account="acme-42", status="ok", **more):
    return {"key": f"/account/{account}",
            "record": {"version": 1, "account": account, "provider": "maesn", "system": "xero",
                       "account_key": f"key-of-{account}", "status": status, **more}}


def declaration_line(account="acme-42", **more):
    return {"key": account,
            "record": {"version": 1, "account": account, "provider": "maesn", "system": "xero",
                       "account_key": f"key-of-{account}", "subscriptions": "all", **more}}
