"""Jobs over time: bars in text, or in a picture drawn with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from aios.cli.pictures import new_figure, refuse_other_files, save_figure
from aios.cli.words import Ink, harmless
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.schedule import Frame, Run, Schedule

__all__ = ["Curve", "clock", "curves_of", "draw_gantt", "gantt_text"]

_COLUMNS = 72
"""Characters of the longest row of time."""
_MOST_ROWS = 60
_MOST_DRAWN = 400
_MOST_CURVES = 3
"""Series of a kind that are shown; nodes of one series share a row."""
_MARKS = "▁▂▃▄▅▆▇█"
_STEPS_H = (1, 2, 3, 4, 6, 12, 24, 48, 72, 168, 336, 672)
_COLOURS = ("#1b7837", "#2166ac", "#b2182b", "#762a83", "#b35806", "#01665e", "#8c510a", "#4d4d4d")


class Curve(NamedTuple):
    """A series: what it is of, in which unit, and its value in each hour, repeating from midnight UTC."""

    name: str
    unit: str
    values: tuple[float, ...]

    def at(self, frame: Frame, moment: float) -> float:
        """Return the value at a moment, in seconds after the start of the plan."""
        return self.values[math.floor((moment + frame.offset_s) / 3600) % len(self.values)]


def clock(frame: Frame, moment: float) -> str:
    """Return a moment as people read it: a date and time UTC, or days and time of the day since the first midnight."""
    if frame.start is not None:
        at = datetime.fromisoformat(frame.start) + timedelta(seconds=moment)
        return at.strftime("%Y-%m-%d %H:%M" + (":%S" if moment % 60 else ""))
    whole = round(moment)
    days, rest = divmod(whole, 86400)
    seconds = f":{rest % 60:02d}" if rest % 60 else ""
    return f"day {days + 1}, {rest // 3600:02d}:{rest % 3600 // 60:02d}{seconds}"


def curves_of(fleet: Fleet, schedule: Schedule) -> list[Curve]:
    """Return the series that change, of the nodes on which jobs run: prices, carbon, caps."""
    used = {run.node for run in schedule.runs}
    nodes = [node for node in fleet.nodes if node.name in used]
    kinds: list[tuple[str, str, list[tuple[str, tuple[float, ...]]]]] = [
        ("price", "USD/h", [(node.name, node.hourly_usd_per_h) for node in nodes]),
        ("carbon", "gCO2/kWh", [(node.name, node.carbon_g_per_kwh) for node in nodes]),
        ("power cap", "W", [(node.name, node.power_cap_w) for node in nodes]),
        ("power cap", "W", [(_whose(cap.by, cap.labels), cap.cap_w) for cap in fleet.power_caps]),
    ]
    return [curve for kind, unit, rows in kinds for curve in _distinct(kind, unit, rows)]


def _whose(by: str | None, labels: object) -> str:
    return f"each {by}" if by else "some nodes" if labels else "fleet"


def _distinct(kind: str, unit: str, rows: Sequence[tuple[str, tuple[float, ...]]]) -> list[Curve]:
    found: dict[tuple[float, ...], list[str]] = {}
    for name, values in rows:
        if len(set(values)) > 1:
            found.setdefault(values, []).append(name)
    shown = list(found.items())[:_MOST_CURVES]
    return [Curve(f"{kind} {names[0]}" + (", ..." if len(names) > 1 else ""), unit, values) for values, names in shown]


def gantt_text(schedule: Schedule, curves: Sequence[Curve], ink: Ink) -> str:
    """Return one row per job with a bar while it runs, below the hours and the series that change."""
    hours, columns = _extent(schedule.runs)
    width = hours * 3600 / columns
    names = [*(curve.name for curve in curves), *(harmless(run.job) for run in schedule.runs[:_MOST_ROWS])]
    margin = min(max(map(len, names), default=0), 32)
    lines = [f"{'':{margin}}  {_scale(schedule.frame, hours, columns)}"]
    for curve in curves:
        spark, low, high = _spark(curve, schedule.frame, columns, width)
        ends = f"{low:.4g} to {high:.4g} {curve.unit}"
        lines.append(ink(f"{curve.name[:margin]:{margin}}  {spark}  {ends}", "dim"))
    for run in schedule.runs[:_MOST_ROWS]:
        first, last = int(run.start_s / width), max(int(run.start_s / width) + 1, math.ceil(run.end_s / width - 1e-9))
        bar = "·" * first + "█" * (min(last, columns) - first) + "·" * (columns - last)
        lines.append(f"{harmless(run.job)[:margin]:{margin}}  {bar}  {harmless(run.node)}")
    left = len(schedule.runs) - _MOST_ROWS
    return "\n".join([*lines, *([f"... and {left} more jobs"] if left > 0 else [])])


def _extent(runs: Sequence[Run]) -> tuple[int, int]:
    """Return how many hours are shown, and in how many columns: whole ones for an hour, or whole hours for one."""
    hours = max(1, math.ceil(max((run.end_s for run in runs), default=0.0) / 3600 - 1e-9))
    if hours <= _COLUMNS:
        return hours, hours * (_COLUMNS // hours)
    each = math.ceil(hours / _COLUMNS)
    return math.ceil(hours / each) * each, math.ceil(hours / each)


def _scale(frame: Frame, hours: int, columns: int) -> str:
    """Return the hours as labels above their columns: of the day, where they are shown finely enough, else days."""
    step = next((step for step in _STEPS_H if step * columns / hours >= 6), _STEPS_H[-1])
    offset = frame.offset_s / 3600
    line = ""
    mark = math.ceil(offset / step) * step
    while mark - offset < hours:
        at = round((mark - offset) * columns / hours)
        if at >= len(line):
            label = f"{mark % 24:02d}:00" if step < 24 else _day(frame, mark - offset)
            line = line.ljust(at) + f"{label} "
        mark += step
    return line[:columns].rstrip()


def _day(frame: Frame, hours: float) -> str:
    if frame.start is None:
        return f"d{round(hours / 24) + 1}"
    return (datetime.fromisoformat(frame.start) + timedelta(hours=hours)).strftime("%m-%d")


def _spark(curve: Curve, frame: Frame, columns: int, width: float) -> tuple[str, float, float]:
    """Return marks as high as the series is, and its ends. width: seconds of a column"""
    values = [curve.at(frame, (column + 0.5) * width) for column in range(columns)]
    low, high = min(curve.values), max(curve.values)
    ranks = [round((value - low) / (high - low) * (len(_MARKS) - 1)) for value in values]
    return "".join(_MARKS[rank] for rank in ranks), low, high


def draw_gantt(schedule: Schedule, curves: Sequence[Curve], out: Path) -> None:
    """Write a chart to ``out``. Raises InputError for a file that is no picture's and for more jobs than fit into one,
    WorldError where it cannot be written or matplotlib is missing."""
    refuse_other_files(out)
    if len(schedule.runs) > _MOST_DRAWN:
        summary = f"{len(schedule.runs):,} jobs are more than a picture can show (at most {_MOST_DRAWN:,})"
        raise InputError(Diagnostic(summary=summary, remedy="leave -o out; the table and --json have them all"))
    figure = new_figure()
    _paint(figure, schedule, curves)
    save_figure(figure, out)


def _paint(figure: Any, schedule: Schedule, curves: Sequence[Curve]) -> None:
    rows, hours = len(schedule.runs), _extent(schedule.runs)[0]
    heights = [*(0.7 for _ in curves), 0.26 * rows + 0.6]
    figure.set_size_inches(10.0, sum(heights) + 0.5)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axis, curve in zip(axes, curves, strict=False):
        marks = list(_steps(schedule.frame, hours))
        axis.step(
            marks, [curve.at(schedule.frame, mark * 3600 + 1e-6) for mark in marks], where="post", color="#555555"
        )
        axis.set_ylabel(f"{curve.name}\n{curve.unit}", fontsize=7, rotation=0, ha="right", va="center")
        axis.tick_params(labelsize=7)
    bars, nodes = axes[-1], list(dict.fromkeys(run.node for run in schedule.runs))
    for number, run in enumerate(schedule.runs):
        colour = _COLOURS[nodes.index(run.node) % len(_COLOURS)]
        length = (run.end_s - run.start_s) / 3600
        bars.broken_barh([(run.start_s / 3600, length)], (number - 0.38, 0.76), facecolors=colour)
    for node in nodes:
        bars.plot([], [], color=_COLOURS[nodes.index(node) % len(_COLOURS)], linewidth=5, label=node)
    bars.set_yticks(range(rows), [run.job for run in schedule.runs], fontsize=8, parse_math=False)
    bars.invert_yaxis()
    bars.set_xlim(0, hours)
    start = f" from {schedule.frame.start}" if schedule.frame.start else " from midnight UTC"
    bars.set_xlabel(f"hours{start}", fontsize=8)
    bars.legend(fontsize=7, loc="upper right")


def _steps(frame: Frame, hours: int) -> Iterator[float]:
    """Yield the hours after the start at which a series may change, both ends among them."""
    yield 0.0
    mark = 1.0 - frame.offset_s / 3600 % 1.0
    while mark < hours:
        yield mark
        mark += 1.0
    yield float(hours)
