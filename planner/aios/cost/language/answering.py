"""What requests see of candidates that serve a language model at the intent's load, from physics corrected by learning.

Each replica gets an even share of the requests. The pass that decodes b sequences is taken as D0 + b D1 near the b that
the load leads to (found by iteration), and ``arrivals`` makes times of it; where all sequences that a replica may
decode together are taken, a request also waits for a place, as in a queue with that many servers (Sakasegawa 1977).
Learnt factors stretch decode passes, prompts and what a replica can sustain; their ends go through the queue as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.energy.intensity import intensities
from aios.cost.language.engines import with_concurrency
from aios.cost.language.learnt import Correction, Taught, correction, served_by, taught
from aios.cost.serving import serve
from aios.cost.serving.arrivals import Arriving, Stream, arriving
from aios.cost.serving.engine import FIRST_S, Served
from aios.cost.serving.rows import Rows, rows_of
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType
from aios.records.metrics import ENDLESS_S
from aios.records.observation import Observations

if TYPE_CHECKING:
    from aios.records.observation import Floats, Texts

__all__ = ["PROBABILITIES", "Answering", "Corrections", "answering"]

PROBABILITIES = (None, 0.5, 0.9, 0.95, 0.99)
"""The mean, and the percentiles."""
_ROUNDS = 4
_ARRIVED = 1.5
"""Passes until the first token that the queue of passes itself accounts for: half of one that runs, and its own."""


class Corrections(NamedTuple):
    """What was learnt of each kind of time. each, first: per token and to the first token · whole: per token of a
    replica that always has enough to do"""

    each: Correction
    first: Correction
    whole: Correction


@dataclass(frozen=True)
class Answering:
    """n candidates. Times have the shape (3 ends: low, value, high; 5: mean and percentiles; n), capacity (3; n).

    ttft, tpot, latency: seconds · capacity: requests per second of one replica · batch: sequences that it decodes
    together, at each end · utilisation: of what a replica can sustain · busy: intensity of its devices while it works,
    as ``energy.intensity`` has it · overloaded: it cannot keep up · unknown: why nothing can be said, empty where it
    can · served: one replica with as many requests as it decodes together · corrections: what was learnt
    """

    ttft: Floats
    tpot: Floats
    latency: Floats
    capacity: Floats
    batch: Floats
    utilisation: Floats
    busy: Floats
    overloaded: Floats
    unknown: Texts
    served: Served
    corrections: Corrections


def answering(
    rows: Observations,
    rate: Floats,
    devices: Mapping[str, DeviceType],
    calibrations: Mapping[tuple[str, str], Calibration],
) -> Answering:
    """Return what requests see. rows: one replica each, its concurrency what it may decode together · rate: requests
    per second that reach it"""
    import numpy as np

    with np.errstate(all="ignore"):
        learnt = taught(calibrations)
        rows = served_by(rows, learnt)
        known = rows_of(rows, devices)
        places = np.maximum(rows.number("concurrency"), 1.0)
        full = _serve(known, places)
        places = np.minimum(places, np.maximum(full.batch, 1.0))
        stream, state, served = _steady(known, rate, places)
        corrections = _corrections(rows, devices, learnt, np.clip(state.batch, 1.0, places), places)
        each, first, whole = corrections
        capacity = np.array([full.throughput / known.load.output / factor for factor in whole.ends()])[::-1]
        passes = np.maximum(known.machine.passes - _ARRIVED, 0.0)
        late = FIRST_S + served.prefill.waits + passes * served.decode.total
        scales = zip(each.ends(), first.ends(), strict=True)
        # Times are long where little can be sustained: their ends are those of the capacity the other way round.
        ends = [_end(stream, late, scale, most) for scale, most in zip(scales, capacity[::-1], strict=True)]
        overloaded = (state.utilisation >= 1) | ~np.isfinite(ends[1].ttft[0])
        unknown = np.where(
            (known.unknown == "") & ~np.isfinite(full.throughput), "the model does not fit", known.unknown
        )
        return Answering(
            ttft=_finite([end.ttft for end in ends]),
            tpot=_finite([end.tpot for end in ends]),
            latency=_finite([end.latency for end in ends]),
            capacity=capacity,
            batch=np.array([end.batch for end in ends]),
            utilisation=rate / capacity[1],
            busy=_busy(stream, served),
            overloaded=overloaded,
            unknown=unknown,
            served=served,
            corrections=corrections,
        )


def _corrections(
    rows: Observations, devices: Mapping[str, DeviceType], learnt: Taught, beside: Floats, places: Floats
) -> Corrections:
    """Return what is learnt of rows that decode ``beside`` sequences together, and ``places`` where they are full."""
    return Corrections(
        each=_learnt(rows, beside, devices, learnt.each, "latency.tpot.mean"),
        first=_learnt(rows, beside, devices, learnt.first, "latency.ttft.mean"),
        whole=correction(with_concurrency(rows, "throughput", places), devices, learnt.whole),
    )


def _learnt(
    rows: Observations, concurrency: Floats, devices: Mapping[str, DeviceType], learnt: Calibration | None, metric: str
) -> Correction:
    """Return what is learnt of a metric, or of that which stands in for it."""
    return correction(with_concurrency(rows, learnt.metric if learnt else metric, concurrency), devices, learnt)


def _serve(known: Rows, concurrency: Floats) -> Served:
    load = replace(known.load, concurrency=concurrency)
    return serve(known.shape, known.stored, known.machine, known.ways, load)


def _steady(known: Rows, rate: Floats, places: Floats) -> tuple[Stream, Arriving, Served]:
    """Return the stream of requests as it is near the steady state, that state, and the passes there."""
    import numpy as np

    batch = np.maximum(places / 4, 1.0)
    for _ in range(_ROUNDS):
        served, half = _serve(known, batch), _serve(known, np.maximum(batch / 2, 0.5))
        beside = np.maximum(batch, 1.0)
        slope = (served.decode.total - half.decode.total) / np.maximum(beside - np.maximum(beside / 2, 1.0), 0.5)
        each = np.clip(slope, 0.0, 0.9 * served.decode.total / beside)
        start = served.decode.total - beside * each
        stream = Stream(rate, known.load.output, start, each, _prompt_s(served), places)
        state = arriving(stream)
        batch = np.clip(state.batch, 1.0, places)
    return stream, state, served


def _prompt_s(served: Served) -> Floats:
    """Return what a prompt adds to a decode pass that it joins: its arithmetic and messages, and weights (of experts)
    that the pass would not read without it."""
    import numpy as np

    further = np.maximum(served.prefill.weights - served.decode.weights, 0.0)
    found: Floats = np.hypot(served.prefill.compute + served.prefill.scores, further) + served.prefill.links
    return found


class _End(NamedTuple):
    ttft: Floats
    tpot: Floats
    latency: Floats
    batch: Floats


def _end(stream: Stream, late: Floats, scale: tuple[Floats, Floats], capacity: Floats) -> _End:
    """Return times where decode passes and prompts take ``scale`` times as long; infinite where it cannot keep up.

    late: seconds to the first token beside those of the queue of passes · capacity: requests per second that can be
    sustained where passes are as slow as that
    """
    import numpy as np

    each, first = scale
    slowed = replace(
        stream, start_s=stream.start_s * each, each_s=stream.each_s * each, prompt_s=stream.prompt_s * first
    )
    state = arriving(slowed)
    fixed = late * first
    waits = _wait(slowed, state)
    ttft = np.array([state.ttft(p) + fixed + wait for p, wait in zip(PROBABILITIES, waits, strict=True)])
    tpot = np.array([state.tpot(p) for p in PROBABILITIES])
    further = np.maximum(stream.output - 1, 0.0)
    mean = ttft[0] + further * tpot[0]
    spread = np.hypot(ttft - ttft[0], further * (tpot - tpot[0]))
    side = np.where(ttft + further * tpot >= mean, 1.0, -1.0)
    over = stream.rate >= capacity
    ttft, tpot, latency = (np.where(over, np.inf, time) for time in (ttft, tpot, mean + side * spread))
    return _End(ttft, tpot, latency, np.where(over, stream.places, state.batch))


def _wait(stream: Stream, state: Arriving) -> list[Floats]:
    """Return mean and percentiles of the wait for one of the places: that of an M/M/c queue, by Sakasegawa."""
    import numpy as np

    held = stream.output * state.pass_s
    filled = np.minimum(state.batch / stream.places, 0.999)
    waiting = filled ** (np.sqrt(2 * (stream.places + 1)) - 1)
    mean = held / stream.places * waiting / (1 - filled)
    found = [mean]
    for probability in PROBABILITIES[1:]:
        assert probability is not None
        longer = np.log(np.maximum(waiting / (1 - probability), 1.0))
        found.append(np.where(waiting > 0, mean / np.maximum(waiting, 1e-30) * longer, 0.0))
    return [np.where(np.isfinite(wait), wait, np.inf) for wait in found]


def _busy(stream: Stream, served: Served) -> Floats:
    """Return how near its rating a device comes while it works: prompts compute, decoding mostly reads."""
    import numpy as np

    share = np.clip(stream.rate * stream.prompt_s, 0.0, 1.0)
    compute, memory, waiting = np.zeros_like(share), np.zeros_like(share), np.zeros_like(share)
    for part, weight in ((served.decode, 1 - share), (served.prefill, share)):
        pieces = part.parts()
        scale = weight / part.total
        compute = compute + (pieces["compute"] + pieces["scores"]) * scale
        memory = memory + (pieces["weights"] + pieces["cache"]) * scale
        waiting = waiting + (pieces["links"] + pieces["offloaded"] + pieces["waits"]) * scale
    total: Floats = sum(intensities(compute, memory, waiting).values(), np.zeros_like(share))
    return total


def _finite(ends: list[Floats]) -> Floats:
    """Return the ends together, each at least the one before, none longer than what stands for no end; no percentile
    is below a smaller one."""
    import numpy as np

    capped = np.clip(np.nan_to_num(np.array(ends), nan=ENDLESS_S, posinf=ENDLESS_S), 0.0, ENDLESS_S)
    found: Floats = np.maximum.accumulate(capped, axis=0)
    found[:, 1:] = np.maximum.accumulate(found[:, 1:], axis=1)
    return found
