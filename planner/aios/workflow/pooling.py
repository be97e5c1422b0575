"""Measured rows of several tables as one problem for a predictor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.records.fleet import DeviceType
from aios.records.observation import Observations
from aios.workflow.families import families_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning import Design, Predictor
    from aios.records.observation import Floats, Texts
    from aios.tables import TableForm

    Mask = npt.NDArray[np.bool_]

__all__ = ["Part", "Pool", "pooled"]

_ASTRAY = math.log(1e6)
"""No measurement is further from what physics expects: what is has another unit, or was never measured. Of the
published tables none is more than 5,000 times as slow (microcontrollers of which little but the clock is known)."""


@dataclass(frozen=True)
class Part:
    """One measured column of one table. form: that read it · rows: where its rows stand in the pool"""

    observations: Observations
    form: TableForm | None
    rows: slice


@dataclass(frozen=True)
class Pool:
    """All rows of one metric that one predictor predicts; arrays are of one length.

    devices: catalogue type, or the table's word where nobody knows it · settings: a name for what each row says besides
    what was measured · usable: rows that can be learnt from and judged · suspicious: rows that are
    better or worse than can be true
    """

    predictor: Predictor
    metric: str
    parts: tuple[Part, ...]
    design: Design
    target: Floats
    devices: Texts
    models: Texts
    families: Texts
    settings: Texts
    usable: Mask
    suspicious: Mask

    def taken(self, rows: Mask | npt.NDArray[np.int64]) -> tuple[Design, Floats, Texts]:
        """Return design, target and families of some rows, as ``fit`` takes them."""
        return self.design.take(rows), self.target[rows], self.families[rows]

    def suspicious_lines(self) -> dict[str, tuple[int, ...]]:
        """Return table -> lines of rows that are better or worse than can be true."""
        found: dict[str, set[int]] = {}
        for part in self.parts:
            lines = part.observations.lines[self.suspicious[part.rows]]
            if len(lines):
                found.setdefault(part.observations.table, set()).update(map(int, lines))
        return {table: tuple(sorted(lines)) for table, lines in found.items()}

    def unpredictable_models(self) -> dict[str, tuple[str, ...]]:
        """Return table -> models of rows of which too little is known to predict them."""
        found: dict[str, set[str]] = {}
        for part in self.parts:
            names = part.observations.word("model")[self.design.unknown[part.rows] != ""]
            if len(names):
                found.setdefault(part.observations.table, set()).update(map(str, names))
        return {table: tuple(sorted(names)) for table, names in found.items()}


def pooled(
    predictor: Predictor,
    metric: str,
    parts: Sequence[tuple[Observations, TableForm | None]],
    types: Mapping[str, DeviceType],
) -> Pool:
    """Return the rows of several tables as one pool; each table is shown to the predictor by itself.

    Rows of a table are in the order of what they say, whatever their order in the file.
    """
    import numpy as np

    from aios.cost.learning.fit import usable

    settings = [rows.settings() for rows, _ in parts]
    orders = [np.lexsort((rows.values, names)) for (rows, _), names in zip(parts, settings, strict=True)]
    parts = [(rows.take(order), form) for (rows, form), order in zip(parts, orders, strict=True)]
    designs = [_of_table(predictor.design(rows, types), rows.table) for rows, _ in parts]
    target = np.concatenate([predictor.target(rows) for rows, _ in parts])
    design = _joined(designs)
    if predictor.scale == "log" and metric != "fits":
        design = _within_reason(design)
    ends = np.cumsum([len(rows) for rows, _ in parts])
    known = (design.unknown == "") & np.isfinite(target) & np.isfinite(design.base)
    return Pool(
        predictor=predictor,
        metric=metric,
        parts=tuple(
            Part(rows, form, slice(int(end) - len(rows), int(end)))
            for (rows, form), end in zip(parts, ends, strict=True)
        ),
        design=design,
        target=target,
        devices=np.concatenate([np.where(rows.types == "", rows.word("device"), rows.types) for rows, _ in parts]),
        models=np.concatenate([rows.word("model") for rows, _ in parts]),
        families=families_of([rows for rows, _ in parts]),
        settings=np.concatenate([names[order] for names, order in zip(settings, orders, strict=True)]),
        usable=usable(design, target),
        suspicious=known & ~design.possible(target),
    )


def _of_table(design: Design, table: str) -> Design:
    """Return the design with its table as a key: errors differ from table to table."""
    import numpy as np

    return replace(design, keys={**design.keys, "table": np.full(len(design.base), table)})


def _within_reason(design: Design) -> Design:
    """Return the design with bounds where physics sets none, or looser ones than anything that was ever measured."""
    import numpy as np

    known = np.isfinite(design.base)
    most = np.full(len(known), np.inf) if design.most is None else design.most
    return replace(
        design,
        least=np.where(known, np.maximum(design.least, design.base - _ASTRAY), design.least),
        most=np.where(known, np.minimum(most, design.base + _ASTRAY), most),
    )


def _joined(designs: Sequence[Design]) -> Design:
    """Return the designs one after the other; a feature or part that one lacks is 0 there, a key empty."""
    import numpy as np

    from aios.cost.learning import Design

    features = dict.fromkeys(name for design in designs for name in design.features)
    keys = dict.fromkeys(name for design in designs for name in design.keys)
    kinds = dict.fromkeys(name for design in designs for name in design.parts)
    sizes = [len(design.base) for design in designs]
    pairs = list(zip(designs, sizes, strict=True))
    return Design(
        features={
            name: np.concatenate([design.features.get(name, np.zeros(size)) for design, size in pairs])
            for name in features
        },
        base=np.concatenate([design.base for design in designs]),
        keys={
            name: np.concatenate([design.keys.get(name, np.full(size, "")) for design, size in pairs]) for name in keys
        },
        least=np.concatenate([design.least for design in designs]),
        unknown=np.concatenate([design.unknown for design in designs]),
        parts={
            name: np.concatenate([design.parts.get(name, np.zeros(size)) for design, size in pairs]) for name in kinds
        },
        most=np.concatenate([np.full(size, np.inf) if design.most is None else design.most for design, size in pairs]),
    )
