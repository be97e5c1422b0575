"""What was predicted beside what was then measured."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record, Source
from aios.records.measurement import Measured

__all__ = ["LedgerEntry"]


class LedgerEntry(Record):
    """One prediction and the measurement that it was checked by.

    by: what measured: ``profile`` the engine alone, ``verify`` a stated load, ``service`` what the service itself
    counted of its clients · address: of a service, None of an engine · model: name, model_digest: sha256 of its file ·
    precision: as of ``label_of`` (``int8-static``) · metric: of the vocabulary; ``time`` is seconds per call of the
    engine alone · predicted, low, high: SI, a 90 % interval · source, basis: as the prediction named them · correction:
    digest of the correction that the prediction was made with, None where it was made without · without: (low, value,
    high) that the same would have been without that correction, None where it was made with none or that is not known ·
    at: when it was measured, ISO time, UTC
    """

    by: Literal["profile", "verify", "service"]
    address: str | None = None
    model: str
    model_digest: str
    device: str
    executor: str
    engine: str
    precision: str
    threads: int
    batch: int
    power_mode: str | None = None
    metric: str
    predicted: float
    low: float
    high: float
    source: Source
    basis: str
    correction: str | None = None
    without: tuple[float, float, float] | None = None
    measured: Measured
    conditions: Mapping[str, str] = {}
    at: str
