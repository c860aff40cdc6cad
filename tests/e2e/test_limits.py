"""Who asks too often sees 429 with Retry-After and comes again; nobody else notices, and no event is lost for it."""

import asyncio
import json

from harness import consumers, wait
from harness.bridge import PATH, SECRET, merged, route
from harness.oracle import Oracle
from harness.sender import Connection, Load, encode, event, post, request, signed_request, statuses

DEADLINE_S = 2.5
OTHER = "account-b"
OTHER_PATH = f"/in/maesn/{OTHER}/by-hand"
WRONG_SECRET = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"


def limits(**settings):
    return {"ingress": {"limits": settings}}


async def send_until_accepted(port, oracle, names):
    """A polite sender: what is answered 429 it sends again after Retry-After. Returns how often that was."""
    connection, refused = Connection(port), 0
    for name in names:
        oracle.sent(name)
        while (answer := await connection.exchange(signed_request(PATH, encode(event(name)), SECRET))).status == 429:
            assert int(answer.retry_after) >= 1, answer
            refused += 1
            await asyncio.sleep(int(answer.retry_after))
        oracle.answered(name, answer)
    await connection.close()
    return refused


def test_a_burst_beyond_an_accounts_rate_is_429_and_every_event_of_it_arrives(kafka, start_bridge):
    bridge = start_bridge(kafka, limits(callbacks_per_s=40, callbacks_burst=20))
    oracle = Oracle()

    async def scenario():
        return await asyncio.gather(*(send_until_accepted(bridge.ingress_port, oracle, [f"burst-{n}-{k}" for k in range(10)])
                                      for n in range(12)))

    refused = sum(asyncio.run(scenario()))
    settled = oracle.settle(consumers.read_all(kafka, *bridge.topics.all))
    assert len(settled.delivered) == 120 and not settled.twice
    assert refused > 0
    assert bridge.metric("maesn_bridge_requests_limited_total", limit="callbacks") == refused
    assert bridge.metric("maesn_bridge_http_requests_total", provider="maesn", code="429") == refused
    assert bridge.log("webhook.limited")


def test_a_flood_of_wrong_signatures_is_429_and_refuses_no_right_one(kafka, start_bridge):
    bridge = start_bridge(kafka, limits(failed_signatures_per_s=20, failed_signatures_burst=50),
                          routes=[route(), route(OTHER)])
    oracle = Oracle()

    async def scenario():
        async with (Load(bridge.ingress_port, PATH, WRONG_SECRET, connections=64, prefix="forged") as flood,
                    Load(bridge.ingress_port, PATH, SECRET, connections=8, rate=50, prefix="same", oracle=oracle) as same,
                    Load(bridge.ingress_port, OTHER_PATH, SECRET, connections=8, rate=50, prefix="other",
                         oracle=oracle) as other):
            await asyncio.gather(same.answered(200), other.answered(200), flood.answered(300))
        return flood, same, other

    flood, same, other = asyncio.run(scenario())
    for genuine in (same, other):
        assert statuses(a for _, a in genuine.answers) == {200: len(genuine.answers)}
        assert max(a.elapsed for _, a in genuine.answers) < DEADLINE_S
    refusals = [answer for _, answer in flood.answers]
    assert statuses(refusals).keys() == {401, 429}, statuses(refusals)
    assert all(int(a.retry_after) >= 1 and a.body == b"too many requests\n" for a in refusals if a.status == 429)
    # Who tries again at once is answered late: 64 connections are not 64 times as fast as one.
    assert all(a.elapsed > 0.4 for a in refusals if a.status == 429)
    settled = oracle.settle(consumers.read_all(kafka, *bridge.topics.all))
    assert len(settled.delivered) == len(same.answers) + len(other.answers)
    assert bridge.metric("maesn_bridge_requests_limited_total", limit="failed-signatures") == \
        statuses(refusals)[429]


def test_by_default_a_flood_of_wrong_signatures_is_429_in_the_end(bridge):
    async def scenario():
        async with Load(bridge.ingress_port, PATH, WRONG_SECRET, connections=16) as flood:
            await flood.until(lambda: any(a.status == 429 for _, a in flood.answers), 30, "a 429")
        return [a for _, a in flood.answers]

    answers = asyncio.run(scenario())
    assert statuses(answers).keys() == {401, 429}
    assert statuses(answers)[401] >= 1000
    assert post(bridge.ingress_port, PATH, encode(event("genuine")), SECRET).status == 200


def test_a_flood_of_unknown_paths_is_429_and_known_ones_are_served(kafka, start_bridge):
    bridge = start_bridge(kafka, limits(unknown_paths_per_s=10, unknown_paths_burst=30))

    async def scan():
        connection = Connection(bridge.ingress_port)
        answers = [await connection.exchange(request(f"/in/maesn/guess-{n}", b"{}")) for n in range(200)]
        await connection.close()
        return answers

    answers = asyncio.run(scan())
    assert statuses(answers).keys() == {404, 429} and statuses(answers)[429] >= 100
    assert all(int(a.retry_after) >= 1 for a in answers if a.status == 429)
    assert post(bridge.ingress_port, PATH, encode(event("genuine")), SECRET).status == 200
    # The last refusals are still there for people to read.
    listed = json.loads(bridge.admin("/rejections.json")[1])["rejections"]
    assert {r["status"] for r in listed} == {404} and len(listed) == statuses(answers)[404]


def test_limits_change_without_a_restart(kafka, start_bridge):
    bridge = start_bridge(kafka)

    def status():
        return post(bridge.ingress_port, PATH, b"[]", SECRET).status

    def put(**settings):
        bridge.config.write("bridge.yaml", json.dumps(merged(bridge.config.settings, limits(**settings))))

    assert status() == 200
    put(callbacks_per_s=1, callbacks_burst=1)
    wait.until(lambda: 429 in (status(), status(), status()), 5, "the new limit is in force")
    put(callbacks_per_s=0)
    wait.until(lambda: all(status() == 200 for _ in range(10)), 5, "the limit is gone")
    assert bridge.metric("maesn_bridge_config_restart_required") == 0


def test_a_callback_that_comes_again_is_counted_and_never_dropped(kafka, start_bridge):
    bridge = start_bridge(kafka)
    body = encode(event("again"))
    assert [post(bridge.ingress_port, PATH, body, SECRET).status for _ in range(3)] == [200, 200, 200]
    assert post(bridge.ingress_port, PATH, encode(event("once")), SECRET).status == 200
    records = consumers.read_all(kafka, *bridge.topics.all)
    ids = [dict(r.headers)["ce_id"] for r in records]
    assert len(ids) == 4 and len(set(ids)) == 2
    assert bridge.metric("maesn_bridge_suspected_replays_total", provider="maesn") == 2
