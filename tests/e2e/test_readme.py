"""What the README and the runbook show is what works: their commands are understood."""

import re
import shlex

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
