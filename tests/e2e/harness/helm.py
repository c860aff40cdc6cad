"""The chart, rendered by Helm; what it renders needs no cluster."""

import pathlib
import subprocess
import tempfile

import yaml

from harness.environment import CACHE, ROOT

CHART = ROOT / "deploy/helm/maesn-bridge"
HELM = CACHE / "kube/helm"


def template(values, release="bridge", namespace="webhooks", fails=False):
    """The text of every manifest; with fails=True what Helm has against the values."""
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        done = subprocess.run([str(HELM), "template", release, str(CHART), "--namespace", namespace, "--values", str(file)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if fails:
        assert done.returncode != 0, "Helm takes the values"
        return done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(values, kind=None, **more):
    """The objects, those of one kind if it is named."""
    return [o for o in yaml.safe_load_all(template(values, **more)) if o and kind in (None, o["kind"])]
