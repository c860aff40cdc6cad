"""`registry export|import|reseal`, `subscriptions list|show` and `account put|delete|list` against a real broker."""

import json

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from conftest import numbers
from harness import wait
from harness.registry_cli import COMPACT, Registry, account_line, declaration_line, key_line, route_line


@pytest.fixture
def registry(kafka):
    made = []

    def make(**options):
        made.append(Registry(kafka, f"registry{next(numbers)}", **options))
        return made[-1]

    yield make
    for one in made:
        one.config.remove()


LINES = (route_line(), route_line("beta", token="webhook-token", expires_at_unix_ms=1800000000000),
         route_line(resource="customer", state="retired"), account_line(), account_line("beta", "blocked", reason="401"),
         declaration_line("gamma"))
SECRETS = ("signing-secret", "key-of-", "webhook-token")


def raw(cluster, topic):
    """{(partition, key): (value, offset)} of the latest records."""
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "raw", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True})
    partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    found, ended = {}, set()
    while len(ended) < len(partitions):
        message = consumer.poll(10)
        assert message is not None, "the end of the topic was not met"
        if message.error():
            ended.add(message.partition())
        else:
            found[message.partition(), message.key()] = message.value()
    consumer.close()
    return found


class Member:
    """Somebody in the reconcilers' group."""

    def __init__(self, registry):
        self.consumer = Consumer({"bootstrap.servers": registry.cluster.bootstrap,
                                  "group.id": f"{registry.topics['registry']}-reconciler"})
        self.consumer.subscribe([registry.topics["registry"]])
        wait.until(lambda: self.consumer.poll(0.1) is None and self.consumer.assignment(), 20, "a member")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.consumer.close()


# --- registry ----------------------------------------------------------------------------------------------------------

def test_what_was_exported_with_its_secrets_is_imported_as_it_was(registry):
    first = registry()
    first.fill(*LINES)
    exported = first.run("registry", "export", "--with-secrets")
    assert exported.returncode == 0 and exported.stderr == ""
    assert {line["key"]: line for line in map(json.loads, exported.stdout.splitlines())} == {line["key"]: line for line in LINES}

    second = registry(partitions=3)
    assert second.json("registry", "import", schema="registry-import", stdin=exported.stdout) == {
        "imported": len(LINES), "unchanged": 0, "conflicts": 0, "keys": []}
    assert second.run("registry", "export", "--with-secrets").stdout == exported.stdout
    assert second.json("registry", "import", schema="registry-import", stdin=exported.stdout)["unchanged"] == len(LINES)


def test_an_export_has_no_secrets_unless_it_is_told_to_and_cannot_be_imported(registry):
    one = registry()
    one.fill(*LINES)
    done = one.run("registry", "export")
    assert done.returncode == 0
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
    assert one.export()["/in/maesn/beta/invoice/created/1795293215356"]["redacted"] == ["secret", "token"]
    imported = one.run("registry", "import", "--force", stdin=done.stdout)
    assert imported.returncode == 1
    assert "--with-secrets" in imported.stderr and "(standard input):1: " in imported.stderr


def test_nothing_of_the_records_can_be_read_in_the_topics(registry):
    one = registry()
    one.fill(*LINES)
    values = [*raw(one.cluster, one.topics["registry"]).values(), *raw(one.cluster, one.topics["accounts"]).values()]
    assert len(values) == len(LINES)
    assert not any(text in value for value in values for text in (b"secret", b"key-of", b"xero", b"version"))


def test_an_import_where_a_key_exists_changes_nothing_unless_it_is_forced(registry):
    one = registry()
    one.fill(route_line(), account_line())
    other = route_line(secret="another-secret")
    lines = "".join(json.dumps(line) + "\n" for line in (other, route_line("new"), account_line()))
    assert one.json("registry", "import", schema="registry-import", code=1, stdin=lines) == {
        "imported": 0, "unchanged": 0, "conflicts": 1, "keys": [other["key"]]}
    assert one.export("--with-secrets").keys() == {route_line()["key"], account_line()["key"]}
    assert one.json("registry", "import", "--force", schema="registry-import", stdin=lines)["imported"] == 2
    assert one.export("--with-secrets")[other["key"]] == other


def test_one_faulty_line_and_nothing_is_imported(registry):
    one = registry()
    wrong = {**route_line("beta"), "key": route_line("gamma")["key"]}
    lines = [json.dumps(route_line()), "", "no json", json.dumps(wrong), json.dumps(route_line()), '{"key":"/x","record":{"version":1}}',
             json.dumps(declaration_line(provider="paypal"))]
    done = one.run("registry", "import", stdin="\n".join(lines))
    assert done.returncode == 1
    assert [line.split(": ", 1)[0] for line in done.stderr.splitlines()[:-1]] == \
        [f"(standard input):{n}" for n in (3, 4, 5, 6, 7)]
    assert "5 faulty lines, nothing was imported" in done.stderr.splitlines()[-1]
    assert not any(secret in done.stderr for secret in SECRETS)
    assert one.export() == {}
    missing = one.run("registry", "import", "/nonexistent")
    assert missing.returncode == 1 and "/nonexistent" in missing.stderr


def test_while_a_reconciler_runs_the_registry_is_only_read(registry):
    one = registry()
    one.fill(*LINES)
    with Member(one):
        for command in ("import", "reseal"):
            done = one.run("registry", command, "--output", "json", stdin=json.dumps(route_line("late")))
            assert done.returncode == 1 and done.stdout == ""
            assert "has 1 member, expected none" in done.stderr
        assert one.export().keys() == {line["key"] for line in LINES}
    one.fill(route_line("late"))


def sealed_under(value):
    return value[2:2 + value[1]].decode()


def test_after_a_reseal_the_old_key_is_not_needed(registry):
    one = registry()
    one.fill(*LINES)
    old = (one.config.path / "secrets/keyring").read_text()
    before = one.export("--with-secrets")
    one.config.write("secrets/keyring", key_line("k2") + "\n" + old)
    one.fill(route_line("new"))
    before[route_line("new")["key"]] = route_line("new")
    assert one.json("registry", "reseal", schema="registry-reseal") == {
        "sealed_under": "k2", "resealed": len(LINES), "current": 1, "unreadable": 0, "records": []}
    for topic in ("registry", "accounts"):
        assert {sealed_under(value) for value in raw(one.cluster, one.topics[topic]).values()} == {"k2"}
    one.config.write("secrets/keyring", (one.config.path / "secrets/keyring").read_text().splitlines()[0] + "\n")
    assert one.export("--with-secrets") == before
    assert one.json("registry", "reseal", schema="registry-reseal")["resealed"] == 0


def test_a_record_that_cannot_be_read_is_told_of_and_left(registry):
    one = registry()
    one.fill(route_line(), account_line())
    topic = one.topics["registry"]
    [(partition, key)] = [(p, k) for p, k in raw(one.cluster, topic) if k.startswith(b"/in/")]
    value = raw(one.cluster, topic)[partition, key]
    moved = route_line(resource="customer")["key"].encode()
    producer = Producer({"bootstrap.servers": one.cluster.bootstrap})
    producer.produce(topic, key=moved, value=value, partition=partition)
    assert producer.flush(20) == 0

    exported = one.export(code=1)
    assert exported[moved.decode()]["sealed_under"] == "k1" and "moved" in exported[moved.decode()]["unreadable"]
    assert exported[key.decode()]["record"]["state"] == "active"

    one.config.write("secrets/keyring", key_line("k2") + "\n" + (one.config.path / "secrets/keyring").read_text())
    resealed = one.json("registry", "reseal", schema="registry-reseal", code=1)
    assert (resealed["resealed"], resealed["unreadable"]) == (2, 1)
    assert resealed["records"][0]["key"] == moved.decode()
    assert raw(one.cluster, topic)[partition, moved] == value


def test_a_topic_that_is_not_what_it_must_be_is_an_operators_error(kafka, registry):
    missing = registry(create=())
    for command in ("export", "import", "reseal"):
        done = missing.run("registry", command)
        assert done.returncode == 69 and "topics apply" in done.stderr
    kafka.create_topics(missing.topics["registry"], config={"cleanup.policy": "delete"})
    done = missing.run("registry", "export")
    assert done.returncode == 78 and "cleanup.policy" in done.stderr

    resized = registry()
    resized.fill(route_line())
    [(partition, key)] = raw(kafka, resized.topics["registry"])
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(resized.topics["registry"], key=key, value=b"x", partition=(partition + 1) % 4)
    assert producer.flush(20) == 0
    done = resized.run("registry", "export")
    assert done.returncode == 78 and "resized" in done.stderr


def test_without_a_registry_or_its_brokers_there_is_nothing_to_look_at(registry):
    none = registry(settings={"topics": {"registry": ""}}, create=())
    done = none.run("registry", "export")
    assert done.returncode == 78 and "topics.registry" in done.stderr
    away = registry(settings={"kafka": {"brokers": "127.0.0.1:1"}}, create=())
    done = away.run("registry", "export")
    assert done.returncode == 69 and done.stdout == ""


# --- subscriptions -----------------------------------------------------------------------------------------------------

SUBSCRIPTIONS = (
    route_line(expires_at_unix_ms=4102444800000, created_at_unix_ms=1795293215400),  # 2100-01-01
    route_line(generation=1795293215357, state="retired", gone_after_unix_ms=1795379615356),
    route_line("beta", "customer", "all", state="pending"),
    account_line(key_since_unix_ms=1795293215000),
    account_line("beta", "blocked", reason="401 from the provider", status_since_unix_ms=1795293215000),
)


def note_event(registry, specification, at_unix_ms):
    producer = Producer({"bootstrap.servers": registry.cluster.bootstrap})
    producer.produce(registry.topics["activity"], key=specification, value=json.dumps(
        {"version": 1, "first_at_unix_ms": at_unix_ms, "last_at_unix_ms": at_unix_ms, "callbacks": 1}))
    assert producer.flush(20) == 0


def test_each_subscription_is_listed_with_its_state_expiry_and_last_event(registry):
    one = registry()
    one.fill(*SUBSCRIPTIONS)
    note_event(one, "maesn/acme-42/invoice/created", 1795293999000)
    done = one.run("subscriptions", "list")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    heading, first, second, trouble = done.stdout.splitlines()
    assert heading.split() == ["ACCOUNT", "SYSTEM", "RESOURCE", "EVENT", "STATE", "EXPIRES", "LAST", "EVENT"]
    assert first.split()[:6] == ["acme-42", "xero", "invoice", "created", "active", "2100-01-01"]
    assert second.split()[:5] == ["beta", "xero", "customer", "all", "pending"] and second.endswith("never")
    assert trouble.startswith("beta: blocked, ") and trouble.endswith("401 from the provider")

    listed = one.json("subscriptions", "list", schema="subscriptions")
    assert [(s["account"], s["state"], s["has_secret"], s.get("expires_at"), s.get("last_event_at")) for s in listed["subscriptions"]] == [
        ("acme-42", "active", True, "2100-01-01T00:00:00Z", "2026-11-21T20:46:39Z"), ("beta", "pending", True, None, None)]
    assert [(a["account"], a["status"]) for a in listed["accounts"]] == [("acme-42", "ok"), ("beta", "blocked")]
    assert [s["state"] for s in one.json("subscriptions", "list", "acme-42", "--all", schema="subscriptions")["subscriptions"]] == \
        ["active", "retired"]


def test_an_account_is_shown_with_all_that_is_known_but_its_secrets(registry):
    one = registry()
    one.fill(*SUBSCRIPTIONS)
    done = one.run("subscriptions", "show", "acme-42")
    assert done.returncode == 0
    for part in ("acme-42: ok", "invoice created: active", "invoice created: retired", "id-acme-42-invoice", "2100-01-01T00:00:00Z",
                 "/in/maesn/acme-42/invoice/created/1795293215356"):
        assert part in done.stdout
    assert "beta" not in done.stdout
    whole = done.stdout + one.run("subscriptions", "list", "--all", "--output", "json").stdout
    assert not any(secret in whole for secret in SECRETS)
    assert len(one.json("subscriptions", "show", "acme-42", schema="subscriptions")["subscriptions"]) == 2
    nobody = one.run("subscriptions", "show", "nobody")
    assert nobody.returncode == 1 and "nobody" in nobody.stderr


def test_a_subscription_that_cannot_be_read_is_listed_as_such(registry):
    one = registry()
    one.fill(*SUBSCRIPTIONS)
    one.config.write("secrets/keyring", key_line("k1"))
    listed = one.json("subscriptions", "list", schema="subscriptions", code=1)
    assert {s["state"] for s in listed["subscriptions"]} == {a["status"] for a in listed["accounts"]} == {"unreadable"}
    assert "unreadable" in one.run("subscriptions", "list").stdout
    empty = registry().run("subscriptions", "list")
    assert empty.returncode == 0 and empty.stdout == "no subscriptions\n"


# --- accounts ----------------------------------------------------------------------------------------------------------

def account(name="acme-42", **more):
    return {"id": name, "system": "xero", "account_key_file": "account-key", "company_id": "7", "subscriptions": "all", **more}


def written(registry, *accounts):
    registry.config.write("account-key", "key-of-them-all")
    return registry.write_accounts(*accounts, name="put.yaml")


def test_accounts_that_were_put_are_there_sealed_until_they_are_deleted(registry):
    one = registry()
    file = written(one, account(), account("beta", system="freshbooks", subscriptions=[{"resource": "INVOICE", "events": ["CREATED"]}]))
    assert one.json("account", "put", file, schema="account-change") == {
        "accounts": [{"account": "acme-42", "result": "put"}, {"account": "beta", "result": "put"}]}
    file.unlink()
    (one.config.path / "account-key").unlink()
    values = list(raw(one.cluster, one.topics["accounts"]).values())
    assert len(values) == 2 and not any(b"key-of" in value or b"xero" in value for value in values)
    one.fill(account_line("beta", "blocked", reason="401"))

    listed = one.json("account", "list", schema="account-list")["accounts"]
    assert listed == [
        {"account": "acme-42", "source": "topic", "counts": True, "provider": "maesn", "system": "xero", "company_id": "7",
         "subscriptions": "all"},
        {"account": "beta", "source": "topic", "counts": True, "provider": "maesn", "system": "freshbooks", "company_id": "7",
         "subscriptions": [{"resource": "INVOICE", "events": ["CREATED"]}], "status": "blocked", "reason": "401"}]
    text = one.run("account", "list").stdout
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["acme-42", "maesn", "xero", "7", "all", "topic", "-"], ["beta", "maesn", "freshbooks", "7", "1", "topic", "blocked"]]
    assert one.export("--with-secrets")["acme-42"]["record"]["account_key"] == "key-of-them-all"

    assert one.json("account", "delete", "beta", schema="account-change") == {"accounts": [{"account": "beta", "result": "deleted"}]}
    assert [a["account"] for a in one.json("account", "list", schema="account-list")["accounts"]] == ["acme-42"]
    again = one.run("account", "delete", "beta")
    assert again.returncode == 1 and "beta" in again.stderr
    assert one.run("account", "delete", "/request/acme-42").returncode == 64


def test_what_is_there_as_it_is_is_not_written_again(registry):
    one = registry()
    file = written(one, account(), account("beta"))
    assert one.run("account", "put", file).stdout == "acme-42: put\nbeta: put\n"
    before = raw(one.cluster, one.topics["accounts"])
    written(one, account(), account("beta", company_id="8"))
    assert one.run("account", "put", file).stdout == "acme-42: unchanged\nbeta: put\n"
    after = raw(one.cluster, one.topics["accounts"])
    assert {key for _, key in before if before[_, key] != after[_, key]} == {b"beta"}


def test_an_account_of_the_files_counts_and_is_told_of(registry):
    one = registry()
    file = written(one, account())
    one.write_accounts(account(account_key_file="../account-key", company_id="9"))
    done = one.run("account", "put", file)
    assert done.returncode == 0
    assert "warning: acme-42: " in done.stderr and "accounts.d/accounts.yaml:1 declares it too" in done.stderr
    listed = one.json("account", "list", schema="account-list")["accounts"]
    assert [(a["source"], a["counts"], a["company_id"]) for a in listed] == [("file", True, "9"), ("topic", False, "7")]
    assert "topic, but " in one.run("account", "list").stdout


def test_a_faulty_file_puts_nothing_and_names_the_place(registry):
    one = registry()
    file = written(one, account(), account("beta", system="nonesuch"), account("gamma", subscriptions=[{"resource": "INVOCE"}]))
    done = one.run("account", "put", file)
    assert done.returncode == 78 and done.stdout == ""
    for part in ("put.yaml:1:", "accounts[1].system", "accounts[2].subscriptions[0].resource"):
        assert part in done.stderr
    assert raw(one.cluster, one.topics["accounts"]) == {}
    assert one.run("account", "put", "/nonexistent.yaml").returncode == 78
    assert one.run("account", "list").stdout == "no accounts\n"


def test_accounts_put_at_the_same_time_are_all_there(registry):
    import concurrent.futures
    one = registry(partitions=1)
    one.config.write("account-key", "key-of-them-all")
    files = [one.write_accounts(account(f"a{i}"), name=f"put{i}.yaml") for i in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in pool.map(lambda file: one.run("account", "put", file), files):
            assert done.returncode == 0, done.stderr
    assert {key for _, key in raw(one.cluster, one.topics["accounts"])} == {b"a0", b"a1", b"a2", b"a3"}


def test_an_account_that_cannot_be_read_is_listed_as_such(registry):
    one = registry()
    assert one.run("account", "put", written(one, account())).returncode == 0
    one.config.write("secrets/keyring", key_line("k1"))
    [listed] = one.json("account", "list", schema="account-list", code=1)["accounts"]
    assert "k1" in listed["unreadable"]
    assert one.run("account", "put", one.config.path / "put.yaml").stdout == "acme-42: put\n"
    assert one.run("account", "list").returncode == 0
