"""The image: small, without a shell, reproducible, and the main job runs in it without a right that it does not need."""

import hashlib
import json
import os
import pathlib
import re
import signal
import stat

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from conftest import Topics, numbers
from harness import consumers, image
from harness.bridge import PATH, SECRET, Bridge, ConfigDirectory
from harness.environment import ROOT
from harness.sender import encode, event, post

EPOCH = 1700000000
SOURCE = "https://example.com/maesn-bridge"


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """What deploy/build-image writes, twice."""
    return [tmp_path_factory.mktemp(name) for name in ("first", "second")]


@pytest.fixture(scope="module")
def built(tmp_path_factory, directories):
    """(root file system, configuration of the image, the same of the second build, the base's name)"""
    directory = tmp_path_factory.mktemp("image")
    base = image.make_base(directory)
    names = ["localhost/maesn-bridge:first", "localhost/maesn-bridge:second"]
    # The name stands in the archive: the second has the first one's while it is built.
    first = image.build(base, names[0], directories[0], SOURCE_DATE_EPOCH=str(EPOCH), SOURCE=SOURCE)
    image.buildah("tag", names[0], names[1])
    second = image.build(base, names[0], directories[1], SOURCE_DATE_EPOCH=str(EPOCH), SOURCE=SOURCE)
    yield image.unpack(names[0], directory / "root"), first, second, base
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


def test_it_tells_where_it_comes_from(built, directories):
    """Every label, none empty or unknown."""
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in built[1]["config"]["Labels"].items()}
    assert json.loads((directories[0] / "labels.json").read_text()) == built[1]["config"]["Labels"]
    version = yaml.safe_load((ROOT / "deploy/helm/maesn-bridge/Chart.yaml").read_text())["appVersion"]
    head = image.call("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "rev-parse", "HEAD").strip()
    assert labels.pop("revision").removesuffix("-dirty") == head
    assert re.fullmatch("sha256:[0-9a-f]{64}", labels.pop("base.digest"))
    assert labels.pop("title") == "maesn-bridge" and labels.pop("description")
    assert {name: value for name, value in labels.items() if not name.startswith("io.")} == {
        "licenses": "Apache-2.0", "version": version, "source": SOURCE, "created": "2023-11-14T22:13:20Z", "base.name": built[3]}


def test_without_a_date_it_has_the_commits():
    date = image.call("git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "log", "-1", "--format=%ct").strip()
    script = (ROOT / "deploy/build-image").read_text()
    lines = "\n".join(line for line in script.splitlines() if line.startswith(("git()", "SOURCE_DATE_EPOCH=")))
    unset = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    assert image.call("bash", "-euc", f"{lines}\necho $SOURCE_DATE_EPOCH", cwd=ROOT, env=unset).strip() == date


def test_two_builds_are_the_same_byte_for_byte(built, directories):
    assert built[1]["rootfs"] == built[2]["rootfs"]
    written = sorted(path.name for path in directories[0].iterdir())
    assert written == ["image.tar", "labels.json", "sbom.cdx.json"]
    for name in written:
        assert (directories[0] / name).read_bytes() == (directories[1] / name).read_bytes(), name


def cyclonedx(file):
    document = json.loads(file.read_text())
    assert document["bomFormat"] == "CycloneDX"
    return document


def test_its_sbom_is_valid_and_would_not_be_with_a_field_misspelt(built, directories):
    text, judge = (directories[0] / "sbom.cdx.json").read_text(), JsonStrictValidator(SchemaVersion.V1_5)
    assert judge.validate_str(text) is None
    assert judge.validate_str(text.replace('"purl":', '"purrl":')) is not None


def test_its_sbom_is_of_the_final_root(built, directories, root):
    document = cyclonedx(directories[0] / "sbom.cdx.json")
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    references = [component["bom-ref"] for component in document["components"]]
    assert len(set(references)) == len(references)
    listed = {c["name"]: c for c in document["components"] if c["type"] in ("library", "application")}
    assert sorted(listed) == packages(root)
    for name, component in listed.items():
        status = (root / "var/lib/dpkg/status.d" / name).read_text()
        assert component["version"] == re.search(r"^Version: (.*)$", status, re.MULTILINE)[1]
        assert component["purl"].startswith("pkg:generic/" if name == "maesn-bridge" else f"pkg:deb/debian/{name}@"), component
    hashes = {c["name"]: c["hashes"][0]["content"] for c in document["components"] if c["type"] == "file"}
    assert hashes == {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files(root)}


def test_a_scanner_sees_every_package_and_the_bridge_itself_as_the_sbom_does(directories, root, tmp_path):
    """CycloneDX, as Trivy makes it."""
    file = tmp_path / "sbom.json"
    image.TRIVY.chmod(0o755)
    image.call(image.TRIVY, "rootfs", "--cache-dir", tmp_path / "cache", "--offline-scan", "--skip-db-update", "--format", "cyclonedx",
               "--output", file, root)
    document = cyclonedx(file)
    listed = {component["name"]: component.get("version", "") for component in document["components"]}
    for package in packages(root):
        status = (root / "var/lib/dpkg/status.d" / package).read_text()
        version = re.search(r"^Version: (.*)$", status, re.MULTILINE)[1]
        assert version.endswith(listed[package]) or listed[package].endswith(version), (package, version, listed.get(package))

    def named(file):
        """Package URLs without version, architecture and epoch, which Trivy writes elsewhere."""
        return {component["purl"].partition("@")[0] for component in cyclonedx(file)["components"] if component.get("purl", "").startswith("pkg:deb/")}

    assert named(directories[0] / "sbom.cdx.json") == {name for name in named(file) if not name.endswith("/maesn-bridge")}


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
