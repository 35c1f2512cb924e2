"""Charts as SVG, for the benchmarks of scripts/."""

import math

BLUE, GREY, TEXT, LABEL, LINE = "#1f5fa8", "#999999", "#222222", "#444444", "#dddddd"


def document(width, height, elements):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *elements, "</svg>", ""])


def label(x, y, text, anchor="start", size=12, colour=LABEL):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{colour}">{text}</text>')


class Axis:
    """Where values lie between `low` and `high`, in pixels."""

    def __init__(self, low, high, logarithmic=False):
        self.of = math.log10 if logarithmic else float
        self.low, self.high = low, high
        self.first = 0.0

    def spread(self, values):
        self.first, last = self.of(min(values)), self.of(max(values))
        self.scale = (self.high - self.low) / max(last - self.first, 1e-9)
        return self

    def __call__(self, value):
        return self.low + (self.of(value) - self.first) * self.scale


def step(most, lines):
    """The least round step with which so many lines reach `most`."""
    unit = 10.0 ** math.floor(math.log10(most / lines))
    return next(unit * m for m in (1, 2, 5, 10) if most / (unit * m) <= lines)


def curves(box, title, x_title, series, decades=False):
    """Lines over a logarithmic abscissa. The ordinate goes from 0 on, or in decades. `box`: left, top,
    width, height of the whole; `series`: name, colour, dashed, and points of each. Returns elements."""
    left, top, width, height = box
    numbers = [x for x, _ in series[0][3]]
    values = [y for s in series for _, y in s[3]]
    if decades:
        first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        ticks = [10.0 ** i for i in range(first, max(last, first + 1) + 1)]
    else:
        between = step(max(values), 8 if height > 250 else 4)
        ticks = [between * i for i in range(math.ceil(max(values) / between - 1e-9) + 1)]
    x = Axis(left + 76, left + width - 36, logarithmic=True).spread(numbers)
    y = Axis(top + height - 40, top + 32, logarithmic=decades).spread(ticks)
    out = [label(x.low, top + 16, title, size=14, colour=TEXT)]
    for value in ticks:
        out.append(f'<path d="M{x.low} {y(value):.1f}H{x.high}" stroke="{LINE}"/>')
        out.append(label(x.low - 8, y(value) + 4, f"{value:,.10g}", "end"))
    for number in numbers:
        short = f"10^{round(math.log10(number))}" if width < 500 else f"{number:,}"
        out.append(label(x(number), top + height - 22, short, "middle"))
    if x_title:
        out.append(label((x.low + x.high) / 2, top + height - 4, x_title, "middle"))
    for place, (name, colour, dashed, points) in enumerate(series):
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in points]
        if len(series) > 1:
            key = top + 38 + 18 * place
            out.append(f'<path d="M{x.low + 12} {key}h28" stroke="{colour}" stroke-width="2"{dashes}/>')
            out.append(label(x.low + 48, key + 4, name, colour=TEXT))
    return out


def bars(title, legend, rows):
    """A document of bars from 0, two to a row: `rows` are a label and two ratios. 1 is marked."""
    left, right, row, top = 190, 60, 26, 66
    width, height = 720, top + row * len(rows) + 20
    most = max(2.0, math.ceil(max(max(r[1:]) for r in rows) * 2) / 2)
    x = Axis(left, width - right).spread([0, most])
    colours = (BLUE, "#bbbbbb")
    out = [label(left, 20, title, size=14, colour=TEXT)]
    for place, text in enumerate(legend):
        at = left + 210 * place
        out.append(f'<rect x="{at}" y="30" width="12" height="8" fill="{colours[place]}"/>')
        out.append(label(at + 18, 38, text, colour=TEXT))
    for half in range(int(most * 2) + 1):
        out.append(f'<path d="M{x(half / 2):.1f} {top - 6}V{height - 16}" '
                   f'stroke="{LABEL if half == 2 else LINE}"/>')
        out.append(label(x(half / 2), top - 10, f"{half / 2:g}", "middle"))
    for i, (text, *values) in enumerate(rows):
        y = top + row * i
        out.append(label(left - 8, y + 14, text, "end", colour=TEXT))
        for place, value in enumerate(values):
            out.append(f'<rect x="{left}" y="{y + 2 + 9 * place}" width="{x(value) - left:.1f}" '
                       f'height="8" fill="{colours[place]}"/>')
        out.append(label(x(values[0]) + 5, y + 10, f"{values[0]:.2f}", size=10, colour=TEXT))
    return document(width, height, out)
