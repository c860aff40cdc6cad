"""What the README shows is what works: its commands are understood, its consumers consume."""

import re
import shlex
import subprocess
import sys

import pytest

from harness import wait
from harness.bridge import PATH, SECRET, run
from harness.environment import NODE_MODULES, ROOT
from harness.sender import encode, event, post

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
            found = re.search(rf"^  {re.escape(option)}( [A-Z-]+)?  ", help_text, re.MULTILINE)
            assert option.startswith("--") and found, f"{option} of {words}"
            if found[1]:
                rest.pop(0)


def recipe(language, kafka, topic):
    """The consumer in this language, pointed at the tests' broker."""
    [code] = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for shown, real in (('"kafka:9092"', f'"{kafka.bootstrap}"'), ('"maesn.invoice"', f'"{topic}"'),
                        ('"billing"', f'"billing-{language}"')):
        assert shown in code
        code = code.replace(shown, real)
    return code


# What the reader is to write: the re-read. Here it ends the consumer.
PYTHON_READER = "import sys\n\ndef refresh_from_maesn(*what):\n    print(*what)\n    sys.exit(0)\n\n"
JAVASCRIPT_READER = """
const lastRead = new Map();
async function refreshFromMaesn(...what) { console.log(...what); process.exit(0); }
"""


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_consumer_shown_learns_which_record_to_read(kafka, bridge, tmp_path, language):
    code = recipe(language, kafka, bridge.topics["invoice"])
    if language == "python":
        file, program = tmp_path / "recipe.py", sys.executable
        file.write_text(PYTHON_READER + code)
    else:
        (tmp_path / "node_modules").symlink_to(NODE_MODULES)
        file, program = tmp_path / "recipe.mjs", "node"
        file.write_text(code.replace("\n\n", JAVASCRIPT_READER, 1))
    with open(tmp_path / "output", "w") as output:
        process = subprocess.Popen([program, file], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def has_ended():
        # It reads what comes after it has joined. As a sender does, this one comes again after a 503.
        assert post(bridge.ingress_port, PATH, encode(event("7001")), SECRET).status in (200, 503)
        return process.poll() is not None

    try:
        wait.until(has_ended, 60, f"the {language} consumer reads an event")
    finally:
        process.kill()
        process.wait()
    text = (tmp_path / "output").read_text()
    assert text.splitlines()[-1:] == ["acme-42 INVOICE 7001"], text
