"""Prometheus itself, scraping processes on loopback every second."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness import wait
from harness.environment import CACHE
from harness.ports import free_ports


def scrape(address, **labels):
    """A target of the configuration: its /metrics, with these labels added, as service discovery would."""
    return {"targets": [address], "labels": labels}


def api(port, path, **parameters):
    """The data of an answer; fails with what Prometheus has against the request, or warns of."""
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{parameters}: {error.read().decode()}") from None
    assert said["status"] == "success" and not said.get("warnings"), (parameters, said)
    return said["data"]


class Prometheus:
    """`configuration` is a whole one; its files are relative to `directory`."""

    def __init__(self, configuration, directory=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-prometheus-"))
        [self.port] = free_ports(1)
        self.file = pathlib.Path(directory or self.directory) / "prometheus-under-test.yaml"
        self.file.write_text(yaml.safe_dump(configuration))
        self.process = None

    @classmethod
    def scraping(cls, *targets, rules=()):
        return cls({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(file) for file in rules],
                    "scrape_configs": [{"job_name": "maesn-bridge", "static_configs": list(targets)}]})

    def __enter__(self):
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                [str(CACHE / "prometheus"), f"--config.file={self.file}", f"--storage.tsdb.path={self.directory}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, "GOMAXPROCS": "1"})
        try:
            wait.until(self._is_ready, 30, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _is_ready(self):
        """It listens some time before it answers queries."""
        assert self.process.poll() is None, (self.directory / "output").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:  # nothing listens, or 503
            return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(timeout=10)
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def api(self, path, **parameters):
        return api(self.port, path, **parameters)

    def series(self, expression):
        """The label sets that the expression has now."""
        return [sample["metric"] for sample in self.api("query", query=expression)["result"]]

    def series_lately(self, expression, seconds=60):
        """Those of a graph of the last minute."""
        now = time.time()
        return [sample["metric"] for sample in self.api("query_range", query=expression, start=now - seconds, end=now, step=1)["result"]]

    def await_scrapes(self, count):
        """Until every target was scraped so often."""
        wait.until(lambda: self._fewest_scrapes() >= count, 60, f"{count} scrapes of each target")

    def _fewest_scrapes(self):
        wanted = sum(len(t["targets"]) for job in yaml.safe_load(self.file.read_text())["scrape_configs"] for t in job["static_configs"])
        result = self.api("query", query="sum_over_time(up[5m])")["result"]
        return min((float(sample["value"][1]) for sample in result), default=0) if len(result) == wanted else 0
