"""deploy/kustomize is the chart, for those who do not use Helm."""

import os
import shutil
import subprocess

import yaml

from harness.bridge import run
from harness.environment import CACHE, ROOT
from harness.helm import HELM

KUSTOMIZE = ROOT / "deploy/kustomize"


def build(directory):
    """The objects, by kind and name."""
    done = subprocess.run([str(CACHE / "kube/kubectl"), "kustomize", str(directory)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(done.stdout)}


def test_the_base_is_what_the_chart_renders(tmp_path):
    shutil.copytree(ROOT / "deploy/helm", tmp_path / "helm")
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    subprocess.run([str(tmp_path / "kustomize/render")], check=True, timeout=60, env={**os.environ, "HELM": str(HELM)})
    rendered, kept = (directory / "base/maesn-bridge.yaml" for directory in (tmp_path / "kustomize", KUSTOMIZE))
    assert rendered.read_text() == kept.read_text(), "deploy/kustomize/render makes it anew"
    assert sorted(build(KUSTOMIZE / "base")) == sorted((o["kind"], o["metadata"]["name"]) for o in yaml.safe_load_all(kept.read_text()) if o)


def test_the_example_changes_the_image_the_configuration_and_the_replicas_of_the_base():
    base, example = build(KUSTOMIZE / "base"), build(KUSTOMIZE / "example")
    assert set(base) == set(example)
    assert {o["metadata"]["namespace"] for o in example.values()} == {"webhooks"}
    ingress = example["Deployment", "maesn-bridge-ingress"]["spec"]
    assert ingress["replicas"] == 3
    assert ingress["template"]["spec"]["containers"][0]["image"].startswith("registry.example.com/")
    files = example["ConfigMap", "maesn-bridge"]["data"]
    assert set(files) == set(base["ConfigMap", "maesn-bridge"]["data"]) and "acme-42" in files["accounts.yaml"]


def test_the_examples_configuration_is_the_charts_and_a_right_one(tmp_path):
    files = build(KUSTOMIZE / "example")["ConfigMap", "maesn-bridge"]["data"]
    own = yaml.safe_load(files["bridge.yaml"])
    charts = yaml.safe_load(build(KUSTOMIZE / "base")["ConfigMap", "maesn-bridge"]["data"]["bridge.yaml"])
    # A spool is a matter of the chart's StatefulSet; empty is the default.
    assert {name: own[name] for name in charts if name not in ("kafka", "spool")} == {name: charts[name] for name in charts if name not in ("kafka", "spool")}

    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, text in (("route-key", "a:" + "1" * 64), ("keyring", "a:" + "2" * 64), ("maesn-api-key", "key"), ("acme-42", "key")):
        (secrets / name).write_text(text + "\n")
    for name, place in (("bridge", tmp_path), ("routes", tmp_path / "routes.d"), ("accounts", tmp_path / "accounts.d")):
        place.mkdir(exist_ok=True)
        (place / f"{name}.yaml").write_text(files[f"{name}.yaml"].replace("/etc/maesn-bridge/secrets", str(secrets)))
    checked = run("check", "--config", tmp_path / "bridge.yaml")
    assert checked.returncode == 0, checked.stderr
