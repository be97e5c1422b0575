"""Moments as they are written -> seconds after the start of the plan; which jobs wait for which."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from aios.records.base import Span
from aios.records.demanded import Demanded
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.intent import Intent
from aios.records.units import Dimension, format_quantity
from aios.records.when import Moment, When, Window

__all__ = ["waiting_mistakes", "windows_of"]

_DAY_S = 86400.0
_Wait = tuple[str, Span]
"""Name of the job that is waited for, and where that is written."""


def windows_of(
    intents: Sequence[Intent], demands: Sequence[Demanded], start_s: float | None, offset_s: float
) -> dict[str, Window]:
    """Return name -> window of everything that runs to an end.

    start_s: of the plan, in seconds since 1970 began; None where nobody said · offset_s: from midnight UTC to it.
    Raises InputError with everything that cannot be at this start: dates without one, deadlines that are over, windows
    without time; and waiting for what is not there. What ``waiting_mistakes`` tells is taken to be mended.
    """
    mistakes: list[Diagnostic] = []
    windows: dict[str, Window] = {}
    ends = _jobs(intents, demands)[0]
    for name, when in ends.items():
        found = _window(when, start_s, offset_s) if when else Window()
        if isinstance(found, Diagnostic):
            mistakes.append(found)
        else:
            windows[name] = found
        mistakes += _strangers(name, when, ends) if when else ()
    if mistakes:
        raise InputError(*mistakes)
    return windows


def waiting_mistakes(intents: Sequence[Intent], demands: Sequence[Demanded]) -> Iterator[Diagnostic]:
    """Yield what cannot be whenever a plan starts: times of what never ends, waiting for what never ends or waits
    itself, more work than fits between two times after the start."""
    ends, stands = _jobs(intents, demands)
    yield from (_endless(name, when) for name, when in stands.items() if when is not None)
    for name, when in ends.items():
        yield from _in_vain(name, when, stands) if when else ()
    yield from _circles(ends)
    yield from (item for demand in demands if (item := _unfit(demand)) is not None)


_Jobs = dict[str, When | None]


def _jobs(intents: Sequence[Intent], demands: Sequence[Demanded]) -> tuple[_Jobs, _Jobs]:
    """Return what runs to an end and what stands all the time, by name."""
    ends = {item.name: item.when for item in intents if item.train is not None}
    ends |= {item.name: item.when for item in demands if item.duration_s is not None}
    stands = {item.name: item.when for item in intents if item.name not in ends}
    stands |= {item.name: item.when for item in demands if item.name not in ends}
    return ends, stands


def _unfit(demand: Demanded) -> Diagnostic | None:
    """Return why a demand never fits into its window, where that is the same whenever a plan starts."""
    when = demand.when
    if when is None or any(item and item.after_s is None for item in (when.earliest, when.deadline)):
        return None
    window = _window(when, None, 0.0)
    if isinstance(window, Diagnostic):
        return window
    length = demand.duration_s or 0.0
    if when.deadline is None or window.deadline_s is None or length <= window.deadline_s - window.earliest_s:
        return None
    after = f" from `{when.earliest.text}` on" if when.earliest is not None and window.earliest_s else ""
    return Diagnostic(
        summary=f"`{demand.name}` takes {format_quantity(length, Dimension.TIME)}, and cannot end by "
        f"`{when.deadline.text}`{after}",
        where=when.deadline.where,
        remedy="write a later deadline, or a shorter `duration`",
    )


def _endless(name: str, when: When) -> Diagnostic:
    return Diagnostic(
        summary=f"`{name}` stands all the time, and `when` is for what ends",
        where=when.where,
        remedy="state its `duration` beside `demand`, or `train` what is to be trained; else delete `when`",
    )


def _window(when: When, start_s: float | None, offset_s: float) -> Window | Diagnostic:
    earliest = _seconds(when.earliest, start_s, offset_s) if when.earliest else 0.0
    if isinstance(earliest, Diagnostic):
        return earliest
    earliest = max(0.0, earliest)
    deadline = _seconds(when.deadline, start_s, offset_s, earliest) if when.deadline else None
    if isinstance(deadline, Diagnostic):
        return deadline
    if deadline is not None and deadline <= earliest and when.deadline is not None:
        over = deadline <= 0
        return Diagnostic(
            summary=f"the deadline `{when.deadline.text}` lies before " + ("the plan starts" if over else "`earliest`"),
            where=when.deadline.where,
            remedy="write a later one" + ("; `--start` says when the plan starts" if over else ""),
        )
    return Window(earliest, deadline)


def _seconds(moment: Moment, start_s: float | None, offset_s: float, after: float | None = None) -> float | Diagnostic:
    """Return a moment in seconds after the start.

    Of a time of the day, its first one after ``after``; without that, from the start on, which may be it
    """
    if moment.after_s is not None:
        return moment.after_s
    if moment.epoch_s is not None:
        if start_s is None:
            return Diagnostic(
                summary=f"`{moment.text}` is a date, and nobody says when the plan starts",
                where=moment.where,
                remedy="say when with `--start`, or write a time of the day (`18:00`) or after the start (`2 h`)",
            )
        return moment.epoch_s - start_s
    assert moment.clock_s is not None
    first = (moment.clock_s - offset_s) % _DAY_S
    if after is None:
        return first
    return first + (math.floor((after - first) / _DAY_S) + 1) * _DAY_S


def _in_vain(name: str, when: When, stands: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Yield what a job waits for and never ends."""
    for other, where in zip(when.after, when.after_at, strict=True):
        if other in stands:
            yield Diagnostic(
                summary=f"`{name}` waits for `{other}`, which stands all the time and never ends",
                where=where,
                remedy="wait for a job: what trains, or a demand with a `duration`",
            )


def _strangers(name: str, when: When, ends: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Yield what a job waits for and is not there."""
    for other, where in zip(when.after, when.after_at, strict=True):
        if other not in ends:
            near = nearest(other, list(ends))
            known = ", ".join(f"`{item}`" for item in sorted(ends) if item != name)
            remedy = f"did you mean `{near}`? " if near and near != name else ""
            yield Diagnostic(
                summary=f"`{name}` waits for `{other}`, and there is no such job",
                where=where,
                remedy=f"{remedy}jobs: {known}" if known else "name its file as well",
            )


def _circles(jobs: Mapping[str, When | None]) -> Iterator[Diagnostic]:
    """Yield circles of jobs that wait for each other, no job in two of them."""
    waits = {
        name: [(other, at) for other, at in zip(when.after, when.after_at, strict=True) if other in jobs]
        for name, when in jobs.items()
        if when is not None
    }
    while waits := _knotted(waits):
        steps: dict[str, Span] = {}
        name = next(iter(waits))
        while name not in steps:
            other, steps[name] = waits[name][0]
            name = other
        circle = list(steps)[list(steps).index(name) :]
        yield _circle(circle, [steps[item] for item in circle])
        waits = {item: own for item, own in waits.items() if item not in circle}


def _knotted(waits: Mapping[str, Sequence[_Wait]]) -> dict[str, list[_Wait]]:
    """Return what is left when, again and again, whoever waits for nobody that is left leaves."""
    left = {name: [wait for wait in own if wait[0] in waits] for name, own in waits.items()}
    waiters: dict[str, list[str]] = {}
    for name, own in left.items():
        for other, _ in own:
            waiters.setdefault(other, []).append(name)
    count = {name: len(own) for name, own in left.items()}
    free = [name for name, number in count.items() if not number]
    for name in free:  # grows as it goes
        for waiter in waiters.get(name, ()):
            count[waiter] -= 1
            if not count[waiter]:
                free.append(waiter)
    gone = set(free)
    return {name: [wait for wait in own if wait[0] not in gone] for name, own in left.items() if name not in gone}


def _circle(names: Sequence[str], spans: Sequence[Span]) -> Diagnostic:
    pairs = zip(names, [*names[1:], names[0]], spans, strict=True)
    told = [f"`{name}` waits for `{other}` ({span})" for name, other, span in pairs]
    return Diagnostic(
        summary=f"`{names[0]}` waits for itself" if len(names) == 1 else f"{len(names)} jobs wait for each other",
        where=spans[0],
        reason="; ".join(told),
        remedy="take one name out of an `after`",
    )
