"""Every way to serve a language model: precision x tensor and pipeline parallelism x sequences at once x replicas."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from aios.candidates.hosts import Host
from aios.candidates.precisions import Precision
from aios.candidates.sizes import powers_of_two, replicas_of
from aios.candidates.transformers import HALF, OnDevice, bytes_text
from aios.records.candidate import Candidate
from aios.records.errors import Diagnostic
from aios.records.fleet import DeviceType
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.transformer import Transformer
from aios.records.transformers import (
    KV_CACHE,
    KV_PRECISION,
    holding,
    length_reason,
    most_sequences,
    parallel_reasons,
    scheme_of,
)

__all__ = ["language_candidates", "language_precisions", "language_problems"]

SEQUENCES = (1, 4, 16, 64, 256, 1024)
"""How many sequences an engine may be set up to decode together, unless pinned; the last one is the default of vLLM."""

_MOST_STAGES = 8
"""Machines that share the layers of one replica; more stages than these wait for each other more than they compute."""


class _Ways(NamedTuple):
    """Degrees of parallelism. tensor: devices of a machine that share each layer · pipeline: machines that share the
    layers"""

    tensor: int
    pipeline: int

    def __str__(self) -> str:
        return f"tp{self.tensor}" + (f"-pp{self.pipeline}" if self.pipeline > 1 else "")


def language_problems(intent: Intent, profiles: Mapping[str, ModelProfile]) -> list[Diagnostic]:
    """Return what an intent does not say that serving its language models depends on."""
    models = [(name, profile.transformer) for name, profile in profiles.items() if profile.transformer is not None]
    names = [name for name, model in models if model.decoder]
    if not models or intent.train is not None:
        return []
    if not names:
        return [_encoder(intent, models[0][0])]
    load = intent.load
    lacking = ["rate", "prompt", "output"] if load is None else []
    if load is not None:
        stated = {"prompt": load.prompt_tokens, "output": load.output_tokens}
        lacking = [name for name, tokens in stated.items() if tokens is None]
    if not lacking:
        return []
    where = intent.spans.get("spec.load.rate") or intent.spans.get("spec.task") or intent.where
    fields = ", ".join(f"`{name}`" for name in lacking)
    return [
        Diagnostic(
            summary=f"the load of {intent.name} lacks {fields}",
            where=where,
            reason=f"{names[0]} is a language model: what a request takes follows from the tokens of prompt and answer",
            remedy="write `load: {rate: 2/s, prompt: 1024, output: 256}` with your own numbers",
        )
    ]


def _encoder(intent: Intent, name: str) -> Diagnostic:
    return Diagnostic(
        summary=f"{name} is an encoder: it generates no text, and what it takes by request is not known from its card",
        where=next(choice.where for choice in intent.models if choice.name == name),
        reason="language models are planned as generators of tokens; any other network is planned from its ONNX file",
        remedy="export it to ONNX, write `model: {path: FILE.onnx}`, and state its load as a rate alone",
    )


def language_precisions(model: Transformer, device: DeviceType) -> Iterator[Precision]:
    """Yield the precisions to serve a model in: as stored, and with quantised weights where the device gains from that.

    fp8 and int8 need such a peak; four-bit weights are unpacked and computed on in 16 bits.
    """
    peaks = device.peak_ops_per_s
    if model.precision not in (*HALF, "fp32"):
        yield Precision(model.precision, "none")
        return
    half = next((name for name in (model.precision, *HALF) if name in peaks and name != "fp32"), None)
    yield Precision(half or ("fp32" if "fp32" in peaks else model.precision), "none")
    for name in ("fp8", "int8"):
        if name in peaks and half is not None:
            yield Precision(name, "static")
    yield Precision("int4", "weight-only")


def language_candidates(space: OnDevice) -> Iterator[Candidate]:
    """Yield the candidates that memory and structure allow, smallest first; what they forbid becomes a rejection.

    An intent without a load that states tokens has none: see ``language_problems``.
    """
    load, rejections = space.intent.load, space.rejections
    context = (load.prompt_tokens or 0) + (load.output_tokens or 0) if load is not None else 0
    if not context:
        return
    if not space.model.decoder:
        reason = f"{space.name} is an encoder: it generates no text"
        rejections.add(space.name, "a decoder", reason, resolvable="name its ONNX file")
        return
    too_long = length_reason(space.model, context)
    if too_long:
        rejections.add(f"{space.name}", "longest sequence", too_long, resolvable="shorten prompt or output")
        return
    for precision in language_precisions(space.model, space.device):
        if rejections.allows("precision", precision.name, precision.name) and rejections.allows(
            "quantization", precision.quantization, str(precision)
        ):
            for kept, group in product(_caches(space), _groups(space.hosts)):
                yield from _of_precision(space._replace(hosts=group.hosts), precision, kept, context, group)


def _caches(space: OnDevice) -> list[str]:
    """Return the precisions to keep keys and values in: the 16 bits that are computed in, and those of 8 bits that the
    intent asks for, where the device computes in them."""
    found = [dict(chosen).get(KV_CACHE, KV_PRECISION) for chosen in space.decisions]
    peaks, name = space.device.peak_ops_per_s, space.device.name
    for kept in found:
        if kept != KV_PRECISION and kept not in peaks:
            reason = f"{name} states no peak for {kept} (stated: {', '.join(sorted(peaks)) or 'none'})"
            space.rejections.add(
                f"{space.name} with keys and values in {kept} on {name}",
                "a device that computes in what the cache is kept in",
                reason,
                resolvable=f"state peak_ops_per_s.{kept} of {name} if it has one",
            )
    return [kept for kept in found if kept == KV_PRECISION or kept in peaks]


def _named(precision: Precision, kept: str) -> str:
    return f"{precision}" if kept == KV_PRECISION else f"{precision}+{KV_CACHE}={kept}"


class _Group(NamedTuple):
    """Hosts that replicas may be placed on. where: tells the group from others in ids, empty where it is the only one ·
    parts: of all hosts together, the groups that have candidates of their own"""

    where: str
    hosts: tuple[Host, ...]
    parts: tuple[tuple[Host, ...], ...] = ()


def _groups(hosts: Sequence[Host]) -> list[_Group]:
    """Return the groups of hosts that are as good as each other, and all of them where there are several.

    Replicas on hosts of different price or electricity would cost what their placement makes them cost.
    """
    alike: dict[Hashable, list[Host]] = {}
    for host in hosts:
        alike.setdefault((host.site, host.memory_bytes), []).append(host)
    if len(alike) == 1:
        return [_Group("", tuple(hosts))]
    parts = tuple(tuple(group) for group in alike.values())
    return [*(_Group(f"on {part[0].node}", part) for part in parts), _Group("anywhere", tuple(hosts), parts)]


def _of_precision(space: OnDevice, precision: Precision, kept: str, context: int, group: _Group) -> Iterator[Candidate]:
    memory = min((host.memory_bytes for host in space.hosts if host.memory_bytes is not None), default=None)
    what = f"{space.name} {precision} on {space.device.name}"
    if memory is None or scheme_of(precision.name) is None:
        unknown = f"the memory of {space.device.name}" if memory is None else f"how {precision.name} weights are stored"
        space.rejections.add(what, "memory", f"nobody states {unknown}", resolvable="state it")
        return
    too_small: list[_Ways] = []
    for ways in _ways(space):
        most = most_sequences(space.model, precision.name, memory, context, *ways, kept)
        if most < 1:
            too_small.append(ways)
        for sequences in _sequences(space, most, f"{what} over {ways}") if most else ():
            yield from _copies(space, precision, kept, ways, sequences, group)
    if too_small:
        _say_too_small(space, precision, kept, context, memory, too_small)


def _say_too_small(
    space: OnDevice, precision: Precision, kept: str, context: int, memory: float, too_small: Sequence[_Ways]
) -> None:
    """Add a rejection for ways over which a device would hold too much, with the figures of the widest of them."""
    ways = max(too_small, key=lambda item: item.tensor * item.pipeline)
    held = holding(space.model, precision.name, 1, context, *ways, kept)
    reason = (
        f"over {ways} each device would hold {bytes_text(held.total)} (weights {bytes_text(held.weights)}, keys and "
        f"values of one sequence {bytes_text(held.cache)}) and has {bytes_text(memory)}"
    )
    what = f"{space.name} {precision} on {space.device.name} over {', '.join(map(str, too_small))}"
    space.rejections.add(what, "memory", reason, resolvable="more or larger devices")


def _ways(space: OnDevice) -> Iterator[_Ways]:
    """Yield degrees of parallelism that the structure and the machines allow.

    Layers are shared over machines only where all devices of one that a power of two reaches are used.
    """
    if space.device.kind == "cpu":
        yield _Ways(1, 1)
        return
    widest = max(host.devices for host in space.hosts)
    for tensor in powers_of_two(widest):
        machines = sum(host.machines for host in space.hosts if host.devices >= tensor)
        stages = powers_of_two(min(machines, _MOST_STAGES)) if 2 * tensor > widest else [1]
        for ways in (_Ways(tensor, pipeline) for pipeline in stages):
            reasons = parallel_reasons(space.model, tensor=tensor, pipeline=ways.pipeline, even_stages=False)
            if reasons:
                what = f"{space.name} over {ways} of {space.device.name}"
                space.rejections.add(what, "degrees divide the model", reasons[0])
            else:
                yield ways


def _sequences(space: OnDevice, most: int, what: str) -> Sequence[int]:
    grid = sorted({*(n for n in SEQUENCES if n < most), min(most, SEQUENCES[-1])})
    kept = []
    for sequences in sorted(set(space.intent.pin.batch)) or grid:
        if sequences > most:
            reason = f"its memory has room for {most} sequences"
            space.rejections.add(f"{what} with {sequences} sequences at once", "memory", reason)
        elif space.rejections.allows("batch", sequences, f"batch {sequences}"):
            kept.append(sequences)
    return kept


def _replica_bound(intent: Intent) -> int | None:
    """Return the largest number of replicas that the load can justify; None where no bound on latency says so, or
    losses are to be survived.

    By Little's law at most a = rate x (longest admitted answer) requests are there at once; a + 3 sqrt(a) + 1 replicas
    (square-root staffing) would serve each of them alone.
    """
    load, bounds = intent.load, dict.fromkeys(("latency.ttft", "latency.tpot", "latency"), math.inf)
    for item in intent.require:
        prefix = item.metric.rpartition(".")[0]
        if prefix in bounds:
            bounds[prefix] = min(bounds[prefix], item.bound)
    tokens = (load.output_tokens if load else None) or 1
    longest = min(bounds["latency"], bounds["latency.ttft"] + bounds["latency.tpot"] * tokens)
    if math.isinf(longest) or load is None or intent.placement.survive is not None:
        return None
    busy = load.rate_per_s * longest
    return math.ceil(busy + 3 * math.sqrt(busy) + 1)


def _room(hosts: Sequence[Host], ways: _Ways) -> int:
    """Return how many replicas the machines hold."""
    return sum(host.machines * (host.devices // ways.tensor) for host in hosts) // ways.pipeline


def _copies(
    space: OnDevice, precision: Precision, kept: str, ways: _Ways, sequences: int, group: _Group
) -> Iterator[Candidate]:
    able = [host for host in group.hosts if host.devices >= ways.tensor]
    spreads = bool(space.intent.placement.domains)  # as few as fit on one part may have to stand on several
    beyond = 0 if spreads else max((_room(part, ways) for part in group.parts), default=0)
    on_cpu = space.device.kind == "cpu"
    threads = min((host.cores or 1 for host in able), default=1) if on_cpu else 0
    label = f"{space.device.name} over {ways}"
    stem = f"{space.intent.name}/{space.name}/{space.place}/{_named(precision, kept)}/{ways}/b{sequences}"
    bound = _replica_bound(space.intent)
    for replicas in replicas_of(_room(able, ways), bound, space.intent, space.rejections, label):
        if replicas <= beyond:
            continue
        yield space.candidate(
            id=f"{stem}/r{replicas}" + (f"/{group.where}" if group.where else ""),
            nodes=tuple(host.node for host in able),
            precision=precision.name,
            quantization=precision.quantization,
            batch=sequences,
            threads=threads,
            replicas=replicas,
            parallelism="none" if ways == (1, 1) else str(ways),
            devices=ways.tensor,
            machines=ways.pipeline,
            degrees={"tensor": ways.tensor, "pipeline": ways.pipeline},
            settings={} if kept == KV_PRECISION else {KV_CACHE: kept},
        )
