"""init: this machine as a fleet file, and an intent to start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aios import catalogue
from aios.records.fleet import Fleet
from aios.workflow.reading import discover_fleet
from aios.workflow.saving import save

__all__ = ["Started", "start"]

_STARTER = "minimum-power.yaml"
_MODEL_LINE = "  model: {anyOf: [./models/small.onnx, ./models/medium.onnx, ./models/large.onnx]}\n"
_SCHEMA_LINE = "$schema=../schemas/intent.schema.json"


@dataclass(frozen=True)
class Started:
    """What init found and wrote. seen, missing: one sentence each."""

    fleet: Fleet
    seen: tuple[str, ...]
    missing: tuple[str, ...]
    written: tuple[str, ...]


def start(folder: Path, tell: Callable[[str], None]) -> Started:
    """Look at this machine and write ``fleet.yaml`` and ``intent.yaml`` into ``folder``. Raises WorldError."""
    from aios.fleet import fleet_text

    fleet, seen, missing = discover_fleet(measure=True, tell=tell)
    folder.mkdir(parents=True, exist_ok=True)
    schema = folder / ".aios" / "intent.schema.json"
    texts = {
        folder / "fleet.yaml": fleet_text(fleet),
        schema: (catalogue.root() / "schemas" / schema.name).read_text(),
        folder / "intent.yaml": _starter(folder),
    }
    for path, text in texts.items():
        save(path, text)
    return Started(fleet, seen, missing, tuple(map(str, texts)))


def _starter(folder: Path) -> str:
    """Return a first intent; it names the models that are there, or shows where to put them."""
    text = (catalogue.root() / "intents" / _STARTER).read_text()
    models = sorted(path.relative_to(folder) for path in (*folder.glob("*.onnx"), *folder.glob("models/*.onnx")))
    text = text.replace(_SCHEMA_LINE, "$schema=.aios/intent.schema.json")
    if models:
        text = text.replace(_MODEL_LINE, f"  model: {{anyOf: [{', '.join(f'./{path}' for path in models)}]}}\n")
    return text
