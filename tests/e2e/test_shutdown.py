"""SIGTERM: everybody who asked gets an answer."""

import asyncio
import signal
import time

from harness import consumers
from harness.bridge import PATH, SECRET
from harness.oracle import Oracle
from harness.sender import Load, post, statuses


class PoliteLoad(Load):
    """Senders behind a load balancer: a connection that was told to close is not opened again."""

    def may_go_on(self, answer):
        return answer.headers.get("connection", "").lower() != "close"


def test_sigterm_under_load_resets_nothing_loses_no_answer_and_exits_0(kafka, start_bridge):
    bridge = start_bridge(kafka, {"shutdown": {"delay_ms": 1500}})
    oracle = Oracle()

    async def scenario():
        async with PoliteLoad(bridge.ingress_port, PATH, SECRET, connections=64, oracle=oracle) as load:
            await load.answered(500)
            bridge.signal(signal.SIGTERM)
            await load.until(lambda: bridge.admin("/readyz")[0] == 503, 1, "unready at once")
            assert bridge.admin("/livez")[0] == 200
            # Who comes before the load balancer has noticed is served.
            late = await asyncio.to_thread(post, bridge.ingress_port, PATH, b"[]", SECRET)
            assert late.status == 200
            await load.until(load.is_over, 10, "every connection to be told to close")
        return load

    load = asyncio.run(scenario())
    assert bridge.process.wait(timeout=30) == 0
    assert statuses(a for _, a in load.answers) == {200: len(load.answers)}
    assert all(answer is not None for answer in oracle.answers.values())
    assert not oracle.settle(consumers.read_all(kafka, *bridge.topics.all)).unacknowledged
    [stopped] = bridge.log("process.stopped")
    assert stopped["unanswered"] == 0


def test_sigterm_while_the_broker_is_away_still_answers_everybody(own_kafka, start_bridge):
    bridge = start_bridge(own_kafka)
    oracle = Oracle()

    async def scenario():
        async with PoliteLoad(bridge.ingress_port, PATH, SECRET, connections=16, oracle=oracle) as load:
            await load.answered(200)
            own_kafka.brokers[0].sigstop()
            stopped_at = time.monotonic()
            bridge.signal(signal.SIGTERM)
            await load.until(load.is_over, 10, "every connection to be told to close")
            assert time.monotonic() < stopped_at + 10
        return load

    try:
        load = asyncio.run(scenario())
        assert bridge.process.wait(timeout=40) in (0, 1)
    finally:
        own_kafka.brokers[0].sigcont()
    assert statuses(a for _, a in load.answers).keys() <= {200, 503}
    oracle.settle(consumers.read_all(own_kafka, *bridge.topics.all))


def test_a_second_sigterm_exits_1_at_once(kafka, start_bridge):
    bridge = start_bridge(kafka, {"shutdown": {"delay_ms": 20000}})
    bridge.signal(signal.SIGTERM)
    from harness import wait
    wait.until(lambda: bridge.admin("/readyz")[0] == 503, 5, "unready")
    bridge.signal(signal.SIGTERM)
    assert bridge.process.wait(timeout=5) == 1
