"""Secrets that nobody else in the world has: they appear nowhere."""

import json
import pathlib
import time

from harness import bridge as harness_bridge
from harness import consumers, wait
from harness.bridge import PATH, route
from harness.sender import SIGNATURE_HEADER, encode, event, exchange, post, request, sign

CURRENT = "canary-current-6f1e0b7d3c5a49e8"
PREVIOUS = "canary-previous-91d2c47ab83f4c06"
MONEYBIRD = "canary-moneybird-2b7c5d19e0f34a88"
TOKEN = "canary-token-0d4e8f71a2b6c395"
SASL_PASSWORD = "canary-sasl-5e9a1c3f7b2d4086"
KEY_PASSWORD = "canary-key-password-c83a5f0e1d7b"
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

    for path in ("/metrics", "/debug/config", "/rejections.json", "/readyz?verbose", "/livez", "/version"):
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


def raw_post(port, path, body, headers):
    return exchange(port, request(path, body, headers))
