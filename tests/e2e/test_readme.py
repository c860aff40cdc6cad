"""What the README shows is what works: its commands are understood."""

import re
import shlex

from harness.bridge import run
from harness.environment import ROOT

README = (ROOT / "README.md").read_text()


def commands():
    """Every `maesn-bridge ...` that stands in the README, as words."""
    shown = re.findall(r"`maesn-bridge ([^`\n]+)`|^maesn-bridge ([^#\n]+)", README, re.MULTILINE)
    return [shlex.split(" ".join(parts)) for parts in shown]


def test_every_command_shown_has_the_options_it_is_shown_with():
    assert len(commands()) >= 5
    names = re.findall(r"^  (\w+(?: \w+)*)  ", run("--help").stdout, re.MULTILINE)
    for words in commands():
        name = next((s for s in names if words[:len(s.split())] == s.split()), None)
        assert name, words
        help_text = run(*name.split(), "--help").stdout
        rest = words[len(name.split()):]
        while rest:
            option = rest.pop(0)
            found = re.search(rf"^  {re.escape(option)}( [A-Z.-]+)?  ", help_text, re.MULTILINE)
            assert option.startswith("--") and found, f"{option} of {words}"
            if found[1]:
                rest.pop(0)
