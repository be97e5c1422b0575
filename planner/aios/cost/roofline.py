"""Time of one call from datasheet facts: the roofline of Williams et al. (2009), operator by operator.

t = sum over operators of max(FLOPs / (peak x efficiency), bytes / (bandwidth x efficiency)) + launch overhead.

- Convolutions and matrix products compute at the candidate's precision; everything else in floating point, or in int8
  where the graph is statically quantised. Batch norms, activations and quantisation nodes are taken to be fused into
  their producer, except at the pessimistic end.
- Batch multiplies FLOPs and activations, not weights.
- A cpu's threads share its peak evenly, less a loss per thread; its memory bandwidth is shared but a few threads
  saturate it. Data that fits the last-level cache moves at the cache's bandwidth: activations, as they are asked for
  again soonest, then of the weights what there is room for; the share that does not fit moves at the memory's.
- Dynamic quantisation reads every input twice (range, then rounding) and writes it once as bytes.
- What lives in another memory tier moves at that tier's rate, or that of the connection to it, until caches hold it.
- A power mode scales the peak by its stated ``peak_scale``, else by its watts; bandwidth stays. A cap stretches what
  computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from aios.cost.efficiency import (
    BANDWIDTH,
    CACHE_SPEEDUP,
    SINGLE_CORE_BANDWIDTH,
    THREAD_LOSS,
    compute_efficiency,
    launch_s,
)
from aios.cost.interval import Interval, Unknown
from aios.cost.power import cap_of, slowed
from aios.cost.spent import Spent
from aios.cost.tiers import TierRate, at_end
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.model import VALUE_BYTES, MemoryPart, ModelProfile

__all__ = ["OperatorTime", "activation_scale", "basis_of", "operator_times", "roofline", "spent_in", "worked"]

_MATRIX = (
    "Conv",
    "Gemm",
    "MatMul",
    "LSTM",
    "GRU",
    "RNN",
    "Attention",
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "Einsum",
    "Fused",  # FusedConv, FusedGemm, FusedMatMul of onnxruntime
)
_FUSED = frozenset({
    "BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Constant",
    "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear", "Cast",
})  # fmt: skip


_MODE_POWER = (1 / 3, 1 / 2, 1.0)
"""Power of a mode's share of watts that its peak goes with, at each end: watts ~ clock^3 where voltage falls with the
clock, ~ clock^2 where it falls less (Mei, Wang and Chu 2017), ~ peak where the mode switches units off."""


_Work: TypeAlias = tuple[str, int, bool, float, float, float]
"""Equal operators of a call: their kind, how many, whether they are matrix products, and of each its operations and its
bytes of weights and of activations. A plain tuple, as a plan makes tens of thousands of them."""


class _Machine(NamedTuple):
    """Rates at one end of the ranges, for a candidate's threads and mode: operations/s, bytes/s, s per operator.

    kept_s: per item, that keys and values take longer to come from their tier than from the device's own memory
    """

    matrix: float
    other: float | None
    weight_rate: float
    activation_rate: float
    kept_s: float
    launch_s: float


def roofline(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    batch: int,
    tiers: Mapping[MemoryPart, TierRate] = MappingProxyType({}),
) -> Interval | Unknown:
    """Return the time of one call of ``batch`` items on one replica in seconds, or why it cannot be said.

    tiers: part -> rate at which the device reads what does not live in its own memory.
    """
    found = worked(profile, device, candidate, batch, tiers)
    return found if isinstance(found, Unknown) else found[0]


def worked(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    batch: int,
    tiers: Mapping[MemoryPart, TierRate],
) -> tuple[Interval, Spent | None] | Unknown:
    """Return what ``roofline`` does, and what the expected time would go into without a cap."""
    missing = _missing(profile, device, candidate)
    if missing:
        return Unknown(f"{missing}, and nothing like it was measured")
    items = max(batch, profile.fixed_batch or 1)
    work = _work(profile, candidate, items)
    best, expected, worst = (_machine(profile, device, candidate, items, end, tiers) for end in range(3))
    lean = [item for item in work if item[0] not in _FUSED]
    times = Interval(*(_time_s(*pair, items) for pair in ((lean, best), (lean, expected), (work, worst))))
    spent = spent_in(_spent(lean, expected))
    if spent is None or cap_of(candidate, device) is None:
        return times, spent
    return times.times(slowed(candidate, device, spent.intensity, spent.clocked)), spent


def _missing(profile: ModelProfile, device: DeviceType, candidate: Candidate) -> str | None:
    if candidate.precision not in device.peak_ops_per_s:
        return f"no {candidate.precision} peak of {device.name} is stated"
    if device.memory_bandwidth_bytes_per_s is None:
        return f"no memory bandwidth of {device.name} is stated"
    if device.kind == "cpu" and device.cores is None and candidate.threads:
        return f"the cores of {device.name} are not stated"
    if not profile.operators:
        return f"nothing is known of the operators of {profile.name}"
    return None


def _machine(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    items: int,
    end: int,
    tiers: Mapping[MemoryPart, TierRate],
) -> _Machine:
    """Return the rates of ``device`` at one end (0 best, 1 expected, 2 worst) of the ranges."""
    scale = _mode_scale(device, candidate, end)
    assert device.memory_bandwidth_bytes_per_s is not None
    memory = cached = device.memory_bandwidth_bytes_per_s.value * BANDWIDTH[end]
    cached *= CACHE_SPEEDUP[end]
    pull = 1.0  # share of a memory's bandwidth that the threads can draw
    if device.kind == "cpu" and device.cores and candidate.threads:
        share = min(1.0, candidate.threads / device.cores)
        scale *= share / (1 + THREAD_LOSS[end] * (candidate.threads - 1))
        pull = min(1.0, candidate.threads * max(SINGLE_CORE_BANDWIDTH[end], 1 / device.cores))
        memory *= pull
        cached = max(memory, cached * share)
    matrix = device.peak_ops_per_s[candidate.precision].value * scale
    matrix *= compute_efficiency(device, candidate.precision)[end]
    plain = "int8" if candidate.quantization == "static" else _plain_precision(device, candidate.precision)
    other = device.peak_ops_per_s.get(plain) or device.peak_ops_per_s.get("fp32")
    other_rate = other.value * scale * compute_efficiency(device, plain)[end] if other else None
    cache = max([fact.value for fact in device.cache_bytes.values()], default=0.0)
    activations = profile.activation_bytes * items * activation_scale(profile, candidate)

    def rate_of(part: MemoryPart) -> float:
        tier = tiers.get(part)
        if tier is None:
            return memory
        return min(at_end(tier, end, memory, candidate.replicas), max(memory, tier.bytes_per_s * pull))

    activation_rate = _partly(cached, rate_of("activations"), activations, cache)
    kept = profile.kv_cache_bytes * activation_scale(profile, candidate)
    weights = profile.weight_bytes_at(candidate.precision)
    return _Machine(
        matrix=matrix,
        other=other_rate,
        weight_rate=_partly(cached, rate_of("weights"), weights, cache - activations),
        activation_rate=activation_rate,
        kept_s=max(0.0, kept / rate_of("kv_cache") - kept / activation_rate) if "kv_cache" in tiers else 0.0,
        launch_s=launch_s(device)[end],
    )


def _partly(cached: float, memory: float, size: float, room: float) -> float:
    """Return bytes/s at which data moves of which as much as there is room for is in a cache, the rest in memory."""
    share = min(1.0, max(room, 0.0) / size) if size > 0 else 1.0
    return 1 / (share / cached + (1 - share) / memory)


def _mode_scale(device: DeviceType, candidate: Candidate, end: int) -> float:
    """Return the peak in a candidate's power mode relative to the full one: as stated, else by the watts of the mode
    relative to the most that any allows, as clocks go with them."""
    mode = next((mode for mode in device.power_modes if mode.name == candidate.power_mode), None)
    if mode is None or mode.peak_scale is not None:
        return 1.0 if mode is None or mode.peak_scale is None else mode.peak_scale.value
    most = max(item.cap_w.value for item in device.power_modes)
    scale: float = (mode.cap_w.value / most) ** _MODE_POWER[end]
    return scale


def _plain_precision(device: DeviceType, precision: str) -> str:
    return precision if precision in ("fp16", "bf16") and precision in device.peak_ops_per_s else "fp32"


def activation_scale(profile: ModelProfile, candidate: Candidate) -> float:
    """Return the size of activations relative to what the profile states; dynamic quantisation keeps them in fp32."""
    if candidate.quantization == "dynamic":
        return 1.0
    stored, wanted = VALUE_BYTES.get(profile.precision), VALUE_BYTES.get(candidate.precision)
    return wanted / stored if stored and wanted else 1.0


class OperatorTime(NamedTuple):
    """What equal operators take of a call, all of them together, in seconds: whichever is longer of arithmetic and of
    moving data, and starting them."""

    kind: str
    compute_s: float
    memory_s: float
    launch_s: float


def spent_in(times: Iterable[OperatorTime]) -> Spent | None:
    """Return what the time of operators goes into; None if they take none."""
    compute = memory = waiting = 0.0
    for item in times:
        waiting += item.launch_s
        if item.memory_s > item.compute_s:
            memory += item.memory_s
        else:
            compute += item.compute_s
    return Spent(compute, memory, waiting) if compute + memory + waiting > 0 else None


def operator_times(
    profile: ModelProfile,
    device: DeviceType,
    candidate: Candidate,
    batch: int,
    tiers: Mapping[MemoryPart, TierRate] = MappingProxyType({}),
) -> tuple[OperatorTime, ...] | Unknown:
    """Return what the expected time of a call goes into, operator by operator, or why it cannot be said."""
    missing = _missing(profile, device, candidate)
    if missing:
        return Unknown(f"{missing}, and nothing like it was measured")
    items = max(batch, profile.fixed_batch or 1)
    lean = [item for item in _work(profile, candidate, items) if item[0] not in _FUSED]
    return tuple(_spent(lean, _machine(profile, device, candidate, items, 1, tiers)))


def _work(profile: ModelProfile, candidate: Candidate, items: int) -> list[_Work]:
    weights = profile.weight_bytes_at(candidate.precision) / profile.weight_bytes if profile.weight_bytes else 1.0
    moved = activation_scale(profile, candidate)
    dynamic = candidate.quantization == "dynamic"
    found = []
    for operator in profile.operators:
        kind, read = operator.kind, operator.input_bytes
        matrix = _is_matrix(kind)
        activations = (read + operator.output_bytes) * moved
        if matrix and dynamic:
            activations += read * 1.25  # read once more for the range, written once as bytes
        amounts = (items * operator.flops, operator.weight_bytes * weights, items * activations)
        found.append((kind, operator.count, matrix, *amounts))
    return found


@cache
def _is_matrix(kind: str) -> bool:
    return kind.startswith(_MATRIX)


def _time_s(work: Iterable[_Work], machine: _Machine, items: int) -> float:
    matrix, other, weight_rate, activation_rate, kept_s, launch_s = machine
    plain = other if other is not None else math.inf
    spent = [
        count * max(flops / (matrix if product else plain), weights / weight_rate + activations / activation_rate)
        + count * launch_s
        for _, count, product, flops, weights, activations in work
    ]
    return items * kept_s + sum(spent)


def _spent(work: Iterable[_Work], machine: _Machine) -> Iterator[OperatorTime]:
    for kind, count, product, flops, weights, activations in work:
        memory_s = weights / machine.weight_rate + activations / machine.activation_rate
        rate = machine.matrix if product else machine.other
        compute_s = flops / rate if rate is not None else 0.0
        yield OperatorTime(kind, count * compute_s, count * memory_s, count * machine.launch_s)


def basis_of(
    profile: ModelProfile, device: DeviceType, candidate: Candidate, tiers: Mapping[MemoryPart, TierRate]
) -> str:
    """Return in words what the time rests on."""
    cache = max([fact.value for fact in device.cache_bytes.values()], default=0.0)
    fits = "fit" if profile.weight_bytes_at(candidate.precision) <= cache else "do not fit"
    count = sum(operator.count for operator in profile.operators)
    skipped = sum(profile.unknown_operators.values())
    return (
        f"roofline over {count} operators at the {candidate.precision} peak and the bandwidth of {device.name}; "
        f"weights {fits} its cache; efficiencies assumed for a {device.kind}"
        + ("" if cap_of(candidate, device) is None else f"; its cap of {candidate.power_mode} slows what computes")
        + "".join(f"; {part} read from {at.tier} at {at.bytes_per_s / 1e9:.3g} GB/s" for part, at in tiers.items())
        + (f"; {skipped} operators of unknown cost not counted" if skipped else "")
    )
