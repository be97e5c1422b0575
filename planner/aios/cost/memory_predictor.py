"""Memory of the fullest device of a workload, and whether it fits: counted, with what engines add learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.training.capacity import capacity_bytes, of_unified
from aios.cost.training.contradictions import contradictions
from aios.cost.training.inference import answering_bytes, network_bytes
from aios.cost.training.jobs import work_in
from aios.cost.training.memory import held_bytes
from aios.cost.training.steptime import Work
from aios.cost.training.structure import Structure, structures_in
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR"]


def _kinds(observations: Observations) -> Texts:
    """Say of each row what holds memory: training, answering (of language models) or network."""
    import numpy as np

    training = observations.word("mode") == "training"
    language = np.isfinite(observations.number("layers")) | np.isfinite(observations.number("kv_heads"))
    language |= np.char.find(observations.word("task"), "text") >= 0
    return np.where(training, "training", np.where(language, "answering", "network"))


def _needed(observations: Observations) -> tuple[Floats, Texts]:
    """Return bytes of the fullest device and the kind of each row."""
    import numpy as np

    kinds = _kinds(observations)
    model = structures_in(observations)
    needed = np.full(len(observations), np.nan)
    for kind, count in (("training", _trained), ("answering", answering_bytes)):
        rows = kinds == kind
        if rows.any():
            needed[rows] = count(observations.take(rows), model.take(rows))
    rows = kinds == "network"
    if rows.any():
        needed[rows] = network_bytes(observations.take(rows))
    return needed, kinds


def _trained(observations: Observations, model: Structure) -> Floats:
    import numpy as np

    work = work_in(observations, model)
    unfused = (np.char.find(observations.word("software"), "unfused") >= 0).astype(np.float64)
    held = held_bytes(model, work, unfused)
    if observations.metric == "fits":
        return _at_least(observations, model, work, unfused)
    part = observations.word("part")
    needed: Floats = np.where(
        part == "states", held.states, np.where(part == "activations", held.activations, held.total)
    )
    return needed


def _at_least(observations: Observations, model: Structure, work: Work, unfused: Floats) -> Floats:
    """Return the least bytes that a job needs: what a row leaves open is chosen so that it needs the least memory."""
    import numpy as np

    said = np.isin(np.char.lower(observations.word("recompute")), ("none", "full"))
    thrifty = replace(
        work,
        recompute=np.where(said, work.recompute, 1.0),
        shard=np.where(observations.word("sharding") == "", 3.0, work.shard),
        micro_batch=np.fmax(np.where(observations.number("micro_batch") > 0, work.micro_batch, 1.0), 1.0),
    )
    least: Floats = held_bytes(model, thrifty, unfused).least
    return least


def _capacities(observations: Observations, devices: Mapping[str, DeviceType]) -> Floats:
    import numpy as np

    known = {
        name: capacity_bytes(device) for name, device in devices.items() if name in set(observations.types.tolist())
    }
    found = np.array([known.get(name) or np.nan for name in observations.types.tolist()], dtype=float)
    stated = observations.number("device_memory")
    shared = np.array([name in devices and devices[name].vendor == "Apple" for name in observations.types.tolist()])
    limited = np.array([of_unified(size) if own else size for size, own in zip(stated, shared, strict=True)])
    return np.where(stated > 0, limited, found)


def _design(observations: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        needed, kinds = _needed(observations)
        fits = observations.metric == "fits"
        capacity = _capacities(observations, devices)
        base = (needed <= capacity) * 1.0 if fits else np.log(needed)
    unknown = np.where(np.isfinite(needed) & (needed > 0), "", "nobody states the size of the model")
    rows = np.flatnonzero((unknown == "") & (kinds == "training"))
    if len(rows):
        trained = observations.take(rows)
        model = structures_in(trained)
        unknown = unknown.astype("U120")
        unknown[rows] = contradictions(trained, model, work_in(trained, model))
    if fits:
        unknown = np.where((unknown == "") & ~np.isfinite(capacity), "the memory of the device is not known", unknown)
    known = unknown == ""
    learnt = known & (not fits) & (observations.word("part") == "")
    return Design(
        features={"log bytes": np.where(known & (not fits), np.log(np.where(known, needed, 1.0)), 0.0)},
        base=np.where(known, base, 0.0),
        keys=_keys(observations, kinds, learnt),
        least=np.full(len(observations), -np.inf),
        unknown=unknown,
    )


def _keys(observations: Observations, kinds: Texts, learnt: npt.NDArray[np.bool_]) -> dict[str, Texts]:
    import numpy as np

    device = np.where(observations.types != "", observations.types, observations.word("device"))
    own = {
        "kind": kinds,
        "software": observations.word("software"),
        "precision": observations.word("precision"),
        "model": observations.word("model"),
    }
    kept = {name: np.where(learnt, column, "") for name, column in own.items()}
    return kept | {"device": device, "own device": np.where(learnt, device, ""), "stratum": kept["kind"]}


def _target(observations: Observations) -> Floats:
    """Logarithm of bytes; 1 or 0 where it is asked whether it fits."""
    import numpy as np

    if observations.metric == "fits":
        return observations.values
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.log(observations.values)
    return found


def _value(observations: Observations, target: Floats) -> Floats:
    import numpy as np

    return (target >= 0.5).astype(np.float64) if observations.metric == "fits" else np.exp(target)


PREDICTOR = Predictor(
    name="memory",
    version=2,
    metrics=("memory", "fits"),
    stages=(
        StageForm(("kind",), 0, 40),
        StageForm(("kind", "software"), 0, 12),
        StageForm(("kind", "software", "precision"), 0, 12),
        StageForm(("kind", "own device"), 0, 12),
        StageForm(("kind", "model"), 0, 2),
        StageForm(("kind", "own device", "model"), 0, 1),
    ),
    design=_design,
    target=_target,
    value=_value,
)
"""Bytes of the fullest device; states and activations alone, and whether it fits, are counted and not learnt."""
