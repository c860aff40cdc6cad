"""Faults at instants that a seed decides. A schedule is data: it is printed when a test fails, and can be played again, also
without the seed that made it."""

import dataclasses
import json
import random

BRIDGE, DISK, CLOCK, FILES, DOOR = "bridge", "disk", "clock", "files", "door"
ANSWERS, NODE, CLUSTER = "answers", "node", "cluster"
RECONCILER, PROVIDER, TENANT, KEYS = "reconciler", "provider", "tenant", "keys"

# kill: as when the machine loses power, and started again; terminate: asked to stop, and started again; freeze: stopped in the
# middle of whatever it does, and let go on.
OF_PROCESSES = ("kill", "terminate", "freeze")
# See tests/e2e/harness/links.py.
OF_LINKS = ("cut", "hold", "hold-up", "hold-down", "lose", "slow", "slice")
# See tests/e2e/drivers/faulty_disk.c.
OF_DISKS = ("full", "flush-fails", "flush-slow", "flush-stuck")
# The wall clock is an hour late, an hour or ten years early; the other clocks go on.
OF_CLOCKS = ("back", "forth", "far")
# broken: the configuration cannot be read; changed: it has one route more; rotated: the secret is another, the former one is
# still accepted.
OF_FILES = ("broken", "changed", "rotated")

# What the provider does to a part of the requests: it fails, before or after it did what was asked for; it goes away in the middle; it
# has too much to do; it is late; its lists are no lists.
OF_PROVIDERS = ("errors", "resets", "limits", "stalls", "lies")
# With the same part it answers that they are wrong, or not allowed: until somebody has seen to it, and then the account has another key.
OF_PROVIDERS += ("400", "401", "403", "404", "405")
# Of one account: a subscription is to be replaced; one is deleted at the provider; one is made twice there.
OF_TENANTS = ("rotated", "gone", "twice")
# Of one broker of a mock cluster: nobody can connect; it does what it is asked to and answers a little later, or too late; what it led
# is led by another one, or by nobody.
OF_NODES = ("down", "slow", "late", "moved", "leaderless")
# The keyring has another first key, which all processes could read before.
OF_KEYS = ("swapped",)

# What was killed or stopped is started at once, or a little later, which takes a while itself. Everything else lasts shorter or longer
# than the program waits for: 2 s for Kafka's acknowledgement, 2.5 s with an answer.
AWAY_S, LONGEST_S = 1.0, 3.5


def faults_of(whom):
    kind = whom.partition("-")[0]
    return {DISK: OF_DISKS, CLOCK: OF_CLOCKS, FILES: OF_FILES, DOOR: OF_LINKS, "link": OF_LINKS, PROVIDER: OF_PROVIDERS,
            TENANT: OF_TENANTS, KEYS: OF_KEYS, NODE: OF_NODES, CLUSTER: ("freeze",)}.get(kind, OF_PROCESSES)


@dataclasses.dataclass(frozen=True)
class Fault:
    at_s: float  # after the start
    what: str
    whom: str  # "bridge", "broker-2", "link-2": between the bridge and broker 2, "door": between the senders and the bridge,
    # "answers-3": every third of all brokers' answers
    for_s: float  # until it is undone


class Schedule:
    """Faults in the order of their instants. Nobody is hit again before his last fault was undone."""

    def __init__(self, faults, seconds, seed=None):
        self.faults, self.seconds, self.seed = sorted(faults, key=lambda f: f.at_s), seconds, seed

    @classmethod
    def of_seed(cls, seed, seconds, victims, pause_s=0.5):
        """The same for the same arguments, on any machine; at least one. pause_s: the mean time from one fault to the next."""
        chance = random.Random(f"{seed} {seconds} {victims}")
        faults, free_at, at = [], {whom: 0.0 for whom in victims}, 0.0
        while (at := at + chance.expovariate(1 / pause_s)) < seconds or not faults:
            whom = chance.choice(victims)
            what = chance.choice(faults_of(whom))
            for_s = chance.uniform(0.1, AWAY_S if what in ("kill", "terminate") else LONGEST_S)
            if at < free_at[whom]:
                continue
            faults.append(Fault(round(min(at, seconds), 2), what, whom, round(for_s, 2)))
            free_at[whom] = at + for_s + 0.5
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
