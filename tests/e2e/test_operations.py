"""The runbook tells of every metric that the processes export, as they export it, and of no other."""

import re
import subprocess
import tempfile

import pytest

from harness.environment import CACHE, ROOT
from harness.maesn import Maesn
from harness.reconciler import World, account
from harness.sender import encode, event, post

RUNBOOK = (ROOT / "deploy/OPERATIONS.md").read_text()


def families(text):
    """{name: (type, help, labels)} of a scrape; `le` is the histogram's own."""
    found = {}
    for name, help_text in re.findall(r"^# HELP (\w+) (.*)$", text, re.MULTILINE):
        [kind] = re.findall(rf"^# TYPE {name} (\w+)$", text, re.MULTILINE)
        series = re.findall(rf"^{name}(?:_bucket)?(?:{{(.*)}})? ", text, re.MULTILINE)
        labels = sorted({label for labels in series for label in re.findall(r'(\w+)="', labels)} - {"le"})
        found[name] = (kind, help_text.replace("\\\\", "\\"), labels)
    return found


@pytest.fixture(scope="module")
def scrapes(kafka):
    """What an ingress with a spool and a registry, and a reconciler, export once callbacks of every kind have come."""
    maesn = Maesn()
    with tempfile.TemporaryDirectory() as spool:
        world = World(kafka, maesn, "operations", [account("acme-42")], {"spool": {"directory": spool}})
        try:
            kafka.create_topics("operations.invoice", "operations.other", "operations.dead-letter")
            processes = {"reconciler": world.start(), "ingress": world.start_ingress()}
            world.await_settled("acme-42", count=1)
            [subscription] = maesn.of("key-of-acme-42")
            for body in (encode(event(1)), b"not json"):
                assert post(world.config.ingress_port, subscription.path, body, subscription.secret).status == 200
            yield {of: process.admin("/metrics")[1] for of, process in processes.items()}
        finally:
            world.stop()
            maesn.stop()


@pytest.fixture(scope="module")
def exported(scrapes):
    return {of: families(text) for of, text in scrapes.items()}


def rows(exported):
    """The table as the processes would have it."""
    lines = []
    for name in sorted(set().union(*exported.values())):
        of = " ".join(sorted(process for process in exported if name in exported[process]))
        kind, help_text, _ = next(exported[process][name] for process in exported if name in exported[process])
        labels = sorted({label for process in exported for label in exported[process].get(name, ((), (), ()))[2]})
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {of} | {help_text} |")
    return lines


def test_the_metrics_are_as_the_processes_export_them(exported):
    documented = re.findall(r"^\| `(?:maesn_bridge|process)_.*$", RUNBOOK, re.MULTILINE)
    assert documented == rows(exported)


@pytest.mark.parametrize("process", ["ingress", "reconciler"])
def test_promtool_finds_nothing_wrong_with_a_scrape(scrapes, process):
    done = subprocess.run([CACHE / "promtool", "check", "metrics"], input=scrapes[process], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
