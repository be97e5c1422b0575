"""From paths to records: documents, intents, fleet, models, data digests, measurements, executors."""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aios import catalogue
from aios.records.base import digest_of
from aios.records.document import Document, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.forms import nearest
from aios.records.intent import Intent
from aios.workflow.setting import Setting

if TYPE_CHECKING:
    from aios.records.measurement import Measurement
    from aios.records.model import ModelProfile
    from aios.workflow.calibrations import Relevant

__all__ = ["Given", "fingerprint", "fleet_of", "gather", "read_written"]

T = TypeVar("T")

_KINDS = ("Intent", "Fleet")
_READ_ELSEWHERE = {
    "Table": "a form of measured tables stands beside them: `aios fidelity --data FOLDER` reads it",
    "Calibration": "calibrations are written by `aios calibrate` and read from the folder `calibrations` of --profiles",
}
"""Kinds of other documents -> what they are for."""
_SUFFIXES = (".yaml", ".yml")
_FLEET_FILE = "fleet.yaml"


@dataclass(frozen=True)
class Given:
    """Everything a plan is made from.

    profiles: intent name -> model name -> profile · calibration, evaluation: intent name -> model name -> digest of
    the data ·
    measurements: subject digest -> measurement · calibrations: (predictor, metric) -> what was learnt
    """

    setting: Setting
    intents: tuple[Intent, ...]
    fleet: Fleet
    profiles: Mapping[str, Mapping[str, ModelProfile]]
    calibration: Mapping[str, Mapping[str, str]]
    evaluation: Mapping[str, Mapping[str, str]]
    measurements: Mapping[str, Measurement]
    calibrations: Relevant

    @cached_property
    def executors(self) -> Mapping[str, Any]:
        """Every installed executor, by name."""
        from aios.spi import registry

        return registry.load_all("aios.executors")


def read_written(setting: Setting) -> tuple[tuple[Intent, ...], Fleet | None]:
    """Read the intents, and the fleet if one is written down. Raises InputError with every mistake of every file."""
    from aios.fleet import is_device
    from aios.intents import compile_intents

    documents, problems = _documents(setting)
    fleet_documents = [document for document in documents if document.kind == "Fleet"]
    fleet_file = setting.fleet or (None if fleet_documents else _fleet_beside(setting.paths))
    if fleet_file is not None:
        fleet_documents = _only_fleets(fleet_file, setting, problems)
    if fleet_documents:
        read = {Path(document.file).resolve() for document in fleet_documents if fleet_file is not None}
        given = [document for document in documents if Path(document.file).resolve() not in read]
        fleet_documents += [document for document in given if is_device(document)]
    else:
        problems += [_without_fleet(document) for document in documents if is_device(document)]
    intents: tuple[Intent, ...] = ()
    fleet: Fleet | None = None
    try:
        intents = compile_intents([document for document in documents if document.kind == "Intent"])
    except InputError as error:
        problems.extend(error.diagnostics)
    if fleet_documents:
        from aios.fleet import compile_fleet, load_catalogue

        try:
            fleet = compile_fleet(
                fleet_documents,
                load_catalogue(catalogue.root() / "hardware"),
                origin=", ".join(dict.fromkeys(document.file for document in fleet_documents)),
                reader=_IncludedFiles(),
            )
        except InputError as error:
            problems.extend(error.diagnostics)
    if problems:
        raise InputError(*problems)
    return intents, fleet


def _without_fleet(document: Document) -> Diagnostic:
    return document.diagnostic(
        ("name",),
        f"{document.file} describes a device type, and there is no fleet that could hold it",
        remedy="name a fleet file as well; `include` in a fleet file reads it too",
    )


class _IncludedFiles:
    """Reads what fleet files include."""

    def same(self, file: str) -> str:
        """Return the one name of a file that may be written in many ways."""
        return str(Path(file).resolve())

    def read(self, path: str) -> Sequence[tuple[str, Sequence[Document]]]:
        """Return a file, or every YAML file of a folder, with its documents. Raises InputError."""
        problems: list[Diagnostic] = []
        files = _files(path, problems)
        if not files and Path(path).is_dir():
            problems = [Diagnostic(summary=f"folder {path} holds no .yaml file")]
        found = [(file, _parse(file, Setting(), problems)) for file in files]
        if problems:
            raise InputError(*problems)
        return found


def _fleet_beside(paths: Sequence[str]) -> str | None:
    """Return the fleet file that holds when none is named: beside an intent, else in the working directory."""
    folders = [Path(path) if Path(path).is_dir() else Path(path).parent for path in paths if path != "-"]
    return next((str(folder / _FLEET_FILE) for folder in (*folders, Path()) if (folder / _FLEET_FILE).is_file()), None)


def _documents(setting: Setting) -> tuple[list[Document], list[Diagnostic]]:
    documents: list[Document] = []
    problems: list[Diagnostic] = []
    files: dict[str | Path, str] = {}
    for path in setting.paths:
        for file in _files(path, problems):
            # A file that is named twice, such as by its folder and itself, is one file.
            files.setdefault(file if file == "-" else Path(file).resolve(), file)
    for file in files.values():
        documents.extend(_parse(file, setting, problems))
    return [document for document in documents if _known_kind(document, problems)], problems


def _files(path: str, problems: list[Diagnostic]) -> Sequence[str]:
    if path == "-":
        return [path]
    where = Path(path)
    if where.is_dir():
        found = sorted(str(file) for file in where.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        if not found:
            problems.append(
                Diagnostic(
                    summary=f"folder {path} holds no .yaml file",
                    remedy="name a file, or write a first intent there",
                    command=shlex.join(["aios", "init", path]),
                )
            )
        return found
    if not where.exists():
        problems.append(_missing(path))
        return []
    return [path]


def _missing(path: str) -> Diagnostic:
    folder = Path(path).parent
    beside = [str(file) for file in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(path, beside, n=1)
    if near:
        remedy = f"did you mean {near[0]}?"
    else:
        remedy = "check the path" + ("" if folder.is_dir() else f": there is no folder {folder}")
    return Diagnostic(summary=f"there is no file {path}", remedy=remedy)


def _parse(file: str, setting: Setting, problems: list[Diagnostic]) -> tuple[Document, ...]:
    try:
        text = setting.stdin() if file == "-" else Path(file).read_bytes()
        return parse(text, "<stdin>" if file == "-" else file)
    except InputError as error:
        problems.extend(error.diagnostics)
    except OSError as error:
        problems.append(Diagnostic(summary=f"{file} cannot be read", reason=error.strerror))
    return ()


def _known_kind(document: Document, problems: list[Diagnostic]) -> bool:
    from aios.fleet import is_device

    if document.kind in _KINDS or is_device(document):
        return True
    if "format_version" in document.data:
        problems.append(
            document.diagnostic(
                ("format_version",),
                f"{document.file} is a saved plan, not an intent",
                remedy=f"carry it out with `{shlex.join(['aios', 'apply', document.file])}`, or name its intents",
            )
        )
        return False
    near = difflib.get_close_matches(str(document.kind), _KINDS, n=1)
    summary = f"unknown kind {document.kind!r}" if document.kind else "the document says no `kind`"
    if document.kind in _READ_ELSEWHERE:
        what = f"{document.file} is a document of kind {document.kind}, neither intent nor fleet"
        problems.append(document.diagnostic(("kind",), what, remedy=_READ_ELSEWHERE[document.kind]))
        return False
    known = "known kinds: " + ", ".join(_KINDS)
    remedy = f"did you mean `{near[0]}`? {known}" if near else known
    problems.append(document.diagnostic(("kind",), summary, remedy=remedy))
    return False


def _only_fleets(path: str, setting: Setting, problems: list[Diagnostic]) -> list[Document]:
    """Return the fleets, and the device types that stand beside them."""
    from aios.fleet import is_device

    found = [document for file in _files(path, problems) for document in _parse(file, setting, problems)]
    fleets = [document for document in found if document.kind == "Fleet" or is_device(document)]
    if found and not any(document.kind == "Fleet" for document in fleets):
        kinds = ", ".join(dict.fromkeys(str(document.kind) for document in found))
        meant = [document for document in found if nearest(str(document.kind), ("Fleet",))]
        problems += [_misspelt(document) for document in meant]
        if meant:
            return []
        problems.append(
            Diagnostic(
                summary=f"{path} holds no document of kind Fleet",
                reason=f"it holds {kinds}",
                remedy="name the fleet file, or write one of this machine",
                command="aios init",
            )
        )
        return []
    return fleets


def _misspelt(document: Document) -> Diagnostic:
    return document.diagnostic(("kind",), f"unknown kind `{document.kind}`", remedy="did you mean `kind: Fleet`?")


def fleet_of(setting: Setting) -> Fleet:
    """Return the fleet alone: the one that is written down, else this machine."""
    _intents, fleet = read_written(setting)
    return fleet or _discovered(setting)


def _discovered(setting: Setting) -> Fleet:
    from aios.workflow.discovering import discover_fleet

    return discover_fleet(measure=False, tell=setting.tell).fleet


def gather(setting: Setting) -> Given:
    """Read everything that planning needs. Raises InputError with every mistake found in one step."""
    from aios.state import ProfileStore

    intents, fleet = read_written(setting)
    if not intents:
        raise InputError(_no_intent(setting.paths))
    fleet = fleet or _discovered(setting)
    profiles = _for_each(intents, lambda intent: _profiles(intent, setting))
    _refuse_unstated_load(intents, profiles)
    return Given(
        setting=setting,
        intents=intents,
        fleet=fleet,
        profiles=profiles,
        calibration=_for_each(intents, lambda intent: _data_digests(intent, "calibrate", profiles[intent.name])),
        evaluation=_for_each(intents, lambda intent: _data_digests(intent, "evaluate", profiles[intent.name])),
        measurements=ProfileStore(setting.profiles).load(),
        calibrations=_calibrations(setting, intents, profiles, fleet),
    )


def _refuse_unstated_load(intents: Sequence[Intent], profiles: Mapping[str, Mapping[str, ModelProfile]]) -> None:
    models = [profile for own in profiles.values() for profile in own.values()]
    if all(model.transformer is None for model in models) and all(intent.train is None for intent in intents):
        return
    from aios.candidates import language_problems, training_problems

    problems = [
        item
        for intent in intents
        for find in (language_problems, training_problems)
        for item in find(intent, profiles[intent.name])
    ]
    if problems:
        raise InputError(*problems)


def _calibrations(
    setting: Setting, intents: Sequence[Intent], profiles: Mapping[str, Mapping[str, ModelProfile]], fleet: Fleet
) -> Relevant:
    """Return what was learnt that plans of these intents depend on: shipped, or kept beside the profiles."""
    from aios.workflow.calibrations import ASKED, Relevant, load_calibrations

    folders = [catalogue.root() / "calibrations", setting.profiles / "calibrations"]
    known = load_calibrations(folders, setting.warn)
    models = [profile for intent in intents for profile in profiles[intent.name].values()]
    asked = {
        "accuracy": True,
        "serving": any(profile.transformer is not None for profile in models),
        "memory": any(profile.transformer is not None for profile in models),
        "network": any(profile.transformer is None for profile in models),
        "step": any(intent.train is not None for intent in intents),
        "power": any(intent.train is None for intent in intents),
    }
    wanted = [(name, metric) for name, is_asked in asked.items() if is_asked for metric in ASKED[name]]
    return Relevant(known, wanted, fleet.types)


def _for_each(intents: Sequence[Intent], read: Callable[[Intent], T]) -> Mapping[str, T]:
    """Return intent name -> what ``read`` returns. Raises InputError with the mistakes of all intents."""
    found: dict[str, T] = {}
    problems: list[Diagnostic] = []
    for intent in intents:
        try:
            found[intent.name] = read(intent)
        except InputError as error:
            problems.extend(error.diagnostics)
    if problems:
        raise InputError(*problems)
    return found


def _no_intent(paths: Sequence[str]) -> Diagnostic:
    if not paths:
        here = Path("intent.yaml").is_file()
        return Diagnostic(
            summary="no intent is named",
            remedy="name intent files or folders" + ("" if here else "; `aios init` writes a first one"),
            command="aios plan intent.yaml" if here else "aios init",
        )
    return Diagnostic(
        summary="there is no intent to plan",
        reason=f"{', '.join(paths)}: no document of kind Intent",
        remedy="name intent files as well; `aios init` writes a first one",
        command="aios init",
    )


def _profiles(intent: Intent, setting: Setting) -> Mapping[str, ModelProfile]:
    from aios.models import profile_models
    from aios.spi import registry

    trained = intent.train is not None
    return profile_models(
        intent.models, lambda: registry.load_all("aios.model_readers"), setting.model_cache, trained=trained
    )


def _data_digests(intent: Intent, field: str, profiles: Mapping[str, ModelProfile]) -> Mapping[str, str]:
    """Return model name -> digest of the file that fits it; empty when the intent names no such data."""
    from aios.models.data import fitting_file

    paths = getattr(intent.data, field)
    where = intent.spans.get(f"spec.data.{field}") or intent.spans.get(f"spec.data.{field}[0]")
    files = {model.name: model.path for model in intent.models}
    problems: list[Diagnostic] = []
    digests = {}
    for name, profile in profiles.items() if paths else ():
        try:
            path, _headers = fitting_file(paths, profile, labelled=field == "evaluate", where=where)
        except InputError as error:
            command = shlex.join(["aios", "model", "inspect", files[name]])
            problems.extend(
                item.model_copy(update={"command": command}) if item.command else item for item in error.diagnostics
            )
            continue
        with Path(path).open("rb") as stream:
            digests[name] = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    if problems:
        raise InputError(*dict.fromkeys(problems))
    return digests


def fingerprint(intents: Sequence[Intent]) -> str:
    """Return the digest of what intents say, whatever the file is called and wherever in it they stand."""
    return digest_of([intent.model_dump(mode="json", exclude=_WHERE) for intent in intents])


_WHERE: Any = {
    "where": True,
    "spans": True,
    "models": {"__all__": {"where"}},
    "require": {"__all__": {"where"}},
    "goal": {"__all__": {"where"}},
}
