"""Callbacks through a release's service while something happens to it, and what became of each."""

import asyncio
import json

from harness import consumers
from harness.bridge import PATH, SECRET
from harness.oracle import Oracle
from harness.sender import Connection, Load, encode, event, signed_request, statuses


def callback(release, path=PATH, secret=SECRET, name="one-callback", pod=None):
    """The status of a signed callback through the service, or to one of its pods; 0: no answer."""
    async def once():
        connection = Connection(8080, host=pod.address) if pod else Connection(80, host=release.address())
        try:
            return (await connection.exchange(signed_request(path, encode(event(name)), secret))).status
        finally:
            await connection.close()

    return asyncio.run(once())


class Traffic:
    """Constant: half of it on connections that are kept, half on a new one each time."""

    def __init__(self, release, rate=400):
        self.release, self.rate = release, rate
        self.prefix = f"{release.namespace.name}-"  # releases share their topics
        self.oracle = Oracle()

    def during(self, action):
        """Runs action() while callbacks come; returns how often each status came, 0 for no answer."""
        return asyncio.run(self._during(action))

    async def _during(self, action):
        host = self.release.address()
        so_far = len(self.oracle.answers)
        loads = [Load(80, PATH, SECRET, connections=8, rate=self.rate / 2, prefix=f"{self.prefix}{so_far}-{kind}", oracle=self.oracle,
                      host=host, keeps_alive=kind == "kept", patience=10) for kind in ("kept", "new")]
        async with loads[0], loads[1]:
            await loads[0].answered(50)
            await asyncio.to_thread(action)
            await loads[1].answered(50, seconds=60)
        self.answers = [answer for load in loads for _, answer in load.answers]
        print(f"{len(self.answers)} callbacks, {statuses(self.answers)}, {({a.error for a in self.answers if a.error})}")
        return statuses(self.answers)

    def settle(self, kafka):
        """Fails when something that was answered 200 is not in Kafka; returns how many were."""
        records = [record for record in consumers.read_all(kafka, "maesn.invoice")
                   if json.loads(record.value)["resourceId"].startswith(self.prefix)]
        return len(self.oracle.settle(records).delivered)
