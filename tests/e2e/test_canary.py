"""Secrets that nobody else in the world has: they appear nowhere."""

import base64
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from harness import bridge as harness_bridge
from harness import consumers, wait
from harness.bridge import PATH, route
from harness.intruder import Intruder
from harness.maesn import API_KEY
from harness.reconciler import World, account
from harness.sender import SIGNATURE_HEADER, encode, event, exchange, post, request, sign

CURRENT = "canary-current-6f1e0b7d3c5a49e8"
PREVIOUS = "canary-previous-91d2c47ab83f4c06"
MONEYBIRD = "canary-moneybird-2b7c5d19e0f34a88"
TOKEN = "canary-token-0d4e8f71a2b6c395"
SASL_PASSWORD = "canary-sasl-5e9a1c3f7b2d4086"
KEY_PASSWORD = "canary-key-password-c83a5f0e1d7b"
INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]
CANARIES = (CURRENT, PREVIOUS, MONEYBIRD, TOKEN, SASL_PASSWORD, KEY_PASSWORD)


def check_free_of_canaries(text, where, more=()):
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    for canary in (*CANARIES, *more):
        for form in (canary, canary.encode().hex(), canary.upper()):
            assert form not in text, f"{canary} is in {where}"


def test_secrets_appear_nowhere(kafka, start_bridge):
    bridge = start_bridge(
        kafka,
        {"log": {"level": "debug"},
         "kafka": {"raw": {"debug": "all", "sasl.username": "bridge", "sasl.mechanism": "PLAIN"},
                   "sasl_password_file": "secrets/sasl-password"}},
        routes=[route(secret_file="../secrets/current", previous_secret_file="../secrets/previous"),
                {"path": "/in/moneybird/bakery/by-hand", "provider": "moneybird", "account": "bakery",
                 "system": "moneybird", "secret_file": "../secrets/moneybird"},
                {"path": "/in/moneybird/old/by-hand", "provider": "moneybird", "account": "old", "system": "moneybird",
                 "token_file": "../secrets/token"}],
        secrets={"current": CURRENT, "previous": PREVIOUS, "moneybird": MONEYBIRD, "token": TOKEN,
                 "sasl-password": SASL_PASSWORD})
    port = bridge.ingress_port
    token_push = encode({"webhook_token": TOKEN, "entity_type": "Contact", "entity_id": "1", "action": "contact_created"})
    unreadable = b'{"webhook_token":"' + TOKEN.encode() + b'","webhook_token":"' + TOKEN.encode() + b'"}'
    signatures = []
    # Accepted, refused, and kept as dead letters, by every secret there is.
    for secret, body in ((CURRENT, encode(event(1))), (PREVIOUS, encode(event(2))), (CURRENT, b"not json")):
        signatures.append(sign(secret, body))
        assert post(port, PATH, body, secret).status == 200
    for secret in ("wrong", MONEYBIRD):
        signatures.append(sign(secret, b"{}"))
        assert post(port, PATH, b"{}", secret).status == 401
    assert raw_post(port, "/in/moneybird/old/by-hand", token_push, {}).status == 200
    assert raw_post(port, "/in/moneybird/bakery/by-hand", token_push, {}).status == 401
    raw_post(port, "/in/moneybird/old/by-hand", unreadable, {})
    now = str(int(time.time()))
    signature = sign(MONEYBIRD, now.encode() + b"." + unreadable)
    signatures.append(signature)
    assert raw_post(port, "/in/moneybird/bakery/by-hand", unreadable,
                    {"Moneybird-Signature": f"t={now},v1={signature}"}).status == 200
    # The secret itself where it does not belong.
    raw_post(port, PATH, b"{}", {SIGNATURE_HEADER: CURRENT})
    bridge.config.write_routes([route(secret_file="../secrets/current"), {"path": "/in/broken"}])
    wait.until(lambda: bridge.metric("maesn_bridge_config_last_reload_successful") == 0, 5, "the reload to be refused")

    for path in ("/metrics", "/debug/config", "/rejections.json", "/readyz?verbose", "/livez", "/version", "/status", "/status.json"):
        status, text = bridge.admin(path)
        assert status == 200, path
        check_free_of_canaries(text, path, signatures)
    records = consumers.read_all(kafka, *bridge.topics.all)
    assert {r.topic.rpartition(".")[2] for r in records} == {"invoice", "contact", "dead-letter"}
    for record in records:
        check_free_of_canaries(record.value, f"the value of {record}", signatures)
        check_free_of_canaries(repr((record.key, record.header_list)), f"the headers of {record}", signatures)
    process = pathlib.Path("/proc") / str(bridge.pid)
    check_free_of_canaries((process / "cmdline").read_bytes(), "cmdline", signatures)
    check_free_of_canaries((process / "environ").read_bytes(), "environ", signatures)
    [core_limit] = [line for line in (process / "limits").read_text().splitlines() if line.startswith("Max core file size")]
    assert core_limit.split()[4:6] == ["0", "0"]
    assert bridge.stop() == 0
    log = bridge.output.read_text()
    assert bridge.log("kafka.logged"), "librdkafka's debug output is part of what is searched"
    check_free_of_canaries(log, "the log", signatures)
    bridge.config.write_routes([route(secret_file="../secrets/current", previous_secret_file="../secrets/previous")])
    for arguments in (("config", "print"), ("config", "print", "--output", "json"), ("check",)):
        printed = harness_bridge.run(*arguments, "--config", bridge.config.file)
        assert printed.returncode == 0, printed.stderr
        check_free_of_canaries(printed.stdout + printed.stderr, arguments)


def test_secrets_of_accounts_and_subscriptions_appear_nowhere(own_kafka, maesn):
    """Neither what a reconciler is given, nor what a provider gives it, nor what seals them; not in what brokers keep on disk
    either. Fails when a record is not sealed whole, or when a text that names a secret is logged or shown."""
    account_keys = {name: f"canary-account-key-{name}-7d1e" for name in ("acme-42", "globex")}
    world = World(own_kafka, maesn, "canary", [account("acme-42", "lexware-office", INVOICES)],
                  {"log": {"level": "debug"}})
    try:
        world.config.write("secrets/acme-42", account_keys["acme-42"])
        world.config.write("globex.yaml", json.dumps({"accounts": [
            {"id": "globex", "system": "xero", "account_key_file": "secrets/globex", "subscriptions": "all"}]}))
        world.config.write("secrets/globex", account_keys["globex"])
        own_kafka.create_topics(f"{world.prefix}.invoice", f"{world.prefix}.other", f"{world.prefix}.dead-letter")
        reconciler, ingress = world.start(), world.start_ingress()
        config = world.config.file
        outputs = [harness_bridge.run("account", "put", world.config.path / "globex.yaml", "--config", config)]
        assert outputs[0].returncode == 0, outputs[0].stderr
        wait.until(lambda: len(maesn.subscriptions) == 3, 40, "both accounts are subscribed")
        # Whatever may be said of answers and refusals is said.
        maesn.fault = lambda request: {"POST": (400, '{"data":null,"errors":["' + request.account_key + '"]}'),
                                       "DELETE": (500, request.account_key)}.get(request.method)
        for name in account_keys:
            world.request(name, "rotate")
        wait.until(lambda: reconciler.log("subscription.failed"), 40, "a refusal is told")
        held = list(maesn.subscriptions.values())
        for subscription in held:
            wait.until(lambda: post(ingress.ingress_port, subscription.path, encode(event(1)), subscription.secret).status == 200,
                       20, "a callback is taken")
            assert post(ingress.ingress_port, subscription.path, b"{}", "wrong").status == 401
        secrets = [API_KEY, *account_keys.values(), *(s.secret for s in held), *(s.secret for s in maesn.ended),
                   *(key.hex() for keys in (world.registry.keyring, world.registry.route_keys) for key in keys.keys.values())]

        for arguments in (("plan",), ("plan", "--output", "json"), ("subscriptions", "list"),
                          ("subscriptions", "list", "--output", "json"), ("account", "list"), ("registry", "export"),
                          ("config", "print"), ("check",)):
            outputs.append(harness_bridge.run(*arguments, "--config", config))
            assert outputs[-1].stdout, (arguments, outputs[-1].stderr)
        for bridge in (reconciler, ingress):
            for path in ("/metrics", "/debug/config", "/readyz?verbose", "/rejections.json", "/version", "/status", "/status.json"):
                status, text = bridge.admin(path)
                assert status == 200, path
                check_free_of(secrets, text, path)
            process = pathlib.Path("/proc") / str(bridge.pid)
            for name in ("cmdline", "environ"):
                check_free_of(secrets, (process / name).read_bytes(), name)
        for done in outputs:
            check_free_of(secrets, done.stdout + done.stderr, done.args)
        for bridge in world.bridges:
            assert bridge.stop() == 0
            check_free_of(secrets, bridge.output.read_text(), bridge.command[1])
        own_kafka.stop_brokers()
        logs = [path for broker in own_kafka.brokers for path in broker.directory.rglob("*.log")
                if path.parent.name.startswith(world.prefix)]
        written = b"".join(path.read_bytes() for path in logs)
        assert b"/account/acme-42" in written, "what is searched is what was written"
        check_free_of(secrets, written, "the brokers' files")
    finally:
        world.stop()


def check_free_of(secrets, text, where):
    """In no form that somebody might have given it: as it is, in hex or base64, its bytes, its hash."""
    data = text if isinstance(text, bytes) else text.encode()
    for secret in secrets:
        raw = secret.encode()
        forms = [raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), hashlib.sha256(raw).hexdigest().encode()]
        if len(secret) == 64:
            forms.append(bytes.fromhex(secret))
        for form in forms:
            assert form not in data, f"{secret} is in {where}"


def test_a_secret_written_into_the_settings_is_refused_or_redacted():
    config = harness_bridge.ConfigDirectory({"kafka": {"raw": {"ssl.key.password": KEY_PASSWORD,
                                                               "sasl.password": SASL_PASSWORD}}})
    try:
        for arguments in (("config", "print"), ("check",)):
            done = harness_bridge.run(*arguments, "--config", config.file)
            assert done.returncode in (0, 78)
            check_free_of_canaries(done.stdout + done.stderr, arguments)
    finally:
        config.remove()


def test_secrets_lie_in_locked_memory_only_and_are_wiped_when_they_are_replaced(kafka, start_bridge, tmp_path):
    """What is searched for from inside the program is not in its heap, on no stack and in no buffer: that memory could be
    swapped, and a debugger of root's would dump it. Fails when a reader of secrets leaves a copy behind."""
    intruder = Intruder(tmp_path)
    bridge = start_bridge(
        kafka, {"log": {"level": "debug"}, "spool": {"directory": str(tmp_path)}},
        routes=[route(secret_file="../secrets/current", previous_secret_file="../secrets/previous"),
                {"path": "/in/moneybird/old/by-hand", "provider": "moneybird", "account": "old", "system": "moneybird",
                 "token_file": "../secrets/token"}],
        secrets={"current": CURRENT, "previous": PREVIOUS, "token": TOKEN}, environ=intruder.environment)
    assert locked_kib(bridge) > 0
    assert bridge.log("secrets.unlocked") == []
    for number, secret in enumerate((CURRENT, PREVIOUS)):
        assert post(bridge.ingress_port, PATH, encode(event(number)), secret).status == 200
    for secret in (CURRENT, PREVIOUS, TOKEN):
        kept, elsewhere = intruder.search(bridge, secret)
        assert kept >= 1 and elsewhere == 0, (secret, kept, elsewhere)
    assert intruder.search(bridge, PATH)[1] >= 1, "what is no secret is found: it is the program's memory that is searched"

    bridge.config.write("secrets/current", "canary-replaced-4c1d88e0f5b7")
    wait.until(lambda: post(bridge.ingress_port, PATH, b"[]", "canary-replaced-4c1d88e0f5b7").status == 200, 30, "the new secret")
    wait.until(lambda: intruder.search(bridge, CURRENT) == (0, 0), 30, "the secret that was replaced is nowhere")
    assert intruder.search(bridge, PREVIOUS)[0] >= 1


def locked_kib(bridge):
    [line] = [line for line in pathlib.Path(f"/proc/{bridge.pid}/status").read_text().splitlines() if line.startswith("VmLck:")]
    return int(line.split()[1])


WITH_DUMPS = ("sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh")


def crash(process):
    """Whether the kernel says that it dumped the process's memory."""
    process.send_signal(signal.SIGABRT)
    end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.wait()
    assert end.si_status == signal.SIGABRT
    return end.si_code == os.CLD_DUMPED


def test_a_crash_dumps_no_memory_whatever_the_limit(kafka, start_bridge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where most kernels put it
    with subprocess.Popen([*WITH_DUMPS, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdin.write(b"started")
        other.stdin.flush()
        assert other.stdout.read(7) == b"started"
        if not crash(other):
            pytest.skip("LEFT OUT: here no crash dumps anything")
    for file in tmp_path.iterdir():
        file.unlink()
    bridge = start_bridge(kafka, prefix=WITH_DUMPS)
    assert not crash(bridge.process)
    assert list(tmp_path.iterdir()) == []


def raw_post(port, path, body, headers):
    return exchange(port, request(path, body, headers))
