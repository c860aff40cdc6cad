"""A preset's build directory, of which nothing is altered: mutants are compiled and linked as it compiles and links, beside it."""

import contextlib
import json
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMORY_MAX = 4 << 30  # bytes; sanitizers reserve terabytes, and have no such limit
FILE_MAX = 1 << 30


class Test(NamedTuple):
    name: str
    command: list[str]  # what is run; its first word is the program
    link: list[str]  # what makes the program
    environment: dict[str, str]
    limit: float  # seconds, far more than it takes


class Build:
    def __init__(self, preset, files, patterns):
        """Builds the tests of these names, and runs them as mutants of the files will be run, but true: they have to pass."""
        self.preset = preset
        self.directory = ROOT / "build" / preset
        _told(["cmake", "--preset", preset])
        names = [test["name"] for test in self._known() if any(pathlib.PurePath(test["name"]).match(p) for p in patterns)]
        targets = [re.sub("^test_unit_fuzz_", "fuzz_", "test_" + re.sub("[^A-Za-z0-9]", "_", name)) for name in names]
        _told(["cmake", "--build", "--preset", preset, "--target", *targets])
        entries = json.loads((self.directory / "compile_commands.json").read_text())
        self.compile = {os.path.relpath(entry["file"], ROOT): entry["command"] for entry in entries if "/bridge/" in entry["file"]}
        self.tests = [self._test(test) for test in self._known() if test["name"] in names]
        with tempfile.TemporaryDirectory() as directory:
            objects = [self.object_of(file, (ROOT / file).read_bytes(), pathlib.Path(directory)) for file in files]
            self.tests = sorted((self._timed(test, objects) for test in self.tests), key=lambda test: test.limit)

    def _known(self):
        return json.loads(_told(["ctest", "--test-dir", str(self.directory), "--show-only=json-v1"]))["tests"]

    def _test(self, known):
        program = os.path.relpath(known["command"][0], self.directory)
        properties = {p["name"]: p["value"] for p in known.get("properties", [])}
        environment = dict(pair.split("=", 1) for pair in properties.get("ENVIRONMENT", []))
        last = _told(["ninja", "-C", str(self.directory), "--quiet", "-t", "commands", program]).strip().splitlines()[-1]
        link = shlex.split(last.removeprefix(": && ").removesuffix(" && :"))
        return Test(known["name"], known["command"], link, environment, 600)

    def _timed(self, test, objects):
        began = time.monotonic()
        if not self.passes(test, objects):
            raise RuntimeError(f"{test.name} fails without a mutant")
        return test._replace(limit=3 + 10 * (time.monotonic() - began))

    def object_of(self, file, source, directory):
        """What the source, in the place of the file's, is compiled to; None: it cannot be."""
        command = shlex.split(self.compile[file])
        del command[command.index("-c") : command.index("-c") + 2]
        made = directory / (pathlib.Path(file).name + ".o")
        command[command.index("-o") + 1] = str(made)
        text = b'# 1 "%s"\n' % file.encode() + source  # wherever it is compiled, asserts name the same file
        done = subprocess.run(
            [*command, "-w", "-x", "c", "-c", "-"], input=text, cwd=self.directory, capture_output=True, check=False
        )
        return made if done.returncode == 0 else None

    def passes(self, test, objects):
        """Whether the test passes with these objects, in a directory of its own, and in time."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:  # a mutant may have left anything there
            program = os.path.join(directory, "test")
            out = test.link.index("-o")  # before it: then no library's copy is taken
            _told([*test.link[:out], *map(str, objects), "-o", program, *test.link[out + 2 :]], self.directory)
            process = subprocess.Popen(
                [program, *test.command[1:]],
                cwd=directory,
                env={**os.environ, **test.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=self._confine,
            )
            try:
                return process.wait(test.limit) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with its children
                process.wait()

    def _confine(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, FILE_MAX))
        if self.preset == "mutation":
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))


def _told(command, directory=ROOT):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
