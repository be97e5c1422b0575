"""Data-parallel training of a network known by a few numbers: computation, what a host adds, gradients on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.cost.training.hardware import Hardware, arithmetic, hardware_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["Shares", "item_s", "items_of"]

_PRODUCTS, _PRODUCTS_OF_TEXT = 0.3, 0.55
"""Share of the dense peak in training of networks of many kinds of layers, and of transformers, which are mostly large
products."""
_MOVED_PER_MAC, _MOVED_OF_TEXT = 0.02, 0.008
"""Values moved in all passes per multiply-accumulate of the forward pass: ResNet-50 moves 11 million activations some
eight times for 4.1 billion; a transformer of width h about 100 h per token and block for 12 h^2."""
_MEMORY = 0.8
_HOST_S = 8e-3
"""What a framework's host code takes per step: some thousand kernels of all passes and the optimizer, 4-8 us each."""
_GRADIENT = 4.0
_WIRE = 0.6
_UNKNOWN_PEAK, _UNKNOWN_BANDWIDTH = 5e13, 6e11
"""Of a device that no catalogue knows: a graphics card of the middle. Its rows teach what it is."""
_UNKNOWN_MACS, _UNKNOWN_PARAMETERS = 4e9, 3e7
"""Of a network that nobody gives numbers of: ResNet-50's. Its rows teach what it is."""
_UNKNOWN_RUN = 3e17
"""Multiply-accumulates of a whole run that nobody gives numbers of: the middle of MLPerf's."""


@dataclass(frozen=True)
class Shares:
    """Seconds of one device per item of training, by what they go to; arrays of length n.

    compute · host: of the step, spread over the items of a batch · gradients: all-reduce that the backward pass does
    not hide
    """

    compute: Floats
    host: Floats
    gradients: Floats

    @property
    def total(self) -> Floats:
        """All of them; the device works while its host prepares, so the longer of both counts."""
        import numpy as np

        total: Floats = np.maximum(self.compute, self.host) + 0.2 * np.minimum(self.compute, self.host) + self.gradients
        return total


def item_s(observations: Observations, devices: Mapping[str, DeviceType]) -> Shares:
    """Return where the time of an item goes. Passes: three times the forward one's operations, 2 per MAC."""
    import numpy as np

    number = observations.number
    precisions = [_tensor_cores(devices.get(name), word) for name, word in _named(observations)]
    hardware = hardware_of(devices, observations.types, precisions, number("power_cap"))
    whole_runs = observations.metric == "time_to_target"
    macs = _or(number("macs"), _UNKNOWN_RUN if whole_runs else _UNKNOWN_MACS)
    text = np.char.find(observations.word("task"), "text") >= 0
    reached = np.where(text, _PRODUCTS_OF_TEXT, _PRODUCTS)
    bytes_each = np.array([4.0 if name in ("fp32", "tf32") else 2.0 for name in precisions])
    batch = items_of(observations)
    compute = 6.0 * macs / (_or(hardware.peak, _UNKNOWN_PEAK) * reached)
    moved = (
        np.where(text, _MOVED_OF_TEXT, _MOVED_PER_MAC)
        * bytes_each
        * macs
        / (_or(hardware.bandwidth, _UNKNOWN_BANDWIDTH) * _MEMORY)
    )
    steps = number("tokens", 0.0) / batch if whole_runs else 1 / batch  # of a run whose items are stated
    host = _HOST_S * steps
    sent = _all_reduce_s(observations, hardware) / batch
    exposed = np.maximum(sent - 0.5 * compute, 0.1 * sent) * (0.0 if whole_runs else 1.0)
    return Shares(compute + moved, host, exposed)


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


def _all_reduce_s(observations: Observations, hardware: Hardware) -> Floats:
    """Return the time of one all-reduce of all gradients: a ring within a machine, then between them, where the devices
    of a machine share its port."""
    import numpy as np

    ranks = np.maximum(observations.number("devices", 1.0), 1.0)
    stated = observations.number("nodes")
    nodes = np.where(stated > 0, np.minimum(stated, ranks), np.ceil(ranks / np.fmin(hardware.domain, 1e9)))
    nodes = np.where(np.isnan(nodes), np.ceil(ranks / 8), nodes)
    size = _GRADIENT * _or(observations.number("parameters"), _UNKNOWN_PARAMETERS)
    near = ranks / nodes
    inside = 2 * (near - 1) / near * size / (_or(hardware.link, 1e10) * _WIRE)
    outside = 2 * (nodes - 1) / nodes * size / (_or(hardware.port, 3e9) * _WIRE)
    return inside + outside


def _or(column: Floats, usual: float) -> Floats:
    import numpy as np

    return np.where(column > 0, column, usual)
