"""Each alert fires when it should and does not when it should not, and asks for metrics that there are."""

import re
import subprocess

import pytest
import yaml

from harness import helm
from harness.bridge import route
from harness.environment import CACHE, ROOT

RULES = ROOT / "deploy/helm/maesn-bridge/files/alerts.yaml"
CASES = ROOT / "tests/e2e/alerts.yaml"


def promtool(*arguments):
    return subprocess.run([str(CACHE / "promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=60)


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_the_rules_are_valid():
    done = promtool("check", "rules", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def case(alert):
    """The only one that names this alert."""
    [found] = [test for test in yaml.safe_load(CASES.read_text())["tests"] if test["alert_rule_test"][0]["alertname"] == alert]
    return found


def judge(rule, directory):
    """promtool's verdict on the case of this rule, without annotations, which are for people."""
    rule = {name: value for name, value in rule.items() if name != "annotations"}
    test = case(rule["alert"])
    files = {"rules.yaml": {"groups": [{"name": "maesn-bridge", "rules": [rule]}]},
             "case.yaml": {"rule_files": ["rules.yaml"], "evaluation_interval": test["interval"], "tests": [test]}}
    for name, content in files.items():
        (directory / name).write_text(yaml.safe_dump(content))
    return promtool("test", "rules", directory / "case.yaml")


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_it_fires_when_it_should_and_does_not_when_it_should_not(rule, tmp_path):
    done = judge(rule, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for wrong in (f"({rule['expr']}) and vector(1) == 0", "vector(1)"):
        assert judge({**rule, "expr": wrong}, tmp_path).returncode != 0, "a rule that never fires, or always, passes its case"


# Of the CronJob. Source: kube-state-metrics, docs/metrics/workload/cronjob-metrics.md, both STABLE.
OF_KUBERNETES = {"kube_cronjob_status_last_schedule_time", "kube_cronjob_status_last_successful_time"}


def test_every_metric_in_a_rule_is_one_that_the_program_makes():
    """With each of its labels, save those that Kubernetes' service discovery adds."""
    source = "".join(file.read_text() for file in (ROOT / "bridge").rglob("*.c"))
    made = set(re.findall(r'"(maesn_bridge_\w+)"', source))
    for rule in rules():
        used = set(re.findall(r"(?:maesn_bridge|kube)_\w+", rule["expr"]))
        assert used and used <= made | OF_KUBERNETES, (rule["alert"], used - made)


def test_the_chart_asks_for_the_cron_job_that_it_makes():
    values = {"config": {"public_base_url": "https://hooks.example.com"}, "secrets": [{"name": "keys", "for": ["ingress", "reconciler"]}],
              "probe": {"schedule": "*/5 * * * *"}, "fullnameOverride": "hooks", "monitoring": {"prometheusRule": {"enabled": True}},
              "routes": [route("probe", resource="PROBE", secret_file="../secrets/acme-xero")]}
    [job] = helm.render(values, "CronJob")
    [made] = helm.render(values, "PrometheusRule")
    [rule] = [rule for rule in made["spec"]["groups"][0]["rules"] if rule["alert"] == "MaesnBridgeProbeJobFailing"]
    assert set(re.findall(r'cronjob=~"([^"]*)"', rule["expr"])) == {job["metadata"]["name"]} == {"hooks-probe"}
