"""What no device can beat: the fewest multiplications at its peak, and weights that come over its link in each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aios.cost.interval import Interval
from aios.cost.tiers import host_link
from aios.records.fleet import DeviceType
from aios.records.model import VALUE_BYTES, ModelProfile
from aios.records.networks import CLASSES

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["LINK_SHARE", "Store", "fewest", "held_on_chip", "highest", "least_s", "saved", "store_of"]

_Amount = TypeVar("_Amount", "float", "Floats")

_SMALL_KERNELS = ("convolution", "grouped")
"""Classes with kernels larger than 1 x 1 that share their transforms among channels: where Winograd's way pays."""
_SAVED, _SAVED_OF_BYTES = 4.0, 2.0
"""How many multiplications Winograd's F(4x4, 3x3) saves at most (Lavin and Gray, arXiv 1509.09308). Transformed bytes
no longer fit into bytes: their products take 16 bits, at half the rate at best."""
_ALSO: Mapping[str, tuple[str, ...]] = {"fp32": ("tf32",)}
"""Precision -> others that engines compute it in without being asked."""
LINK_SHARE = 0.8
"""Share of a link's bandwidth that payload reaches: 128 of 152 bytes of a usual PCIe packet, and waiting."""


class Store(NamedTuple):
    """Where a device keeps weights. on_chip: bytes that stay there, infinite where it has memory beside the chip ·
    link: bytes/s at which the others come from the host, infinite where nobody states one"""

    on_chip: float
    link: float


def store_of(device: DeviceType) -> Store:
    """Return where a device keeps weights; its chip is all it has where its memory is on it, or where none is stated
    but that."""
    none = float("inf")
    if device.memory_bytes is not None:
        own = device.memory_bytes if device.memory_kind == "sram" else None
    else:
        own = device.cache_bytes.get("sram")
    link = host_link(device)
    return Store(own.value, link.value) if own is not None and link is not None else Store(none, none)


def held_on_chip(device: DeviceType) -> float:
    """Return the bytes of weights that a chip keeps from call to call, 0 where none are stated.

    A network with more is read anew in each call: its layers follow each other, so that what was read first has been
    overwritten when it is asked for again.
    """
    own = device.memory_bytes if device.memory_kind == "sram" else device.cache_bytes.get("sram")
    return own.value if own is not None else 0.0


def saved(value_bytes: float) -> float:
    """Return how many multiplications small kernels can do without, by the size of a value."""
    return _SAVED if value_bytes > 1 else _SAVED_OF_BYTES


def fewest(amounts: Mapping[str, _Amount], saving: _Amount) -> _Amount:
    """Return the multiplications of an item that have to be done. saving: by a factor, in convolutions that allow it"""
    few = amounts[f"{CLASSES[0]}_macs"] * 0.0
    for name in CLASSES[:5]:
        macs = amounts[f"{name}_macs"]
        few = few + (macs / saving if name in _SMALL_KERNELS else macs)
    return few


def highest(device: DeviceType, value_bytes: float) -> float:
    """Return the operations/s that nothing exceeds on a device, infinite where no peak is stated.

    Tables state the precision of a model, not always what its engine computed in: all stated peaks count, and what
    narrower values than theirs would make of them.
    """
    peaks = [
        fact.value * max(1.0, VALUE_BYTES.get(name, 1.0) / max(value_bytes, 0.5))
        for name, fact in device.peak_ops_per_s.items()
    ]
    return max(peaks, default=float("inf"))


def least_s(profile: ModelProfile, device: DeviceType, precision: str, threads: int, items: int) -> Interval:
    """Return the seconds below which no call can be that computes in this very precision; 0 where nothing is known.

    At the low end without the products that engines may spare; of what is expected all of them are done, as no more
    than the peak is what a data sheet promises. threads: of a processor, 0 of anything else
    """
    peaks = [
        device.peak_ops_per_s[name].value
        for name in (precision, *_ALSO.get(precision, ()))
        if name in device.peak_ops_per_s
    ]
    saving = saved(VALUE_BYTES.get(precision, 1.0))
    amounts = {f"{name}_macs": profile.work.get(f"{name}_macs", 0.0) for name in CLASSES[:5]}
    few = fewest(amounts, saving) if any(amounts.values()) else profile.macs / saving
    share = min(1.0, threads / device.cores) if threads and device.cores else 1.0
    each = 2 * items / (max(peaks) * share) if peaks else 0.0
    store = store_of(device)
    streamed = max(profile.weight_bytes_at(precision) - store.on_chip, 0.0) / store.link
    least, expected = (max(each * macs, streamed) for macs in (few, sum(amounts.values()) or profile.macs))
    return Interval(least, expected, expected)
