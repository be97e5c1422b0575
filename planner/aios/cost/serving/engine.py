"""What requests see of an engine that batches continuously.

Closed loop (``concurrency`` requests always outstanding, each followed by the next): Little's law on the two phases.
Every request decodes for ``output`` passes; while it does, the prompts of the requests that take the places of finished
ones are computed in between. With D(b) the time of a decode pass of b sequences and P the time that one prompt takes of
the engine, a decode pass lasts on average

    TPOT = D(b) + b / output x P        TTFT = host + passes that run + own pass + prompts ahead x P + wait for a place

because in ``output`` passes each of the b places is filled anew once. Requests of equal length that started together
end together, so arrivals come in groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.cost.serving.arrivals import poisson_quantile
from aios.cost.serving.passes import LINK_SHARE, Pass, pass_of
from aios.cost.serving.plain import PIECE
from aios.cost.serving.shapes import Arrays, Machine, Shape, Stored, Ways

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

    Mask = npt.NDArray[np.bool_]

__all__ = ["Load", "Served", "pass_quantile", "places_of", "quicker", "sequences_s", "serve", "serve_apart", "within"]

FIRST_S = 10e-3
"""Accepting, tokenising and answering a request, before and after its passes."""
EACH_S = 0.45e-3
"""The same that a request waits for on account of each other one that the host has to do with."""
HANDED_OVER = 0.5
"""Of that host work, what is left where all requests are handed over at once and no answer is sent."""
PROMPT_STARTS = 1.4
"""Times as long as a decode pass without captured graphs, that a kernel of a pass over prompts takes to start: their
lengths differ, so that nothing is captured, and what is compiled for decoding is not used. It was
looked for on published measurements of vLLM at low load."""
COINCIDING = 0.1
"""Prompts that a new one finds before it, per root of the other requests: independent arrivals coincide so."""
STARTING = 0.05
"""The same per other request: of runs that start all at once and last about ten rounds, a tenth waits for half."""
INTERLEAVED = 0.6
"""Of the time of a prompt, by which it lengthens the decode passes that it shares: those leave arithmetic idle."""
FIRST_APART_S = 0.2
"""Added where prefill and decode are apart: handing a request and its cache over."""
KEPT_OUTPUT = 0.6
"""Of the output of a running sequence, for which places in the cache are taken on average: engines that never evict
keep all of it free from the start, those that do half."""
MOST_SEQUENCES = 2048.0
"""That an engine decodes together at most, as engines are set up for throughput (TensorRT-LLM's default)."""
_HALVINGS = 12
TOGETHER = 8192.0
"""Tokens of prompts that share a pass (the chunk of vLLM and TensorRT-LLM under load)."""
PROMPTERS_BUSY = 0.8
"""Of their time that separate prefill engines compute at most."""
MEMORY_KEPT = 0.9
"""Of the device memory that weights, caches and activations may take (the default of vLLM and TensorRT-LLM)."""


@dataclass(frozen=True)
class Load(Arrays):
    """Requests on one engine; arrays of length n. prompt, output: tokens per request · concurrency: outstanding
    requests, infinite where the engine is never short of them · fixed: 1 where they are one batch whose prompts are all
    computed before the first token, 0 where they come and go"""

    prompt: Floats
    output: Floats
    concurrency: Floats
    fixed: Floats

    @property
    def further(self) -> Floats:
        """Passes of a request beside the one over its prompt, which gives a batch its first token; where requests come
        and go, a place is empty for about as long before it is taken anew."""
        import numpy as np

        found: Floats = np.maximum(self.output - self.fixed, 0.0)
        return found

    @property
    def host(self) -> Floats:
        """Share of the host's work per request and sequence that passes wait for; none in a batch handed over whole."""
        import numpy as np

        found: Floats = np.where(np.isfinite(self.concurrency), 1.0 - self.fixed, HANDED_OVER)
        return found


@dataclass(frozen=True)
class Served(Arrays):
    """What comes of it; arrays of length n, seconds.

    ttft, tpot: means · throughput: output tokens per second · batch: sequences decoded together · places: sequences
    whose keys and values fit · prompt_s: that one prompt takes of the engine · beside: of the time to the first token,
    that of prompts computed before · handled: of it, that of the host and of the decode passes meanwhile · decode,
    prefill: the passes
    """

    ttft: Floats
    tpot: Floats
    throughput: Floats
    batch: Floats
    places: Floats
    prompt_s: Floats
    beside: Floats
    handled: Floats
    decode: Pass
    prefill: Pass


def places_of(shape: Shape, stored: Stored, machine: Machine, ways: Ways, context: Floats) -> Floats:
    """Return how many sequences of ``context`` tokens have room for their keys and values, at least 0.

    Infinitely many where the memory is not known.
    """
    import numpy as np

    split = np.maximum(ways.expert * ways.expert_tensor, 1.0)
    weights = (shape.dense * stored.dense / ways.tensor + shape.routed * stored.routed / split) / ways.pipeline
    free = machine.memory_bytes * MEMORY_KEPT - weights
    each = shape.kv_values * stored.kv * shape.keys(context) + shape.index_values * context
    each = np.maximum(each / (np.minimum(ways.tensor, shape.kv_heads) * ways.pipeline), 1.0)
    found: Floats = np.where(np.isnan(free), np.inf, np.maximum(free / each * ways.data, 0.0))
    return found


def serve(shape: Shape, stored: Stored, machine: Machine, ways: Ways, load: Load) -> Served:
    """Return what a closed loop of requests sees of one engine that computes prompts between its decode passes."""
    import numpy as np

    places, batch, decode = _decoding(shape, stored, machine, ways, load)
    prefill, prompt_s = _prompting(shape, stored, machine, ways, load, batch)
    coming = 1 - load.fixed
    tpot = decode.total + INTERLEAVED * coming * batch / load.output * prompt_s
    others = np.maximum(batch - 1, 0.0)
    ahead = (COINCIDING * np.sqrt(others) + STARTING * others) * prompt_s + EACH_S * others * load.host
    ahead = np.where(coming > 0, ahead, np.maximum(batch * prompt_s - prefill.total, 0.0))
    handled = coming * (FIRST_S * load.host + machine.passes * decode.total)
    ttft = prefill.total + ahead + handled
    residence = ttft + load.further * tpot
    ttft = ttft + _wait_for_place(load, batch, residence)
    throughput = batch * load.output / residence
    return Served(ttft, tpot, throughput, batch, places, prompt_s, ahead, handled, decode, prefill)


def pass_quantile(served: Served, load: Load, probability: float) -> Floats:
    """Return the time between two tokens that this share of passes stays below.

    In each pass Poisson(batch / output) sequences begin, whose prompts lengthen it.
    """
    import numpy as np

    coming = np.where(load.fixed > 0, 0.0, served.batch / load.output)
    found: Floats = served.decode.total + INTERLEAVED * poisson_quantile(coming, probability) * served.prompt_s
    return found


def serve_apart(
    shape: Shape,
    stored: Stored,
    machine: Machine,
    ways: Ways,
    load: Load,
    prompting: Ways,
    prompters: Floats,
    engines: Floats | float = 1.0,
) -> Served:
    """Return what a closed loop of requests sees of one decode engine that ``prompters`` engines send prompts to.

    prompting: how each of those is split · prompters: per decode engine; NaN: as few as are busy ``PROMPTERS_BUSY`` of
    the time at most, of all ``engines`` that decode together. Prompts queue as in M/D/1 with that utilisation, at most
    all that are outstanding; more prompts than the prompters can do make them what limits the loop: they have what
    decoding leaves of them.
    """
    import numpy as np

    places, batch, decode = _decoding(shape, stored, machine, ways, load)
    prefill, prompt_s = _prompting(shape, stored, machine, prompting, load, np.ones_like(batch))
    tpot = decode.total
    decoding = load.output * tpot
    demand = batch * prompt_s / (decoding + prefill.total)
    prompters = np.where(np.isnan(prompters), np.ceil(demand * engines / PROMPTERS_BUSY) / engines, prompters)
    busy = np.minimum(demand / prompters, PROMPTERS_BUSY)
    others = np.maximum(batch - 1, 0.0)
    queue = np.minimum(busy / (2 * (1 - busy)) + STARTING * others / prompters, others) * prompt_s
    kept = shape.kv_values * stored.kv * load.prompt / (machine.link_bytes_per_s * LINK_SHARE)
    limited = batch * prompt_s / (prompters * PROMPTERS_BUSY) - decoding
    handled = FIRST_S + FIRST_APART_S + kept + machine.passes * decode.total
    ttft = np.maximum(prefill.total + queue, limited) + handled
    residence = ttft + decoding
    ttft = ttft + _wait_for_place(load, batch, residence)
    throughput = batch * load.output / residence
    return Served(ttft, tpot, throughput, batch, places, prompt_s, queue, handled, decode, prefill)


def quicker(
    shape: Shape, stored: Stored, machine: Machine, ways: Ways, load: Load, free: Mask, *, prompts: bool = False
) -> Ways:
    """Return the ways, but with attention split by sequences where that is ``free`` and gets more done than by heads.

    prompts: whether it is for computing prompts, else for decoding
    """
    import numpy as np

    if not np.any(free):
        return ways

    def each(ways: Ways) -> Floats:
        if prompts:
            return _prompting(shape, stored, machine, ways, load, np.ones_like(load.prompt))[1]
        _, batch, decode = _decoding(shape, stored, machine, ways, load)
        return decode.total / batch

    spread = ways.by_sequences()
    with np.errstate(all="ignore"):
        return ways.chosen(free & (each(spread) < each(ways)), spread)


def within(shape: Shape, stored: Stored, machine: Machine, ways: Ways, load: Load, longest: Floats) -> Load:
    """Return the load with as many requests at most as leave the mean time per token below ``longest`` seconds, by
    bisection; NaN sets no bound. One request is always taken."""
    import numpy as np

    bound = np.isfinite(longest)
    if not bound.any():
        return load
    full = serve(shape, stored, machine, ways, load)
    low, high = np.zeros_like(longest), np.log2(np.maximum(full.batch, 1.0))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        token = serve(shape, stored, machine, ways, replace(load, concurrency=2**middle)).tpot
        low, high = np.where(token <= longest, middle, low), np.where(token <= longest, high, middle)
    return replace(load, concurrency=np.where(bound & (full.tpot > longest), 2**low, load.concurrency))


def _decoding(shape: Shape, stored: Stored, machine: Machine, ways: Ways, load: Load) -> tuple[Floats, Floats, Pass]:
    """Return places in the cache, sequences that are decoded together, and the pass that gives each a token."""
    import numpy as np

    places = places_of(shape, stored, machine, ways, load.prompt + KEPT_OUTPUT * load.output)
    batch = np.minimum(np.minimum(load.concurrency, np.maximum(places, 1.0)), MOST_SEQUENCES)
    batch = np.where(load.fixed > 0, load.concurrency, batch)
    keys = shape.keys(load.prompt + load.output / 2)
    in_flight = np.maximum(batch / _streams(machine, ways), 1.0)
    decode = pass_of(shape, stored, machine, ways, in_flight, keys, in_flight * keys)
    again = np.equal(stored.kv, 0)
    if again.any():
        decode = decode.chosen(again, _anew(shape, stored, machine, ways, load, in_flight))
    return places, batch, replace(decode, waits=decode.waits + sequences_s(machine, load, batch, ways))


def _anew(shape: Shape, stored: Stored, machine: Machine, ways: Ways, load: Load, sequences: Floats) -> Pass:
    """Return the pass that gives each sequence a token where nothing of those before it is kept: over all of them, mean
    over the output. A context c that grows by the output o from the prompt p has the mean square p^2 + p o + o^2 / 3.
    """
    context = load.prompt + load.output / 2
    square = load.prompt**2 + load.prompt * load.output + load.output**2 / 3
    tokens = sequences * context
    return pass_of(shape, stored, machine, ways, tokens, _attended(shape, machine, square / context), tokens)


def _attended(shape: Shape, machine: Machine, context: Floats) -> Floats:
    """Return the keys that each token of a prompt attends to, on average; where attention is not fused, scores are
    computed with those after it as well, and masked."""
    import numpy as np

    found: Floats = np.where(np.greater(machine.unfused, 0), context, shape.keys(context / 2))
    return found


def sequences_s(machine: Machine, load: Load, batch: Floats, ways: Ways) -> Floats:
    """Return the seconds that the host adds to a decode pass for its sequences."""
    import numpy as np

    found: Floats = machine.sequence_s * np.maximum(batch / _streams(machine, ways), 1.0) * load.host
    return found


def _streams(machine: Machine, ways: Ways) -> Floats:
    """Return how many groups of sequences the stages of a pipeline work on at the same time; plain PyTorch hands all of
    them from stage to stage."""
    import numpy as np

    found: Floats = np.where(np.greater(machine.unfused, 0), 1.0, ways.pipeline)
    return found


def _prompting(
    shape: Shape, stored: Stored, machine: Machine, ways: Ways, load: Load, batch: Floats
) -> tuple[Pass, Floats]:
    """Return the pass over one prompt, and the time that a prompt takes of an engine which puts short ones together.

    Every attention rank computes prompts of its own. Through pipeline stages prompts go in pieces, one behind the
    other: m pieces take m + stages - 1 of m x stages.
    """
    import numpy as np

    own = np.maximum(batch / ways.data, 1.0)
    several = np.where(load.fixed > 0, own, np.clip(TOGETHER / load.prompt, 1.0, own))
    keys = _attended(shape, machine, load.prompt)
    machine = replace(machine, eager=np.maximum(machine.eager, machine.interpreted * PROMPT_STARTS))
    passes = []
    for prompts in (np.ones_like(several), several):
        tokens = prompts * load.prompt * ways.data
        pieces = np.maximum(prompts * load.prompt / PIECE, 1.0)
        streams = _streams(machine, ways)
        overlap = streams * pieces / (pieces + streams - 1)
        one = pass_of(shape, stored, machine, ways, tokens, keys, tokens).shortened(overlap)
        passes.append(one)
    alone, together = passes
    return alone, together.total / (several * ways.data)


def _wait_for_place(load: Load, batch: Floats, residence: Floats) -> Floats:
    """Return how long a request waits until one of those that are served leaves: Little's law; 0 with endless load."""
    import numpy as np

    waiting = np.maximum(load.concurrency / batch - 1, 0.0) * residence
    found: Floats = np.where(np.isfinite(waiting), waiting, 0.0)
    return found
