"""Published transformers by name: structures that ship with aios, one file per family."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from aios import catalogue
from aios.records.errors import InputError
from aios.records.transformer import Transformer
from aios.records.transformers.names import Named, Names
from aios.records.transformers.typical import size_in, transformer_of

__all__ = ["find_transformer", "load_presets", "presets", "transformer_like", "transformer_named"]


@cache
def presets() -> Names:
    """Return the published transformers that ship with aios; they are read once."""
    return load_presets(catalogue.root() / "cards" / "transformers")


def load_presets(folder: Path) -> Names:
    """Return the transformers of every file of a folder. Raises InputError for a file that holds no such list."""
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


def _entries(path: Path) -> Iterator[tuple[Transformer, tuple[str, ...]]]:
    import yaml

    loader = getattr(
        yaml, "CSafeLoader", yaml.SafeLoader
    )  # libyaml is 10 times as fast, where PyYAML was built with it
    try:
        data = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506  # both loaders are safe ones
        entries: list[dict[str, Any]] = [dict(item) for item in data]
        for entry in entries:
            also = tuple(str(name) for name in entry.pop("also", ()))
            yield Transformer.model_validate(entry), also
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no list of transformers: {error}") from None
