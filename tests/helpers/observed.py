"""Measured rows made up by tests."""

import numpy as np

from aios.records.observation import Observations

__all__ = ["observed"]


def observed(predictor, types, words, numbers, values=1.0, metric="latency.mean", families=None, table="t.csv"):
    """Return rows of a table: one for each of ``types``, which are names of device types, empty for unknown ones.

    words, numbers: role -> a column, or what stands in every row · values: of the metric, in SI · families: of models;
    each row is of one of its own where nothing is said
    """
    rows = len(types)

    def column(given, kind=None):
        return np.broadcast_to(np.asarray(given, dtype=kind), rows)

    return Observations(
        table=table,
        predictor=predictor,
        metric=metric,
        unit="s",
        words={role: column(word) for role, word in words.items()},
        numbers={role: column(number, float) for role, number in numbers.items()},
        types=np.asarray(types),
        families=np.arange(rows).astype(str) if families is None else column(families),
        lines=np.arange(rows),
        values=column(values, float),
    )
