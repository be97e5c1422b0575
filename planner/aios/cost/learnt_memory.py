"""Memory as counted, corrected by what measurements of the same kind of work showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning import predict
from aios.cost.level import level_of
from aios.cost.memory_predictor import PREDICTOR, counted_design
from aios.records.base import Source
from aios.records.calibration import Calibration

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["MemoryFactors", "memory_factors"]


class MemoryFactors(NamedTuple):
    """Of n candidates on devices of one type: low, value, high relative to what is counted; source and basis of all."""

    low: Floats
    value: Floats
    high: Floats
    source: Source
    basis: str


def memory_factors(
    counted: Floats,
    kind: str,
    device: str,
    precisions: Sequence[str],
    calibrations: Mapping[tuple[str, str], Calibration],
) -> MemoryFactors | None:
    """Return by what counted bytes are to be multiplied; None where nothing was learnt. kind: as the predictor's"""
    import numpy as np

    learnt = calibrations.get((PREDICTOR.name, "memory"))
    if learnt is None or learnt.version != PREDICTOR.version:
        return None
    level = level_of(learnt, device)
    found = predict(counted_design(counted, kind, device, precisions), learnt, level)
    low, value, high = (np.exp(end) / counted for end in (found.low, found.value, found.high))
    if level == "calibrated":
        return MemoryFactors(low, value, high, "calibrated", "corrected by measurements on this device (calibrated)")
    return MemoryFactors(low, value, high, "analytic", "corrected by measurements on other devices (zero-shot)")
