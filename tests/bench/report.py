"""The report of tests/bench/compare: from figures.json to Markdown, plots, and what the README shows of them.

    report.py DIRECTORY       writes DIRECTORY/README.md and the plots anew from DIRECTORY/figures.json; when that is
                              tests/bench/report, also what the repository's README and PERFORMANCE.md show of it
    report.py --check ROOT    says what in this tree does not agree with its figures, and exits with 1 then

Everything is computed from the figures alone: the same figures give the same bytes.
"""

import json
import pathlib
import re
import statistics
import sys

import goals
import plots

BRIDGE = "maesn-bridge"
REPORT = pathlib.PurePath("tests/bench/report")
BEGIN, END = "<!-- begin: tests/bench/compare -->\n", "<!-- end: tests/bench/compare -->\n"
SHOWN_IN = (pathlib.PurePath("README.md"), pathlib.PurePath("tests/bench/PERFORMANCE.md"))


def median(figures, key):
    return statistics.median(f[key] for f in figures)


def spread(figures, key, form=",.0f"):
    """The median and, of several rounds, the least and the most."""
    values = [f[key] for f in figures]
    middle = format(statistics.median(values), form)
    return middle if len(values) == 1 else f"{middle} ({min(values):{form}}–{max(values):{form}})"


def ratio(figures, ours, key):
    """Of ours to theirs, within each round."""
    return statistics.median(o[key] / f[key] if f[key] else 0 for o, f in zip(ours, figures))


def row(*cells):
    return "| " + " | ".join(str(c) for c in cells) + " |\n"


def table(heads, rows):
    """The first column is text, the others are numbers."""
    return row(*heads) + row("---", *["---:"] * (len(heads) - 1)) + "".join(row(*r) for r in rows)


def kept_up(figures, rate):
    return median(figures, "per_second") >= 0.98 * rate


def closed_table(by_name):
    ours = by_name[BRIDGE]
    rows = [(name, spread(f, "per_second"), f"{ratio(f, ours, 'per_second'):.2f}", spread(f, "cpu_us", ".1f"),
             f"{ratio(f, ours, 'cpu_us'):.2f}", f"{median(f, 'p50'):.1f}", f"{median(f, 'p99'):.1f}", f"{median(f, 'p99.9'):.1f}",
             f"{max(m['resident_mib'] for m in f):.0f}", sum(m["not_200"] for m in f))
            for name, f in sorted(by_name.items(), key=lambda item: -median(item[1], "per_second"))]
    return table(("", "callbacks/s", "the bridge's ÷ its", "CPU µs/callback", "the bridge's ÷ its", "p50 ms", "p99 ms", "p99.9 ms",
                  "RSS MiB", "not 200"), rows)


def open_table(by_name, rate):
    rows = []
    for name, f in sorted(by_name.items(), key=lambda item: median(item[1], "p99")):
        rows.append((name, "yes" if kept_up(f, rate) else f"no: {median(f, 'per_second'):,.0f}/s", f"{median(f, 'p50'):.2f}",
                     spread(f, "p99", ".1f"), f"{median(f, 'p99.9'):.1f}", f"{median(f, 'lag_p99'):.2f}", f"{median(f, 'cpu_us'):.1f}",
                     sum(m["not_200"] for m in f)))
    return table(("", "kept up", "p50 ms", "p99 ms", "p99.9 ms", "of it the sender's lag, p99 ms", "CPU µs/callback", "not 200"), rows)


def counted_table(by_name):
    def cell(counted, key):
        return f"{counted[key]:,.1f}" if key in counted else ""

    kinds = [(load, key) for key in ("system_calls", "instructions") for load in ("saturated", "5000")
             if any(key in c.get(load, {}) for c in by_name.values())]
    names = {"saturated": "256 connections", "5000": "5,000/s"}
    missing = "" if any(key == "instructions" for _, key in kinds) else "\nThis machine counts no instructions.\n"
    return table(("a callback", *(f"{key.replace('_', ' ')}, {names[load]}" for load, key in kinds)),
                 [(name, *(cell(c.get(load, {}), key) for load, key in kinds)) for name, c in by_name.items()]) + missing


def factors_table(factors, closed):
    changed = {"base case": closed, **factors}
    names = [name for name in closed if any(name in by_name for by_name in factors.values())]
    rows = [(what, *(f"{median(by_name[name], 'per_second'):,.0f} · {median(by_name[name], 'cpu_us'):,.0f}" if name in by_name else ""
                     for name in names)) for what, by_name in changed.items()]
    return table(("callbacks/s · CPU µs", *names), rows)


def small_table(figures):
    rows = []
    for name, about in figures["about"]["contestants"].items():
        starts = figures.get("starts", {}).get(name)
        closed = figures.get("closed", {}).get("256", {}).get(name)
        outage = figures.get("safety", {}).get(name, {}).get("outage")
        rows.append((name, spread(starts, "ready_ms") if starts else "", spread(starts, "acknowledged_ms") if starts else "",
                     f"{about['size_mib']:.1f}", f"{figures['idle_mib'][name]:.0f}" if "idle_mib" in figures else "",
                     f"{max(m['resident_mib'] for m in closed):.0f}" if closed else "",
                     f"{outage['growth_mib']:+.0f}" if outage else "", about["version"]))
    return table(("", "start → ready ms", "start → first 200 ms", "installed MiB", "RSS idle MiB", "256 connections", "in the outage",
                  "version"), rows)


def safety_table(safety):
    rows = []
    for name, s in safety.items():
        kill, terminate, outage = s["kill"], s["terminate"], s["outage"]
        rows.append((name, kill["lost"], outage["lost"] + terminate["lost"], f"{outage['held_after_non_2xx']:,}",
                     f"{outage['late']:,}", f"{outage['slowest_s']:.2f}", f"{terminate['reset']:,}", f"{terminate['refused']:,}",
                     f"{sum(x['acknowledged'] for x in s.values()):,}"))
    return table(("", "lost: SIGKILL", "lost: outage, SIGTERM", "in Kafka after a non-2xx", "answered late or not", "slowest answer s",
                  "reset by SIGTERM", "refused after it", "of acknowledged"), rows)


GROWTH = {"cpu_us": "CPU µs/callback", "per_second": "callbacks/s", "p99": "p99 ms", "resident_mib": "RSS MiB", "first_s": "first pass s",
          "pass_cpu_ms": "CPU ms of a steady pass", "listed": "accounts listed in it", "again_s": "restart to all listed s",
          "ready_ms": "start to ready ms", "read_ms": "of that reading ms", "cpu_ms": "CPU ms"}


def growth_tables(growth):
    parts = []
    for what, rows in growth.items():
        keys = [key for key in GROWTH if key in rows[0]]
        parts.append(table((what, *(GROWTH[key] for key in keys)), [(f"{r['at']:,}", *(f"{r[key]:,}" for key in keys)) for r in rows]))
    return "\n".join(parts)


def where(figures):
    about = figures["about"]
    machine = about["machine"]
    return (f"{about['taken']}, {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, {machine['linux']};"
            f" sender, contestants and one Kafka 4.3.0 broker on them, in turns; acks=all, {about['accounts']:,} routes with a secret"
            f" each, one signed event a callback, {about['partitions']} partitions; medians of {about['rounds']}"
            f" round{'s' * (about['rounds'] > 1)} of {about['seconds']} s, ratios within a round. Before it began the machine's load was"
            f" {machine['load_before']}, and a program with nothing to do woke up {machine['noise_ms']['p99']:.2f} ms late (p99;"
            f" {machine['noise_ms']['p99.9']:.2f} ms p99.9)")


def headline(figures):
    """What the README shows."""
    safety, closed = figures.get("safety", {}), figures.get("closed", {}).get("256", {})
    rows = []
    for name in sorted(closed, key=lambda n: -median(closed[n], "per_second")):
        f, s = closed[name], safety.get(name)
        p99 = [figures.get("open", {}).get(str(rate), {}).get(name) for rate in (5000, 10000, 20000)]
        cells = [f"{median(m, 'p99'):.1f}" if m and kept_up(m, rate) else "–" for m, rate in zip(p99, (5000, 10000, 20000))]
        starts = figures.get("starts", {}).get(name)
        rows.append((f"**{name}**" if name == BRIDGE else name, f"{median(f, 'per_second'):,.0f}", f"{median(f, 'cpu_us'):.0f}", *cells,
                     f"{max(m['resident_mib'] for m in f):.0f}", f"{s['outage']['growth_mib']:+.0f}" if s else "",
                     f"{median(starts, 'ready_ms'):.0f}" if starts else "", f"{figures['about']['contestants'][name]['size_mib']:.0f}",
                     *((sum(x["lost"] for x in s.values()), f"{s['outage']['held_after_non_2xx']:,}", f"{s['outage']['late']:,}",
                        f"{s['terminate']['reset']:,}") if s else ("",) * 4)))
    heads = ("", "callbacks/s", "CPU µs each", "p99 ms at 5,000/s", "10,000/s", "20,000/s", "RSS MiB", "more in an outage", "ready ms",
             "installed MiB", "lost", "in Kafka though refused", "late", "reset")
    text = f"{where(figures)}:\n\n{table(heads, rows)}\n" + READING
    return text + "".join(f"\n![{plots.TITLES[name]}]({REPORT}/{name})\n" for name in plots.draw(figures))


READING = """callbacks/s, CPU and RSS at 256 connections in lock-step; p99 counted from when a callback should have been sent, "–" where the rate
was not kept up; more in an outage: memory that 30 s without a broker take at 200/s; lost: acknowledged, and not in Kafka after
a SIGKILL, a SIGTERM or the outage; in Kafka though refused: answered otherwise than 2xx in the outage, and delivered
nevertheless; late: not answered within 3 s (the deadline is 2.5 s); reset: sent, and never answered, at SIGTERM under 2,000/s.
"""


def text(figures):
    """The whole report."""
    parts = ["# The bridge beside its alternatives\n", f"{where(figures)}. Written by `{figures['about']['command']}`; the contestants are"
             " in [`tests/bench/peers`](../peers).\n"]
    if goals.rows(figures):
        parts += ["## What it should show\n", table(("", "measured", "met"), goals.rows(figures))]
    for connections, by_name in figures.get("closed", {}).items():
        parts += [f"## {connections} connections in lock-step\n", closed_table(by_name)]
    if "open" in figures:
        parts.append("## Fixed rates\n\nThe latency is counted from when a callback should have been sent. The lag is how late the sender"
                     " itself was: the scheduler's noise, which is in every latency.\n")
    for rate, by_name in figures.get("open", {}).items():
        parts += [f"### {int(rate):,}/s\n", open_table(by_name, int(rate))]
    if "counted" in figures:
        parts += ["## System calls and instructions\n", counted_table(figures["counted"])]
    if "factors" in figures and "closed" in figures:
        parts += ["## One thing changed at a time\n\n256 connections in lock-step; the best of each language.\n",
                  factors_table(figures["factors"], figures["closed"]["256"])]
    if "starts" in figures or "idle_mib" in figures:
        parts += ["## Start, size and memory\n\nInstalled: the stripped program, its libraries down to the C library, and what it is"
                  " interpreted by.\n", small_table(figures)]
    if "safety" in figures:
        parts += ["## Safety\n\nSIGKILL at 1,000/s, SIGTERM at 2,000/s, and a broker that is killed and back after 30 s at 200/s.\n",
                  safety_table(figures["safety"])]
    if "growth" in figures:
        parts += ["## How the bridge's cost grows\n\n64 connections in lock-step.\n", growth_tables(figures["growth"])]
    parts += [f"![{plots.TITLES[name]}]({name})\n" for name in plots.draw(figures)]
    return "\n".join(parts)


def shown(root, file, figures):
    """The file's text with its part between the markers written anew; without figures nothing stands there."""
    before, rest = (root / file).read_text().split(BEGIN)
    _, after = rest.split(END)
    part = headline(figures) if figures else ""
    if file.parent.parts:
        part = part.replace(f"]({REPORT}/", f"]({REPORT.name}/")
    return before + BEGIN + part + END + after


def report_of(directory, figures):
    """{file: what it should hold}."""
    return {directory / "README.md": text(figures), **{directory / name: svg for name, svg in plots.draw(figures).items()}}


def expected(root):
    """The same for a whole tree."""
    report = root / REPORT
    figures = json.loads((report / "figures.json").read_text()) if (report / "figures.json").exists() else None
    files = report_of(report, figures) if figures else {}
    return files | {root / file: shown(root, file, figures) for file in SHOWN_IN
                    if (root / file).exists() and BEGIN in (root / file).read_text()}


def write(directory):
    directory = directory.resolve()
    is_published = directory.parts[-3:] == REPORT.parts
    files = expected(directory.parents[2]) if is_published else report_of(
        directory, json.loads((directory / "figures.json").read_text()))
    for file, content in files.items():
        file.write_text(content)


def dump(figures, file):
    """As JSON, a measurement a line."""
    lines = json.dumps(figures, indent=1)
    file.write_text(re.sub(r"\{[^{}\[\]]*\}", lambda found: " ".join(found[0].split()), lines) + "\n")


def main():
    if sys.argv[1:2] != ["--check"]:
        write(pathlib.Path(sys.argv[1]))
        return 0
    root = pathlib.Path(sys.argv[2])
    stale = [file for file, content in expected(root).items() if not file.exists() or file.read_text() != content]
    for file in stale:
        print(f"{file.relative_to(root)}: does not agree with the figures: python3 tests/bench/report.py {REPORT}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
