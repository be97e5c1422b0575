"""hardware topology --time: how long operations take on sets of devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Fabric
from aios.records.forms import nearest
from aios.records.units import Dimension, UnitError, parse_quantity

if TYPE_CHECKING:
    from aios.cost.collectives import Duration
    from aios.cost.routing import Network

__all__ = ["MOST_TIMED", "Operation", "Timed", "Wanted", "check_size", "times_on", "wanted_of"]

MOST_TIMED = 1_024
"""Devices on which an operation is timed; it takes a few seconds."""

_PAIR = "point-to-point"


class Operation(NamedTuple):
    """An operation on some data. written: its size in words"""

    name: str
    size_bytes: float
    written: str


class Wanted(NamedTuple):
    """What to time. library: whose kernels · algorithm: the one to use, None for the quickest"""

    operations: tuple[Operation, ...]
    library: str = "nccl"
    algorithm: str | None = None


class Timed(NamedTuple):
    """An operation on some devices. duration: None where it cannot be said · reason: why not"""

    operation: Operation
    duration: Duration | None
    reason: str = ""


def wanted_of(texts: Sequence[str], library: str | None, algorithm: str | None) -> Wanted:
    """Return what was written: ``all-reduce=256MiB``. Raises InputError with all that is wrong in it."""
    from aios.cost.courses import ALGORITHMS

    wrong: list[Diagnostic] = []
    operations: list[Operation] = []
    for text in texts:
        found = _operation(text)
        if isinstance(found, Diagnostic):
            wrong.append(found)
        else:
            operations.append(found)
    if algorithm is not None and algorithm not in ALGORITHMS:
        wrong.append(_unknown("algorithm", algorithm, ALGORITHMS))
    if wrong:
        raise InputError(*wrong)
    return Wanted(tuple(dict.fromkeys(operations)), library or "nccl", algorithm)


def _operation(text: str) -> Operation | Diagnostic:
    from aios.cost.courses import OPERATIONS

    name, equals, size = (part.strip() for part in text.partition("="))
    known = (*OPERATIONS, _PAIR)
    if name not in known:
        return _unknown("operation", name, known)
    if not equals:
        return Diagnostic(summary=f"`{text}` says no size", remedy=f"write the size behind it: `{name}=256MiB`")
    try:
        size_bytes = parse_quantity(size, Dimension.BYTES)
    except UnitError as error:
        return Diagnostic(summary=f"`{text}`: {error.summary}", remedy=error.remedy)
    if size_bytes <= 0:
        return Diagnostic(summary=f"`{text}`: there is nothing to send", remedy="write a size above zero")
    return Operation(name, size_bytes, size)


def _unknown(what: str, name: str, known: Sequence[str]) -> Diagnostic:
    near = nearest(name, known)
    meant = f"did you mean `{near}`? " if near else ""
    return Diagnostic(
        summary=f"unknown {what} `{name}`", remedy=f"{meant}known: {', '.join(f'`{item}`' for item in known)}"
    )


def check_size(wanted: Wanted, devices: int) -> None:
    """Raise InputError where something is to be timed on too many devices."""
    if wanted.operations and devices > MOST_TIMED:
        raise InputError(f"operations on {devices:,} devices are not timed (at most {MOST_TIMED:,})")


def times_on(fabric: Fabric, sets: Sequence[Sequence[str]], wanted: Wanted) -> tuple[tuple[Timed, ...], ...]:
    """Return, for each set of devices, the time of every operation.

    Operations go through the devices in the given order: broadcast starts at the first, send-recv goes from each to the
    next, point-to-point from the first to whichever takes longest.
    """
    from aios.cost.routing import Network

    network = Network(fabric)
    return tuple(tuple(_timed(network, devices, it, wanted) for it in wanted.operations) for devices in sets)


def _timed(network: Network, devices: Sequence[str], operation: Operation, wanted: Wanted) -> Timed:
    try:
        return Timed(operation, _duration(network, devices, operation, wanted))
    except InputError as error:
        item = error.diagnostics[0]
        return Timed(operation, None, "; ".join(part for part in (item.summary, item.reason, item.remedy) if part))


def _duration(network: Network, devices: Sequence[str], operation: Operation, wanted: Wanted) -> Duration:
    """Return the time. Raises InputError where nothing joins the devices or they cannot do it by the algorithm."""
    from aios.cost import collective, point_to_point

    name, size, _ = operation
    if name != _PAIR:
        return collective(network, devices, name, size, wanted.algorithm, wanted.library)
    if wanted.algorithm not in (None, _PAIR):
        raise InputError(_unknown(f"algorithm for {_PAIR}:", str(wanted.algorithm), (_PAIR,)))
    first, others = devices[0], devices[1:] or devices[:1]
    each = (point_to_point(network, first, other, size, wanted.library) for other in others)
    return max(each, key=lambda found: found.value)
