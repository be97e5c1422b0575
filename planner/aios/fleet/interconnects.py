"""The kinds of interconnects: how their file is written, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from aios.fleet.devices import fact_of
from aios.fleet.forms.device import BandwidthFact, Date, FractionFact, Name, Provenance, TimeFact, Written
from aios.records.document import Document, check, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Calibration, InterconnectType, Kernels
from aios.records.forms import nearest
from aios.records.quantity import Bandwidth, Bytes, Fraction, Number, Quantity, Time
from aios.records.units import Dimension

__all__ = ["InterconnectsForm", "load_interconnects"]

TimeOrNone = Annotated[float, Quantity(Dimension.TIME, zero=True)]
Share = Annotated[float, Quantity(Dimension.FRACTION)]

_WIDER = 1.5  # constants taken over from another kind may be off by this factor more


class CalibrationForm(Written):
    """What a library's kernels were calibrated to; the names are those of ``records.fabric.Calibration``.

    low, high: 90 % of what was measured lies between these multiples of the prediction · error: of the fit, in words
    """

    library: Name
    kernels: Kernels
    start: TimeOrNone
    hop: TimeOrNone
    quick: Share
    bulk_start: TimeOrNone
    bulk: Share
    local: Number = 0.0
    in_switch_start: Time | None = None
    in_switch: Share | None = None
    most: Bytes | None = None
    low: Annotated[Number, Field(gt=0, le=1)]
    high: Annotated[Number, Field(ge=1)]
    ref: str
    as_of: Date
    error: str


class InterconnectForm(Written):
    """A kind of interconnect.

    bandwidth: one direction of one link, or of the lanes that the name says · latency: of one hop · efficiency: share
    of the bandwidth that large messages reach, where nothing is calibrated · like: a kind whose calibrations are taken
    over, marked assumed
    """

    name: Name
    bandwidth: Bandwidth | BandwidthFact | None = None
    latency: Time | TimeFact | None = None
    efficiency: Fraction | FractionFact | None = None
    like: Name | None = None
    calibrations: tuple[CalibrationForm, ...] = ()


class InterconnectsForm(Written):
    """The file. provenance: of every fact below that states none itself."""

    provenance: Provenance | None = None
    interconnects: tuple[InterconnectForm, ...]


def load_interconnects(path: Path) -> Mapping[str, InterconnectType]:
    """Return the kinds of interconnects that a file describes, by name.

    Raises InputError with every mistake in it: what is not well written, a name used twice, a ``like`` that names no
    calibrated kind, and where the file cannot be read.
    """
    try:
        document, *more = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if more:
        raise InputError(more[0].diagnostic((), f"{path.name} must hold one document, but holds {1 + len(more)}"))
    form = check(document, InterconnectsForm)
    mistakes = list(_mistakes(document, form))
    if mistakes:
        raise InputError(*mistakes)
    own = {item.name: _type(item, form.provenance) for item in form.interconnects}
    taken = {item.name: item.like for item in form.interconnects if item.like}
    return {name: _completed(kind, own[taken[name]]) if name in taken else kind for name, kind in own.items()}


def _mistakes(document: Document, form: InterconnectsForm) -> list[Diagnostic]:
    calibrated = [item.name for item in form.interconnects if item.calibrations]
    names: set[str] = set()
    mistakes: list[Diagnostic] = []
    for index, item in enumerate(form.interconnects):
        place = ("interconnects", index)
        if item.name in names:
            mistakes.append(document.diagnostic((*place, "name"), f"the name `{item.name}` is used twice"))
        names.add(item.name)
        if item.like is not None and item.like not in calibrated:
            near = nearest(item.like, calibrated)
            meant = f"did you mean `{near}`? " if near else ""
            remedy = f"{meant}calibrated: {', '.join(f'`{name}`' for name in calibrated)}"
            summary = f"`like: {item.like}` names no kind with calibrations"
            mistakes.append(document.diagnostic((*place, "like"), summary, remedy=remedy))
    return mistakes


def _type(form: InterconnectForm, said: Provenance | None) -> InterconnectType:
    return InterconnectType(
        name=form.name,
        bandwidth_bytes_per_s=fact_of(form.bandwidth, Dimension.BANDWIDTH, said),
        latency_s=fact_of(form.latency, Dimension.TIME, said),
        efficiency=fact_of(form.efficiency, Dimension.FRACTION, said),
        calibrations=tuple(_calibration(item) for item in form.calibrations),
    )


def _calibration(form: CalibrationForm) -> Calibration:
    return Calibration(
        library=form.library,
        kernels=form.kernels,
        start_s=form.start,
        hop_s=form.hop,
        quick_share=form.quick,
        bulk_start_s=form.bulk_start,
        bulk_share=form.bulk,
        local_share=form.local,
        in_switch_start_s=form.in_switch_start,
        in_switch_share=form.in_switch,
        most_bytes=form.most,
        low=form.low,
        high=form.high,
        ref=form.ref,
        as_of=form.as_of,
        error=form.error,
    )


def _completed(kind: InterconnectType, like: InterconnectType) -> InterconnectType:
    """Return a kind with the calibrations of another where it has none; direct kernels and switches are not alike."""
    own = {(item.library, item.kernels) for item in kind.calibrations}
    taken = (
        item.model_copy(
            update={
                "low": item.low / _WIDER,
                "high": item.high * _WIDER,
                "source": "assumed",
                "in_switch_start_s": None,
                "in_switch_share": None,
                "ref": f"{like.name} ({item.ref})",
            }
        )
        for item in like.calibrations
        if item.kernels != "direct" and (item.library, item.kernels) not in own
    )
    return kind.model_copy(update={"calibrations": (*kind.calibrations, *taken)})
