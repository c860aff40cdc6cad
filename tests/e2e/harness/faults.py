"""Faults at instants that a seed decides, and what undoes them. A schedule is data: it is printed when a test fails, and can
be played again, also without the seed that made it."""

import asyncio
import collections
import dataclasses
import json
import random
import signal
import time

from harness import wait

BRIDGE, DISK = "bridge", "disk"
# kill: as when the machine loses power, and started again; terminate: asked to stop, and started again; freeze: stopped in the
# middle of whatever it does, and let go on.
OF_PROCESSES = ("kill", "terminate", "freeze")
# fill: not a byte is left, and then there is room again.
OF_DISKS = ("fill",)


@dataclasses.dataclass(frozen=True)
class Fault:
    at_s: float  # after the start
    what: str
    whom: str  # "bridge" or "broker-2"
    for_s: float  # until it is undone


class Schedule:
    """Faults in the order of their instants. Nobody is hit again before his last fault was undone."""

    def __init__(self, faults, seconds, seed=None):
        self.faults, self.seconds, self.seed = sorted(faults, key=lambda f: f.at_s), seconds, seed

    @classmethod
    def of_seed(cls, seed, seconds, victims, pause_s=3.0, longest_s=6.0):
        """The same for the same arguments, on any machine. pause_s: the mean time from one fault to the next."""
        chance = random.Random(f"{seed} {seconds} {victims}")
        faults, free_at, at = [], {whom: 0.0 for whom in victims}, 0.5
        while (at := at + chance.expovariate(1 / pause_s)) < seconds:
            whom, for_s = chance.choice(victims), chance.uniform(0.1, longest_s)
            what = chance.choice(OF_DISKS if whom == DISK else OF_PROCESSES)
            if at < free_at[whom]:
                continue
            faults.append(Fault(round(at, 2), what, whom, round(for_s, 2)))
            free_at[whom] = at + for_s + 1
        return cls(faults, seconds, seed)

    @classmethod
    def parse(cls, text):
        data = json.loads(text)
        return cls([Fault(*fault) for fault in data["faults"]], data["seconds"], data.get("seed"))

    def __str__(self):
        return json.dumps({"seed": self.seed, "seconds": self.seconds,
                           "faults": [dataclasses.astuple(fault) for fault in self.faults]})

    def hits(self, whom, *what):
        return [f for f in self.faults if f.whom == whom and (not what or f.what in what)]


class Player:
    """Plays a schedule against a bridge, a cluster and the disk of the bridge's spool, and leaves all of them well."""

    def __init__(self, bridge, cluster, disk=None):
        self.bridge, self.cluster, self.disk = bridge, cluster, disk
        self._turns = collections.defaultdict(asyncio.Lock)  # by victim: a broker may take longer to start than was planned
        self.disturbed = []  # (from, to) on the monotonic clock: the bridge was not itself

    async def play(self, schedule):
        started_at = time.monotonic()
        await asyncio.gather(*(self._one(fault, started_at) for fault in schedule.faults))
        await asyncio.sleep(max(0, started_at + schedule.seconds - time.monotonic()))

    async def _one(self, fault, started_at):
        await asyncio.sleep(max(0, started_at + fault.at_s - time.monotonic()))
        async with self._turns[fault.whom]:
            began = time.monotonic()
            undo = await asyncio.to_thread(self._begin, fault)
            await asyncio.sleep(max(0, began + fault.for_s - time.monotonic()))
            await asyncio.to_thread(undo)
            if fault.whom == BRIDGE:
                self.disturbed.append((began, time.monotonic()))

    def _begin(self, fault):
        """Does it, and returns what undoes it."""
        if fault.whom == BRIDGE:
            return {"kill": self._kill_bridge, "terminate": self._terminate_bridge, "freeze": self._freeze_bridge}[fault.what]()
        if fault.whom == DISK:
            self.disk.fill()
            return self.disk.make_room
        broker = self.cluster.brokers[int(fault.whom.removeprefix("broker-")) - 1]
        if fault.what == "freeze":
            broker.sigstop()
            return broker.sigcont
        broker.kill() if fault.what == "kill" else broker.terminate()
        return broker.restart

    def _kill_bridge(self):
        self.bridge.kill()
        return self._start_bridge

    def _terminate_bridge(self):
        # 1: the hard stop cut somebody who had not sent all; whoever had is answered.
        assert self.bridge.stop() in (0, 1)
        return self._start_bridge

    def _freeze_bridge(self):
        self.bridge.signal(signal.SIGSTOP)
        return lambda: self.bridge.signal(signal.SIGCONT)

    def _start_bridge(self):
        self.bridge.spawn()
        wait.until(self.bridge.is_ready, 30, "the bridge is ready again")

    def was_disturbed(self, since, until, margin_s=0.5):
        """Whether the bridge was hit in this time, or could still feel it."""
        return any(since < end + margin_s and until > begin for begin, end in self.disturbed)
