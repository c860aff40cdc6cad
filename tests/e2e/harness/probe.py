"""`probe` with the configuration of a bridge, and servers that are no bridge."""

import contextlib
import json
import shutil
import socket
import socketserver
import subprocess
import threading

from harness import consumers, raw
from harness.bridge import SECRET, Bridge, ConfigDirectory, merged, route, run
from harness.registry_cli import validate

ROUTE = route("probe", path="/in/maesn/probe/by-hand", resource="PROBE", secret_file="../secrets/probe")
PROBE_SECRET = "the-probes-own-secret-0123456789abcdef"


class Probe:
    """Its configuration is a copy, which a test may change without the bridge's knowledge."""

    def __init__(self, cluster, bridge, settings=None, secret=PROBE_SECRET, routes=(ROUTE,)):
        self.cluster, self.bridge = cluster, bridge
        self.topic = bridge.topics["probe"]
        self.url = f"http://127.0.0.1:{bridge.ingress_port}"
        self.config = ConfigDirectory(merged(merged(bridge.config.settings, {"kafka": {"brokers": cluster.bootstrap}}),
                                             settings or {}), [*routes], {"probe": secret})

    def remove(self):
        shutil.rmtree(self.config.path, ignore_errors=True)

    def run(self, *options, url=None, **more):
        url = url or self.url
        done = run("probe", "--config", self.config.file, "--url", url, *options, **more)
        self.is_clean(done.stdout + done.stderr)
        return done

    def is_clean(self, text):
        """No secret is in it."""
        for secret in (PROBE_SECRET, SECRET, (self.config.path / "secrets/probe").read_text().strip()):
            assert secret not in text

    def json(self, *options, code=0, url=None):
        done = self.run("--output", "json", *options, url=url)
        assert done.returncode == code, f"{done.returncode}: {done.stderr}{done.stdout}"
        report = json.loads(done.stdout)
        validate(report, "probe")
        assert report["ok"] == (code == 0)
        if code:
            assert f"maesn-bridge probe: {report['failed_hop']}: {report['problem']}\n" in done.stderr
        else:
            assert done.stderr == ""
        return report

    def start(self, *options, url=None):
        return subprocess.Popen([*Bridge(self.config, ("probe",)).command, "--output", "json", "--url", url or self.url, *options],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def records(self):
        return consumers.read_all(self.cluster, self.topic)


@contextlib.contextmanager
def mute_server():
    """(address, socket) of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield f"127.0.0.1:{listener.getsockname()[1]}", listener


@contextlib.contextmanager
def answering(answer):
    """The URL of somebody who gives everyone this answer."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            data = b""
            while not raw.holds(data, 1) and (more := self.request.recv(65536)):
                data += more
                if b"\r\n\r\n" in data:
                    break
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
