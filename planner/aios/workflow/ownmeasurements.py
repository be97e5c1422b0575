"""What was measured on this machine, as a table to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from aios.records.errors import Diagnostic, InputError
from aios.records.measurement import Measurement
from aios.records.model import ModelProfile
from aios.records.observation import Observations
from aios.workflow.measuredtables import MeasuredTables
from aios.workflow.shipped import shipped_catalogue

__all__ = ["kept_profiles", "own_measurements"]

Row = tuple[Measurement, ModelProfile]
_NUMBERS: Mapping[str, Callable[[Row], float]] = {
    "macs": lambda row: row[1].macs,
    "parameters": lambda row: float(row[1].parameters),
    "weight_bytes": lambda row: row[1].weight_bytes,
    "batch": lambda row: float(row[0].subject.batch),
    "threads": lambda row: float(row[0].subject.threads),
}
_WORDS: Mapping[str, Callable[[Row], str]] = {
    "model": lambda row: row[1].name,
    "device": lambda row: row[0].subject.device,
    "precision": lambda row: row[0].subject.precision if row[0].subject.quantization == "none" else "int8",
    "software": lambda row: row[0].subject.engine,
    "mode": lambda _row: "inference",
}


def own_measurements(profiles: Path, models: Path) -> MeasuredTables:
    """Return times per call of the profile store, as a table whose lines are their places in it.

    models: folder of kept profiles of model files; a measurement of a model that is not there is left out. Raises
    InputError where there is none.
    """
    from aios.state import ProfileStore
    from aios.tables.form import TableForm
    from aios.tables.reading import Reading

    known = {profile.digest: profile for profile in kept_profiles(models)}
    stored = ProfileStore(profiles).load().values()
    times = [item for item in stored if item.subject.kind == "service" and "time" in item.values]
    rows = [(item, known[item.subject.model]) for item in times if item.subject.model in known]
    if not rows:
        raise InputError(_none(profiles, models, len(times)))
    name = str(profiles)
    form = TableForm(name, name, (), (), {}, None, {}, {}, None, {}, (), ())
    reading = Reading(name, (_observed(name, rows),), (form,), source="measured by `aios profile`")
    devices = shipped_catalogue()
    types = {item.subject.device: devices[item.subject.device] for item, _ in rows if item.subject.device in devices}
    return MeasuredTables((reading,), types)


def _observed(table: str, rows: Sequence[Row]) -> Observations:
    import numpy as np

    words = {role: np.array([read(row) for row in rows]) for role, read in _WORDS.items()}
    return Observations(
        table=table,
        predictor="network",
        metric="latency.mean",
        unit="s",
        words=words,
        numbers={role: np.array([read(row) for row in rows]) for role, read in _NUMBERS.items()},
        types=words["device"],
        families=words["model"],
        lines=np.arange(1, len(rows) + 1),
        values=np.array([item.values["time"].value for item, _ in rows]),
    )


def kept_profiles(folder: Path) -> Iterator[ModelProfile]:
    """Yield the profiles of model files that were read before; an entry of another version of aios is left out."""
    from aios.models.profiles import Kept

    for path in sorted(folder.glob("*.json")):
        try:
            yield Kept.model_validate_json(path.read_bytes()).read.profile
        except (OSError, ValueError):  # an entry of another version of aios
            continue


def _none(profiles: Path, models: Path, times: int) -> Diagnostic:
    if times:
        reason = f"{times} times were measured, but {models} holds no profile of their models"
        return Diagnostic(
            summary=f"nothing can be learnt from {profiles}", reason=reason, command="aios candidates PATH"
        )
    return Diagnostic(summary=f"{profiles} holds no times of an engine", command="aios profile PATH")
