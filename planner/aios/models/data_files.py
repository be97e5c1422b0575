"""The one door to data: which of an intent's files fits a model, its digest, and its arrays as an ``.npz`` file.

Pictures and lines become arrays once; these are kept under the digest of all that they follow from.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.models.data import LABEL, fits_arrays
from aios.models.data_images import digests_of, pictures_of, pixels, target_of
from aios.models.data_lines import MASK, arrays_of_lines, lines_fit
from aios.records.base import Span, digest_of
from aios.records.data import DataFile, ImageData, LineData, said
from aios.records.errors import Diagnostic, InputError
from aios.records.model import ModelProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Items", "array_file", "data_digest", "fitting_data", "load_items", "shared_items"]

_REVISION = 1
"""Grows when the same files would give other arrays."""


class Items(NamedTuple):
    """Data as a model takes it, items along each first axis.

    inputs: input -> array of its type · labels: right answers, None where nobody says · mask: (items, tokens), 1 where
    a token is no padding; None where all count
    """

    inputs: Mapping[str, NDArray[Any]]
    labels: NDArray[Any] | None = None
    mask: NDArray[Any] | None = None

    def at(self, places: Sequence[int]) -> Items:
        """Return the items at these places."""
        inputs = {name: array[places] for name, array in self.inputs.items()}
        labels, mask = (None if part is None else part[places] for part in (self.labels, self.mask))
        return Items(inputs, labels, mask)


def shared_items(judged: Items, others: Items) -> int:
    """Return how many of the items that a model is judged on are, number for number, among others that it takes."""
    known = set(_item_digests(others))
    return sum(digest in known for digest in _item_digests(judged))


def _item_digests(items: Items) -> Iterator[bytes]:
    import numpy as np

    arrays = [np.ascontiguousarray(items.inputs[name]) for name in sorted(items.inputs)]
    for parts in zip(*arrays, strict=False):
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part.tobytes())
        yield digest.digest()


def fitting_data(
    files: Sequence[DataFile], profile: ModelProfile, *, labels: Collection[str] = (), where: Span | None = None
) -> DataFile:
    """Return the first of ``files`` that fits the model's inputs, and has such right answers as ``labels`` names.

    labels: ``class``, ``number`` or ``tokens``, see ``records.metrics.Measure``. No picture is opened and no
    array read. Raises InputError that says, for each file, why it does not fit.
    """
    reasons = []
    for data in files:
        try:
            misfit = _misfit(data, profile, labels)
        except InputError as error:
            placed = (item if item.where else item.model_copy(update={"where": where}) for item in error.diagnostics)
            raise InputError(*placed) from None
        if misfit is None:
            return data
        reasons.append(f"{said(data)}: {misfit}")
    remedy = "store one array per model input, named as the input, items along the first axis"
    if labels:
        remedy += (
            f", and class indices named `{LABEL}`" if "class" in labels else f", and right answers named `{LABEL}`"
        )
    if not all(isinstance(data, str) for data in files):
        remedy = "correct `data` in the intent, or name another file"
    raise InputError(
        Diagnostic(
            summary=f"no data file fits model {profile.name}",
            where=where,
            reason="; ".join(reasons) or "no file is given",
            remedy=remedy,
            command=f"aios model inspect {profile.name}.onnx",
        )
    )


def _misfit(data: DataFile, profile: ModelProfile, labels: Collection[str]) -> str | None:
    if isinstance(data, str):
        return fits_arrays(Path(data), profile, labels)
    if isinstance(data, LineData):
        lacks = labels and data.label is None
        return "`label` does not say where right answers stand" if lacks else lines_fit(data, profile)
    target = target_of(profile, data.preprocess)
    if isinstance(target, str):
        return target
    found = pictures_of(data)
    if not labels:
        return None
    if "tokens" in labels:
        return "a picture is labelled with one number, not with tokens"
    if found[0].label is None:
        return "its pictures have no labels: there is no `labels.csv` in it, and there are no subfolders"
    odd = next((item for item in found if item.label is not None and item.label % 1), None)
    if odd is not None and "class" in labels:
        raise InputError(
            Diagnostic(summary=f"the label {odd.label:g} of {odd.name} is no class index", where=odd.where)
        )
    classes = profile.outputs[0].shape[-1] if profile.outputs and profile.outputs[0].shape else None
    if "class" in labels and isinstance(classes, int):
        outside = [item for item in found if item.label is not None and not 0 <= item.label < classes]
        if outside:
            reason = f"a label is the index of the right class, from 0 to {classes - 1}"
            raise InputError(
                *(
                    Diagnostic(
                        summary=f"the label {item.label:g} of {item.name} is no class of {profile.name}",
                        where=item.where,
                        reason=reason,
                        remedy="correct the label, or name the data that was made for this model",
                    )
                    for item in outside[:20]
                )
            )
    return None


def data_digest(data: DataFile) -> str:
    """Return the digest of content and form, wherever the files lie. Raises InputError for what cannot be read."""
    if isinstance(data, str):
        return _sha256(data)
    if isinstance(data, LineData):
        form = data.model_dump(mode="json", exclude={"jsonl", "tokenizer"})
        tokenizer = None if data.tokenizer is None else _sha256(data.tokenizer)
        return digest_of({"form": form, "lines": _sha256(data.jsonl), "tokenizer": tokenizer})
    form = data.preprocess.model_dump(mode="json")
    return digest_of({"preprocess": form, "pictures": digests_of(Path(data.images), pictures_of(data))})


def _sha256(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{path} cannot be read", reason=error.strerror)) from None


def array_file(data: DataFile, profile: ModelProfile, cache: Path, tell: Callable[[str], None]) -> Path:
    """Return an ``.npz`` file with one array per input of the model, ``label`` if there are right answers, and
    ``attention_mask`` where tokens are padded. What fits (``fitting_data``) is made into one where need be.

    cache: folder of what was made · tell: receives progress. Raises InputError for items that cannot be read.
    """
    if isinstance(data, str):
        return Path(data)
    inputs = [item.model_dump(mode="json") for item in profile.inputs]
    made_of = {"data": data_digest(data), "inputs": inputs, "by": _library(data), "revision": _REVISION}
    path = cache / f"{digest_of(made_of).removeprefix('sha256:')}.npz"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=cache, suffix=".part")
    scratch = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            if isinstance(data, LineData):
                for key, array in arrays_of_lines(data, profile).items():
                    with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                        _write(member, array)
            else:
                _write_pictures(archive, data, profile, tell)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return path


def _write(member: Any, array: NDArray[Any]) -> None:
    import numpy as np

    np.lib.format.write_array(member, array, allow_pickle=False)


def _write_pictures(
    archive: zipfile.ZipFile, data: ImageData, profile: ModelProfile, tell: Callable[[str], None]
) -> None:
    """Write pictures one after the other: all of them need not have room in memory."""
    import numpy as np

    target = target_of(profile, data.preprocess)
    assert not isinstance(target, str), "data that does not fit is never read"
    found = pictures_of(data)

    def told(done: int) -> None:
        if done % 100 == 0:
            tell(f"reading pictures of {data.images}: {done} of {len(found)}")

    dtype = np.dtype(target.tensor.dtype)
    header = {"descr": dtype.str, "fortran_order": False, "shape": (len(found), *target.shape)}
    with archive.open(f"{target.tensor.name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_2_0(member, header)
        for array in pixels(Path(data.images), found, target, data.preprocess, told):
            member.write(array.tobytes())
    if found[0].label is not None:
        labels = np.array([item.label for item in found])
        whole = bool((labels % 1 == 0).all()) and bool((abs(labels) < 2**53).all())
        with archive.open(f"{LABEL}.npy", "w", force_zip64=True) as member:
            _write(member, labels.astype(np.int64) if whole else labels)


def _library(data: ImageData | LineData) -> str | None:
    """Return what makes arrays of the data, and its version: another one may make others."""
    from importlib.metadata import PackageNotFoundError, version

    name = "pillow" if isinstance(data, ImageData) else "tokenizers" if data.tokenizer else None
    try:
        return None if name is None else f"{name} {version(name)}"
    except PackageNotFoundError:
        return None


def load_items(path: Path, profile: ModelProfile) -> Items:
    """Return the arrays of a file that fits, inputs cast to the model's types.

    Raises InputError for numbers that are none, and for arrays that are damaged.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            inputs = {spec.name: archive[spec.name].astype(spec.dtype, copy=False) for spec in profile.inputs}
            labels = archive[LABEL] if LABEL in archive.files else None
            mask = archive[MASK] if MASK in archive.files else None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        reason, remedy = str(error), "write it again; what aios keeps of pictures is made anew once it is deleted"
        raise InputError(Diagnostic(summary=f"{path} cannot be read", reason=reason, remedy=remedy)) from None
    for name, array in {**inputs, **({} if labels is None else {LABEL: labels})}.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
            raise InputError(
                Diagnostic(
                    summary=f"item {bad} of `{name}` in {path} holds what is no finite number",
                    remedy="correct or leave out the item, counted from 0",
                )
            )
    return Items(inputs, labels, mask)
