"""init: this machine as a fleet file, and an intent to start from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aios import catalogue
from aios.records.fleet import Fleet
from aios.workflow.discovering import discover_fleet
from aios.workflow.saving import save

__all__ = ["Started", "start"]

_STARTER = "minimum-power.yaml"
_MODELS = "./models/small.onnx, ./models/medium.onnx, ./models/large.onnx"
_SCHEMA = ("$schema=../schemas/intent.schema.json", "$schema=.aios/intent.schema.json")
_DATA = r"  (data:|  evaluate:|  calibrate:)"
"""The lines of the starter that name data files; the first one has no file."""


@dataclass(frozen=True)
class Started:
    """What init found and wrote. seen, missing: one sentence each · intent: the file to go on with."""

    fleet: Fleet
    seen: tuple[str, ...]
    missing: tuple[str, ...]
    written: tuple[str, ...]
    intent: str


def start(folder: Path, tell: Callable[[str], None]) -> Started:
    """Look at this machine and write ``fleet.yaml`` and, unless one is there, ``intent.yaml``. Raises WorldError."""
    from aios.fleet import fleet_text
    from aios.state import make_folder

    make_folder(folder)
    found = discover_fleet(measure=True, tell=tell)
    schema, intent = folder / ".aios" / "intent.schema.json", folder / "intent.yaml"
    texts = {
        folder / "fleet.yaml": fleet_text(found.fleet),
        schema: (catalogue.root() / "schemas" / schema.name).read_text(),
    }
    if not intent.exists():
        texts[intent] = _starter(folder)
    for path, text in texts.items():
        save(path, text)
    return Started(found.fleet, found.seen, found.missing, tuple(map(str, texts)), str(intent))


def _starter(folder: Path) -> str:
    """Return a first intent; it names the models and data that are there, or shows where to put them."""
    text = (catalogue.root() / "intents" / _STARTER).read_text().replace(*_SCHEMA)
    models = sorted(path.relative_to(folder) for path in (*folder.glob("*.onnx"), *folder.glob("models/*.onnx")))
    if not models:
        return text
    text = text.replace(_MODELS, ", ".join(f"./{path}" for path in models))
    lines = text.splitlines(keepends=True)
    data = [number for number, line in enumerate(lines) if re.match(_DATA, line)]
    if not all((folder / line.split()[1]).exists() for line in (lines[number] for number in data[1:])):
        for number in data:
            lines[number] = f"  # {lines[number].removeprefix('  ')}"
    return "".join(lines)
