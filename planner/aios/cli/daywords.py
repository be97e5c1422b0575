"""Services whose load changes over the day, in words: how many replicas run when, and what they do then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aios.cli.output import metric_text
from aios.cli.words import Ink, table
from aios.records.candidate import Period
from aios.records.intent import Load
from aios.records.plan import Decision, Plan
from aios.records.units import Dimension, format_quantity

__all__ = ["day_words", "rate_words"]

_HOURS = 24
_BARS = " ▁▂▃▄▅▆▇█"
_COLUMNS = ("latency.ttft.p99", "latency.p99", "power", "cost", "carbon")


def rate_words(load: Load) -> str:
    """Return the rate of a load, or between which ones it changes."""
    if not load.hourly_per_s:
        return f"{load.rate_per_s:g}/s"
    return f"{min(load.hourly_per_s):g}/s to {load.rate_per_s:g}/s over the day"


def day_words(plan: Plan, ink: Ink) -> str:
    """Return a table of the parts of the day, and a bar for each hour: how many of the replicas run."""
    changing = [decision for decision in plan.decisions if decision.periods]
    if not changing:
        return ""
    columns = [name for name in _COLUMNS if any(name in p.estimates for item in changing for p in item.periods)]
    rows = [row for decision in changing for row in _rows(decision, columns)]
    head = ["OVER THE DAY", "FROM", "TO (UTC)", "RATE", "RUN", *(name.upper() for name in columns)]
    wide = max(len(decision.intent) for decision in changing)
    charts = [f"{decision.intent.ljust(wide)}  |{_bars(decision)}|" for decision in changing]
    scale = f"{' ' * wide}   {''.join(f'{hour:02}'.ljust(6) for hour in range(0, _HOURS, 6))}"
    return "\n".join([table(head, rows, ink), "", *charts, ink(scale.rstrip(), "dim")])


def _rows(decision: Decision, columns: Sequence[str]) -> Iterator[list[str]]:
    for start, end, period in _spans(decision.periods):
        told = (period.estimates.get(name) for name in columns)
        yield [
            decision.intent,
            f"{start:02}:00",
            f"{end:02}:00",
            format_quantity(period.rate_per_s, Dimension.RATE),
            f"{period.replicas} of {decision.replicas}",
            *(
                _unknown(name, decision) if found is None else metric_text(name, found.value)
                for name, found in zip(columns, told, strict=True)
            ),
        ]


def _unknown(metric: str, decision: Decision) -> str:
    """Return what stands for a value that is not there: a service that answers no tokens has no time to the first."""
    return "-" if metric.startswith("latency.") and metric not in decision.estimates else "?"


def _spans(periods: Sequence[Period]) -> Iterator[tuple[int, int, Period]]:
    """Yield from which hour to which each period lasts, in order of the day: what lasts over midnight in one piece."""
    at = {hour: period for period in periods for hour in period.hours}
    starts = [hour for hour in range(_HOURS) if at[hour] is not at[(hour - 1) % _HOURS]]
    for place, start in enumerate(starts):
        yield start, starts[(place + 1) % len(starts)], at[start]


def _bars(decision: Decision) -> str:
    at = {hour: period.replicas for period in decision.periods for hour in period.hours}
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-at[hour] * steps // decision.replicas)] for hour in range(_HOURS))
