"""Reading folders of measured tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from aios import catalogue
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType
from aios.records.observation import Observations
from aios.workflow.shipped import shipped_catalogue

if TYPE_CHECKING:
    from aios.fleet import Catalogue
    from aios.tables import Reading, TableForm

__all__ = ["MeasuredTables", "forms_beside", "known_names", "read_tables"]

_ENDINGS = (".csv", ".csv.gz")


@dataclass(frozen=True)
class MeasuredTables:
    """What was read. readings: one for each file, also those that no form fits · types: devices that rows are of"""

    readings: tuple[Reading, ...]
    types: Mapping[str, DeviceType]

    def parts(self) -> Iterator[tuple[Observations, TableForm]]:
        """Yield all measured columns with the forms that read them."""
        for reading in self.readings:
            yield from zip(reading.observations, reading.forms, strict=True)


def known_names(devices: Catalogue) -> Callable[[str], str | None]:
    """Return what tells the catalogue's name of a device from what a table calls it."""

    def identify(written: str) -> str | None:
        if written in devices:
            return written
        found = devices.names.identify(written).type
        return found.name if found else None

    return identify


def forms_beside(folder: Path) -> tuple[TableForm, ...]:
    """Return the forms of a folder, which come first, and those that ship with aios. Raises InputError."""
    from aios.cost.predictors import PREDICTORS
    from aios.tables import load_forms

    own = load_forms(folder, PREDICTORS)
    names = {form.name for form in own}
    shipped = load_forms(catalogue.root() / "tables", PREDICTORS)
    return (*own, *(form for form in shipped if form.name not in names))


def read_tables(folder: Path, pattern: str | None, tell: Callable[[str], None]) -> MeasuredTables:
    """Return what the tables of a folder hold, or of one file. Raises InputError where there is none at all.

    pattern: of paths inside the folder; None: all
    """
    from aios.tables import Reading, read_table

    paths = list(_tables_of(folder, pattern))
    base = folder.parent if folder.is_file() else folder
    devices, forms = shipped_catalogue(), forms_beside(base)
    identify, beside = known_names(devices), _others(folder)
    readings = []
    for path in paths:
        name = path.relative_to(base).as_posix()
        tell(f"reading {name}")
        try:
            readings.append(_described(read_table(path, forms, identify, name, beside)))
        except InputError as error:
            if folder.is_file():
                raise
            readings.append(Reading(name, reason=error.diagnostics[0].summary))
    return MeasuredTables(tuple(readings), _types(readings, devices))


def _described(reading: Reading) -> Reading:
    """Return the rows with the structure of the transformers that they name, where a predictor goes by that.

    What is served may be taken as a typical model of the size in its name; what is trained has to be known.
    """
    from aios.models.transformers import transformer_like, transformer_named
    from aios.records.structures import described

    finders = {
        "serving": transformer_like,
        "power": transformer_like,
        "step": transformer_named,
        "memory": transformer_named,
    }
    found = (
        described(rows, finders[rows.predictor]) if rows.predictor in finders else rows for rows in reading.observations
    )
    return replace(reading, observations=tuple(found))


def _others(folder: Path) -> Callable[[str], Path | None]:
    """Return what finds another table by a pattern of its path: anywhere in the folder, or beside a single file."""
    from aios.tables.reading import is_meant

    alone = folder.is_file()
    base = folder.parent if alone else folder
    names = {path.relative_to(base).as_posix(): path for path in _files_of(base, deep=not alone)}

    def find(pattern: str) -> Path | None:
        wanted = pattern.rpartition("/")[2] if alone else pattern
        return next((path for name, path in names.items() if is_meant(name, wanted)), None)

    return find


def _files_of(folder: Path, deep: bool = True) -> list[Path]:
    start = "**/" if deep else ""
    return sorted(path for ending in _ENDINGS for path in folder.glob(f"{start}*{ending}") if path.is_file())


def _tables_of(folder: Path, pattern: str | None) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    if not folder.is_dir():
        raise InputError(Diagnostic(summary=f"there is no folder {folder}", remedy="name a folder with tables (CSV)"))
    found = _files_of(folder)
    chosen = [path for path in found if pattern is None or _fits(path.relative_to(folder).as_posix(), pattern)]
    if not chosen:
        what = f"{folder} holds no table" if pattern is None else f"no table of {folder} is called like `{pattern}`"
        known = ", ".join(path.relative_to(folder).as_posix() for path in found[:8])
        remedy = f"there are: {known}" if known else "tables are files that end in .csv or .csv.gz"
        raise InputError(Diagnostic(summary=what, remedy=remedy))
    yield from chosen


def _fits(name: str, pattern: str) -> bool:
    bare = name.removesuffix(".gz").removesuffix(".csv")
    return any(fnmatch(item, pattern) for item in (name, bare, name.rpartition("/")[2], bare.rpartition("/")[2]))


def _types(readings: Sequence[Reading], devices: Catalogue) -> dict[str, DeviceType]:
    """Return the types that rows are of; raises InputError for a form that names one which nobody knows."""
    found: dict[str, DeviceType] = {}
    problems: dict[tuple[str, str], Diagnostic] = {}
    for reading in readings:
        for rows, form in zip(reading.observations, reading.forms, strict=True):
            for name in {str(name) for name in set(rows.types.tolist()) if name} - found.keys():
                if name in devices:
                    found[name] = devices[name]
                    continue
                near = ", ".join(f"`{item}`" for item in devices.names.nearest(name))
                problems[form.file, name] = Diagnostic(
                    summary=f"{form.file}: there is no device type `{name}`",
                    remedy=f"did you mean {near}?" if near else None,
                    command="aios hardware list",
                )
    if problems:
        raise InputError(*problems.values())
    return found
