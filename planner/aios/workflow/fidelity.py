"""fidelity: predictions against measured tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.records.calibration import Calibration
from aios.records.errors import Diagnostic, UsageError
from aios.records.forms import nearest
from aios.records.observation import Level
from aios.workflow import stopping
from aios.workflow.deciding import UNDECIDED, Row, nothing_to_choose, rounded, with_decisions
from aios.workflow.judging import HeldBack, held_back
from aios.workflow.measuredtables import MeasuredTables, read_tables
from aios.workflow.pooling import Part, Pool, pooled

if TYPE_CHECKING:
    from aios.fidelity import Predictions
    from aios.records.observation import Floats

__all__ = ["LEVELS", "Report", "Request", "Row", "fidelity", "one_predictor", "request"]

LEVELS: tuple[Level, ...] = ("zero-shot", "calibrated", "profiled")


@dataclass(frozen=True)
class Request:
    """What to judge. data: folder or file · table: pattern of paths · predictor: one only · regret: also decide"""

    data: Path
    table: str | None = None
    levels: tuple[Level, ...] = LEVELS
    predictor: str | None = None
    regret: bool = True
    seed: int = 0


def request(
    data: Path, table: str | None, levels: Sequence[str], predictor: str | None, regret: bool, seed: int
) -> Request:
    """Return a request in the words of a user. Raises UsageError for a level or a predictor that does not exist."""
    known: dict[str, Level] = {level: level for level in LEVELS}
    for level in levels:
        _one_of("level", level, tuple(known))
    one_predictor(predictor)
    chosen = tuple(known[level] for level in LEVELS if level in levels) or LEVELS
    return Request(data, table, chosen, predictor, regret, seed)


def one_predictor(name: str | None) -> None:
    """Raise UsageError for a predictor that does not exist; None: nobody asks for one."""
    from aios.cost.predictors import PREDICTORS

    if name is not None:
        _one_of("predictor", name, tuple(PREDICTORS))


def _one_of(what: str, name: str, names: Sequence[str]) -> None:
    """Raise UsageError where ``name`` is not among the ``names`` that there are of ``what``."""
    if name in names:
        return
    near = nearest(name, names)
    meant = f"did you mean `{near}`? " if near else ""
    raise UsageError(Diagnostic(summary=f"there is no {what} `{name}`", remedy=f"{meant}known: {', '.join(names)}"))


@dataclass(frozen=True)
class Report:
    """What was found.

    skipped: table -> why nothing of it is predicted · failed: predictor and metric -> its error · suspicious: table ->
    lines of rows that are better or worse than can be true · unknown_models: table -> those of rows that cannot be
    predicted · undecided: table -> why choices that its forms state decide nothing
    """

    rows: tuple[Row, ...]
    tables: MeasuredTables
    skipped: Mapping[str, str]
    failed: Mapping[str, str]
    suspicious: Mapping[str, Sequence[int]]
    unknown_models: Mapping[str, Sequence[str]]
    undecided: Mapping[str, Sequence[str]]

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON document."""
        return {
            "tables": [row.as_json() for row in self.rows],
            "lines": {item.table: item.counts._asdict() for item in self.tables.readings if item.reason is None},
            "skipped": [{"table": table, "reason": reason} for table, reason in self.skipped.items()],
            "failed": dict(self.failed),
            "unknown_devices": {item.table: list(item.unknown) for item in self.tables.readings if item.unknown},
            "unknown_models": {table: list(names) for table, names in self.unknown_models.items()},
            "suspicious": {table: list(lines) for table, lines in self.suspicious.items()},
            "undecided_choices": {table: list(reasons) for table, reasons in self.undecided.items()},
        }


def fidelity(
    request: Request, shipped: Callable[[str, str], Calibration | None], tell: Callable[[str], None]
) -> Report:
    """Return how far predictions are from what the tables of a folder say. Raises InputError.

    shipped: predictor and metric -> what is known of them without these tables
    """
    tables = _asked_for(read_tables(request.data, request.table, tell), request.predictor)
    failed: dict[str, str] = {}
    found = _Found([], {}, {}, {})
    for (name, metric), parts in _by_target(tables, request.predictor).items():
        try:
            _judge(name, metric, parts, tables, request, shipped, found, tell)
        except Exception as error:  # a predictor's failure is told; the others' results still stand
            if stopping.asked():
                raise
            failed[f"{name} {metric}"] = f"{type(error).__name__}: {error}"
    rows = found.rows
    if request.regret:
        tell("drawing intents")
        rows = with_decisions(rows, tables, found.judged, request.seed)
    undecided = nothing_to_choose(rows, tables) if request.regret else {}
    order = {reading.table: place for place, reading in enumerate(tables.readings)}
    rows.sort(key=lambda row: (order[row.table], row.predictor, row.metric, LEVELS.index(row.level)))
    told = {row.table for row in rows}
    skipped = {item.table: item.reason or "its predictor failed" for item in tables.readings if item.table not in told}
    suspicious = {table: sorted(found.suspicious[table]) for table in order if table in found.suspicious}
    unknown = {table: sorted(found.unknown[table]) for table in order if table in found.unknown}
    return Report(tuple(rows), tables, skipped, failed, suspicious, unknown, undecided)


class _Found(NamedTuple):
    """What judging one pool after the other adds up to; see ``Report``. judged: table and level -> metric -> parts"""

    rows: list[Row]
    judged: dict[tuple[str, Level], dict[str, list[Predictions]]]
    suspicious: dict[str, set[int]]
    unknown: dict[str, set[str]]


def _asked_for(tables: MeasuredTables, only: str | None) -> MeasuredTables:
    """Return the tables without those that nothing is asked of, where one predictor alone is."""
    readings = [
        item
        for item in tables.readings
        if only is None or item.reason is not None or any(rows.predictor == only for rows in item.observations)
    ]
    return MeasuredTables(tuple(readings), tables.types)


def _by_target(tables: MeasuredTables, only: str | None) -> dict[tuple[str, str], list[Any]]:
    found: dict[tuple[str, str], list[Any]] = {}
    for rows, form in tables.parts():
        if only in (None, rows.predictor):
            found.setdefault((rows.predictor, rows.metric), []).append((rows, form))
    return found


def _judge(
    name: str,
    metric: str,
    parts: Sequence[Any],
    tables: MeasuredTables,
    request: Request,
    shipped: Callable[[str, str], Calibration | None],
    found: _Found,
    tell: Callable[[str], None],
) -> None:
    from aios.cost.predictors import predictor

    pool = pooled(predictor(name), metric, parts, tables.types)
    by_table: dict[str, list[Part]] = {}
    for part in pool.parts:
        by_table.setdefault(part.observations.table, []).append(part)
    for level in request.levels:
        told = held_back(pool, level, shipped(name, metric) if level == "zero-shot" else None, tell)
        for part in pool.parts:
            judged = found.judged.setdefault((part.observations.table, level), {})
            judged.setdefault(metric, []).append(_predictions(pool, part, told))
        found.rows.extend(_row(pool, table, own, level, told) for table, own in by_table.items())
    for table, lines in pool.suspicious_lines().items():
        found.suspicious.setdefault(table, set()).update(lines)
    for table, names in pool.unpredictable_models().items():
        found.unknown.setdefault(table, set()).update(names)


def _predictions(pool: Pool, part: Part, found: HeldBack) -> Predictions:
    import numpy as np

    from aios.fidelity import Predictions

    value, low, high, roofline = (
        _value(pool, part, column) for column in (found.value, found.low, found.high, found.roofline)
    )
    return Predictions(part.observations, value, np.minimum(low, high), np.maximum(low, high), roofline)


def _value(pool: Pool, part: Part, target: Floats) -> Floats:
    """Return targets of a part as values of its metric; NaN stays NaN."""
    import numpy as np

    own = target[part.rows]
    return np.where(np.isnan(own), np.nan, pool.predictor.value(part.observations, own))


def _row(pool: Pool, table: str, parts: Sequence[Part], level: Level, found: HeldBack) -> Row:
    import numpy as np

    from aios.fidelity import score
    from aios.fidelity.scoring import right_of

    told = [_predictions(pool, part, found) for part in parts]
    measured = np.concatenate([part.observations.values for part in parts])
    value, low, high = (np.concatenate([getattr(item, name) for item in told]) for name in ("value", "low", "high"))
    seen = np.isfinite(value)
    whole = _whole(pool, parts, measured, value)
    result = score(measured[seen], value[seen], low[seen], high[seen], whole and (whole[0][seen], whole[1][seen]))
    figures: dict[str, Any] = {name: rounded(number) for name, number in result._asdict().items()}
    figures["suspicious"] = int(sum(pool.suspicious[part.rows].sum() for part in parts))
    if pool.metric == "fits":
        ran, refused = right_of(measured[seen], value[seen])
        figures |= dict.fromkeys(("median_ape", "p90_ape", "bias", "coverage", "width", "median_error"))
        figures |= {"ran_admitted": rounded(ran), "out_of_memory_refused": rounded(refused)}
    figures |= UNDECIDED
    relative = pool.predictor.scale == "log" and pool.metric != "fits"
    figures["references"] = _references(pool, parts, measured, found) if relative else {}
    if found.learnt_from is not None and seen.any():
        figures["learnt_from"] = found.learnt_from
    return Row(table, pool.predictor.name, pool.metric, level, figures, _unpredicted(pool, parts, seen, level, found))


def _references(pool: Pool, parts: Sequence[Part], measured: Floats, found: HeldBack) -> dict[str, Any]:
    """Return the median error of simpler ways on the same rows."""
    import numpy as np

    from aios.fidelity import score

    got = {}
    for name, target in (("roofline", found.roofline), ("regression", found.regression)):
        value = np.concatenate([_value(pool, part, target) for part in parts])
        seen = np.isfinite(value)
        if seen.any():
            result = score(measured[seen], value[seen], value[seen], value[seen])
            got[name] = {"rows": result.rows, "median_ape": rounded(result.median_ape)}
    return got


def _whole(pool: Pool, parts: Sequence[Part], measured: Floats, value: Floats) -> tuple[Floats, Floats] | None:
    """Return what differences around zero lead to: accuracies as shares of the unchanged model's, or as they are
    measured where the table states the unchanged model's."""
    import numpy as np

    if pool.predictor.scale == "log":
        return None
    known = np.concatenate([part.observations.number("reference_accuracy") for part in parts])
    whole = np.where(np.isfinite(known), 0.0, 1.0)
    return whole + measured, whole + value


def _unpredicted(pool: Pool, parts: Sequence[Part], seen: Any, level: Level, found: HeldBack) -> dict[str, int]:
    import numpy as np

    unknown = np.concatenate([pool.design.unknown[part.rows] for part in parts])
    suspicious = np.concatenate([pool.suspicious[part.rows] for part in parts])
    alone = found.reason or f"nothing that {level} may know was measured"
    reasons = np.where(unknown != "", unknown, np.where(suspicious, "better or worse than can be true", alone))
    names, counts = np.unique(reasons[~seen], return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
