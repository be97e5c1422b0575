"""What one call asks of a machine, in amounts that each take a time of their own.

Operators are told apart by the kernels that runtimes have for them, and each kernel's time is linear in what it
multiplies, reads, writes and starts, as in roofline models of single operators (Zhang et al., "nn-Meter", MobiSys 2021,
find the same kinds; they learn forests of them, which say nothing beyond the sizes that were measured).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from aios.records.model import ModelProfile, Operator

__all__ = ["VERSION", "amounts_of", "extent_of"]

VERSION = 3
"""Raised when an amount counts something else than before: what was learnt of it then no longer holds."""

_STARTED = " started"
_MOVING = (" read", " written", " moved", " work", "uncached")
_ANY = "any"
"""What every kernel takes at least: all that is known of those that nothing was measured of."""
_ARITHMETIC = frozenset({"Add", "Mul", "Sub", "Div", "Sum", "Max", "Min", "Where"})
_VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Constant", "Shape", "Dropout"})
_FREE = frozenset({"Relu", "Clip", "LeakyRelu", "BatchNormalization"})
"""What costs nothing where it is fused: weights take in a batch norm, registers and ranges of 8 bits a clip."""
_COPIES = frozenset({"Concat", "Split", "Slice", "Pad", "Gather", "Expand", "Tile"})
_VALUE_BYTES = 4.0
_LANES = 16
"""Channels that go together through the widest registers (512 bits of fp32): a remainder costs as much as all."""
_ALIGNED = 4
"""Channels that onnxruntime's fast layout wants multiples of (``channel_alignment`` of its NCHWc transformer)."""
_CACHED = 2**18
"""Values of an operator that a core's own cache holds (1 MiB of fp32)."""


def amounts_of(profile: ModelProfile, items: int, threads: int) -> Mapping[str, float]:
    """Return name -> amount of a call of ``items``, of what runs in parallel divided by the threads. ``NAME held``:
    of what moves values, what more threads take nothing away from, for cores share their memory · ``woken``: operators
    for which other threads are woken, which takes the same for each.

    A time that is linear in ``NAME`` and ``NAME held`` is Amdahl's law. The second has no part in times on one thread,
    which tell the first alone.
    """
    asked: dict[str, float] = {"calls": 1.0}
    for operator in profile.operators:
        for name, amount in _asked(operator, items):
            asked[name] = asked.get(name, 0.0) + operator.count * amount
    starts = {name: amount for name, amount in asked.items() if name.endswith(_STARTED) or name == "calls"}
    parallel = {name: amount for name, amount in asked.items() if name not in starts}
    if threads <= 1:
        return starts | parallel
    moving = {name: amount for name, amount in parallel.items() if name.endswith(_MOVING)}
    held = {f"{name} held": amount * (1 - 1 / threads) for name, amount in moving.items()}
    shared = {name: amount / threads for name, amount in parallel.items()}
    return starts | shared | held | {"woken": sum(starts.values())}


def _asked(operator: Operator, items: int) -> Iterator[tuple[str, float]]:
    """Yield what one operator of a profile asks, amount by amount."""
    kind = operator.kind
    if kind in _VIEWS or (operator.fused and kind in _FREE):
        return
    read, written = (items * size / _VALUE_BYTES for size in (operator.input_bytes, operator.output_bytes))
    if operator.form is not None:
        name, further = _product(operator, *operator.form, written)
        yield from further.items()
        yield f"{_ANY} macs", further[f"{name} macs"]
    else:
        name = _name(operator)
        yield f"{name} work", items * operator.flops
        if not operator.fused:
            yield f"{_ANY} moved", read + written
    yield f"{name}{_STARTED}", 1.0
    yield f"{name} read", read
    yield f"{name} written", written
    if read + written > _CACHED:
        yield "uncached", read + written


def _product(
    operator: Operator, inside: int, outside: int, taps: int, groups: int, written: float
) -> tuple[str, dict[str, float]]:
    """Return the kernel of a convolution or product with weights, and the amounts that others lack."""
    positions = written / max(outside, 1)
    summed = inside * taps / groups
    apart = 1 if groups == inside else groups  # kernels go over the channels of depthwise ones as over those of others
    padded = math.ceil(outside / apart / _LANES) * _LANES * apart
    if operator.kind not in ("Conv", "QLinearConv", "ConvInteger"):
        name = "transposed" if "Transpose" in operator.kind else "vector" if positions <= 1 else "product"
    elif groups > 1:
        name = "depthwise" if groups == inside == outside else "grouped"
        if name == "grouped" and (inside // groups % _LANES or outside // groups % _LANES):
            name = "ragged grouped"
    else:
        name = "pointwise" if taps == 1 else "convolution"
    if inside < _LANES and name in ("pointwise", "convolution"):
        name = "thin"
    elif (inside % _ALIGNED or outside % _ALIGNED) and positions > 1:
        name = f"odd {name}"
    elif name == "depthwise" and outside % _LANES:
        name = "ragged depthwise"
    return name, {
        f"{name} macs": positions * summed * padded,
        f"{name} weights": operator.weight_bytes / _VALUE_BYTES,
        f"{name} gathered": positions * summed * apart if taps > 1 else 0.0,
        f"{name} groups": apart,
        f"{name} summed": positions * padded * math.ceil(summed / 1024),
    }


def _name(operator: Operator) -> str:
    """Return the kernel of an operator that has no weights to multiply with."""
    kind = operator.kind
    if kind in _ARITHMETIC:
        alike = operator.input_bytes >= 2 * operator.output_bytes
        kind = "alike" if alike else "scaled" if operator.weight_bytes <= 8 else "spread"
    elif kind in _COPIES:
        kind = "copied"
    elif kind.startswith("Reduce"):
        kind = "Reduce"
    elif kind in ("Resize", "Upsample"):
        kind = "Resize" if operator.flops else "repeated"
    return f"fused {kind}" if operator.fused else kind


def extent_of(profile: ModelProfile, items: int, threads: int) -> Mapping[str, float]:
    """Return the quantities by which a call is far from others: beyond what was measured nothing is known."""
    operators = sum(operator.count for operator in profile.operators)
    return {
        "macs": max(profile.macs * items, 1.0),
        "weights": max(float(profile.parameters), 1.0),
        "operators": max(float(operators), 1.0),
        "items": float(items),
        "threads": float(max(threads, 1)),
    }
