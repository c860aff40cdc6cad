"""What the tests do with a cluster: kubectl, helm, and the release under test."""

import functools
import json
import pathlib
import subprocess
import tempfile
import urllib.request

import yaml

from harness import wait
from harness.bridge import merged
from harness.environment import ROOT
from harness.ports import is_listening

NODE = "10.77.0.1"  # tests/kube/cluster
CHART = ROOT / "deploy/helm/maesn-bridge"
IMAGE = {"repository": "localhost/maesn-bridge", "tag": "latest", "pullPolicy": "Never"}
# What `render` lays its values over.
BASE = {"image": IMAGE, "config": {"kafka": {"brokers": "kafka:9092"}, "public_base_url": "https://hooks.example.com"},
        "secrets": [{"name": "bridge-secrets", "for": ["ingress", "reconciler"]}]}


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


def render(values, fails=False):
    """The manifest of these values; with fails=True as `call` has it."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(merged(BASE, values), file)
        file.flush()
        return call("helm", "template", "bridge", CHART, "--namespace", "manifests", "--values", file.name, fails=fails)


def refusal(manifest, namespace):
    """What the API server has against it; "" for nothing."""
    done = kubectl("--namespace", namespace, "apply", "--dry-run=server", "--validate=strict", "--filename", "-", stdin=manifest, fails=True)
    return done.stderr if done.returncode != 0 or "Warning" in done.stderr else ""


@functools.cache
def kinds():
    """Those that the API server keeps in namespaces, as kubectl names them: {"services", "ingresses.networking.k8s.io", ...}."""
    known = kubectl("api-resources", "--namespaced", "--verbs=list,delete", "--output", "name").split()
    return {kind for kind in known if kind.split(".")[0] != "events"}


class Namespace:
    """One that admits only pods that keep to the standard `restricted`."""

    def __init__(self, name):
        self.name = name
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        own = ["serviceaccount/default", "configmap/kube-root-ca.crt"]
        wait.until(lambda: kubectl("--namespace", name, "get", *own, fails=True).returncode == 0, 30, f"the namespace has {own}")

    def secret(self, name, **files):
        apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.name},
               "stringData": {key.replace("_", "-"): value for key, value in files.items()}})

    def objects(self):
        """Everything in it, whatever its kind, as kind/name; but for events, which the API server forgets by itself."""
        return set(kubectl("--namespace", self.name, "get", ",".join(sorted(kinds())), "--output", "name").split())


class Pod:
    """As it was when it was asked for; `again()` asks anew."""

    def __init__(self, state):
        self.state = state
        self.name, self.namespace, self.uid = (state["metadata"][key] for key in ("name", "namespace", "uid"))

    def again(self):
        return Pod(get(f"pod/{self.name}", self.namespace))

    @property
    def container(self):
        """Its container's status."""
        return (self.state["status"].get("containerStatuses") or [{}])[0]

    @property
    def restarts(self):
        return self.container.get("restartCount", 0)

    @property
    def is_ready(self):
        return self.container.get("ready", False)

    @property
    def address(self):
        return self.state["status"]["podIP"]

    def processes(self):
        """The ids of the bridge's processes in it."""
        return [int(entry.name) for entry in pathlib.Path("/proc").glob("[0-9]*")
                if _read(entry / "comm") == "maesn-bridge\n" and self.uid in _read(entry / "cgroup")]

    def files(self, directory):
        """The names of the files in a mounted directory of its container."""
        [process] = self.processes()
        return {entry.name for entry in pathlib.Path(f"/proc/{process}/root{directory}").iterdir() if not entry.name.startswith("..")}

    def execute(self, *command):
        """Runs a command in its container; its standard output."""
        return kubectl("--namespace", self.namespace, "exec", self.name, "--", *command)

    def metric(self, name):
        """Of its ingress; 0 while there is none."""
        with urllib.request.urlopen(f"http://{self.address}:9090/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def _read(file):
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # the process has ended


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
        wait.until(lambda: is_listening(80, self.address()), 30, "kube-proxy knows the pods")
        return self

    def upgrade(self, values):
        self._helm("upgrade", values)

    def rollback(self):
        call("helm", "rollback", self.name, "--namespace", self.namespace.name, "--wait", "--timeout", "120s")

    def uninstall(self):
        call("helm", "uninstall", self.name, "--namespace", self.namespace.name, "--wait", "--timeout", "120s")

    def restart(self):
        """A rolling restart of the ingress, waited for."""
        [workload] = kubectl("--namespace", self.namespace.name, "get", "deployments,statefulsets", "--output", "name", "--selector",
                             f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=ingress").split()
        kubectl("--namespace", self.namespace.name, "rollout", "restart", workload)
        kubectl("--namespace", self.namespace.name, "rollout", "status", workload, "--timeout=120s")

    def pods(self, component):
        pods = get("pods", self.namespace.name, "--selector",
                   f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}")["items"]
        return [Pod(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def restarts(self):
        return sum(pod.restarts for component in ("ingress", "reconciler") for pod in self.pods(component))

    def address(self):
        """The service's, within the cluster."""
        return get(f"service/{self.name}-maesn-bridge-ingress", self.namespace.name)["spec"]["clusterIP"]

    def describe(self):
        return (kubectl("--namespace", self.namespace.name, "get", "events,pods", fails=True).stdout[-3000:] +
                kubectl("--namespace", self.namespace.name, "logs", "--all-containers", "--selector",
                        f"app.kubernetes.io/instance={self.name}", fails=True).stdout[-3000:])
