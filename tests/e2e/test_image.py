"""The image: small, without a shell, reproducible, and the main job runs in it without a right that it does not need."""

import json
import os
import pathlib
import re
import signal
import stat

import pytest
import yaml

from conftest import Topics, numbers
from harness import consumers, image
from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory
from harness.environment import ROOT
from harness.sender import encode, event, post

EPOCH = 1700000000


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(root file system, configuration of the image)"""
    directory = tmp_path_factory.mktemp("image")
    base = image.make_base(directory)
    names = ["localhost/maesn-bridge:first", "localhost/maesn-bridge:second"]
    first, second = (image.build(base, name, EPOCH) for name in names)
    yield image.unpack(names[0], directory / "root"), first, second
    image.remove(*names)


@pytest.fixture(scope="module")
def root(built):
    return built[0]


def files(root):
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]


def packages(root):
    return sorted(path.name for path in (root / "var/lib/dpkg/status.d").iterdir())


def test_it_is_small_and_says_what_is_in_it(root, record_property):
    size = sum(path.stat().st_size for path in files(root))
    record_property("image", f"{size / 2**20:.1f} MiB, {len(packages(root))} packages: {' '.join(packages(root))}")
    assert size < 40 * 2**20
    assert "maesn-bridge" in packages(root)


def test_it_has_no_shell_no_setuid_file_and_nothing_that_anybody_may_write(root):
    programs = [path for path in files(root) if path.stat().st_mode & 0o111 and ".so" not in path.name]
    assert [str(path.relative_to(root)) for path in programs] == ["usr/bin/maesn-bridge"]
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        assert not mode & (stat.S_ISUID | stat.S_ISGID), path
        assert path.is_symlink() or not mode & stat.S_IWOTH, path


def test_there_is_a_place_for_the_spool_that_is_the_users(root):
    assert (root / "var/lib/maesn-bridge").stat().st_uid == image.UID


def test_it_runs_as_an_ordinary_user_and_carries_its_labels(built):
    config = built[1]["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/bin/maesn-bridge"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    version = yaml.safe_load((ROOT / "deploy/helm/maesn-bridge/Chart.yaml").read_text())["appVersion"]
    assert config["Labels"]["org.opencontainers.image.version"] == version


def test_two_builds_are_the_same_byte_for_byte(built):
    assert built[1]["rootfs"] == built[2]["rootfs"]


def test_a_scanner_sees_every_package_and_the_bridge_itself(root, tmp_path):
    """CycloneDX, as Trivy makes it."""
    file = tmp_path / "sbom.json"
    image.TRIVY.chmod(0o755)
    image.call(image.TRIVY, "rootfs", "--cache-dir", tmp_path / "cache", "--offline-scan", "--skip-db-update", "--format", "cyclonedx",
               "--output", file, root)
    document = json.loads(file.read_text())
    assert document["bomFormat"] == "CycloneDX"
    listed = {component["name"]: component.get("version", "") for component in document["components"]}
    for package in packages(root):
        status = (root / "var/lib/dpkg/status.d" / package).read_text()
        version = re.search(r"^Version: (.*)$", status, re.MULTILINE)[1]
        assert version.endswith(listed[package]) or listed[package].endswith(version), (package, version, listed.get(package))


@pytest.fixture
def contained(root, tmp_path, kafka):
    """A bridge in a container; its configuration is mounted where the image expects it, and nothing can be written."""
    topics = Topics(f"image{next(numbers)}")
    kafka.create_topics(*topics.all)
    config = ConfigDirectory({"kafka": {"brokers": kafka.bootstrap}, "topics": topics.settings})
    for path in [config.path, *config.path.rglob("*")]:
        os.chown(path, image.UID, image.UID)
    image.bundle(root, tmp_path, ["ingress"], [(config.path, "/etc/maesn-bridge", ["ro"])])
    bridge = Bridge(config)
    bridge.topics = topics
    bridge.command = ["runc", "--root", str(tmp_path / "state"), "run", "--bundle", str(tmp_path), f"maesn-bridge-{os.getpid()}"]
    yield bridge
    bridge.kill()
    config.remove()


def status_of(pid):
    return dict(re.findall(r"^(\w+):\s*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))


def contained_pid(bridge):
    """The process in the container: runc's only descendant that is the bridge."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if entry.joinpath("comm").read_text().strip() == "maesn-bridge" and int(status_of(entry.name)["PPid"]) == bridge.pid:
                return int(entry.name)
        except (FileNotFoundError, ProcessLookupError):
            pass
    raise AssertionError("no process in the container")


def test_the_main_job_runs_in_it_without_any_right(kafka, contained):
    contained.start()
    status = status_of(contained_pid(contained))
    assert status["Uid"].split() == [str(image.UID)] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"

    body = encode([event(n) for n in range(20)])
    assert post(contained.ingress_port, PATH, body, SECRET).status == 200
    assert post(contained.ingress_port, PATH, body, "wrong").status == 401
    assert len(consumers.read_all(kafka, contained.topics["invoice"])) == 20
    os.kill(contained_pid(contained), signal.SIGTERM)
    assert contained.process.wait(timeout=40) == 0
