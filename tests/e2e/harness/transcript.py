"""A document whose console blocks are run: what stands there is what is printed."""

import dataclasses
import os
import re
import select
import signal
import subprocess
import time

# Around the exit code of a command: nothing else prints it.
END = "\x1e"


@dataclasses.dataclass
class Step:
    """One command of the document, and what the document says that it prints."""

    line: int
    command: str
    expected: str
    code: int = 0


def steps(text):
    """Commands begin with "$ "; a here-document goes on to its end; "[2]" at the end of the output is the exit code."""
    found, in_block, until, step = [], False, None, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            in_block, step = line == "```console", None
        elif until is not None:
            step.command += "\n" + line
            until = None if line == until else until
        elif in_block and line.startswith("$ "):
            step = Step(number, line[2:], "")
            found.append(step)
            here = re.search(r"<<'(\w+)'", line)
            until = here[1] if here else None
        elif in_block and step and re.fullmatch(r"\[\d+\]", line):
            step.code = int(line[1:-1])
        elif in_block and step:
            step.expected += line + "\n"
    return found


def matches(expected, printed):
    """"…" stands for anything; alone on a line for any number of lines."""
    parts = []
    for line in expected.splitlines(keepends=True):
        parts.append("(?:.*\n)*" if line == "…\n" else ".*".join(map(re.escape, line.split("…"))))
    return re.fullmatch("".join(parts), printed) is not None


class Shell:
    """One bash, in which the commands run one after the other. What a command starts in the background runs on."""

    def __init__(self, directory, environment):
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile"], cwd=directory, env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)

    def run(self, command, seconds=60):
        """What it printed, and its exit code."""
        self.process.stdin.write(f"{command}\nprintf '{END}%d{END}' $?\n".encode())
        self.process.stdin.flush()
        printed, until = b"", time.monotonic() + seconds
        while printed.count(END.encode()) < 2:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 1 << 16) if readable else b""
            assert data, f"no end after {seconds} s: {command}\n{printed.decode()}"
            printed += data
        output, code, _ = printed.decode().split(END)
        return output, int(code)

    def close(self):
        """Ends it and what it has started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(timeout=10)
        self.process.stdin.close()
        self.process.stdout.close()
