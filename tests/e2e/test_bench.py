"""What the commands in tests/bench measure, and what they say of their figures."""

import importlib
import json
import pathlib
import socket
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))


@pytest.mark.parametrize("ratios, code, said", [
    ({64: 0.8, 256: 2.0}, 0, "met: the median ratio of p99 is 2.00 at most"),
    ({64: 0.8, 256: 2.01}, 1, "NOT MET: with 256 connections the median ratio of p99 is 2.01"),
])
def test_a_flood_that_more_than_doubles_the_p99_is_a_failure(ratios, code, said, capsys):
    assert importlib.import_module("flood").judge(ratios) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("mb_an_hour, descriptors_an_hour, answers, held, said", [
    (0.99, 0, {"200": 10}, 10, []),
    (1.01, 0, {"200": 10}, 10, ["memory grows by 1.010 MB an hour"]),
    (-5, 1, {"200": 10}, 10, ["descriptors grow by 1.00 an hour"]),
    (0, 0, {"200": 10, "503": 1}, 10, []),
    (0, 0, {"200": 10, "reset": 1}, 10, ["answers that are neither 200 nor 503"]),
    (0, 0, {"200": 10}, 9, ["what was acknowledged is not in Kafka"]),
])
def test_a_soak_says_what_grows_and_what_is_lost(mb_an_hour, descriptors_an_hour, answers, held, said):
    samples = [(t, 17 + mb_an_hour * t / 3600, 50 + descriptors_an_hour * t / 3600) for t in range(0, 3600, 5)]
    assert importlib.import_module("soak").judge(samples, answers, held)[1] == said


class Server:
    """Answers the requests of one connection with this status, but only after a while; then nobody listens any more."""

    def __init__(self, stall_s=0.0, status=200):
        self.stall_s, self.status = stall_s, status

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(timeout=30)

    def _serve(self):
        with self.listener:
            connection, _ = self.listener.accept()
        time.sleep(self.stall_s)  # the server's own slowness
        received = b""
        with connection:
            while data := connection.recv(65536):
                received += data
                while b"\r\n\r\n{}" in received:
                    received = received.partition(b"\r\n\r\n{}")[2]
                    connection.sendall(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % self.status)


@pytest.fixture
def requests(tmp_path, monkeypatch):
    load = importlib.import_module("load")
    monkeypatch.setattr(load, "body_of", lambda *_: b"{}")
    return load.prepare(tmp_path / "requests", [("/in", "secret")], count=100)


def test_the_latency_of_a_fixed_rate_counts_from_when_a_request_was_due(requests):
    load = importlib.import_module("load")
    with Server(stall_s=1.0) as server:
        got = load.run(requests, server.port, connections=1, rate=100, seconds=2, patience=30)
    assert got["statuses"] == {"200": 200}
    # Those that were due while the server stalled waited for it, though each was sent only when the one before was answered.
    assert got["latency_ms"]["max"] >= 990
    assert got["latency_ms"]["p99"] >= 900


def test_the_ledger_has_a_line_for_each_request_and_why_it_was_not_answered(requests, tmp_path):
    load = importlib.import_module("load")
    ledger = tmp_path / "ledger"
    with Server(status=503) as server:
        load.run(requests, server.port, connections=1, once=True, seconds=1, patience=30, ledger=ledger)
    assert [(status, how) for status, how, _ in load.read_ledger(ledger)] == [(503, "answered")] * 100
    load.run(requests, server.port, connections=1, once=True, seconds=1, ledger=ledger)
    assert [(status, how) for status, how, _ in load.read_ledger(ledger)] == [(0, "refused")] * 100


def test_what_was_acknowledged_and_is_not_in_kafka_counts_as_lost():
    safety = importlib.import_module("safety")
    judged = safety.judge({"a": (200, "answered", 0.1), "b": (200, "answered", 2.9), "c": (503, "answered", 3.1), "d": (0, "reset", 0.1)},
                          {"a": 1, "c": 1, "d": 1})
    assert {k: judged[k] for k in ("sent", "acknowledged", "lost", "answered_otherwise", "held_after_non_2xx", "late", "reset")} == {
        "sent": 4, "acknowledged": 2, "lost": 1, "answered_otherwise": 1, "held_after_non_2xx": 1, "late": 1, "reset": 1}


def a_round(per_second, cpu_us, p99):
    return {"per_second": per_second, "p50": 1.0, "p99": p99, "p99.9": p99, "lag_p99": 0.1, "cpu_us": cpu_us, "resident_mib": 20.0, "not_200": 0}


def figures_of(ours, theirs):
    machine = {"cores": 2, "processor": "x", "linux": "6", "memory_gib": 24, "load_before": 0.0, "noise_ms": {"p99": 0.1, "p99.9": 0.2}}
    contestant = {"language": "C", "version": "1", "tuned": False, "size_mib": 1.0}
    return {"about": {"taken": "2026-01-01", "command": "x", "rounds": 1, "seconds": 1, "accounts": 1, "partitions": 1, "machine": machine,
                      "contestants": {"maesn-bridge": contestant, "Go": contestant}},
            "closed": {"256": {"maesn-bridge": [ours], "Go": [theirs]}},
            "open": {"20000": {"maesn-bridge": [ours], "Go": [theirs]}}}


@pytest.mark.parametrize("per_second, cpu_us, p99, met", [
    (30000, 18.0, 25.0, ["yes"] * 4),
    (29900, 18.1, 25.1, ["**no**"] * 3 + ["yes"]),
    (19000, 18.0, 10.0, ["**no**", "yes", "**no**", "yes"]),  # 20,000 a second were not kept up
])
def test_a_goal_is_met_as_of_its_limit(per_second, cpu_us, p99, met):
    goals = importlib.import_module("goals")
    found = goals.rows(figures_of(a_round(per_second, cpu_us, p99), a_round(20000, 30.0, 50.0)))
    assert sorted(m for _, _, m in found) == sorted(met), found


def test_a_readme_that_says_another_figure_than_the_report_is_found(tmp_path, capsys, monkeypatch):
    report = importlib.import_module("report")
    directory = tmp_path / report.REPORT
    directory.mkdir(parents=True)
    (tmp_path / "README.md").write_text(f"before\n{report.BEGIN}{report.END}after\n")
    report.dump(figures_of(a_round(12345, 18.0, 2.0), a_round(20000, 30.0, 50.0)), directory / "figures.json")
    report.write(directory)
    monkeypatch.setattr(sys, "argv", ["report.py", "--check", str(tmp_path)])
    assert report.main() == 0
    shown = (tmp_path / "README.md").read_text()
    assert "12,345" in shown and "![CPU per callback](tests/bench/report/cpu.svg)" in shown
    (tmp_path / "README.md").write_text(shown.replace("12,345", "22,345"))
    assert report.main() == 1
    assert "README.md: does not agree" in capsys.readouterr().out
    assert json.loads((directory / "figures.json").read_text())["closed"]["256"]["maesn-bridge"][0]["per_second"] == 12345
