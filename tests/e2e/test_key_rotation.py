"""Keys and passwords that change under running processes: what the old keys sealed and signed stays readable and ours."""

import pytest

from harness import wait
from harness.bridge import run
from harness.kafka import KafkaCluster
from harness.reconciler import account
from harness.registry import KeyFile, path_under
from harness.sender import post

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]
KEY = "key-of-acme-42"


def status_of(world, subscription):
    try:
        return post(world.config.ingress_port, subscription.path, b"[]", subscription.secret).status
    except OSError:
        return 0


def change(world, name, text):
    """Replaces a secret file and waits until each running process has read it."""
    processes = [bridge for bridge in world.bridges if bridge.process.poll() is None]
    loaded = [len(bridge.log("config.loaded")) for bridge in processes]
    world.config.write(f"secrets/{name}", text)
    for bridge, before in zip(processes, loaded):
        wait.until(lambda: len(bridge.log("config.loaded")) > before, 3, f"{name} is read again")


def sealed_under(record):
    return record.value[2:2 + record.value[1]].decode()


def test_a_new_route_key_moves_every_subscription_and_no_callback_is_refused(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    world.await_settled("acme-42", count=2)
    world.start_ingress()
    old = maesn.of(KEY)
    for subscription in old:
        wait.until(lambda: status_of(world, subscription) == 200, 20, "a callback is delivered")

    newer, older = KeyFile("newer"), world.registry.route_keys
    change(world, "route-key", older.text + "\n" + newer.text)  # known everywhere before it signs
    change(world, "route-key", newer.text + "\n" + older.text)

    def is_moved():
        for subscription in maesn.of(KEY):
            assert status_of(world, subscription) not in (401, 404)
        return not {s.id for s in old} & {s.id for s in maesn.of(KEY)} and world.is_settled("acme-42", count=2)

    wait.until(is_moved, 60, "each was replaced, and the old ones deleted")
    keys = {route["provider_id"]: key for key, route in world.table().items() if key.startswith("/in/")}
    for subscription in maesn.of(KEY):
        assert subscription.path == path_under(newer, keys[subscription.id])
        assert status_of(world, subscription) == 200
    for subscription in old:  # what was queued at the provider before the DELETE still verifies
        assert status_of(world, subscription) == 200
    posted = len(maesn.asked("POST", KEY))
    asked = len(maesn.asked("GET", KEY))
    wait.until(lambda: len(maesn.asked("GET", KEY)) > asked + 1, 40, "two more passes")
    assert len(maesn.asked("POST", KEY)) == posted == 4


def test_a_keyring_is_rotated_while_everything_runs_and_the_old_key_goes(start_world, maesn):
    world = start_world([account("acme-42", "lexware-office", INVOICES)])
    world.await_settled("acme-42", count=2)
    reconciler = world.bridges[0]
    world.start_ingress()
    newer = KeyFile("newer")
    change(world, "keyring", world.registry.keyring.text + "\n" + newer.text)
    change(world, "keyring", newer.text + "\n" + world.registry.keyring.text)

    before = len(world.records())
    world.request("acme-42", "rotate")  # sealed with the old key
    world.registry.keyring.keys |= newer.keys
    wait.until(lambda: len(maesn.asked("POST", KEY)) == 4, 30, "each was replaced")
    written = [r for r in world.records()[before:] if r.value is not None]
    assert written and {sealed_under(r) for r in written} == {"newer"}
    for subscription in maesn.of(KEY):
        wait.until(lambda: status_of(world, subscription) == 200, 20, "old and new records are read")

    assert reconciler.stop() == 0
    resealed = run("registry", "reseal", "--config", world.config.file)
    assert resealed.returncode == 0, resealed.stderr
    change(world, "keyring", newer.text)
    for subscription in maesn.of(KEY):
        assert status_of(world, subscription) == 200
    world.start()
    world.await_settled("acme-42", count=2)
    assert len(maesn.asked("POST", KEY)) == 4


def test_an_account_declared_under_a_key_that_is_missing_is_subscribed_when_the_key_comes(start_world, maesn):
    world = start_world([])
    newer, held = KeyFile("newer"), world.registry.keyring
    world.registry.keyring = newer
    world.put_account("late", "key-of-late", subscriptions=INVOICES)
    world.registry.keyring = held
    [reconciler] = world.bridges
    wait.until(lambda: reconciler.log("registry.record-refused"), 10, "the record is refused")
    assert not maesn.asked()
    change(world, "keyring", held.text + "\n" + newer.text)
    world.await_settled("late", count=2)


@pytest.fixture
def guarded_kafka():
    """One broker that wants a password."""
    with KafkaCluster(1, password="the-first-password") as cluster:
        yield cluster


def test_a_new_kafka_password_is_taken_without_a_restart(guarded_kafka, start_world, maesn, tmp_path):
    password = tmp_path / "kafka-password"
    password.write_text("the-first-password\n")
    first, second = (account(name, "lexware-office", INVOICES) for name in ("acme-42", "second"))
    world = start_world([first], {"kafka": {
        "brokers": guarded_kafka.guarded_bootstrap, "sasl_password_file": str(password),
        "raw": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "bridge"}}},
        cluster=guarded_kafka)
    world.await_settled("acme-42", count=2)
    reconciler, ingress = world.bridges[0], world.start_ingress()
    subscription = maesn.of(KEY)[0]
    wait.until(lambda: status_of(world, subscription) == 200, 20, "a callback is delivered")

    # The file changes before the brokers know of it: until they do, what works goes on.
    password.write_text("the-second-password\n")
    for bridge in (reconciler, ingress):
        wait.until(lambda: any("uthentication failed" in line["message"] for line in bridge.log("kafka.logged")), 10,
                   "the brokers refuse it")
    assert reconciler.is_ready() and status_of(world, subscription) == 200
    assert not reconciler.log("kafka.client-replaced") and not ingress.log("kafka.client-replaced")

    guarded_kafka.change_password("the-second-password")
    # The readers of four topics, and the group's member.
    wait.until(lambda: len(reconciler.log("kafka.client-replaced")) == 5, 30, "the reconciler's clients are replaced")
    wait.until(lambda: len(ingress.log("kafka.client-replaced")) == 1, 30, "the ingress's reader is replaced")
    world.declare([first, second])
    world.await_settled("acme-42", "second", count=4, seconds=60)
    for subscription in maesn.of("key-of-second"):
        wait.until(lambda: status_of(world, subscription) == 200, 20, "the new routes are known")
