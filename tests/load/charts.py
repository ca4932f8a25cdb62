# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts over time as HTML with inline SVG. Shapes stretch with the page, words and lines keep their size."""

from __future__ import annotations

import dataclasses
import html
import math
import typing as t

from batches import Batch

SIZE = 1000  # of every drawing; it is stretched to its place


@dataclasses.dataclass(frozen=True)
class TimeAxis:
    """From `start` to `end`; `zero` is what the axis calls 0. Seconds since the epoch."""

    start: float
    end: float
    zero: float

    def share(self, time: float) -> float:
        return min(1.0, max(0.0, (time - self.start) / (self.end - self.start)))

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels of at most twelve round times."""
        step = next(
            (size for size in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600) if (self.end - self.start) / size <= 12), 3600
        )
        first = math.ceil((self.start - self.zero) / step)
        last = math.floor((self.end - self.zero) / step)
        return [(self.share(self.zero + number * step), f"{number * step}") for number in range(first, last + 1)]


@dataclasses.dataclass(frozen=True)
class Scale:
    """Values on the other axis: linear from 0, or logarithmic."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        if self.logarithmic:
            value = max(value, self.low)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def linear(highest: float) -> Scale:
    """From 0 to a round number above the highest value, with three to five steps."""
    highest = max(highest, 1)
    magnitude = 10 ** math.floor(math.log10(highest))
    step = next(size * magnitude for size in (0.2, 0.5, 1, 2, 5, 10) if highest * 1.02 / (size * magnitude) <= 5)
    count = math.ceil(highest * 1.02 / step)
    return Scale(0, count * step, tuple(number * step for number in range(count + 1)))


def logarithmic(values: t.Iterable[float]) -> Scale:
    """From the 1, 2 or 5 below the lowest value to the one above the highest."""
    found = [value for value in values if value > 0] or [1.0]
    steps = [size * 10.0**power for power in range(-3, 7) for size in (1, 2, 5)]
    low = max(step for step in steps if step <= max(min(found), steps[0]))
    high = min(step for step in steps if step >= min(max(*found, low * 10), steps[-1]))
    inside = [step for step in steps if low <= step <= high]
    shown = inside if len(inside) <= 7 else [step for step in inside if f"{step:e}"[0] == "1"]
    return Scale(low, high, tuple(shown), True)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:g}"


def stacked(
    layers: t.Mapping[str, t.Sequence[float]],
    axis: TimeAxis,
    start: float,
    scale: Scale,
    classes: t.Mapping[str, str] | None = None,
) -> str:
    """Areas on top of each other, one value a second held for that second.

    Args:
        classes: of the style sheet, by layer; a layer without one has a class of its own name.
    """
    base = [0.0] * max((len(values) for values in layers.values()), default=0)
    shapes = []
    for name, values in layers.items():
        top = [low + value for low, value in zip(base, values)]
        forward = _steps(top, axis, start, scale)
        backward = list(reversed(_steps(base, axis, start, scale)))
        shapes.append(f'<path class="area {(classes or {}).get(name, name)}" d="M{" L".join(forward + backward)}Z"/>')
        base = top
    return "".join(shapes)


def _steps(values: t.Sequence[float], axis: TimeAxis, start: float, scale: Scale) -> list[str]:
    points = []
    for second, value in enumerate(values):
        y = (1 - scale.share(value)) * SIZE
        for time in (start + second, start + second + 1):
            points.append(f"{axis.share(time) * SIZE:.1f} {y:.1f}")
    return points


def line(name: str, values: t.Sequence[float | None], axis: TimeAxis, start: float, scale: Scale) -> str:
    """A line through the middles of the seconds; broken where there is no value."""
    path, pen = [], "M"
    for second, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x = axis.share(start + second + 0.5) * SIZE
        path.append(f"{pen}{x:.1f} {(1 - scale.share(value)) * SIZE:.1f}")
        pen = "L"
    return f'<path class="line {name}" d="{"".join(path)}"/>'


def bands(found: t.Sequence[Batch], axis: TimeAxis) -> str:
    """The batches as bands behind what is drawn."""
    shapes = []
    for index, batch in enumerate(found):
        x = axis.share(batch.whole.start) * SIZE
        width = axis.share(batch.whole.end) * SIZE - x
        shapes.append(f'<rect class="band b{index % 2}" x="{x:.1f}" y="0" width="{width:.1f}" height="{SIZE}"/>')
    return "".join(shapes)


def band_labels(found: t.Sequence[Batch], axis: TimeAxis) -> str:
    labels = []
    for batch in found:
        left, right = axis.share(batch.whole.start), axis.share(batch.whole.end)
        if right - left < 0.025:
            continue
        text = f"batch {batch.number}" if right - left > 0.1 else str(batch.number)
        labels.append(f'<span class="bandlabel" style="left:{(left + right) * 50:.2f}%">{text}</span>')
    return "".join(labels)


def marks(times: t.Sequence[float], axis: TimeAxis) -> str:
    """Upright dashed lines."""
    places = [axis.share(time) * SIZE for time in times if axis.start <= time <= axis.end]
    return "".join(f'<path class="mark" d="M{x:.1f} 0V{SIZE}"/>' for x in places)


def chart(
    drawing: str, axis: TimeAxis, scale: Scale, *, unit: str, over: str = "", height: int = 180, title: str = ""
) -> str:
    """A plot with its axes.

    Args:
        drawing: SVG in a field of SIZE by SIZE.
        over: HTML laid over the plot.
        title: said to those who do not see the drawing.
    """
    grid = "".join(f'<path class="grid" d="M0 {(1 - scale.share(tick)) * SIZE:.1f}H{SIZE}"/>' for tick in scale.ticks)
    labels = "".join(
        f'<span style="top:{(1 - scale.share(tick)) * 100:.2f}%">{number(tick)}</span>' for tick in scale.ticks
    )
    return (
        f'<div class="chart"><div class="unit">{html.escape(unit)}</div>'
        f'<div class="y" style="height:{height}px">{labels}</div>'
        f'<div class="plot" style="height:{height}px">{_svg(grid + drawing, title)}{over}<i class="cursor"></i></div>'
        f"{time_labels(axis)}</div>"
    )


def time_labels(axis: TimeAxis) -> str:
    labels = "".join(f'<span style="left:{share * 100:.2f}%">{text}</span>' for share, text in axis.ticks())
    return f'<div class="x">{labels}</div>'


def _svg(drawing: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none" role="img" aria-label="{html.escape(title)}">'
        f"{drawing}</svg>"
    )


def timeline(hosts: t.Mapping[str, t.Sequence[float]], found: t.Sequence[Batch], axis: TimeAxis, start: float) -> str:
    """A row per host: its phases as labelled bars, and under them how much it answered each second."""
    highest = max((max(values, default=0) for values in hosts.values()), default=0)
    scale = Scale(0, max(highest, 1), ())
    rows = []
    for host, values in hosts.items():
        area = stacked({"answered": values}, axis, start, scale) if values else ""
        bars = "".join(_phases(batch, axis) for batch in found if host in batch.hosts)
        drawing = _svg(bands(found, axis) + area, f"Requests answered by {host}")
        rows.append(
            f'<div class="host">{html.escape(host)}</div>'
            f'<div class="plot row">{drawing}{bars}<i class="cursor"></i></div>'
        )
    return f'<div class="chart hosts">{"".join(rows)}{time_labels(axis)}</div>'


def _phases(batch: Batch, axis: TimeAxis) -> str:
    bars = []
    for span in batch.spans:
        left, right = axis.share(span.start), axis.share(span.end)
        label = html.escape(span.name) if right - left > 0.012 * len(span.name) else ""
        place = f"left:{left * 100:.2f}%;width:{(right - left) * 100:.2f}%"
        name = html.escape(span.name)
        bars.append(f'<span class="phase {name}" style="{place}" title="{name}: {span.seconds:.1f} s">{label}</span>')
    return "".join(bars)
