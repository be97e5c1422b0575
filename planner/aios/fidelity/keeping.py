"""Calibrations as files that people read: text and back, one shared and one for each device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from aios.records.base import digest_of
from aios.records.calibration import DEVICE_STRATUM, Calibration, Provenance, Residual, Stage
from aios.records.checking import first_of
from aios.records.document import check, kind_mistake, parse
from aios.records.errors import InputError
from aios.records.yamltree import MAX_BYTES

__all__ = [
    "BASE",
    "NOT_ON_IT",
    "SUFFIX",
    "CalibrationDocument",
    "calibration_text",
    "divided",
    "file_name",
    "merged",
    "of_devices",
    "read_calibration",
    "rounded",
    "standing_on",
    "without_devices",
]

BASE = "shared calibration"
"""What the provenance of a device's calibration calls the shared one that it was learnt on top of."""
NOT_ON_IT = "was learnt on top of another shared calibration and is not used: learn it again with `aios calibrate`"
"""What is said of a calibration of a device that does not fit the shared one."""
SUFFIX = ".yaml"
"""What names of calibrations end in: they are written in the part of YAML that is JSON, as that is soon read."""
_DIGITS = 4
_NEGLIGIBLE = 1e-3
"""Share of an interval by which a term may change a prediction without being worth a reader's while."""
_LARGEST = 50.0
"""Largest coefficient that is believed: a factor of 10^21 either way."""
_OF_MODEL = frozenset({"model", "workload"})
"""Keys whose groups are of one model each, however predictors call them."""
_ORDER = (
    *("predictor", "metric", "version", "device", "errors", "provenance", "devices", "makers"),
    *("features", "spread", "residuals", "mixes", "stages"),
)
_EFFECTS = ("mixes", "stages")
"""Fields that hold effects of groups."""


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str


class CalibrationDocument(BaseModel):
    """A document of ``kind: Calibration``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    apiVersion: Literal["aios/v1"]
    kind: Literal["Calibration"]
    metadata: _Metadata
    spec: Calibration


def file_name(learnt: Calibration) -> str:
    """Return what the file of a calibration is called."""
    return "-".join(filter(None, (learnt.predictor, learnt.metric, learnt.device))) + SUFFIX


def rounded(learnt: Calibration) -> Calibration:
    """Return a calibration with numbers as its file will hold them."""
    return Calibration.model_validate(_rounded(learnt.model_dump(mode="json")))


def calibration_text(learnt: Calibration) -> str:
    """Return a calibration as YAML that is JSON, the same for the same calibration, one effect a line.

    First what it is, how far it is off and where it comes from; then what was learnt.
    """
    data = _rounded(learnt.model_dump(mode="json"))
    fields = [f"  {json.dumps(key)}: {_field(key, data[key])}" for key in _ORDER if data.get(key) not in (None, [], {})]
    head = {
        "apiVersion": "aios/v1",
        "kind": "Calibration",
        "metadata": {"name": file_name(learnt).removesuffix(SUFFIX)},
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    return "{\n" + ",\n".join([*lines, '"spec": {\n' + ",\n".join(fields)]) + "\n}\n}\n"


def _field(key: str, value: Any) -> str:
    """Return a field's value: lists and mappings of entries one entry a line, effects under the keys of their stage."""
    if key in _EFFECTS:
        stages = [f'{{"keys": {json.dumps(stage["keys"])}, "effects": {_listed(stage["effects"])}}}' for stage in value]
        return "[\n    " + ",\n    ".join(stages) + "\n  ]"
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, dict):
        return (
            "{\n    "
            + ",\n    ".join(f"{json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
            + "\n  }"
        )
    return json.dumps(value)


def _listed(entries: Sequence[dict[str, Any]]) -> str:
    """Return entries one a line, without what says nothing: no value, no terms, a constant of zero."""
    stated = [
        {key: item for key, item in entry.items() if item not in (None, {}) and (key, item) != ("constant", 0.0)}
        for entry in entries
    ]
    return "[\n      " + ",\n      ".join(map(json.dumps, stated)) + "\n    ]" if stated else "[]"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def read_calibration(text: bytes, file: str) -> Calibration:
    """Return the calibration in a file; raises InputError with everything that is wrong with it.

    JSON is read first, fifty times as fast as by the parser that knows the place of every value; that one reads all
    YAML, and says what is wrong.
    """
    if len(text) <= MAX_BYTES:
        try:
            learnt = CalibrationDocument.model_validate(json.loads(text, object_pairs_hook=_once)).spec
        except (ValueError, RecursionError):
            pass
        else:
            if not any(_impossible(learnt)):
                return learnt
    document, *more = parse(text, file)
    wrong = kind_mistake(document, ("Calibration",))
    if wrong is None and more:
        wrong = more[0].diagnostic((), "a file holds one calibration", remedy="write the second one to another file")
    if wrong is not None:
        raise InputError(wrong)
    learnt = check(document, CalibrationDocument).spec
    impossible = [document.diagnostic(path, text) for path, text in _impossible(learnt)]
    if impossible:
        raise InputError(*first_of(impossible))
    return learnt


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is written twice")
    return found


def _impossible(learnt: Calibration) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path and what is wrong of numbers and groups that no rows can have taught."""
    for name, (_, deviation, least, most) in learnt.features.items():
        if deviation <= 0 or least > most:
            yield ("spec", "features", name), "a feature has a deviation above zero, and no least above its most"
    for kind in _EFFECTS:
        for place, stage in enumerate(getattr(learnt, kind)):
            for row, effect in enumerate(stage.effects):
                path = ("spec", kind, place, "effects", row)
                if len(effect.group) != len(stage.keys):
                    yield path, f"a group by {len(stage.keys)} keys has as many names, not {len(effect.group)}"
                if kind == "mixes" and any(term < 0 for term in effect.terms.values()):
                    yield path, "a factor on a kind of work is not below zero"
                if kind == "stages" and any(abs(term) > _LARGEST for term in (effect.constant, *effect.terms.values())):
                    yield path, f"a coefficient is a logarithm or a difference, and none is beyond {_LARGEST:.0f}"


def without_devices(learnt: Calibration) -> Calibration:
    """Return what holds for any device."""
    kept: dict[str, Any] = {name: _of(getattr(learnt, name), device=False) for name in _EFFECTS}
    kept["residuals"] = tuple(item for item in learnt.residuals if not item.stratum.startswith(DEVICE_STRATUM))
    return learnt.model_copy(update=kept)


def of_devices(learnt: Calibration) -> dict[str, tuple[Stage, ...]]:
    """Return the effects that hold for single devices, as fields of a calibration."""
    return {name: _of(getattr(learnt, name), device=True) for name in _EFFECTS}


def _of(stages: Sequence[Stage], device: bool) -> tuple[Stage, ...]:
    return tuple(stage for stage in stages if _is_of_device(stage) is device)


def _is_of_device(stage: Stage) -> bool:
    return any(key.endswith("device") for key in stage.keys)


def divided(learnt: Calibration, devices: Mapping[str, int], fewest_of_model: int = 30) -> tuple[Calibration, ...]:
    """Return a calibration as a shared one and one for each device.

    devices: those that get a file, with their rows. Effects of one model on one device are left out: they would be a
    list of the rows themselves; so are those of models of which fewer than ``fewest_of_model`` rows were seen, and
    terms too small to matter.
    """
    least = _negligible(learnt.residuals)
    kept: dict[str, Any] = {
        name: tuple(
            _without_rare(stage, fewest_of_model)
            for stage in getattr(learnt, name)
            if not (_OF_MODEL.intersection(stage.keys) and _is_of_device(stage))
        )
        for name in _EFFECTS
    }
    kept["stages"] = tuple(_without_small(stage, least) for stage in kept["stages"])
    kept["residuals"] = tuple(item for item in learnt.residuals if item.level != "profiled")
    whole = learnt.model_copy(update=kept)
    shared = rounded(without_devices(whole))
    base = Provenance(table=BASE, digest=digest_of(shared.model_dump(mode="json")), rows=0)
    found = [shared]
    for device, rows in sorted(devices.items()):
        effects = {
            name: tuple(_of_device(stage, device) for stage in stages) for name, stages in of_devices(whole).items()
        }
        if any(stage.effects for stages in effects.values() for stage in stages):
            found.append(
                Calibration(
                    predictor=learnt.predictor,
                    metric=learnt.metric,
                    version=learnt.version,
                    device=device,
                    mixes=effects["mixes"],
                    stages=effects["stages"],
                    residuals=tuple(item for item in whole.residuals if item.stratum == f"{DEVICE_STRATUM}{device}"),
                    provenance=(base.model_copy(update={"rows": rows}),),
                )
            )
    return tuple(found)


def _negligible(residuals: Sequence[Residual]) -> float:
    """Return how small a term has to be to be left out: as good as nothing beside the narrowest interval of all rows.

    Features are standardised, so that a term moves a prediction by about its coefficient.
    """
    return _NEGLIGIBLE * min((item.high - item.low for item in residuals if not item.stratum), default=0.0)


def _without_small(stage: Stage, least: float) -> Stage:
    """Return a stage without terms that are too small; effects stay, as they say which groups were seen."""
    effects = tuple(
        effect.model_copy(
            update={
                "constant": effect.constant if abs(effect.constant) >= least else 0.0,
                "terms": {name: term for name, term in effect.terms.items() if abs(term) >= least},
            }
        )
        for effect in stage.effects
    )
    return stage.model_copy(update={"effects": effects})


def _without_rare(stage: Stage, fewest: int) -> Stage:
    if not _OF_MODEL.intersection(stage.keys):
        return stage
    return stage.model_copy(update={"effects": tuple(item for item in stage.effects if item.rows >= fewest)})


def _of_device(stage: Stage, device: str) -> Stage:
    place = next(index for index, key in enumerate(stage.keys) if key.endswith("device"))
    return stage.model_copy(update={"effects": tuple(item for item in stage.effects if item.group[place] == device)})


def merged(shared: Calibration | None, own: Sequence[Calibration]) -> tuple[Calibration | None, tuple[str, ...]]:
    """Return what is known together, and remarks on what had to be left aside.

    own: of single devices; one that was learnt on top of another shared calibration does not fit this one, and one
    that was learnt without any stands by itself.
    """
    alone = [item for item in own if item.features]
    if shared is None:
        several = "each was learnt by itself, and nothing is known of what devices have in common: learn them together"
        return (own[0], ()) if len(alone) == len(own) == 1 else (None, (several,) if own else ())
    if not own:
        return shared, ()
    fits = standing_on(shared)
    fitting = [item for item in own if fits(item)]
    remarks = [f"{file_name(item)} {NOT_ON_IT}" for item in own if item not in fitting]
    found = shared.model_copy(
        update={
            "mixes": (*shared.mixes, *_together([item.mixes for item in fitting])),
            "stages": (*shared.stages, *_together([item.stages for item in fitting])),
        }
    )
    own_residuals = tuple(residual for item in fitting for residual in item.residuals)
    found = found.model_copy(update={"residuals": (*shared.residuals, *own_residuals)})
    return found, tuple(remarks)


def standing_on(shared: Calibration) -> Callable[[Calibration], bool]:
    """Return what says whether a calibration of a device was learnt on top of this shared one."""
    base = digest_of(shared.model_dump(mode="json"))

    def fits(own: Calibration) -> bool:
        learnt_on = [entry.digest for entry in own.provenance if entry.table == BASE]
        return not own.features and own.version == shared.version and learnt_on in ([], [base])

    return fits


def _together(devices: Iterable[Sequence[Stage]]) -> tuple[Stage, ...]:
    """Return the stages of several devices; those of one kind, in their order, as one."""
    stages: dict[tuple[tuple[str, ...], int], list[Any]] = {}
    for own in devices:
        seen: dict[tuple[str, ...], int] = {}
        for stage in own:
            place = seen[stage.keys] = seen.get(stage.keys, 0) + 1
            stages.setdefault((stage.keys, place), []).extend(stage.effects)
    return tuple(Stage(keys=keys, effects=tuple(effects)) for (keys, _), effects in stages.items())
