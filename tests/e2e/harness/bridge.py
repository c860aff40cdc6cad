"""The real binary with a configuration directory of its own, on free ports."""

import copy
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

from harness import environment, wait
from harness.ports import free_ports

ACCOUNT = "acme-42"
PATH = "/in/maesn/acme-42/by-hand"
# The secret of every vector in tests/vectors: 64 ASCII characters, used as text.
SECRET = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"


def route(account=ACCOUNT, path=None, system="xero", secret_file=None, **more):
    """A static route as routes.d/*.yaml declares it."""
    return {"path": path or f"/in/maesn/{account}/by-hand", "provider": "maesn", "account": account, "system": system,
            "secret_file": secret_file or "../secrets/acme-xero", **more}


def merged(base, changes):
    """base with the mapping `changes` laid over it, key by key."""
    result = copy.deepcopy(base)
    for key, value in changes.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and key in result else value
    return result


class ConfigDirectory:
    """bridge.yaml, routes.d and secrets in a temporary directory. JSON is YAML, so it is written as JSON."""

    def __init__(self, settings=None, routes=None, secrets=None):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-config-"))
        self.ingress_port, self.admin_port = free_ports(2)
        self.settings = merged({
            "kafka": {"brokers": "127.0.0.1:9092"},
            "topics": {"registry": ""},
            "ingress": {"listen": f"127.0.0.1:{self.ingress_port}"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "routes_dir": "routes.d",
            "shutdown": {"delay_ms": 0},
            **({"sandbox": "off"} if environment.IS_SANITIZED else {}),
        }, settings or {})
        (self.path / "routes.d").mkdir()
        (self.path / "secrets").mkdir()
        self.write("bridge.yaml", json.dumps(self.settings, indent=2))
        for name, text in {"acme-xero": SECRET, **(secrets or {})}.items():
            self.write(f"secrets/{name}", text + "\n")
        self.write_routes(routes if routes is not None else [route()])

    @property
    def file(self):
        return self.path / "bridge.yaml"

    def write(self, name, text):
        """Replaces the file at once, so that nobody reads half of it."""
        path = self.path / name
        temporary = path.with_name(f".{path.name}.new")
        temporary.touch(mode=0o600)
        temporary.write_text(text)
        temporary.replace(path)

    def write_routes(self, routes, name="routes.yaml"):
        self.write(f"routes.d/{name}", json.dumps({"routes": routes}, indent=2))

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class MountedDirectory:
    """A directory as the kubelet mounts a ConfigMap or Secret: files are links through `..data`, which
    is swapped for a link to a whole new directory.
    Source: Kubernetes, pkg/volume/util/atomic_writer.go."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.generation = 0

    def publish(self, files):
        self.generation += 1
        directory = self.path / f"..generation-{self.generation}"
        directory.mkdir(parents=True)
        for name, text in files.items():
            (directory / name).touch(mode=0o600)
            (directory / name).write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(directory.name)
        link.replace(self.path / "..data")
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")


class Bridge:
    """`maesn-bridge ingress` as a process. Its logs are parsed: a line that is not JSON fails the test."""

    def __init__(self, config, command=("ingress",), environ=None, prefix=(), binary=environment.BINARY):
        self.config = config
        self.output = config.path / "stderr"
        self.admin_port = config.admin_port
        self.environ = {**os.environ, **(environ or {})}
        self.command = [*prefix, str(binary), *command, "--config", str(config.file)]
        self.process = None

    @property
    def ingress_port(self):
        return self.config.ingress_port

    @property
    def pid(self):
        return self.process.pid

    def spawn(self):
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=self.environ)
        return self

    def start(self, seconds=20):
        self.spawn()
        try:
            wait.until(self.is_ready, seconds, "the bridge is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.admin('/readyz?verbose')[1]}{self.output.read_text()[-3000:]}") from None
        return self

    def is_ready(self):
        assert self.process.poll() is None, f"exited with {self.process.returncode}: {self.output.read_text()}"
        return self.admin("/readyz")[0] == 200

    def admin(self, path):
        """(status, text) of a GET at the admin listener; (0, "") while it does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""

    def metric(self, name, **labels):
        """The sum of the series of this name that have these labels."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            found = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)", line)
            if found and found[1] == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                if labels.items() <= has.items():
                    total += float(found[3])
        return total

    def log(self, event=None):
        """The log lines so far, as objects; those of one event if it is named."""
        lines = [json.loads(line) for line in self.output.read_text().splitlines()]
        return [line for line in lines if event is None or line.get("event") == event]

    def tail(self):
        """The end of what it has said, for a message."""
        return self.output.read_text()[-3000:]

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, seconds=40):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)


def run(*arguments, stdin="", seconds=60, environ=None):
    """A subcommand that ends by itself: the completed process with its texts."""
    return subprocess.run([str(environment.BINARY), *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=seconds, env={**os.environ, **(environ or {})})
