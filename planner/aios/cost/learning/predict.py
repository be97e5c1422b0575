"""From what was learnt to numbers with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning.basis import columns_of, standardised
from aios.cost.learning.design import Design
from aios.cost.learning.groups import members
from aios.cost.learning.mix import mixed
from aios.records.calibration import DEVICE_STRATUM, Calibration, Effect, Residual, Stage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Level, Texts

__all__ = ["DEVICE_STRATUM", "Predicted", "added", "predict", "spread_of", "strata_of"]

_UNKNOWN = 1.1
"""Logarithm of the factor that a prediction may be off where nothing was held back: three."""


class Predicted(NamedTuple):
    """Targets of n rows and the ends of their 90 % intervals, in the unit of the target."""

    value: Floats
    low: Floats
    high: Floats


def predict(design: Design, learnt: Calibration, level: Level) -> Predicted:
    """Return what these rows are expected to be, with intervals as wide as held-back rows of that level were off."""
    columns = standardised(design, learnt.features)
    value = mixed(design, learnt.mixes)
    for stage in learnt.stages:
        value = value + added(design, columns, stage)
    value = design.bounded(value)
    spread = spread_of(design, learnt)
    low, high = _ends(design, learnt.residuals, level)
    return Predicted(value, design.bounded(value + spread * low), design.bounded(value + spread * high))


def added(design: Design, columns: Mapping[str, Floats], stage: Stage) -> Floats:
    """Return what a stage adds to each row; nothing where the row's group was not seen."""
    import numpy as np

    total = np.zeros(len(design.base))
    effects = {"\x1f".join(effect.group): effect for effect in stage.effects}
    for name, rows in members(design, stage.keys):
        effect = effects.get(name)
        if effect is not None:
            total[rows] = _sum(effect, columns, rows)
    return total


def _sum(effect: Effect, columns: Mapping[str, Floats], rows: npt.NDArray[np.int64]) -> Floats | float:
    terms = tuple(term for term in effect.terms if all(part in columns for part in term.split(" * ")))
    if not terms:
        return effect.constant
    chosen = {name: column[rows] for name, column in columns.items()}
    matrix = columns_of(chosen, terms, len(rows))
    import numpy as np

    total: Floats = matrix @ np.array([effect.constant, *(effect.terms[term] for term in terms)])
    return total


def spread_of(design: Design, learnt: Calibration) -> Floats:
    """Return by how much each row is harder to predict than others, 1 for an ordinary one."""
    import numpy as np

    columns = standardised(design, learnt.features)
    total = np.full(len(design.base), learnt.spread.get("constant", 0.0))
    for name, factor in learnt.spread.items():
        if name in columns:
            total += factor * columns[name]
    spread: Floats = np.exp(np.clip(total, -1.5, 1.5))
    return spread


def strata_of(design: Design) -> list[Texts]:
    """Return what groups of rows may have residuals of their own, widest first: kinds, tables, kinds within tables,
    devices."""
    import numpy as np

    nothing = np.full(len(design.base), "")
    kinds, tables = (design.keys.get(name, nothing).astype(str) for name in ("stratum", "table"))
    both = np.where((kinds == "") | (tables == ""), "", np.char.add(np.char.add(tables, " | "), kinds))
    return [kinds, tables, both, np.char.add(DEVICE_STRATUM, design.keys["device"].astype(str))]


def _ends(design: Design, residuals: tuple[Residual, ...], level: Level) -> tuple[Floats, Floats]:
    """Return the quantiles that hold for each row: of its narrowest stratum, else of all, else a factor of three."""
    import numpy as np

    rows = len(design.base)
    low, high = np.full(rows, -_UNKNOWN), np.full(rows, _UNKNOWN)
    own = {item.stratum: item for item in residuals if item.level == level}
    if "" in own:
        low[:], high[:] = own[""].low, own[""].high
    for names in strata_of(design):
        for name in np.unique(names):
            if name and str(name) in own:
                low[names == name], high[names == name] = own[str(name)].low, own[str(name)].high
    return low, high
