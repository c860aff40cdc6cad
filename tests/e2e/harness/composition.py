"""What a compose file declares, started without containers: the same commands, files, environment, order and health checks.

Each service has a directory for the root of its file system. Where a path, or an address of a service, stands in a command, a
variable or a mounted file, it is replaced by the one here: the path within that directory, the address by a free port of loopback.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

from harness import wait
from harness.ports import free_ports


class Composition:
    """`programs` says for each image what stands at its paths: {path in the image: command here}; the empty path is its entry
    point. Services of images that are not named are left out."""

    def __init__(self, file, programs):
        self.base = file.parent
        self.declared = yaml.safe_load(file.read_text())
        self.programs = {re.sub(r":[^:/]+$", "", image): paths for image, paths in programs.items()}
        self.services = {name: s for name, s in self.declared["services"].items() if self._image(s) in self.programs}
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-composition-"))
        self.ports, self.processes = {}, {}

    @staticmethod
    def _image(service):
        return re.sub(r":[^:/]+$", "", service["image"])

    def port(self, service, port):
        """The one here of what the service calls so."""
        key = (service, int(port))
        if key not in self.ports:
            self.ports[key], = free_ports(1)
        return self.ports[key]

    def root(self, service):
        return self.directory / service

    # --- what stands where ---

    def mounts(self, service):
        """(path in the container, file or directory here; None for one that is made) for each."""
        declared = self.services[service]
        for name in declared.get("secrets", []):
            yield f"/run/secrets/{name}", self.base / self.declared["secrets"][name]["file"]
        for mount in declared.get("volumes", []):
            if mount["type"] == "bind":
                yield mount["target"], self.base / mount["source"]
            else:
                assert mount["source"] in self.declared["volumes"], mount
                yield mount["target"], None
        for path in declared.get("tmpfs", []):
            yield path, None

    def translated(self, service, text):
        """The text with addresses and paths of the service's container replaced by those here."""
        own = (service, "localhost", "0.0.0.0")
        names = "|".join(map(re.escape, [*self.declared["services"], *own[1:]]))
        text = re.sub(rf"(?<![\w.])({names}):(\d+)", lambda m: f"127.0.0.1:{self.port(service if m[1] in own else m[1], m[2])}", text)
        paths = {path: f"{self.root(service)}{path}" for path, _ in self.mounts(service)}
        paths |= {path: str(command) for path, command in self.programs[self._image(self.services[service])].items() if path}
        longest_first = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))
        return re.sub(rf"(?<![\w.-])({longest_first})(?![\w.-])", lambda m: paths[m[1]], text)

    def _lay_out(self, service):
        for path, source in self.mounts(service):
            target = pathlib.Path(f"{self.root(service)}{path}")
            if source is None:
                target.mkdir(parents=True)
                continue
            for file in [source] if source.is_file() else [f for f in source.rglob("*") if f.is_file()]:
                copy = target if source.is_file() else target / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(self.translated(service, file.read_text()))

    # --- running ---

    def _command(self, service):
        declared = self.services[service]
        entry = declared.get("entrypoint") or [str(self.programs[self._image(declared)][""])]
        return [self.translated(service, word) for word in [*entry, *declared.get("command", [])]]

    def _environment(self, service):
        return {**os.environ, **{name: self.translated(service, str(value))
                                 for name, value in self.services[service].get("environment", {}).items()}}

    def output(self, service):
        return (self.root(service) / "output").read_text(errors="replace")

    def _start(self, service):
        self._lay_out(service)
        with open(self.root(service) / "output", "ab") as output:
            self.processes[service] = subprocess.Popen(self._command(service), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                                       env=self._environment(service))

    def health(self, service):
        """The completed process of its health check."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run([self.translated(service, word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, env=self._environment(service))

    def _has_met(self, service, condition):
        process = self.processes[service]
        if condition == "service_completed_successfully":
            assert process.poll() in (None, 0), self.output(service)
            return process.poll() == 0
        assert process.poll() is None, f"{service} exited with {process.poll()}: {self.output(service)}"
        return condition == "service_started" or self.health(service).returncode == 0

    def await_condition(self, service, condition, seconds=90):
        try:
            wait.until(lambda: self._has_met(service, condition), seconds, f"{service}: {condition}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output(service)[-3000:]}") from None

    def up(self):
        """Starts each service when those that it depends on are as far as it says."""
        try:
            waiting = dict(self.services)
            while waiting:
                ready = [name for name, s in waiting.items() if not set(s.get("depends_on", {})) & set(waiting)]
                assert ready, f"these wait for each other: {sorted(waiting)}"
                for name in ready:
                    for other, how in waiting.pop(name).get("depends_on", {}).items():
                        self.await_condition(other, how["condition"])
                    self._start(name)
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)
        shutil.rmtree(self.directory, ignore_errors=True)
