"""calibrate: learning from measured tables, and keeping what was learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.calibration import Calibration, LearntError, Provenance
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.observation import Level, Observations
from aios.workflow import stopping
from aios.workflow.calibrationerrors import NotLearnt, errors_of, not_learnt, provenance_of
from aios.workflow.calibrations import ASKED, Calibrations
from aios.workflow.judging import held_back
from aios.workflow.measuredtables import MeasuredTables, known_names, read_tables
from aios.workflow.pooling import Pool, pooled
from aios.workflow.refining import OF_DEVICE, Known, known_rows, refined
from aios.workflow.saving import save
from aios.workflow.shipped import shipped_catalogue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.tables import TableForm

    Mask = npt.NDArray[np.bool_]

__all__ = ["Learnt", "Taught", "calibrate_all", "calibrate_device"]

_FEWEST_OF_DEVICE = 20
"""Usable rows from which on a device gets a file of its own where all devices are learnt at once. What is learnt of one
on top of what is known needs no more than counts as known: ``fidelity.FEWEST_KNOWN``."""
_MOST_NAMES, _MOST_ROWS = 12, 3
"""That a message lists."""
_COUNTED = "fits"
"""The metric that is computed and compared, never learnt: yes and no are nothing to add effects to."""
_LEVELS: tuple[Level, ...] = ("zero-shot", "calibrated")
"""Levels that calibrations as files can reach: effects of one model on one device are not kept."""


@dataclass(frozen=True)
class Learnt:
    """A calibration that was written.

    file · calibration · before: error of what plans would say without it; None where nothing was known · seen: rows of
    this device that the shared calibration was learnt from, the same ones perhaps · upon: rows of this device that were
    known before, and are built upon · others: error of rows held back with what the rows say of models that they do not
    name, where it is no smaller than without and therefore left out · dropped: tables that the device's calibration was
    learnt from before and no longer is, as one of them is learnt anew · left: rows that were not learnt from; None
    where the calibration of all devices says so
    """

    file: Path
    calibration: Calibration
    before: LearntError | None
    left: NotLearnt | None = None
    seen: int = 0
    upon: int = 0
    others: LearntError | None = None
    dropped: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that were learnt from now."""
        return sum(entry.rows for entry in self.calibration.provenance) - self.upon


class Taught(NamedTuple):
    """What was learnt from tables. few: (device, predictor, metric, usable rows) where those are too few to learn from
    · failed: ``predictor metric`` -> its error · left: rows of metrics of which nothing was learnt"""

    learnt: tuple[Learnt, ...]
    tables: MeasuredTables
    few: tuple[tuple[str, str, str, int], ...] = ()
    failed: Mapping[str, str] = {}
    left: tuple[NotLearnt, ...] = ()


def calibrate_device(
    device: str,
    tables: MeasuredTables,
    only: str | None,
    known: Calibrations,
    out: Path,
    tell: Callable[[str], None],
    own: Mapping[str, DeviceType] | None = None,
) -> Taught:
    """Learn what one device adds to what is known of all, from its rows of some tables, and write it to ``out``.

    own: device types by name that the catalogue lacks, as a fleet file describes them. Raises InputError for an unknown
    device, or where nothing can be learnt.
    """
    from aios.fidelity.protocol import FEWEST_KNOWN

    own = own or {}
    name = device if device in own else _device(device)
    described = own[name] if name in own else shipped_catalogue()[name]
    tables = MeasuredTables(tables.readings, {**tables.types, **own, name: described})
    found, few, unusable = [], [], []
    for (predictor, metric), parts in _by_target(_rows_of(tables, name), only).items():
        tell(f"learning {predictor} {metric}")
        pool = _pool(predictor, metric, parts, tables)
        fewest = 1 if known.of_device(predictor, metric, name) else FEWEST_KNOWN
        if 0 < pool.usable.sum() < fewest:
            few.append((name, predictor, metric, int(pool.usable.sum())))
        elif pool.usable.any():
            found.append(_refined(pool, name, known, tables, out, tell))
            continue
        unusable.append(not_learnt(pool, tables.types))
    if not found:
        raise InputError(_too_few(few, unusable) if few else _nothing(name, tables, only, unusable))
    return Taught(tuple(found), tables, tuple(few), left=tuple(unusable))


def calibrate_all(
    source: Path, only: str | None, known: Calibrations | None, out: Path, tell: Callable[[str], None]
) -> Taught:
    """Learn everything that the tables of a folder teach; write a file for each device, and one for what holds for all
    of them where nothing of the kind is known.

    known: that is built upon; None: nothing. A predictor that fails is told, and the others go on. Raises InputError
    where nothing can be learnt.
    """
    from aios.fidelity.protocol import FEWEST_KNOWN

    tables = read_tables(source, None, tell)
    found: list[Learnt] = []
    few: list[tuple[str, str, str, int]] = []
    failed: dict[str, str] = {}
    for (predictor, metric), parts in _by_target(tables.parts(), only).items():
        tell(f"learning {predictor} {metric}")
        try:
            pool = _pool(predictor, metric, parts, tables)
            shared = known.shared(predictor, metric) if known is not None else None
            if not pool.usable.any():
                continue
            if shared is None:
                found += _everything(pool, tables, out, tell)
                continue
            for device, rows in _seen(pool, tables).items():
                if rows < (1 if known and known.of_device(predictor, metric, device) else FEWEST_KNOWN):
                    few.append((device, predictor, metric, rows))
                else:
                    its = _pool(predictor, metric, list(_of_type(parts, device)), tables)
                    found.append(_refined(its, device, known, tables, out, tell))
        except Exception as error:  # a predictor's failure is told; what the others teach still stands
            if stopping.asked():
                raise
            failed[f"{predictor} {metric}"] = f"{type(error).__name__}: {error}"
    if not found and not failed:
        raise InputError(_too_few(few, ()) if few else _nothing(None, tables, only, ()))
    return Taught(tuple(found), tables, tuple(few), failed)


def _of_type(parts: Sequence[tuple[Observations, TableForm]], device: str) -> Iterator[tuple[Observations, TableForm]]:
    for rows, form in parts:
        its = rows.types == device
        if its.any():
            yield rows.take(its), form


def _seen(pool: Pool, tables: MeasuredTables) -> dict[str, int]:
    """Return the usable rows of each device type that is known."""
    import numpy as np

    names, counts = np.unique(pool.devices[pool.usable], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True) if name in tables.types}


def _makers(learnt: Calibration, pool: Pool, tables: MeasuredTables) -> dict[str, tuple[str, ...]]:
    """Return class of devices that something was learnt of -> who made those whose usable rows are of it."""
    found: dict[str, set[str]] = {
        effect.group[0]: set() for stage in learnt.mixes if stage.keys == ("class",) for effect in stage.effects
    }
    if found:
        classes, devices = pool.design.keys["class"][pool.usable], pool.devices[pool.usable]
        for group, name in set(zip(classes.tolist(), devices.tolist(), strict=True)):
            known = tables.types.get(name)
            if known is not None and known.vendor is not None and group in found:
                found[group].add(known.vendor)
    return {group: tuple(sorted(makers)) for group, makers in sorted(found.items()) if makers}


def _refined(
    pool: Pool, device: str, known: Calibrations | None, tables: MeasuredTables, out: Path, tell: Callable[[str], None]
) -> Learnt:
    """Learn what a device adds to what is known of it, else what its rows alone say, and write it."""
    from aios.cost.network_setting import PREDICTOR_NAME

    shared = known.shared(pool.predictor.name, pool.metric) if known is not None else None
    sources = provenance_of(pool, tables.readings)
    if known is None or shared is None:
        learnt = _alone(pool, device, tell)
        return replace(_write(_from(learnt, sources), None, out), left=not_learnt(pool, tables.types))
    before = known.of_device(pool.predictor.name, pool.metric, device, {item.table for item in sources})
    all_metrics = ((metric, known.of(PREDICTOR_NAME, metric, devices=[device])) for metric in ASKED[PREDICTOR_NAME])
    networks = {(PREDICTOR_NAME, metric): item for metric, item in all_metrics if item is not None}
    found = refined(pool, tables.types[device], tables.types, Known(shared, before, networks))
    last = known.of_device(pool.predictor.name, pool.metric, device)
    written = _write(_from(found.learnt, sources), found.before, out)
    return replace(
        written,
        seen=shared.devices.get(device, 0),
        upon=known_rows(before),
        others=found.others,
        dropped=_dropped(last, written.calibration),
        left=not_learnt(pool, tables.types),
    )


def _dropped(before: Calibration | None, learnt: Calibration) -> tuple[str, ...]:
    """Return the tables that a device's calibration was learnt from before and no longer is."""
    kept = {entry.table for entry in learnt.provenance}
    whole = before is not None and OF_DEVICE not in {entry.table for entry in before.provenance}
    known = () if before is None or (whole and OF_DEVICE in kept) else before.provenance
    return tuple(entry.table for entry in known if entry.table not in kept)


def _from(learnt: Calibration, sources: tuple[Provenance, ...]) -> Calibration:
    return learnt.model_copy(update={"provenance": (*learnt.provenance, *sources)})


def _alone(pool: Pool, device: str, tell: Callable[[str], None]) -> Calibration:
    """Return what a device's rows teach where nothing is known of others."""
    from aios.cost.learning import Predicted, fit

    levels: tuple[Level, ...] = ("calibrated", "profiled")
    learnt = fit(*pool.taken(pool.usable), pool.predictor, pool.metric, levels)
    told = held_back(pool, "calibrated", None, tell)
    errors = tuple(errors_of(pool, {"calibrated": Predicted(told.value, told.low, told.high)}, pool.usable))
    return learnt.model_copy(update={"device": device, "errors": errors})


def _everything(pool: Pool, tables: MeasuredTables, out: Path, tell: Callable[[str], None]) -> Iterator[Learnt]:
    """Learn from all rows, and yield what was written: what holds for all devices, then what each well-known one adds.

    Intervals and errors are those of rows held back, at each of ``_LEVELS``.
    """
    from aios.cost.learning import Predicted, fit
    from aios.cost.learning.intervals import with_intervals
    from aios.fidelity.keeping import divided

    learnt = fit(*pool.taken(pool.usable), pool.predictor, pool.metric, ())
    told = {level: held_back(pool, level, None, tell) for level in _LEVELS}
    judged = {level: Predicted(item.value, item.low, item.high) for level, item in told.items()}
    design, target, families = pool.taken(pool.usable)
    off = {level: target - item.value[pool.usable] for level, item in judged.items()}
    learnt = with_intervals(learnt, design, families, off)
    seen = _seen(pool, tables)
    enough = {name: count for name, count in seen.items() if count >= _FEWEST_OF_DEVICE}
    learnt = learnt.model_copy(
        update={
            "residuals": tuple(item for item in learnt.residuals if not _is_of_source(item.stratum, pool)),
            "errors": tuple(errors_of(pool, judged, pool.usable)),
            "provenance": provenance_of(pool, tables.readings),
            "devices": seen,
            "makers": _makers(learnt, pool, tables),
        }
    )
    shared, *own = divided(learnt, enough)
    yield replace(_write(shared, None, out), left=not_learnt(pool, tables.types))
    for item in own:
        rows = pool.usable & (pool.devices == item.device)
        errors = {error.level: error for error in errors_of(pool, judged, rows) if not error.table}
        yield _write(item.model_copy(update={"errors": tuple(errors.values())}), errors.get("zero-shot"), out)


def _is_of_source(stratum: str, pool: Pool) -> bool:
    """Say whether a group of residuals can never be asked for again: it is of one of these tables, or of a device under
    its bare name (a device's residuals are kept under ``DEVICE_STRATUM``)."""
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


def _write(learnt: Calibration, before: LearntError | None, out: Path) -> Learnt:
    from aios.fidelity.keeping import calibration_text, file_name

    path = out / file_name(learnt)
    save(path, calibration_text(learnt))
    return Learnt(path, learnt, before)


def _too_few(few: Sequence[tuple[str, str, str, int]], unusable: Sequence[NotLearnt]) -> Diagnostic:
    """Say that too little can be learnt from. unusable: as of ``_nothing``"""
    from aios.fidelity.protocol import FEWEST_KNOWN

    device, predictor, metric, rows = max(few, key=lambda item: item[-1])
    reasons = [f"{rows} can be used; a device counts as known from {FEWEST_KNOWN} on", *_why_unusable(unusable)]
    return Diagnostic(
        summary=f"too few rows to learn {predictor} {metric} of {device} from",
        reason="; ".join(dict.fromkeys(reasons)),
        remedy="measure more models, best of several families",
    )


def _nothing(device: str | None, tables: MeasuredTables, only: str | None, unusable: Sequence[NotLearnt]) -> Diagnostic:
    """Say why nothing can be learnt. unusable: of each measured column of the device, rows that cannot be used"""
    whose = "nothing can be learnt" if device is None else f"nothing can be learnt of {device}"
    reasons = [f"{item.table}: {item.reason}" for item in tables.readings if item.reason]
    if unusable and not reasons:
        return Diagnostic(summary=whose, reason="; ".join(dict.fromkeys(_why_unusable(unusable))) or None)
    unknown = sorted({name for item in tables.readings for name in item.unknown})
    seen = sorted(tables.types.keys() - {device})
    reason = reasons[0] if reasons else f"no row of it is there; there are rows of: {', '.join(seen[:12]) or 'nothing'}"
    if unknown and not reasons:
        reason += f"; not in the catalogue, or not clear which: {', '.join(unknown[:12])}"
    remedy = "docs/fidelity.md tells how a form says what the columns of a table mean" if reasons else None
    if only is not None and not reasons:
        remedy = f"leave out `--predictor {only}`"
    return Diagnostic(summary=whose, reason=reason, remedy=remedy)


def _why_unusable(unusable: Sequence[NotLearnt]) -> Iterator[str]:
    for rows in unusable:
        for table, names in rows.unknown_models.items():
            yield f"{table}: too little is known of {', '.join(names[:_MOST_NAMES])}"
        yield from (f"{item.table}:{item.line}: {item.text}" for item in rows.impossible[:_MOST_ROWS])
