"""Language models being served: physics from ``cost.serving``, the rest learnt.

The physics is the same for all engines, so an engine never seen is taken as an ordinary one; what is learnt is by what
factors an engine, and on a device with weights of some width, is slower or faster at each kind of work, and how a model
known on it grows with load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.logarithms import target_of, value_of
from aios.cost.serving.engine import Served, pass_quantile, sequences_s, serve, serve_apart
from aios.cost.serving.passes import least_s
from aios.cost.serving.rows import Rows, rows_of, uncounted_in
from aios.records.fleet import DeviceType
from aios.records.transformers.schemes import scheme_of

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR"]

_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_RECORD = 0.9
"""Of the time that nominal rates take, below which nothing is believed to be served."""


def _design(observations: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    rows = rows_of(observations, devices)
    with np.errstate(all="ignore"):
        served = _served(rows)
        features = _sizes(rows, served)
        parts = _parts(observations, rows, served)
        base, bound = np.log(sum(parts.values())), np.log(_least(observations, rows) * _RECORD)
    unknown = np.where((rows.unknown == "") & ~np.isfinite(base), "the model does not fit its devices", rows.unknown)
    known = unknown == ""
    return Design(
        features={name: np.where(known & np.isfinite(column), column, 0.0) for name, column in features.items()},
        base=np.where(known, base, 0.0),
        keys=_keys(observations),
        least=np.where(known & np.isfinite(bound), bound, -np.inf),
        unknown=unknown,
        parts={name: np.where(known, column, 0.0) for name, column in parts.items()},
    )


def _served(rows: Rows) -> Served:
    """Return what each row's requests see, of one engine or of prefill and decode apart."""
    parts = (rows.shape, rows.stored, rows.machine, rows.ways, rows.load)
    one = serve(*parts)
    if not rows.apart.any():
        return one
    return one.chosen(rows.apart, serve_apart(*parts, rows.prefill, rows.prefill_replicas, rows.replicas))


def _parts(observations: Observations, rows: Rows, served: Served) -> dict[str, Floats]:
    """Return the seconds that a metric is about, by what takes them; of a throughput, those of one token of the whole
    deployment.

    work: of the device, and taking from its host what has no place on it · waits: for kernels and collectives to
    start · sequences: of the host, per pass · prompts: of others, and in a whole request its own · first: accepting it,
    and prompts and passes before its own · queue: until there is a place; of a first token: see ``_first``
    """
    import numpy as np

    nothing = np.zeros(len(observations))
    first = _first(served, nothing)
    if observations.metric.startswith("latency.ttft"):
        return first
    load, of = rows.load, observations.metric.rpartition(".")[2]
    decode, each = served.decode, served.tpot
    each = pass_quantile(served, load, _SHARES[of]) if of in _SHARES else each
    sequences = sequences_s(rows.machine, load, served.batch, rows.ways)
    token = {
        "work": decode.total - decode.waits,
        "waits": decode.waits - sequences,
        "sequences": sequences,
        "prompts": np.maximum(each - decode.total, 0.0),
    }
    if observations.metric.startswith("latency.tpot"):
        return token
    whole = {name: load.further * column for name, column in token.items()}
    whole["prompts"] = whole["prompts"] + served.prefill.total
    whole |= {"first": served.beside + first["first"], "queue": first["queue"]}
    if observations.metric.startswith("latency"):
        return whole
    share = load.output * served.batch * rows.replicas
    shared = {name: column / share for name, column in whole.items()}
    for phase, alone, tokens in (("decode", decode, served.batch), ("prefill", served.prefill, load.prompt)):
        only = {"work": alone.total - alone.waits, "waits": alone.waits}
        its = observations.word("phase") == phase
        for name, column in shared.items():
            shared[name] = np.where(its, only.get(name, nothing) / tokens / rows.replicas, column)
    return shared


def _first(served: Served, nothing: Floats) -> dict[str, Floats]:
    """Return the seconds to the first token.

    prompts: its own pass, and those of prompts before it · first: accepting it, handing its cache over, and decode
    passes meanwhile · queue: until there is a place
    """
    import numpy as np

    prompts = served.prefill.total + served.beside
    queue = np.maximum(served.ttft - prompts - served.handled, 0.0)
    return {"prompts": prompts + nothing, "first": served.handled + nothing, "queue": queue + nothing}


def _least(observations: Observations, rows: Rows) -> Floats:
    """Return what a metric cannot be below, in the unit of ``_seconds``."""
    import numpy as np

    devices, load = rows.ways.devices, rows.load
    parts = (rows.shape, rows.stored, rows.machine)
    if observations.metric.startswith("latency.ttft"):
        within = np.where(rows.apart, rows.prefill.devices, devices)
        return least_s(*parts, within, load.prompt)
    one = least_s(*parts, devices, np.ones(len(observations)))
    if observations.metric.startswith("latency.tpot"):
        return one
    if observations.metric.startswith("latency"):
        return load.output * one
    tokens = np.where(observations.word("phase") == "decode", 1.0, 1.0 + load.prompt / load.output)
    compute = 2 * rows.shape.used * tokens / rows.machine.ops_per_s / devices / rows.replicas
    found: Floats = np.where(observations.word("phase") == "prefill", compute / tokens, compute)
    return found


def _sizes(rows: Rows, served: Served) -> dict[str, Floats]:
    import numpy as np

    return {
        "log batch": np.log(served.batch),
        "log prompt": np.log(rows.load.prompt),
        "log output": np.log(rows.load.output),
        "log devices": np.log(rows.ways.devices),
        "log prompts": np.log1p(served.batch * served.prompt_s / served.prefill.total),
        "log waited": np.log(served.ttft / served.prefill.total),
        "log spread": np.log(rows.ways.data * rows.ways.expert),
        "log sparsity": np.log(rows.shape.experts / rows.shape.active),
        "log parameters": np.log(rows.shape.used / rows.ways.devices),
    }


def _keys(observations: Observations) -> dict[str, Texts]:
    """Return the groups. engine: software without its version, and how it is used · bits: of weights · alone: the
    engine where it computes prompts or decodes alone, one kind of work, which a device is as good at for all models."""
    import numpy as np

    used = [observations.word(role).tolist() for role in ("software", "serving", "phase", "scenario")]
    rows = list(zip(*used, strict=True))
    engines = {words: f"{words[0].lower().partition(' ')[0]} {' '.join(words[1:])}" for words in dict.fromkeys(rows)}
    engine = np.array([engines[words] for words in rows], dtype=str)
    engine = np.where(uncounted_in(observations), np.char.add(engine, " uncounted"), engine)
    return {
        "device": np.where(observations.types != "", observations.types, observations.word("device")),
        "engine": engine,
        "alone": np.where(np.isin(observations.word("phase"), ("decode", "prefill")), engine, ""),
        "software": observations.word("software"),
        "precision": observations.word("precision"),
        "bits": _bits(observations.word("precision")),
        "model": observations.word("model"),
        "stratum": engine,
    }


def _bits(precisions: Texts) -> Texts:
    """Return how weights are stored, however tables call it: bits of blocks and, where they differ, of routed experts;
    the precision itself where nobody knows."""
    import numpy as np

    names, places = np.unique(precisions, return_inverse=True)
    found = []
    for name in names.tolist():
        scheme = scheme_of(name) if name else None
        whole = scheme is None or scheme.blocks == scheme.experts
        found.append(name if scheme is None else f"{scheme.blocks:g}" + ("" if whole else f"/{scheme.experts:g}"))
    return np.array(found, dtype=str)[places]


PREDICTOR = Predictor(
    name="serving",
    version=5,
    metrics=(
        "throughput", "latency.mean", "latency.ttft.mean", "latency.tpot.mean", "latency.tpot.p50", "latency.tpot.p90",
        "latency.tpot.p99",
    ),
    stages=(
        StageForm(("device", "alone"), 0, 3),
        StageForm(("model",), 0, 2),
        StageForm(("model", "engine"), 1, 20),
        StageForm(("device", "model", "software", "precision"), 1, 8),
    ),
    mixes=(
        StageForm(("engine",), 0, 3),
        StageForm(("device", "engine", "bits"), 0, 3),
    ),
    design=_design,
    target=target_of,
    value=value_of,
)  # fmt: skip
"""Logarithm of seconds: of a token of the deployment where throughput is asked for."""
