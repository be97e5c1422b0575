"""A sample of a fixed network: its operators' arithmetic and traffic, from tables, cards or networks like it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.cost.energy.work import Work
from aios.cost.networks.figures import figures_of
from aios.cost.networks.rates import numeric, rates_of
from aios.records.fleet import DeviceType
from aios.records.networks import CLASSES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations

    Mask = npt.NDArray[np.bool_]

__all__ = ["Amounts", "amounts_of", "fixed_joules", "fixed_work", "starting_share"]

_NARROW, _MEMORY = 0.15, 1.5
"""Of the rate that dense products keep up, what depthwise and grouped ones reach · of the memory's bandwidth, at which
values move: engines for inference keep part of them in caches. Estimates, which tables correct."""
_TRAINING = 3.0
"""Work of a training step relative to inference: forward, gradients of activations, gradients of weights."""
_TRAINING_STEP_S, _SAMPLE_S = 1e-2, 2e-5
"""Host time of one training step, and of loading a sample with several workers."""
_MOVED = tuple(f"{kind}_values" for kind in CLASSES if kind != "elementwise")
"""Values that are moved: elementwise operators are computed with the product before them."""
_MAC_J, _VALUE_J, _BYTE_J, _LAUNCH_J = 4e-10, 9.6e-9, 1e-9, 1.2e-4
"""Joules per multiply-accumulate and per value moved in 32 bits, per byte of weights and per operator started, of cores
that run an operating system, with the board around them. Chosen so that physics alone meets the single-board computers
in the open division of MLPerf (TFLite and Arm NN, 10 to 2000 million multiply-accumulates), each of which by itself
fits such a sum to within 2 to 8 %."""
_BARE_VALUE_J, _BARE_BYTE_J, _BARE_LAUNCH_J = 3e-9, 2e-10, 2e-7
"""The last three of a microcontroller without an operating system: its values and weights lie on the chip, and a call
takes a few thousand cycles at 100 pJ. Their size was looked for on published measurements
(MLPerf Tiny)."""
_DOT = 0.3
"""Of a multiply-accumulate in 8 bits, what is left where cores have instructions for products of four pairs at once."""
_WITHOUT_DOT = frozenset({"a5", "a7", "a8", "a9", "a12", "a15", "a17", "a35", "a53", "a57", "a72", "a73", "carmel"})
"""Processor cores of Arm's A profile that lack SDOT and UDOT (LLVM, AArch64Processors.td: FeatureDotProd; A55, A75 and
what came after them have it, and so has Mali from G52 and G76 on)."""
_ACCELERATOR = 0.01
"""Of that, what accelerators spend whose rates nobody states: some picojoules per multiply-accumulate in 8 bits."""


@dataclass(frozen=True)
class Amounts:
    """Per item. dense, depthwise: multiply-accumulates · moved: bytes of activations · fetched: bytes of weights, once
    per call · launches: operators, once per call ·
    known: 1 where anything of the network is · macs: all multiply-accumulates, NaN where none are known"""

    dense: Floats
    depthwise: Floats
    moved: Floats
    fetched: Floats
    launches: Floats
    known: Floats
    macs: Floats


def amounts_of(rows: Observations) -> Amounts:
    """Return what a sample takes."""
    import numpy as np

    figures = figures_of(rows)
    words, places = np.unique(rows.word("precision").astype(str), return_inverse=True)
    formats = [numeric(str(word)) for word in words]
    weight, value = (np.array([getattr(item, name) for item in formats])[places] for name in ("weight", "value"))
    found = figures.amounts
    times = np.where(rows.word("mode") == "training", _TRAINING, 1.0)
    narrow = found["depthwise_macs"] + found["grouped_macs"]
    dense = found["convolution_macs"] + found["pointwise_macs"] + found["attention_macs"]
    other = (rows.word("phase") != "") | ~np.isnan(rows.number("steps"))
    known = (figures.known > 0) & ~other
    return Amounts(
        dense=times * dense,
        depthwise=times * narrow,
        moved=times * value * np.sum([found[name] for name in _MOVED], axis=0),
        fetched=times * weight * found["weights"],
        launches=times * found["kernels"],
        known=known.astype(float),
        macs=np.where(known, figures.sizes.macs, np.nan),
    )


def fixed_work(rows: Observations, types: Mapping[str, DeviceType], amounts: Amounts) -> Work:
    """Return what each item takes of the devices together; NaN where network or device are not known."""
    import numpy as np

    rates = rates_of(rows, types)
    batch = np.maximum(rows.number("batch", 1.0), 1.0)
    alone = np.char.startswith(rows.word("scenario").astype(str), "single")
    turns = np.where(alone, rows.number("devices", 1.0), 1.0)
    devices = rows.number("devices", 1.0) / turns
    training = rows.word("mode") == "training"
    known = (amounts.known > 0) & (rates.known > 0) & (rows.word("core") == "")
    compute = 2 / (rates.peak * devices)
    memory = 1 / (rates.bandwidth * _MEMORY * devices)
    parts = {
        "dense": amounts.dense * compute,
        "depthwise": amounts.depthwise * compute / _NARROW,
        "values": amounts.moved * memory,
        "weights": amounts.fetched * memory / batch,
        "launches": amounts.launches * rates.launch / batch / devices,
        "host": np.where(training, _TRAINING_STEP_S / batch + _SAMPLE_S, 0.0),
    }
    return Work({name: np.where(known, part, np.nan) for name, part in parts.items()}, turns)


def fixed_joules(rows: Observations, types: Mapping[str, DeviceType], amounts: Amounts) -> dict[str, Floats]:
    """Return the joules of each item on processor cores, or on devices whose rates nobody states, by part; NaN where
    the network is unknown."""
    import numpy as np

    words, places = np.unique(rows.word("precision").astype(str), return_inverse=True)
    value = np.array([numeric(str(word)).value for word in words])[places]
    batch = np.maximum(rows.number("batch", 1.0), 1.0)
    known, less = amounts.known > 0, np.sqrt(value / 4)
    fewer = np.where((value <= 1) & _with_dot(rows), _DOT, 1.0)
    bare = (rows.word("core") != "") & (rows.word("host") == "")
    parts = {
        "dense": amounts.dense * _MAC_J * less * fewer,
        "depthwise": amounts.depthwise * _MAC_J * less,
        "values": amounts.moved / value * np.where(bare, _BARE_VALUE_J, _VALUE_J) * less,
        "weights": amounts.fetched * np.where(bare, _BARE_BYTE_J, _BYTE_J) / batch,
        "launches": amounts.launches * np.where(bare, _BARE_LAUNCH_J, _LAUNCH_J) / batch,
    }
    cores = np.isin(rows.types, [name for name, device in types.items() if device.kind == "cpu"])
    scale = np.where(cores | (rows.word("core") != ""), 1.0, _ACCELERATOR)
    return {name: np.where(known, part * scale, np.nan) for name, part in parts.items()}


def starting_share(rows: Observations, types: Mapping[str, DeviceType], amounts: Amounts) -> Floats:
    """Return the share of the work that starts operators, where cores are named and their network is known; else 0."""
    import numpy as np

    joules = fixed_joules(rows, types, amounts)
    total = sum(joules.values(), np.zeros(len(rows)))
    own = (rows.word("core") != "") & (total > 0)
    return np.where(own, joules["launches"] / np.where(own, total, 1.0), 0.0)


def _with_dot(rows: Observations) -> Mask:
    """Return which rows run on cores that are known to multiply four pairs of bytes at once."""
    import numpy as np

    names, places = np.unique(rows.word("core").astype(str), return_inverse=True)
    known = [bool(re.fullmatch(r"(?i)(cortex-)?[ax]\d+.*|carmel|mali.*", str(name))) for name in names]
    lacking = [str(name).casefold().removeprefix("cortex-") in _WITHOUT_DOT for name in names]
    found: Mask = (np.array(known) & ~np.array(lacking))[places]
    return found
