"""Published transformers by name: structures that ship with aios, one file per family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from aios import catalogue
from aios.records.errors import InputError
from aios.records.transformer import Transformer
from aios.records.transformers.names import Named, Names
from aios.records.transformers.typical import size_in, transformer_of

__all__ = ["find_transformer", "load_presets", "presets", "transformer_like", "transformer_named"]

_ENTRY = re.compile(r"^(?=- )", re.MULTILINE)
_NO_NAME = re.compile(r"^  (?!name:|also:)\S.*\n(?:   .*\n)*", re.MULTILINE)
"""A field of an entry that tells no name, with the lines that are indented more."""


@cache
def presets() -> Names:
    """Return the published transformers that ship with aios; they are read once."""
    return load_presets(catalogue.root() / "cards" / "transformers")


def load_presets(folder: Path) -> Names:
    """Return the transformers of every file of a folder.

    Raises InputError for a file that holds no such list, and a broken entry does when it is asked for.
    """
    return Names(entry for path in sorted(folder.glob("*.yaml")) for entry in _entries(path))


def find_transformer(name: str) -> Named:
    """Return what a name stands for, with the names that were meant perhaps where it stands for nothing."""
    return presets().find(name)


def transformer_named(name: str) -> Transformer | None:
    """Return the published model that people call so, in the precision that the name states; None where none is, or
    where models of different structure are."""
    return presets().find(name).transformer


def transformer_like(name: str) -> Transformer | None:
    """Return the model of this name; else one of the size that the name states (``7B``), marked; else None."""
    found = transformer_named(name)
    if found is not None:
        return found
    sizes = size_in(name)
    if sizes is None:
        return None
    parameters, active = sizes
    return transformer_of({"parameters": parameters, "active_parameters": active or parameters}, name)


def _entries(path: Path) -> Iterator[tuple[str, tuple[str, ...], Callable[[], Transformer]]]:
    """Yield the name of each entry of a file, its further names, and what reads all of it.

    To understand every entry of every file takes longer than the rest of a small plan.
    """
    texts = _ENTRY.split(path.read_text(encoding="utf-8"))[1:]
    heads = _loaded(path, "".join(_NO_NAME.sub("", text) for text in texts))
    for head, text in zip(heads, texts, strict=True):
        yield str(head["name"]), tuple(map(str, head.get("also", ()))), partial(_transformer, path, text)


def _transformer(path: Path, text: str) -> Transformer:
    (entry,) = _loaded(path, text)
    try:
        return Transformer.model_validate({key: value for key, value in entry.items() if key != "also"})
    except ValueError as error:
        raise InputError(f"{path} is no list of transformers: {error}") from None


def _loaded(path: Path, text: str) -> list[dict[str, Any]]:
    """Return a list of mappings that have a name; raises InputError for anything else."""
    import yaml

    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # libyaml is 10 times as fast, where PyYAML was built with it
    try:
        found = [dict(item) for item in yaml.load(text, Loader=loader) or ()]  # noqa: S506  # both loaders are safe ones
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no list of transformers: {error}") from None
    if not all("name" in item for item in found):
        raise InputError(f"{path} is no list of transformers: each entry has a `name`")
    return found
