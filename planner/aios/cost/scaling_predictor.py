"""Training of networks without a described structure: how time falls with devices, batch, precision and placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.training.hardware import arithmetic
from aios.cost.training.scaling import item_parts, items_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["PREDICTOR"]


def _design(observations: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    number = observations.number
    parts = item_parts(observations, devices)
    total = np.add.reduce(list(parts.values()))
    ranks, batch = np.maximum(number("devices", 1.0), 1.0), items_of(observations)
    nodes = np.clip(number("nodes", 1.0), 1.0, ranks)
    reduced = np.array(
        [arithmetic(word) not in ("fp32", "tf32") if word else False for word in _precisions(observations)]
    )
    caps = number("power_cap") / np.array([_nominal_w(devices.get(name)) for name in observations.types.tolist()])
    features = {
        "log devices": np.log(ranks),
        "log batch": np.log(batch),
        "log machines": np.log(nodes),
        "several machines": (nodes > 1) * 1.0,
        "log devices of the fullest machine": np.log(_fullest(observations, ranks, nodes)),
        "host share": parts["host"] / total,
        "gradient share": (parts["near"] + parts["far"]) / total,
        "log items of a step per device": np.log(np.fmax(number("global_batch", 0.0) / ranks, 1.0)),
        "reduced precision": reduced * 1.0,
        "log power cap": np.log(np.nan_to_num(np.clip(caps, 0.05, 1.0), nan=1.0)),
    }
    rows = len(observations)
    keys = {
        "device": np.where(observations.types != "", observations.types, observations.word("device")),
        "host": observations.word("host"),
        "software": observations.word("software"),
        "model": observations.word("model"),
        "precision": np.where(reduced, "reduced", "full"),
        "several": np.where(nodes > 1, "several", np.where(ranks > 1, "one", "single")),
    }
    return Design(features, np.log(total), keys, np.full(rows, -np.inf), np.full(rows, ""))


def _fullest(observations: Observations, ranks: Floats, nodes: Floats) -> Floats:
    """Return the devices of the machine that has most: the largest digit of a placement such as ``211``, whose digits
    are devices per machine; else an even share."""
    import numpy as np

    written = [[int(digit) for digit in word if digit.isdecimal()] for word in observations.word("placement").tolist()]
    pairs = zip(written, ranks.tolist(), nodes.tolist(), strict=True)
    return np.array([max(own) if own and sum(own) == count else np.ceil(count / many) for own, count, many in pairs])


def _precisions(observations: Observations) -> list[str]:
    return [str(word) for word in observations.word("precision").tolist()]


def _nominal_w(device: DeviceType | None) -> float:
    return device.tdp_w.value if device is not None and device.tdp_w is not None else float("nan")


def _factor(observations: Observations) -> Floats:
    """Return devices x items, so that time = seconds per item and device x factor (or throughput = devices / it)."""
    import numpy as np

    ranks = np.maximum(observations.number("devices", 1.0), 1.0)
    if observations.metric == "step_time":
        return items_of(observations)
    return 1.0 / ranks if observations.metric == "time_to_target" else ranks


def _target(observations: Observations) -> Floats:
    """Logarithm of the seconds that one device spends on one item."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        if observations.metric == "throughput":
            found: Floats = np.log(_factor(observations) / observations.values)
        else:
            found = np.log(observations.values / _factor(observations))
    return found


def _value(observations: Observations, target: Floats) -> Floats:
    import numpy as np

    factor = _factor(observations)
    found: Floats = factor / np.exp(target) if observations.metric == "throughput" else np.exp(target) * factor
    return found


PREDICTOR = Predictor(
    name="scaling",
    version=5,
    metrics=("step_time", "throughput", "time_to_target"),
    stages=(
        StageForm(("software",), 0, 3),
        StageForm(("device", "precision"), 0, 3),
        StageForm(("host", "several"), 0, 3),
        StageForm(("model",), 1, 12),
        StageForm(("model",), 2, 60),
        StageForm(("model", "precision"), 0, 2),
        StageForm(("model", "several"), 0, 2),
        StageForm(("device", "model", "precision"), 0, 2),
        StageForm(("device", "host", "model", "several"), 0, 2),
    ),
    design=_design,
    target=_target,
    value=_value,
)
"""Seconds of one device per item (an image, a sentence, a token; a whole run where time to a target is asked)."""
