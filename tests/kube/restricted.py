"""The Pod Security Standard `restricted`, rule by rule, and what the chart promises beyond it, over a rendered manifest.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, the controls of `baseline` and `restricted` as of v1.35."""

import yaml

TEMPLATES = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SYSCTLS = {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
           "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
           "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}


def pod_specs(manifest):
    """Of every object that makes pods."""
    for thing in yaml.safe_load_all(manifest):
        if thing is None:
            continue
        spec = thing.get("spec", {})
        if thing["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if thing["kind"] == "Pod":
            yield spec
        elif thing["kind"] in TEMPLATES | {"CronJob"}:
            yield spec["template"]["spec"]


def containers(spec):
    return [container for kind in ("containers", "initContainers", "ephemeralContainers") for container in spec.get(kind, [])]


def contexts(spec):
    """The pod's security context and those of its containers."""
    return [holder.get("securityContext", {}) for holder in (spec, *containers(spec))]


def own_contexts(spec):
    return contexts(spec)[1:]


def in_force(spec, name):
    """A setting that the pod gives to the containers that do not set it themselves, of each container."""
    return [context.get(name, spec.get("securityContext", {}).get(name)) for context in own_contexts(spec)]


def handlers(container):
    """Of its probes and hooks."""
    holders = [container.get(name, {}) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    holders += container.get("lifecycle", {}).values()
    return [holder[kind] for holder in holders for kind in ("httpGet", "tcpSocket") if kind in holder]


def options(spec, name):
    """Every setting of that name in a security context."""
    return [context[name] for context in contexts(spec) if name in context]


STANDARD = {
    "no Windows host process": lambda spec: not any(o.get("hostProcess") for o in options(spec, "windowsOptions")),
    "no namespace of the host": lambda spec: not any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
    "no privileged container": lambda spec: not any(options(spec, "privileged")),
    "no capability": lambda spec: all("ALL" in c.get("capabilities", {}).get("drop", []) and
                                      set(c["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"} for c in own_contexts(spec)),
    "no volume of the host": lambda spec: all(set(volume) - {"name"} <= VOLUMES for volume in spec.get("volumes", [])),
    "no port of the host": lambda spec: not any(port.get("hostPort") for c in containers(spec) for port in c.get("ports", [])),
    "no host in a probe or hook": lambda spec: not any(handler.get("host") for c in containers(spec) for handler in handlers(c)),
    "AppArmor is on": lambda spec: all(p["type"] != "Unconfined" for p in options(spec, "appArmorProfile")),
    "no SELinux identity": lambda spec: all(o.get("type", "") in SELINUX_TYPES and not o.get("user") and not o.get("role")
                                            for o in options(spec, "seLinuxOptions")),
    "/proc is masked": lambda spec: all(mount == "Default" for mount in options(spec, "procMount")),
    "seccomp is on": lambda spec: all((p or {}).get("type") in ("RuntimeDefault", "Localhost") for p in in_force(spec, "seccompProfile")),
    "no unsafe sysctl": lambda spec: all(s["name"] in SYSCTLS for s in spec.get("securityContext", {}).get("sysctls", [])),
    "no more privileges than at the start": lambda spec: all(c.get("allowPrivilegeEscalation") is False for c in own_contexts(spec)),
    "must not be root": lambda spec: all(in_force(spec, "runAsNonRoot")),
    "the user is not root": lambda spec: 0 not in options(spec, "runAsUser"),
}

OURS = {
    "the root file system is read-only": lambda spec: all(c.get("readOnlyRootFilesystem") for c in own_contexts(spec)),
    "no token for the API server": lambda spec: spec.get("automountServiceAccountToken") is False,
    "memory has a limit, CPU has none": lambda spec: all(set(c.get("resources", {}).get("limits", {})) == {"memory"} for c in containers(spec)),
    "no file is mounted by subPath": lambda spec: not any("subPath" in m for c in containers(spec) for m in c.get("volumeMounts", [])),
    "an ordinary user and group": lambda spec: spec["securityContext"].get("runAsUser") == spec["securityContext"].get("runAsGroup") == 65532,
}

RULES = {**STANDARD, **OURS}


def broken(spec):
    """The rules that the pod does not keep."""
    return {name for name, is_kept in RULES.items() if not is_kept(spec)}
