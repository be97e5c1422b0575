"""A picture of a Pareto front: its points with their intervals and the line that no plan is below.

Over two metrics it is one chart; over more, one for each pair of them, with the front of that pair drawn in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.cli.pictures import new_figure, save_figure
from aios.records.metrics import metric
from aios.records.units import format_quantity, parse_quantity

if TYPE_CHECKING:
    from aios.solve.front import Front, Value
    from aios.workflow.pareto import Pareto

__all__ = ["draw_front"]

_INK, _FAINT, _GRID = "#24292f", "#6e7781", "#d8dee4"
_FRONT, _PLAN, _KNEE = "#0b5cad", "#c2410c", "#15803d"
_WIDE = 10.0
"""Factor between the ends of all intervals of an axis from which on it is logarithmic."""

_MOST_NUMBERS = 40
"""Points that get their number from the table; more would hide each other."""

_NEAR = 14.0
"""Distance in pixels (at 100 per inch) within which numbers of points would hide each other."""

_TICKS = 6


def draw_front(found: Pareto, out: Path) -> None:
    """Write a picture of a front that has points. Raises WorldError where it cannot be written."""
    assert found.front is not None
    many = len(found.names)
    figure = new_figure()
    figure.set_facecolor("#ffffff")  # also where the page is dark
    side = 1 if many == 2 else many - 1
    figure.set_size_inches(*((7.2, 4.8) if many == 2 else (3.6 * side + 0.6, 3.2 * side + 0.6)))
    charts = figure.subplots(side, side, squeeze=False)
    drawn: dict[Any, _Drawn] = {}
    for row in range(side):
        for column in range(side):
            if column > row:
                charts[row][column].axis("off")
            else:
                drawn[charts[row][column]] = _chart(charts[row][column], found, found.front, column, row + 1)
    figure.suptitle(_title(found), color=_INK, fontsize=11, x=0.02, ha="left", fontweight="bold", parse_math=False)
    where = {"loc": "best"} if many == 2 else {"loc": "upper right", "bbox_to_anchor": (0.98, 0.93)}
    handles, labels = charts[0][0].get_legend_handles_labels()
    owner = charts[0][0] if many == 2 else figure
    owner.legend(handles, labels, fontsize=8.5, labelcolor=_INK, framealpha=0.9, edgecolor=_GRID, **where)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    for chart, what in drawn.items():
        if len(what.places) <= _MOST_NUMBERS:
            _number(chart, what)
    save_figure(figure, out)


def _title(found: Pareto) -> str:
    names = [intent.name for intent in found.planned.considered.given.intents]
    whose = ", ".join(names) if len(names) <= 3 else f"{len(names)} intents"
    return f"{whose}: {' against '.join(found.names)}"


class _Axis(NamedTuple):
    """A metric as it is drawn. unit: of the ticks · size: of the unit in SI · wide: whether the axis is logarithmic"""

    name: str
    unit: str
    size: float
    wide: bool

    @property
    def sign(self) -> int:
        """1 if small is good, -1 if large is good."""
        return 1 if metric(self.name).better == "lower" else -1

    def drawn(self, value: Value) -> Value:
        """Return a value in the unit of the ticks."""
        return value._replace(value=value.value / self.size, low=value.low / self.size, high=value.high / self.size)


def _axis_of(name: str, values: Sequence[Value]) -> _Axis:
    """Choose the unit that fits the value in the middle."""
    ordered = sorted(abs(value.value) for value in values)
    low, high = min(value.low for value in values), max(value.high for value in values)
    dimension = metric(name).dimension
    unit = format_quantity(ordered[len(ordered) // 2], dimension).lstrip("0123456789.e+- ")
    size = parse_quantity(f"1 {unit}", dimension) if unit else 1.0
    return _Axis(name, unit, size, 0 < _WIDE * low < high)


def _chart(chart: Any, found: Pareto, front: Front, across: int, up: int) -> _Drawn:
    """Draw one pair of metrics."""
    standing = found.standing.values if found.standing else (None,) * len(found.names)
    own = (standing[across], standing[up])
    axes = []
    for at, side in ((across, "x"), (up, "y")):
        plan = standing[at]
        values = [*(point.values[at] for point in front.points), *([plan] if plan else [])]
        axes.append(_axis_of(found.names[at], values))
        _ticks(chart, axes[-1], side)
    pairs = [(axes[0].drawn(point.values[across]), axes[1].drawn(point.values[up])) for point in front.points]
    _line(chart, pairs, axes)
    _intervals(chart, pairs)
    for proved, label, fill in ((True, "front", _FRONT), (False, "not proved", "#ffffff")):
        dots = [pair for pair, point in zip(pairs, front.points, strict=True) if point.proved is proved]
        _dots(chart, dots, label, marker="o", facecolors=fill, edgecolors=_FRONT, s=30, zorder=4)
    if front.knee is not None:
        _dots(chart, [pairs[front.knee]], "knee", marker="D", color=_KNEE, s=52, zorder=5)
    if own[0] is not None and own[1] is not None:
        ring = {"marker": "o", "facecolors": "none", "edgecolors": _PLAN, "linewidths": 2.0}
        _dots(
            chart, [(axes[0].drawn(own[0]), axes[1].drawn(own[1]))], "what aios plan chooses", s=150, zorder=6, **ring
        )
    return _Drawn([(x.value, y.value) for x, y in pairs], (axes[0].sign, axes[1].sign))


class _Drawn(NamedTuple):
    """A chart's points. worse: in which direction values get worse, across and up"""

    places: list[tuple[float, float]]
    worse: tuple[int, int]


def _number(chart: Any, drawn: _Drawn) -> None:
    """Write the points' numbers on their worse side; points at nearly the same place share one text."""
    groups: list[tuple[tuple[float, float], tuple[float, float], list[str]]] = []
    for number, place in enumerate(drawn.places, start=1):
        x, y = chart.transData.transform(place)
        for (left, low), _, numbers in groups:
            if abs(x - left) < _NEAR and abs(y - low) < _NEAR:
                numbers.append(str(number))
                break
        else:
            groups.append(((x, y), place, [str(number)]))
    across, up = drawn.worse
    style = {"textcoords": "offset points", "fontsize": 8, "color": _INK, "zorder": 7}
    style |= {"ha": "left" if across > 0 else "right", "va": "bottom" if up > 0 else "top"}
    for _, place, numbers in groups:
        chart.annotate(", ".join(numbers), place, xytext=(6 * across, 6 * up), **style)


def _dots(chart: Any, pairs: Sequence[tuple[Value, Value]], label: str, **style: Any) -> None:
    if pairs:
        chart.scatter([x.value for x, _ in pairs], [y.value for _, y in pairs], label=label, **style)


def _line(chart: Any, pairs: Sequence[tuple[Value, Value]], axes: Sequence[_Axis]) -> None:
    """Draw the staircase beyond which no plan is known: between two points lies the worse of both in each metric."""
    steps: list[tuple[float, float]] = []
    for x, y in sorted((axes[0].sign * x.value, axes[1].sign * y.value) for x, y in pairs):
        if not steps or y < steps[-1][1]:
            steps += [(x, steps[-1][1])] if steps else []
            steps.append((x, y))
    chart.plot(
        [axes[0].sign * x for x, _ in steps], [axes[1].sign * y for _, y in steps], color=_FRONT, lw=1.2, zorder=3
    )


def _intervals(chart: Any, pairs: Sequence[tuple[Value, Value]]) -> None:
    label: str | None = "90 % interval"
    for at, bars in ((0, "xerr"), (1, "yerr")):
        ends = [[pair[at].value - pair[at].low for pair in pairs], [pair[at].high - pair[at].value for pair in pairs]]
        if any(map(any, ends)):
            chart.errorbar(
                [x.value for x, _ in pairs],
                [y.value for _, y in pairs],
                **{bars: [[max(0.0, end) for end in side] for side in ends]},
                fmt="none",
                label=label,
                ecolor=_FAINT,
                elinewidth=0.7,
                alpha=0.55,
                zorder=2,
            )
            label = None


def _ticks(chart: Any, axis: _Axis, side: str) -> None:
    """Label an axis with its metric, its unit and which way is good, and mark round values."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    drawn = chart.xaxis if side == "x" else chart.yaxis
    if axis.wide:
        (chart.set_xscale if side == "x" else chart.set_yscale)("log")
        drawn.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=2 * _TICKS))
        drawn.set_minor_locator(NullLocator())
    else:
        drawn.set_major_locator(MaxNLocator(_TICKS, steps=[1, 2, 2.5, 5, 10]))
    drawn.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
    unit = f" [{axis.unit}]" if axis.unit else ""
    better = "less" if axis.sign > 0 else "more"
    text = f"{axis.name}{unit}, {better} is better"
    (chart.set_xlabel if side == "x" else chart.set_ylabel)(text, color=_INK, fontsize=9, parse_math=False)
    chart.tick_params(labelcolor=_INK, labelsize=8.5, color=_FAINT)
    chart.grid(True, color=_GRID, linewidth=0.6, zorder=0)
    for edge, spine in chart.spines.items():
        spine.set_visible(edge in ("left", "bottom"))
        spine.set_color(_FAINT)
