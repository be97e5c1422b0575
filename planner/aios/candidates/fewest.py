"""The very number of replicas from which on an intent is kept, where numbers are considered in steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from aios.candidates.sizes import EVERY_REPLICA_COUNT_UP_TO
from aios.records.candidate import Candidate, Priced
from aios.records.intent import Intent

__all__ = ["with_fewest"]


class _Gap(NamedTuple):
    """Numbers of replicas of one family of which the first is not considered, between one that keeps what is required
    and one that does not. at: index of the option with the larger of the two · broken: the number that does not"""

    at: int
    kept: Priced
    broken: int

    @property
    def is_open(self) -> bool:
        return abs(self.kept.candidate.replicas - self.broken) > 1


def with_fewest(
    intent: Intent,
    options: tuple[Priced, ...],
    keeps: Callable[[Intent, Sequence[Priced]], Sequence[bool]],
    pricing: Callable[[Sequence[Candidate]], Sequence[Priced]],
) -> tuple[Priced, ...]:
    """Return the options, and between them those with the number of replicas from which on, or up to which, all that is
    required is kept: found by halving, in all families at once. Pinned numbers are left alone.

    options: sorted, those of a family next to each other by rising number · keeps: says which options keep every
    requirement of an intent · pricing: prices candidates, in their order
    """
    largest = max((option.candidate.replicas for option in options), default=0)
    if intent.pin.replicas or largest <= EVERY_REPLICA_COUNT_UP_TO:
        return options
    gaps = _gaps(options, keeps(intent, options))
    between: dict[int, Priced] = {}
    while gaps:
        tried = pricing([_halfway(gap) for gap in gaps])
        halved = []
        for gap, option, kept in zip(gaps, tried, keeps(intent, tried), strict=True):
            if kept:
                between[gap.at] = option
            half = gap._replace(kept=option) if kept else gap._replace(broken=option.candidate.replicas)
            if half.is_open:
                halved.append(half)
        gaps = halved
    excluded = set(intent.exclude.replicas)
    found: list[Priced] = []
    for at, option in enumerate(options):
        if at in between and between[at].candidate.replicas not in excluded:
            found.append(between[at])
        found.append(option)
    return tuple(found)


def _gaps(options: Sequence[Priced], kept: Sequence[bool]) -> list[_Gap]:
    """Return where neighbours of a family are more than one replica apart, and one is kept and the other not."""
    found = []
    for at, (one, other) in enumerate(pairwise(options), start=1):
        if kept[at - 1] == kept[at] or _family(one.candidate) != _family(other.candidate):
            continue
        good, bad = (one, other) if kept[at - 1] else (other, one)
        gap = _Gap(at, good, bad.candidate.replicas)
        if gap.is_open:
            found.append(gap)
    return found


def _halfway(gap: _Gap) -> Candidate:
    candidate = gap.kept.candidate
    replicas = (candidate.replicas + gap.broken) // 2
    before, after = _family(candidate)
    return candidate.model_copy(update={"id": f"{before}/r{replicas}{after}", "replicas": replicas})


def _family(candidate: Candidate) -> tuple[str, str]:
    """Return what stands before and behind the number of replicas in the id of a candidate."""
    before, _, after = candidate.id.rpartition(f"/r{candidate.replicas}")
    return before, after
