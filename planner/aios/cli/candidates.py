"""candidates, in words: the options of an intent as a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.progress import Progress
from aios.cli.threads import one_thread
from aios.cli.ways import device_words
from aios.cli.words import Ink, counted, table
from aios.records.candidate import Priced, label_of
from aios.records.fleet import DeviceType
from aios.records.intent import Intent, Requirement
from aios.records.sampling import too_few
from aios.records.selection import LedgerRow
from aios.records.units import Dimension, format_quantity
from aios.workflow.ranking import broken, ranked
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.workflow.planning import Considered

__all__ = ["candidates", "columns_of", "option_table", "written"]

_MOST_SITES = 12
"""Places of a demand that are named."""


def candidates(setting: Setting, *, json: bool, json_into: Path | None) -> int:
    """List every candidate with its estimates."""
    from dataclasses import replace

    from aios.workflow.planning import consider
    from aios.workflow.reading import gather

    one_thread()
    with Progress("candidates", quiet=json) as progress:
        given = gather(replace(setting, tell=progress.doing))
        considered = consider(given, progress.doing)
        ink = Ink(sys.stdout)
        blocks, document = [], []
        for intent in given.intents:
            options = considered.options[intent.name]
            progress.doing(f"listing {counted(len(options), 'candidate')} of {intent.name}")
            head = f"{ink(intent.name, 'bold')}: {counted(len(options), 'candidate')}"
            if not json:
                listed = option_table(ranked(options, intent), intent, ink, types=given.fleet.types)
                blocks.append(f"{head}\n{listed}")
            if json or json_into is not None:
                document += [_candidate_json(option, intent, given.fleet.types) for option in options]
    blocks += _sites(considered, ink)
    if considered.rejections:
        blocks.append("\n".join(f"left out: {row.what}: {row.reason}" for row in considered.rejections))
    sites = {name: [site._asdict() for site in found] for name, found in considered.sites.items()}
    whole = {"candidates": document, "rejections": considered.rejections} | ({"sites": sites} if sites else {})
    emit("\n\n".join(blocks), whole, json=json, json_into=json_into)
    return Exit.DONE


def _sites(considered: Considered, ink: Ink) -> Iterator[str]:
    """Yield where each stated demand may stand: that is all the choice there is."""
    for demand in considered.given.demands:
        found = [f"{site.node} ({site.device})" if site.device else site.node for site in considered.sites[demand.name]]
        more = f" and {len(found) - _MOST_SITES} more" if len(found) > _MOST_SITES else ""
        where = ", ".join(found[:_MOST_SITES]) + more or "nowhere"
        copies = counted(demand.copies, "copy", "copies")
        yield f"{ink(demand.name, 'bold')}: {copies} of {demand.takes} may stand on {where}"


def option_table(
    options: Sequence[Priced],
    intent: Intent,
    ink: Ink,
    chosen: Priced | None = None,
    types: Mapping[str, DeviceType] | None = None,
) -> str:
    """Return the options as rows with what the intent asks about, the chosen one marked, and why others are out.

    types: of the devices, to tell which options they cannot hold
    """
    columns = columns_of(intent)
    head = ["MODEL", "DEVICE", "PRECISION", "B", "T", "R", *(name.upper() for name in columns), "SOURCE", "WHY NOT"]
    marked = [place for place, option in enumerate(options) if chosen and option.candidate == chosen.candidate]
    return table(head, [_row(option, intent, columns, types or {}) for option in options], ink, marked)


def written(intent: Intent) -> list[Requirement]:
    """Return the bounds that somebody wrote: what the load implies is told with the load."""
    return [item for item in intent.require if item.implied_by is None]


def columns_of(intent: Intent) -> list[str]:
    """Return the metrics that people look for: goals, bounds, and what is usual."""
    wanted = [goal.metric for goal in intent.goal] + [item.metric for item in written(intent)]
    usual = ["time", "energy"] if intent.train is not None else ["latency.p99", "power"]
    return list(dict.fromkeys([*wanted, *usual]))


def _row(option: Priced, intent: Intent, columns: list[str], types: Mapping[str, DeviceType]) -> list[str]:
    candidate = option.candidate
    sources = [option.estimates[name].source for name in columns if name in option.estimates]
    return [
        candidate.model,
        device_words(candidate),
        label_of(candidate, " "),
        str(candidate.batch),
        str(candidate.threads or "-"),
        str(candidate.replicas),
        *(_value(option, intent, name) for name in columns),
        "+".join(dict.fromkeys(sources)),
        "; ".join(_why_not(option, intent, types)),
    ]


def _value(option: Priced, intent: Intent, name: str) -> str:
    estimate = option.estimates.get(name)
    if estimate is not None:
        return metric_text(name, estimate.value)
    return "overloaded" if _endless(option, intent, name) else "?"


def _endless(option: Priced, intent: Intent, name: str) -> bool:
    """Say whether a time is unknown because the load is more than the option sustains."""
    return name.startswith("latency.") and intent.load is not None and option.overloaded_by(intent.load.rate_per_s)


def _why_not(option: Priced, intent: Intent, types: Mapping[str, DeviceType]) -> list[str]:
    """Return why the option is out: each requirement that its estimates do not show to hold, as the checker sees it,
    and memory that its device lacks."""
    return [*(_reason(row, option, intent) for row in broken(option, intent)), *_too_large(option, types)]


def _too_large(option: Priced, types: Mapping[str, DeviceType]) -> list[str]:
    """Return why no machine can hold a replica, as plans see it: at the pessimistic end of what it takes."""
    device, need = types.get(option.candidate.device), option.demand.device_memory_bytes
    memory = device.memory_bytes if device is not None else None
    if memory is None or need <= memory.value:
        return []
    takes, has = (format_quantity(size, Dimension.BYTES) for size in (need, memory.value))
    return [f"a replica may take {takes} of memory, and the device has {has}"]


def _reason(row: LedgerRow, option: Priced, intent: Intent) -> str:
    name = str(row.clause.metric)
    if row.value is not None:
        value = metric_text(name, row.value)
    else:
        value = "overloaded" if _endless(option, intent, name) else "unknown"
    open_case = too_few(option.estimates.get(name), row.clause.bound, intent.confidence)
    text = f"{name} {value}, required {row.clause.text.removeprefix(name).strip()}"
    return f"{text} ({open_case})" if open_case else text


def _candidate_json(option: Priced, intent: Intent, types: Mapping[str, DeviceType]) -> dict[str, object]:
    """Return a candidate with everything that a stranger needs to recompute the optimum."""
    out = _why_not(option, intent, types)
    return {
        **option.candidate.model_dump(mode="json"),
        "estimates": option.estimates,
        "unknown": option.unknown,
        "demand": option.demand,
        "feasible": not out,
        "overloaded": intent.load is not None and option.overloaded_by(intent.load.rate_per_s),
        "out": out,
        **({"periods": option.periods} if option.periods else {}),
    }
