"""Calibrations as files that people read: text and back, one shared and one for each device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from aios.records.base import digest_of
from aios.records.calibration import Calibration, Provenance, Stage
from aios.records.document import check, kind_mistake, parse
from aios.records.errors import InputError

__all__ = [
    "BASE",
    "CalibrationDocument",
    "calibration_text",
    "divided",
    "file_name",
    "merged",
    "of_devices",
    "read_calibration",
    "rounded",
    "without_devices",
]

BASE = "shared calibration"
"""What the provenance of a device's calibration calls the shared one that it was learnt on top of."""
_DIGITS = 5
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[.-][A-Za-z0-9_]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_LINES = ("residuals", "errors", "provenance", "features")
"""Fields that are written over several lines, one entry a line."""
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
    return "-".join(filter(None, (learnt.predictor, learnt.metric, learnt.device))) + ".yaml"


def rounded(learnt: Calibration) -> Calibration:
    """Return a calibration with numbers as its file will hold them."""
    return Calibration.model_validate(_rounded(learnt.model_dump(mode="json")))


def calibration_text(learnt: Calibration) -> str:
    """Return the YAML of a calibration, the same for the same calibration, one effect a line."""
    data = _rounded(learnt.model_dump(mode="json"))
    name = file_name(learnt).removesuffix(".yaml")
    lines = ["apiVersion: aios/v1", "kind: Calibration", f"metadata: {{name: {_flow(name)}}}", "spec:"]
    for key, value in data.items():
        if value in (None, [], {}):
            continue
        if key in _EFFECTS:
            lines.append(f"  {key}:")
            for stage in value:
                lines.append(f"    - keys: {_flow(stage['keys'])}")
                lines.append(f"      effects:{'' if stage['effects'] else ' []'}")
                lines += [f"        - {_flow(effect)}" for effect in stage["effects"]]
        elif key in _LINES and isinstance(value, dict):
            lines += [f"  {key}:", *(f"    {_flow(name)}: {_flow(item)}" for name, item in value.items())]
        elif key in _LINES:
            lines += [f"  {key}:", *(f"    - {_flow(item)}" for item in value)]
        else:
            lines.append(f"  {key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items() if item not in (None, {}))
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def read_calibration(text: bytes, file: str) -> Calibration:
    """Return the calibration in a file; raises InputError with everything that is wrong with it."""
    document, *more = parse(text, file)
    wrong = kind_mistake(document, ("Calibration",))
    if wrong is None and more:
        wrong = more[0].diagnostic((), "a file holds one calibration", remedy="write the second one to another file")
    if wrong is not None:
        raise InputError(wrong)
    return check(document, CalibrationDocument).spec


def without_devices(learnt: Calibration) -> Calibration:
    """Return what holds for any device."""
    return learnt.model_copy(update={name: _of(getattr(learnt, name), device=False) for name in _EFFECTS})


def of_devices(learnt: Calibration) -> dict[str, tuple[Stage, ...]]:
    """Return the effects that hold for single devices, as fields of a calibration."""
    return {name: _of(getattr(learnt, name), device=True) for name in _EFFECTS}


def _of(stages: Sequence[Stage], device: bool) -> tuple[Stage, ...]:
    return tuple(stage for stage in stages if any(key.endswith("device") for key in stage.keys) is device)


def divided(learnt: Calibration, devices: Mapping[str, int], fewest_of_model: int = 10) -> tuple[Calibration, ...]:
    """Return a calibration as a shared one and one for each device.

    devices: those that get a file, with their rows. Effects of one model on one device are left out: they would be a
    list of the rows themselves; so are those of models of which fewer than ``fewest_of_model`` rows were seen.
    """
    kept = {
        name: tuple(
            _without_rare(stage, fewest_of_model)
            for stage in getattr(learnt, name)
            if not ("model" in stage.keys and any(key.endswith("device") for key in stage.keys))
        )
        for name in _EFFECTS
    }
    whole = learnt.model_copy(
        update={**kept, "residuals": tuple(item for item in learnt.residuals if item.level != "profiled")}
    )
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
                    provenance=(base.model_copy(update={"rows": rows}),),
                )
            )
    return tuple(found)


def _without_rare(stage: Stage, fewest: int) -> Stage:
    if "model" not in stage.keys:
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
    alone = [item for item in own if without_devices(item) != item.model_copy(update={"mixes": (), "stages": ()})]
    if shared is None:
        several = "each was learnt by itself, and nothing is known of what devices have in common: learn them together"
        return (own[0], ()) if len(alone) == len(own) == 1 else (None, (several,) if own else ())
    base = digest_of(shared.model_dump(mode="json"))
    fitting, remarks = [], []
    for item in own:
        learnt_on = [entry.digest for entry in item.provenance if entry.table == BASE]
        if item in alone or item.version != shared.version or learnt_on not in ([], [base]):
            remarks.append(f"{file_name(item)} was learnt on top of something else: learn it again")
        else:
            fitting.append(item)
    found = shared.model_copy(
        update={
            "mixes": (*shared.mixes, *_together([item.mixes for item in fitting])),
            "stages": (*shared.stages, *_together([item.stages for item in fitting])),
        }
    )
    own_residuals = tuple(residual for item in fitting for residual in item.residuals)
    found = found.model_copy(update={"residuals": (*shared.residuals, *own_residuals)})
    return found, tuple(remarks)


def _together(devices: Iterable[Sequence[Stage]]) -> tuple[Stage, ...]:
    """Return the stages of several devices; those of one kind, in their order, as one."""
    stages: dict[tuple[tuple[str, ...], int], list[Any]] = {}
    for own in devices:
        seen: dict[tuple[str, ...], int] = {}
        for stage in own:
            place = seen[stage.keys] = seen.get(stage.keys, 0) + 1
            stages.setdefault((stage.keys, place), []).extend(stage.effects)
    return tuple(Stage(keys=keys, effects=tuple(effects)) for (keys, _), effects in stages.items())
