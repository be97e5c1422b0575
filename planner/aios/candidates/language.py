"""Every way to serve a language model: precision x tensor and pipeline parallelism x sequences at once x replicas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aios.candidates.hosts import Host
from aios.candidates.precisions import Precision
from aios.candidates.rejections import Rejections
from aios.candidates.sizes import replicas_of
from aios.records.base import trusted
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.transformer import Transformer
from aios.records.transformers import kv_cache_bytes, length_reason, parallel_reasons, scheme_of, weight_bytes
from aios.records.units import Dimension, format_quantity

__all__ = ["Language", "language_candidates", "language_precisions"]

SEQUENCES = (1, 4, 16, 64, 128, 256, 512)
"""How many sequences an engine may be set up to decode together, unless pinned."""

MEMORY_KEPT = 0.9
"""Of a device's memory that weights and caches may take, as vLLM and TensorRT-LLM are set up by default."""

_HALF = ("bf16", "fp16")
_GIVEN = set(Candidate.model_fields)


class Language(NamedTuple):
    """What is the same for all candidates of one model on one device type. bound: on replicas."""

    intent: Intent
    name: str
    digest: str
    model: Transformer
    device: DeviceType
    hosts: tuple[Host, ...]
    executor: str
    bound: int | None
    rejections: Rejections


class _Ways(NamedTuple):
    """tensor: devices of a machine that share each layer · pipeline: machines that share the layers."""

    tensor: int
    pipeline: int

    def __str__(self) -> str:
        return f"tp{self.tensor}" + (f"-pp{self.pipeline}" if self.pipeline > 1 else "")


def language_precisions(model: Transformer, device: DeviceType) -> Iterator[Precision]:
    """Yield in what the device could compute: as stored, and with quantised weights where it gains from that.

    fp8 and int8 need such a peak; four-bit weights are unpacked and computed on in 16 bits.
    """
    peaks = device.peak_ops_per_s
    if model.precision not in (*_HALF, "fp32"):
        yield Precision(model.precision, "none")
        return
    half = next((name for name in (model.precision, *_HALF) if name in peaks and name != "fp32"), None)
    yield Precision(half or ("fp32" if "fp32" in peaks else model.precision), "none")
    for name in ("fp8", "int8"):
        if name in peaks and half is not None:
            yield Precision(name, "static")
    yield Precision("int4", "weight-only")


def language_candidates(space: Language) -> Iterator[Candidate]:
    """Yield the candidates that memory and structure allow, smallest first; what they forbid becomes a rejection."""
    load, rejections = space.intent.load, space.rejections
    context = (load.prompt_tokens or 0) + (load.output_tokens or 0) if load else 0
    too_long = length_reason(space.model, context)
    if too_long:
        rejections.add(f"{space.name} on {space.device.name}", "longest sequence", too_long, resolvable="shorten load")
        return
    for precision in language_precisions(space.model, space.device):
        if rejections.allows("precision", precision.name, precision.name) and rejections.allows(
            "quantization", precision.quantization, str(precision)
        ):
            yield from _of_precision(space, precision, max(context, 1))


def _of_precision(space: Language, precision: Precision, context: int) -> Iterator[Candidate]:
    memory = min((host.memory_bytes for host in space.hosts if host.memory_bytes is not None), default=None)
    scheme = scheme_of(precision.name)
    what = f"{space.name} {precision} on {space.device.name}"
    if memory is None or scheme is None:
        unknown = f"the memory of {space.device.name}" if memory is None else f"how {precision.name} weights are stored"
        space.rejections.add(what, "memory", f"nobody states {unknown}", resolvable="state it")
        return
    weights = weight_bytes(space.model, scheme)
    each = float(kv_cache_bytes(space.model, context))
    room = None
    for ways in _ways(space):
        heads = min((kind.kv_heads for kind in space.model.attention if kind.kind == "full"), default=1)
        free = memory * MEMORY_KEPT - weights / (ways.tensor * ways.pipeline)
        most = int(free / (each / (min(ways.tensor, heads) * ways.pipeline))) if free > 0 else 0
        if most < 1:
            room = room or (
                f"weights of {format_quantity(weights, Dimension.BYTES)} and {format_quantity(each, Dimension.BYTES)} "
                f"per sequence do not fit the memory of {format_quantity(memory, Dimension.BYTES)}, of which "
                f"{MEMORY_KEPT:.0%} may be taken"
            )
            space.rejections.add(f"{what} over {ways}", "memory", room)
            continue
        for sequences in _sequences(space, most, f"{what} over {ways}"):
            yield from _copies(space, precision, ways, sequences)


def _ways(space: Language) -> Iterator[_Ways]:
    """Yield degrees of parallelism that the structure and the machines allow."""
    widest = max(host.devices for host in space.hosts)
    machines = sum(host.machines for host in space.hosts)
    if space.device.kind == "cpu":
        yield _Ways(1, 1)
        return
    tensor = 1
    while tensor <= widest:
        pipeline = 1
        while pipeline <= min(machines, 8):
            ways = _Ways(tensor, pipeline)
            reasons = parallel_reasons(space.model, tensor=tensor, pipeline=pipeline, even_stages=False)
            if reasons:
                what = f"{space.name} over {ways} of {space.device.name}"
                space.rejections.add(what, "degrees divide the model", reasons[0])
            else:
                yield ways
            if tensor * 2 <= widest:  # layers are shared over machines only where one machine's devices are all used
                break
            pipeline *= 2
        tensor *= 2


def _sequences(space: Language, most: int, what: str) -> Sequence[int]:
    wanted = sorted(set(space.intent.pin.batch)) or sorted({*(n for n in SEQUENCES if n < most), min(most, 512)})
    kept = []
    for sequences in wanted:
        if sequences > most:
            reason = f"keys and values of {most} sequences fit its memory"
            space.rejections.add(f"{what} with {sequences} sequences at once", "memory", reason)
        elif space.rejections.allows("batch", sequences, f"batch {sequences}"):
            kept.append(sequences)
    return kept


def _copies(space: Language, precision: Precision, ways: _Ways, sequences: int) -> Iterator[Candidate]:
    able = [host for host in space.hosts if host.devices >= ways.tensor]
    blocks = sum(host.machines * (host.devices // ways.tensor) for host in able)
    threads = max((host.cores or 1 for host in able), default=1) if space.device.kind == "cpu" else 0
    label = f"{space.device.name} over {ways}"
    stem = f"{space.intent.name}/{space.name}/{space.device.name}/{precision}/{ways}/b{sequences}"
    for replicas in replicas_of(blocks // ways.pipeline, space.bound, space.intent, space.rejections, label):
        fields = {
            "id": f"{stem}/r{replicas}",
            "intent": space.intent.name,
            "model": space.name,
            "model_digest": space.digest,
            "device": space.device.name,
            "nodes": tuple(host.node for host in able),
            "executor": space.executor,
            "precision": precision.name,
            "quantization": precision.quantization,
            "compression": "none",
            "batch": sequences,
            "threads": threads,
            "replicas": replicas,
            "parallelism": "none" if ways == (1, 1) else str(ways),
            "power_mode": None,
            "tiers": {},
            "devices": ways.tensor,
            "machines": ways.pipeline,
            "degrees": {"tensor": ways.tensor, "pipeline": ways.pipeline},
            "settings": {},
        }
        yield trusted(Candidate, fields, _GIVEN)
