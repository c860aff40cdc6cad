"""What the README and the runbook show is what works: their commands are understood."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from harness.bridge import run
from harness.environment import ROOT


def commands(document):
    """Every `maesn-bridge ...` that stands in it, as words."""
    shown = re.findall(r"`maesn-bridge ([^`\n]+)`|^maesn-bridge ([^#\n]+)", (ROOT / document).read_text(), re.MULTILINE)
    return [shlex.split(" ".join(parts)) for parts in shown]


@pytest.mark.parametrize("document", ["README.md", "deploy/OPERATIONS.md"])
def test_every_command_shown_has_the_options_and_operands_it_is_shown_with(document):
    assert len(commands(document)) >= 5
    names = re.findall(r"^  (\w+(?: \w+)*)  ", run("--help").stdout, re.MULTILINE)
    for words in commands(document):
        name = next((s for s in names if words[:len(s.split())] == s.split()), None)
        assert name, words
        help_text = run(*name.split(), "--help").stdout
        rest = words[len(name.split()):words.index(">") if ">" in words else None]
        operands = 0
        while rest:
            option = rest.pop(0)
            if not option.startswith("--"):
                operands += 1
                continue
            found = re.search(rf"^  {re.escape(option)}( [A-Z.-]+)?  ", help_text, re.MULTILINE)
            assert found, f"{option} of {words}"
            if found[1]:
                rest.pop(0)
        assert operands <= len(help_text.splitlines()[0].split("[options]")[1].split()), words


def test_what_was_left_out_is_told_at_the_very_end():
    done = subprocess.run([sys.executable, "-m", "pytest", "--collect-only", "--quiet", __file__], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, env=os.environ | {"LEFT_OUT": "half of the tests"})
    assert "LEFT OUT: half of the tests" in done.stdout.splitlines()[-3:], done.stdout + done.stderr
