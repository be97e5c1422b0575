"""Equal rows found quickly: facts and loads are worked out once for each kind of row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts

    Places = npt.NDArray[np.int64]

__all__ = ["distinct", "distinct_rows"]


def distinct(texts: Texts | Sequence[str]) -> tuple[list[str], Places]:
    """Return the different texts in the order of their first use, and for each row its place among them.

    Several times as quick as ``numpy.unique``, which compares texts to sort them.
    """
    import numpy as np

    listed = np.asarray(texts, dtype=str).tolist()
    places = {text: place for place, text in enumerate(dict.fromkeys(listed))}
    return list(places), np.fromiter(map(places.__getitem__, listed), dtype=np.int64, count=len(listed))


def distinct_rows(columns: Sequence[Floats]) -> tuple[Places, Places]:
    """Return where each different row of some columns stands first, and for each row its place among those."""
    import numpy as np

    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, places = np.unique(column, return_inverse=True)
        code = np.unique(code * len(values) + places, return_inverse=True)[1]
    _, first, places = np.unique(code, return_index=True, return_inverse=True)
    return first, places
