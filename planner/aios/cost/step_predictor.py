"""Training steps of transformers over many devices: physics from ``cost.training``, the rest learnt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.training.contradictions import contradictions
from aios.cost.training.hardware import Hardware, arithmetic, hardware_of
from aios.cost.training.jobs import work_in
from aios.cost.training.steptime import Work, published_flops, step_parts
from aios.cost.training.structure import Structure, structures_in
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["DENSE", "PREDICTOR", "steps_design"]

DENSE = "dense"
"""Group of all dense models: how far physics is off on one tells of the others. On a mixture it tells of itself alone:
how experts are sorted and exchanged is each engine's work in progress."""
_RECORD = 0.95
"""Share of the dense peak of products that no step is believed to exceed."""


def _design(observations: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    model = structures_in(observations)
    work = work_in(observations, model)
    precisions = [arithmetic(word) for word in observations.word("precision").tolist()]
    hardware = hardware_of(devices, observations.types, precisions, observations.number("power_cap"))
    keys = {
        "device": np.where(observations.types != "", observations.types, observations.word("device")),
        "engine": np.array(
            [re.sub(r"[\W_\d]+$", "", word) for word in observations.word("software").tolist()], dtype=str
        ),
        "precision": np.array(precisions, dtype=str),
        "mixture": np.where(model.experts > 0, observations.word("model"), ""),
        "alike": np.where(model.experts > 0, observations.word("model"), DENSE),
        "model": observations.word("model"),
    }
    return steps_design(model, work, hardware, keys, _unknown(observations, model, work, hardware))


def steps_design(model: Structure, work: Work, hardware: Hardware, keys: Mapping[str, Texts], unknown: Texts) -> Design:
    """Return n steps as the regression sees them. keys: device, engine, precision, mixture (its
    name, else empty), alike (``DENSE``, or the mixture's name), model"""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        parts = step_parts(model, work, hardware)
        base = np.log(parts.total)
        ideal = np.log(_least(model, work, hardware))
        features = {
            "log tokens at once": np.log(work.micro_batch * work.sequence / work.context),
            "communication share": (parts.tensor + parts.data + parts.expert + parts.context) / parts.total,
            "bubble share": parts.bubble / parts.total,
        }
    known = unknown == ""
    features = {name: np.where(known & np.isfinite(column), column, 0.0) for name, column in features.items()}
    return Design(features, np.where(known, base, 0.0), keys, np.where(known, ideal, -np.inf), unknown)


def _least(model: Structure, work: Work, hardware: Hardware) -> Floats:
    """Seconds of one device per token that the products alone take at ``_RECORD`` of the peak."""
    products = model.forward_flops(work.sequence)[0]
    least: Floats = (3 - work.adapters) * 0.9 * products / (hardware.peak * _RECORD)
    return least


def _unknown(observations: Observations, model: Structure, work: Work, hardware: Hardware) -> Texts:
    import numpy as np

    reasons = np.where(~(model.parameters > 0), "nobody states the size of the model", "")
    reasons = np.where((reasons == "") & (observations.types == ""), "the device is not in the catalogue", reasons)
    lacks = ~np.isfinite(hardware.peak) | ~np.isfinite(hardware.bandwidth)
    reasons = np.where((reasons == "") & lacks, "the device's peak rate or bandwidth is not known", reasons)
    return np.where(reasons == "", contradictions(observations, model, work), reasons)


def _per_token(observations: Observations) -> tuple[Structure, Work]:
    model = structures_in(observations)
    return model, work_in(observations, model)


def _items(observations: Observations) -> Floats:
    """Return what the values count per token and device: tokens, or operations as ``counted`` says."""
    import numpy as np

    model, work = _per_token(observations)
    counted = observations.word("counted")
    published = published_flops(model, work)
    again = published + work.recompute * (model.forward_flops(work.sequence)[0] + model.forward_flops(work.sequence)[1])
    items = np.where(np.char.find(counted, "model-flops") >= 0, published, 1.0)
    items = np.where(np.char.find(counted, "hardware-flops") >= 0, again, items)
    return np.where(np.char.find(counted, "per-device") >= 0, items, items * work.devices)


def _target(observations: Observations) -> Floats:
    """Logarithm of the seconds that one device spends on one token."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        if observations.metric == "step_time":
            work = _per_token(observations)[1]
            found: Floats = np.log(observations.values * work.devices / work.tokens)
            return found
        per_item: Floats = np.log(_items(observations) / observations.values)
    return per_item


def _value(observations: Observations, target: Floats) -> Floats:
    import numpy as np

    if observations.metric == "step_time":
        work = _per_token(observations)[1]
        found: Floats = np.exp(target) * work.tokens / work.devices
        return found
    return np.asarray(_items(observations) / np.exp(target))


PREDICTOR = Predictor(
    name="step",
    version=4,
    metrics=("step_time", "throughput"),
    stages=(
        StageForm(("mixture",), 0, 3),
        StageForm(("device", "alike"), 0, 3),
        StageForm(("device", "engine", "precision", "alike"), 0, 3),
        StageForm(("device", "engine", "precision", "alike"), 1, 15),
        StageForm(("model",), 0, 2),
        StageForm(("device", "model"), 0, 1),
    ),
    design=_design,
    target=_target,
    value=_value,
)
"""Seconds of one device per token; the step follows from the tokens and the devices."""
