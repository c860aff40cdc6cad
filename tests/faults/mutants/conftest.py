"""What became of the mutants; of all of them also into RESULT.txt."""

import datetime
import os
import pathlib
import subprocess

import pytest

from harness import environment

from faults.mutants.table import MUTANTS

RESULT = pathlib.Path(__file__).with_name("RESULT.txt")


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    caught = [value for report in terminalreporter.getreports("passed") for name, value in report.user_properties
              if name == "mutant"]
    is_worker = hasattr(config, "workerinput")  # which has only its own
    if os.environ.get("MUTANTS") != "all" or is_worker or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    passed = sum("the_program_itself_passes" in report.nodeid for report in terminalreporter.getreports("passed"))
    missed = [report.nodeid.rpartition("::")[2] for kind in ("failed", "error") for report in terminalreporter.getreports(kind)]
    version = subprocess.run([environment.BINARY, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    RESULT.write_text("\n".join([
        f"{datetime.date.today()}, {version}, {os.cpu_count()} cores, {environment.kernel()}; `tests/run mutants` writes this.",
        f"{len(caught)} of {len(MUTANTS)} mutants were caught, each by the promise that it breaks; the program itself passed {passed} scenarios;"
        f" what failed: {', '.join(missed) or 'nothing'}.",
        "", *caught, ""]))
