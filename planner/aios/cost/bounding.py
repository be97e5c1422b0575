"""What the accuracy of a changed network says of those that are changed more in the same way.

Of some transforms the declaration says that accuracy only falls the further they go (``Effect.falls_where``): taking
out more channels, with nothing trained afterwards, leaves a network that knows no more. What was measured of one that
keeps more, all else equal, then bounds those that keep less; so does one in the file's own precision those in a
narrower one. As this is a rule and no law, a point of accuracy is added to what was measured at best.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from aios.cost.evidence import Library
from aios.cost.interval import Interval
from aios.records.candidate import Candidate, Estimate, label_of
from aios.records.measurement import Measurement
from aios.records.metrics import find_measure
from aios.records.model import ModelProfile
from aios.records.transform import Declaration

__all__ = ["bounded", "falling", "leans_on"]

_MORE = 0.01
"""By how much more of the answers a network may be right that is taken to be no more right: two that both know next to
nothing may come out in either order."""

_TAKEN = "is taken to be no more right than with "


def bounded(
    name: str, number: Estimate | None, candidate: Candidate, profile: ModelProfile, library: Library
) -> Estimate | None:
    """Return an estimate of a share of answers, or None where there is none, with the bound that follows from what was
    measured of networks that are changed less."""
    known = find_measure(name)
    if known is None or not known[0].shares or known[0].better != "higher":
        return number
    declared = library.transforms.get(candidate.compression)
    found = [] if declared is None else _changed_less(candidate, declared, profile, library)
    own = [item for item in found if name in item.values]
    if declared is None or not own:
        return number
    best = min(own, key=lambda item: item.values[name].high)
    most = min(1.0, best.values[name].high + _MORE)
    if number is not None and number.high <= most:
        return number
    ends = Interval(0.0, best.values[name].value, most) if number is None else Interval(number.low, number.value, most)
    ends = Interval(*(min(end, most) for end in ends))
    said = (
        f"{_short(candidate, declared)} {_TAKEN}{label_of(best.subject)} ({best.values[name].value:.1%}), but a point"
    )
    basis = f"{number.basis}; {said}" if number is not None else said
    return Estimate(
        metric=name, value=ends.value, low=ends.low, high=ends.high, unit="1", source="assumed", basis=basis
    )


def leans_on(number: Estimate) -> str | None:
    """Return in words which network of another candidate bounds an estimate; None where none does."""
    return next((part for part in number.basis.split("; ") if _TAKEN in part), None)


def _changed_less(
    candidate: Candidate, declared: Declaration, profile: ModelProfile, library: Library
) -> list[Measurement]:
    """Return accuracies of networks of which the transform left more, all else equal, on the same data."""
    by, keeps = declared.effect.by, _keeps(candidate, declared)
    if by is None or keeps is None:
        return []
    plain = {name: value for name, value in candidate.settings.items() if name in declared.parameters}
    stored = candidate.model_copy(update={"precision": profile.precision, "quantization": "none", "settings": plain})
    found = []
    for one in {item.way: item for item in (candidate, stored)}.values():
        for item in library.accuracies_beside(one, by):
            share = float(item.subject.settings.get(by, declared.parameters[by].default))
            if share > keeps or (share == keeps and one is stored):
                found.append(item)
    return found


def falling(candidate: Candidate, declared: Mapping[str, Declaration]) -> tuple[Hashable, float] | None:
    """Return what a candidate shares with those whose accuracies bound each other's, and how much its transform leaves:
    those that leave less are no more right. None where no such thing is declared."""
    found = declared.get(candidate.compression)
    keeps = None if found is None else _keeps(candidate, found)
    if found is None or keeps is None:
        return None
    others = tuple(sorted(pair for pair in candidate.settings.items() if pair[0] != found.effect.by))
    return (candidate.model_digest, candidate.precision, candidate.quantization, candidate.compression, others), keeps


def _keeps(candidate: Candidate, declared: Declaration) -> float | None:
    by, where = declared.effect.by, declared.effect.falls_where
    if by is None or where is None:
        return None
    falls = all(_setting(candidate, declared, name) == value for name, value in where.items())
    return float(_setting(candidate, declared, by)) if falls else None


def _setting(candidate: Candidate, declared: Declaration, name: str) -> str:
    return candidate.settings.get(name, declared.parameters[name].default)


def _short(candidate: Candidate, declared: Declaration) -> str:
    return f"{candidate.model} with {declared.effect.by}={_setting(candidate, declared, declared.effect.by or '')}"
