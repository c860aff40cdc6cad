"""What the bridge should show beside its alternatives, and whether the figures do."""

import statistics

BRIDGE = "maesn-bridge"


def _median(figures, key):
    return statistics.median(f[key] for f in figures)


def _others(figures, by_name):
    """Contestants that lost nothing, as far as that was measured."""
    safety = figures.get("safety", {})
    return {name: f for name, f in by_name.items() if name != BRIDGE and not sum(s["lost"] for s in safety.get(name, {}).values())}


def _beside_the_best(figures, by_name, key, best):
    """(ratio within each round to the best safe contestant, that contestant's name)."""
    others = _others(figures, by_name)
    name = best(others, key=lambda n: _median(others[n], key))
    return statistics.median(o[key] / f[key] for o, f in zip(by_name[BRIDGE], others[name])), name


def _of_speed(figures):
    closed = figures.get("closed", {}).get("256", {})
    if len(closed) > 1:
        ratio, name = _beside_the_best(figures, closed, "per_second", max)
        yield "256 connections: callbacks/s ≥ 1.5 × the best safe contestant's", f"{ratio:.2f} × {name}", ratio >= 1.5
        ratio, name = _beside_the_best(figures, closed, "cpu_us", min)
        yield "256 connections: CPU a callback ≤ 0.6 × the best's", f"{ratio:.2f} × {name}", ratio <= 0.6
    for rate, by_name in figures.get("open", {}).items():
        ours = by_name.get(BRIDGE)
        fit = {name: f for name, f in by_name.items() if _median(f, "per_second") >= 0.98 * int(rate)}
        if rate == "20000":
            p99, kept = _median(ours, "p99"), BRIDGE in fit
            yield "20,000/s kept up with p99 ≤ 25 ms", f"{p99:.1f} ms{'' if kept else ', not kept up'}", kept and p99 <= 25
        elif BRIDGE in fit and len(fit) > 1:
            ratio, name = _beside_the_best(figures, fit, "p99", min)
            yield f"{int(rate):,}/s: p99 ≤ the best contestant's", f"{_median(ours, 'p99'):.1f} ms, {ratio:.2f} × {name}", ratio <= 1
        if rate == "5000" and len(fit) > 1:
            ratio, name = _beside_the_best(figures, fit, "cpu_us", min)
            yield "5,000/s: CPU a callback ≤ 0.8 × the best's", f"{ratio:.2f} × {name}", ratio <= 0.8


def _of_size(figures):
    ours = figures.get("closed", {}).get("256", {}).get(BRIDGE)
    if ours:
        most = max(m["resident_mib"] for m in ours)
        yield "RSS at 256 connections ≤ 26 MiB", f"{most:.1f} MiB", most <= 26
    if "starts" in figures:
        ready = _median(figures["starts"][BRIDGE], "ready_ms")
        yield "start to ready ≤ 50 ms", f"{ready:.0f} ms", ready <= 50


def _of_safety(figures):
    if "safety" not in figures:
        return
    ours = figures["safety"][BRIDGE]
    lost, outage = sum(x["lost"] for x in ours.values()), ours["outage"]
    yield "nothing acknowledged is lost", f"{lost} of {sum(x['acknowledged'] for x in ours.values()):,}", lost == 0
    yield "a 30 s outage at 200/s takes ≤ 10 MiB", f"{outage['growth_mib']:.1f} MiB", outage["growth_mib"] <= 10
    yield "every answer within the deadline and 0.5 s in the outage", f"{outage['late']} late, slowest {outage['slowest_s']} s", not outage["late"]
    reset = ours["terminate"]["reset"] + ours["terminate"]["unanswered"]
    yield "SIGTERM at 2,000/s resets nothing", f"{reset} of {ours['terminate']['sent']:,}", reset == 0


def _of_growth(figures):
    growth = figures.get("growth")
    if not growth:
        return
    routes, arrays, accounts = growth["routes"], growth["events in an array"], growth["accounts of the reconciler"]
    times = routes[-1]["cpu_us"] / routes[0]["cpu_us"]
    yield f"{routes[-1]['at']:,} routes cost ≤ 1.1 × one", f"{times:.2f} ×", times <= 1.1
    cost = {r["at"]: r["cpu_us"] for r in arrays}
    yield "an array of 20 costs ≤ 6 × one event", f"{cost[20] / cost[1]:.1f} ×", cost[20] <= 6 * cost[1]
    # What is left when the fixed cost, the first row's, is taken off: the cost of one more account.
    slopes = [(r["pass_cpu_ms"] - accounts[0]["pass_cpu_ms"]) / (r["at"] - accounts[0]["at"]) for r in accounts[1:]]
    yield ("the reconciler's pass is linear in accounts", " · ".join(f"{s * 1000:.0f} µs" for s in slopes) + " an account",
           slopes[-1] <= 1.25 * slopes[0])


def rows(figures):
    """[(goal, measured, "yes" or "**no**")]"""
    found = [row for part in (_of_speed, _of_size, _of_safety, _of_growth) for row in part(figures)]
    return [(goal, measured, "yes" if met else "**no**") for goal, measured, met in found]
