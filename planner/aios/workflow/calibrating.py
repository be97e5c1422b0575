"""calibrate: learning from measured tables, and keeping what was learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aios.records.base import digest_of
from aios.records.calibration import Calibration, LearntError, Provenance
from aios.records.errors import Diagnostic, InputError
from aios.records.observation import Level, Observations
from aios.workflow.calibrations import Calibrations
from aios.workflow.judging import held_back
from aios.workflow.measuredtables import MeasuredTables, known_names, read_tables, shipped_catalogue
from aios.workflow.pooling import Pool, pooled
from aios.workflow.saving import save

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats
    from aios.tables import Reading, TableForm

__all__ = ["FEWEST_OF_DEVICE", "Learnt", "calibrate_all", "calibrate_device"]

FEWEST_OF_DEVICE = 20
"""Usable rows from which on a device gets a calibration of its own; fewer say little beside what its class says."""


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


def calibrate_device(
    device: str,
    tables: MeasuredTables,
    only: str | None,
    known: Calibrations,
    out: Path,
    tell: Callable[[str], None],
) -> tuple[Learnt, ...]:
    """Learn what one device adds to what is known of all, from its rows of some tables, and write it to ``out``.

    Raises InputError for an unknown device, or where nothing can be learnt.
    """
    name = _device(device)
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


def calibrate_all(
    source: Path, only: str | None, out: Path, tell: Callable[[str], None]
) -> tuple[tuple[Learnt, ...], MeasuredTables]:
    """Learn everything that the tables of a folder teach; write what holds for all devices, and a file for each.

    Raises InputError where nothing can be learnt.
    """
    tables = read_tables(source, None, tell)
    found: list[Learnt] = []
    for (predictor, metric), parts in _by_target(tables.parts(), only).items():
        tell(f"learning {predictor} {metric}")
        pool = _pool(predictor, metric, parts, tables)
        if pool.usable.any():
            found += _everything(pool, tables, out, tell)
    if not found:
        raise InputError(_nothing(None, tables, only))
    return tuple(found), tables


def _everything(pool: Pool, tables: MeasuredTables, out: Path, tell: Callable[[str], None]) -> Iterator[Learnt]:
    import numpy as np

    from aios.cost.learning import fit
    from aios.fidelity.keeping import divided

    learnt = fit(*pool.taken(pool.usable), pool.predictor, pool.metric)
    levels: tuple[Level, ...] = ("zero-shot", "calibrated")
    judged = {level: held_back(pool, level, None, tell).value for level in levels}
    names, counts = np.unique(pool.devices[pool.usable], return_counts=True)
    enough = {
        str(name): int(count)
        for name, count in zip(names, counts, strict=True)
        if name in tables.types and count >= FEWEST_OF_DEVICE
    }
    learnt = learnt.model_copy(
        update={
            "errors": tuple(_errors(pool, judged, pool.usable)),
            "provenance": _provenance(pool, tables.readings),
        }
    )
    shared, *own = divided(learnt, enough)
    yield _write(shared, None, pool.suspicious_lines(), out)
    for item in own:
        rows = pool.usable & (pool.devices == item.device)
        errors = {error.level: error for error in _errors(pool, judged, rows) if not error.table}
        yield _write(item.model_copy(update={"errors": tuple(errors.values())}), errors.get("zero-shot"), {}, out)


def _device(written: str) -> str:
    devices = shipped_catalogue()
    name = known_names(devices)(written)
    if name is None:
        possible = devices.names.identify(written).candidates or devices.names.nearest(written)
        near = ", ".join(f"`{item}`" for item in possible)
        raise InputError(
            Diagnostic(
                summary=f"there is no device type `{written}`",
                remedy=f"did you mean {near}?" if near else None,
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
        own = rows.take(rows.types == device)
        if np.any(rows.types == device):
            yield own, form


def _as(rows: Observations, device: str) -> Observations:
    from dataclasses import replace

    import numpy as np

    named = np.full(len(rows), device)
    return replace(rows, types=named, words={**rows.words, "device": named})


def _by_target(
    parts: Iterator[tuple[Observations, TableForm]], only: str | None
) -> dict[tuple[str, str], list[tuple[Observations, TableForm]]]:
    found: dict[tuple[str, str], list[tuple[Observations, TableForm]]] = {}
    for rows, form in parts:
        if only in (None, rows.predictor):
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
    from aios.cost.learning import fit, predict, refine
    from aios.fidelity.keeping import BASE, of_devices

    design, target, families = pool.taken(pool.usable)
    if shared is None or shared.version != pool.predictor.version:
        learnt = fit(design, target, families, pool.predictor, pool.metric, ("calibrated", "profiled"))
        alone: dict[Level, Floats] = {"calibrated": held_back(pool, "calibrated", None, tell).value}
        errors = tuple(_errors(pool, alone, pool.usable))
        return learnt.model_copy(update={"device": device, "errors": errors}), None
    learnt = refine(shared, design, target, families, pool.predictor, device)
    before = _filled(pool, predict(design, shared, "zero-shot").value)
    after: dict[Level, Floats] = {"calibrated": _refined_without_families(pool, device, shared)}
    base = Provenance(table=BASE, digest=digest_of(shared.model_dump(mode="json")), rows=0)
    kept = learnt.model_copy(
        update={
            "features": {},
            **of_devices(learnt),
            "errors": tuple(_errors(pool, after, pool.usable)),
            "provenance": (base,),
        }
    )
    first = next(iter(_errors(pool, {"zero-shot": before}, pool.usable)), None)
    return kept, first


def _refined_without_families(pool: Pool, device: str, shared: Calibration) -> Floats:
    """Return targets of rows as they are predicted by what the device's other families teach."""
    import numpy as np

    from aios.cost.learning import predict, refine
    from aios.fidelity import splits

    rows = np.flatnonzero(pool.usable)
    found = np.full(len(pool.target), np.nan)
    columns = [column[rows] for column in (pool.devices, pool.models, pool.families, pool.lines)]
    for train, test, _, _ in splits("calibrated", *columns):
        own, held = rows[train], rows[test]
        learnt = refine(shared, pool.design.take(own), pool.target[own], pool.families[own], pool.predictor, device)
        found[held] = predict(pool.design.take(held), learnt, "calibrated").value
    return found


def _filled(pool: Pool, values: Floats) -> Floats:
    import numpy as np

    found = np.full(len(pool.target), np.nan)
    found[pool.usable] = values
    return found


def _errors(pool: Pool, judged: Mapping[Level, Floats], rows: npt.NDArray[np.bool_]) -> Iterator[LearntError]:
    """Yield the errors of each level: of all rows together, under no name, and of each of several tables."""
    import numpy as np

    for level, target in judged.items():
        groups: dict[str, list[npt.NDArray[np.float64]]] = {}
        for part in pool.parts:
            chosen = np.flatnonzero(rows[part.rows] & np.isfinite(target[part.rows]))
            observed = part.observations
            value = pool.predictor.value(observed, target[part.rows])[chosen]
            measured = observed.values[chosen]
            off = value / measured - 1 if pool.predictor.scale == "log" else value - measured
            groups.setdefault(observed.table, []).append(off)
        told = {"": [off for columns in groups.values() for off in columns]}
        for name, columns in (told | groups if len(groups) > 1 else told).items():
            off = np.concatenate(columns)
            if len(off):
                yield LearntError(
                    level=level,
                    table=name,
                    rows=len(off),
                    median=float(np.median(np.abs(off))),
                    p90=float(np.quantile(np.abs(off), 0.9)),
                    bias=float(np.median(off)),
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
