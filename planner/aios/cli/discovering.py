"""hardware discover: what this machine is, what that rests on, and what was looked for in vain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aios.cli.output import emit, save_text
from aios.cli.progress import Progress
from aios.cli.words import Ink, harmless, shown
from aios.records.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from aios.workflow.discovering import Discovered

__all__ = ["discover"]

_GROUPS = {"cpu": "processor", "memory": "memory", "disks": "disks"}
_OTHERS = "accelerators"


def discover(out: Path | None, *, measure: bool, force: bool, json: bool, json_into: Path | None) -> int:
    """Write the fleet file to ``out`` and tell what was found, or print the file and tell it on stderr.

    Raises InputError for an ``out`` that is a folder, or is there and not to be overwritten (``force``), WorldError for
    one that cannot be written.
    """
    from aios.fleet import fleet_text
    from aios.workflow.discovering import discover_fleet

    if out is not None and out.is_dir():
        remedy = f"name a file, such as `{out / 'fleet.yaml'}`"
        raise InputError(Diagnostic(summary=f"{out} is a folder", remedy=remedy))
    if out is not None and out.exists() and not force:
        command = f"aios hardware discover -o {out} --force"
        raise InputError(
            Diagnostic(summary=f"{out} is there already", remedy="name another file, or overwrite it", command=command)
        )
    with Progress("discover", quiet=not sys.stderr.isatty()) as progress:
        found = discover_fleet(measure=measure, tell=progress, now=True)
    text = fleet_text(found.fleet)
    if out is not None:
        save_text(out, text)
    words = "\n".join(_words(found, Ink(sys.stderr if out is None else sys.stdout)))
    missing = {name: item.missing for name, item in found.discoveries.items()} | {"catalogue": found.doubts}
    document = {
        "found": {name: item.seen for name, item in found.discoveries.items() if item.seen},
        "missing": {name: lines for name, lines in missing.items() if lines},
        "fleet": found.fleet,
        "written": None if out is None else str(out),
    }
    if out is None and not json:
        print(shown(words, Ink(sys.stderr)), file=sys.stderr)
    emit(text if out is None else f"{words}\nwritten\n  {out}", document, json=json, json_into=json_into)
    return 0


def _words(found: Discovered, ink: Ink) -> Iterator[str]:
    for title in (*_GROUPS.values(), _OTHERS):
        lines = [line for name, item in found.discoveries.items() if _group(name) == title for line in item.seen]
        if lines:
            yield ink(title, "bold")
            yield from (f"  {ink('✔', 'green')} {harmless(line)}" for line in lines)
    if found.missing:
        yield ink("not found", "bold")
        yield from (f"  {ink('-', 'dim')} {harmless(line)}" for line in found.missing)


def _group(probe: str) -> str:
    return _GROUPS.get(probe, _OTHERS)
