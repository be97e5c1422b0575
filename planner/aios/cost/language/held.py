"""Intervals of the memory that served language models take, by how far measured engines were from what is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType
from aios.records.observation import Level

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["MEMORY", "held_within"]

MEMORY = ("memory", "memory")
"""Predictor and metric of the calibration that is asked."""
_LEVEL: Level = "zero-shot"
_KIND = "answering"


def held_within(rows: Observations, types: Mapping[str, DeviceType], learnt: Calibration | None) -> Floats | None:
    """Return the factors on each row's counted memory between which 90 % of measurements lie, shape (2, n); None where
    no residuals of language models are known.

    Residuals are those of devices never seen, also for a known one: its own are of training and networks as well.
    """
    import numpy as np

    from aios.cost.learning import predict
    from aios.cost.memory_predictor import PREDICTOR

    if learnt is None or learnt.version != PREDICTOR.version or not len(rows):
        return None
    if not any((item.level, item.stratum) == (_LEVEL, _KIND) for item in learnt.residuals):
        return None
    design = PREDICTOR.design(replace(rows, predictor=PREDICTOR.name, metric=PREDICTOR.metrics[0], unit="B"), types)
    nowhere = np.full(len(rows), "")
    design = replace(design, keys={**design.keys, "device": nowhere, "own device": nowhere})
    found = predict(design, learnt, _LEVEL)
    return np.exp([found.low - found.value, found.high - found.value])
