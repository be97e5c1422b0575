"""Calibration data: for each input of the model the array that fits it, fed in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Items", "read_items"]

_ITEMS = 512
"""Items that ranges are read from. Ranges hardly change beyond some hundred items, and time grows with each."""

_NUMPY = {"float": "float32", "double": "float64"}
"""onnxruntime's names of element types that numpy calls otherwise."""


@dataclass(frozen=True)
class Items:
    """Arrays by input, in its type, first axis counting items; ``batch``: the size that a model demands, 0 for any."""

    arrays: Mapping[str, NDArray[Any]]
    batch: int

    @property
    def count(self) -> int:
        """Return how many whole items there are."""
        count = min(len(array) for array in self.arrays.values())
        return count - count % (self.batch or 1)

    def feeds(self, size: int) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield feeds of ``size`` items, or of as many as the model demands."""
        step = self.batch or size
        for at in range(0, self.count, step):
            yield {name: array[at : min(at + step, self.count)] for name, array in self.arrays.items()}

    def split(self, first: int) -> tuple[Items, Items]:
        """Return the first items, rounded up to whole batches, and the rest."""
        at = -(-first // (self.batch or 1)) * (self.batch or 1)
        parts = ({name: array[where] for name, array in self.arrays.items()} for where in (slice(at), slice(at, None)))
        one, other = (Items(part, self.batch) for part in parts)
        return one, other


def read_items(opened: Any, files: Sequence[Path], seed: int) -> Items:
    """Return the items of the first file that fits the inputs of the open session, at most 512 of them, shuffled.

    Files are often sorted, by class or by time: whatever part of the items is taken later is one of all of them.

    An array fits when the input's type holds all its values and its shape is the input's, apart from the first axis,
    which counts items; the array of the input's name comes first. Raises InputError where no file fits.
    """
    import numpy as np

    ports = opened.get_inputs()
    seen = []
    for path in files:
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except Exception as error:
            raise InputError(f"{path} is no archive of arrays: {error}") from error
        found = _matching(ports, arrays)
        if found is not None:
            batch = _batch(opened, found)
            count = min(len(array) for array in found.values())
            order = np.random.default_rng(seed).permutation(count)[:_ITEMS]
            whole = Items({name: array[order] for name, array in found.items()}, batch)
            if not whole.count:
                raise InputError(f"{path} holds fewer items than the {batch} of a batch, which the model's inputs fix")
            return whole
        seen += [f"{name} {array.dtype}{list(array.shape)}" for name, array in arrays.items()]
    wanted = ", ".join(f"{port.name} {_type(port)}{list(port.shape)}" for port in ports)
    raise InputError(
        Diagnostic(
            summary=f"no calibration data fits the inputs ({wanted})",
            reason=f"the files hold {', '.join(seen) or 'nothing'}",
            remedy="give data.calibrate arrays of these shapes, the first axis counting items",
        )
    )


def _type(port: Any) -> str:
    name: str = port.type.removeprefix("tensor(").removesuffix(")")
    return _NUMPY.get(name, name)


def _matching(ports: Sequence[Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    found: dict[str, NDArray[Any]] = {}
    for port in ports:
        names = sorted(arrays, key=lambda name: (name != port.name, name in found))
        name = next((name for name in names if _fits(port, arrays[name])), None)
        if name is None:
            return None
        found[port.name] = arrays[name].astype(_type(port), copy=False)
    return found


def _fits(port: Any, array: NDArray[Any]) -> bool:
    import numpy as np

    try:
        fits = np.can_cast(array.dtype, _type(port), "safe")
    except TypeError:  # a sequence, a map or text
        return False
    if not fits or array.ndim != len(port.shape) or not len(array):
        return False
    pairs = zip(port.shape[1:], array.shape[1:], strict=True)
    return all(not isinstance(own, int) or own == size for own, size in pairs)


def _batch(opened: Any, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Return the batch that the inputs fix; 1 where two items do not give two items out; 0 where any size will do."""
    first = [port.shape[0] if port.shape else None for port in (*opened.get_inputs(), *opened.get_outputs())]
    fixed = next((size for size in first[: len(arrays)] if isinstance(size, int)), None)
    if fixed is not None:
        return fixed
    if any(isinstance(size, int) for size in first) or len({size for size in first if size is not None}) > 1:
        return 1
    try:
        two = opened.run(None, {name: array[:2] for name, array in arrays.items()})
    except Exception:  # noqa: BLE001 - onnxruntime raises many kinds; a model that takes no two items gets one
        return 1
    count = min(2, *(len(array) for array in arrays.values()))
    return 0 if all(output.shape[:1] == (count,) for output in two) else 1
