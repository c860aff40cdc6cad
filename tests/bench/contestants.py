"""The bridge and its alternatives in tests/bench/peers: how each is started, and what is installed for it."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import process
from harness import wait
from harness.bridge import Bridge, ConfigDirectory, merged, route
from harness.environment import BINARY, ROOT
from harness.ports import free_ports
from harness.sender import request
from process import run_output

PEERS = ROOT / "tests/bench/peers"
BRIDGE = "maesn-bridge"
ROUTES_A_FILE = 10000  # of 16 MiB at most


@dataclasses.dataclass
class World:
    """What contestants are started in."""

    brokers: str
    accounts: list  # [(account, path, secret)]
    scratch: pathlib.Path
    certificate: tuple = ()  # (certificate file, key file); then it speaks TLS only
    settings: dict = dataclasses.field(default_factory=dict)  # of the bridge, over the usual ones


def status_of(port, data, seconds=1.0):
    """The status of the answer to these bytes; 0 when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), seconds) as s:
            s.sendall(data)
            found = re.match(rb"HTTP/1\.\d (\d{3})", s.recv(4096))
            return int(found[1]) if found else 0
    except OSError:
        return 0


class Running:
    """One contestant's process. port: of callbacks; ready_port and ready_path: where it says that it serves."""

    def __init__(self, pid, port, ready_port, ready_path):
        self.pid, self.port, self.ready_port, self.ready_path = pid, port, ready_port, ready_path

    def is_ready(self):
        return status_of(self.ready_port, request(self.ready_path, b"", method="GET")) == 200

    def cpu_seconds(self):
        return process.cpu_seconds(self.pid)

    def resident_mib(self):
        return process.resident_mib(self.pid)

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def kill(self):
        """Without a warning."""
        for pid in reversed(process.family(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class RunningBridge(Running):
    def __init__(self, world):
        secrets = {account: secret for account, _, secret in world.accounts}
        settings = merged({"kafka": {"brokers": world.brokers}}, world.settings)
        if world.certificate:
            certificate, key = map(str, world.certificate)
            settings = merged(settings, {"ingress": {"tls": {"certificate_file": certificate, "key_file": key}}})
        routes = [route(account, path, secret_file=f"../secrets/{account}") for account, path, _ in world.accounts]
        config = ConfigDirectory(settings, [], secrets)
        for n in range(0, len(routes), ROUTES_A_FILE):
            config.write_routes(routes[n:n + ROUTES_A_FILE], f"routes-{n}.yaml")
        self.bridge = Bridge(config)
        self.started_at = time.monotonic()
        self.bridge.spawn()
        super().__init__(self.bridge.pid, self.bridge.ingress_port, self.bridge.admin_port, "/readyz")

    def output(self):
        return self.bridge.output.read_text()

    def close(self):
        self.bridge.kill()
        self.bridge.config.remove()


class RunningPeer(Running):
    def __init__(self, command, environment, world):
        [port] = free_ports(1)
        routes = world.scratch / f"routes-{len(world.accounts)}.json"
        if not routes.exists():
            routes.write_text(json.dumps({path: {"account": account, "system": "xero", "secret": secret}
                                          for account, path, secret in world.accounts}))
        if world.certificate:
            certificate, key = map(str, world.certificate)
            environment = {**environment, "TLS_CERTIFICATE": certificate, "TLS_KEY": key}
        self.log = world.scratch / f"{port}.log"
        self.started_at = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={
                **os.environ, **environment, "LISTEN": f"127.0.0.1:{port}", "BROKERS": world.brokers, "ROUTES": str(routes)})
        super().__init__(self.process.pid, port, port, "/ready")
        if world.certificate:
            self.is_ready = lambda: status_of(port, b"") == 0 and self._accepts()

    def _accepts(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def output(self):
        return self.log.read_text(errors="replace")

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.wait(timeout=20)


@dataclasses.dataclass
class Contestant:
    name: str
    language: str
    start: object  # of a World: a Running
    installed: list  # files and directories that it needs to run, beside what its programs are linked with
    programs: list  # ELF files, whose libraries count too
    version: str = ""
    is_tuned: bool = False

    def size_mib(self):
        """Of the stripped programs, their libraries, and what else is installed for it."""
        with tempfile.TemporaryDirectory() as scratch:
            total = sum(stripped_size(p, scratch) for p in self.programs)
        total += sum(path.stat().st_size for path in {lib for p in self.programs for lib in libraries(p)})
        return (total + sum(size_of(path) for path in self.installed)) / 2**20


def libraries(program):
    """What the dynamic linker loads for it, the C library included."""
    lines = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return {pathlib.Path(path).resolve() for path in re.findall(r"(/\S+) \(0x", lines)}


def stripped_size(program, scratch):
    copy = pathlib.Path(scratch) / "stripped"
    if subprocess.run(["strip", "-o", copy, program], capture_output=True).returncode != 0:
        return program.stat().st_size
    return copy.stat().st_size


def size_of(path):
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def _peer(name, language, command, cache, *, installed=(), programs=(), version="", tuned=False, environment=None):
    environment = {**(environment or {}), **({"TUNED": "1"} if tuned else {})}
    return Contestant(name, language, lambda world: RunningPeer(command, environment, world), list(installed), list(programs),
                      version, tuned)


def _resolved(program):
    return pathlib.Path(shutil.which(program) or program).resolve()


def _go(cache):
    binary = cache / "go/server"
    for tuned in (False, True):
        yield _peer("Go: net/http, franz-go", "Go", [binary], cache, programs=[binary], tuned=tuned, version=run_output("go", "version"))


def _rust(cache):
    binary = cache / "rust/release/peer"
    for tuned in (False, True):
        yield _peer("Rust: axum, rdkafka", "Rust", [binary], cache, programs=[binary], tuned=tuned,
                    version=run_output("rustc", "--version"))


def _java(cache):
    home = pathlib.Path((cache / "java/home").read_text().strip())
    jars = [pathlib.Path(jar) for jar in (cache / "java/classpath").read_text().strip().split(":")]
    command = [home / "bin/java", "-cp", ":".join(map(str, [cache / "java/classes", *jars]))]
    for tuned in (False, True):
        yield _peer("Java: Helidon, kafka-clients", "Java",
                    [*command, *(["-XX:+UseParallelGC", "-Xmx512m"] if tuned else []), "Peer"], cache,
                    installed=[home, *jars, cache / "java/classes"], tuned=tuned,
                    version=run_output(home / "bin/java", "-version").splitlines()[0])


def _node(cache):
    modules, node = cache / "node/node_modules", _resolved("node")
    command = [node, cache / "node/server.mjs"]
    yield _peer("Node.js: fastify, kafkajs", "Node.js", command, cache, installed=[modules], programs=[node],
                version=run_output(node, "--version"))
    if (cache / "node/librdkafka").exists():
        yield _peer("Node.js: fastify, librdkafka", "Node.js", command, cache, installed=[modules], programs=[node], tuned=True,
                    version=run_output(node, "--version"))


def _python(cache):
    venv, interpreter = cache / "python", cache / "python/bin/python"
    standard = pathlib.Path(run_output(interpreter, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"))
    [site] = venv.glob("lib/python*/site-packages")
    for name, program, tuned in (("Python: FastAPI, aiokafka", "server.py", False), ("Python: Starlette, librdkafka", "tuned.py", True)):
        yield _peer(name, "Python", [interpreter, PEERS / "python" / program], cache, installed=[standard, site],
                    programs=[interpreter.resolve()], tuned=tuned, version=run_output(interpreter, "--version"))


def contestants(cache):
    """All that can be had here; the bridge is the first."""
    found = [Contestant(BRIDGE, "C", RunningBridge, [], [BINARY], run_output(BINARY, "--version").splitlines()[0])]
    for language, make in (("go", _go), ("rust", _rust), ("java", _java), ("node", _node), ("python", _python)):
        if (cache / language).is_dir():
            found += make(cache)
    for contestant in found:
        if contestant.is_tuned and any(c.name == contestant.name and not c.is_tuned for c in found):
            contestant.name += ", tuned"
    return found


@contextlib.contextmanager
def running(chosen, world):
    """{name: Running} of all, ready to serve."""
    started = {}
    try:
        for contestant in chosen:
            started[contestant.name] = contestant.start(world)
        for name, one in started.items():
            try:
                wait.until(one.is_ready, 60, f"{name} is ready")
            except AssertionError as error:
                raise AssertionError(f"{error}: {one.output()[-2000:]}") from None
        yield started
    finally:
        for one in started.values():
            one.close()
