"""The chart, rendered by Helm; what it renders needs no cluster."""

import functools
import subprocess

import yaml

from harness.environment import CACHE, ROOT

CHART = ROOT / "deploy/helm/maesn-bridge"
HELM = CACHE / "kube/helm"


@functools.cache
def _template(values, release, namespace):
    """Of the values' text."""
    return subprocess.run([str(HELM), "template", release, str(CHART), "--namespace", namespace, "--values", "-"], input=values,
                          capture_output=True, text=True, timeout=60)


def template(values, release="bridge", namespace="webhooks", fails=False):
    """The text of every manifest; with fails=True what Helm has against the values."""
    done = _template(yaml.safe_dump(values), release, namespace)
    if fails:
        assert done.returncode != 0, "Helm takes the values"
        return done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(values, kind=None, **more):
    """The objects, those of one kind if it is named."""
    return [o for o in yaml.safe_load_all(template(values, **more)) if o and kind in (None, o["kind"])]
