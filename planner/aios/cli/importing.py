"""hardware import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.cli.exits import Exit
from aios.cli.output import as_json, save_text
from aios.cli.words import Ink, counted, harmless, table
from aios.records.errors import Diagnostic, UsageError

if TYPE_CHECKING:
    from aios.fleet.imports.assemble import Assembled
    from aios.fleet.imports.recognising import Row

__all__ = ["Asked", "import_fleet"]

_MOST_ROWS = 40
"""Rows of the table of devices, and sentences of each kind, that are printed; ``--json`` has all."""


class Asked(NamedTuple):
    """The command line of ``import``."""

    kind: str | None
    files: tuple[str, ...]
    out: Path | None
    options: tuple[str, ...]
    aliases: tuple[str, ...]
    name: str | None
    strict: bool
    force: bool


def import_fleet(asked: Asked, stdin: Callable[[], bytes], *, json: bool, json_into: Path | None) -> int:
    """Print or write the fleet that a description amounts to, and say what became of its devices."""
    from aios.workflow.importing import find_importer, import_inventory, save_fleet

    if asked.kind is None:
        return _list_kinds(json=json)
    if not asked.files:
        raise UsageError(
            Diagnostic(summary="no file is named", remedy="name files, or - for standard input", command=_help())
        )
    options = dict(_pair(text, "--option", "NAME=VALUE") for text in asked.options)
    aliases = dict(_pair(text, "--as", "WRITTEN=TYPE") for text in asked.aliases)
    imported = import_inventory(find_importer(asked.kind), asked.files, options, aliases, asked.name, stdin)
    assembled = imported.assembled
    if asked.out is not None:
        save_fleet(asked.out, imported.text, force=asked.force)
    if json_into is not None:
        save_text(json_into, as_json(assembled))
    sys.stderr.write(harmless(_told(assembled, asked.out)))
    sys.stdout.write(as_json(assembled) if json else imported.text if asked.out is None else "")
    return Exit.INPUT if asked.strict and assembled.unmatched else Exit.DONE


def _help() -> str:
    return "aios hardware import --help"


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=") if option == "--as" else text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{option} takes {form}, not `{text}`")
    return name.strip(), value.strip()


def _list_kinds(*, json: bool) -> int:
    from aios.cli.output import emit
    from aios.workflow.importing import kinds

    found, broken = kinds()
    lines: list[str] = []
    document: dict[str, dict[str, object]] = {}
    for name, importer in found.items():
        lines += [f"{name}: {importer.title}", f"  such as  {importer.example}"]
        lines += [f"  --option {option}=...  {meaning}" for option, meaning in importer.options.items()]
        document[name] = {"title": importer.title, "example": importer.example, "options": importer.options}
    for name, why in broken.items():
        lines.append(f"{name}: cannot be used: {harmless(why)}")
        document[name] = {"broken": why}
    emit("\n".join(lines), document, json=json)
    return Exit.DONE


def _told(assembled: Assembled, out: Path | None) -> str:
    ink = Ink(sys.stderr)
    fleet = assembled.fleet
    machines = sum(node.count for node in fleet.nodes)
    devices = sum(row.devices for row in (*assembled.matched, *assembled.unmatched))
    classes = counted(len(fleet.nodes), "class", "classes")
    lines = [f"{counted(machines, 'machine')} in {classes}, {counted(devices, 'device')}"]
    if assembled.matched:
        lines += [ink("matched", "bold"), _rows(assembled.matched, ink)]
    if assembled.unmatched:
        lines += [ink("not matched", "yellow") + ": kept as types of their own, of which only what was read is known"]
        lines += [_rows(assembled.unmatched, ink), *_why(assembled.unmatched)]
    lines += _sentences("left out", assembled.left_out, ink)
    lines += _sentences("notes", assembled.notes, ink)
    if out is not None:
        lines.append(f"written to {out}")
    return "\n".join(lines) + "\n"


def _rows(rows: Sequence[Row], ink: Ink) -> str:
    cells = [
        [f"  {harmless(row.written)}", harmless(row.type), str(row.machines), str(row.devices)]
        for row in rows[:_MOST_ROWS]
    ]
    text = table(["  WRITTEN", "DEVICE TYPE", "MACHINES", "DEVICES"], cells, ink)
    return text + _more(len(rows) - _MOST_ROWS)


def _why(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows[:_MOST_ROWS]:
        offered = f": {', '.join(row.candidates)}" if row.candidates else ""
        offered += f"; similar: {', '.join(row.nearest)}" if row.nearest else ""
        yield f"  {harmless(row.written)}: {row.why}{offered}"
    first = next((row for row in rows if row.candidates), rows[0])
    named = (first.candidates or first.nearest or ("TYPE",))[0]
    yield f"  to say what it is: --as '{harmless(first.written)}={named}'"


def _sentences(title: str, sentences: Sequence[str], ink: Ink) -> list[str]:
    shown = [f"  {harmless(text)}" for text in sentences[:_MOST_ROWS]]
    return [ink(title, "bold"), *shown, *_more(len(sentences) - _MOST_ROWS).splitlines()[1:]] if shown else []


def _more(left: int) -> str:
    return f"\n  ... and {left} more (--json lists all)" if left > 0 else ""
