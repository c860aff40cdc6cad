"""Bounded waiting for a condition: the only way the tests wait."""

import time


def until(condition, seconds, what):
    """Returns condition()'s first true value; fails when it has not come after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)  # only paces the probing
