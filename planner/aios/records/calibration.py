"""What was learnt from measurements: named coefficients, small enough to read and to check in."""

from collections.abc import Mapping

from pydantic import Field

from aios.records.base import Record
from aios.records.observation import Level

__all__ = ["DEVICE_STRATUM", "Calibration", "Effect", "LearntError", "Provenance", "Residual", "Stage"]

DEVICE_STRATUM = "device "
"""What the stratum of a device is called, before its name."""


class Effect(Record):
    """How one group of rows differs from what the stages before say, in the unit of the target (mostly a logarithm).

    group: the values of the stage's keys, in order · rows: that it was learnt from · constant: added always · terms:
    feature, or ``a * b`` of two of them (standardised) -> coefficient
    """

    group: tuple[str, ...]
    rows: int
    constant: float = 0.0
    terms: Mapping[str, float] = {}


class Stage(Record):
    """Effects of one kind; stages are added up in order. keys: what makes a group; none: one effect for all."""

    keys: tuple[str, ...]
    effects: tuple[Effect, ...]


class Residual(Record):
    """How far predictions at one level were off on rows held back, in the unit of the target.

    stratum: group of rows that it holds for, empty for all · low, high: 5 % and 95 % quantiles of measured less
    predicted, divided by the spread of the row · rows: held back
    """

    level: Level
    stratum: str
    low: float
    high: float
    rows: int


class LearntError(Record):
    """Error on rows held back. table: all tables together where it is empty · median, p90: of
    |predicted / measured - 1|, or of the difference where the target is no logarithm · bias: median of the signed
    error · coverage: share of rows inside their interval, if known"""

    level: Level
    table: str
    rows: int
    median: float
    p90: float
    bias: float
    coverage: float | None = None


class Provenance(Record):
    """A table that was learnt from. digest: sha256 of its rows used · source, licence: as its header says."""

    table: str
    digest: str
    rows: int
    source: str | None = None
    licence: str | None = None


class Calibration(Record):
    """All that one predictor has learnt of one target; merged from a shared file and one for each device.

    predictor, metric: what it is for · version: of the predictor's features; another one is not read · device: type
    that the effects in this file are of, None for shared ones · devices: types whose rows a shared one was learnt from,
    with how many · makers: class of devices under some software -> who made those that it was learnt from ·
    features: name -> (mean, standard deviation, least, most) of the rows learnt from; beyond least and most a feature
    counts as at that end · spread: terms of the logarithm of a row's spread, by feature (and ``constant``) · mixes:
    factors on the parts of a row's time, by group; the narrowest group that is known holds
    """

    predictor: str
    metric: str
    version: int
    device: str | None = None
    devices: Mapping[str, int] = {}
    makers: Mapping[str, tuple[str, ...]] = Field(default={}, exclude_if=lambda makers: not makers)
    features: Mapping[str, tuple[float, float, float, float]] = {}
    mixes: tuple[Stage, ...] = ()
    stages: tuple[Stage, ...] = ()
    spread: Mapping[str, float] = {}
    residuals: tuple[Residual, ...] = ()
    errors: tuple[LearntError, ...] = ()
    provenance: tuple[Provenance, ...] = ()
