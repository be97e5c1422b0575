"""Lines of JSON to arrays: numbers, lists of equal shape, token ids, and texts with a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.records.base import Span
from aios.records.data import LineData
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.model import ModelProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["IGNORED", "MASK", "arrays_of_lines", "lines_fit"]

MASK = "attention_mask"
"""Name of the array that says which tokens are no padding: what exports of transformers call it."""
_BESIDE = (MASK, "token_type_ids", "position_ids")
"""Inputs that follow from the token ids where nobody gives them."""
IGNORED = -100
"""Stands in a label of tokens where nothing is judged."""
_MOST_PROBLEMS = 3
"""Lines that are told one by one where they are no JSON objects."""


def lines_fit(data: LineData, profile: ModelProfile) -> str | None:
    """Return why the lines do not fit a model's inputs; None where they may."""
    named = {item.name for item in profile.inputs}
    lacking = [item.name for item in profile.inputs if item.name not in data.inputs and item.name not in _BESIDE]
    if lacking:
        return f"`inputs` does not say what `{lacking[0]}` is (the model takes {', '.join(sorted(named))})"
    unknown = sorted(set(data.inputs) - named)
    return f"`inputs` names `{unknown[0]}`, which the model does not take" if unknown else None


def arrays_of_lines(data: LineData, profile: ModelProfile) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a file: inputs, ``attention_mask`` of texts and lists of unlike length, ``label`` if any.

    Raises InputError with every wrong line, at its place.
    """
    rows = _rows(data)
    tokens = _Tokens(data)
    masked = any(item.name in _BESIDE and item.name not in data.inputs for item in profile.inputs)
    arrays: dict[str, NDArray[Any]] = {}
    for name, key in data.inputs.items():
        dtype = next(item.dtype for item in profile.inputs if item.name == name)
        found, mask = _column(data, rows, key, tokens, pad=0, masked=masked)
        arrays[name] = found.astype(dtype)
        if mask is not None:
            arrays |= _beside(found, mask, profile, arrays)
    if data.label is not None:
        label, _mask = _column(data, rows, data.label, tokens, pad=IGNORED, masked=False)
        arrays["label"] = label
    return arrays


def _beside(
    ids: NDArray[Any], mask: NDArray[Any], profile: ModelProfile, known: Mapping[str, NDArray[Any]]
) -> Mapping[str, NDArray[Any]]:
    """Return what follows from token ids and is not given: the mask always, as what is judged needs it."""
    import numpy as np

    made = {MASK: mask, "token_type_ids": np.zeros_like(ids), "position_ids": np.cumsum(mask, axis=1) - mask}
    wanted = {item.name: item.dtype for item in profile.inputs} | {MASK: "int64"}
    return {name: value.astype(wanted[name]) for name, value in made.items() if name in wanted and name not in known}


def _rows(data: LineData) -> list[tuple[int, dict[str, Any]]]:
    """Return the number and the object of every line that is not empty."""
    keys = [*data.inputs.values(), *([data.label] if data.label is not None else [])]
    rows: list[tuple[int, dict[str, Any]]] = []
    unread: list[Diagnostic] = []
    lacking: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, text in enumerate(_text(data.jsonl).splitlines(), start=1):
        if not text.strip():
            continue
        row = _object(text)
        if isinstance(row, str):
            where = Span(file=data.jsonl, line=number, column=1)
            unread.append(Diagnostic(summary=f"this line is no JSON object: {row}", where=where))
            continue
        key = next((key for key in keys if row.get(key) is None), None)
        if key is not None:
            lacking.setdefault(key, []).append((number, row))
        rows.append((number, row))
    if unread or lacking:
        raise InputError(*_of_kind(unread), *(_without(data.jsonl, key, found) for key, found in lacking.items()))
    if not rows:
        raise InputError(Diagnostic(summary=f"{data.jsonl} has no lines", remedy="write one JSON object in each"))
    return rows


def _of_kind(unread: Sequence[Diagnostic]) -> Sequence[Diagnostic]:
    """Return the first lines that cannot be read, the last of them with how many there are."""
    if len(unread) <= _MOST_PROBLEMS:
        return unread
    *first, last = unread[:_MOST_PROBLEMS]
    return *first, last.model_copy(update={"reason": f"{len(unread)} lines are none, these are the first"})


def _without(path: str, key: str, found: Sequence[tuple[int, dict[str, Any]]]) -> Diagnostic:
    """Return what is wrong with all lines that lack a key, at the first of them."""
    number, row = found[0]
    near = nearest(key, list(row))
    has = f"it has {', '.join(f'`{name}`' for name in row) or 'nothing'}"
    return Diagnostic(
        summary=f"this line has no `{key}`"
        if len(found) == 1
        else f"{len(found)} lines have no `{key}`, this the first",
        where=Span(file=path, line=number, column=1),
        remedy=f"did you mean `{near}`?" if near else has,
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(Diagnostic(summary=f"there is no data file {path}", remedy="check the path")) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(Diagnostic(summary=f"{path} cannot be read as lines of JSON", reason=reason)) from None


def _object(text: str) -> dict[str, Any] | str:
    try:
        row = json.loads(text)
    except ValueError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return row if isinstance(row, dict) else "it holds something else"


class _Tokens:
    """Texts to token ids."""

    def __init__(self, data: LineData) -> None:
        self._data = data

    def ids(self, texts: Sequence[str], where: Span) -> list[list[int]]:
        """Return the ids of each text, special tokens included. Raises InputError where there is no tokenizer."""
        path = self._data.tokenizer
        if path is None:
            summary, remedy = "a text is no array", "name a `tokenizer: ./tokenizer.json` beside `jsonl`"
            raise InputError(Diagnostic(summary=summary, where=where, remedy=remedy))
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise InputError(
                Diagnostic(
                    summary="texts are read by the library tokenizers, which is not installed",
                    remedy="install it, or write token ids into the lines",
                    command="pip install 'aios-planner[text]'",
                )
            ) from None
        try:
            tokenizer = Tokenizer.from_file(path)
        except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
            raise InputError(Diagnostic(summary=f"{path} is no tokenizer", reason=str(error)[:200])) from None
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return [list(item.ids) for item in tokenizer.encode_batch(list(texts))]


def _column(
    data: LineData, rows: Sequence[tuple[int, dict[str, Any]]], key: str, tokens: _Tokens, pad: int, masked: bool
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the values of one key, items along the first axis, and of lists of tokens which are no padding.

    masked: the model takes a mask, so that lists of whole numbers are tokens even if all are as long
    """
    import numpy as np

    values = [row[key] for _number, row in rows]
    places = [Span(file=data.jsonl, line=number, column=1) for number, _row in rows]
    texts = [isinstance(value, str) for value in values]
    if any(texts):
        if not all(texts):
            odd = places[texts.index(not texts[0])]
            raise InputError(Diagnostic(summary=f"`{key}` is a text in some lines and none in others", where=odd))
        values = tokens.ids(values, places[0])
    arrays = [_array(key, value, where) for value, where in zip(values, places, strict=True)]
    lists = all(array.ndim == 1 and array.dtype.kind == "i" for array in arrays)
    shapes = {array.shape for array in arrays}
    if lists and (any(texts) or masked or len(shapes) > 1 or data.length is not None):
        return _padded(arrays, data.length, pad)
    if len(shapes) > 1:
        odd = next(place for place, array in zip(places, arrays, strict=True) if array.shape != arrays[0].shape)
        first = f"the first line has {list(arrays[0].shape)}"
        raise InputError(Diagnostic(summary=f"`{key}` has another shape than before", where=odd, reason=first))
    return np.stack(arrays), None


def _array(key: str, value: Any, where: Span) -> NDArray[Any]:
    import numpy as np

    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        summary = f"`{key}` is neither a number nor a list of numbers of one shape"
        raise InputError(Diagnostic(summary=summary, where=where, reason=f"it is `{str(value)[:60]}`"))
    if not np.isfinite(array).all():
        raise InputError(Diagnostic(summary=f"`{key}` holds what is no finite number", where=where))
    return array


def _padded(arrays: Sequence[NDArray[Any]], length: int | None, pad: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return lists cut or padded on the right to one length, and 1 where there is no padding."""
    import numpy as np

    width = length or max(len(array) for array in arrays)
    padded = np.full((len(arrays), width), pad, dtype=np.int64)
    mask = np.zeros_like(padded)
    for index, array in enumerate(arrays):
        kept = array[:width]
        padded[index, : len(kept)], mask[index, : len(kept)] = kept, 1
    return padded, mask
