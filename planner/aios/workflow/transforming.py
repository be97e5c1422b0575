"""Transforms of models, with what they need of the world."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.records.transform import Declaration
    from aios.transforms import Transforming

__all__ = ["declared", "transforming"]


def declared() -> Mapping[str, Declaration]:
    """Return name -> what each installed transform declares."""
    from aios.spi.transforms import declarations

    return declarations()


def transforming(setting: Setting) -> Transforming:
    """Return what makes the models that deployments compute."""
    from aios.spi import registry
    from aios.transforms import Transforming

    return Transforming(
        declared=declared,
        plugin=lambda name: registry.load("aios.transforms", name),
        stored=_stored,
        tell=setting.tell,
        warn=setting.warn,
        threads=len(os.sched_getaffinity(0)),
    )


def _stored(path: Path) -> str:
    """Return the precision that a model file is stored in."""
    from aios.spi import registry

    reader = next(item for item in registry.load_all("aios.model_readers").values() if path.suffix in item.suffixes)
    return str(reader.read(path, {}).profile.precision)
