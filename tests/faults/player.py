"""What plays a schedule."""

import asyncio
import collections
import concurrent.futures
import json
import math
import signal
import time

from harness import wait
from harness.bridge import SECRET
from faults.hits import Hit, overlaps
from faults.schedule import BRIDGE, CLOCK, DISK, DOOR, FILES

READY_S = 120
SECOND_SECRET = SECRET[::-1]
EARLY_S = {"back": -3600, "forth": 3600, "far": 10 * 365 * 86400}
# Whoever of these is hit may be the reason for an answer that is late, or that never comes.
HEARD_AT_THE_DOOR = (BRIDGE, DOOR)


def hit_process(bridge, what, start, codes=(0,)):
    """Returns what undoes it. codes: with one of them it ends when it is asked to."""
    if what == "freeze":
        bridge.signal(signal.SIGSTOP)
        return lambda: bridge.signal(signal.SIGCONT)
    assert bridge.process.poll() is None, f"it exited with {bridge.process.returncode}, unasked: {bridge.tail()}"
    if what == "kill":
        bridge.kill()
    else:
        assert bridge.stop() in codes, bridge.tail()
    return start


class Player:
    """Plays a schedule against a bridge, a cluster and what lies between and below them, and leaves all of them well. links: by
    the number of the broker; disk: None where there is no spool; others: by the kind of another victim, a function of what happens
    to it and its number that returns what undoes that."""

    def __init__(self, cluster, links, door, bridge, disk, clock, others=None):
        self.others = others or {}
        self.cluster, self.links, self.door, self.bridge, self.disk, self.clock = cluster, links, door, bridge, disk, clock
        self.healed_at = 0.0
        self.hits = []  # in the order of their ends
        self._turns = collections.defaultdict(asyncio.Lock)  # by victim: a broker may take longer to start than was planned
        self._bad_until = {}  # by reason for a bridge not to start: the end of the last time, or for ever while there is no end
        self._spawned_at = 0.0

    async def play(self, schedule):
        # Each victim is hit by a thread that waits: for all of them at once, and for what is asked beside, whatever the machine's cores.
        workers = len({fault.whom for fault in schedule.faults}) + 2
        asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(workers))
        started_at = time.monotonic()
        await asyncio.gather(*(self._one(fault, started_at) for fault in schedule.faults))
        self.healed_at = time.monotonic()

    async def _one(self, fault, started_at):
        await asyncio.sleep(max(0, started_at + fault.at_s - time.monotonic()))
        async with self._turns[fault.whom]:
            began = time.monotonic()
            if fault.whom == DISK or fault.what == "broken":
                self._bad_until[fault.whom] = math.inf
            undo = await asyncio.to_thread(self._begin, fault)
            await asyncio.sleep(max(0, began + fault.for_s - time.monotonic()))
            await asyncio.to_thread(undo)
            if fault.whom in self._bad_until:
                self._bad_until[fault.whom] = time.monotonic()
            self.hits.append(Hit(fault, began, time.monotonic()))

    def was_disturbed(self, since, until):
        """Whether the bridge or the way to it was hit in this time, or could still feel it: answers may be late or missing."""
        return any(hit.fault.whom in HEARD_AT_THE_DOOR and overlaps(hit, since, until) for hit in self.hits)

    # --- each returns what undoes it ---

    def _begin(self, fault):
        kind, _, number = fault.whom.partition("-")
        if kind == BRIDGE:
            # 1: the hard stop cut somebody who had not sent all; whoever had is answered.
            return hit_process(self.bridge, fault.what, self._start_bridge, codes=(0, 1))
        if kind == "broker":
            return self._hit_broker(fault.what, self.cluster.brokers[int(number) - 1])
        if kind == FILES:
            return self._hit_files(fault.what)
        if kind in self.others:
            return self.others[kind](fault.what, int(number or 1))
        links = {f"link-{n}": link for n, link in enumerate(self.links, 1)}
        victim = {DISK: self.disk, CLOCK: self.clock, DOOR: self.door, **links}[fault.whom]
        victim.set(EARLY_S[fault.what] if kind == CLOCK else fault.what)
        return victim.heal

    def _start_bridge(self):
        """A bridge that starts while all of Kafka is away is ready only when it is back. One that cannot start, since its files
        or its disk are not as they should be, is started again and again, as Kubernetes does."""
        def lives():
            if self.bridge.process.poll() is not None:
                assert any(self._spawned_at < until for until in self._bad_until.values()), f"it does not start: {self.bridge.tail()}"
                self._spawn_bridge()
            return self.bridge.admin("/livez")[0] == 200

        self._spawn_bridge()
        wait.until(lives, READY_S, "the bridge lives again")

    def _spawn_bridge(self):
        self._spawned_at = time.monotonic()
        self.bridge.spawn()

    def _hit_broker(self, what, broker):
        if what == "freeze":
            broker.sigstop()
            return broker.sigcont
        broker.kill() if what == "kill" else broker.terminate()
        return broker.restart

    def _hit_files(self, what):
        config = self.bridge.config
        if what == "broken":
            config.write("bridge.yaml", '{"kafka": ')
            return self._reloading(self._mend_files)
        if what == "changed":
            more = {"path": "/in/maesn/another/by-hand", "provider": "maesn", "account": "another", "system": "xero",
                    "secret_file": "../secrets/acme-xero"}
            config.write_routes([more], "more.yaml")
            return self._reloading((config.path / "routes.d/more.yaml").unlink)
        # Senders still sign with the former one.
        config.write("secrets/former", SECRET + "\n")
        config.write("secrets/acme-xero", SECOND_SECRET + "\n")
        return self._reloading(lambda: config.write("secrets/acme-xero", SECRET + "\n"))

    def _mend_files(self):
        config = self.bridge.config
        config.write("bridge.yaml", json.dumps(config.settings))

    def _reloading(self, undo):
        """It is read when it changes, and when it is asked for: the signal comes in the middle of the one or the other."""
        def reload():
            self.bridge.process.send_signal(signal.SIGHUP)  # one that has ended is left alone

        def both():
            undo()
            reload()

        reload()
        return both
