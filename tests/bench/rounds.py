"""Measuring in turns."""

import hashlib
import statistics

import load


def accounts_of(count):
    """[(account, path, secret)]"""
    return [(name, f"/in/maesn/{name}/by-hand", hashlib.sha256(name.encode()).hexdigest())
            for name in (f"account-{n}" for n in range(count))]


def measure(one, requests, **options):
    """What the contestant does under this load, and what that costs it."""
    before = one.cpu_seconds()
    got = load.run(requests, one.port, **options)
    cpu_s = one.cpu_seconds() - before
    acknowledged = got["statuses"].get("200", 0)
    return {"per_second": round(got["per_second"]), **{name: got["latency_ms"][name] for name in ("p50", "p99", "p99.9")},
            "lag_p99": got["lag_ms"]["p99"], "cpu_us": round(cpu_s / max(1, acknowledged) * 1e6, 1),
            "resident_mib": round(one.resident_mib(), 1),
            "not_200": got["answers"] - acknowledged + sum(got["failures"].values())}


def take_turns(bench, contestants, what, run, rounds=None):
    """{name: [a figure a round]}. Each round begins with another one."""
    figures = {name: [] for name in contestants}
    names = list(contestants)
    for n in range(rounds or bench.rounds):
        at = n % max(1, len(names))
        for name in names[at:] + names[:at]:
            figures[name].append(run(contestants[name]))
            bench.say(f"{what}, round {n + 1}: {name}: " + ", ".join(f"{k} {v:,}" for k, v in figures[name][-1].items()))
    return figures


def median(figures, key):
    return statistics.median(f[key] for f in figures)
