"""Measured values as logarithms, which predictions are sums of, and back: for targets that need no scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["target_of", "value_of"]


def target_of(observations: Observations) -> Floats:
    """Return the logarithm of each measured value; of a throughput that of its inverse, the time of an item."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log(observations.values)
    return -found if observations.metric == "throughput" else found


def value_of(observations: Observations, target: Floats) -> Floats:
    """Return the values that such logarithms stand for."""
    import numpy as np

    found: Floats = np.exp(-target if observations.metric == "throughput" else target)
    return found
