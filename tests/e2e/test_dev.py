"""`maesn-bridge dev`: the main job on a machine with nothing else."""

import json
import pathlib
import re
import shlex
import signal
import subprocess

from harness import wait
from harness.bridge import run
from harness.environment import BINARY
from harness.ports import free_ports


def test_it_shows_signed_callbacks_arriving_as_records_and_ends_by_itself():
    [port] = free_ports(1)
    done = run("dev", "--rate", "20", "--for", "3", "--http", port)
    assert done.returncode == 0, done.stderr
    assert re.search(r"maesn\.[a-z-]+", done.stdout)
    assert "com.maesn." in done.stdout
    assert "curl" in done.stdout


def test_its_records_can_be_read_by_a_program():
    [port] = free_ports(1)
    done = run("dev", "--rate", "20", "--for", "3", "--http", port, "--output", "json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines() if '"ce_id"' in line]
    assert len(records) >= 20, done.stdout[:2000]


def test_accounts_declared_in_a_file_are_subscribed_and_their_events_arrive():
    """Also when the first answers of the providers are lost, and some of their lists fail."""
    [port] = free_ports(1)
    done = run("dev", "--rate", "20", "--for", "20", "--http", port, "--output", "json",
               "--faults", "create:reset-after*2,list:error=503/3")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    keys = {line["key"] for line in lines if "ce_id" in line}
    accounts = {key.rpartition(":")[2] for key in keys}
    assert accounts >= {"maple-media", "nova-nails", "oak-optics", "pine-press"}, accounts
    assert lines[-1]["summary"]["lost"] == 0


def test_an_account_that_is_declared_otherwise_is_subscribed_otherwise(tmp_path):
    output = tmp_path / "output"
    with open(output, "wb") as file:
        process = subprocess.Popen([BINARY, "dev", "--rate", "20", "--for", "90", "--http", "0"], stdout=file,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        found = wait.until(lambda: re.search(r"^  accounts +(\S+)", output.read_text(), re.MULTILINE), 20, "the path")
        accounts = pathlib.Path(found[1])
        wait.until(lambda: "\tINVOICE:maple-media\t" in output.read_text(), 30, "an invoice")
        assert "\tPAYMENT:maple-media\t" not in output.read_text()
        accounts.write_text(accounts.read_text().replace("{resource: INVOICE}", "{resource: PAYMENT}"))
        wait.until(lambda: "\tPAYMENT:maple-media\t" in output.read_text(), 30, "a payment")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0, output.read_text()[-2000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_faults_that_do_not_exist_are_refused():
    done = run("dev", "--faults", "create:explode")
    assert done.returncode == 64
    assert done.stderr == "maesn-bridge dev: --faults: fault create:explode: no such kind\n"


def test_the_curl_it_prints_works_as_it_stands(tmp_path):
    [port] = free_ports(1)
    output = tmp_path / "output"
    with open(output, "wb") as file:
        process = subprocess.Popen([BINARY, "dev", "--rate", "1", "--for", "60", "--http", str(port)], stdout=file,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        command = wait.until(lambda: printed_curl(output.read_text()), 20, "the curl command")
        done = subprocess.run(["bash", "-c", command + " -sS -i" if shlex.split(command)[0] == "curl" else command],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert "200" in done.stdout, done.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def printed_curl(text):
    """The command between the lines it starts and ends with; continuation lines belong to it."""
    found = re.search(r"^ *((?:body=|BODY=|curl )(?:.*\\\n)*.*(?:\n *curl (?:.*\\\n)*.*)?)$", text, re.MULTILINE)
    return found and found[1]
