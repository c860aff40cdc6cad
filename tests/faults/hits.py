"""When victims were hit in fact, which is not when it was planned, and what was under way then."""

import dataclasses

from faults.schedule import Fault

# A callback that nobody answered 200 may be at work in the bridge for a while: its deadline, and what a frozen bridge takes longer.
UNDER_WAY_S = 10
# What was sent just after the end may still meet what has ended.
SLACK_S = 0.5


@dataclasses.dataclass(frozen=True)
class Hit:
    fault: Fault
    since: float  # monotonic
    until: float


def overlaps(hit, since, until, slack_s=SLACK_S):
    """Whether the hit, or what may be felt of it afterwards, falls into this time."""
    return since < hit.until + slack_s and until > hit.since


def was_under_way(answer, hit, is_spooled):
    """Whether the callback with this Answer may have been sent to a broker while the hit lasted. is_spooled: it may have been kept
    on a disk until then."""
    if answer.sent_at >= hit.until + SLACK_S:
        return False
    ended_at = answer.sent_at + answer.elapsed
    return is_spooled or (ended_at if answer.status == 200 else ended_at + UNDER_WAY_S) > hit.since
