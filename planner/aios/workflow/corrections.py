"""Corrections: read for planning, learnt from what was measured on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from aios.records.base import Span, digest_of
from aios.records.candidate import label_of
from aios.records.correction import Correction
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.measurement import Measurement, Subject, candidate_of
from aios.records.model import ModelProfile
from aios.spi.executor import OPERATORS, SAMPLES

if TYPE_CHECKING:
    from aios.cost.correcting.learn import Row
    from aios.cost.interval import Interval
    from aios.records.calibration import Calibration
    from aios.records.transform import Declaration

    Learnt = Mapping[tuple[str, str], Calibration]

__all__ = ["Corrected", "correct", "digests_of", "load_corrections", "measured_rows"]


class Corrected(NamedTuple):
    """A correction that was learnt, and its file."""

    file: Path
    correction: Correction


def load_corrections(profiles: Path) -> Mapping[tuple[str, str], Correction]:
    """Return (device, executor) -> correction, of those beside the profiles. Raises InputError for a damaged file."""
    found = {}
    for path in sorted((profiles / "corrections").glob("[!.]*.json")):
        try:
            item = Correction.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                Diagnostic(
                    summary=f"{path} is no correction: {'.'.join(map(str, first['loc']))}: {first['msg']}",
                    where=Span(file=str(path), line=1, column=1),
                    remedy="remove it and learn again, or restore it from version control",
                    command="aios calibrate --from-profiles",
                )
            ) from None
        found[item.device, item.executor] = item
    return found


def digests_of(corrections: Mapping[tuple[str, str], Correction]) -> Mapping[str, str]:
    """Return a name for each correction -> its digest: what plans made with it depend on."""
    return {f"corrections {device} {executor}": item.name for (device, executor), item in corrections.items()}


def correct(
    profiles: Path,
    models: Path,
    types: Mapping[str, DeviceType],
    calibrations: Learnt,
    tell: Callable[[str], None],
) -> tuple[Corrected, ...]:
    """Learn a correction for each device and executor that times were measured of, and write it beside the profiles.

    models: folder of kept profiles of model files · types: of devices, by name; others are left out. Returns nothing
    where there is too little to learn from. Raises InputError where scikit-learn is not installed.
    """
    from aios.state import write_atomically

    if find_spec("sklearn") is None:
        summary = "corrections are learnt with scikit-learn, which is not installed"
        raise InputError(Diagnostic(summary=summary, command="pip install 'aios-planner[learning]'"))
    from aios.cost.correcting.learn import learn

    found = []
    for (device, executor, engine), rows, reference_s in measured_rows(profiles, models, types, calibrations):
        tell(f"learning a correction of {executor} on {device}")
        told = [(row.profile.digest, row.call, row.measured_s) for row in rows]
        correction = learn(device, executor, engine, rows, digest_of(sorted(told)), reference_s)
        if correction is not None:
            path = profiles / "corrections" / f"{device}--{executor}.json"
            text = json.dumps(correction.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
            write_atomically(path, text + "\n")
            found.append(Corrected(path, correction))
    return tuple(found)


def measured_rows(
    profiles: Path, models: Path, types: Mapping[str, DeviceType], calibrations: Learnt
) -> Iterator[tuple[tuple[str, str, str], list[Row], Mapping[int, float]]]:
    """Yield (device, executor, engine) with what was measured of it, beside what plans say without a correction, and
    what the reference network usually takes there on so many threads."""
    from aios.cost.correcting.pacing import usual_s

    for (device, executor, engine), measured in _groups(profiles).items():
        if device in types:
            reference_s = usual_s(measured)
            rows = _rows(measured, _profiles(models), types[device], calibrations, engine, reference_s)
            yield (device, executor, engine), list(rows), reference_s


def _groups(profiles: Path) -> Mapping[tuple[str, str, str], list[Measurement]]:
    """Return the times per call of each device, executor and engine; of several engines of one the one last measured
    comes last, and its file holds."""
    from aios.spi.transforms import declarations
    from aios.state import ProfileStore

    declared = declarations()
    stored = sorted(ProfileStore(profiles).load().values(), key=lambda item: (item.as_of, item.subject.digest))
    found: dict[tuple[str, str, str], list[Measurement]] = {}
    for item in stored:
        subject = item.subject
        if subject.kind == "service" and "time" in item.values and _is_plain(subject, declared):
            key = (subject.device, subject.executor, subject.engine)
            found[key] = [*found.pop(key, []), item]
    return found


def _is_plain(subject: Subject, declared: Mapping[str, Declaration]) -> bool:
    """Say whether the time is of the network as its file has it: what a transform or an executor's decision changed is
    another one."""
    from aios.cost.effects import signature

    compression, *changes = signature(subject, declared)
    return compression == "none" and not any((*changes, subject.power_mode, subject.tiers))


def _profiles(models: Path) -> Mapping[str, ModelProfile]:
    from aios.workflow.ownmeasurements import kept_profiles

    return {profile.digest: profile for profile in kept_profiles(models)}


def _rows(
    measured: list[Measurement],
    profiles: Mapping[str, ModelProfile],
    device: DeviceType,
    calibrations: Learnt,
    engine: str,
    reference_s: Mapping[int, float],
) -> Iterator[Row]:
    """Yield what was measured beside what plans would say without a correction."""
    from aios.cost import Evidence, call_time
    from aios.cost.correcting.learn import Row
    from aios.cost.correcting.pacing import paced_s
    from aios.cost.correcting.predict import Call
    from aios.cost.interval import Unknown
    from aios.cost.roofline import roofline

    every = {item.subject.digest: item for item in measured}
    for item in measured:
        subject, profile = item.subject, profiles.get(item.subject.model)
        if profile is None or profile.transformer is not None:
            continue
        candidate = candidate_of(subject, profile.name)
        others = {key: other for key, other in every.items() if key != subject.digest}
        engines = {subject.executor: engine}
        alone = call_time(candidate, profile, device, Evidence(engines=engines, calibrations=calibrations))
        known = Evidence(measurements=others, engines=engines, calibrations=calibrations)
        among = call_time(candidate, profile, device, known)
        roof = roofline(profile, device, candidate, subject.batch)
        yield Row(
            profile=profile,
            call=Call(label_of(subject), subject.threads, subject.batch),
            measured_s=paced_s(item, reference_s),
            roofline_s=None if isinstance(roof, Unknown) else roof.value,
            without_model_s=_ends(alone.time) if alone else None,
            without_setting_s=_ends(among.time) if among else None,
            group=_group(profile),
        )


def _group(profile: ModelProfile) -> str | None:
    """Return what a model is held back with: itself, or all other sample networks, for they are of a kind."""
    if profile.name.startswith(OPERATORS):
        return None
    return SAMPLES if profile.name.startswith(SAMPLES) else profile.digest


def _ends(time: Interval) -> tuple[float, float, float]:
    return time.low, time.value, time.high
