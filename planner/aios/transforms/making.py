"""Makes what a deployment computes, step by step, and keeps every result under the digest of its recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aios.records.base import digest_of
from aios.records.candidate import content_of, with_content
from aios.records.data import DataFile
from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.plan import Deployment
from aios.records.transform import DataRole, Declaration, Needs, Parameter, Provenance
from aios.spi.executor import Artefact, Source
from aios.spi.sealing import key_reference, sealing_key, source_of
from aios.spi.transform import Transform
from aios.spi.transforms import not_installed
from aios.transforms.chain import Step, steps_of
from aios.transforms.provenance import read_chain, write_chain
from aios.transforms.running import Made, run

__all__ = ["MODEL_FILE", "Transforming"]

MODEL_FILE = "model.onnx"

_RECIPE = "transform 1"
"""Raised when the same recipe would give another result for a reason that no plugin knows of."""

_SEED = 0


class Keeping(Protocol):
    """The part of a store that results are kept in."""

    def fetch(self, recipe: Mapping[str, str], build: Callable[[Path], None]) -> Artefact:
        """Return the artefact of a recipe, built if need be."""


@dataclass(frozen=True)
class Transforming:
    """Makes models as deployments want them.

    declared: by name · plugin: returns the transform of a name · stored: returns the precision that a deployment's own
    file is stored in · arrays: returns files of arrays of a deployment's data, given with its digest, and the digest
    that the one of them must have that is used · tell: receives progress, warn what is not as good as it could be, one
    line each · threads: that may be used
    """

    declared: Callable[[], Mapping[str, Declaration]]
    plugin: Callable[[str], Transform]
    stored: Callable[[Deployment], str]
    arrays: Callable[[Deployment, Sequence[DataFile], str], tuple[Sequence[str], str]]
    tell: Callable[[str], None]
    warn: Callable[[str], None]
    threads: int

    def source(self, deployment: Deployment, facts: Mapping[str, str], store: Keeping) -> Source:
        """Return what the deployment computes: see ``aios.spi.executor.Store.model``."""
        found, chain = source_of(deployment), [_origin(deployment)]
        if deployment.compression == deployment.quantization == "none" and deployment.precision not in _CONVERTED:
            return found
        for step in steps_of(deployment, self.declared(), self.stored(deployment)):
            found, chain = self._stepped(step, deployment, found, chain, facts, store)
        return found

    def _stepped(
        self,
        step: Step,
        deployment: Deployment,
        source: Source,
        chain: list[Provenance],
        facts: Mapping[str, str],
        store: Keeping,
    ) -> tuple[Source, list[Provenance]]:
        versions = self._versions(step)
        data = _data_of(step, deployment)
        recipe = recipe_of(step, deployment, source.digest, versions, data, facts)
        key = key_reference(deployment)
        seal = key and {"key": key, "context": digest_of(recipe)}

        def build(folder: Path) -> None:
            made = self._made(step, deployment, source, data, facts, folder, seal or None)
            entry = Provenance(
                transform=step.declaration.name,
                source=source.digest,
                settings=step.settings,
                versions=versions,
                data={role: digest for role, (_, digest) in data.items()},
                digest=made.digest,
                reproducible=step.declaration.reproducible,
                report=made.report,
            )
            write_chain(folder, [*chain, entry])

        folder = Path(store.fetch(recipe, build).path)
        whole = list(read_chain(folder))
        return Source(folder / MODEL_FILE, whole[-1].digest, seal or None), whole

    def _versions(self, step: Step) -> Mapping[str, str]:
        everything: list[Needs | Parameter] = [step.declaration.needs, *_chosen(step)]
        for needing in everything:
            missing = not_installed(needing)
            if missing:
                raise WorldError(
                    Diagnostic(
                        summary=f"the transform {step.declaration.name} needs {', '.join(missing)}, not installed here",
                        remedy="install what it needs",
                        command=needing.install,
                    )
                )
        return self.plugin(step.declaration.name).versions()

    def _made(
        self,
        step: Step,
        deployment: Deployment,
        source: Source,
        data: Mapping[DataRole, tuple[Sequence[DataFile], str]],
        facts: Mapping[str, str],
        folder: Path,
        seal: Mapping[str, str] | None,
    ) -> Made:
        scratch = folder / ".scratch"
        scratch.mkdir()
        arrays = {role: self.arrays(deployment, files, digest) for role, (files, digest) in data.items()}
        job: dict[str, Any] = {
            "transform": step.declaration.name,
            "gives": bool(step.declaration.precisions),
            "source": str(source.path),
            "digest": source.digest,
            "opens": source.sealed,
            "seal": seal,
            "folder": str(folder),
            "scratch": str(scratch),
            "precision": step.precision,
            "settings": {**step.settings, **{name: str(path) for name, path in _files(step).items()}},
            "data": {
                role: [[str(Path(path).absolute()) for path in paths], digest]
                for role, (paths, digest) in arrays.items()
            },
            "task": deployment.task,
            "facts": {name: facts.get(name, "") for name in step.declaration.needs.facts},
            "threads": self.threads,
            "seed": _SEED,
        }
        return run(job, f"{deployment.model} {step.declaration.name}", self.tell, self.warn)


_CONVERTED = ("fp16", "bf16")
"""Precisions that a file may be stored in or converted to: only the file says which."""


def _origin(deployment: Deployment) -> Provenance:
    return Provenance(transform=None, source=deployment.model_digest, digest=deployment.model_digest)


def _chosen(step: Step) -> list[Parameter]:
    """Return the parameters of a step that are not at their default."""
    return [item for name, item in step.declaration.parameters.items() if step.settings[name] != item.default]


def _data_of(step: Step, deployment: Deployment) -> dict[DataRole, tuple[Sequence[DataFile], str]]:
    """Return role -> data that the transform takes, and the digest of what is used of it."""
    known: dict[DataRole, tuple[Sequence[DataFile], str]] = {}
    if deployment.calibrate:
        known["calibrate"] = deployment.calibrate, deployment.calibrate_digest or "unknown"
    if deployment.train_data:
        known["train"] = deployment.train_data, deployment.train_digest or "unknown"
    needs = step.declaration.needs
    needed = (*needs.data, *(role for parameter in _chosen(step) for role in parameter.data))
    for role in needed:
        if role not in known:
            raise WorldError(
                Diagnostic(
                    summary=f"{deployment.intent} has no data.{role}, which making its model needs",
                    remedy=f"name it in the intent under data.{role}, and plan again",
                )
            )
    return {role: known[role] for role in (*needed, *needs.uses) if role in known}


def _files(step: Step) -> dict[str, Path]:
    """Return setting -> file that it names, its path in full: transforms work elsewhere. Raises InputError for one that
    does not hold any more what the setting says."""
    known = step.declaration.parameters
    found = {}
    for name, text in step.settings.items():
        if known[name].file and text:
            path = text.removesuffix(f"#{content_of(text)}")
            if path != text and with_content(path, _file_digest(Path(path)).removeprefix("sha256:")) != text:
                summary = f"{path}, the {name} of {step.declaration.name}, is not what was planned with"
                raise InputError(Diagnostic(summary=summary, reason="it has changed since", remedy="plan again"))
            found[name] = Path(path).absolute()
    return found


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{path} cannot be read", reason=error.strerror)) from error


def recipe_of(
    step: Step,
    deployment: Deployment,
    source: str,
    versions: Mapping[str, str],
    data: Mapping[DataRole, tuple[Sequence[DataFile], str]],
    facts: Mapping[str, str],
) -> dict[str, str]:
    """Return everything that the result depends on, as a flat mapping."""
    declaration = step.declaration
    key, files = key_reference(deployment), _files(step)
    return {
        "recipe": _RECIPE,
        "source": source,
        "transform": f"{declaration.name} {declaration.revision}",
        "precision": step.precision,
        "task": deployment.task,
        "seed": str(_SEED),
        **{f"setting {name}": value for name, value in step.settings.items() if name not in files},
        **{f"file {name}": _file_digest(path) for name, path in files.items()},
        **{f"version {name}": value for name, value in versions.items()},
        **{f"data {role}": digest for role, (_, digest) in data.items()},
        **{f"fact {name}": facts.get(name, "") for name in declaration.needs.facts},
        **({"encryption": f"AES-256-GCM in chunks, key {sealing_key(key).id}"} if key else {}),
    }
