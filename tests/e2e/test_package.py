"""The Debian package: flawless, reproducible, and installed in a fresh Debian it works; its services are confined."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

from conftest import Topics, numbers
from harness import environment, image
from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory
from harness.image import call
from harness.sender import encode, event, post
from test_image import contained_pid, status_of

EPOCH = "1700000000"
UNITS = ["maesn-bridge-ingress.service", "maesn-bridge-reconciler.service"]
EXPOSURE_MAX = 15  # of 100, which systemd-analyze calls 1.5 of 10; 20 is its limit for "OK"


def pack(directory):
    call("cpack", "-G", "DEB", "-B", directory, cwd=environment.ROOT / "build/release", env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    [package] = directory.glob("*.deb")
    return package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return pack(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def root(package, tmp_path_factory):
    """A fresh Debian in which apt installed the package with what it depends on."""
    directory = tmp_path_factory.mktemp("debian") / "root"
    release = re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)[1]
    call("mmdebstrap", "--quiet", "--variant=apt", *image.apt_options(), f"--customize-hook=copy-in {package} /",
         f'--customize-hook=chroot "$1" apt-get -q -y install --no-install-recommends /{package.name}',
         release, directory, *image.apt_sources())
    yield directory
    shutil.rmtree(directory)


def inside(root, *command):
    return subprocess.run(["chroot", root, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def test_lintian_finds_nothing(package):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_it_is_the_same_byte_for_byte_when_it_is_made_again(package, tmp_path):
    assert pack(tmp_path).read_bytes() == package.read_bytes()


def test_an_administrators_changes_of_the_configuration_stay(package):
    assert call("dpkg-deb", "--info", package, "conffiles") == "/etc/maesn-bridge/bridge.yaml\n"


def test_the_installed_program_runs_and_accepts_the_installed_configuration(root):
    version = inside(root, "maesn-bridge", "--version")
    assert version.returncode == 0 and version.stdout.startswith("maesn-bridge "), version.stderr
    check = inside(root, "maesn-bridge", "check")
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_services_have_a_user_who_reads_the_secrets_and_nothing_else_is_theirs(root):
    [user] = re.findall(r"^maesn-bridge:.*", (root / "etc/passwd").read_text(), re.MULTILINE)
    assert user.endswith("/nonexistent:/usr/sbin/nologin"), user
    uid, gid = map(int, user.split(":")[2:4])
    secrets = (root / "etc/maesn-bridge/secrets").stat()
    assert (secrets.st_uid, secrets.st_gid, secrets.st_mode & 0o7777) == (0, gid, 0o2750)
    theirs = [path for path in root.rglob("*") if not path.is_symlink() and path.stat().st_uid == uid]
    assert theirs == []


def test_the_manual_and_the_completions_are_where_they_are_looked_for(root):
    for path in ["man/man1/maesn-bridge.1.gz", "man/man5/maesn-bridge.yaml.5.gz", "bash-completion/completions/maesn-bridge",
                 "zsh/vendor-completions/_maesn-bridge", "fish/vendor_completions.d/maesn-bridge.fish"]:
        # minimal images leave manuals out, by a rule of dpkg's
        assert path.startswith("man/") or (root / "usr/share" / path).stat().st_size > 0, path
    listed = inside(root, "dpkg", "-L", "maesn-bridge").stdout.split()
    assert "/usr/share/man/man1/maesn-bridge.1.gz" in listed and "/usr/share/man/man5/maesn-bridge.yaml.5.gz" in listed


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_the_unit_and_calls_its_exposure_low(unit, root):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", unit], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "maesn-bridge" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    security = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=yes", f"--threshold={EXPOSURE_MAX}",
                               f"--root={root}", unit], capture_output=True, text=True, timeout=60)
    assert security.returncode == 0, security.stdout[-2000:] + security.stderr


def system_calls(name):
    """Those of a set of systemd's, @system-service for one."""
    if not name.startswith("@"):
        return {name}
    lines = [line.strip() for line in call("systemd-analyze", "syscall-filter", name).splitlines()[1:]]
    return set().union(*(system_calls(line) for line in lines if line and not line.startswith("#")))


def allowed_system_calls(unit):
    """As systemd reads the unit: what the first line allows, less or more what the next ones say."""
    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", (environment.ROOT / "deploy/systemd" / unit).read_text(), re.MULTILINE):
        named = set().union(*(system_calls(name) for name in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return sorted(allowed)


@pytest.fixture
def service(root, tmp_path, kafka):
    """The ingress as its unit runs it: the installed program, no rights, only the unit's system calls, a socket to notify."""
    topics = Topics(f"package{next(numbers)}")
    kafka.create_topics(*topics.all)
    config = ConfigDirectory({"kafka": {"brokers": kafka.bootstrap}, "topics": topics.settings,
                              "spool": {"directory": "/var/lib/maesn-bridge/spool"}})
    spool, run = tmp_path / "spool", tmp_path / "run"
    spool.mkdir(), run.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(run / "notify"))
        manager.settimeout(20)
        for path in [config.path, *config.path.rglob("*"), spool, run, run / "notify"]:
            os.chown(path, image.UID, image.UID)
        bundle = tmp_path / "bundle"
        bundle.mkdir()
        image.bundle(root, bundle, ["ingress"], [(config.path, "/etc/maesn-bridge", ["ro"]), (run, "/run", ["ro"]),
                                                (spool, "/var/lib/maesn-bridge/spool", ["rw"])])
        spec = json.loads((bundle / "config.json").read_text())
        spec["process"]["env"].append("NOTIFY_SOCKET=/run/notify")
        spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"],
                                    "syscalls": [{"names": allowed_system_calls(UNITS[0]), "action": "SCMP_ACT_ALLOW"}]}
        (bundle / "config.json").write_text(json.dumps(spec))
        bridge = Bridge(config)
        bridge.command = ["runc", "--root", str(tmp_path / "state"), "run", "--bundle", str(bundle), f"maesn-bridge-unit-{os.getpid()}"]
        yield bridge, manager
        bridge.kill()
        config.remove()


def test_the_service_works_within_the_units_confines_and_tells_systemd_its_state(service):
    bridge, manager = service
    heard = lambda: manager.recv(4096).decode()
    bridge.start()
    assert heard() == "READY=1"
    assert post(bridge.ingress_port, PATH, encode(event(1)), SECRET).status == 200
    pid = contained_pid(bridge)
    assert status_of(pid)["Seccomp"] == "2"
    os.kill(pid, signal.SIGHUP)
    assert heard().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard() == "READY=1"
    os.kill(pid, signal.SIGTERM)
    assert heard().startswith("STOPPING=1\n")
    assert bridge.process.wait(timeout=40) == 0


def test_what_waits_in_the_spool_survives_even_a_purge(root):
    spool = root / "var/lib/maesn-bridge/spool"
    spool.mkdir(parents=True, exist_ok=True)
    (spool / "spool.db").write_text("records that were answered 200")
    done = inside(root, "dpkg", "--purge", "maesn-bridge")
    assert done.returncode == 0, done.stderr
    assert (spool / "spool.db").exists()
    assert not (root / "usr/bin/maesn-bridge").exists() and not (root / "etc/maesn-bridge").exists()
    assert [path for path in root.glob("etc/systemd/system/**/*maesn-bridge*")] == []
