"""What the tests do with a cluster: kubectl, helm, and the release under test."""

import json
import pathlib
import subprocess
import tempfile

import yaml

from harness import wait
from harness.environment import ROOT

NODE = "10.77.0.1"  # tests/kube/cluster
CHART = ROOT / "deploy/helm/maesn-bridge"
IMAGE = {"repository": "localhost/maesn-bridge", "tag": "latest", "pullPolicy": "Never"}


def call(*command, stdin=None, seconds=180, fails=False):
    """Its standard output; with fails=True the completed process, whatever its code."""
    done = subprocess.run([str(word) for word in command], input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds)
    if fails:
        return done
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def kubectl(*arguments, **more):
    return call("kubectl", *arguments, **more)


def get(kind, namespace, *more):
    return json.loads(kubectl("--namespace", namespace, "get", kind, "--output", "json", *more))


def apply(*objects):
    kubectl("apply", "--filename", "-", stdin="---\n".join(yaml.safe_dump(o) for o in objects))


class Namespace:
    """One that admits only pods that keep to the standard `restricted`."""

    def __init__(self, name):
        self.name = name
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        wait.until(lambda: kubectl("--namespace", name, "get", "serviceaccount", "default", fails=True).returncode == 0, 30,
                   "the namespace has its service account")

    def secret(self, name, **files):
        apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.name},
               "stringData": {key.replace("_", "-"): value for key, value in files.items()}})

    def objects(self):
        """Everything a release could leave behind, as kind/name."""
        kinds = "all,configmaps,secrets,serviceaccounts,persistentvolumeclaims,poddisruptionbudgets,networkpolicies"
        return set(kubectl("--namespace", self.name, "get", kinds, "--output", "name").split())


class Release:
    """The chart, installed. `values` is laid over what the tests need."""

    def __init__(self, namespace, name="bridge"):
        self.namespace, self.name = namespace, name

    def _helm(self, verb, values, *more, fails=False):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            return call("helm", verb, self.name, CHART, "--namespace", self.namespace.name, "--values", file.name, "--wait",
                        "--timeout", "120s", *more, fails=fails)

    def install(self, values):
        said = self._helm("install", values, fails=True)
        if said.returncode != 0:
            raise AssertionError(f"{said.stderr}\n{self.describe()}")
        assert "Warning" not in said.stderr, said.stderr
        return self

    def upgrade(self, values):
        self._helm("upgrade", values)

    def rollback(self):
        call("helm", "rollback", self.name, "--namespace", self.namespace.name, "--wait", "--timeout", "120s")

    def uninstall(self):
        call("helm", "uninstall", self.name, "--namespace", self.namespace.name, "--wait", "--timeout", "120s")

    def restart(self, workload):
        """A rolling restart, waited for."""
        kubectl("--namespace", self.namespace.name, "rollout", "restart", workload)
        kubectl("--namespace", self.namespace.name, "rollout", "status", workload, "--timeout=120s")

    def pods(self, component):
        pods = get("pods", self.namespace.name, "--selector",
                   f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}")["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def restarts(self):
        return sum(status["restartCount"] for component in ("ingress", "reconciler") for pod in self.pods(component)
                   for status in pod["status"].get("containerStatuses", []))

    def address(self):
        """The service's, within the cluster."""
        return get(f"service/{self.name}-maesn-bridge-ingress", self.namespace.name)["spec"]["clusterIP"]

    def describe(self):
        return (kubectl("--namespace", self.namespace.name, "get", "events,pods", fails=True).stdout[-3000:] +
                kubectl("--namespace", self.namespace.name, "logs", "--all-containers", "--selector",
                        f"app.kubernetes.io/instance={self.name}", fails=True).stdout[-3000:])
