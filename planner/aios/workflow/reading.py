"""From paths to records: documents, intents, fleet, models, data digests, measurements, executors."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aios import catalogue
from aios.records.base import canonical_json, digest_of
from aios.records.demanded import Demanded
from aios.records.document import Document
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.metrics import find_measure
from aios.records.objective import Objective
from aios.workflow.documents import IncludedFiles, documents_of, fleet_beside, only_fleets, without_fleet
from aios.workflow.setting import Setting
from aios.workflow.settingfiles import with_file_digests
from aios.workflow.shipped import shipped_catalogue
from aios.workflow.stages import stage
from aios.workflow.storedmodels import with_stored
from aios.workflow.watching import watched_executors

if TYPE_CHECKING:
    from aios.policy import Stated
    from aios.records.correction import Correction
    from aios.records.measurement import Measurement
    from aios.records.model import ModelProfile
    from aios.records.transform import Declaration
    from aios.workflow.calibrations import Relevant

__all__ = ["Given", "Written", "fingerprint", "fleet_of", "gather", "read_written"]

T = TypeVar("T")


class Written(NamedTuple):
    """What files say. intents: of models · demands: that state what they take · fleet: None where none is written ·
    rules: of all policies"""

    intents: tuple[Intent, ...]
    demands: tuple[Demanded, ...]
    objective: Objective | None
    fleet: Fleet | None
    rules: tuple[Stated, ...] = ()


@dataclass(frozen=True)
class Given:
    """Everything a plan is made from.

    profiles: intent name -> model name -> profile · calibration, evaluation, training: intent name -> model name ->
    digest of the data ·
    measurements: subject digest -> measurement · calibrations: (predictor, metric) -> what was learnt · corrections:
    (device, executor) -> what times that were measured there teach · rules: of all
    policies
    """

    setting: Setting
    intents: tuple[Intent, ...]
    demands: tuple[Demanded, ...]
    objective: Objective | None
    fleet: Fleet
    profiles: Mapping[str, Mapping[str, ModelProfile]]
    calibration: Mapping[str, Mapping[str, str]]
    evaluation: Mapping[str, Mapping[str, str]]
    training: Mapping[str, Mapping[str, str]]
    measurements: Mapping[str, Measurement]
    calibrations: Relevant
    corrections: Mapping[tuple[str, str], Correction]
    rules: tuple[Stated, ...] = ()

    @cached_property
    def executors(self) -> Mapping[str, Any]:
        """Every installed executor, by name."""
        from aios.spi import registry

        return watched_executors(registry.load_all("aios.executors"))

    @cached_property
    def transforms(self) -> Mapping[str, Declaration]:
        """What every installed transform declares, by name."""
        from aios.workflow.transforming import declared

        return declared()


def read_written(setting: Setting) -> Written:
    """Read intents, objective, and fleet if one is written down. Raises InputError with every mistake of every file."""
    from aios.fleet import is_device
    from aios.intents import Compiled, compile_intents, compile_objective

    documents, problems = documents_of(setting)
    fleet_documents = [document for document in documents if document.kind == "Fleet"]
    fleet_file = setting.fleet or (None if fleet_documents else fleet_beside(setting.paths))
    if fleet_file is not None:
        fleet_documents = only_fleets(fleet_file, setting, problems)
    if fleet_documents:
        read = {Path(document.file).resolve() for document in fleet_documents if fleet_file is not None}
        given = [document for document in documents if Path(document.file).resolve() not in read]
        fleet_documents += [document for document in given if is_device(document)]
    else:
        problems += [without_fleet(document) for document in documents if is_device(document)]
    compiled, objective, fleet = Compiled((), ()), None, None
    try:
        compiled = compile_intents([document for document in documents if document.kind == "Intent"])
    except InputError as error:
        problems.extend(error.diagnostics)
    try:
        objective = compile_objective([document for document in documents if document.kind == "Objective"])
    except InputError as error:
        problems.extend(error.diagnostics)
    rules = _rules([document for document in documents if document.kind == "Policy"], problems)
    if fleet_documents:
        from aios.fleet import compile_fleet

        try:
            fleet = compile_fleet(
                fleet_documents,
                shipped_catalogue(),
                origin=", ".join(dict.fromkeys(document.file for document in fleet_documents)),
                reader=IncludedFiles(Setting(edit=setting.edit)),
            )
        except InputError as error:
            problems.extend(error.diagnostics)
    if problems:
        raise InputError(*problems)
    return Written(compiled.intents, compiled.demands, objective, fleet, rules)


def _rules(documents: Sequence[Document], problems: list[Diagnostic]) -> tuple[Stated, ...]:
    if not documents:
        return ()
    from aios.policy import compile_policies

    try:
        return compile_policies(documents)
    except InputError as error:
        problems.extend(error.diagnostics)
        return ()


def fleet_of(setting: Setting) -> Fleet:
    """Return the fleet alone: the one that is written down, else this machine."""
    return read_written(setting).fleet or _discovered(setting)


def _discovered(setting: Setting) -> Fleet:
    from aios.workflow.discovering import discover_fleet

    return discover_fleet(measure=False, tell=setting.tell).fleet


def gather(setting: Setting, fleet: Fleet | None = None) -> Given:
    """Read everything that planning needs. Raises InputError with every mistake found in one step.

    fleet: stands in place of the one that is written
    """
    with stage("reading", paths=setting.paths) as at:
        given = _gathered(setting, fleet)
        at.note(intents=len(given.intents), demands=len(given.demands), fleet=given.fleet.digest)
        return given


def _gathered(setting: Setting, fleet: Fleet | None) -> Given:
    from aios.state import ProfileStore
    from aios.workflow.corrections import load_corrections

    intents, demands, objective, written, rules = read_written(setting)
    if not intents and not demands:
        raise InputError(_no_intent(setting.paths))
    fleet = fleet or written or _discovered(setting)
    intents = with_file_digests(with_stored(intents, setting))
    profiles = _for_each(intents, lambda intent: _profiles(intent, setting))
    _refuse_unstated_load(intents, profiles)
    return Given(
        setting=setting,
        intents=intents,
        demands=demands,
        objective=objective,
        fleet=fleet,
        profiles=profiles,
        calibration=_for_each(intents, lambda intent: _data_digests(intent, "calibrate", profiles[intent.name])),
        evaluation=_for_each(intents, lambda intent: _data_digests(intent, "evaluate", profiles[intent.name])),
        training=_for_each(intents, lambda intent: _data_digests(intent, "train", profiles[intent.name])),
        measurements=ProfileStore(setting.profiles).load(),
        calibrations=_calibrations(setting, intents, profiles, fleet),
        corrections=load_corrections(setting.profiles),
        rules=rules,
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
    """Return model name -> digest of the data that fits it; empty when the intent names no such data."""
    from aios.models.data_files import data_digest, fitting_data

    written = getattr(intent.data, field)
    found = sorted(key for key in intent.spans if key.startswith(f"spec.data.{field}"))
    where = intent.spans[found[0]] if found else None
    files = {model.name: model.file for model in intent.models}
    labels = _labels(intent) if field == "evaluate" else set()
    problems: list[Diagnostic] = []
    digests = {}
    known: dict[str, str] = {}
    for name, profile in profiles.items() if written else ():
        try:
            data = fitting_data(written, profile, labels=labels, where=where)
            key = canonical_json(data)
            known[key] = digests[name] = known.get(key) or data_digest(data)
        except InputError as error:
            command = shlex.join(["aios", "model", "inspect", files[name]])
            problems.extend(
                item.model_copy(update={"command": command}) if item.command else item for item in error.diagnostics
            )
    if problems:
        raise InputError(*dict.fromkeys(problems))
    return digests


def _labels(intent: Intent) -> set[str]:
    """Return which right answers must be there: those that what is asked is judged by; of classes where nothing is
    asked, as top-1 is measured then."""
    measures = [found[0] for name in intent.judged_by if (found := find_measure(name)) is not None]
    return {item.labels for item in measures if item.labels is not None} if measures else {"class"}


def fingerprint(intents: Sequence[Intent], demands: Sequence[Demanded] = (), objective: Objective | None = None) -> str:
    """Return the digest of what intents say, whatever the file is called and wherever in it they stand."""
    said: list[Any] = [intent.model_dump(mode="json", exclude=_WHERE) for intent in intents]
    said += (json.loads(demand.model_dump_json(exclude={"where"})) for demand in demands)
    if objective is not None:
        said.append(objective.model_dump(mode="json", exclude=_WHERE_OF_ALL))
    return digest_of(said)


_WHERE_OF_ALL: Any = {"where": True, "goal": {"__all__": {"where"}}, "budget": {"__all__": {"where"}}}


_WHERE: Any = {
    "where": True,
    "spans": True,
    "models": {"__all__": {"where", "stored"}},
    "require": {"__all__": {"where"}},
    "goal": {"__all__": {"where"}},
    "pipeline": {"where": True, "stages": {"__all__": {"where"}}, "require": {"__all__": {"where"}}},
}
