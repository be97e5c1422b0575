"""Transforms of models, with what they need of the world."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aios.records.data import DataFile, said
from aios.records.errors import Diagnostic, InputError
from aios.records.plan import Deployment
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.records.transform import Declaration
    from aios.transforms import Transforming

__all__ = ["declared", "stored_precision", "transforming"]


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
        stored=stored_precision,
        arrays=partial(_arrays, setting),
        tell=setting.tell,
        warn=setting.warn,
        threads=len(os.sched_getaffinity(0)),
    )


def _arrays(
    setting: Setting, deployment: Deployment, files: Sequence[DataFile], digest: str
) -> tuple[Sequence[str], str]:
    """Return files of arrays of data, and the digest that the one that is used must have (``unknown``: any)."""
    plain = [data for data in files if isinstance(data, str)]
    if len(plain) == len(files):
        return plain, digest
    from aios.models.data_files import array_file, data_digest, fitting_data
    from aios.workflow.inspecting import inspect_deployed

    profile = inspect_deployed(deployment)
    found = fitting_data(files, profile)
    if digest not in ("unknown", data_digest(found)):
        reason = f"{said(found)} changed since the plan was made"
        raise InputError(Diagnostic(summary="data is not what was planned with", reason=reason, remedy="plan again"))
    return [str(array_file(found, profile, setting.data_cache, setting.tell))], "unknown"


def stored_precision(deployment: Deployment) -> str:
    """Return the precision that a deployment's own model file is stored in."""
    from aios.workflow.inspecting import inspect_deployed

    return inspect_deployed(deployment).precision
