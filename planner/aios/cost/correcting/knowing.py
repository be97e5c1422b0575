"""What a correction says of a candidate, with what was measured of its model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from aios.cost.correcting.pacing import paced_s
from aios.cost.correcting.predict import Call, corrected
from aios.cost.effects import signature
from aios.cost.evidence import Library
from aios.cost.interval import Interval
from aios.records.candidate import Candidate, label_of
from aios.records.model import ModelProfile

__all__ = ["CorrectedCall", "corrected_call"]


class CorrectedCall(NamedTuple):
    """own: whether the model was measured in this very precision · name: digest of the correction"""

    time: Interval
    basis: str
    own: bool
    name: str


def corrected_call(
    library: Library,
    candidate: Candidate,
    profile: ModelProfile,
    batch: int,
    roofline_s: Callable[[Candidate, int], float | None],
) -> CorrectedCall | None:
    """Return the time of a call of ``batch`` items; None where no correction was found to be any better than none.

    roofline_s: of a candidate and a batch, None where unknown
    """
    correction = library.correction(candidate)
    if correction is None or candidate.compression != "none":  # the profile is of the network before it was changed
        return None
    alike = signature(candidate, library.transforms)
    known = [
        (Call(label_of(at), at.threads, at.batch), paced_s(item, correction.reference_s))
        for item in library.kin("service", candidate)
        for at in (item.subject,)
        if "time" in item.values and at.engine == correction.engine and not at.power_mode and not at.tiers
        # A network that a transform changed is another one: it says nothing of this.
        if signature(at, library.transforms) == alike
    ]

    def roofline_of(call: Call) -> float | None:
        precision, _, quantization = call.kernels.partition("-")
        update = {"precision": precision, "quantization": quantization or "none", "threads": call.threads}
        return roofline_s(candidate.model_copy(update=update), call.batch)

    call = Call(label_of(candidate), candidate.threads, batch)
    time = corrected(correction, profile, call, known, roofline_of)
    if time is None:
        return None
    beside = f" and {len(known)} of this model" if known else ""
    learnt = "rates of operators" if correction.base == "operators" else "the roofline, scaled"
    basis = f"{learnt}: learnt from {correction.rows} times on this machine{beside}"
    return CorrectedCall(time, basis, any(at.precision == call.precision for at, _ in known), correction.name)
