"""calibrate: learning from measured tables, and keeping what was learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.base import digest_of
from aios.records.calibration import Calibration, LearntError, Provenance
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.observation import Level, Observations
from aios.workflow.calibrations import Calibrations
from aios.workflow.judging import held_back
from aios.workflow.measuredtables import MeasuredTables, known_names, read_tables, shipped_catalogue
from aios.workflow.pooling import Pool, pooled
from aios.workflow.saving import save

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.cost.learning import Predicted
    from aios.tables import Reading, TableForm

    Mask = npt.NDArray[np.bool_]

__all__ = ["FEWEST_OF_DEVICE", "Everything", "Learnt", "calibrate_all", "calibrate_device"]

FEWEST_OF_DEVICE = 20
"""Usable rows from which on a device gets a calibration of its own; fewer say little beside what its class says."""
_COUNTED = "fits"
"""The metric that is computed and compared, never learnt: yes and no are nothing to add effects to."""
_LEVELS: tuple[Level, ...] = ("zero-shot", "calibrated")
"""Levels that calibrations as files can reach: effects of one model on one device are not kept."""


@dataclass(frozen=True)
class Learnt:
    """A calibration that was written.

    file · calibration · before: error without it, at zero-shot; None where nothing was known · suspicious: table and
    lines of rows that are better than physics allows, and were not learnt from
    """

    file: Path
    calibration: Calibration
    before: LearntError | None
    suspicious: Mapping[str, tuple[int, ...]]


class Everything(NamedTuple):
    """What a folder teaches. failed: predictor and metric -> its error"""

    learnt: tuple[Learnt, ...]
    tables: MeasuredTables
    failed: Mapping[str, str]


def calibrate_device(
    device: str,
    tables: MeasuredTables,
    only: str | None,
    known: Calibrations,
    out: Path,
    tell: Callable[[str], None],
    own: Mapping[str, DeviceType] | None = None,
) -> tuple[Learnt, ...]:
    """Learn what one device adds to what is known of all, from its rows of some tables, and write it to ``out``.

    own: device types by name that the catalogue lacks, as a fleet file describes them. Raises InputError for an unknown
    device, or where nothing can be learnt.
    """
    own = own or {}
    name = device if device in own else _device(device)
    tables = MeasuredTables(tables.readings, {**tables.types, **own})
    found = []
    for (predictor, metric), parts in _by_target(_rows_of(tables, name), only).items():
        tell(f"learning {predictor} {metric}")
        pool = _pool(predictor, metric, parts, tables)
        if not pool.usable.any():
            continue
        learnt, before = _of_device(pool, name, known.shared(predictor, metric), tell)
        learnt = learnt.model_copy(update={"provenance": (*learnt.provenance, *_provenance(pool, tables.readings))})
        found.append(_write(learnt, before, pool.suspicious_lines(), out))
    if not found:
        raise InputError(_nothing(name, tables, only))
    return tuple(found)


def calibrate_all(source: Path, only: str | None, out: Path, tell: Callable[[str], None]) -> Everything:
    """Learn everything that the tables of a folder teach; write what holds for all devices, and a file for each.

    A predictor that fails is told, and the others go on. Raises InputError where nothing can be learnt.
    """
    tables = read_tables(source, None, tell)
    found: list[Learnt] = []
    failed: dict[str, str] = {}
    for (predictor, metric), parts in _by_target(tables.parts(), only).items():
        tell(f"learning {predictor} {metric}")
        try:
            pool = _pool(predictor, metric, parts, tables)
            if pool.usable.any():
                found += _everything(pool, tables, out, tell)
        except Exception as error:  # noqa: BLE001 - a predictor's failure is told; what the others teach still stands
            failed[f"{predictor} {metric}"] = f"{type(error).__name__}: {error}"
    if not found and not failed:
        raise InputError(_nothing(None, tables, only))
    return Everything(tuple(found), tables, failed)


def _everything(pool: Pool, tables: MeasuredTables, out: Path, tell: Callable[[str], None]) -> Iterator[Learnt]:
    import numpy as np

    from aios.cost.learning import Predicted, fit
    from aios.cost.learning.intervals import with_intervals
    from aios.fidelity.keeping import divided

    learnt = fit(*pool.taken(pool.usable), pool.predictor, pool.metric, ())
    told = {level: held_back(pool, level, None, tell) for level in _LEVELS}
    judged = {level: Predicted(item.value, item.low, item.high) for level, item in told.items()}
    design, target, families = pool.taken(pool.usable)
    off = {level: target - item.value[pool.usable] for level, item in judged.items()}
    learnt = with_intervals(learnt, design, families, off)
    names, counts = np.unique(pool.devices[pool.usable], return_counts=True)
    seen = {str(name): int(count) for name, count in zip(names, counts, strict=True) if name in tables.types}
    enough = {name: count for name, count in seen.items() if count >= FEWEST_OF_DEVICE}
    learnt = learnt.model_copy(
        update={
            "residuals": tuple(item for item in learnt.residuals if not _is_of_source(item.stratum, pool)),
            "errors": tuple(_errors(pool, judged, pool.usable)),
            "provenance": _provenance(pool, tables.readings),
            "devices": seen,
        }
    )
    shared, *own = divided(learnt, enough)
    yield _write(shared, None, pool.suspicious_lines(), out)
    for item in own:
        rows = pool.usable & (pool.devices == item.device)
        errors = {error.level: error for error in _errors(pool, judged, rows) if not error.table}
        yield _write(item.model_copy(update={"errors": tuple(errors.values())}), errors.get("zero-shot"), {}, out)


def _is_of_source(stratum: str, pool: Pool) -> bool:
    """Say whether a group of residuals is one that nothing but these very tables has rows of: a table, or a device
    under a predictor's own name for it (it has one of its own beside)."""
    table = stratum.partition(" | ")[0]
    return (stratum != "" and stratum in pool.devices) or any(table == part.observations.table for part in pool.parts)


def _device(written: str) -> str:
    devices = shipped_catalogue()
    name = known_names(devices)(written)
    if name is None:
        possible = devices.names.identify(written).candidates or devices.names.nearest(written)
        near = ", ".join(f"`{item}`" for item in possible)
        raise InputError(
            Diagnostic(
                summary=f"there is no device type `{written}`",
                remedy=f"did you mean {near}? one of your own is described in a fleet file (`--fleet`)"
                if near
                else "describe your own in a fleet file, and name that with `--fleet`",
                command="aios hardware list",
            )
        )
    return name


def _rows_of(tables: MeasuredTables, device: str) -> Iterator[tuple[Observations, TableForm]]:
    """Yield the rows of a device; a table that names no devices is about the one that was named."""
    import numpy as np

    for rows, form in tables.parts():
        if "device" not in rows.words:
            yield _as(rows, device), form
            continue
        its = (rows.types == device) | (rows.word("device") == device)
        if np.any(its):
            yield _as(rows.take(its), device), form


def _as(rows: Observations, device: str) -> Observations:
    from dataclasses import replace

    import numpy as np

    named = np.full(len(rows), device)
    return replace(rows, types=named, words={**rows.words, "device": rows.words.get("device", named)})


def _by_target(
    parts: Iterator[tuple[Observations, TableForm]], only: str | None
) -> dict[tuple[str, str], list[tuple[Observations, TableForm]]]:
    found: dict[tuple[str, str], list[tuple[Observations, TableForm]]] = {}
    for rows, form in parts:
        if only in (None, rows.predictor) and rows.metric != _COUNTED:
            found.setdefault((rows.predictor, rows.metric), []).append((rows, form))
    return found


def _pool(name: str, metric: str, parts: Sequence[tuple[Observations, TableForm]], tables: MeasuredTables) -> Pool:
    from aios.cost.predictors import predictor

    devices = shipped_catalogue()
    names = {str(item) for rows, _ in parts for item in set(rows.types.tolist()) if item}
    types = {**tables.types, **{item: devices[item] for item in names - tables.types.keys()}}
    return pooled(predictor(name), metric, parts, types)


def _of_device(
    pool: Pool, device: str, shared: Calibration | None, tell: Callable[[str], None]
) -> tuple[Calibration, LearntError | None]:
    """Return what the device adds to what is known, with its error, and the error without it."""
    from aios.cost.learning import Predicted, fit, predict, refine
    from aios.fidelity.keeping import BASE, of_devices

    design, target, families = pool.taken(pool.usable)
    if shared is None:
        learnt = fit(design, target, families, pool.predictor, pool.metric, ("calibrated", "profiled"))
        told = held_back(pool, "calibrated", None, tell)
        errors = tuple(_errors(pool, {"calibrated": Predicted(told.value, told.low, told.high)}, pool.usable))
        return learnt.model_copy(update={"device": device, "errors": errors}), None
    learnt = refine(shared, design, target, families, pool.predictor, device)
    before = _filled(pool, predict(design, shared, "zero-shot"))
    after = _refined_without_families(pool, device, shared)
    base = Provenance(table=BASE, digest=digest_of(shared.model_dump(mode="json")), rows=0)
    kept = learnt.model_copy(
        update={
            "features": {},
            **of_devices(learnt),
            "errors": tuple(_errors(pool, {"calibrated": after}, pool.usable)),
            "provenance": (base,),
        }
    )
    first = next(iter(_errors(pool, {"zero-shot": before}, pool.usable)), None)
    return kept, first


def _refined_without_families(pool: Pool, device: str, shared: Calibration) -> Predicted:
    """Return targets of rows as they are predicted by what the device's other families teach."""
    import numpy as np

    from aios.cost.learning import Predicted, predict, refine
    from aios.fidelity import splits

    rows = np.flatnonzero(pool.usable)
    found = Predicted(*(np.full(len(pool.target), np.nan) for _ in Predicted._fields))
    columns = [column[rows] for column in (pool.devices, pool.models, pool.families, pool.lines)]
    for train, test, _, _ in splits("calibrated", *columns):
        own, held = rows[train], rows[test]
        learnt = refine(shared, pool.design.take(own), pool.target[own], pool.families[own], pool.predictor, device)
        told = predict(pool.design.take(held), learnt, "calibrated")
        for column, values in zip(found, told, strict=True):
            column[held] = values
    return found


def _filled(pool: Pool, told: Predicted) -> Predicted:
    """Return what is told of the usable rows in the places of these rows, NaN for the others."""
    import numpy as np

    found = type(told)(*(np.full(len(pool.target), np.nan) for _ in told))
    for column, values in zip(found, told, strict=True):
        column[pool.usable] = values
    return found


def _errors(pool: Pool, judged: Mapping[Level, Predicted], rows: Mask) -> Iterator[LearntError]:
    """Yield the errors of each level: of all rows together, under no name, and of each of several tables."""
    import numpy as np

    for level, told in judged.items():
        inside = (told.low <= pool.target) & (pool.target <= told.high)
        seen = rows & np.isfinite(told.value)
        groups: dict[str, list[tuple[npt.NDArray[np.float64], Mask]]] = {}
        for part in pool.parts:
            observed, chosen = part.observations, seen[part.rows]
            value = pool.predictor.value(observed, told.value[part.rows])[chosen]
            measured = observed.values[chosen]
            off = value / measured - 1 if pool.predictor.scale == "log" else value - measured
            groups.setdefault(observed.table, []).append((off, inside[part.rows][chosen]))
        whole = {"": [columns for own in groups.values() for columns in own]}
        for name, columns in (whole | groups if len(groups) > 1 else whole).items():
            off = np.concatenate([column for column, _ in columns])
            if len(off):
                yield LearntError(
                    level=level,
                    table=name,
                    rows=len(off),
                    median=float(np.median(np.abs(off))),
                    p90=float(np.quantile(np.abs(off), 0.9)),
                    bias=float(np.median(off)),
                    coverage=float(np.mean(np.concatenate([column for _, column in columns]))),
                )


def _provenance(pool: Pool, readings: Sequence[Reading]) -> tuple[Provenance, ...]:
    """Return where the usable rows come from; a table is known by the digest of what was read in it."""
    said = {reading.table: reading for reading in readings}
    rows: dict[str, list[str]] = {}
    for part in pool.parts:
        usable = pool.usable[part.rows]
        observed = part.observations
        rows.setdefault(observed.table, []).extend(
            f"{line}:{value!r}" for line, value in zip(observed.lines[usable], observed.values[usable], strict=True)
        )
    return tuple(
        Provenance(
            table=name,
            digest=digest_of(values),
            rows=len(values),
            source=said[name].source,
            licence=said[name].licence,
        )
        for name, values in sorted(rows.items())
        if values
    )


def _write(
    learnt: Calibration, before: LearntError | None, suspicious: Mapping[str, tuple[int, ...]], out: Path
) -> Learnt:
    from aios.fidelity.keeping import calibration_text, file_name

    path = out / file_name(learnt)
    save(path, calibration_text(learnt))
    return Learnt(path, learnt, before, suspicious)


def _nothing(device: str | None, tables: MeasuredTables, only: str | None) -> Diagnostic:
    whose = "nothing can be learnt" if device is None else f"nothing can be learnt of {device}"
    reasons = [f"{item.table}: {item.reason}" for item in tables.readings if item.reason]
    unknown = sorted({name for item in tables.readings for name in item.unknown})
    seen = sorted(tables.types)
    reason = reasons[0] if reasons else f"no row of it is there; there are rows of: {', '.join(seen[:12]) or 'nothing'}"
    if unknown and not reasons:
        reason += f"; not in the catalogue, or not clear which: {', '.join(unknown[:12])}"
    remedy = "docs/fidelity.md tells how a form says what the columns of a table mean" if reasons else None
    if only is not None and not reasons:
        remedy = f"leave out `--predictor {only}`"
    return Diagnostic(summary=whose, reason=reason, remedy=remedy)
