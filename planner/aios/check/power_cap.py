"""What stands on machines draws no more than they may. Twin of the solver's power cap clause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from aios.check.domains import domain
from aios.check.site import Site
from aios.records.base import Span
from aios.records.fleet import PowerCap
from aios.records.selection import Clause, LedgerRow
from aios.records.units import Dimension, format_exactly

__all__ = ["rows"]

_ROUNDING = 1.1e-9
"""Of a cap, for each part that stands below it: what rounding to whole parts of the cap may hide."""


class _Drawn(NamedTuple):
    """What stands on a machine draws: watts, of how many parts, and whether all of it is known."""

    watts: float = 0.0
    parts: int = 0
    known: bool = True


def rows(site: Site, hour: int | None = None) -> Iterator[LedgerRow]:
    """Yield one row per cap that anything in use is under; a power that nobody knows keeps none. hour: of the day, to
    which the caps are those; of hourly ones the lowest counts where none is given"""
    if not site.fleet.power_caps and not any(node.power_cap_w for node in site.fleet.nodes):
        return
    used, drawn = site.used_machines(), _drawn(site)
    for machine, node in used:
        if node.power_cap_w:
            text = f"{machine} draws at most"
            yield _row(drawn, f"capacity/{machine}/power", text, _cap(node.power_cap_w, hour), {machine}, node.where)
    for cap in site.fleet.power_caps:
        groups: dict[tuple[str, str], set[str]] = {}
        for machine, node in used:
            group = _group(cap, domain(machine, node, cap.by) if cap.by else None, node.labels.items())
            if group is not None:
                groups.setdefault(group, set()).add(machine)
        for (id, name), machines in groups.items():
            watts = _cap(cap.cap_w, hour)
            yield _row(drawn, f"capacity/power/{id}", f"{name} draws at most", watts, machines, cap.where)


def _cap(watts: Sequence[float], hour: int | None) -> float:
    return min(watts) if hour is None or len(watts) == 1 else watts[hour]


def _group(cap: PowerCap, value: str | None, labels: Set[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the group under the cap to which a machine with these labels belongs, if any: id, and name for people."""
    if cap.by is not None:
        return None if value is None else (f"{cap.by}/{value}", f"{cap.by} {value}")
    if not set(cap.labels.items()) <= labels:
        return None
    name = ",".join(f"{key}={wanted}" for key, wanted in cap.labels.items())
    return (name, name) if name else ("fleet", "the fleet")


def _drawn(site: Site) -> Mapping[str, _Drawn]:
    """Return machine -> what stands there draws: of each part an equal share of what its option draws at most."""
    found: dict[str, _Drawn] = {}
    for name, priced in site.selection.chosen.items():
        power = priced.estimates.get("power")
        each = power.high / priced.candidate.parts if power else 0.0
        for part in site.selection.placement.get(name, ()):
            old = found.get(part.node, _Drawn())
            watts = old.watts + each * part.replicas
            found[part.node] = _Drawn(watts, old.parts + part.replicas, old.known and power is not None)
    return found


def _row(
    drawn: Mapping[str, _Drawn], id: str, text: str, cap_w: float, machines: Set[str], where: Span | None
) -> LedgerRow:
    here = [drawn[machine] for machine in sorted(machines) if machine in drawn]
    watts = sum(item.watts for item in here)
    most = cap_w * (1 + _ROUNDING * sum(item.parts for item in here))
    shown = f"{text} {format_exactly(cap_w, Dimension.POWER)}"
    clause = Clause(id=id, intent=None, metric="power", bound=cap_w, text=shown, where=where)
    holds = all(item.known for item in here) and watts <= most
    return LedgerRow(clause=clause, value=watts, slack=cap_w - watts, holds=holds)
