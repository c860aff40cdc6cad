"""The JSON Schemas, which editors and pipelines believe, and the program judge the same values alike."""

import json
import re

import jsonschema
import pytest
import yaml

from harness.bridge import ConfigDirectory, run
from harness.environment import ROOT

VALUES = [
    True, False, None, 0, 1, -1, 7, 10, 64, 65, 99, 100, 1000, 2500, 5000, 60001, 900000, 900001, 4294967295, 4294967296, 1.5,
    "", " ", "a", "A", "a b", "a.b", "a_b", "..", "\u00e9", "x" * 250, "yes", "1", "true", "null",
    "binary", "structured", "info", "sync", "drop", "continue",
    ":80", ":8080", "a:0", "a:65535", "a:65536", "a:123456", "[::1]:1", "::1:1", "[::1]", "a:", "a:b",
    "a:1,b:2", "a:1, b:2", "a:1,", ",a:1", "SSL://a:1", "FTP://a:1", "[::1]:1,b:2", "a:1;b:2",
    "https://a", "https://a/", "https://a/b", "https://a/b/", "https://a:1/b", "https://a:0", "https://a:70000", "https://", "ftp://a",
    "https://a?b", "https://a#b", "https://a b", "https://[::1]:1/x", "https://[::1]",
    "http://a", "http://localhost", "http://localhost:1/x", "http://localhost.example", "http://127.0.0.1", "http://127.0.0.1:1",
    "http://[::1]:1", "HTTPS://a",
    [], {}, [1], ["https://a"], ["http://a"], [None], {"a": 1},
    {"client.id": "x"}, {"client.id": 1.10}, {"client.id": False}, {"client.id": None}, {"client.id": []}, {"acks": "all"},
    {"dr_msg_cb": 1}, {"test.mock.num.brokers": 3},
    {"weclapp": {}}, {"weclapp": {"resource": "required"}}, {"weclapp": {"resource": "maybe"}}, {"weclapp": {"events": ["A"]}},
    {"weclapp": {"events": "A"}}, {"weclapp": {"what": 1}}, {"weclapp": None}, {"We": {}},
]

# What a schema of one value cannot know: other settings, files, librdkafka.
BEYOND = re.compile(r"No such file|File name too long|Is a directory|Not a directory|not a regular file|the file is empty|the secret is"
                    r"|expected (less|more) than|expected another|there is (a|no)|not a property of librdkafka|Invalid value")
TEMPLATES = ("topics.template", "topics.key", "kafka.raw")


def settings_of(schema, prefix=""):
    """(key, schema) of each setting."""
    for name, child in schema["properties"].items():
        if "properties" in child:
            yield from settings_of(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def schema(name):
    return json.loads(run("config", "reference", "--format", name).stdout)


def accepts(part, value):
    return jsonschema.Draft202012Validator(part).is_valid(value)


def errors_of(config):
    done = run("check", "--config", config.file, "--output", "json")
    return [problem for problem in json.loads(done.stdout)["problems"] if problem["severity"] == "error"]


@pytest.fixture
def config():
    directory = ConfigDirectory()
    yield directory
    directory.remove()


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:30])
def test_each_setting_is_judged_alike(config, value):
    settings = dict(settings_of(schema("schema")))
    assert len(settings) > 50
    tree = {}
    for key in settings:
        *sections, name = key.split(".")
        section = tree
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    config.write("bridge.yaml", json.dumps(tree))
    errors = errors_of(config)
    disagreed = []
    for key, part in settings.items():
        told = [e for e in errors if e["key"] == key or e["key"].startswith(key + ".")]
        protected = [e for e in told if e["text"].startswith("protected")]
        refused = protected or [e for e in told if not BEYOND.search(e["text"])]
        if key in TEMPLATES and accepts(part, value) and not protected:
            continue  # what a template or a property means is more than its form
        if bool(refused) == accepts(part, value):
            disagreed.append((key, "refused" if refused else "accepted", [e["text"] for e in told]))
    assert not disagreed


ROUTE = {"path": "/in/a", "provider": "maesn", "account": "a", "system": "xero", "secret_file": "../secrets/acme-xero"}
ACCOUNT = {"id": "a", "system": "exact-nl", "account_key_file": "../secrets/acme-xero", "subscriptions": "all"}
NAMES = [None, "", "a", "A", "a-b", "-a", "a" * 63, "a" * 64, "a" * 65, "a b", "\u00e9", 1, 1.5, True, [], {}, "all", "pending",
         "active", "/in/", "/in/a", "/in/a/b-c", "/out", "/in/a%2F", "/in/a?b", "/in/a#b", "/in/a b", "/in/" + "a" * 1020,
         "/in/" + "a" * 1021, ["A"], ["a b"], [1], [{"resource": "A"}], [{"resource": "A", "events": []}], [{"events": ["A"]}],
         [{"resource": "A", "events": ["B"], "x": 1}]]


BEYOND_FIELD = re.compile(r"No such file|Is a directory|not a regular|expected (one of|a system that|active:|it left out)"
                          r"|missing, expected (a path|a system)")


def variations(base, fields):
    """base with each field at each value, and without it."""
    for field in (*fields, "no_such_field"):
        for value in NAMES:
            if not (field.endswith("_file") and isinstance(value, str) and len(value) > 255):  # no system has such a name
                yield field, {**base, field: value}
        yield field, {name: value for name, value in base.items() if name != field}


@pytest.mark.parametrize("kind, list_name, base", [("routes-schema", "routes", ROUTE), ("accounts-schema", "accounts", ACCOUNT)])
def test_each_field_is_judged_alike(config, kind, list_name, base):
    item = schema(kind)["properties"][list_name]["items"]
    (config.path / "accounts.d").mkdir()
    config.write_routes([])
    # Few enough at a time that no problem is beyond those that are kept.
    every = list(variations(base, item["properties"]))
    disagreed = []
    for start in range(0, len(every), 40):
        some = every[start:start + 40]
        config.write(f"{list_name}.d/{list_name}.yaml", json.dumps({list_name: [value for _, value in some]}))
        errors = errors_of(config)
        for index, (field, value) in enumerate(some):
            told = [e for e in errors if re.match(rf"{list_name}\[{index}\]", e["key"])]
            required = field in item["required"] and field not in value
            refused = [e for e in told if required or not BEYOND_FIELD.search(e["text"])]
            if bool(refused) == accepts(item, value):
                disagreed.append((field, value, [e["text"] for e in told]))
    assert not disagreed


def test_the_example_fits_the_schemas():
    for name, path in (("schema", "bridge.yaml"), ("routes-schema", "routes.d/example.yaml"),
                       ("accounts-schema", "accounts.d/example.yaml")):
        jsonschema.Draft202012Validator(schema(name)).validate(yaml.safe_load((ROOT / "config" / path).read_text()))
