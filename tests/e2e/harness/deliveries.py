"""What a provider sends: signed callbacks for every subscription that lives, without pause."""

import asyncio
import collections
import dataclasses
import threading
import time

from harness.reconciler import PUBLIC_URL
from harness.sender import Connection, encode, event, signed_request

# Systems whose notifications are arrays. Source: Maesn, "Webhooks", 2026-02-13.
ARRAY_SYSTEMS = ("businesscentral", "quickbooks", "xero")


@dataclasses.dataclass
class Delivery:
    """One callback, sent again until somebody takes or refuses it."""

    subscription: object
    ids: list
    attempts: list = dataclasses.field(default_factory=list)  # of Answer

    @property
    def statuses(self):
        return [answer.status for answer in self.attempts]

    @property
    def answer(self):
        return self.attempts[-1] if self.attempts else None


class Deliveries:
    """So many callbacks a second, to the ports in turn, each subscription with its own secret at the URL that it was
    made with; from the moment that it exists, and for `queued_s` after its end: what was in the provider's queue then.
    What is answered 5xx, or not at all, is sent again after Retry-After, a second without one, `tries` times at most:
    a sender that waits longer would only be kinder.

    Runs in a thread of its own. `ports` may be changed meanwhile. systems: {account key: system}."""

    def __init__(self, maesn, ports, rate, systems, connections=48, queued_s=15.0, tries=12):
        self.maesn, self.ports, self.rate, self.systems = maesn, list(ports), rate, systems
        self.connections, self.queued_s, self.tries = connections, queued_s, tries
        self.deliveries = []
        self.by_subscription = collections.Counter()
        self.failure = None
        self._stopping = False
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Every callback gets its last answer."""
        self._stopping = True
        self._thread.join(120)
        assert not self._thread.is_alive(), "callbacks are still under way"
        if self.failure:
            raise self.failure

    def _main(self):
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self.failure = error

    async def _run(self):
        queue = asyncio.Queue()
        senders = [asyncio.create_task(self._send(queue)) for _ in range(self.connections)]
        next_at = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            for subscription in self._sendable(now):  # one of each a round: each has its share of the rate
                queue.put_nowait(self._make(subscription))
                next_at = max(next_at, now - 0.5) + 1 / self.rate
            await asyncio.sleep(max(0.005, next_at - time.monotonic()))
        for _ in senders:
            queue.put_nowait(None)
        await asyncio.gather(*senders)

    def _sendable(self, now):
        with self.maesn.lock:
            self.maesn.expire()
            queued = [s for s in self.maesn.ended if s.ended_at > now - self.queued_s]
            return [s for s in (*self.maesn.subscriptions.values(), *queued) if s.url.startswith(PUBLIC_URL + "/in/")]

    def _make(self, subscription):
        self.by_subscription[subscription.id] += 1
        number = self.by_subscription[subscription.id]
        is_array = self.systems[subscription.account_key] in ARRAY_SYSTEMS
        delivery = Delivery(subscription, [f"{subscription.id}/{number}/{i}" for i in range(2 if is_array else 1)])
        self.deliveries.append(delivery)
        return delivery

    async def _send(self, queue):
        connections = {}
        while (delivery := await queue.get()) is not None:
            resource, event_type = delivery.subscription.specification
            events = [event(name, resource or "INVOICE", event_type or "UPDATED") for name in delivery.ids]
            is_array = self.systems[delivery.subscription.account_key] in ARRAY_SYSTEMS
            body = encode(events if is_array else events[0])
            data = signed_request(delivery.subscription.path, body, delivery.subscription.secret)
            for attempt in range(self.tries):
                port = self.ports[(hash(delivery.ids[0]) + attempt) % len(self.ports)]
                connection = connections.setdefault(port, Connection(port))
                answer = await connection.exchange(data, seconds=10)
                delivery.attempts.append(answer)
                if answer.status and answer.status < 500:
                    break
                await asyncio.sleep(float(answer.retry_after or 1))
        for connection in connections.values():
            await connection.close()
