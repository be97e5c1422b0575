"""Learning how well each kind of work runs: non-negative factors on its nominal time, per group of rows.

The time of a row is the sum of its parts (seconds at nominal rates), each times a factor of its group: an inverse
efficiency. Groups are fitted to relative errors, shrunk towards the factors of the wider group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, StageForm
from aios.cost.learning.folds import judging_folds
from aios.cost.learning.groups import members, of_one_device
from aios.records.calibration import Effect, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

__all__ = ["learn_mixes", "mixed"]

_STRENGTHS = (3.0, 30.0, 300.0, 1e5)
"""Weights of the wider group's factors that are tried, in rows."""
_WIDEST = 3.0
"""That of nominal rates (all factors 1) for the widest group."""
_SPREAD = 0.15
"""Relative error from which a row weighs less."""
_ROUNDS = 5
_LEAST_UNIT = 0.3
"""Of a part's nominal time, by how much at least a factor may well be off, however small the wider group's is; a factor
may be off by as much as it is itself. A part that a group hardly has then keeps near the wider group's factor."""
_COMMON = 10.0
"""Weight, in rows, of a device being slower or faster in all parts alike, which is how devices mostly differ."""
_MOST_TO_JUDGE = 1000
"""Rows of a group by which its strength is chosen; more say the same."""


def mixed(design: Design, mixes: Sequence[Stage]) -> Floats:
    """Return the base of each row: the logarithm of its parts under the factors of the narrowest group known.

    Without parts or anything learnt, the base that the design states.
    """
    import numpy as np

    if not design.parts or not mixes:
        return design.base
    names = tuple(design.parts)
    matrix = np.column_stack(list(design.parts.values()))
    factors = np.ones((len(design.base), len(names)))
    for stage in mixes:
        _put(factors, design, stage, names)
    total = (matrix * factors).sum(axis=1)
    return np.where(total > 0, np.log(np.maximum(total, 1e-300)), design.base)


def learn_mixes(
    design: Design,
    target: Floats,
    forms: Sequence[StageForm],
    folds: npt.NDArray[np.int64],
    known: Sequence[Stage] = (),
) -> tuple[Stage, ...]:
    """Return the factors of each stage's groups.

    target: logarithm of measured times · folds: of families, one of which is held back to choose how much a group
    keeps to the wider one · known: stages to begin with
    """
    import numpy as np

    if not design.parts:
        return tuple(known)
    matrix = np.column_stack(list(design.parts.values()))
    relative = matrix / np.exp(target)[:, None]
    names = tuple(design.parts)
    prior = np.ones(matrix.shape)
    stages = list(known)
    for stage in known:
        _put(prior, design, stage, names)
    for form in forms:
        groups = [(name, rows) for name, rows in members(design, form.keys) if len(rows) >= form.fewest]
        wider = [prior[rows].mean(axis=0) for _, rows in groups]
        effects = []
        for (name, rows), its, strength in zip(
            groups, wider, _strengths(design, relative, wider, groups, form.keys, folds), strict=True
        ):
            found = _factors(relative[rows], its, strength, of_one_device(form.keys))
            terms = {term: float(factor) for term, factor in zip(names, found, strict=True) if factor > 0}
            group = tuple(name.split("\x1f")) if form.keys else ()
            effects.append(Effect(group=group, rows=len(rows), constant=0.0, terms=terms))
        stages.append(Stage(keys=form.keys, effects=tuple(effects)))
        _put(prior, design, stages[-1], names)
    return tuple(stages)


def _put(factors: Floats, design: Design, stage: Stage, names: Sequence[str]) -> None:
    """Write the factors of a stage's groups into the rows of those groups."""
    effects = {"\x1f".join(effect.group): effect for effect in stage.effects}
    for name, rows in members(design, stage.keys):
        effect = effects.get(name)
        if effect is not None:
            factors[rows] = [effect.terms.get(part, 0.0) for part in names]


def _strengths(
    design: Design,
    relative: Floats,
    wider: Sequence[Floats],
    groups: Sequence[tuple[str, npt.NDArray[np.int64]]],
    keys: tuple[str, ...],
    folds: npt.NDArray[np.int64],
) -> list[float]:
    """Return for each group how much it keeps to the wider one: as is best for its own rows that are held back, or for
    those of all groups where it has none."""
    import numpy as np

    if not keys:
        return [_WIDEST] * len(groups)
    devices, own = design.keys["device"], of_one_device(keys)
    errors = []
    for (_, rows), its in zip(groups, wider, strict=True):
        ways = judging_folds(keys, devices[rows], folds[rows])
        errors.append(np.sum([_judged(relative[rows], its, judged, own) for judged in ways], axis=0))
    common = _best(np.sum(errors, axis=0)) if errors else _STRENGTHS[-1]
    return [_best(error) if error.any() else common for error in errors]


def _judged(relative: Floats, prior: Floats, judged: npt.NDArray[np.int64], own: bool) -> Floats:
    """Return how far rows held back are off with each strength; zeros if none can be held back."""
    import numpy as np

    some = np.argsort(relative.sum(axis=1), kind="stable")[:: -(-len(relative) // _MOST_TO_JUDGE)]
    relative, judged = relative[some], judged[some]
    held = judged == np.bincount(judged).argmax()  # one fold is enough to choose among a few
    if held.all():
        return np.zeros(len(_STRENGTHS))
    found = [_factors(relative[~held], prior, strength, own) for strength in _STRENGTHS]
    return np.array([np.abs(np.log(np.maximum(relative[held] @ factors, 1e-6))).sum() for factors in found])


def _best(errors: Floats) -> float:
    """Return the strength of the least error, of equals the largest."""
    return _STRENGTHS[len(errors) - 1 - int(errors[::-1].argmin())]


def _factors(relative: Floats, prior: Floats, strength: float, own: bool) -> Floats:
    """Return factors >= 0 that bring the sums of these rows near 1, robustly, and that stay near ``prior``.

    Being away from it is counted in units of it. own: rows are of one device, so that what all factors have in common
    counts little: those of parts that no row has follow the others. Rows are weighed so that being off by a factor
    either way counts alike: r = (p - y) / sqrt(p y) for a prediction p.
    """
    import numpy as np

    unit = np.maximum(prior, _LEAST_UNIT)
    scaled, wanted = relative * unit, prior / unit
    count = len(wanted)
    common = min(strength, _COMMON) if own else strength
    ridge = strength / count * (np.eye(count) - 1 / count) + common / count**2
    predicted = np.ones(len(relative))
    found = wanted
    for _ in range(_ROUNDS):
        weights = 1 / (predicted * np.sqrt(1 + (np.log(predicted) / _SPREAD) ** 2))
        weighted = scaled * weights[:, None]
        gram = scaled.T @ weighted + ridge
        found = _nonnegative(gram, weighted.sum(axis=0) + ridge @ wanted, found)
        predicted = np.maximum(scaled @ found, 1e-3)
    factors: Floats = found * unit
    return factors


def _nonnegative(gram: Floats, vector: Floats, start: Floats) -> Floats:
    """Minimise x G x / 2 - v x over x >= 0; G is positive definite.

    The fast active-set algorithm of Bro and de Jong (1997), begun from the terms that are positive in ``start``.
    """
    import numpy as np

    tolerance = 1e-9 * float(np.abs(vector).max())
    found = np.maximum(start, 0.0)
    free = found > 0
    for _ in range(3 * len(vector)):
        while True:
            wanted = np.zeros(len(vector))
            if free.any():
                wanted[free] = np.linalg.solve(gram[np.ix_(free, free)], vector[free])
            stopping = free & (wanted <= 0)
            if not stopping.any():
                break
            step = float((found[stopping] / (found[stopping] - wanted[stopping])).min())
            found = np.where(free, found + step * (wanted - found), 0.0)
            free &= found > 1e-12
        found = wanted
        slope = np.where(free, -np.inf, vector - gram @ found)
        if slope.max() <= tolerance:
            break
        free[int(slope.argmax())] = True
    return found
