"""`topics plan` and `topics apply` against a real broker."""

import pytest
from confluent_kafka.admin import ConfigResource, ResourceType

from conftest import Topics, numbers
from harness.bridge import PATH, SECRET, ConfigDirectory, merged, route, run
from harness.sender import encode, event, post


@pytest.fixture
def config(kafka):
    made = []

    def make(settings=None, routes=None):
        topics = Topics(f"topics{next(numbers)}")
        directory = ConfigDirectory(merged({"kafka": {"brokers": kafka.bootstrap}, "topics": topics.settings}, settings or {}),
                                    routes)
        directory.topics = topics
        made.append(directory)
        return directory

    yield make
    for directory in made:
        directory.remove()


def names_of(kafka, topics):
    return {name for name in kafka.topics() if name.startswith(topics.prefix + ".")}


def apply(directory):
    return run("topics", "apply", "--config", directory.file)


def plan(directory, *more):
    return run("topics", "plan", "--config", directory.file, *more)


def test_a_plan_changes_nothing_apply_creates_and_then_nothing_is_left_to_do(kafka, config):
    directory = config()
    planned = plan(directory)
    assert planned.returncode == 2, planned.stderr
    assert directory.topics["invoice"] in planned.stdout
    assert names_of(kafka, directory.topics) == set()

    applied = apply(directory)
    assert applied.returncode == 0, applied.stderr
    created = names_of(kafka, directory.topics)
    assert {directory.topics[slug] for slug in ("invoice", "customer", "journal-entry", "other", "dead-letter", "token")} <= created
    assert plan(directory).returncode == 0
    assert apply(directory).returncode == 0


def test_event_topics_are_never_compacted_and_dead_letters_are_kept_two_weeks(kafka, config):
    directory = config()
    assert apply(directory).returncode == 0
    invoice = settings_of(kafka, directory.topics["invoice"])
    assert invoice["cleanup.policy"] == "delete"
    assert settings_of(kafka, directory.topics["dead-letter"])["retention.ms"] == str(14 * 24 * 3600 * 1000)


def settings_of(kafka, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return {name: entry.value for name, entry in kafka.admin().describe_configs([resource])[resource].result(10).items()}


def test_a_template_with_the_account_expands_over_the_declared_routes(kafka, config):
    directory = config(routes=[route("first"), route("second")])
    directory.settings["topics"]["template"] = directory.topics.prefix + ".{account}.{resource}"
    import json
    directory.write("bridge.yaml", json.dumps(directory.settings))
    assert apply(directory).returncode == 0
    created = names_of(kafka, directory.topics)
    assert {directory.topics["first.invoice"], directory.topics["second.invoice"]} <= created


def test_the_plan_can_be_read_by_a_program(config):
    import json
    planned = plan(config(), "--output", "json")
    assert planned.returncode == 2
    assert "invoice" in json.dumps(json.loads(planned.stdout))


def test_a_cluster_that_is_away_exits_69(config):
    assert plan(config({"kafka": {"brokers": "127.0.0.1:1"}})).returncode == 69


def test_what_apply_made_is_what_the_ingress_needs(kafka, config, start_bridge):
    directory = config()
    assert apply(directory).returncode == 0
    bridge = start_bridge(kafka, topics=directory.topics, create_topics=False)
    body = encode([event(1), event(2, "JOURNAL_ENTRY"), event(3, "TOKEN", "REVOKED"), event(4, "NEVER_HEARD_OF"), 5])
    assert post(bridge.ingress_port, PATH, body, SECRET).status == 200


def test_a_missing_topic_is_503_until_it_is_there_and_never_a_dead_letter(kafka, start_bridge):
    from harness import consumers, wait
    bridge = start_bridge(kafka, create_topics=False)
    kafka.create_topics(bridge.topics["dead-letter"])
    answer = post(bridge.ingress_port, PATH, encode(event(1)), SECRET)
    assert answer.status == 503 and answer.retry_after == "5"
    kafka.create_topics(bridge.topics["invoice"])
    wait.until(lambda: post(bridge.ingress_port, PATH, encode(event(1)), SECRET).status == 200, 20, "a 200")
    assert {r.topic for r in consumers.read_all(kafka, *bridge.topics.all)} == {bridge.topics["invoice"]}
