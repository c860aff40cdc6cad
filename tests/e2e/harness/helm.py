"""The chart, rendered by Helm; what it renders needs no cluster."""

import functools
import subprocess

import yaml

from harness.environment import CACHE, ROOT

CHART = ROOT / "deploy/helm/maesn-bridge"
HELM, HELM3 = CACHE / "kube/helm", CACHE / "kube/helm3"


@functools.cache
def _run(values, helm, *arguments):
    """Of the values' text."""
    return subprocess.run([str(helm), *arguments, str(CHART), "--values", "-"], input=values, capture_output=True, text=True, timeout=60)


def template(values, release="bridge", namespace="webhooks", fails=False, helm=HELM):
    """The text of every manifest; with fails=True what Helm has against the values."""
    done = _run(yaml.safe_dump(values), helm, "template", release, "--namespace", namespace)
    if fails:
        assert done.returncode != 0, "Helm takes the values"
        return done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def notes(values):
    """What Helm says after an installation."""
    done = _run(yaml.safe_dump(values), HELM, "install", "bridge", "--namespace", "webhooks", "--dry-run=client")
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\nNOTES:\n")[1]


def render(values, kind=None, **more):
    """The objects, those of one kind if it is named."""
    return [o for o in yaml.safe_load_all(template(values, **more)) if o and kind in (None, o["kind"])]
