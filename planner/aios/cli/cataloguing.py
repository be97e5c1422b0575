"""hardware list, show, compare."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args

from aios.cli.output import emit
from aios.cli.words import Ink, counted, harmless, table
from aios.records.errors import Diagnostic, UsageError
from aios.records.fleet import DeviceKind, DeviceType, Fact
from aios.records.units import Dimension, UnitError, parse_quantity

if TYPE_CHECKING:
    from aios.fleet.selecting import Wanted

__all__ = ["Filters", "compare", "list_devices", "show"]

_WITHOUT = "numbers that rest on these are learnt from devices like it, assumed, or unknown too"

_UNKNOWN = "?"
_SHOWN_PEAKS: Mapping[str, tuple[str, ...]] = {
    "FP32": ("fp32",),
    "FP16/BF16": ("fp16", "bf16"),
    "INT8/FP8": ("int8", "fp8"),
}
"""Columns of the list: the best dense rate in any of these precisions."""

Word = TypeVar("Word", bound=str)


class Filters(NamedTuple):
    """The filters of ``list`` as they were written; each one narrows what the others leave."""

    kinds: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    min_memory: str | None = None
    max_power: str | None = None
    min_peaks: tuple[str, ...] = ()
    sort: str = "name"


def list_devices(filters: Filters, fleet: str | None, *, json: bool, json_into: Path | None) -> int:
    """Print the device types that fit."""
    from aios.fleet.selecting import select
    from aios.workflow.cataloguing import known_devices

    wanted = _wanted(filters)
    known = known_devices(fleet)
    devices = known.devices()
    _check_vendors(filters.vendors, devices)
    found = select(devices, wanted)
    rows = [_row(device, wanted, own=device.name in known.own, fleet=fleet) for device in found]
    headers = ["NAME", "KIND", "MEMORY", "BANDWIDTH", *_peak_columns(wanted), "TDP", *(["FROM"] if fleet else [])]
    words = table(headers, rows, Ink(sys.stdout)) if rows else "no device that is known fits"
    document = [{"own": device.name in known.own, **_document(device)} for device in found]
    note = f"\n{counted(len(found), 'device')}; rates are dense peaks, {_UNKNOWN} is unknown" if rows else ""
    emit(words + note, {"devices": document}, json=json, json_into=json_into)
    return 0


def _wanted(filters: Filters) -> Wanted:
    from aios.fleet.forms.device import Precision
    from aios.fleet.selecting import Order, Wanted

    precisions = get_args(Precision)
    peaks = [_peak(text, precisions) for text in filters.min_peaks]
    return Wanted(
        kinds=tuple(_word(kind, get_args(DeviceKind), "--kind") for kind in filters.kinds),
        vendors=filters.vendors,
        precisions=tuple(_word(name, precisions, "--precision") for name in filters.precisions),
        memory_bytes=_quantity(filters.min_memory, Dimension.BYTES, "--min-memory"),
        tdp_w=_quantity(filters.max_power, Dimension.POWER, "--max-power"),
        peaks=dict(peaks),
        order=_word(filters.sort, get_args(Order), "--sort"),
    )


def _word(written: str, known: Sequence[Word], option: str) -> Word:
    from aios.records.forms import nearest

    for word in known:
        if word == written.casefold():
            return word
    near = nearest(written, known)
    meant = f"did you mean `{near}`? " if near else ""
    raise UsageError(Diagnostic(summary=f"{option} takes no `{written}`", remedy=f"{meant}known: {', '.join(known)}"))


def _quantity(written: str | None, dimension: Dimension, option: str) -> float | None:
    if written is None:
        return None
    try:
        return parse_quantity(written, dimension)
    except UnitError as error:
        raise UsageError(Diagnostic(summary=f"{option}: {error.summary}", remedy=error.remedy)) from error


def _peak(written: str, precisions: Sequence[str]) -> tuple[str, float]:
    precision, equals, rate = written.partition("=")
    least = _quantity(rate, Dimension.COMPUTE, "--min-peak") if equals else None
    if least is None:
        raise UsageError(f"--min-peak takes PRECISION=RATE, such as `int8=100TOPS`, not `{written}`")
    return _word(precision, precisions, "--min-peak"), least


def _check_vendors(vendors: Sequence[str], devices: Sequence[DeviceType]) -> None:
    prefixes = dict.fromkeys(device.name.split("-", maxsplit=1)[0] for device in devices)
    names = {(device.vendor or "").casefold() for device in devices}
    for vendor in vendors:
        if vendor.casefold() not in names:
            _word(vendor, list(prefixes), "--vendor")


def _row(device: DeviceType, wanted: Wanted, *, own: bool, fleet: str | None) -> list[str]:
    known = device.peak_ops_per_s
    peaks = [
        max((known[name] for name in names if name in known), key=_value, default=None)
        for names in _peak_columns(wanted).values()
    ]
    facts = [device.memory_bytes, device.memory_bandwidth_bytes_per_s, *peaks, device.tdp_w]
    source = [(fleet or "") if own else "catalogue"] if fleet else []
    return [harmless(device.name), device.kind, *(_text(fact) for fact in facts), *source]


def _peak_columns(wanted: Wanted) -> Mapping[str, tuple[str, ...]]:
    """Return the columns of peak rates: the precisions that were asked for, else the usual ones."""
    return {name.upper(): (name,) for name in (*wanted.precisions, *wanted.peaks)} or _SHOWN_PEAKS


def _value(fact: Fact) -> float:
    return fact.value


def _text(fact: Fact | None) -> str:
    from aios.fleet.facts import fact_text

    return _UNKNOWN if fact is None else fact_text(fact)


def _document(device: DeviceType) -> dict[str, object]:
    from aios.fleet.facts import unknown_of

    return {**device.model_dump(mode="json"), "unknown": unknown_of(device)}


def show(name: str, fleet: str | None, *, json: bool, json_into: Path | None) -> int:
    """Print everything that is known of a device type."""
    from aios.workflow.cataloguing import known_devices

    known = known_devices(fleet)
    (device,) = known.named([name])
    whole = device.part_of or device.name
    own = whole in known.own
    where = "the fleet file" if own else "the catalogue"
    if own and whole in known.catalogue:
        where += ", in place of the catalogue's"
    emit(_told(device, where), {"own": own, **_document(device)}, json=json, json_into=json_into)
    return 0


def _told(device: DeviceType, where: str) -> str:
    from aios.fleet.facts import facts_of, unknown_of

    ink = Ink(sys.stdout)
    about = [
        ("kind", device.kind),
        ("maker", device.vendor),
        ("model", device.model),
        ("architecture", device.architecture),
        ("cores", None if device.cores is None else str(device.cores)),
        ("memory is", device.memory_kind),
        ("features", ", ".join(device.features) or None),
        ("powers are", device.power_of and f"of the whole {device.power_of}"),
        ("part of", device.part_of),
        ("connected by", ", ".join(_link_text(device, item.kind) for item in device.interconnects) or None),
        ("can be cut", ", ".join(f"{part.most} x {part.name}" for part in device.partitions) or None),
        ("described in", where),
    ]
    lines = [ink(harmless(device.name), "bold")]
    lines += [f"  {ink(label.ljust(12), 'dim')}  {harmless(text)}" for label, text in about if text]
    facts = facts_of(device)
    refs = {ref: number for number, ref in enumerate(dict.fromkeys(fact.ref for fact in facts.values() if fact.ref), 1)}
    rows = [
        [
            harmless(label),
            _text(fact),
            fact.trust or fact.source,
            fact.as_of or "-",
            f"[{refs[fact.ref]}]" if fact.ref else "-",
        ]
        for label, fact in facts.items()
    ]
    if rows:
        lines += ["", table(["FACT", "VALUE", "STATED BY", "DATE", "WHERE"], rows, ink), ""]
        lines += [f"{ink(f'[{number}]', 'dim')} {harmless(ref)}" for ref, number in refs.items()]
    unknown = unknown_of(device)
    if unknown:
        lines += ["", f"{ink('unknown', 'yellow')}: {', '.join(unknown)}; {_WITHOUT}"]
    return "\n".join(lines)


def _link_text(device: DeviceType, kind: str) -> str:
    links = next(item.links for item in device.interconnects if item.kind == kind)
    return f"{links} x {kind}" if links else kind


def compare(names: Sequence[str], fleet: str | None, *, json: bool, json_into: Path | None) -> int:
    """Print the facts of device types side by side; the first is the measure of the others."""
    from aios.fleet.facts import facts_of
    from aios.workflow.cataloguing import known_devices

    if len(names) < 2:
        raise UsageError(Diagnostic(summary="two devices or more can be compared", command="aios hardware list"))
    devices = known_devices(fleet).named(names)
    known = [facts_of(device) for device in devices]
    labels = dict.fromkeys(label for facts in known for label in facts)
    rows = [["kind", *(device.kind for device in devices)]]
    rows += [[harmless(label), *_side_by_side(label, known)] for label in labels]
    words = table(["FACT", *(harmless(device.name) for device in devices)], rows, Ink(sys.stdout))
    document = {
        "devices": [device.name for device in devices],
        "facts": {label: [_with_ratio(facts.get(label), known[0].get(label)) for facts in known] for label in labels},
    }
    emit(words, document, json=json, json_into=json_into)
    return 0


def _side_by_side(label: str, known: Sequence[Mapping[str, Fact]]) -> list[str]:
    first = known[0].get(label)
    texts = [_text(first)]
    for facts in known[1:]:
        fact = facts.get(label)
        ratio = _ratio(fact, first)
        texts.append(_text(fact) if ratio is None else f"{_text(fact)} ({ratio:.3g}x)")
    return texts


def _ratio(fact: Fact | None, first: Fact | None) -> float | None:
    return fact.value / first.value if fact and first and first.value else None


def _with_ratio(fact: Fact | None, first: Fact | None) -> dict[str, object] | None:
    return None if fact is None else {**fact.model_dump(mode="json"), "ratio": _ratio(fact, first)}
