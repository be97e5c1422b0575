"""What a model reader may offer beside reading: the constants of a model, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Constants", "HoldsWeights"]

Constants: TypeAlias = "Iterator[tuple[str, NDArray[Any]]]"
"""Name of a constant, and its values in its own shape and type."""


@runtime_checkable
class HoldsWeights(Protocol):
    """A reader of models whose constants can be compared."""

    suffixes: ClassVar[tuple[str, ...]]

    def weights(self, path: Path) -> Constants:
        """Yield the numeric constants of the model's graph, wherever they are stored, in the order of the file.

        Raises InputError for a file that is damaged, hostile or no model.
        """
