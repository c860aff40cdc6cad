"""Those who hold connections open by sending a byte now and then shut nobody out, not even those who
announce large bodies, which are three times what there is room for. Ten thousand: tests/bench/slow_loris."""

import asyncio

import pytest

from harness import wait
from harness.bridge import PATH, SECRET, route
from harness.loris import Loris
from harness.sender import Load, statuses

GENUINE = "/in/maesn/account-b/by-hand"


@pytest.mark.parametrize("connections_max", [800, 4096], ids=["more_than_there_is_room_for", "all_of_them_held"])
def test_beside_a_thousand_slow_connections_every_genuine_callback_is_answered_200(kafka, start_bridge, connections_max):
    bridge = start_bridge(kafka, {"ingress": {"connections_max": connections_max, "in_flight_max_bytes": 16 << 20, "header_timeout_ms": 120000,
                                              "body_timeout_ms": 120000}}, [route(), route("account-b")])

    async def scenario():
        async with Load(bridge.ingress_port, GENUINE, SECRET, connections=8, rate=100, prefix="stays") as stays, \
                Load(bridge.ingress_port, GENUINE, SECRET, connections=4, rate=50, prefix="new", keeps_alive=False) as new:
            await stays.answered(500, seconds=120)
        return [answer for load in (stays, new) for _, answer in load.answers]

    with Loris(bridge.ingress_port, 1000, PATH) as loris:
        wait.until(lambda: loris.said["opened"] >= 1000, 60, "every slow connection was opened")
        answers = asyncio.run(scenario())
        assert loris.said["held"] >= 500
    assert statuses(answers) == {200: len(answers)}, [a for a in answers if a.status != 200][:5]
