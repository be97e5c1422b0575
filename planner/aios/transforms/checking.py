"""What must be true of a transform's source, data and result; nothing of it is left to plugins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError, PluginError
from aios.records.model import ModelProfile, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEW", "TOO_FEW", "checked_data", "checked_result", "checked_source"]

TOO_FEW, FEW = 8, 100
"""Items of calibration data. With fewer than 8 a range is chance: the largest of n values is exceeded by the next one
with probability 1 / (n + 1), here 11 %; from 100 items on with less than 1 %."""


def checked_source(path: Path, digest: str) -> ModelProfile:
    """Return the profile of the model that is to be changed; raises InputError unless it has the digest."""
    found = _read(path)
    if found.digest != digest:
        raise InputError(
            Diagnostic(
                summary=f"{path} is not what the plan was made with",
                reason=f"its digest is {found.digest}, not {digest}: the model file changed since",
                remedy="plan again",
            )
        )
    return found


def checked_result(folder: Path, source: Path, before: ModelProfile, digest: str) -> ModelProfile:
    """Return the profile of what a transform wrote. Raises PluginError where there is none, clients would see another
    model, it computes what its source does, or its source was written to."""
    path = folder / "model.onnx"
    if not path.is_file():
        raise PluginError("the transform wrote no model.onnx: this is a bug in it")
    try:
        after = _read(path)
    except InputError as error:
        raise PluginError(f"the transform wrote a model that cannot be opened: {error}") from error
    for what, had, has in (("input", before.inputs, after.inputs), ("output", before.outputs, after.outputs)):
        if [_port(item) for item in had] != [_port(item) for item in has]:
            one, other = (", ".join(_said(item) for item in some) or "none" for some in (had, has))
            raise PluginError(f"the transform changed the model's {what}s from {one} to {other}: clients would break")
    if _read(source).digest != digest:
        raise PluginError(f"{source} was written to while it was transformed")
    computes = _computation(source)
    if computes is not None and computes == _computation(path):
        raise InputError(
            Diagnostic(
                summary="the transform silently returned the same model",
                reason="graph and constants of the result are those of its source",
                remedy="use the model without this transform",
            )
        )
    return after


def checked_data(
    role: str, paths: Sequence[Path], digest: str, model: ModelProfile, warn: Callable[[str], None]
) -> tuple[Path, ...]:
    """Return the first file whose arrays fit the model's inputs, checked value by value.

    Raises InputError, naming file, array and item, where no file fits, values are no numbers, or there are too few.
    """
    seen = []
    for path in paths:
        arrays = _arrays(path)
        found = _fitting(model.inputs, arrays)
        if found is None:
            seen += [f"{path}: {name} {array.dtype}{list(array.shape)}" for name, array in arrays.items()]
            continue
        if digest != "unknown" and _digest(path) != digest:
            reason = f"{path} changed since the plan was made"
            raise InputError(
                Diagnostic(summary=f"data.{role} is not what was planned with", reason=reason, remedy="plan again")
            )
        for name, array in found.items():
            _refuse_no_numbers(path, name, array)
        if role == "calibrate":
            _refuse_few(path, _different(found), warn)
        return (path,)
    wanted = ", ".join(_said(item) for item in model.inputs)
    raise InputError(
        Diagnostic(
            summary=f"no file of data.{role} fits the model's inputs ({wanted})",
            reason="; ".join(seen) or "its files hold no arrays",
            remedy="store one array per input, named as the input, items along the first axis",
        )
    )


def _refuse_no_numbers(path: Path, name: str, array: NDArray[Any]) -> None:
    import numpy as np

    if array.dtype.kind not in "fc":
        return
    for index, item in enumerate(array):
        finite = np.isfinite(item)
        if not finite.all():
            value = np.asarray(item)[~finite].ravel()[0]
            raise InputError(
                Diagnostic(
                    summary=f"{path}: item {index} of the array `{name}` holds {value}",
                    reason="ranges and gradients that are read from it would be no numbers either",
                    remedy="remove or mend this item",
                )
            )


def _refuse_few(path: Path, count: int, warn: Callable[[str], None]) -> None:
    """Refuse, or warn of, calibration data of ``count`` different items; zeros throughout are one."""
    if count < TOO_FEW:
        raise InputError(
            Diagnostic(
                summary=f"{path} holds {count} different item{'s' * (count != 1)}; at least {TOO_FEW} are needed to "
                "read ranges from",
                remedy=f"give {FEW} or more, as different from each other as what will be asked",
            )
        )
    if count < FEW:
        warn(f"ranges are read from {count} different items of {path}; {FEW} or more are usual")


def _different(arrays: dict[str, NDArray[Any]]) -> int:
    """Return how many items differ from all before them."""
    import numpy as np

    rows = zip(*(np.ascontiguousarray(array) for array in arrays.values()), strict=False)
    return len({hashlib.sha256(b"".join(part.tobytes() for part in parts)).digest() for parts in rows})


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(
            Diagnostic(
                summary=f"{path} is no archive of arrays",
                reason=str(error),
                remedy="write it with numpy.savez_compressed(path, <input name>=array)",
            )
        ) from error


def _fitting(inputs: Sequence[TensorSpec], arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    """Return for each input the array of its name if that fits, else the first that fits; None unless all have one."""
    found = {}
    for spec in inputs:
        names = sorted(arrays, key=lambda name: (name != spec.name, name in found))
        name = next((name for name in names if _fits(spec, arrays[name])), None)
        if name is None:
            return None
        found[name] = arrays[name]
    return found


def _fits(spec: TensorSpec, array: NDArray[Any]) -> bool:
    import numpy as np

    try:
        holds = np.can_cast(array.dtype, spec.dtype, "safe")
    except TypeError:
        return False
    if not holds or array.ndim != len(spec.shape) or not len(array):
        return False
    pairs = zip(spec.shape[1:], array.shape[1:], strict=True)
    return all(not isinstance(wanted, int) or wanted == size for wanted, size in pairs)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _port(spec: TensorSpec) -> tuple[object, ...]:
    """Return what clients see of an input or output; how its free dimensions are called is no concern of theirs."""
    return spec.name, spec.dtype, tuple(size if isinstance(size, int) else None for size in spec.shape)


def _said(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.dtype}[{', '.join(map(str, spec.shape))}]"


def _read(path: Path) -> ModelProfile:
    return _reader(path).read(path, {}).profile  # type: ignore[no-any-return]  # plugins are found at run time


def _computation(path: Path) -> str | None:
    from aios.spi.model_reader import Comparing

    reader = _reader(path)
    return reader.computation(path) if isinstance(reader, Comparing) else None


def _reader(path: Path) -> Any:
    from aios.spi import registry

    for reader in registry.load_all("aios.model_readers").values():
        if path.suffix in reader.suffixes:
            return reader
    raise InputError(f"no installed model reader reads {path}")
