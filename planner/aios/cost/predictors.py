"""Every predictor that learns from tables, by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Observations

__all__ = ["PREDICTORS", "predictor"]

PREDICTORS = {
    "network": "fixed networks (vision, audio, tabular): time per item, in inference and training",
    "kernel": "one operator of a language model on one device: time",
    "serving": "language models that are served: time to first token, time per token, throughput",
    "step": "training steps of transformers over many devices: time",
    "scaling": "training of named models over several devices: time per step or to the target",
    "collective": "communication between devices: time",
    "power": "power and energy of devices and whole systems",
    "memory": "memory that a workload takes, and whether it fits",
    "accuracy": "what quantisation, pruning and the like change of a model's accuracy",
    "queue": "latency percentiles of a service under load, given its service time",
}
"""Name -> what it predicts. Each stands in the module ``aios.cost.<name>_predictor`` as ``PREDICTOR``."""


@cache
def predictor(name: str) -> Predictor:
    """Return the predictor of this name; raises KeyError for an unknown one.

    Rows of which it finds no finite number are unknown, whatever the other rows are like.
    """
    if name not in PREDICTORS:
        raise KeyError(name)
    found: Predictor = import_module(f"aios.cost.{name}_predictor").PREDICTOR

    def design(rows: Observations, types: Mapping[str, DeviceType]) -> Design:
        return _finite(found.design(rows, types))

    return found._replace(design=design)


def _finite(design: Design) -> Design:
    """Return a design whose rows with a number that is not finite are unknown, by the name of the first of them."""
    import numpy as np

    columns = {"physical prediction": design.base, **design.features, **design.parts}
    odd = {name: ~np.isfinite(column) for name, column in columns.items()}
    if not any(mask.any() for mask in odd.values()):
        return design
    names = np.array(list(odd))
    first = names[np.argmax(np.array(list(odd.values())), axis=0)]
    wrong = np.logical_or.reduce(list(odd.values())) & (design.unknown == "")
    reasons = np.char.add(np.char.add("its ", first), " is no finite number")
    return replace(
        design,
        features={name: np.where(odd[name], 0.0, column) for name, column in design.features.items()},
        parts={name: np.where(odd[name], 0.0, column) for name, column in design.parts.items()},
        unknown=np.where(wrong, reasons, design.unknown),
    )
