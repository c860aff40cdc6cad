"""Several reconcilers over one set of accounts: never two of them at one account, and none that has lost it."""

import datetime
import itertools
import os
import signal
import time

from harness import wait
from harness.provider import Fault
from harness.reconciler import account

INVOICES = [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]


def partitions(bridge):
    return bridge.metric("maesn_bridge_reconciler_partitions")


def mono_of(line):
    """When a log line was written, on the monotonic clock."""
    at = datetime.datetime.fromisoformat(line["ts"].replace("Z", "+00:00")).timestamp()
    return at - time.time() + time.monotonic()


def check_one_at_a_time(maesn, names, changes_max):
    """No request of one process begins before those of another one to the same account have ended, and an account goes
    from one process to another no more often than that."""
    for name in names:
        requests = sorted(maesn.asked(account_key=f"key-of-{name}"), key=lambda r: r.at)
        for earlier, later in itertools.pairwise(requests):
            if earlier.actor != later.actor:
                assert earlier.ended_at and earlier.ended_at <= later.at, f"{name}: {earlier} and {later}"
        owners = [actor for actor, _ in itertools.groupby(r.actor for r in requests)]
        assert len(owners) - 1 <= changes_max, f"{name}: {owners}"


def test_no_account_is_worked_on_by_two_while_reconcilers_come_and_go(start_world, maesn):
    """One, then three, then two, with passes under way at each change. Fails when a process goes on with what was revoked,
    or begins with what another one has not given up."""
    maesn.fault = lambda request: Fault(delay_s=0.03)
    names = [f"tenant-{i}" for i in range(24)]
    world = start_world([account(name, "lexware-office", INVOICES) for name in names],
                        {"reconciler": {"concurrency": 4}})
    wait.until(lambda: len(maesn.asked("POST")) >= 5, 30, "the first one is at work")
    world.start_another()
    world.start_another()
    first, second, third = world.bridges
    wait.until(lambda: sorted(map(partitions, world.bridges)) == [1, 1, 2], 60, "each leads some")
    world.await_settled(*names, count=2 * len(names), seconds=90)

    for name in names:
        world.request(name, "rotate")
    posts = len(maesn.asked("POST"))
    wait.until(lambda: len(maesn.asked("POST")) > posts, 30, "they rotate")
    assert second.stop() == 0  # leaves the group in the midst of it
    wait.until(lambda: sorted(map(partitions, (first, third))) == [2, 2], 60, "two lead all")
    world.await_settled(*names, count=2 * len(names), seconds=90)
    assert {r.actor for r in maesn.asked()} == {bridge.config.actor for bridge in world.bridges}
    # Two have joined and one has left.
    check_one_at_a_time(maesn, names, changes_max=3)


def test_a_reconciler_that_was_stopped_past_its_session_asks_nothing_of_what_others_own(start_world, maesn):
    """Stopped with a POST under way, whose answer waits for it. Fails when it goes by a deadline that it has slept through,
    or when its writer is not fenced: then it commits the secret that it finds in its socket."""
    names = [f"tenant-{i}" for i in range(40)]
    stopped_at = []

    def stop_it():
        os.kill(stopped.pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())

    def fault(request):
        return Fault(then=stop_it) if request.method == "POST" and len(maesn.subscriptions) == 5 and not stopped_at else None

    maesn.fault = fault
    world = start_world([account(name, "xero") for name in names], ready=False)
    stopped = world.bridges[0]
    wait.until(lambda: stopped_at, 30, "it is stopped")
    another = world.start_another()
    wait.until(lambda: partitions(another) == 4, 40, "another one leads all")
    world.await_settled(*names, count=len(names), seconds=60)
    records, asked, posts = len(world.records()), len(maesn.asked()), len(maesn.asked("POST"))
    assert posts > len(names)  # those whose answers nobody has read are made again

    continued_at = time.monotonic()
    stopped.signal(signal.SIGCONT)
    wait.until(lambda: partitions(stopped) == 2, 40, "it is one of two")
    claimed_at = min(at for at in map(mono_of, stopped.log("partition.claimed")) if at > continued_at)
    early = [r for r in maesn.asked(actor=stopped.config.actor) if stopped_at[0] + 0.5 < r.at < claimed_at - 0.1]
    assert not early, early
    world.await_settled(*names, count=len(names))
    assert not [r for r in maesn.asked()[asked:] if r.writes]
    assert len(world.records()) == records
