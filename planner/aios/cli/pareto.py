"""pareto, in words: the front as a table, a picture and JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.planning import code_of, plan_words
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.words import Ink, counted, further, table
from aios.records.candidate import Priced
from aios.records.metrics import metric
from aios.records.selection import Placement
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.solve.front import Front, Missing, Point, Value
    from aios.workflow.pareto import Pareto

__all__ = ["pareto"]


def pareto(
    setting: Setting, over: Sequence[str], most: int, *, out: Path | None, json: bool, json_into: Path | None
) -> int:
    """Find the front of the intents over some metrics; print it, and draw it if asked to."""
    from dataclasses import replace

    from aios.workflow.pareto import pareto as work
    from aios.workflow.pareto import wanted_metrics

    names = wanted_metrics(over)
    if out is not None:
        from aios.cli.pictures import refuse_other_files

        refuse_other_files(out)
    one_thread()
    with Progress("pareto", quiet=json) as progress:
        found = work(replace(setting, tell=progress.doing), names, most)
        if out is not None and found.front is not None and found.front.points:
            from aios.cli.frontpicture import draw_front

            progress.doing("drawing")
            draw_front(found, out)
    words = "" if json else _words(found, Ink(sys.stdout))
    emit(words, _document(found), json=json, json_into=json_into)
    if found.front is None:
        return code_of(found.planned.plan)
    return Exit.DONE if found.front.points else Exit.WORLD


def _words(found: Pareto, ink: Ink) -> str:
    front = found.front
    if front is None:
        return plan_words(found.planned)
    title = f"{ink(' and '.join(found.names), 'bold')}: {_how_many(front)}"
    blocks = [title] if not front.points else [f"{title}\n{_table(found, front, ink)}"]
    blocks.append("\n".join([*_remarks(found, front, ink), *(_missing(item, ink) for item in front.missing)]))
    return "\n\n".join(block for block in blocks if block)


def _how_many(front: Front) -> str:
    shown = len(front.points)
    if front.stopped == "all":
        return f"the whole front, {counted(shown, 'point')}"
    if front.stopped == "limit":
        return f"{counted(shown, 'point')}; the solver's limit came before the whole front was found"
    if front.total is not None:
        return f"{shown} of {front.total:,} points, spread over the front (--points {front.total} shows all)"
    return f"{counted(shown, 'point')}, spread over the front; there are more (--points finds them)"


def _table(found: Pareto, front: Front, ink: Ink) -> str:
    """Return a row for each point, and below it one for each further intent."""
    own = found.standing.point if found.standing else None
    rows: list[list[str]] = []
    marked: list[int] = []
    for number, point in enumerate(front.points):
        if number == own:
            marked.append(len(rows))
        figures = [_figure(name, value) for name, value in zip(found.names, point.values, strict=True)]
        head = [str(number + 1), *figures]
        notes = ", ".join(_notes(found, front, number))
        for intent, option in point.chosen.items():
            rows.append([*head, option.candidate.id, _takes(option, point.placement.get(intent, ())), notes])
            head, notes = [""] * len(head), ""
    return table(["#", *(name.upper() for name in found.names), "RUNS", "TAKES", "NOTE"], rows, ink, marked)


def _figure(name: str, value: Value) -> str:
    text = metric_text(name, value.value)
    if value.low == value.high:
        return text
    return f"{text} ({metric_text(name, value.low)} .. {metric_text(name, value.high)})"


def _takes(option: Priced, placement: Sequence[Placement]) -> str:
    """Return where the replicas stand, and what all of them take together."""
    demand, parts = option.demand, option.candidate.parts
    cores = counted(demand.cores * parts, "core") if demand.cores else ""
    devices = f"{demand.share * option.candidate.devices * parts:.3g} {option.candidate.device}"
    where = ", ".join(dict.fromkeys(part.node for part in placement))
    return f"{where}: {' and '.join(filter(None, (devices, cores)))}"


def _notes(found: Pareto, front: Front, number: int) -> list[str]:
    """Return what else is to be said of a point."""
    point = front.points[number]
    notes = ["what aios plan chooses"] if found.standing and found.standing.point == number else []
    notes += ["knee"] if front.knee == number else []
    notes += [f"{len(point.alike)} more like it"] if point.alike else []
    notes += [] if point.proved else ["not proved"]
    return notes


def _remarks(found: Pareto, front: Front, ink: Ink) -> list[str]:
    lines = []
    if front.knee is not None:
        lines.append(
            f"{ink('knee', 'dim')} point {front.knee + 1} is farthest from the straight line (or plane) through the "
            "ends of the front: beyond it a little of one metric costs much of another"
        )
    standing = found.standing
    if standing is not None and standing.point is None:
        known = [
            f"{name} {'unknown' if value is None else metric_text(name, value.value)}"
            for name, value in zip(found.names, standing.values, strict=True)
        ]
        why = "is not among these points"
        if standing.beaten_by is not None:
            why = f"is not on the front: point {standing.beaten_by + 1} is better in one and no worse in the others"
        lines.append(f"{ink('plan', 'dim')} what aios plan chooses ({', '.join(known)}) {why}")
    if any(not point.proved for point in front.points):
        beaten = "points that are not proved may be beaten by plans that were not found"
        lines.append(f"{ink('note', 'yellow')} {beaten}{further(found.planned.considered.given.setting, 'pareto')}")
    demands = found.planned.considered.given.demands
    if demands:
        lines.append(f"{ink('note', 'yellow')} nothing is set aside for {counted(len(demands), 'stated demand')}")
    return lines


def _missing(item: Missing, ink: Ink) -> str:
    return (
        f"{ink('unknown', 'yellow')} {item.intent}: {item.metric} of {item.options} of {counted(item.of, 'option')}, "
        f"which are on no front: {item.reason}"
    )


def _document(found: Pareto) -> dict[str, Any]:
    front, standing, names = found.front, found.standing, found.names
    return {
        "status": found.planned.plan.status,
        "over": [{"metric": n, "unit": metric(n).unit, "better": metric(n).better} for n in names],
        "points": [_point_json(point, names) for point in front.points] if front else [],
        "stopped": front.stopped if front else None,
        "total": front.total if front else 0,
        "knee": front.knee if front else None,
        "plan": standing
        and {
            "values": _values_json(names, standing.values),
            "point": standing.point,
            "beaten_by": standing.beaten_by,
        },
        "unknown": [item._asdict() for item in front.missing] if front else [],
        "conflict": found.planned.plan.conflict,
    }


def _point_json(point: Point, names: Sequence[str]) -> dict[str, Any]:
    return {
        "values": _values_json(names, point.values),
        "decisions": [
            {
                "intent": intent,
                "candidate": option.candidate.id,
                "replicas": option.candidate.replicas,
                "demand": option.demand,
                "placement": point.placement.get(intent, ()),
            }
            for intent, option in point.chosen.items()
        ],
        "alike": point.alike,
        "proved": point.proved,
    }


def _values_json(names: Sequence[str], values: Sequence[Value | None]) -> dict[str, Any]:
    return {name: value and value._asdict() for name, value in zip(names, values, strict=True)}
