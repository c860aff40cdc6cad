"""Each worker has one cluster of each size, which its schedules use one after the other and leave well."""

import datetime
import os
import platform
import subprocess

import pytest

from harness import environment
from faults.world import LinkedKafka, summary


SEEDS = os.environ.get("SEEDS", "1-10")  # or one alone


def seeds():
    first, _, last = SEEDS.partition("-")
    return range(int(first), int(last or first) + 1)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds())


@pytest.fixture(scope="session")
def clusters():
    """clusters(brokers): started when first asked for."""
    running = {}

    def cluster_of(brokers):
        if brokers not in running:
            running[brokers] = LinkedKafka(brokers).__enter__()
        return running[brokers]

    yield cluster_of
    for kafka in running.values():
        kafka.__exit__()


def pytest_terminal_summary(terminalreporter):
    """What all schedules came to; also into the file that SUMMARY names, below those that stand there."""
    outcomes = [value for report in terminalreporter.getreports("passed") for name, value in report.user_properties
                if name == "outcome"]
    if not outcomes:
        return
    failed = sum("faults/test_schedules.py" in report.nodeid for kind in ("failed", "error")
                 for report in terminalreporter.getreports(kind))
    lines = summary(outcomes, failed)
    for line in lines:
        terminalreporter.write_line(line)
    if "SUMMARY" in os.environ:
        version = subprocess.run([environment.BINARY, "version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
        with open(os.environ["SUMMARY"], "a") as file:
            file.write(f"{datetime.date.today()}, {version}, {os.cpu_count()} cores, {platform.release()}, "
                       f"seeds {SEEDS}:\n")
            file.writelines(f"  {line}\n" for line in lines)
