"""What a calibration says of itself: how far it is off on rows held back, and which rows it was learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.records.base import digest_of
from aios.records.calibration import LearntError, Provenance
from aios.records.fleet import DeviceType
from aios.records.observation import MEASURED, Level
from aios.records.units import format_quantity
from aios.workflow.pooling import Pool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning import Predicted
    from aios.tables import Reading

    Mask = npt.NDArray[np.bool_]

__all__ = ["Impossible", "NotLearnt", "errors_of", "not_learnt", "provenance_of"]


class Impossible(NamedTuple):
    """A row that is better or worse than can be true. text: its value, and the nearest one that could be"""

    table: str
    line: int
    text: str


class NotLearnt(NamedTuple):
    """Rows of one metric that are not learnt from. impossible: better or worse than can be true · unknown_models:
    table -> models of which too little is known"""

    predictor: str
    metric: str
    impossible: tuple[Impossible, ...] = ()
    unknown_models: Mapping[str, tuple[str, ...]] = {}


def not_learnt(pool: Pool, types: Mapping[str, DeviceType]) -> NotLearnt:
    """Return the rows of a pool that cannot be used, and why. types: of their devices"""
    impossible = tuple(sorted(_impossible(pool, types)))
    return NotLearnt(pool.predictor.name, pool.metric, impossible, pool.unpredictable_models())


def _impossible(pool: Pool, types: Mapping[str, DeviceType]) -> Iterator[Impossible]:
    import numpy as np

    bound = np.where(pool.target < pool.design.least, pool.design.least, _most(pool))
    for part in pool.parts:
        rows, limits = part.observations, pool.predictor.value(part.observations, bound[part.rows])
        dimension, _ = MEASURED[pool.metric]
        for place in np.flatnonzero(pool.suspicious[part.rows]).tolist():
            value, limit = float(rows.values[place]), float(limits[place])
            said = "more" if value > limit else "less"
            numbers = [format_quantity(number, dimension) for number in (value, limit)]
            device = types.get(str(rows.types[place]))
            rated = f": {device.name} is rated {device.tdp_w.value:.4g} W" if device and device.tdp_w else ""
            text = f"{pool.metric} {numbers[0]} of {rows.word('model')[place]}; {said} than {numbers[1]} cannot be true"
            yield Impossible(rows.table, int(rows.lines[place]), text + rated * (pool.metric == "power"))


def _most(pool: Pool) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.full(len(pool.target), np.inf) if pool.design.most is None else pool.design.most


def errors_of(pool: Pool, judged: Mapping[Level, Predicted], rows: Mask) -> Iterator[LearntError]:
    """Yield the errors of each level: of all rows together, under no name, and of each of several tables."""
    import numpy as np

    for level, told in judged.items():
        inside = (told.low <= pool.target) & (pool.target <= told.high)
        seen = rows & np.isfinite(told.value)
        groups: dict[str, list[tuple[npt.NDArray[np.float64], Mask]]] = {}
        for part in pool.parts:
            observed, chosen = part.observations, seen[part.rows]
            value = pool.predictor.value(observed, told.value[part.rows])[chosen]
            measured = observed.values[chosen]
            off = value / measured - 1 if pool.predictor.scale == "log" else value - measured
            groups.setdefault(observed.table, []).append((off, inside[part.rows][chosen]))
        whole = {"": [columns for own in groups.values() for columns in own]}
        for name, columns in (whole | groups if len(groups) > 1 else whole).items():
            off = np.concatenate([column for column, _ in columns])
            if len(off):
                yield LearntError(
                    level=level,
                    table=name,
                    rows=len(off),
                    median=float(np.median(np.abs(off))),
                    p90=float(np.quantile(np.abs(off), 0.9)),
                    bias=float(np.median(off)),
                    coverage=float(np.mean(np.concatenate([column for _, column in columns]))),
                )


def provenance_of(pool: Pool, readings: Sequence[Reading]) -> tuple[Provenance, ...]:
    """Return where the usable rows come from; a table is known by the digest of what was read in it."""
    said = {reading.table: reading for reading in readings}
    rows: dict[str, list[str]] = {}
    for part in pool.parts:
        usable = pool.usable[part.rows]
        observed = part.observations
        rows.setdefault(observed.table, []).extend(
            f"{line}:{value!r}" for line, value in zip(observed.lines[usable], observed.values[usable], strict=True)
        )
    return tuple(
        Provenance(
            table=name,
            digest=digest_of(values),
            rows=len(values),
            source=said[name].source,
            licence=said[name].licence,
        )
        for name, values in sorted(rows.items())
        if values
    )
