"""The command line: help, exit codes, and configuration errors that name their place."""

import json
import re

import pytest

from harness.bridge import PATH, SECRET, ConfigDirectory, route, run
from harness.environment import ROOT
from harness.sender import SIGNATURE_HEADER, encode, event, sign

COMMANDS = ("ingress", "dev", "check", "topics plan", "topics apply", "plan", "apply", "keygen", "verify", "config print",
            "config reference", "registry export", "registry import", "registry reseal",
            "spool list", "spool export", "subscriptions list", "subscriptions show", "subscriptions rotate", "subscriptions adopt",
            "account put", "account delete", "account forget", "account list")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_is_a_page(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for part in ("Usage:", "Options:", "Examples:", "Exit"):
        assert part.lower() in done.stdout.lower(), f"{part} is missing:\n{done.stdout}"
    assert f"maesn-bridge {command}" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_overview_names_every_command():
    done = run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^ +{command} ", done.stdout, re.MULTILINE), command
    assert re.fullmatch(r"maesn-bridge \d+\.\d+\.\d+.*\n", run("--version").stdout.splitlines(keepends=True)[0])


@pytest.mark.parametrize("arguments, code", [
    ((), 64),
    (("no-such-command",), 64),
    (("check", "--no-such-option"), 64),
    (("check", "--config"), 64),
    (("check", "--config", "/nonexistent/bridge.yaml"), 78),
    (("ingress", "--config", "/nonexistent/bridge.yaml"), 78),
    (("keygen",), 0),
    (("config", "reference"), 0),
])
def test_exit_codes(arguments, code):
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert (done.stderr == "") == (code == 0)


def test_a_misspelt_command_is_answered_with_the_nearest_one():
    assert "ingress" in run("ingres").stderr


def test_the_example_configuration_passes():
    done = run("check", "--config", ROOT / "config/bridge.yaml")
    assert done.returncode == 0, done.stderr


def test_config_print_tells_where_each_value_comes_from():
    config = ConfigDirectory({"kafka": {"linger_ms": 7}})
    try:
        done = run("config", "print", "--config", config.file)
        assert done.returncode == 0, done.stderr
        [line] = [line for line in done.stdout.splitlines() if "linger_ms" in line]
        assert "7" in line and "bridge.yaml:" in line
        [line] = [line for line in done.stdout.splitlines() if "body_max_bytes" in line]
        assert "262144" in line and "default" in line
    finally:
        config.remove()


ROUTES = """routes:
  - path: /in/maesn/acme-42/by-hand
    provider: maesn
    account: acme-42
    system: xero
    secret_file: ../secrets/acme-xero
"""

BRIDGE = """kafka:
  brokers: 127.0.0.1:9092
topics:
  registry: ""
routes_dir: routes.d
"""

# what is wrong: (bridge.yaml, routes.d/routes.yaml, file:line:column and key that the error names)
BROKEN = {
    "an unknown key": (BRIDGE + "formt: binary\n", ROUTES, "bridge.yaml:6:1: formt"),
    "an unknown section": (BRIDGE + "ingres:\n  listen: 127.0.0.1:1\n", ROUTES, "bridge.yaml:6:1: ingres"),
    "an unknown key in a section": (BRIDGE.replace("brokers", "linger: 1\n  brokers"), ROUTES, "bridge.yaml:2:3: kafka.linger"),
    "a duplicate key": (BRIDGE + "format: binary\nformat: binary\n", ROUTES, "bridge.yaml:7:1: format"),
    "a duplicate section": (BRIDGE + "kafka:\n  linger_ms: 1\n", ROUTES, "bridge.yaml:6:1: kafka"),
    "a missing key": ('topics:\n  registry: ""\nroutes_dir: routes.d\n', ROUTES, "kafka.brokers"),
    "text for a number": (BRIDGE + "ingress:\n  deadline_ms: soon\n", ROUTES, "bridge.yaml:7:16: ingress.deadline_ms"),
    "a fraction for a number": (BRIDGE + "ingress:\n  deadline_ms: 2.5\n", ROUTES, "bridge.yaml:7:16: ingress.deadline_ms"),
    "a negative number": (BRIDGE + "ingress:\n  deadline_ms: -1\n", ROUTES, "bridge.yaml:7:16: ingress.deadline_ms"),
    "a number with a unit": (BRIDGE + "ingress:\n  deadline_ms: 2s\n", ROUTES, "bridge.yaml:7:16: ingress.deadline_ms"),
    "a number too large": (BRIDGE + "ingress:\n  body_max_bytes: 900001\n", ROUTES, "bridge.yaml:7:19: ingress.body_max_bytes"),
    "a number beyond 64 bits": (BRIDGE + "ingress:\n  body_max_bytes: 99999999999999999999\n", ROUTES,
                                "bridge.yaml:7:19: ingress.body_max_bytes"),
    "too many threads": (BRIDGE + "ingress:\n  threads: 1000\n", ROUTES, "bridge.yaml:7:12: ingress.threads"),
    "text for a truth value": (BRIDGE.replace("brokers", "idempotence: maybe\n  brokers"), ROUTES,
                               "bridge.yaml:2:16: kafka.idempotence"),
    "a mapping for a text": (BRIDGE + "format: {a: b}\n", ROUTES, "bridge.yaml:6:9: format"),
    "a text for a mapping": (BRIDGE + "ingress: 8080\n", ROUTES, "bridge.yaml:6:10: ingress"),
    "a list for a mapping": (BRIDGE + "ingress: [1]\n", ROUTES, "bridge.yaml:6:10: ingress"),
    "a word that is none of the choices": (BRIDGE + "format: ternary\n", ROUTES, "bridge.yaml:6:9: format"),
    "an unknown log level": (BRIDGE + "log:\n  level: loud\n", ROUTES, "bridge.yaml:7:10: log.level"),
    "an address without a port": (BRIDGE + "ingress:\n  listen: 127.0.0.1\n", ROUTES, "bridge.yaml:7:11: ingress.listen"),
    "a port beyond 65535": (BRIDGE + "admin:\n  listen: 127.0.0.1:70000\n", ROUTES, "bridge.yaml:7:11: admin.listen"),
    "an unknown placeholder": (BRIDGE.replace("topics:", 'topics:\n  template: "maesn.{resourse}"'), ROUTES,
                               "bridge.yaml:4:13: topics.template"),
    "a topic with a blank": (BRIDGE.replace("topics:", 'topics:\n  other: "a b"'), ROUTES, "bridge.yaml:4:10: topics.other"),
    "a protected librdkafka setting": (BRIDGE.replace("brokers", "raw: {acks: 1}\n  brokers"), ROUTES, "kafka.raw.acks"),
    "a librdkafka setting nobody knows": (BRIDGE.replace("brokers", "raw: {no.such.thing: 1}\n  brokers"), ROUTES,
                                          "kafka.raw.no.such.thing"),
    "a password file that is not there": (BRIDGE.replace("brokers", "sasl_password_file: nowhere\n  brokers"), ROUTES,
                                          "bridge.yaml:2:23: kafka.sasl_password_file"),
    "a routes directory that is not there": (BRIDGE.replace("routes.d", "nowhere"), ROUTES, "bridge.yaml:5:13: routes_dir"),
    "a bracket that is not closed": (BRIDGE + "ingress: {listen: \n", ROUTES, "bridge.yaml:"),
    "a tab for indentation": ("kafka:\n\tbrokers: a:1\n", ROUTES, "bridge.yaml:2:1"),
    "an alias": (BRIDGE.replace("127.0.0.1:9092", "&a 127.0.0.1:9092") + "format: *a\n", ROUTES, "bridge.yaml:6:9"),
    "an empty file": ("", ROUTES, "kafka.brokers"),
    "a route without a path": (BRIDGE, ROUTES.replace("path: /in/maesn/acme-42/by-hand\n    ", ""), "routes.yaml:2:5: routes"),
    "a route outside /in/": (BRIDGE, ROUTES.replace("/in/maesn", "/out/maesn"), "routes.yaml:2:11: routes"),
    "an unknown provider": (BRIDGE, ROUTES.replace("provider: maesn", "provider: mason"), "routes.yaml:3:15: routes"),
    "an account in upper case": (BRIDGE, ROUTES.replace("account: acme-42", "account: ACME"), "routes.yaml:4:14: routes"),
    "an unknown system": (BRIDGE, ROUTES.replace("system: xero", "system: zero"), "routes.yaml:5:13: routes"),
    "a secret file that is not there": (BRIDGE, ROUTES.replace("acme-xero", "nowhere"), "routes.yaml:6:18: routes"),
    "an empty secret file": (BRIDGE, ROUTES.replace("acme-xero", "empty"), "routes.yaml:6:18: routes"),
    "the same path twice": (BRIDGE, ROUTES + ROUTES.split("\n", 1)[1], "routes.yaml:7:11: routes"),
    "an unknown key of a route": (BRIDGE, ROUTES + "    secret: abc\n", "routes.yaml:7:5: routes"),
}


@pytest.fixture
def directory():
    config = ConfigDirectory()
    yield config
    config.remove()


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_configuration_is_told_by_file_line_column_and_key(directory, what):
    bridge, routes, place = BROKEN[what]
    directory.write("secrets/empty", "\n")
    directory.write("bridge.yaml", bridge)
    directory.write("routes.d/routes.yaml", routes)
    done = run("check", "--config", directory.file)
    assert done.returncode == 78, done.stdout + done.stderr
    assert any(re.search(r"\.yaml:\d+:\d+: ", line) and place in line for line in done.stderr.splitlines()), done.stderr


def test_all_errors_of_all_files_are_told_in_one_run(directory):
    directory.write("bridge.yaml", BRIDGE + "formt: binary\nlog:\n  level: loud\n")
    directory.write("routes.d/routes.yaml", ROUTES.replace("provider: maesn", "provider: mason").replace("acme-xero", "nowhere"))
    done = run("check", "--config", directory.file)
    assert done.returncode == 78
    for place in ("bridge.yaml:6:1: formt", "bridge.yaml:8:10: log.level", "routes.yaml:3:15:", "routes.yaml:6:18:"):
        assert place in done.stderr, done.stderr
    assert "format" in done.stderr, "the nearest key is suggested"


CAPTURED = encode(event("captured"))


@pytest.mark.parametrize("signature, secret_text, code, word", [
    (sign(SECRET, CAPTURED), SECRET, 0, ""),
    (sign(SECRET, CAPTURED), "correct-horse", 1, "another"),
    (sign(SECRET, CAPTURED + b"\n"), SECRET, 1, "newline"),
    ("sha256=" + sign(SECRET, CAPTURED), SECRET, 1, "prefix"),
])
def test_verify_says_whether_and_why_a_captured_request_fails(tmp_path, signature, secret_text, code, word):
    (tmp_path / "headers").write_text(f"POST {PATH} HTTP/1.1\r\nHost: bridge\r\n{SIGNATURE_HEADER}: {signature}\r\n\r\n")
    (tmp_path / "body").write_bytes(CAPTURED)
    (tmp_path / "secret").write_text(secret_text)
    done = run("verify", "--provider", "maesn", "--headers", tmp_path / "headers", "--body", tmp_path / "body",
               "--secret-file", tmp_path / "secret")
    assert done.returncode == code, done.stdout + done.stderr
    assert word in (done.stdout + done.stderr).lower()
    assert secret_text not in done.stdout + done.stderr


BOTH = """
kafka: {brokers: "localhost:9092"}
public_base_url: https://hooks.example.com
keyring_file: secrets/keys
route_key_file: secrets/keys
maesn: {api_key_file: secrets/api-key}
"""


def test_check_and_print_of_one_process_read_its_files_and_not_the_others(directory):
    directory.write("bridge.yaml", BOTH)
    directory.write("secrets/keys", "a:" + "1" * 64 + "\n")
    (directory.path / "accounts.d").mkdir()
    directory.write("accounts.d/accounts.yaml", "accounts: [{id: a, system: xero, account_key_file: ../secrets/a-key, subscriptions: all}]\n")

    def missed(*process):
        """The keys whose files are missed, by `check`; `config print` is of its opinion."""
        done = run("check", "--config", directory.file, "--output", "json", *process)
        found = {problem["key"] for problem in json.loads(done.stdout)["problems"] if "No such file" in problem["text"]}
        assert done.returncode == run("config", "print", "--config", directory.file, *process).returncode == (78 if found else 0), done.stderr
        return found

    reconcilers, ingress = {"maesn.api_key_file", "accounts[0].account_key_file"}, {"routes[0].secret_file"}
    assert missed("--process", "ingress") == set()
    assert missed("--process", "reconciler") == missed() == reconcilers
    (directory.path / "secrets/acme-xero").unlink()
    assert missed("--process", "ingress") == ingress
    assert missed("--process", "reconciler") == reconcilers
    assert missed() == reconcilers | ingress


def test_check_tells_a_program_its_findings_as_json(directory):
    directory.write("bridge.yaml", BRIDGE + "formt: binary\n")
    done = run("check", "--config", directory.file, "--output", "json")
    assert done.returncode == 78
    assert "formt" in json.dumps(json.loads(done.stdout or done.stderr))
