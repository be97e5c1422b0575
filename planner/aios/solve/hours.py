"""Which replicas run in each hour, where machines were not shared by the hour: the first ones stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.selection import Placement

__all__ = ["first_stay"]


def first_stay(
    chosen: Mapping[str, Priced], placement: Mapping[str, Sequence[Placement]]
) -> dict[str, tuple[Placement, ...]]:
    """Return places that hold all replicas at once with how many of them run in each hour: those on the first places
    of each intent run longest."""
    return {
        name: _of(chosen[name], rows) if name in chosen and chosen[name].periods else tuple(rows)
        for name, rows in placement.items()
    }


def _of(priced: Priced, rows: Sequence[Placement]) -> tuple[Placement, ...]:
    machines = priced.candidate.machines
    left = {hour: period.replicas * machines for period in priced.periods for hour in period.hours}
    found = []
    for row in rows:
        hourly = tuple(min(left[hour], row.replicas) for hour in sorted(left))
        left = {hour: count - hourly[hour] for hour, count in left.items()}
        changes = any(count != row.replicas for count in hourly)
        found.append(row.model_copy(update={"hourly": hourly}) if changes else row)
    return tuple(found)
