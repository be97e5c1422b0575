"""What is in order whatever was learnt of it: more at once, and less precision, take no longer than they have to."""

from __future__ import annotations

from collections.abc import Iterator

from aios.cost.interval import Interval
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import ModelProfile

__all__ = ["halved", "narrower", "no_less", "no_more", "wider"]

_FLOATS, _NARROW = ("fp32", "fp16", "bf16"), "int8"
_RANKS = {"fp32": 0, "fp16": 1, "bf16": 1, _NARROW: 2}
"""Precision -> its place from wide to narrow."""


def halved(batch: int) -> Iterator[int]:
    """Yield a batch and what it can be split into evenly, again and again."""
    yield batch
    while batch % 2 == 0:
        batch //= 2
        yield batch


def wider(profile: ModelProfile, device: DeviceType, candidate: Candidate) -> Iterator[Candidate]:
    """Yield what differs in a wider precision alone that takes no less: the device's peak at it is no higher.

    Of a graph that is quantised as a whole also what has a higher one, but on a processor: engines of accelerators
    compute in floating point whatever is faster so, from the same weights. A graph that is quantised as values come
    does more than either.
    """
    any_peak = candidate.precision == _NARROW and device.kind != "cpu"
    for precision in _others(profile, candidate):
        lower = _RANKS[precision] < _RANKS[candidate.precision]
        if lower and (any_peak or _no_faster(device, precision, candidate.precision)):
            yield _in(candidate, precision)


def narrower(profile: ModelProfile, device: DeviceType, candidate: Candidate) -> Iterator[Candidate]:
    """Yield what differs in a narrower precision alone that takes no more: the device's peak at it is no lower."""
    for precision in _others(profile, candidate):
        higher = _RANKS[precision] > _RANKS[candidate.precision]
        if higher and _no_faster(device, candidate.precision, precision):
            yield _in(candidate, precision)


def no_more(time: Interval, most: Interval) -> Interval:
    """Return a time of which each end is no more than that of another."""
    return Interval(*map(min, time, most))


def no_less(time: Interval, least: float) -> Interval:
    """Return a time whose expected value is no less than another; its interval may begin below."""
    value = max(time.value, least)
    return Interval(time.low, value, max(time.high, value))


def _others(profile: ModelProfile, candidate: Candidate) -> Iterator[str]:
    """Yield the other precisions that a network of floating point is computed in, widest first."""
    if candidate.quantization == "dynamic" or profile.precision not in _FLOATS or candidate.precision not in _RANKS:
        return
    yield from (precision for precision in _RANKS if precision != candidate.precision)


def _in(candidate: Candidate, precision: str) -> Candidate:
    quantization = "static" if precision == _NARROW else "none"
    return candidate.model_copy(update={"precision": precision, "quantization": quantization})


def _no_faster(device: DeviceType, wide: str, narrow: str) -> bool:
    """Say whether a device's peaks at both precisions are stated, and that of the wider one is no higher."""
    wide_peak, narrow_peak = device.peak_ops_per_s.get(wide), device.peak_ops_per_s.get(narrow)
    return wide_peak is not None and narrow_peak is not None and wide_peak.value <= narrow_peak.value
