"""Senders that wait for their answers, each of a key of its own: what the promise of order is about."""

import asyncio
import collections
import time

from harness.bridge import route
from harness.sender import Connection, encode, event, signed_request


def routes(count):
    return [route(f"account-{n}") for n in range(count)]


class KeyedLoad:
    """Each account sends its events one after the other, the next when the one before was answered 200; anything else
    and it sends the same one again after `again_s`. `oracle` hears of each event's first sending and last answer."""

    def __init__(self, port, accounts, secret, rate, oracle=None, padding=0, again_s=0.2):
        self.port, self.accounts, self.secret, self.rate = port, accounts, secret, rate
        self.oracle, self.padding, self.again_s = oracle, "x" * padding, again_s
        self.answers = []  # (id, Answer) in the order of the answers
        self.done = collections.Counter()  # account -> events answered 200
        self._stopping = False
        self._tasks = []

    async def __aenter__(self):
        started_at = time.monotonic()
        self._tasks = [asyncio.create_task(self._run(n, started_at)) for n in range(self.accounts)]
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def _send(self, connection, account, name):
        """Until it is answered 200, or it is all over."""
        body = encode(event(name, padding=self.padding))
        data = signed_request(f"/in/maesn/{account}/by-hand", body, self.secret)
        while True:
            answer = await connection.exchange(data)
            self.answers.append((name, answer))
            if self.oracle:
                self.oracle.answered(name, answer)
            if answer.status == 200:
                return True
            if self._stopping:
                return False
            await asyncio.sleep(self.again_s)

    async def _run(self, n, started_at):
        account, interval = f"account-{n}", self.accounts / self.rate
        connection, count = Connection(self.port), 0
        next_at = started_at + interval * n / self.accounts
        while not self._stopping:
            await asyncio.sleep(max(0, next_at - time.monotonic()))
            next_at = max(next_at + interval, time.monotonic() - 1)
            name = f"{account}:{count}"
            if self.oracle:
                self.oracle.sent(name)
            if await self._send(connection, account, name):
                count += 1
                self.done[account] = count
        await connection.close()

    async def stop(self):
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def since(self, mono):
        return [answer for _, answer in self.answers if answer.sent_at >= mono]

    async def run(self, seconds):
        """Lets it go on for so long."""
        await asyncio.sleep(seconds)


def percentile(answers, share):
    """Of the time an answer took, in milliseconds."""
    times = sorted(answer.elapsed for answer in answers)
    return 1000 * times[min(len(times) - 1, int(len(times) * share))] if times else 0.0


def quiet_percentile(answers, share, window_s):
    """The lower quartile of that percentile in windows of so many seconds, by when the answers were asked for. What shares
    the machine delays some windows, now and then most of them; what is slow in itself is slow in all."""
    first = min(answer.sent_at for answer in answers)
    windows = collections.defaultdict(list)
    for answer in answers:
        windows[int((answer.sent_at - first) / window_s)].append(answer)
    return sorted(percentile(window, share) for window in windows.values())[len(windows) // 4]


def check_order(records):
    """Each key's events are there in the order in which they were sent; returns how many copies there are too many."""
    seen, last = set(), {}
    for record in sorted(records, key=lambda r: (r.topic, r.partition, r.offset)):
        name = record.name
        if name in seen:
            continue
        seen.add(name)
        account, number = name.split(":")
        assert last.get(account, -1) < int(number), f"{name} is in Kafka after {account}:{last[account]}"
        last[account] = int(number)
    return len(records) - len(seen)
