"""What a process keeps itself from: an intruder in it reaches no other program, no other file and no other port."""

import ctypes
import errno
import pathlib
import signal

import pytest

from harness import wait
from harness.bridge import PATH, SECRET, route
from harness.intruder import Intruder
from harness.sender import post

SAMPLE = b"[]"  # verifies, produces nothing

CREATE_RULESET, TELL_VERSION = 444, 1  # the same on every architecture. Source: linux/landlock.h
LANDLOCK_VERSION = ctypes.CDLL(None).syscall(CREATE_RULESET, None, ctypes.c_size_t(0), TELL_VERSION)
needs_landlock = pytest.mark.skipif(LANDLOCK_VERSION < 3, reason=f"LEFT OUT: this kernel's Landlock is version {LANDLOCK_VERSION}, not 3")


@pytest.fixture
def intruded(kafka, start_bridge, tmp_path):
    """(bridge, intruder): a bridge with a spool, and what reads its orders from there."""
    def start(settings=None):
        (tmp_path / "spool").mkdir()
        intruder = Intruder(tmp_path / "spool")
        bridge = start_bridge(kafka, {"spool": {"directory": str(tmp_path / "spool")}, **(settings or {})},
                              environ=intruder.environment)
        return bridge, intruder
    return start


@needs_landlock
def test_by_default_every_thread_is_confined(kafka, start_bridge):
    bridge = start_bridge(kafka)
    [applied] = bridge.log("sandbox.applied")
    assert applied["mode"] == "enforce" and applied["landlock_version"] >= 1 and 0 < applied["system_calls"] <= 60, applied
    assert bridge.log("sandbox.reduced") == []
    threads = [(path / "status").read_text() for path in pathlib.Path(f"/proc/{bridge.pid}/task").iterdir()]
    assert len(threads) > 2
    for text in threads:
        assert "NoNewPrivs:\t1\n" in text and "Seccomp:\t2\n" in text, text


@pytest.mark.parametrize("act", [("execute", "/bin/true"), ("trace",), ("bind",), ("listen",)])
def test_what_only_an_intruder_does_ends_the_process(act, intruded):
    bridge, intruder = intruded()
    intruder.tell(*act)
    assert bridge.process.wait(timeout=30) == -signal.SIGSYS


@needs_landlock
def test_an_intruder_opens_no_other_file_and_goes_nowhere(intruded, tmp_path):
    bridge, intruder = intruded()
    (tmp_path / "other").write_text("of somebody else")
    assert intruder.act(bridge, "read", bridge.config.path / "secrets/acme-xero") == 0
    assert intruder.act(bridge, "write", tmp_path / "spool/new") == 0
    assert intruder.act(bridge, "read", tmp_path / "other") == errno.EACCES
    assert intruder.act(bridge, "write", tmp_path / "other") == errno.EACCES
    assert intruder.act(bridge, "write", tmp_path / "new") == errno.EACCES
    assert intruder.act(bridge, "write", bridge.config.file) == errno.EACCES
    assert intruder.act(bridge, "chdir", "/") == errno.ENOSYS
    assert post(bridge.ingress_port, PATH, SAMPLE, SECRET).status == 200


def test_warn_names_each_system_call_once_and_lets_it_happen(intruded, tmp_path):
    bridge, intruder = intruded({"sandbox": "warn"})
    for act in (("chdir", "/"), ("chdir", "/"), ("bind",), ("write", tmp_path / "new")):
        assert intruder.act(bridge, *act) == 0
    assert [line["system_call"] for line in bridge.log("sandbox.violated")] == ["chdir", "bind"]
    assert post(bridge.ingress_port, PATH, SAMPLE, SECRET).status == 200


def test_off_is_off(intruded, tmp_path):
    bridge, intruder = intruded({"sandbox": "off"})
    assert bridge.log("sandbox.applied") == []
    assert intruder.act(bridge, "write", tmp_path / "new") == 0
    assert "Seccomp:\t0\n" in pathlib.Path(f"/proc/{bridge.pid}/status").read_text()


@needs_landlock
def test_a_reload_may_name_files_beside_those_of_the_start_and_no_others(kafka, start_bridge, tmp_path):
    bridge = start_bridge(kafka)
    for directory in (bridge.config.path / "secrets", tmp_path):
        (directory / "another").touch(mode=0o600)
        (directory / "another").write_text(SECRET)
    second = route("globex", secret_file="../secrets/another")
    bridge.config.write_routes([route(), second])
    wait.until(lambda: post(bridge.ingress_port, second["path"], SAMPLE, SECRET).status == 200, 30, "the second route serves")
    bridge.config.write_routes([route(), second, route("initech", secret_file=str(tmp_path / "another"))])
    wait.until(lambda: bridge.log("config.rejected"), 30, "the third one's secret is out of reach")
    assert "Permission denied" in bridge.log("config.rejected")[0]["problem"]
    assert post(bridge.ingress_port, second["path"], SAMPLE, SECRET).status == 200
