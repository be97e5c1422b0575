"""Every predictor that learns from tables, by name; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from aios.cost.learning.design import Predictor

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


def predictor(name: str) -> Predictor:
    """Return the predictor of this name; raises KeyError for an unknown one."""
    if name not in PREDICTORS:
        raise KeyError(name)
    found: Predictor = import_module(f"aios.cost.{name}_predictor").PREDICTOR
    return found
