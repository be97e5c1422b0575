"""What the times of a candidate that serves a language model are sums of: prefill and decode apart, class by class."""

from __future__ import annotations

from collections.abc import Mapping

from aios.cost.evidence import Evidence
from aios.cost.language.answering import answering
from aios.cost.language.engines import observations_of
from aios.cost.serving import Pass
from aios.cost.spent import Spent
from aios.records.candidate import Priced
from aios.records.explanation import Account, Bound, Piece
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.transformer import Transformer
from aios.records.transformers import (
    Scheme,
    Work,
    count_parameters,
    decode_work,
    experts_touched,
    prefill_work,
    scheme_of,
)

__all__ = ["language_accounts"]

_NAMES = {
    "attention": "attention projections",
    "dense": "feed-forwards",
    "experts": "experts",
    "head": "output head",
    "vision": "vision tower",
    "state": "linear attention",
}


def language_accounts(
    intent: Intent, option: Priced, profile: ModelProfile, fleet: Fleet, evidence: Evidence
) -> tuple[tuple[Account, ...], Spent]:
    """Return the time to the first token and that of each further one, by class of operator, and what devices do."""
    import numpy as np

    candidate, load, model = option.candidate, intent.load, profile.transformer
    assert load is not None
    assert model is not None
    rows = observations_of([candidate], {candidate.model: profile}, load, "throughput")
    found = answering(rows, np.array([load.rate_per_s / candidate.replicas]), fleet.types, evidence.calibrations)
    prompt, output = float(load.prompt_tokens or 1), float(load.output_tokens or 1)
    together = float(np.clip(found.batch[1, 0], 1.0, candidate.batch))
    context = prompt + output / 2
    scheme = scheme_of(candidate.precision) or scheme_of("bf16")
    assert scheme is not None
    read = _weights_read(model, scheme, prompt)
    prefill = _pieces(found.served.prefill, prefill_work(model, prompt), read, float(found.corrections.first.value[0]))
    read = _weights_read(model, scheme, together)
    decode = _pieces(found.served.decode, decode_work(model, context), read, float(found.corrections.each.value[0]))
    rest = "running pass, queue, request handling"
    of_prompt, of_token = f"a prompt of {prompt:g} tokens", f"{together:.3g} sequences together"
    accounts = (
        _account(option, "latency.ttft.mean", f"the first token, {of_prompt}", prefill, rest),
        _account(option, "latency.tpot.mean", f"each further token, {of_token}", decode, "prompts in between"),
    )
    told = tuple(item for item in accounts if item is not None)
    return told, _spent(found.served.decode, found.served.prefill, output)


def _account(option: Priced, metric: str, of: str, own: list[Piece], rest: str) -> Account | None:
    """Return what an estimate is the sum of. own: pieces of the request's own pass · rest: name of what is left"""
    estimate = option.estimates.get(metric)
    if estimate is None:
        return None
    whole = sum(piece.value for piece in own)
    scale = min(1.0, estimate.value / whole)
    pieces = [piece.model_copy(update={"value": piece.value * scale}) for piece in own]
    pieces.append(Piece(name=rest, value=max(0.0, estimate.value - whole), bound="overhead"))
    kept = sorted((piece for piece in pieces if piece.value > 0), key=lambda piece: -piece.value)
    return Account(
        of=of,
        metric=metric,
        unit="s",
        total=sum(piece.value for piece in kept),
        source=estimate.source,
        pieces=tuple(kept),
        basis=estimate.basis,
    )


def _spent(decode: Pass, prefill: Pass, output: float) -> Spent:
    """Return what a device's time for one answer goes into: its prompt once, a pass for each token."""
    parts = {name: float(value[0]) * output for name, value in decode.parts().items()}
    for name, value in prefill.parts().items():
        parts[name] += float(value[0])
    waited = parts["links"] + parts["offloaded"] + parts["waits"]
    return Spent(parts["compute"] + parts["scores"], parts["weights"] + parts["cache"], waited)


def _weights_read(model: Transformer, scheme: Scheme, tokens: float) -> Mapping[str, float]:
    """Return the bits of weights that a pass over ``tokens`` tokens reads, by class of operators."""
    parts = count_parameters(model)
    touched = experts_touched(model.experts, tokens) / model.experts.count if model.experts else 0.0
    return {
        "attention": scheme.blocks * parts.attention,
        "dense": scheme.blocks * parts.dense,
        "experts": scheme.blocks * parts.shared + scheme.experts * parts.routed * touched,
        "head": scheme.head * (parts.head or model.vocabulary * model.hidden),
    }


def _pieces(done: Pass, work: Work[float], read: Mapping[str, float], scale: float) -> list[Piece]:
    """Return what a pass goes into, each class bound by whichever of arithmetic and reading takes longer of it."""
    parts = {name: float(value[0]) * scale for name, value in done.parts().items()}
    flops = {name: amount for name, amount in work._asdict().items() if name != "scores"}
    computed, loaded = sum(flops.values()), sum(read.values())
    pieces = []
    for name, amount in flops.items():
        compute = parts["compute"] * amount / computed if computed else 0.0
        memory = parts["weights"] * read.get(name, 0.0) / loaded
        pieces.append(Piece(name=_NAMES[name], value=compute + memory, bound=_longer(compute, memory)))
    bound = _longer(parts["scores"], parts["cache"])
    pieces.append(Piece(name="attention scores", value=parts["scores"] + parts["cache"], bound=bound))
    pieces.append(Piece(name="between devices", value=parts["links"], bound="network"))
    pieces.append(Piece(name="weights from the host", value=parts["offloaded"], bound="network"))
    pieces.append(Piece(name="starting kernels, scheduling", value=parts["waits"], bound="overhead"))
    return pieces


def _longer(compute: float, memory: float) -> Bound:
    return "compute" if compute >= memory else "memory"
