"""What the dashboard and the alerts ask for is what a real Prometheus has of both processes."""

import functools
import http.server
import json
import re
import tempfile
import threading

import pytest

from harness.bridge import ConfigDirectory, route, run
from harness.environment import ROOT
from harness.maesn import Maesn
from harness.prometheus import Prometheus, scrape
from harness.reconciler import World, account
from harness.sender import encode, event, post
from test_alerts import RULES, rules

FILES = ROOT / "deploy/helm/maesn-bridge/files"
DASHBOARD = json.loads((FILES / "dashboard.json").read_text())

# What Grafana puts in their places: everything, and at least four scrapes.
VARIABLES = {"$namespace": ".*", "$pod": ".*", "$__rate_interval": "4s"}


def filled_in(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def targets():
    return [(f"{panel['title']}: {target['legendFormat']}", target) for panel in panels() for target in panel["targets"]]


def selectors(expression):
    """Each metric with its matchers."""
    return re.findall(r"((?:maesn_bridge|process)_\w+(?:\{[^}]*\})?)", expression)


def names(expression):
    return set(re.findall(r"(?:maesn_bridge|process)_\w+", expression))


@pytest.fixture(scope="module")
def textfile(tmp_path_factory):
    """host:port of what the node exporter makes of a probe's textfile: its text."""
    directory = tmp_path_factory.mktemp("textfile")
    config = ConfigDirectory({"kafka": {"brokers": "127.0.0.1:1"}}, [route("probe", resource="PROBE")])
    try:
        done = run("probe", "--config", config.file, "--url", "http://127.0.0.1:1", "--timeout", "1", "--textfile", directory / "metrics")
    finally:
        config.remove()
    assert done.returncode == 69, done.stderr

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = {"": "text/plain; version=0.0.4"}

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def prometheus(kafka, textfile):
    """It scrapes an ingress with a spool and a registry, a reconciler, and a probe; callbacks of every kind have come."""
    maesn = Maesn()
    with tempfile.TemporaryDirectory() as spool:
        world = World(kafka, maesn, "dashboard", [account("acme-42")], {"spool": {"directory": spool}})
        try:
            kafka.create_topics("dashboard.invoice", "dashboard.other", "dashboard.dead-letter")
            reconciler, ingress = world.start(), world.start_ingress()
            world.await_settled("acme-42", count=1)
            [subscription] = maesn.of("key-of-acme-42")
            with Prometheus.scraping(
                    scrape(f"127.0.0.1:{ingress.admin_port}", namespace="webhooks", pod="bridge-ingress-0"),
                    scrape(f"127.0.0.1:{reconciler.admin_port}", namespace="webhooks", pod="bridge-reconciler-0"),
                    scrape(textfile), rules=[RULES]) as started:
                started.await_scrapes(1)
                for body, code in ((encode(event(1)), 200), (b"not json", 200)):
                    assert post(world.config.ingress_port, subscription.path, body, subscription.secret).status == code
                assert post(world.config.ingress_port, subscription.path, b"[]", "wrong").status == 401
                started.await_scrapes(4)
                yield started
        finally:
            world.stop()
            maesn.stop()


@pytest.mark.parametrize("target", [target for _, target in targets()], ids=[name for name, _ in targets()])
def test_a_panels_query_has_data_and_the_labels_of_its_legend(prometheus, target):
    found = prometheus.series_lately(filled_in(target["expr"]))
    assert found
    for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
        assert all(label in series for series in found), label


def unresolved(prometheus, expression):
    """What it selects and nobody exports, and the labels it groups by that those series do not have."""
    expression = filled_in(expression)
    found = {selector: prometheus.series(selector) for selector in selectors(expression)}
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}
    return ([selector for selector, series in found.items() if not series] +
            [label for label in grouped if not all(label in labels for series in found.values() for labels in series)])


ALERTS = {rule["alert"]: rule["expr"] for rule in rules()}


@pytest.mark.parametrize("expression", [pytest.param(e, id=alert) for alert, e in ALERTS.items() if alert != "MaesnBridgeProbeJobFailing"])
def test_an_alert_selects_series_that_there_are(prometheus, expression):
    assert selectors(expression) and unresolved(prometheus, expression) == []


@pytest.mark.parametrize("wrong", [
    'sum(rate(maesn_bridge_http_request_total[5m]))',               # a metric misspelt
    'sum(rate(maesn_bridge_http_requests_total{status="503"}[5m]))',  # a label misspelt
    'sum(rate(maesn_bridge_kafka_messages_total{result="lost"}[5m]))',  # a value that it never has
    'sum by (account) (maesn_bridge_reconcile_drift)',              # grouped by what it does not have
])
def test_a_query_that_nothing_answers_is_seen(prometheus, wrong):
    assert unresolved(prometheus, wrong) != []


def test_the_rules_are_evaluated_without_an_error(prometheus):
    [group] = prometheus.api("rules")["groups"]
    assert {rule["name"] for rule in group["rules"]} == set(ALERTS)
    assert not [rule for rule in group["rules"] if rule.get("lastError")]


def test_variables_and_annotations_find_the_processes(prometheus):
    for variable in DASHBOARD["templating"]["list"][1:]:
        query, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        assert prometheus.series(filled_in(query)) and all(label in series for series in prometheus.series(filled_in(query)))
    for annotation in DASHBOARD["annotations"]["list"]:
        assert len(prometheus.series(filled_in(annotation["expr"]))) == 2, annotation["name"]


def test_every_metric_that_the_processes_export_is_on_the_dashboard(prometheus):
    exported = {name for name in prometheus.api("label/__name__/values", **{"match[]": '{pod=~".+"}'}) if name.startswith("maesn_bridge_")}
    shown = {name for _, target in targets() for name in names(target["expr"])}
    shown |= {name for annotation in DASHBOARD["annotations"]["list"] for name in names(annotation["expr"])}
    histograms = {name.removesuffix("_bucket") + part for name in shown if name.endswith("_bucket") for part in ("_sum", "_count")}
    assert exported - shown - histograms == set()


def test_each_panel_says_what_it_shows_in_which_unit_and_none_covers_another():
    ids, cells = set(), set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        covered = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not covered & cells and place["x"] + place["w"] <= 24 and panel["id"] not in ids, panel["title"]
        cells |= covered
        ids.add(panel["id"])
    for panel in panels():
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["defaults"]["thresholds"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
    for _, target in targets():
        assert all("$namespace" in selector and "$pod" in selector for selector in selectors(target["expr"])), target["expr"]
