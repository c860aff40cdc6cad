"""Every rule of tests/kube/restricted.py catches what breaks it, and the API server agrees."""

import copy

import pytest
import yaml

from kube import Namespace, refusal, render
from restricted import OURS, STANDARD, broken, pod_specs


@pytest.fixture(scope="module")
def namespace():
    return Namespace("restricted").name


def context(**settings):
    """Lays settings over the security context of the only container."""
    return lambda spec: spec["containers"][0]["securityContext"].update(settings)


def pod_context(**settings):
    return lambda spec: spec["securityContext"].update(settings)


def windows(spec):
    spec["hostNetwork"] = True  # or the API server finds it invalid, before it looks at the standard
    spec["securityContext"]["windowsOptions"] = {"hostProcess": True}


def unmasked(spec):
    spec["hostUsers"] = False  # likewise
    context(procMount="Unmasked")(spec)


BREACHES = {
    "no Windows host process": windows,
    "no namespace of the host": lambda spec: spec.update(hostPID=True),
    "no privileged container": context(privileged=True, allowPrivilegeEscalation=True),
    "no capability": context(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
    "no volume of the host": lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "no port of the host": lambda spec: spec["containers"][0]["ports"][0].update(hostPort=8080),
    "no host in a probe or hook": lambda spec: spec["containers"][0]["livenessProbe"]["httpGet"].update(host="192.0.2.1"),
    "AppArmor is on": context(appArmorProfile={"type": "Unconfined"}),
    "no SELinux identity": context(seLinuxOptions={"type": "spc_t"}),
    "/proc is masked": unmasked,
    "seccomp is on": context(seccompProfile={"type": "Unconfined"}),
    "no unsafe sysctl": pod_context(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "no more privileges than at the start": context(allowPrivilegeEscalation=True),
    "must not be root": pod_context(runAsNonRoot=False),
    "the user is not root": context(runAsUser=0),
    "the root file system is read-only": context(readOnlyRootFilesystem=False),
    "no token for the API server": lambda spec: spec.pop("automountServiceAccountToken"),
    "memory has a limit, CPU has none": lambda spec: spec["containers"][0]["resources"]["limits"].update(cpu="2"),
    "no file is mounted by subPath": lambda spec: spec["containers"][0]["volumeMounts"][0].update(subPath="bridge.yaml"),
    "an ordinary user and group": pod_context(runAsUser=1000),
}

# What cannot be had without breaking another rule as well.
MORE = {"no Windows host process": {"no namespace of the host"}, "no privileged container": {"no more privileges than at the start"}}


def test_every_rule_has_a_breach():
    assert BREACHES.keys() == STANDARD.keys() | OURS.keys()


@pytest.mark.parametrize("rule", BREACHES)
def test_a_breach_is_caught_by_its_rule_and_a_breach_of_the_standard_by_the_api_server(rule, namespace):
    spec = copy.deepcopy(next(pod_specs(render({}))))
    assert broken(spec) == set()
    BREACHES[rule](spec)
    assert broken(spec) == {rule} | MORE.get(rule, set())
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "breach"}, "spec": {**spec, "serviceAccountName": "default"}}
    assert ("violates PodSecurity" in refusal(yaml.safe_dump(pod), namespace)) == (rule in STANDARD)
