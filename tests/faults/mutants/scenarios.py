"""What a mutant is put through: fixed schedules in the world of the random ones, and what those cannot see.

scenario(program, clusters): passes, or raises AssertionError. Each leaves the cluster well, whatever became of the program."""

import asyncio
import contextlib
import itertools

from harness import wait
from harness.bridge import SECRET, Bridge
from harness.maesn import Maesn
from harness.provider import Fault as ProviderFault
from harness.reconciler import PUBLIC_URL, World, account
from harness.sender import Load, encode, event, post

from faults.mock_world import MockWorld
from faults.player import Player
from faults.schedule import ANSWERS, BRIDGE, DISK, FILES, Fault, Schedule
from faults.world import ACCOUNTS, IngressWorld

RATE = 200
seeds = itertools.count(1_000_000)  # beyond those of schedules: they name topics
prefixes = itertools.count(1)


@contextlib.contextmanager
def ingress_world(program, kafka, with_spool):
    """With this program, ready."""
    world = IngressWorld(kafka, next(seeds), RATE, with_spool, idempotent=False)
    world.bridge.command[0] = str(program)
    try:
        with world:
            yield world
    finally:
        heal(kafka)


def heal(kafka):
    """A schedule that was broken off may have left something hit."""
    for link in kafka.links:
        link.heal()
    for broker in kafka.cluster.brokers:
        if broker.process.poll() is None:
            broker.sigcont()
        else:
            broker.restart()
    kafka.is_left_well = True


def player_of(world):
    return Player(world.kafka.cluster, world.kafka.links, world.door, world.bridge, disk=world.disk, clock=world.clock)


def schedule(*faults, brokers=1, with_spool=False):
    """The scenario in which these Faults are suffered."""
    def play(program, clusters):
        with ingress_world(program, clusters(brokers), with_spool) as world:
            world.suffer(Schedule(faults, max(f.at_s + f.for_s for f in faults)))
    return play


# --- schedules -------------------------------------------------------------------------------------------------------------------

kafka_cut_off = schedule(Fault(0.5, "cut", "link-1", 4))
kafka_cut_off_with_spool = schedule(Fault(0.5, "cut", "link-1", 4), with_spool=True)
# What was sent is gone, and so is the connection.
kafka_mute = schedule(Fault(0.5, "lose", "link-1", 6))
acknowledgements_cut_off_with_spool = schedule(Fault(0.5, "hold-down", "link-1", 4), with_spool=True)
killed_while_kafka_is_away = schedule(Fault(0.5, "cut", "link-1", 3), Fault(1.0, "kill", BRIDGE, 0.2))
stopped_while_kafka_is_mute = schedule(Fault(0.5, "lose", "link-1", 3), Fault(1.0, "terminate", BRIDGE, 0.2))
stopped_after_kafka_was_away = schedule(Fault(0.5, "cut", "link-1", 3), Fault(4.0, "terminate", BRIDGE, 0.2))
kafka_away_and_disk_full = schedule(Fault(0.5, "cut", "link-1", 4), Fault(0.7, "full", DISK, 3), with_spool=True)
secret_rotated = schedule(Fault(0.5, "rotated", FILES, 3))
configuration_broken = schedule(Fault(0.5, "broken", FILES, 3))
# What broker 2 leads nobody fetches, and the controller does not notice; then it is dead, and another one leads.
leader_lost = schedule(Fault(0.5, "freeze", "broker-1", 2.5), Fault(0.5, "freeze", "broker-3", 2.5),
                       Fault(2.5, "kill", "broker-2", 8), brokers=3)


# --- what needs more than a schedule ---------------------------------------------------------------------------------------------

def kafka_away_and_disk_stuck(program, clusters):
    """Where nothing can be kept nothing is promised."""
    async def scenario(world):
        paths = [f"/in/maesn/{name}/by-hand" for name in ACCOUNTS]
        async with Load(world.door.port, paths, SECRET, connections=32, rate=RATE, oracle=world.oracle, prefix="stuck",
                        patience=10) as load:
            await load.answered(RATE)
            world.kafka.links[0].set("cut")
            await asyncio.sleep(0.3)  # acknowledgements that were under way
            world.disk.set("flush-stuck")
            await load.answered(1)
            began = len(load.answers)
            await asyncio.sleep(2.5)
            promised = [name for name, answer in load.answers[began:] if answer.status == 200]
            world.disk.heal()
            world.kafka.links[0].heal()
        return promised

    with ingress_world(program, clusters(1), with_spool=True) as world:
        promised = asyncio.run(scenario(world))
        # Those whose flush had begun before it was stuck: one batch of each connection at most.
        assert len(promised) <= 32, f"{len(promised)} were answered 200 while neither Kafka nor the disk could keep them"
        world._drained()
        world._settle(Schedule([], 0))


def refused_and_then_not_allowed(program, _):
    """Only the record itself can be the reason for a dead letter, and only when it is."""
    faults = Fault(0.5, "MESSAGE_TOO_LARGE", f"{ANSWERS}-2", 0.5), Fault(4, "POLICY_VIOLATION", f"{ANSWERS}-2", 1)
    world = MockWorld(0, next(seeds), RATE, with_spool=False)
    world.bridge.command[0] = str(program)
    with world:
        world.suffer(Schedule(faults, 5))


def sent_again(program, clusters):
    """As a provider does that has not heard the answer: once more, byte for byte."""
    with ingress_world(program, clusters(1), with_spool=False) as world:
        for number in range(20):
            name, path = f"again-{number}", f"/in/maesn/{ACCOUNTS[number % len(ACCOUNTS)]}/by-hand"
            world.oracle.sent(name)
            for _ in range(2):
                answer = post(world.bridge.ingress_port, path, encode(event(name)), SECRET)
                assert answer.status == 200, f"{name}: {answer}"
            world.oracle.answered(name, answer)
        settled = world._settle(Schedule([], 0))
        assert len(settled.twice) == 20, f"{len(settled.twice)} of 20 are there twice"


def forged_while_a_secret_is_rotated(program, clusters):
    """Somebody who does not know the secret tries it all the time."""
    async def scenario(world):
        path, player = f"/in/maesn/{ACCOUNTS[0]}/by-hand", player_of(world)
        async with Load(world.bridge.ingress_port, path, "not the secret", connections=4, rate=40, oracle=world.oracle,
                        prefix="forged", patience=10) as load:
            await load.answered(20)
            await player.play(Schedule([Fault(0.2, "rotated", FILES, 3)], 4))
            await load.answered(20)
        return load

    with ingress_world(program, clusters(1), with_spool=False) as world:
        load = asyncio.run(scenario(world))
        believed = [name for name, answer in load.answers if answer.status not in (401, 429)]
        assert not believed, f"{len(believed)} forged callbacks were not refused: {believed[:10]}"
        world._settle(Schedule([], 0))


# --- the reconciler --------------------------------------------------------------------------------------------------------------

NAME = "acme"
KEY = f"key-of-{NAME}"
SUBSCRIPTIONS = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]
SECOND_LOOK_S = 3
SETTINGS = {"reconciler": {"policy": "sync", "delete_delay_s": 0, "second_look_s": SECOND_LOOK_S}}
FOREIGN = (f"{PUBLIC_URL}/in/maesn/{NAME}/invoice/created/1795293215356-aaaaaaaaaaaaaaaaaaaaaaaaaa",
           "https://elsewhere.example.com/hooks/1")


@contextlib.contextmanager
def reconciler_world(program, clusters):
    """With one account and what others subscribed; this program has made two subscriptions, and has seen them in a list."""
    maesn = Maesn()
    with maesn.lock:
        foreign = {maesn.add(KEY, {}, {"callbackUrl": url}).id for url in FOREIGN}
    world = World(clusters(1).cluster, maesn, f"mutants{next(prefixes)}", [account(NAME, "lexware-office", SUBSCRIPTIONS)], SETTINGS)
    world.ours = lambda: {s.id for s in maesn.of(KEY)} - foreign
    world.foreign = foreign
    try:
        bridge = Bridge(world.config, command=("reconciler",), binary=program)
        world.bridges.append(bridge)
        bridge.start(60)
        wait.until(lambda: len(world.ours()) == 2, 40, "two subscriptions are made")
        await_lists(maesn, 1)
        yield world
    finally:
        world.stop()
        maesn.stop()


def await_lists(maesn, count):
    """So many more lists, answered."""
    asked = len(maesn.asked("GET"))
    wait.until(lambda: len([r for r in maesn.asked("GET")[asked:] if r.ended_at]) >= count, 60, f"{count} more lists")


def rotation(program, clusters):
    with reconciler_world(program, clusters) as world:
        maesn, before, early = world.maesn, world.ours(), []

        def fault(request):
            if request.method != "DELETE":
                return None
            goes = maesn.subscriptions[request.path.rpartition("/")[2]]
            kept = {r["provider_id"]: r.get("secret") for r in world.routes(state="active")}
            others = [s for s in maesn.subscriptions.values() if s is not goes and s.specification == goes.specification]
            if not any(kept.get(s.id) == s.secret for s in others):
                early.append(f"{goes.path} was to be deleted before the registry had the secret of another one")
            return None

        maesn.fault = fault
        world.request(NAME, "rotate")
        wait.until(lambda: early or not world.ours() & before, 90, "the old subscriptions are gone")
        assert not early, early
        wait.until(lambda: len(world.ours()) == 2, 20, "two are left")


def one_list_that_lies(program, clusters):
    with reconciler_world(program, clusters) as world:
        maesn, lies = world.maesn, [ProviderFault(body='{"meta":null,"data":[],"errors":null,"rawData":null}')]
        asked = len(maesn.asked())
        maesn.fault = lambda request: lies.pop() if lies and request.method == "GET" else None
        wait.until(lambda: not lies, 60, "the lie was told")
        await_lists(maesn, 2)
        wrote = [r for r in maesn.asked()[asked:] if r.writes]
        assert not wrote, f"it was made again on the strength of one list: {wrote}"


def foreign_subscriptions(program, clusters):
    with reconciler_world(program, clusters) as world:
        await_lists(world.maesn, 2)
        touched = {r.path.rpartition("/")[2] for r in world.maesn.asked("DELETE")} & world.foreign
        assert not touched, f"foreign subscriptions were to be deleted: {touched}"


def subscription_gone(program, clusters):
    with reconciler_world(program, clusters) as world:
        maesn, goes = world.maesn, min(world.ours())
        with maesn.lock:
            maesn.remove(maesn.subscriptions[goes])
        wait.until(lambda: len(world.ours()) == 2, 60, "the subscription that went is made again")
