"""hardware import: somebody else's description of machines as a fleet file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic, InputError, WorldError
from aios.spi.importer import Importer
from aios.spi.texts import MOST_BYTES
from aios.workflow.saving import save
from aios.workflow.shipped import shipped_catalogue

if TYPE_CHECKING:
    from aios.fleet.imports.assemble import Assembled

__all__ = ["Imported", "Kinds", "find_importer", "import_inventory", "kinds", "save_fleet"]

_STDIN = "-"


@dataclass(frozen=True)
class Imported:
    """What was made of a description. text: the fleet file."""

    assembled: Assembled
    text: str


class Kinds(NamedTuple):
    """The installed importers by name. broken: why one does not load"""

    importers: Mapping[str, Importer]
    broken: Mapping[str, str]


def kinds() -> Kinds:
    """Return every installed importer; one that does not load is told and hides no other."""
    from aios.spi import registry

    found: dict[str, Importer] = {}
    broken: dict[str, str] = {}
    for plugin in registry.installed("aios.importers"):
        try:
            found[plugin.name] = registry.load("aios.importers", plugin.name)
        except WorldError as error:
            broken[plugin.name] = str(error)
    return Kinds(found, broken)


def find_importer(kind: str) -> Importer:
    """Return the installed importer of that name.

    Raises InputError with those that there are, WorldError for one that does not load.
    """
    from aios.records.forms import nearest
    from aios.spi import registry

    known = [plugin.name for plugin in registry.installed("aios.importers")]
    if kind not in known:
        near = nearest(kind, known)
        meant = f"did you mean `{near}`? " if near else ""
        raise InputError(
            Diagnostic(
                summary=f"no importer reads `{kind}`",
                remedy=f"{meant}known: {', '.join(known)}",
                command="aios hardware import",
            )
        )
    importer: Importer = registry.load("aios.importers", kind)
    return importer


def import_inventory(
    importer: Importer,
    files: Sequence[str],
    options: Mapping[str, str],
    aliases: Mapping[str, str],
    name: str | None,
    stdin: Callable[[], bytes],
) -> Imported:
    """Read ``files`` as the importer does and put a fleet together that aios can read. Raises InputError.

    options: for the importer · aliases: what a device is written as -> its type · name: of the fleet; by default as the
    description calls it, or as the first file is called
    """
    from aios.fleet.imports.assemble import assemble
    from aios.fleet.imports.checking import checked_text

    _check_options(importer, options)
    texts = _texts(files, stdin)
    inventory = importer.read(texts, options)
    called = name or inventory.name or (Path(files[0]).stem if files[0] != _STDIN else importer.name)
    entries = shipped_catalogue()
    origin = ", ".join(texts)
    assembled = assemble(inventory.model_copy(update={"name": called}), entries, aliases, origin)
    return Imported(assembled, checked_text(assembled, entries))


def save_fleet(path: Path, text: str, *, force: bool) -> None:
    """Write a fleet file. Raises InputError for one that is there already, unless ``force``."""
    if path.exists() and not force:
        raise InputError(
            Diagnostic(summary=f"{path} is there already", remedy="choose another name, or overwrite it with --force")
        )
    save(path, text)


def _check_options(importer: Importer, options: Mapping[str, str]) -> None:
    """Refuse options that the importer does not have; one written ``label.X`` stands for all that begin so."""
    families = {name.partition(".")[0] for name in importer.options if "." in name}
    unknown = [
        name
        for name in options
        if name not in importer.options and not ("." in name and name.partition(".")[0] in families)
    ]
    if unknown:
        known = "; ".join(f"{name}: {meaning}" for name, meaning in importer.options.items())
        raise InputError(
            *(
                Diagnostic(
                    summary=f"the importer `{importer.name}` has no option `{name}`",
                    remedy=f"its options are {known}" if known else "it has none",
                )
                for name in unknown
            )
        )


def _texts(files: Sequence[str], stdin: Callable[[], bytes]) -> Mapping[str, bytes]:
    """Return file -> content, in order. Raises InputError with every file that cannot be read."""
    texts: dict[str, bytes] = {}
    problems: list[Diagnostic] = []
    for file in files:
        try:
            content = stdin() if file == _STDIN else _head(Path(file))
            if len(content) > MOST_BYTES:
                problems.append(_too_large(file))
            texts["<stdin>" if file == _STDIN else file] = content
        except OSError as error:
            problems.append(Diagnostic(summary=f"{file} cannot be read", reason=error.strerror))
    if problems:
        raise InputError(*problems)
    return texts


def _head(path: Path) -> bytes:
    """Return what a file holds, and of one that is too large just enough to see that."""
    with path.open("rb") as stream:
        return stream.read(MOST_BYTES + 1)


def _too_large(file: str) -> Diagnostic:
    most = MOST_BYTES // 2**20
    return Diagnostic(summary=f"{file} has more than {most} MiB, which nobody reads", remedy="split it into several")
