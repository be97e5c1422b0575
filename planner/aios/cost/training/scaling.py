"""Data-parallel training of a network known by a few numbers: computation, what a host adds, gradients on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.catalogue import network_cards
from aios.cost.training.hardware import Hardware, arithmetic, hardware_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["item_parts", "items_of"]

_PRODUCTS, _PRODUCTS_OF_TEXT, _PRODUCTS_PLAIN = 0.3, 0.55, 0.7
"""Share of the dense peak in training: of units for products in networks of many kinds of layers, and in transformers,
which are mostly large products; of plain fp32 arithmetic, which is easier to keep busy. All three were
looked for on published measurements."""
_ACCESSES = 20.0
"""How often a value that a convolution or matrix product puts out is read or written in a step, with what norms,
activation functions and gradients make of it: 4 by the layer itself, 3 to 4 by what follows it, and twice that going
back. ResNet-50 and BERT on V100 and A100 take what follows from it to a tenth."""
_PER_MAC, _PER_MAC_OF_TEXT = 0.0027, 0.001
"""Such values per multiply-accumulate where nobody states them: as in ResNet-50 and BERT."""
_MEMORY = 0.8
"""Share of the bandwidth that they reach."""
_OPERATOR_S, _STEP_S = 1.5e-4, 2e-3
"""What a framework's host code takes per operator and step: some fifteen kernels of all passes and of the optimizer,
10 us each; and per step, for its batch and its loop. They were looked for on published measurements of
small batches."""
_HOST_LEFT = 0.1
"""Share of it that adds to a step whose device is busy for longer."""
_OPERATORS = 150.0
"""Of a network that nobody counts: convolutions, products, norms of ResNet-50, with what is called besides."""
_FILLED, _HELD = 0.8, 3.0
"""Of a device's memory that a batch fills where nobody states its size, and how often the size of what its layers put
out: 2.8 to 3.5 for ResNet-50, SSD and BERT at the largest batches that run."""
_GRADIENT = 4.0
"""Bytes of a gradient."""
_HOST_WIRE, _ETHERNET = 0.25, 1.25e9
"""For devices without a fabric of their own: share of the host link that a ring through the machine reaches, whose
devices share it (looked for on published measurements of PCIe cards), and bytes per second between machines, 10
Gbit/s."""
_HOP_S = 9.6e-6
"""What a step of a ring waits for a message from another machine (NCCL 2.8, graph/tuning.cc: of its simple protocol
over a network; twice for each further machine)."""
_WIRE = 0.6
"""Share of a fabric's or a port's rate that gradients reach."""
_UNKNOWN_PEAK, _UNKNOWN_BANDWIDTH = 5e13, 6e11
"""Operations and bytes per second of a device that the catalogue lacks: a graphics card of the middle. What is learnt
from its rows corrects them."""
_UNKNOWN_MACS, _UNKNOWN_PARAMETERS = 4e9, 3e7
"""Of a network whose figures nobody states: ResNet-50's. What is learnt from its rows corrects them."""
_UNKNOWN_RUN = 3e17
"""Multiply-accumulates of a whole run whose figures nobody states: the median of MLPerf's."""


def item_parts(observations: Observations, devices: Mapping[str, DeviceType]) -> dict[str, Floats]:
    """Return the seconds of one device per item by kind of work.

    products: of all passes, three times the forward one's 2 operations per MAC · memory: values that are moved ·
    host: of the step, that devices do not hide · near, far: gradients of devices of one machine, of several
    """
    import numpy as np

    number = observations.number
    precisions = [_tensor_cores(devices.get(name), word) for name, word in _named(observations)]
    hardware = hardware_of(devices, observations.types, precisions, number("power_cap"))
    whole_runs = observations.metric == "time_to_target"
    known = _asked(observations)
    items = np.where(number("macs", 0.0) > 0, 1.0, number("tokens", 1.0)) if whole_runs else 1.0
    macs = _or(known["macs"] * items, _UNKNOWN_RUN if whole_runs else _UNKNOWN_MACS)
    text = np.char.find(observations.word("task"), "text") >= 0
    plain = np.array([name == "fp32" for name in precisions])
    reached = np.where(plain, _PRODUCTS_PLAIN, np.where(text, _PRODUCTS_OF_TEXT, _PRODUCTS))
    put_out = _or(known["activations"] * items, np.where(text, _PER_MAC_OF_TEXT, _PER_MAC) * macs)
    size = np.array([4.0 if name in ("fp32", "tf32") else 2.0 for name in precisions]) * put_out
    filling = np.maximum(_FILLED * hardware.memory / (_HELD * np.maximum(size, 1.0)), 1.0)
    guessed = np.isnan(number("batch")) & (known["activations"] > 0) & np.isfinite(filling)
    batch = np.where(guessed, filling, items_of(observations))
    steps = number("tokens", 0.0) / batch if whole_runs else 1 / batch  # of a run whose items are stated
    near, far = _all_reduce_s(observations, hardware, known["parameters"])
    products = 6.0 * macs / (_or(hardware.peak, _UNKNOWN_PEAK) * reached)
    memory = _ACCESSES * size / (_or(hardware.bandwidth, _UNKNOWN_BANDWIDTH) * _MEMORY)
    host = (_OPERATOR_S * _or(known["operators"], _OPERATORS) + _STEP_S) * steps
    return {
        "products": products,
        "memory": memory,
        "host": np.maximum(host - products - memory, _HOST_LEFT * host),
        "near": near * steps,
        "far": far * steps,
    }


def _asked(rows: Observations) -> dict[str, Floats]:
    """Return the work of an item of each row, by role; NaN where it is unknown.

    Where a row states its arithmetic (that of a whole run where the metric is time to a target), nothing is looked up;
    any other row is of the network whose card has its name. A figure that the row states goes before that of the card.
    """
    import numpy as np

    stated = {role: rows.number(role) for role in ("macs", "activations", "parameters", "operators")}
    pairs = list(zip(rows.word("model").tolist(), rows.number("image_size", 0.0).tolist(), strict=True))
    cards = {pair: network_cards().named(pair[0], pair[1] or None) for pair in set(pairs)}
    found = [cards[pair] for pair in pairs]
    of_card = {
        "macs": [card and card.macs for card in found],
        "activations": [card and card.activations for card in found],
        "parameters": [card and card.parameters for card in found],
        "operators": [card and card.work.get("kernels") for card in found],
    }
    own = stated["macs"] > 0
    asked = {}
    for role, column in of_card.items():
        looked_up = np.where(own, np.nan, np.array(column, dtype=np.float64))
        asked[role] = np.where(stated[role] > 0, stated[role], looked_up)
    return asked


def items_of(observations: Observations) -> Floats:
    """Return the items of one device's step; where a sequence is stated, an item is one of its tokens."""
    import numpy as np

    return np.maximum(observations.number("batch", 32.0), 1.0) * np.maximum(observations.number("sequence", 1.0), 1.0)


def _named(observations: Observations) -> list[tuple[str, str]]:
    return list(zip(observations.types.tolist(), observations.word("precision").tolist(), strict=True))


def _tensor_cores(device: DeviceType | None, written: str) -> str:
    """Return the arithmetic of a precision; frameworks compute fp32 products in tf32 where a device has it."""
    name = arithmetic(written) if written else "fp32"
    return "tf32" if name == "fp32" and device is not None and "tf32" in device.peak_ops_per_s else name


def _all_reduce_s(observations: Observations, hardware: Hardware, parameters: Floats) -> tuple[Floats, Floats]:
    """Return the times of one all-reduce of all gradients within a machine, and between machines.

    One ring goes through all devices, so that over every link of it goes twice the gradients' size, less a device's
    share, and the slowest link sets the time (Patarasuk and Yuan 2009; NCCL's ring). Between machines that is a port,
    and each further machine is waited for twice.
    """
    import numpy as np

    ranks = np.maximum(observations.number("devices", 1.0), 1.0)
    stated = observations.number("nodes")
    nodes = np.where(stated > 0, np.minimum(stated, ranks), np.ceil(ranks / np.fmin(hardware.domain, 1e9)))
    nodes = np.where(np.isnan(nodes), np.ceil(ranks / 8), nodes)
    sent = 2 * (ranks - 1) / ranks * _GRADIENT * _or(parameters, _UNKNOWN_PARAMETERS)
    own = hardware.link > hardware.port
    link = np.where(own, _WIRE, _HOST_WIRE) * _or(hardware.link, 1e10)
    port = _WIRE * np.where(own, _or(hardware.port, 3e9), _ETHERNET)
    several = nodes > 1
    far = sent / np.minimum(port, link) + 2 * (nodes - 1) * _HOP_S
    return np.where(several, 0.0, sent / link), np.where(several, far, 0.0)


def _or(column: Floats, usual: Floats | float) -> Floats:
    import numpy as np

    return np.where(column > 0, column, usual)
