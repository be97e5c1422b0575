"""What measured rows of one device add to what is known of it, where they do not make it worse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.records.base import digest_of
from aios.records.calibration import Calibration, LearntError, Provenance
from aios.records.fleet import DeviceType
from aios.records.observation import Level
from aios.workflow.calibrationerrors import errors_of
from aios.workflow.pooling import Pool, pooled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning import Predicted
    from aios.records.observation import Texts

    Mask = npt.NDArray[np.bool_]

__all__ = ["OF_DEVICE", "Known", "Refined", "known_rows", "refined"]

OF_DEVICE = "device's calibration"
"""What the provenance of a device's calibration calls the one of this device that it was learnt on top of."""
_FOLDS = 5


class Known(NamedTuple):
    """What was known of a device before.

    shared: of all devices · own: of this one, on top of that; None: nothing · networks: all that is known of networks
    on this device, by predictor and metric
    """

    shared: Calibration
    own: Calibration | None
    networks: Mapping[tuple[str, str], Calibration]


class Refined(NamedTuple):
    """What rows add.

    learnt: as its file holds it · before: error of what plans would say without it · others: error with what the rows
    say of models that they do not name, where that is larger and therefore left out
    """

    learnt: Calibration
    before: LearntError | None
    others: LearntError | None


def known_rows(own: Calibration | None) -> int:
    """Return the rows that a device's calibration was learnt from."""
    return 0 if own is None else sum(entry.rows for entry in own.provenance)


def refined(pool: Pool, device: DeviceType, types: Mapping[str, DeviceType], known: Known) -> Refined:
    """Return what the usable rows of a pool add to what is known of their device.

    What they say of models that they do not name counts if models held back are predicted better by it than they are
    without, in the middle and on average. If not, or if none can be held back on a device that is known, plans keep
    what they have for those, and only the models that were measured are learnt, as plans ask for them.
    """
    from aios.cost.learning import predict, refine
    from aios.cost.level import level_of
    from aios.fidelity.keeping import merged
    from aios.fidelity.protocol import FEWEST_KNOWN

    base, _ = merged(known.shared, [known.own] if known.own else [])
    assert base is not None  # there is a shared one
    level, fewest = level_of(base, device.name), 1 if known.own else FEWEST_KNOWN
    own = _as_asked(pool, known.networks, device, types, unstated=True)
    asked = _as_asked(pool, {(pool.predictor.name, pool.metric): base}, device, types, unstated=False)
    before = _filled(asked, predict(asked.design.take(asked.usable), base, level))
    after = _without_families(own, base, device.name, fewest, others=True)
    held, told = _held(asked, fewest), _error(own, "calibrated", after, own.usable)
    first = _error(asked, level, before, held if held.any() else asked.usable)
    if told is None or first is None:
        others = known.own is None
    else:
        others = told.median < first.median and _off(own, after, _held(own, fewest)) < _off(asked, before, held)
    used = own if others else asked
    if not others:
        after = _without_families(asked, base, device.name, fewest, others=False)
    learnt = refine(base, *used.taken(used.usable), used.predictor, device.name, others)
    return Refined(_as_kept(learnt, known, used, after), first, None if others else told)


def _as_asked(
    pool: Pool,
    known: Mapping[tuple[str, str], Calibration],
    device: DeviceType,
    types: Mapping[str, DeviceType],
    unstated: bool,
) -> Pool:
    """Return the rows as plans ask for them that know these. unstated: only those whose software nobody states"""
    from aios.cost.network_setting import PREDICTOR_NAME, as_asked

    if pool.predictor.name != PREDICTOR_NAME:
        return pool
    parts = [(as_asked(part.observations, known, device, unstated), part.form) for part in pool.parts]
    return pooled(pool.predictor, pool.metric, parts, types)


def _folds(families: Texts) -> npt.NDArray[np.int64]:
    """Return which rows are held back together: evenly many families in each fold."""
    import numpy as np

    _, places = np.unique(families, return_inverse=True)
    return np.asarray(places % _FOLDS, dtype=np.int64)


def _held(pool: Pool, fewest: int) -> Mask:
    """Return the usable rows that can be held back, as at least ``fewest`` others stay to learn from."""
    import numpy as np

    folds = _folds(pool.families)
    counts = np.bincount(folds[pool.usable], minlength=_FOLDS)
    held: Mask = pool.usable & (counts.sum() - counts[folds] >= fewest)
    return held


def _without_families(pool: Pool, base: Calibration, device: str, fewest: int, others: bool) -> Predicted:
    """Return predictions of the rows that can be held back, each by what the device's other families of models teach;
    NaN for the rest."""
    import numpy as np

    from aios.cost.learning import Predicted, predict, refine

    found = Predicted(*(np.full(len(pool.target), np.nan) for _ in Predicted._fields))
    folds, held = _folds(pool.families), _held(pool, fewest)
    for fold in np.unique(folds[held]):
        train, test = pool.usable & (folds != fold), held & (folds == fold)
        learnt = refine(base, *pool.taken(train), pool.predictor, device, others)
        told = predict(pool.design.take(test), learnt, "calibrated")
        for column, values in zip(found, told, strict=True):
            column[test] = values
    return found


def _filled(pool: Pool, told: Predicted) -> Predicted:
    """Return predictions of the usable rows as columns over all rows, NaN at the others."""
    import numpy as np

    found = type(told)(*(np.full(len(pool.target), np.nan) for _ in told))
    for column, values in zip(found, told, strict=True):
        column[pool.usable] = values
    return found


def _error(pool: Pool, level: Level, told: Predicted, rows: Mask) -> LearntError | None:
    return next(iter(errors_of(pool, {level: told}, rows)), None)


def _off(pool: Pool, told: Predicted, rows: Mask) -> float:
    """Return how far rows are off on average, in the unit of the target."""
    return float(abs(pool.target - told.value)[rows].mean())


def _as_kept(learnt: Calibration, known: Known, pool: Pool, after: Predicted) -> Calibration:
    """Return what a device's file holds of it: its own effects and residuals, errors, and what it stands on."""
    from aios.fidelity.keeping import BASE, of_devices

    base = Provenance(table=BASE, digest=digest_of(known.shared.model_dump(mode="json")), rows=0)
    return learnt.model_copy(
        update={
            "devices": {},
            "makers": {},
            "features": {},
            "spread": {},
            **of_devices(learnt),
            "errors": tuple(errors_of(pool, {"calibrated": after}, pool.usable)),
            "provenance": (base, *_carried(known.own)),
        }
    )


def _carried(own: Calibration | None) -> tuple[Provenance, ...]:
    """Return where what was known of a device comes from."""
    from aios.fidelity.keeping import BASE

    if own is None:
        return ()
    tables = tuple(entry for entry in own.provenance if entry.table != BASE)
    whole = Provenance(table=OF_DEVICE, digest=digest_of(own.model_dump(mode="json")), rows=known_rows(own))
    return tables or (whole,)
