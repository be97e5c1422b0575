"""Measured rows of several tables as one problem for a predictor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.records.fleet import DeviceType
from aios.records.observation import Observations

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning import Design, Predictor
    from aios.records.observation import Floats, Texts
    from aios.tables import TableForm

    Mask = npt.NDArray[np.bool_]

__all__ = ["Part", "Pool", "pooled"]

TRANSFORMERS = frozenset({"serving", "step", "memory", "power"})
"""Predictors whose models are transformers, mostly."""
_FEWEST_FAMILIES = 5


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
    what was measured · usable: rows that can be learnt from and judged · suspicious: rows that are better than physics
    allows
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
        """Return table -> lines of rows that are better than physics allows."""
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
        families=np.concatenate([_families(rows) for rows, _ in parts]),
        settings=np.concatenate([names[order] for names, order in zip(settings, orders, strict=True)]),
        usable=usable(design, target),
        suspicious=known & (target < design.least),
    )


def _families(rows: Observations) -> Texts:
    """Return one name for models that belong together in all tables, however each of them writes it.

    The first word of the name: of the published transformer that it is one, where a predictor goes by that, else of
    what the form says without its publisher, unless that leaves too few names. Shapes and other names that begin with a
    digit stay whole.
    """
    import numpy as np

    from aios.models.transformers import transformer_named

    families, places = np.unique(rows.families, return_inverse=True)
    words = [_first_word(str(name)) for name in families]
    found = np.array(words)[places] if len(set(words)) >= _FEWEST_FAMILIES else rows.families
    if rows.predictor not in TRANSFORMERS:
        return found
    models, which = np.unique(rows.word("model"), return_inverse=True)
    known = [transformer_named(str(name)) if name else None for name in models]
    published = np.array([_first_word(model.name.lower()) if model else "" for model in known] or [""])[which]
    return np.where(published == "", found, published)


def _first_word(name: str) -> str:
    found = re.match(r"[a-z]+", name.rpartition("/")[2])
    return found[0] if found else name


def _of_table(design: Design, table: str) -> Design:
    """Return the design with its table as a key: errors differ from table to table."""
    import numpy as np

    return replace(design, keys={**design.keys, "table": np.full(len(design.base), table)})


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
    )
