"""What one call asks of a machine, in amounts that each take a time of their own."""

from __future__ import annotations

from collections.abc import Mapping

from aios.records.model import ModelProfile
from aios.records.networks import PER_CALL, WORK

__all__ = ["VERSION", "amounts_of", "extent_of"]

VERSION = 1
"""Raised when an amount counts something else than before: what was learnt of it then no longer holds."""

_FUSED = frozenset({"Relu", "Clip", "BatchNormalization"})
_SMOOTH = frozenset({"HardSwish", "Sigmoid", "HardSigmoid", "Tanh", "Erf", "Gelu", "Exp", "Log", "Sqrt", "Softplus",
                     "LeakyRelu", "PRelu", "Pow", "Softmax", "Elu", "Mish"})  # fmt: skip
_ARITHMETIC = frozenset({"Add", "Mul", "Sub", "Div", "Sum", "Max", "Min", "Where"})
_VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Constant", "Shape", "Dropout"})
_VALUE_BYTES = 4.0
_LEFT_OUT = frozenset({"elementwise_values", "kernels"})
"""Of ``WORK``: told apart here by whether a runtime fuses them, and whether it has them in 8 bits."""


def amounts_of(profile: ModelProfile, items: int, threads: int) -> Mapping[str, float]:
    """Return name -> amount of a call of ``items``. ``NAME/t``: divided by the threads, as what runs in parallel is.

    A time that is linear in both is Amdahl's law: some of each amount runs on one thread, the rest on all.
    """
    found: dict[str, float] = {"calls": 1.0}
    for name in WORK:
        if name not in _LEFT_OUT:
            found[name] = profile.work.get(name, 0.0) * (1 if name in PER_CALL else items)
    for operator in profile.operators:
        kind, count = operator.kind, float(operator.count)
        values = count * (operator.input_bytes + operator.output_bytes) / _VALUE_BYTES * items
        if kind in ("MatMul", "Gemm"):
            _add(found, product_macs=count * operator.flops / 2 * items, product_values=values, products=count)
            _add(found, product_weights=count * operator.weight_bytes / _VALUE_BYTES)
        elif kind == "Conv":
            _add(found, convolutions=count)
        elif kind not in _VIEWS:
            name = next((name for name, kinds in _GROUPS.items() if kind in kinds), "other")
            _add(found, **{f"{name}_operators": count})
            if name != "other":
                _add(found, **{f"{name}_values": values})
    spread = max(threads, 1)
    return found | {f"{name}/t": amount / spread for name, amount in found.items()}


_GROUPS = {
    "fused": _FUSED,
    "smooth": _SMOOTH,
    "arithmetic": _ARITHMETIC,
    "resampling": frozenset({"Resize", "Upsample", "GridSample"}),
}


def _add(found: dict[str, float], **amounts: float) -> None:
    for name, amount in amounts.items():
        found[name] = found.get(name, 0.0) + amount


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
