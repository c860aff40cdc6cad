"""HAProxy and nginx with the files that deploy/proxies gives to users; only the addresses are the test's own."""

import pathlib
import shutil
import subprocess
import tempfile

from harness import environment, wait
from harness.ports import free_ports, is_listening

FILES = environment.ROOT / "deploy" / "proxies"

# What a distribution's own nginx.conf has around conf.d/*.conf. One worker: all that comes shares its connections.
NGINX = """
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/maesn-bridge.conf;
}}
"""


class Proxy:
    """In front of the bridges (admin ports of those that are asked for). `changes`: [(text, other text)] of the file."""

    file = None  # of deploy/proxies
    listens = None  # (what it says there, the same with a port)

    def __init__(self, bridges, changes=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-proxy-"))
        self.output = self.directory / "output"
        [self.port] = free_ports(1)
        text = (FILES / self.file).read_text()
        for old, new in ((self.listens[0], self.listens[1].format(port=self.port)), *self._addresses(bridges), *changes):
            assert old in text, f"{self.file} has no {old!r}"
            text = text.replace(old, new)
        self._write(text)
        self.process = None

    def _addresses(self, bridges):
        return [(f"192.0.2.{n}:8080", f"127.0.0.1:{bridge.ingress_port}") for n, bridge in enumerate(bridges, 1)]

    def __enter__(self):
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            wait.until(self._is_up, 30, f"{self.command()[0]} listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        finally:
            self.process.kill()
            self.process.wait(timeout=10)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _is_up(self):
        assert self.process.poll() is None, self.said()
        return is_listening(self.port)

    def said(self):
        return self.output.read_text(errors="replace")[-3000:]


class HAProxy(Proxy):
    file = "haproxy.cfg"
    listens = ("bind :80\n", "bind 127.0.0.1:{port}\n")

    def _addresses(self, bridges):
        """What it asks for their readiness has ports, too."""
        return [(f"192.0.2.{n}:8080 port 9090", f"127.0.0.1:{bridge.ingress_port} port {bridge.admin_port}")
                for n, bridge in enumerate(bridges, 1)]

    def _write(self, text):
        (self.directory / self.file).write_text(text)

    def command(self):
        return [shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"), "-db", "-f",
                str(self.directory / self.file)]


class Nginx(Proxy):
    file = "nginx.conf"
    listens = ("listen 80;", "listen 127.0.0.1:{port};")

    def _write(self, text):
        (self.directory / "maesn-bridge.conf").write_text(text)
        (self.directory / "nginx.conf").write_text(NGINX.format(directory=self.directory))

    def command(self):
        return [shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"), "-p", str(self.directory), "-e",
                "stderr", "-c", str(self.directory / "nginx.conf")]
