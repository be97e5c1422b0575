"""How long data takes from device to device, and collective operations on given devices.

    time = start [+ bulk start] + steps x hop + busiest link's bytes / (share x bandwidth)

The constants are those that a library's kernels were calibrated to on each kind of interconnect
(``records.fabric.Calibration``); the steps and the busiest link follow from the fabric, so that flows over one link
share its bandwidth. Of a library's algorithms and protocols the quickest is taken, as libraries do. The form is the one
that NCCL itself chooses by (``src/graph/tuning.cc``: base latency, latency per step, bandwidth per protocol), with a
low-latency and a bulk protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.cost.courses import OPERATIONS, Course, Operation, Phase, Protocol, courses_of, transfer
from aios.cost.routing import Network, network_of
from aios.records.base import Source
from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Calibration, Fabric, InterconnectType, Kernels
from aios.records.forms import nearest

__all__ = [
    "PRIOR", "SIZE_MEANS", "Duration", "Line", "collective", "constants_of", "duration", "lines_of", "point_to_point",
    "quickest",
]  # fmt: skip

SIZE_MEANS: Mapping[Operation, str] = {
    "all-reduce": "the buffer that every device holds before and after",
    "all-gather": "the result that every device holds after",
    "reduce-scatter": "the input that every device holds before",
    "all-to-all": "the buffer that every device holds before and after; it sends 1/n of it to each",
    "broadcast": "the buffer that the first device holds before and every device after",
    "send-recv": "what every device sends to the next",
}
"""What ``size_bytes`` is of each operation: NCCL's convention, as its tests print it."""

PRIOR = Calibration(
    library="",
    kernels="ring",
    start_s=10e-6,
    hop_s=2e-6,
    quick_share=0.25,
    bulk_start_s=20e-6,
    bulk_share=0.7,
    local_share=0.3,
    low=0.4,
    high=2.5,
    source="assumed",
    ref="the middle of what was calibrated on other kinds",
)
"""What is assumed of an interconnect that nothing was calibrated on; its width says so."""

_WITHOUT: Mapping[str, frozenset[str]] = {"nccl": frozenset({"hierarchical", "tree"})}
"""Algorithms that a library does not have; others are taken to have all of them."""

_OTHER = 1.5  # what was calibrated for other kernels or another library may be off by this factor more


class Duration(NamedTuple):
    """A time in seconds with its 90 % interval.

    algorithm: the one that is quickest · basis: how the number came about, in words · source: ``assumed`` where one of
    the constants or one of the links on its way is, else ``calibrated``
    """

    value: float
    low: float
    high: float
    algorithm: str
    basis: str
    source: Source


class Line(NamedTuple):
    """A time that grows with the size. fixed: s · per_byte: s per byte · protocol: of the library."""

    fixed: float
    per_byte: float
    protocol: Protocol

    def at(self, size_bytes: float) -> float:
        """Return the time (s) of a size."""
        return self.fixed + self.per_byte * size_bytes


def point_to_point(
    fabric: Fabric | Network, source: str, target: str, size_bytes: float, library: str = "nccl"
) -> Duration:
    """Return the time that ``size_bytes`` take from one device to another. Raises InputError as ``Network.route``."""
    network = network_of(fabric)
    if source == target:
        network.route(source, target)
        return Duration(0.0, 0.0, 0.0, "none", "source and target are the same", "analytic")
    return duration(transfer(network, source, target), network.fabric.interconnects, size_bytes, library)


def collective(
    fabric: Fabric | Network,
    devices: Sequence[str],
    operation: str,
    size_bytes: float,
    algorithm: str | None = None,
    library: str = "nccl",
) -> Duration:
    """Return the time of an operation on devices (``instance/id``).

    size_bytes: see ``SIZE_MEANS`` · algorithm: the one to use instead of the quickest · library: whose kernels, such as
    ``nccl``, ``oneccl``, ``custom`` (the direct all-reduce kernels of inference engines, with nccl's for the rest).
    Broadcast goes out from the first of ``devices``; send-recv goes from each to the next as they are given; otherwise
    their order does not matter. Raises InputError for an unknown operation, algorithm or device, for a device named
    twice, and where nothing joins them.
    """
    network = network_of(fabric)
    asked: Operation | None = next((known for known in OPERATIONS if known == operation), None)
    if asked is None:
        raise InputError(_unknown("operation", operation, OPERATIONS))
    if len(set(devices)) != len(devices):
        twice = sorted({device for device in devices if devices.count(device) > 1})
        raise InputError(f"a collective operation was asked for on `{twice[0]}` more than once")
    if len(devices) < 2 or size_bytes <= 0:
        for device in devices:
            network.route(device, device)
        return Duration(0.0, 0.0, 0.0, "none", "nothing has to be moved", "analytic")
    courses = list(courses_of(network, devices, asked))
    known = dict.fromkeys(course.algorithm for course in courses)
    if algorithm is not None and algorithm not in known:
        raise InputError(_unknown(f"algorithm for {operation} on these devices:", algorithm, tuple(known)))
    return quickest(courses, network.fabric.interconnects, size_bytes, library, algorithm)


def quickest(
    courses: Iterable[Course],
    interconnects: Mapping[str, InterconnectType],
    size_bytes: float,
    library: str = "nccl",
    algorithm: str | None = None,
) -> Duration:
    """Return the duration of the quickest course that the library can take; ``algorithm``: whether it would or not."""
    able = [
        (course, own)
        for course in courses
        for own in _libraries(library)
        if course.algorithm == algorithm or (algorithm is None and _would(course, interconnects, size_bytes, own))
    ]
    return min(
        (duration(course, interconnects, size_bytes, own) for course, own in able), key=lambda found: found.value
    )


def duration(
    course: Course, interconnects: Mapping[str, InterconnectType], size_bytes: float, library: str = "nccl"
) -> Duration:
    """Return the time of a course with the better of its protocols."""
    constants = {kind: constants_of(interconnects.get(kind), library, course.kernels) for kind in course.kinds()}
    used = tuple(constants.values())
    line = min(lines_of(course, constants), key=lambda line: line.at(size_bytes))
    kinds = ", ".join(kind or "links of unnamed kind" for kind in constants)
    basis = f"{course.words}, {line.protocol} protocol over {kinds}; {'; '.join(_rests_on(constants))}"
    if course.assumed:
        basis += "; some of the links are assumed to be as they usually are"
    low, high = min(item.low for item in used), max(item.high for item in used)
    assumed = course.assumed or any(item.source == "assumed" for item in used)
    source: Source = "assumed" if assumed else "calibrated"
    value = line.at(size_bytes)
    return Duration(value, value * low, value * high, course.algorithm, basis, source)


def _rests_on(constants: Mapping[str, Calibration]) -> Iterator[str]:
    """Yield where constants come from, those that were fitted on the kind itself before those that are assumed."""
    whose: dict[tuple[bool, str], dict[str, None]] = {}
    kinds: dict[tuple[bool, str], list[str]] = {}
    for kind, item in constants.items():
        key = (
            item.source == "assumed",
            f"{item.library}'s {item.kernels} kernels as measured in " if item.library else "",
        )
        whose.setdefault(key, {}).update(dict.fromkeys((item.ref or "its calibration").split("; ")))
        kinds.setdefault(key, []).append(kind or "links of unnamed kind")
    for key in sorted(whose):
        assumed, kernels = key
        yield (f"assumed on {', '.join(kinds[key])}: " if assumed else "") + kernels + "; ".join(whose[key])


def lines_of(course: Course, constants: Mapping[str, Calibration]) -> tuple[Line, ...]:
    """Return the time of a course with each of its protocols. constants: of each of its kinds of interconnect."""
    start = max(item.start_s for item in constants.values())
    waiting = sum(_waiting(phase, constants) for phase in course.phases)
    return tuple(
        Line(
            start + max(_more(item, protocol) for item in constants.values()) + waiting,
            sum(_sending(phase, constants, protocol) for phase in course.phases),
            protocol,
        )
        for protocol in course.protocols
    )


def _more(constants: Calibration, protocol: Protocol) -> float:
    """Return what a protocol takes to start (s) beyond the start of every operation."""
    if protocol == "quick":
        return 0.0
    stated = constants.in_switch_start_s if protocol == "in-switch" else None
    return constants.bulk_start_s if stated is None else stated


def _waiting(phase: Phase, constants: Mapping[str, Calibration]) -> float:
    hops = {step: max(constants[kind].hop_s for kind in step.kinds) for step in phase.steps}
    if phase.together:
        started = sum(count * hops[step] for step, count in phase.steps.items())
        return max(started, *(step.latency for step in phase.steps))
    return sum(count * max(step.latency, hops[step]) for step, count in phase.steps.items())


def _sending(phase: Phase, constants: Mapping[str, Calibration], protocol: Protocol) -> float:
    return max(
        (wire.seconds + constants[wire.kind].local_share * wire.local) / _share(constants[wire.kind], protocol)
        for wire in phase.wires
    )


def _share(constants: Calibration, protocol: Protocol) -> float:
    if protocol == "quick":
        return constants.quick_share
    stated = constants.in_switch_share if protocol == "in-switch" else None
    return constants.bulk_share if stated is None else stated


def _libraries(library: str) -> tuple[str, ...]:
    """Return the libraries whose kernels serve one: direct kernels leave to nccl what they cannot do."""
    return (library, "nccl") if library == "custom" else (library,)


def _would(course: Course, interconnects: Mapping[str, InterconnectType], size_bytes: float, library: str) -> bool:
    """Whether a library takes this course: its own kernels exist for it, and take this size."""
    if course.algorithm in _WITHOUT.get(library, ()):
        return False
    if course.kernels != "direct" and course.algorithm != "in-switch":
        return library != "custom"
    found = [_stated(interconnects.get(kind), library, course.kernels) for kind in course.kinds()]
    if course.algorithm == "in-switch":
        return all(item is not None and item.in_switch_share for item in found)
    return all(item is not None and size_bytes <= (item.most_bytes or size_bytes) for item in found)


def _stated(kind: InterconnectType | None, library: str, kernels: Kernels) -> Calibration | None:
    for item in kind.calibrations if kind else ():
        if (item.library, item.kernels) == (library, kernels):
            return item
    return None


def constants_of(kind: InterconnectType | None, library: str, kernels: Kernels) -> Calibration:
    """Return what the library's kernels are calibrated to on this kind, else the nearest that is known, marked assumed.

    Nearest: the library's other kernels, then another library's same kernels, then the prior.
    """
    stated = _stated(kind, library, kernels)
    if stated is not None:
        return stated
    for item in _nearest(kind, library, kernels):
        changes = {"low": item.low / _OTHER, "high": item.high * _OTHER, "source": "assumed"}
        return item.model_copy(update=changes)
    if kind is not None and kind.efficiency is not None:
        return PRIOR.model_copy(update={"bulk_share": kind.efficiency.value})
    return PRIOR


def _nearest(kind: InterconnectType | None, library: str, kernels: Kernels) -> Iterator[Calibration]:
    known = [item for item in (kind.calibrations if kind else ()) if item.kernels != "direct"]
    yield from (item for item in known if item.library == library)
    yield from (item for item in known if item.kernels == kernels)
    yield from known


def _unknown(what: str, name: str, known: Sequence[str]) -> Diagnostic:
    near = nearest(name, known)
    meant = f"did you mean `{near}`? " if near else ""
    return Diagnostic(
        summary=f"unknown {what} `{name}`", remedy=f"{meant}known: {', '.join(f'`{item}`' for item in known)}"
    )
