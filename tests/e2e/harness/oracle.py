"""What the bridge owes: a ledger of every event that was sent, what was answered, and what Kafka holds."""

import collections
import json


class Oracle:
    """An answer is an obligation: 200 says it is in Kafka; a 4xx says it never will be; a 503 or a broken connection
    promises nothing, but what was answered 503 should not be there."""

    def __init__(self):
        self.answers = {}  # id -> Answer, or None while there is none

    def sent(self, name):
        assert name not in self.answers, f"{name} is sent twice"
        self.answers[name] = None

    def answered(self, name, answer):
        self.answers[name] = answer

    def named(self, condition):
        """The ids whose answer meets the condition."""
        return {name for name, answer in self.answers.items() if answer is not None and condition(answer)}

    def settle(self, records):
        """Checks the obligations against what Kafka holds; returns the ids that are there although their answer was
        503 or none came: what was under way when something broke."""
        held = collections.Counter(json.loads(record.value)["resourceId"] for record in records)
        delivered = self.named(lambda a: a.status == 200)
        refused = self.named(lambda a: 400 <= a.status < 500)
        lost = delivered - held.keys()
        assert not lost, f"{len(lost)} of {len(delivered)} answered 200 are not in Kafka: {sorted(lost)[:10]}"
        kept = refused & held.keys()
        assert not kept, f"{len(kept)} were refused and yet produced: {sorted(kept)[:10]}"
        strange = held.keys() - self.answers.keys()
        assert not strange, f"nobody sent {sorted(strange)[:10]}"
        twice = {name for name in delivered if held[name] > 1}
        return Settlement(held, delivered, set(held) - delivered, twice)


Settlement = collections.namedtuple("Settlement", "held delivered unacknowledged twice")
Settlement.__doc__ = """held: how often each id is in Kafka; delivered: ids answered 200; unacknowledged: ids in Kafka
without a 200; twice: ids answered 200 that are there more than once."""
