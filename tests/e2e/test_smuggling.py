"""Requests that two readers may read differently (tests/vectors/smuggling), sent to the bridge itself, and past HAProxy and nginx,
which keep their connections to it: nobody's request becomes a part of another's, and nobody gets another's answer.

RESULTS=1 tests/run e2e -k smuggling: what came of it is appended to tests/bench/results/smuggling.txt."""

import contextlib
import importlib
import json
import os
import sys

import pytest

from harness import consumers, environment, raw
from harness.bridge import PATH, SECRET
from harness.proxies import HAProxy, Nginx
from harness.sender import SIGNATURE_HEADER, encode, event, request, signed_request
from harness.smuggling import Tap, corpus

# One bridge behind each, whatever connection is idle takes the next request: nothing would show on one's own.
ONE = {HAProxy: [("    server ingress-2 192.0.2.2:8080 port 9090\n", ""), ("http-reuse safe", "http-reuse always")],
       Nginx: [("    server 192.0.2.2:8080 max_fails=1 fail_timeout=1s;\n", "")]}
NO_LIMITS = {"ingress": {"limits": {"failed_signatures_per_s": 0, "unknown_paths_per_s": 0}}}
# How long an answer is waited for where none may ever come; what comes later is read at the end.
PATIENCE_S = 1


def markers(entry):
    """A wrong callback, a right one and a wrong one again: an answer too many, or a request that has lost its beginning, shows."""
    body = encode(event(f"marker-{entry.number}"))
    wrong = request(PATH, body, {SIGNATURE_HEADER: "f" * 64})
    return [(401, wrong), (200, signed_request(PATH, body, SECRET)), (401, wrong)]


def statuses_of(data):
    """Of all whole answers, but for interim ones."""
    statuses = []
    while True:
        status, headers, rest = raw.parse(data)
        if not status:
            return statuses
        data = rest[int(headers.get("content-length", 0)):] if status >= 200 else rest
        if status >= 200:
            statuses.append(status)


class Sending:
    """One entry on a connection of its own, which stays open until the end of the corpus."""

    def __init__(self, port, entry):
        self.entry, self.socket = entry, raw.connect(port)
        raw.send(self.socket, entry.data)
        self.received = raw.receive(self.socket, PATIENCE_S)

    def finish(self):
        """The statuses of all that was answered."""
        with self.socket:
            self.received += raw.receive(self.socket, PATIENCE_S, answers=100) if self.is_open() else b""
        return statuses_of(self.received)

    def is_open(self):
        """Whether there may be more than has come."""
        return self.entry.inner == "answered" or len(statuses_of(self.received)) > 0


def marked(port, entry):
    """The statuses of the markers, sent on one new connection one after the other."""
    found = []
    with raw.connect(port) as s:
        for _, data in markers(entry):
            raw.send(s, data)
            found.append(raw.parse(raw.receive(s, 30))[0])
    return found


def send_all(port):
    """{entry number: (statuses of its connection, statuses of the markers behind it)}"""
    sendings, behind = [], {}
    for entry in corpus():
        sendings.append(Sending(port, entry))
        behind[entry.number] = marked(port, entry)
    return {s.entry.number: (s.finish(), behind[s.entry.number]) for s in sendings}


def desyncs(found, held):
    """What shows that two readers disagreed. An inner request that was produced was answered 200 to whoever sent it: then the
    proxy took it for a request, too."""
    wrong = []
    for entry in corpus():
        own, behind = found[entry.number]
        produced = held.count(entry.inner_id)
        if behind != [401, 200, 401] or held.count(f"marker-{entry.number}") != 1:
            wrong.append(f"{entry.name}: what came behind it was answered {behind}")
        if own.count(200) != produced:
            wrong.append(f"{entry.name}: its inner request was produced {produced} times, its sender was answered {own}")
        if entry.inner == "answered" and produced != 1:
            wrong.append(f"{entry.name}: its inner request was produced {produced} times")
    return wrong


def held_ids(kafka, bridge):
    return [json.loads(record.value)["resourceId"] for record in consumers.read_all(kafka, *bridge.topics.all)]


def append_result(name, tap, shared, wrong):
    sys.path.insert(0, str(environment.ROOT / "tests/bench"))
    importlib.import_module("results").append("smuggling", f"{len(corpus())} requests behind {name}: {len(wrong)} desyncs", [
        f"{len(tap.ways)} connections to the bridge; {shared} times what came behind a request went over the same one"], wrong)


def test_an_answer_too_many_and_a_request_that_nobody_sent_count_as_a_desync():
    entries = corpus()
    in_order = {e.number: ([401] + [200] * (e.inner == "answered"), [401, 200, 401]) for e in entries}
    held = [f"marker-{e.number}" for e in entries] + [e.inner_id for e in entries if e.inner == "answered"]
    assert not desyncs(in_order, held)
    assert len(desyncs({**in_order, 1: ([401], [401, 401, 200])}, held)) == 1  # what came behind got another's answer
    assert len(desyncs({**in_order, 1: ([401], [401, 404, 401])}, [name for name in held if name != "marker-1"])) == 1
    assert len(desyncs(in_order, [*held, "inner-1"])) == 1  # the bridge saw a request, the proxy none


def test_the_bridge_itself_takes_no_smuggled_request_for_one(kafka, start_bridge):
    bridge = start_bridge(kafka, NO_LIMITS)
    found = send_all(bridge.ingress_port)
    held = held_ids(kafka, bridge)
    assert not desyncs(found, held)
    taken = [entry.name for entry in corpus() if entry.inner == "never" and entry.inner_id in held]
    assert not taken


@pytest.mark.parametrize("proxy_class", [HAProxy, Nginx])
def test_behind_a_proxy_nobodys_request_becomes_a_part_of_anothers(kafka, start_bridge, proxy_class):
    bridge = start_bridge(kafka, NO_LIMITS)
    with contextlib.ExitStack() as stack:
        tap = stack.enter_context(Tap(bridge))
        proxy = stack.enter_context(proxy_class([tap], ONE[proxy_class]))
        found = send_all(proxy.port)
    wrong = desyncs(found, held_ids(kafka, bridge))
    # Otherwise nothing was shown: the request behind it went over the connection that had carried the suspicious one.
    sent = [bytes(way.sent).lower() for way in tap.ways]
    shared = sum(any(entry.mark in s and b"marker-%d\"" % entry.number in s for s in sent) for entry in corpus())
    if "RESULTS" in os.environ:
        append_result(proxy_class.__name__, tap, shared, wrong)
    assert not wrong
    assert shared >= 3
