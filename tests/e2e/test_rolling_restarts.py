"""Two replicas behind the proxies that deploy/proxies configures: restarted one after the other, nobody notices.

RESTARTS=20 tests/run e2e -k rolling_restarts: so many times; what came of it is appended to
tests/bench/results/rolling-restarts.txt."""

import asyncio
import collections
import importlib
import os
import sys

from conftest import Topics
from harness import consumers, environment
from harness.bridge import PATH, SECRET
from harness.oracle import Oracle
from harness.proxies import HAProxy, Nginx
from harness.sender import Load

RATE = 100  # through each proxy


def append_result(times, answers):
    """Into the tree."""
    sys.path.insert(0, str(environment.ROOT / "tests/bench"))
    counted = {name: collections.Counter(f"{a.status or a.error}" for a in found) for name, found in answers.items()}
    lines = [f"through {name}: answers {dict(counts)}; the slowest {max(a.elapsed for a in answers[name]):.2f} s"
             for name, counts in counted.items()]
    importlib.import_module("results").append(
        "rolling-restarts", f"{times} rolling restarts of two replicas at {RATE} callbacks a second through each proxy: 0 resets,"
        f" 0 non-2xx, 0 lost", lines, [])


def test_rolling_restarts_behind_haproxy_and_nginx_reset_refuse_and_lose_nothing(kafka, start_bridge):
    times = int(os.environ.get("RESTARTS", 3))
    topics = Topics(f"rolling-{os.getpid()}")
    # As it is by default, when load balancers are to look away.
    settings = {"shutdown": {"delay_ms": 5000}}
    replicas = [start_bridge(kafka, settings, topics=topics), start_bridge(kafka, settings, topics=topics, create_topics=False)]
    oracle = Oracle()

    async def restart(loads, replica):
        assert await asyncio.to_thread(replica.stop) == 0, replica.tail()
        await asyncio.to_thread(replica.start)
        for load in loads:  # on all its connections, so that the proxy has had a look at the new one
            await load.answered(RATE, seconds=60)

    async def scenario(proxies):
        loads = {}
        for name, proxy in proxies.items():
            loads[name, "stays"] = Load(proxy.port, PATH, SECRET, 8, rate=RATE * 0.8, prefix=f"{name}-stays", oracle=oracle)
            loads[name, "new"] = Load(proxy.port, PATH, SECRET, 4, rate=RATE * 0.2, prefix=f"{name}-new", oracle=oracle, keeps_alive=False)
        for load in loads.values():
            await load.__aenter__()
        try:
            staying = [load for (_, kind), load in loads.items() if kind == "stays"]
            for _ in range(times):
                for replica in replicas:
                    await restart(staying, replica)
        finally:
            for load in loads.values():
                await load.stop()
        return {name: [answer for (its, _), load in loads.items() if its == name for _, answer in load.answers] for name in proxies}

    with HAProxy(replicas) as haproxy, Nginx(replicas) as nginx:
        answers = asyncio.run(scenario({"HAProxy": haproxy, "nginx": nginx}))
        for name, found in answers.items():
            wrong = [(a.status, a.error, round(a.elapsed, 2)) for a in found if a.status != 200]
            assert not wrong, f"{name}: {len(wrong)} of {len(found)}: {wrong[:10]}; {haproxy.said()} {nginx.said()}"
    assert all(replica.metric("maesn_bridge_http_requests_total", code="200") > 0 for replica in replicas)
    assert not oracle.settle(consumers.read_all(kafka, *topics.all)).unacknowledged
    if "RESTARTS" in os.environ:
        append_result(times, answers)
