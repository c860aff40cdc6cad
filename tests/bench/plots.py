"""The report's plots as SVG, the same bytes for the same figures."""

import math
import statistics
from xml.sax.saxutils import escape

BRIDGE = "maesn-bridge"
TITLES = {"latency.svg": "p99 against rate", "cpu.svg": "CPU per callback", "routes.svg": "CPU per callback against routes"}
# Colours that stay apart for those who see red and green alike; after Okabe and Ito. The bridge has the first one.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#9467bd", "#8c6d31", "#17becf", "#7f7f7f")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 760, 360, 60, 40, 50, 270


def _median(figures, key):
    return statistics.median(f[key] for f in figures)


def _text(x, y, text, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>\n'


def _svg(title, content, height=HEIGHT):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
            f'<title>{escape(title)}</title>\n<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
            + _text(LEFT, 22, title, more=' font-size="15" font-weight="bold"') + content + "</svg>\n")


def _colours(names):
    ordered = sorted(names, key=lambda name: name != BRIDGE)
    return {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(ordered)}


def _axis(low, high, is_log):
    """Ticks from below the least to above the most value."""
    if is_log:
        return [10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    step = 10 ** math.floor(math.log10(high))
    step = next(s for s in (step / 5, step / 2, step, step * 2) if high / s <= 8)
    return [n * step for n in range(math.ceil(high / step) + 1)]


def lines(title, series, x_name, y_name, x_log=False, y_log=False):
    """series: {name: [(x, y)]}."""
    xs = sorted({x for points in series.values() for x, _ in points})
    values = [y for points in series.values() for _, y in points]
    ticks = _axis(max(min(values), 0.01), max(values), y_log)
    right, bottom = WIDTH - LEGEND, HEIGHT - BOTTOM
    scale = math.log10 if y_log else float
    x_scale = math.log10 if x_log else float

    def at_x(x):
        span = x_scale(xs[-1]) - x_scale(xs[0])
        return LEFT + 20 + (right - LEFT - 40) * ((x_scale(x) - x_scale(xs[0])) / span if span else 0.5)

    def at_y(y):
        low, high = scale(ticks[0]), scale(ticks[-1])
        return bottom - (bottom - TOP) * (scale(max(y, ticks[0])) - low) / (high - low)

    out = ""
    for tick in ticks:
        out += f'<line x1="{LEFT}" y1="{at_y(tick):.1f}" x2="{right}" y2="{at_y(tick):.1f}" stroke="#dddddd"/>\n'
        out += _text(LEFT - 6, at_y(tick) + 4, f"{tick:,g}", "end")
    for x in xs:
        out += _text(at_x(x), bottom + 18, f"{x:,}", "middle")
    out += _text((LEFT + right) / 2, HEIGHT - 10, x_name, "middle") + _text(LEFT - 50, TOP - 6, y_name)
    colours = _colours(series)
    ranked = sorted(series, key=lambda name: (series[name][-1][0] < xs[-1], series[name][-1][1]))
    for n, name in enumerate(ranked):
        width = 3 if name == BRIDGE else 1.5
        points = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in series[name])
        out += f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="{width}"/>\n'
        out += "".join(f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="{width + 1}" fill="{colours[name]}"/>\n' for x, y in series[name])
        y = TOP + 14 + n * 20
        out += f'<line x1="{right + 12}" y1="{y - 4}" x2="{right + 32}" y2="{y - 4}" stroke="{colours[name]}" stroke-width="3"/>\n'
        out += _text(right + 38, y, name, more=' font-weight="bold"' if name == BRIDGE else "")
    return _svg(title, out)


def bars(title, groups, unit):
    """groups: {name: [(what, value)]}, the least first. One bar for each, its value beside it."""
    most = max(value for rows in groups.values() for _, value in rows)
    left, out, y = 290, "", TOP + 4
    for name, rows in groups.items():
        colour = COLOURS[0] if name == BRIDGE else COLOURS[1]
        out += _text(left - 8, y + 8 + 7 * len(rows) - 3, name, "end", ' font-weight="bold"' if name == BRIDGE else "")
        for n, (what, value) in enumerate(rows):
            width = (WIDTH - left - 150) * value / most
            out += f'<rect x="{left}" y="{y + 14 * n}" width="{width:.1f}" height="12" fill="{colour}" fill-opacity="{1 - 0.5 * n:g}"/>\n'
            out += _text(left + width + 5, y + 14 * n + 10, f"{value:,.0f} {unit}, {what}", more=' font-size="10"')
        y += 14 * len(rows) + 10
    return _svg(title, out, y + 10)


def _latency(figures):
    series = {}
    for rate, by_name in figures.get("open", {}).items():
        for name, f in by_name.items():
            if _median(f, "per_second") >= 0.98 * int(rate):
                series.setdefault(name, []).append((int(rate), _median(f, "p99")))
    if series:
        return lines("p99 in ms, counted from when a callback should have been sent", series, "callbacks a second (where kept up)",
                     "", y_log=True)
    return None


def _cpu(figures):
    saturated, slow = figures.get("closed", {}).get("256"), figures.get("open", {}).get("5000", {})
    if not saturated:
        return None
    groups = {name: [("256 connections", _median(f, "cpu_us")), *([("5,000/s", _median(slow[name], "cpu_us"))] if name in slow else [])]
              for name, f in sorted(saturated.items(), key=lambda item: _median(item[1], "cpu_us"))}
    return bars("CPU µs a callback", groups, "µs")


def _routes(figures):
    factors, closed = figures.get("factors", {}), figures.get("closed", {}).get("256", {})
    if "1 route" not in factors or "100,000 routes" not in factors:
        return None
    series = {name: [(count, _median(by_name[name], "cpu_us")) for count, by_name in (
        (1, factors["1 route"]), (1000, closed), (100000, factors["100,000 routes"]))] for name in factors["1 route"]}
    return lines("CPU µs a callback, 256 connections", series, "routes, each with a secret of its own", "", x_log=True, y_log=True)


def draw(figures):
    """{file name: SVG} of the plots that the figures are enough for."""
    drawn = {"latency.svg": _latency(figures), "cpu.svg": _cpu(figures), "routes.svg": _routes(figures)}
    return {name: svg for name, svg in drawn.items() if svg}
