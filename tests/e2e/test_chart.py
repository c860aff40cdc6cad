"""The chart says what is wrong with its values before anything runs, gives each pod only the secrets that it reads, and lets it
reach only what the configuration names. What it renders is judged by an API server in tests/kube."""

import re

import pytest
import yaml

from harness import helm
from harness.bridge import merged
from harness.environment import ROOT

MOUNTED = "/etc/maesn-bridge/secrets/"
KEYS = {"name": "keys", "for": ["ingress", "reconciler"]}
VALUES = {"config": {"kafka": {"brokers": "kafka:9092"}, "public_base_url": "https://hooks.example.com"}, "secrets": [KEYS]}
STATIC = {"reconciler": {"enabled": False}, "config": {"topics": {"registry": ""}}}
NOWHERE = {"config": {"public_base_url": None}}
ROUTE = {"path": "/in/maesn/a/b", "provider": "maesn", "account": "a", "system": "xero", "secret_file": MOUNTED + "a"}
ACCOUNT = {"id": "a", "system": "xero", "account_key_file": MOUNTED + "a-key", "subscriptions": "all"}
PROBE = {**ROUTE, "account": "probe", "resource": "PROBE"}
TLS = {"config": {"ingress": {"tls": {"certificate_file": MOUNTED + "tls.crt", "key_file": MOUNTED + "tls.key"}}}}


def complete(values):
    """VALUES with these laid over them; None takes one away."""
    def pruned(tree):
        return {name: pruned(value) for name, value in tree.items() if value is not None} if isinstance(tree, dict) else tree

    return pruned(merged(VALUES, values))


def render(values, kind=None):
    return helm.render(complete(values), kind)


def refusal(values, program=helm.HELM):
    return helm.template(complete(values), fails=True, helm=program)


def pods(values):
    """{component: pod} of everything that makes pods."""
    found = {}
    for thing in render(values):
        holder = thing["spec"]["jobTemplate"] if thing["kind"] == "CronJob" else thing
        spec = holder.get("spec", {})
        pod = spec if thing["kind"] == "Pod" else spec.get("template", {}).get("spec")
        if pod:
            component = thing["metadata"]["labels"]["app.kubernetes.io/component"]
            assert found.setdefault(component, pod)["volumes"] == pod["volumes"], "the two of the probe"
    return found


def argument(pod, name):
    arguments = pod["containers"][0]["args"]
    return arguments[arguments.index(name) + 1]


# --- what is wrong is told ---------------------------------------------------------------------------------------------

# A setting, route or account that is not as config/*.schema.json has it, and what Helm says of it.
MISTAKES = {
    "a setting misspelt": ({"config": {"ingress": {"deadlinems": 1000}}}, ["ingress", "deadlinems"]),
    "a section misspelt": ({"config": {"ingres": {"deadline_ms": 1000}}}, ["ingres"]),
    "text for a number": ({"config": {"ingress": {"deadline_ms": "soon"}}}, ["ingress", "deadline_ms"]),
    "a number out of range": ({"config": {"reconciler": {"interval_s": 1}}}, ["reconciler", "interval_s"]),
    "an unknown choice": ({"config": {"reconciler": {"policy": "snyc"}}}, ["reconciler", "policy"]),
    "brokers without a port": ({"config": {"kafka": {"brokers": "kafka"}}}, ["kafka", "brokers"]),
    "a port that there is not": ({"config": {"kafka": {"brokers": "kafka:0"}}}, ["kafka", "brokers"]),
    "a URL without TLS": ({"config": {"public_base_url": "http://hooks.example.com"}}, ["public_base_url"]),
    "a property of librdkafka that is the bridge's": ({"config": {"kafka": {"raw": {"acks": "1"}}}}, ["acks"]),
    "a topic's name that there is not": ({"config": {"topics": {"other": ".."}}}, ["topics", "other"]),
    "a route's field misspelt": ({"routes": [{**ROUTE, "sekret_file": "x"}]}, ["routes", "sekret_file"]),
    "a route elsewhere": ({"routes": [{**ROUTE, "path": "/out"}]}, ["routes", "path"]),
    "a route of nobody": ({"routes": [{name: value for name, value in ROUTE.items() if name != "account"}]}, ["routes", "account"]),
    "an account's field misspelt": ({"accounts": [{**ACCOUNT, "sistem": "xero"}]}, ["accounts", "sistem"]),
    "a subscription's field misspelt": ({"accounts": [{**ACCOUNT, "subscriptions": [{"resource": "INVOICE", "event": ["CREATED"]}]}]}, ["subscriptions"]),
    "a secret for nobody there is": ({"secrets": [{"name": "a", "for": ["probe"]}]}, ["secrets", "for"]),
}


@pytest.mark.parametrize("program", [helm.HELM, helm.HELM3], ids=["Helm 4", "Helm 3"])
@pytest.mark.parametrize("values, words", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_configuration_is_refused_and_named(values, words, program):
    told = refusal(values, program)
    assert "schema" in told and [word for word in words if word not in told] == [], told


NO_KEY = "missing, expected a Secret in `secrets` that holds it: config.topics.registry is not \"\""
# What the processes would refuse, or what contradicts itself, and all that Helm says of it.
REFUSALS = {
    "no keys": ({"secrets": []}, f"config.route_key_file: {NO_KEY}"),
    "one key of two": ({"secrets": [], "config": {"route_key_file": "/elsewhere"}}, f"config.keyring_file: {NO_KEY}"),
    "no keys for an ingress alone": ({"secrets": [], "reconciler": {"enabled": False}}, f"config.route_key_file: {NO_KEY}"),
    "no public URL": (NOWHERE,
                      "config.public_base_url: missing, expected the https URL at which providers reach the ingress: the reconciler makes "
                      "callback URLs of it; or reconciler.enabled: false"),
    "a reconciler without a registry": ({"config": {"topics": {"registry": ""}}},
                                        'config.topics.registry: "", expected a topic: the reconciler keeps its subscriptions there; or '
                                        "reconciler.enabled: false"),
    "a Secret for nobody": ({"secrets": [KEYS, {"name": "more"}]},
                            "secrets[1].for: missing, expected [ingress], [reconciler] or [ingress, reconciler]: whose pods have the files of more"),
    "nothing for the ingress": ({"secrets": [{**KEYS, "for": ["reconciler"]}]},
                                f"config.keyring_file: {MOUNTED}keyring, expected a Secret in `secrets` that is for the ingress and holds it"),
    "nothing for the reconciler": ({"secrets": [{**KEYS, "for": ["ingress"]}]},
                                   f"config.keyring_file: {MOUNTED}keyring, expected a Secret in `secrets` that is for the reconciler and holds it"),
    "a route's secret that is not mounted": (
        {**STATIC, "routes": [ROUTE], "secrets": [{"name": "a", "for": ["ingress"], "items": [{"key": "a", "path": "b"}]}]},
        f"routes[0].secret_file: {MOUNTED}a, expected a Secret in `secrets` that is for the ingress and holds it"),
    "an account's key that is not mounted": (
        {"accounts": [ACCOUNT], "secrets": [{**KEYS, "items": [{"key": k, "path": k} for k in ("route-key", "keyring", "maesn-api-key")]}]},
        f"accounts[0].account_key_file: {MOUNTED}a-key, expected a Secret in `secrets` that is for the reconciler and holds it"),
    "a certificate without its key": ({"config": {"ingress": {"tls": {"certificate_file": "/x"}}}},
                                      "config.ingress.tls: expected certificate_file and key_file, or neither"),
    "a probe without TLS": ({**TLS, "probe": {"url": "http://lb.example.com"}},
                            "probe.url: http://lb.example.com, expected https: the ingress has a certificate (config.ingress.tls)"),
    "exposed twice": ({"exposure": {"ingress": {"enabled": True, "host": "hooks.example.com"},
                                    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}},
                      "exposure: ingress and httpRoute, expected one of the two"),
}


@pytest.mark.parametrize("values, told", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_a_process_would_refuse_is_refused_before_it_runs(values, told):
    assert f"): {told}\n" in refusal(values)


def test_helm_3_makes_of_the_values_what_helm_4_does():
    for values in ({}, STATIC, {"accounts": [ACCOUNT], "routes": [ROUTE, PROBE], "probe": {"schedule": "@daily"}, "config": {
            "ingress": {"in_flight_max_bytes": 1 << 29}, "kafka": {"brokers": "SSL://a:9093, [::1]:19093", "raw": {"socket.timeout.ms": 60000}}}}):
        assert helm.template(complete(values), helm=helm.HELM3) == helm.template(complete(values))


def examples():
    """The values in the chart's README."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (helm.CHART / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [values for values in map(yaml.safe_load, blocks) if "apiVersion" not in values]


def test_the_smallest_values_of_the_readme_are_enough_and_its_other_examples_right():
    smallest, *others = examples()
    assert len(others) >= 3
    assert set(pods({})) == {o["metadata"]["labels"]["app.kubernetes.io/component"] for o in helm.render(smallest) if o["kind"] in ("Deployment", "Pod")}
    for values in others:
        render(values)


# --- how it is stopped -------------------------------------------------------------------------------------------------

def test_every_pod_is_given_the_time_to_stop_that_the_configuration_says():
    values = {"ingress": {"shutdownDelaySeconds": 11, "shutdownHardStopSeconds": 40}}
    [config] = [o for o in render(values, "ConfigMap") if "bridge.yaml" in o["data"]]
    assert yaml.safe_load(config["data"]["bridge.yaml"])["shutdown"] == {"delay_ms": 11_000, "hard_stop_ms": 40_000}
    assert {component: pod["terminationGracePeriodSeconds"] for component, pod in pods(values).items()} == {
        "ingress": 45, "reconciler": 45, "probe": 45}


# --- who holds which secret --------------------------------------------------------------------------------------------

def sources(pod):
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "secrets"]
    return [source["secret"] for source in volume["projected"]["sources"]]


def test_a_pod_holds_the_secrets_that_are_for_it_and_no_other():
    made = pods({"routes": [PROBE], "probe": {"schedule": "@daily"}, "secrets": [
        {**KEYS, "optional": True}, {"name": "api-keys", "for": ["reconciler"]},
        {"name": "route-secrets", "for": ["ingress"], "items": [{"key": "a", "path": "b"}]}]})
    keys, api_keys = {"name": "keys", "optional": True}, {"name": "api-keys"}
    route_secrets = {"name": "route-secrets", "items": [{"key": "a", "path": "b"}]}
    assert {component: sources(pod) for component, pod in made.items()} == {
        "ingress": [keys, route_secrets], "probe": [keys, route_secrets], "reconciler": [keys, api_keys]}


def test_the_former_secret_of_a_route_may_be_gone():
    held = {"name": "a", "for": ["ingress"], "items": [{"key": "a", "path": "a"}]}
    render({**STATIC, "secrets": [held], "routes": [{**ROUTE, "previous_secret_file": MOUNTED + "former"}]})


def files_of_settings():
    """(key, processes that read it) of each setting that names a file, as the program tells them."""
    table = (ROOT / "config/REFERENCE.md").read_text().split("## bridge.yaml")[1].split("\n## ")[0]
    for key, used_by in re.findall(r"^\| `([a-z0-9_.]+_file)` \| .*? \| .*? \| ([a-z]+)", table, re.MULTILINE):
        yield key, ["ingress", "reconciler"] if used_by == "both" else [used_by]


FILES = dict(files_of_settings())


def test_there_are_settings_that_name_files():
    assert len(FILES) >= 9 and set(map(tuple, FILES.values())) == {("ingress",), ("reconciler",), ("ingress", "reconciler")}


@pytest.mark.parametrize("key", FILES)
def test_a_file_that_a_setting_names_is_missed_in_the_pods_of_each_process_that_reads_it(key):
    names = ["route-key", "keyring", "maesn-api-key", "tls.crt", "tls.key"]
    named = nested(key, MOUNTED + "special")
    for process in ("ingress", "reconciler"):
        other = "reconciler" if process == "ingress" else "ingress"
        held = [{"name": "a", "for": [process], "items": [{"key": n, "path": n} for n in names]},
                {"name": "b", "for": [other], "items": [{"key": n, "path": n} for n in [*names, "special"]]}]
        values = merged(TLS, {"config": named, "secrets": held})
        if process in FILES[key]:
            assert f"): config.{key}: {MOUNTED}special, expected a Secret in `secrets` that is for the {process} and holds it\n" in refusal(values)
        else:
            render(values)


def nested(key, value):
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize("routes", [[], [PROBE]], ids=["without a route for the probe", "with one"])
def test_every_user_of_strimzis_whose_certificate_a_pod_waits_for_is_made(routes):
    values = {"routes": routes, "strimzi": {"cluster": "events", "users": {"enabled": True}}}
    users = {user["metadata"]["name"]: user for user in render(values, "KafkaUser")}
    waited_for = {source["name"] for pod in pods(values).values() for source in sources(pod)} - {"keys", "events-cluster-ca-cert"}
    assert waited_for == set(users) == {f"bridge-maesn-bridge-{component}" for component in ("ingress", "reconciler", "probe")}
    assert ("authorization" in users["bridge-maesn-bridge-probe"]["spec"]) == bool(routes)


# --- what a pod reaches ------------------------------------------------------------------------------------------------

def egress(values):
    """{component: ports that it may call anywhere} but for DNS."""
    return {policy["metadata"]["labels"]["app.kubernetes.io/component"]:
            {port["port"] for rule in policy["spec"]["egress"] if "to" not in rule for port in rule["ports"]} - {53}
            for policy in render(values, "NetworkPolicy")}


@pytest.mark.parametrize("brokers, ports", [
    ("kafka:9092", {9092}), ("a:19092,b:29092", {19092, 29092}), ("SASL_SSL://a:443, [2001:db8::1]:9196", {443, 9196}), ("a:1,b:1", {1})])
def test_every_process_reaches_the_ports_of_the_brokers(brokers, ports):
    narrow = {"config": {"kafka": {"brokers": brokers}}, "networkPolicy": {"kafkaPorts": []}}
    assert egress(narrow) == {"ingress": ports, "reconciler": ports | {443}, "probe": ports | {80, 443}}
    more = merged(narrow, {"networkPolicy": {"kafkaPorts": [7777]}})
    assert egress(more)["ingress"] == ports | {7777}


def test_providers_and_the_public_url_are_reached_at_their_ports():
    values = {"config": {"public_base_url": "https://hooks.example.com:8443", "maesn": {"base_url": "http://proxy:3128/maesn"},
                         "moneybird": {"base_url": "https://[::1]:8444"}}, "networkPolicy": {"kafkaPorts": []}}
    assert egress(values) == {"ingress": {9092}, "reconciler": {9092, 443, 3128, 8444}, "probe": {9092, 80, 443, 8443}}


def test_the_probe_goes_to_the_given_url_else_the_public_one_else_the_service_and_speaks_tls_where_that_does():
    def goes_to(values):
        return argument(pods(values)["probe"], "--url")

    nowhere = merged(STATIC, NOWHERE)
    assert goes_to({"probe": {"url": "https://lb.example.com"}}) == "https://lb.example.com"
    assert goes_to({}) == "https://hooks.example.com"
    assert goes_to(merged(nowhere, {"ingress": {"service": {"port": 8081}}})) == "http://bridge-maesn-bridge-ingress.webhooks.svc:8081"
    assert goes_to(merged(nowhere, TLS)) == "https://bridge-maesn-bridge-ingress.webhooks.svc:80"


# --- what is said afterwards -------------------------------------------------------------------------------------------

def test_the_notes_say_who_can_scrape_and_how_to_change_it():
    said = helm.notes(complete({}))
    hint = "networkPolicy: {monitoringFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}"
    assert hint in said and "only pods of webhooks can scrape" in said
    followed = yaml.safe_load(hint)
    [policy] = [p for p in render(followed, "NetworkPolicy") if p["metadata"]["name"].endswith("-ingress")]
    assert policy["spec"]["ingress"][1]["from"] == followed["networkPolicy"]["monitoringFrom"]
    assert "scrape" not in helm.notes(complete(followed))
    assert "scrape" not in helm.notes(complete({"networkPolicy": {"enabled": False}}))


def test_the_notes_say_who_makes_the_topics_unless_strimzi_does():
    assert "`maesn-bridge topics apply`" in helm.notes(complete({})) and "Without maesn.bridge.registry" in helm.notes(complete({}))
    static = helm.notes(complete(STATIC))
    assert "`maesn-bridge topics apply`" in static and "exit code 69" not in static
    assert "topics apply" not in helm.notes(complete({"strimzi": {"cluster": "events", "topics": {"enabled": True}}}))


def test_the_notes_say_what_the_test_needs_as_long_as_it_is_not_there():
    assert "(needs a route with `resource: PROBE`)" in helm.notes(complete({}))
    assert "PROBE" not in helm.notes(complete({"routes": [PROBE]}))
