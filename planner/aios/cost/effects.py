"""What transforms are expected to do to a model before anything is measured: what they declare, laid over physics.

Arithmetic and bytes of plain precisions follow from the datasheet and the graph. A transform that changes the network,
or computes in several precisions at once, states factors instead: of the candidate without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from aios.cost.interval import Interval
from aios.records.candidate import Candidate, content_of
from aios.records.measurement import Subject
from aios.records.model import MemoryPart, ModelProfile
from aios.records.transform import Declaration, Effect, Range

__all__ = ["Change", "change_of", "decisions_of", "effect_of", "losses", "signature"]

_PHYSICAL = ("none", "dynamic", "static")
"""Ways to quantise whose time and bytes follow from the precision alone."""

_SAME = Interval(1.0, 1.0, 1.0)


class Change(NamedTuple):
    """base: the candidate without what changes it · time, weights: factors of the base's · basis: in words · narrow:
    the candidate all in the narrow precision, where nobody says how long a mixture takes: no less than that, and no
    longer than the base · wide: share of the arithmetic of a mixture that is not narrow"""

    base: Candidate
    time: Interval
    weights: Interval
    basis: str
    narrow: Candidate | None = None
    wide: float = 0.5

    def part_bytes(self, profile: ModelProfile, items: int) -> dict[MemoryPart, float]:
        """Return part -> bytes of one replica that computes ``items`` at once."""
        sizes = profile.part_bytes(self.base.precision, self.base.quantization, items)
        return {**sizes, "weights": sizes["weights"] * self.weights.value} if self.weights != _SAME else sizes


def signature(item: Candidate | Subject, declared: Mapping[str, Declaration]) -> tuple[object, ...]:
    """Return what is beyond physics: candidates with equal signatures differ in time as their bases do."""
    mixed = "" if item.quantization in _PHYSICAL else f"{item.quantization} {item.precision}"
    changed = bool(mixed) or item.compression != "none"
    engine = {found.setting for found in decisions_of(item, declared)}
    told = sorted((name, content_of(value)) for name, value in item.settings.items() if changed or name in engine)
    return item.compression, mixed, tuple(told)


def decisions_of(item: Candidate | Subject, declared: Mapping[str, Declaration]) -> list[Declaration]:
    """Return the decisions of its executor that are not the default."""
    return [found for found in declared.values() if found.stage == "executor" and found.setting in item.settings]


def change_of(candidate: Candidate, profile: ModelProfile, declared: Mapping[str, Declaration]) -> Change:
    """Return what changes a candidate, and by how much; of one that nothing changes, factors of 1."""
    base, time, weights, told = candidate, _SAME, _SAME, []
    narrow, wide = None, 0.5
    if candidate.quantization not in _PHYSICAL:
        base = base.model_copy(update={"precision": profile.precision, "quantization": "none", "settings": {}})
    if candidate.compression != "none":
        base = base.model_copy(update={"compression": "none", "settings": {}})
    engine = decisions_of(candidate, declared)
    if engine:
        names = {found.setting for found in engine}
        plain = {name: value for name, value in base.settings.items() if name not in names}
        base = base.model_copy(update={"settings": plain})
    for found in (*_changing(candidate, declared), *engine):
        effect = effect_of(found, candidate.settings)
        time, weights = _times(time, effect.time), _times(weights, effect.weights)
        span = effect.time
        factor = f"{span.low:g} to {span.high:g} times" if span else "as long as"
        if found.stage == "precision" and span is None and candidate.precision == "int8":
            narrow = base.model_copy(update={"precision": "int8", "quantization": "static"})
            wide = _number(found, effect.mixed_by, candidate.settings) if effect.mixed_by else wide
            told.append(f"{found.name} assumed to lie between {base.precision} and int8")
        else:
            told.append(f"{found.name} assumed to take {factor} the time ({found.effect.source})")
    return Change(base, time, weights, "; ".join(told), narrow, wide)


def effect_of(declaration: Declaration, settings: Mapping[str, str]) -> Effect:
    """Return what a transform is expected to do with these settings.

    What is stated for half of a network holds twice for half of that half: with v the parameter that the effect depends
    on and d its default, factors are raised to the power ln v / ln d, and lost points multiplied by it.
    """
    effect = declaration.effect
    if effect.by is None:
        return effect
    default = float(declaration.parameters[effect.by].default)
    power = math.log(_number(declaration, effect.by, settings)) / math.log(default)
    factors = {name: getattr(effect, name) for name in ("weights", "time", "flops")}
    scaled = {
        name: Range(low=span.low**power, value=span.value**power, high=span.high**power)
        for name, span in factors.items()
        if span is not None
    }
    loss = effect.accuracy_loss
    if loss is not None:
        low, value, high = (min(1.0, points * power) for points in (loss.low, loss.value, loss.high))
        scaled["accuracy_loss"] = Range(low=low, value=value, high=high)
    return effect.model_copy(update=scaled)


def _number(declaration: Declaration, name: str, settings: Mapping[str, str]) -> float:
    return float(settings.get(name, declaration.parameters[name].default))


def losses(candidate: Candidate, declared: Mapping[str, Declaration]) -> list[tuple[str, Range, str]]:
    """Return (name, points of accuracy that are lost, source) of each transform of a candidate that says so."""
    changing = [*_compressing(candidate, declared), *_quantizing(candidate, declared)]
    effects = [(item.name, effect_of(item, candidate.settings)) for item in changing]
    return [(name, effect.accuracy_loss, effect.source) for name, effect in effects if effect.accuracy_loss is not None]


def _changing(candidate: Candidate, declared: Mapping[str, Declaration]) -> list[Declaration]:
    physical = candidate.quantization in _PHYSICAL
    return _compressing(candidate, declared) + ([] if physical else _quantizing(candidate, declared))


def _compressing(candidate: Candidate, declared: Mapping[str, Declaration]) -> list[Declaration]:
    return [declared[candidate.compression]] if candidate.compression in declared else []


def _quantizing(candidate: Candidate, declared: Mapping[str, Declaration]) -> list[Declaration]:
    """Return the one transform that gives the candidate's precision in its way; none where the file has it."""
    way = candidate.precision, candidate.quantization
    makers = [item for item in declared.values() if item.stage == "precision"]
    return [item for item in makers if way[0] in item.precisions and item.quantization == way[1]][:1]


def _times(one: Interval, span: Range | None) -> Interval:
    return one if span is None else Interval(one.low * span.low, one.value * span.value, one.high * span.high)
