"""What was learnt of one device under one executor from times that were measured there: small enough to read."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record, digest_of
from aios.records.calibration import LearntError

__all__ = ["Correction", "HeldOut"]


class HeldOut(Record):
    """What one kind of prediction is worth, judged on rows that it had not seen.

    used: whether plans are made with it: only where its median error is below that without, and its 90th percentile not
    above, as factors (half as long is as bad as twice as long) · factor: on the standard deviation of the logarithm, so
    that 90 % of what was held back lies within · before, after: errors without and with the correction; None where
    nothing could be predicted
    """

    used: bool
    factor: float
    before: LearntError | None
    after: LearntError


class Correction(Record):
    """Times per call of one executor on one device.

    version: of the amounts of work that ``rates`` names; another one is not read · base: ``operators`` predicts by the
    sum of ``rates`` times amounts, ``roofline`` by the roofline times ``scales`` · rates: precision -> amount ->
    seconds per unit · scales: precision -> factor on the roofline, drawn towards 1 where few rows speak · variances:
    of the logarithm of measured over base: ``model`` what settings of one model share, ``precision`` and ``setting``
    what those of one precision and those of near threads and batch share besides, ``noise`` what nothing shares ·
    reference_s: threads -> what the reference network usually takes on them, at the pace of which times are told; empty
    where none was timed beside them · ranges: quantity -> (least, most) of the rows; beyond them the interval widens ·
    models, settings: of predictions for models that were never measured, and for further settings of ones that were ·
    rows, digest: measurements that it was learnt from, and sha256 of them
    """

    device: str
    executor: str
    engine: str
    version: int
    base: Literal["operators", "roofline"]
    rates: Mapping[str, Mapping[str, float]] = {}
    scales: Mapping[str, float] = {}
    variances: Mapping[str, float]
    reference_s: Mapping[int, float] = {}
    ranges: Mapping[str, tuple[float, float]]
    models: HeldOut
    settings: HeldOut
    rows: int
    digest: str

    @property
    def name(self) -> str:
        """Digest of all of it: what a prediction says it was made with."""
        return digest_of(self)
