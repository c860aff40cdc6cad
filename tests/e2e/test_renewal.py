"""Subscriptions that expire and rotate under a steady stream of callbacks: none is refused, none is lost."""

import collections
import math
import time

from harness import consumers, wait
from harness.deliveries import Deliveries
from harness.oracle import Oracle
from harness.reconciler import account

LIFETIME_S = 30
RENEWALS = 3

ACCOUNTS = [
    account("of-lexware", "lexware-office", [{"resource": "INVOICE", "events": ["CREATED", "UPDATED"]}]),
    account("of-freshbooks", "freshbooks", [{"resource": "CUSTOMER", "events": ["CREATED", "DELETED"]},
                                            {"resource": "PAYMENT", "events": ["UPDATED"]}], company_id="77"),
    account("of-exact", "exact-nl", [{"resource": "INVOICE"}, {"resource": "PAYMENT"}], company_id="78"),
    account("of-xero", "xero"),
    account("of-weclapp", "weclapp"),
    account("of-qonto", "qonto"),
]
SYSTEMS = {f"key-of-{a['id']}": a["system"] for a in ACCOUNTS}
SPECIFICATIONS = 10


def generations(maesn, until=math.inf):
    """{(account key, resource, event): its subscriptions until then, one after the other}."""
    with maesn.lock:
        maesn.expire()
        every = [s for s in (*maesn.ended, *maesn.subscriptions.values()) if s.made_at < until]
    by_specification = collections.defaultdict(list)
    for s in sorted(every, key=lambda s: s.made_at):
        by_specification[s.account_key, *s.specification].append(s)
    return by_specification


def check_coverage(subscriptions, verifiable, until):
    """At every instant since the first one was made at least one is alive whose callbacks verify."""
    subscriptions = [s for s in subscriptions if s.id in verifiable]
    alive_until = subscriptions[0].made_at
    for s in subscriptions:
        assert s.made_at <= alive_until or s is subscriptions[0], f"{s.made_at - alive_until:.2f} s without {s.url}"
        alive_until = max(alive_until, s.ended_at or until)
    assert alive_until >= until, f"none is left of {subscriptions[-1].url}"


def test_no_callback_is_refused_or_lost_while_subscriptions_expire_and_rotate(kafka, start_world, maesn):
    """Fails when a generation ends before the ingresses know the next one's secret, when a route is forgotten while the
    provider's queue may still hold callbacks of it, when an ingress answers 404 or 401 to what it has not read yet, or
    when a 200 is given before Kafka has the record."""
    maesn.lifetime_s = LIFETIME_S
    world = start_world(ACCOUNTS)
    topics = [f"{world.prefix}.{slug}" for slug in ("invoice", "customer", "payment", "other", "dead-letter")]
    kafka.create_topics(*topics)
    ingresses = [world.start_ingress(), world.start_ingress()]
    with Deliveries(maesn, [i.ingress_port for i in ingresses], 300, SYSTEMS) as deliveries:
        def renewed(times):
            made = generations(maesn)
            return len(made) == SPECIFICATIONS and all(len(s) > times for s in made.values())

        wait.until(lambda: renewed(1), 60, "every subscription is renewed")
        world.request("of-freshbooks", "rotate")
        world.request("of-xero", "rotate")
        # A replica that comes back has to read the registry first.
        assert ingresses[0].stop() == 0
        ingresses[0].start()
        wait.until(lambda: renewed(2), 60, "every subscription is renewed again")
        # A process that is killed leaves its partitions to the next one.
        killed_at = time.monotonic()
        world.bridges[0].kill()
        world.start()
        wait.until(lambda: renewed(RENEWALS), 90, f"every subscription is renewed {RENEWALS} times")
        ended_at = time.monotonic()

    oracle = Oracle()
    refused = [d for d in deliveries.deliveries if any(400 <= status < 500 for status in d.statuses)]
    assert not refused, f"{len(refused)} genuine callbacks were refused, the first one: {refused[0].statuses} at {refused[0].subscription}"
    for delivery in deliveries.deliveries:
        for name in delivery.ids:
            oracle.sent(name)
            oracle.answered(name, delivery.answer)
    # The secret of what was being made when the process was killed is lost with it: what replaces that sends the same.
    orphans = {s.id for many in generations(maesn).values() for s in many if abs(s.made_at - killed_at) < 1}
    undelivered = [d for d in deliveries.deliveries if d.answer.status != 200 and d.subscription.id not in orphans]
    assert not undelivered, f"{len(undelivered)} were never taken, the first one: {undelivered[0].attempts} at {undelivered[0].subscription}"
    settled = oracle.settle(consumers.read_all(kafka, *topics))

    made = generations(maesn, ended_at)
    verifiable = {d.subscription.id for d in deliveries.deliveries if d.answer.status == 200}
    for subscriptions in made.values():
        check_coverage(subscriptions, verifiable, ended_at)
        # Renewed, not churned: one in 0.3 lifetimes at most, and the rotation that was asked for.
        lived_s = ended_at - subscriptions[0].made_at
        assert len(subscriptions) <= lived_s / (0.3 * LIFETIME_S) + 2, subscriptions[0].url
    again = sum(len(d.attempts) > 1 for d in deliveries.deliveries)
    print(f"{len(deliveries.deliveries)} callbacks to {sum(map(len, made.values()))} subscriptions of {SPECIFICATIONS}"
          f" specifications, {again} of them sent again; {len(settled.twice)} ids twice in Kafka")
