"""Features as the regression sees them: standardised, held inside what was seen, with squares and products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aios.cost.learning.design import Design
    from aios.records.observation import Floats

__all__ = ["Ranges", "columns_of", "ranges_of", "standardised", "terms_of"]

Ranges = Mapping[str, tuple[float, float, float, float]]
"""Feature -> mean, standard deviation, least and most of the rows learnt from."""

_SLACK = 0.1
"""Share of the range seen by which a feature may lie outside before it counts as at that end."""


def ranges_of(design: Design) -> Ranges:
    """Return what the features of these rows are like; those that never change are left out."""
    import numpy as np

    found = {}
    for name, column in design.features.items():
        deviation = float(np.std(column)) if len(column) else 0.0
        if deviation > 1e-9:
            least, most = float(column.min()), float(column.max())
            slack = _SLACK * (most - least)
            found[name] = (float(column.mean()), deviation, least - slack, most + slack)
    return found


def standardised(design: Design, ranges: Ranges) -> dict[str, Floats]:
    """Return feature -> column with mean 0 and deviation 1 over the rows learnt from."""
    import numpy as np

    return {
        name: (np.clip(design.features[name], least, most) - mean) / deviation
        for name, (mean, deviation, least, most) in ranges.items()
    }


def terms_of(names: tuple[str, ...], degree: int) -> tuple[str, ...]:
    """Return the terms of a polynomial of these features, without its constant."""
    if degree == 0:
        return ()
    if degree == 1:
        return names
    return names + tuple(f"{a} * {b}" for place, a in enumerate(names) for b in names[place:])


def columns_of(columns: Mapping[str, Floats], terms: tuple[str, ...], rows: int) -> Floats:
    """Return the matrix (rows, 1 + terms) of a constant and these terms."""
    import numpy as np

    matrix = np.ones((rows, 1 + len(terms)))
    for place, term in enumerate(terms, start=1):
        first, _, second = term.partition(" * ")
        matrix[:, place] = columns[first] * columns[second] if second else columns[first]
    return matrix
