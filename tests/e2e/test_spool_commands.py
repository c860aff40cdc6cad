"""`spool list` and `spool export`: beside a spool in use, after a kill, and on a damaged file. No broker is needed."""

import base64
import json
import os
import pathlib
import subprocess

import pytest

from harness import environment
from harness.bridge import ConfigDirectory, run
from harness.registry_cli import validate

DRIVER = pathlib.Path(os.environ.get("SPOOL_DRIVER") or environment.ROOT / "build/release/tests/e2e/drivers/spool_driver")
PAGE = 4096


class Spool:
    """A directory, its configuration, and a process that may hold it."""

    def __init__(self):
        self.config = ConfigDirectory({"spool": {"directory": "spool"}})
        self.directory = self.config.path / "spool"
        self.directory.mkdir()
        self.process = None

    def fill(self, records):
        self.process = subprocess.Popen([DRIVER, self.directory, str(records)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "stored\n"

    def close(self):
        if self.process:
            self.process.communicate()
            self.process = None

    def kill(self):
        self.process.kill()
        self.close()

    def run(self, *arguments):
        return run("spool", *arguments, "--config", self.config.file)

    def list(self, *arguments):
        done = self.run("list", "--output", "json", *arguments)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        validate(document, "spool-list")
        return document

    def export(self, *arguments, code=0):
        done = self.run("export", *arguments)
        assert done.returncode == code, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            validate(line, "spool-record")
        return lines, done.stderr


@pytest.fixture
def spool():
    made = Spool()
    yield made
    made.close()


def test_a_spool_in_use_is_listed_by_topic(spool):
    spool.fill(10)
    listed = spool.list()
    assert listed["file"] == str(spool.directory / "spool.db")
    assert listed["records"] == 10 and listed["damaged"] == 0 and listed["oldest"] == []
    assert {topic["topic"]: topic["records"] for topic in listed["topics"]} == {
        "maesn.customer": 1, "maesn.dead-letter": 1, "maesn.invoice": 8}
    assert sum(topic["bytes"] for topic in listed["topics"]) == listed["bytes"]
    oldest = spool.list("--limit", "2")["oldest"]
    assert [(record["sequence"], record["ce_id"], record["key"]) for record in oldest] == [
        (1, "id-0", "INVOICE:acme-42"), (2, "id-1", "INVOICE:acme-42")]


def test_people_get_a_table(spool):
    spool.fill(10)
    done = spool.run("list", "--limit", "1")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("10 records, ") and "the oldest stored " in lines[0]
    assert lines[2].split() == ["TOPIC", "RECORDS", "BYTES", "OLDEST", "NEWEST"]
    assert lines[7].split() == ["SEQUENCE", "STORED", "TOPIC", "KEY", "CE_ID", "BYTES"]
    assert "id-0" in lines[8]


def test_every_record_is_exported_in_order_whatever_it_holds(spool):
    spool.fill(1200)
    lines, _ = spool.export()
    assert [line["sequence"] for line in lines] == list(range(1, 1201))
    assert [line["headers"][0] for line in lines] == [{"name": "ce_id", "value": f"id-{n}"} for n in range(1200)]
    assert json.loads(lines[0]["value"]) == {"n": 0, "name": "caf\u00e9"}
    assert base64.b64decode(lines[2]["value_base64"]) == b"\x00\xff\x80"
    assert "reason" not in lines[0]
    assert lines[-1]["reason"] == "not-json" and "key" not in lines[-1]
    assert len(spool.export("--limit", "3")[0]) == 3


def test_what_a_killed_process_has_stored_is_exported_before_it_comes_back(spool):
    spool.fill(50)
    spool.kill()
    assert len(spool.export()[0]) == 50
    spool.fill(5)
    assert spool.list()["records"] == 55


def test_nothing_is_written_by_looking(spool):
    spool.fill(50)
    spool.close()
    before = {path: path.read_bytes() for path in spool.directory.iterdir()}
    (spool.directory / "spool.db-shm").unlink()
    before.pop(spool.directory / "spool.db-shm")
    spool.list("--limit", "10")
    spool.export()
    assert {path: path.read_bytes() for path in spool.directory.iterdir()} == before


def test_as_much_as_is_readable_of_a_damaged_file_is_exported(spool):
    spool.fill(3000)
    spool.close()
    database = spool.directory / "spool.db"
    content = bytearray(database.read_bytes())
    middle = len(content) // PAGE // 2 * PAGE
    content[middle:middle + PAGE] = b"\xa5" * PAGE
    at = content.index(b"id-7\0")
    content[at:at + 4] = b"id-X"
    damaged = spool.directory / "spool.db.damaged-20261231T235959Z"
    damaged.write_bytes(content)
    lines, errors = spool.export("--file", damaged, code=1)
    assert 2950 <= len(lines) < 3000
    assert lines[7]["unreadable"] == "the checksum differs"
    assert b"id-X" in base64.b64decode(lines[7]["raw_base64"])
    assert lines[-1]["sequence"] == 3000
    assert "is damaged in 1 place: " in errors and "1 record cannot be trusted" in errors
    assert spool.run("list", "--file", damaged).returncode == 1


def test_the_exit_code_tells_why_nothing_is_shown(spool, tmp_path):
    (tmp_path / "text").write_text("this is no database, though it is a file of some length\n")
    for command in "list", "export":
        assert spool.run(command).returncode == 69  # no ingress has made one yet
        assert spool.run(command, "--file", tmp_path / "text").returncode == 1
        assert spool.run(command, "--limit", "0").returncode == 64
        done = run("spool", command, "--config", ConfigDirectory().file)
        assert done.returncode == 78
        assert done.stderr == f"maesn-bridge spool {command}: spool.directory is empty: there is no spool\n"
