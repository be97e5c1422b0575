"""model inspect: one model file, read afresh."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aios.records.base import Span
from aios.records.intent import ModelChoice
from aios.records.model import ModelProfile

__all__ = ["inspect_model"]


def inspect_model(path: Path, sizes: Mapping[str, int]) -> ModelProfile:
    """Return the profile of a model file. Raises InputError."""
    from aios.models import profile_models
    from aios.spi import registry

    choice = ModelChoice(name=path.stem, path=str(path), where=Span(file=str(path), line=1, column=1))
    readers = registry.load_all("aios.model_readers")
    return profile_models((choice,), readers, None, sizes)[path.stem]
