"""The disk that fails on demand fails as it should: a test of the harness, without a broker."""

import os
import subprocess
import sys
import time

import pytest

from harness.faulty_disk import FaultyDisk

# Writes or flushes the file as its standard input says, and tells what came of it.
PROGRAM = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for line in sys.stdin:
    try:
        if line.startswith("flush"):
            os.fdatasync(fd)
        else:
            os.pwrite(fd, b"x" * 4096, int(line))
        print("ok", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "spool").mkdir()
    return FaultyDisk(tmp_path / "spool", tmp_path / "fault")


def start(disk, path):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, path], env=os.environ | disk.environment, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def program(disk, tmp_path):
    with start(disk, tmp_path / "spool" / "file") as process:
        yield process
        process.stdin.close()


def ask(program, what):
    program.stdin.write(f"{what}\n")
    program.stdin.flush()
    return program.stdout.readline().strip()


def test_a_full_disk_lets_nothing_grow_until_there_is_room(disk, program):
    assert ask(program, 0) == "ok"
    disk.set("full")
    assert ask(program, 4096) == "No space left on device"
    assert ask(program, 0) == "ok"  # what is there already
    disk.heal()
    assert ask(program, 4096) == "ok"


def test_a_flush_fails_until_it_is_healed(disk, program):
    disk.set("flush-fails")
    assert ask(program, "flush") == "Input/output error"
    assert ask(program, 0) == "ok"
    disk.heal()
    assert ask(program, "flush") == "ok"


def test_a_flush_takes_as_long_as_it_is_told_to(disk, program):
    disk.set("flush-slow")
    began = time.monotonic()
    assert ask(program, "flush") == "ok"
    assert time.monotonic() - began >= 0.5
    disk.set("flush-stuck")
    program.stdin.write("flush\n")
    program.stdin.flush()
    disk.heal()
    assert program.stdout.readline().strip() == "ok"


def test_other_directories_have_a_healthy_disk(disk, tmp_path):
    disk.set("full")
    with start(disk, tmp_path / "elsewhere") as process:
        assert ask(process, 0) == "ok"
        process.stdin.close()
