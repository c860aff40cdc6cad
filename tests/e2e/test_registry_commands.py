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
