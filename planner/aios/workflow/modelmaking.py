"""model make: what a transform makes of a stored model, kept with where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.modelstore import MAIN, Reference
from aios.records.plan import Deployment
from aios.records.transform import DataRole
from aios.workflow.modelstore import Added, Adding, add_model, plain_only, reference_of, store_of
from aios.workflow.setting import Setting
from aios.workflow.stages import stage

if TYPE_CHECKING:
    from aios.records.transform import Declaration
    from aios.state.modelstore import Loaded

__all__ = ["Wanted", "make_model"]


_READS: Mapping[DataRole, str] = {"calibrate": "reads ranges from usual inputs", "train": "learns from items"}


class Wanted(NamedTuple):
    """What to make. settings: parameter -> value, others at their defaults · precision: None for the first that the
    transform gives · data: role -> file, or None · name: None for that of the source"""

    transform: str
    settings: Mapping[str, str]
    precision: str | None = None
    data: Mapping[DataRole, Path | None] = {}
    name: str | None = None
    branch: str = MAIN
    message: str = ""


def make_model(setting: Setting, reference: str, wanted: Wanted) -> Added:
    """Have a transform make a model of a stored one, and keep it as a new version. Raises InputError, WorldError."""
    from aios.transforms import read_chain
    from aios.workflow.keeping import artefacts_of

    source = reference_of(reference)
    declaration = _declared(wanted)
    loaded = store_of(setting).load(source)
    version = Reference(source.name, f"v{loaded.version.number}")
    with loaded.lease, stage("transforming"):
        plain_only(loaded.version, str(version))
        store = artefacts_of(setting)
        made = store.model(_deployment(loaded, str(version), declaration, wanted), {})
        chain = read_chain(made.path.parent)
        adding = Adding(
            file=made.path,
            name=wanted.name or source.name,
            branch=wanted.branch,
            message=wanted.message,
            provenance=(*(loaded.version.provenance or chain[:1]), *chain[1:]),
            parents=(str(version),),
        )
        return add_model(setting, adding)  # `store` keeps what was made until then


def _declared(wanted: Wanted) -> Declaration:
    """Return what the transform declares. Raises InputError with every mistake in what is wanted of it."""
    from aios.spi.transforms import declarations, unfit

    known = declarations()
    found = known.get(wanted.transform)
    if found is None:
        raise InputError(_unknown("transform", wanted.transform, list(known)))
    problems = []
    for name, value in wanted.settings.items():
        parameter = found.parameters.get(name)
        if parameter is None:
            problems.append(_unknown(f"parameter of {found.name}", name, list(found.parameters)))
        elif (reason := unfit(parameter, value)) is not None:
            problems.append(Diagnostic(summary=f"`{value}` is no value of {name}: {reason}", remedy=parameter.help))
    if wanted.precision is not None and wanted.precision not in found.precisions:
        given = ", ".join(found.precisions) or "the precision of its source"
        problems.append(Diagnostic(summary=f"{found.name} gives no {wanted.precision}", remedy=f"it gives {given}"))
    for role, file in wanted.data.items():
        if file is None and role in found.needs.data:
            summary = f"{found.name} {_READS[role]}, and none are given"
            problems.append(Diagnostic(summary=summary, remedy=f"name a file of them with --{role}"))
        elif file is not None and role not in (*found.needs.data, *found.needs.uses):
            problems.append(Diagnostic(summary=f"{found.name} reads nothing from --{role}", remedy="leave it out"))
    if problems:
        raise InputError(*problems)
    return found


def _unknown(what: str, name: str, known: Sequence[str]) -> Diagnostic:
    near = nearest(name, known)
    meant = f"did you mean {near}? " if near else ""
    return Diagnostic(summary=f"there is no {what} `{name}`", remedy=f"{meant}there is: {', '.join(known) or 'none'}")


def _deployment(loaded: Loaded, name: str, declaration: Declaration, wanted: Wanted) -> Deployment:
    """Return what asks for that model: none that is ever placed, and so of no device in particular."""
    from aios.models.profiles import read_model
    from aios.spi import registry

    compresses = declaration.stage == "compression"
    calibrate, train = wanted.data.get("calibrate"), wanted.data.get("train")
    stored = read_model(loaded.path, registry.load_all("aios.model_readers")).profile.precision
    gives = wanted.precision or next(iter(declaration.precisions), stored)
    return Deployment(
        intent="model make",
        task="",
        model=name,
        model_path=str(loaded.path),
        model_digest=loaded.version.digest,
        precision=stored if compresses else gives,
        quantization="none" if compresses else declaration.quantization,
        compression=declaration.name if compresses else "none",
        calibrate=(str(calibrate),) if calibrate else (),
        calibrate_digest=_digest(calibrate) if calibrate else None,
        train_data=(str(train),) if train else (),
        train_digest=_digest(train) if train else None,
        device="any",
        device_kind="cpu",
        batch=1,
        max_delay_s=0.0,
        threads=1,
        replicas=1,
        settings=wanted.settings,
        executor="none",
        placement=(),
        addresses={},
    )


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{file} cannot be read", reason=error.strerror)) from error
