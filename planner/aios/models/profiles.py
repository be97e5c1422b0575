"""Profiles of the models that may serve an intent, read once and then kept under the digest of their file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from aios.records.base import Record, Span, digest_of
from aios.records.errors import Diagnostic, InputError
from aios.records.model import ModelProfile
from aios.spi.model_reader import ModelReader, ReadModel, model_digest

__all__ = ["Choice", "Kept", "Readers", "profile_models", "read_model"]

Readers: TypeAlias = "Mapping[str, ModelReader] | Callable[[], Mapping[str, ModelReader]]"
"""Every reader by name, or what gives them; called only once, and not for an intent without models."""


class Choice(Protocol):
    """What is asked of a model choice: the fields of ``aios.records.intent.ModelChoice``."""

    @property
    def name(self) -> str:
        """Unique among the choices."""

    @property
    def file(self) -> str:
        """Its path; of a card, the name of a published model."""

    @property
    def opens(self) -> Mapping[str, str] | None:
        """What opens that file, where it is encrypted: where its ``key`` is; and as ``context`` the model's digest."""

    @property
    def card(self) -> bool:
        """Whether it is the name of a published model."""

    @property
    def declared(self) -> Mapping[str, float]:
        """Metric -> value that the author states; it goes before what the file's metadata states."""

    @property
    def where(self) -> Span:
        """Where the path is written."""


class Kept(Record):
    """A cache entry. revision: of the reader that made it, ``onnx 1``; an entry of another revision is not used."""

    revision: str
    read: ReadModel


def profile_models(
    choices: Sequence[Choice],
    readers: Readers,
    cache: Path | None,
    sizes: Mapping[str, int] | None = None,
    trained: bool = False,
) -> Mapping[str, ModelProfile]:
    """Return name -> profile of every choice; a model whose profile is in ``cache`` is hashed, not parsed.

    readers: asked by file suffix · cache: folder of kept profiles, made when needed; None keeps none · sizes: dynamic
    dimension -> size · trained: they are to be trained, not to answer. Raises InputError with what is wrong with every
    model, at the place where its path is written.
    """
    profiles: dict[str, ModelProfile] = {}
    problems: list[Diagnostic] = []
    known = (readers() if callable(readers) else readers) if choices else {}
    for choice in choices:
        try:
            profile = _read(choice, known, cache, sizes or {}, trained)
        except InputError as error:
            problems.extend(
                item if item.where else item.model_copy(update={"where": choice.where}) for item in error.diagnostics
            )
            continue
        declared = {**profile.declared, **choice.declared}
        profiles[choice.name] = profile.model_copy(update={"name": choice.name, "declared": declared})
    if not problems and sizes:
        problems.extend(_unused(sizes, profiles))
    if problems:
        raise InputError(*problems)
    return profiles


def _read(
    choice: Choice, readers: Mapping[str, ModelReader], cache: Path | None, sizes: Mapping[str, int], trained: bool
) -> ModelProfile:
    path = Path(choice.file)
    if choice.card or path.is_dir() or path.suffix.lower() == ".json":
        from aios.models.structures import card_profile, configuration_of, read_configuration

        if choice.card:
            return card_profile(choice.file, trained)
        configuration = configuration_of(path)
        if configuration is not None:
            return read_configuration(configuration)
    suffix = path.suffix if choice.opens is None else path.with_suffix("").suffix
    reader = next((item for item in readers.values() if suffix.lower() in item.suffixes), None)
    if not path.is_file():
        raise InputError(_missing(path))
    if reader is None:
        raise InputError(_unreadable(path, readers, "config.json"))
    if choice.opens is not None:
        return _sealed(path, choice.opens, reader, cache, sizes)
    if cache is None:
        return reader.read(path, sizes).profile
    revision = f"{reader.name} {reader.revision}"
    digest = _digest(path)
    entry = cache / f"{_key(digest, sizes)}.json"
    kept = _kept(entry, revision, digest, path.parent)
    if kept is None:
        kept = reader.read(path, sizes)
        if kept.profile.digest == model_digest(digest, kept.external):
            _keep(entry, Kept(revision=revision, read=kept))
    return kept.profile


def _sealed(
    path: Path, opens: Mapping[str, str], reader: ModelReader, cache: Path | None, sizes: Mapping[str, int]
) -> ModelProfile:
    """Return the profile of an encrypted file, kept under the digest of what is plain: its seal is bound to that."""
    from aios.models.sealed import read_sealed

    revision, digest = f"{reader.name} {reader.revision}", opens["context"]
    entry = cache / f"{_key(digest, sizes)}.json" if cache else None
    try:
        kept = Kept.model_validate_json(entry.read_bytes()) if entry else None
    except (OSError, ValueError):
        kept = None
    if kept and (kept.revision, kept.read.profile.digest) == (revision, digest):
        return kept.read.profile
    read = read_sealed(path, opens, reader.name, sizes)
    if entry and read.profile.digest == digest:
        _keep(entry, Kept(revision=revision, read=read))
    return read.profile


def read_model(path: Path, readers: Mapping[str, ModelReader]) -> ReadModel:
    """Return what a model file holds and which files beside it are part of it, read afresh.

    Raises InputError for what is no model, and for a configuration, which has no weights to keep.
    """
    reader = next((item for item in readers.values() if path.suffix.lower() in item.suffixes), None)
    if not path.is_file():
        raise InputError(_missing(path))
    if reader is None:
        raise InputError(_unreadable(path, readers))
    return reader.read(path, {})


def _unreadable(path: Path, readers: Mapping[str, ModelReader], *further: str) -> Diagnostic:
    suffixes = ", ".join([*sorted({suffix for item in readers.values() for suffix in item.suffixes}), *further])
    return Diagnostic(summary=f"{path} is of no known model format", reason=f"installed readers take: {suffixes}")


def _digest(path: Path) -> str:
    """Return ``sha256:<hex>`` of a file. Raises InputError when it cannot be read."""
    import hashlib

    try:
        with path.open("rb") as stream:
            return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{path} cannot be read", reason=error.strerror)) from error


def _key(digest: str, sizes: Mapping[str, int]) -> str:
    name = digest.removeprefix("sha256:")
    return f"{name}-{digest_of(dict(sizes)).removeprefix('sha256:')[:12]}" if sizes else name


def _kept(entry: Path, revision: str, digest: str, folder: Path) -> ReadModel | None:
    """Return the kept profile, if it is sound and every file beside the model is still what it was."""
    try:
        kept = Kept.model_validate_json(entry.read_bytes())
    except (OSError, ValueError):
        return None
    if kept.revision != revision or kept.read.profile.digest != model_digest(digest, kept.read.external):
        return None
    for location, known in kept.read.external.items():
        file = (folder / location).resolve()
        if not file.is_relative_to(folder.resolve()) or not file.is_file() or _digest(file) != known:
            return None
    return kept.read


def _keep(entry: Path, kept: Kept) -> None:
    """Write a cache entry whole or not at all; a cache that cannot be written only costs time."""
    import tempfile

    text = json.dumps(kept.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=entry.parent, prefix=".profile-")
    except OSError:
        return
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(entry)
    except OSError:
        temporary.unlink(missing_ok=True)


def _missing(path: Path) -> Diagnostic:
    import difflib

    beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    models = [name for name in beside if Path(name).suffix == path.suffix]
    if path.is_dir():
        return Diagnostic(summary=f"{path} is a folder, not a model file", remedy="name the model file in it")
    if near:
        remedy = f"did you mean {path.parent / near[0]}?"
    elif models:
        remedy = f"{path.parent} holds {', '.join(models[:5])}"
    else:
        remedy = f"check the path; {path.parent} " + (
            "holds no such file" if path.parent.is_dir() else "does not exist"
        )
    return Diagnostic(summary=f"there is no model file {path}", remedy=remedy)


def _unused(sizes: Mapping[str, int], profiles: Mapping[str, ModelProfile]) -> list[Diagnostic]:
    """Say which given sizes no model has a dynamic dimension for."""
    import difflib

    dimensions = sorted({name for profile in profiles.values() for name in profile.assumed})
    found = []
    for name in sizes:
        if name not in dimensions:
            near = difflib.get_close_matches(name, dimensions, n=1)
            remedy = f"did you mean {near[0]}? " if near else ""
            listed = ", ".join(dimensions) or "none besides the batch"
            summary = f"no model has a dynamic dimension {name!r} whose size could be given"
            found.append(Diagnostic(summary=summary, remedy=f"{remedy}there is: {listed}"))
    return found
