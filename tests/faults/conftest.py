"""Each worker has one cluster of each size, which its schedules use one after the other and leave well."""

import os

import pytest

from faults.outcome import Outcome, Run
from faults.world import LinkedKafka


SEEDS = os.environ.get("SEEDS", "1-25")  # or one alone


def seeds():
    first, _, last = SEEDS.partition("-")
    return range(int(first), int(last or first) + 1)


def pytest_generate_tests(metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds())


@pytest.fixture(scope="session")
def clusters():
    """clusters(brokers): started when first asked for; another one after a schedule that failed."""
    running = {}

    def cluster_of(brokers):
        if brokers in running and not running[brokers].is_left_well:
            running.pop(brokers).__exit__()
        if brokers not in running:
            running[brokers] = LinkedKafka(brokers).__enter__()
        return running[brokers]

    yield cluster_of
    for kafka in running.values():
        kafka.__exit__()


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # the process that hears of all schedules
        config.pluginmanager.register(Summary(), "faults-summary")


class Summary:
    """What all schedules come to; also in the file that SUMMARY names, below what stands there."""

    def __init__(self):
        self.run = Run(SEEDS, len(seeds()), os.environ.get("SUMMARY"))
        self._played = {}  # by test that was not left yet: its outcome

    def pytest_runtest_logreport(self, report):
        if "faults/test_schedules.py" not in report.nodeid or "[" not in report.nodeid:
            return
        if report.failed:
            self._played.pop(report.nodeid, None)
            crash = getattr(report.longrepr, "reprcrash", None)
            self.run.failed(report.nodeid.partition("::")[2], (crash.message if crash else str(report.longrepr)).split("\n")[0][:300])
        elif report.when == "call":
            self._played |= {report.nodeid: value for name, value in report.user_properties if name == "outcome"}
        elif report.when == "teardown" and report.nodeid in self._played:
            self.run.passed(Outcome(**self._played.pop(report.nodeid)))

    def pytest_terminal_summary(self, terminalreporter):
        if self.run.outcomes or self.run.failures:
            for line in self.run.lines():
                terminalreporter.write_line(line)
