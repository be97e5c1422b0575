"""The groups of split services as intents of their own, written down so that they can be planned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from aios.records.document import Document, parse
from aios.records.intent import Intent
from aios.records.metrics import metric
from aios.workflow.pieces import Group
from aios.workflow.reading import Given

__all__ = ["intents_text"]


def intents_text(given: Given, groups: Sequence[Group], planned: Sequence[Intent], folder: Path) -> str | None:
    """Return the intents of ``given`` as YAML documents for a file in ``folder``, one for each group.

    planned: the intents of the groups · None where an intent does not stand in a file as a mapping with a load
    """
    import yaml

    by_name = {intent.name: intent for intent in given.intents}
    of_groups = {intent.name: intent for intent in planned}
    texts = []
    for group in groups:
        document = _document(by_name[group.intent])
        if document is None:
            return None
        data = _moved(document, folder)
        if group.share < 1:
            _cut(data, of_groups[group.name])
        texts.append(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120))
    return "---\n".join(texts)


def _document(intent: Intent) -> Document | None:
    """Return the document that an intent was read from, where its fields are written one by one."""
    file = Path(intent.where.file)
    if not file.is_file():
        return None
    for document in parse(file.read_bytes(), str(file)):
        data = document.data
        if document.kind == "Intent" and data.get("metadata", {}).get("name") == intent.name and "spec" in data:
            return document if isinstance(data["spec"].get("load"), dict) else None
    return None


def _moved(document: Document, folder: Path) -> dict[str, Any]:
    """Return what a document says, with paths that lead from another folder to the same files."""
    data = deepcopy(document.data)
    home = Path(document.file).parent
    for field in ("model", "data"):
        if field in data["spec"]:
            data["spec"][field] = _relative(data["spec"][field], home, folder)
    return data


def _relative(value: Any, home: Path, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: _relative(item, home, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_relative(item, home, folder) for item in value]
    if isinstance(value, str) and not Path(value).is_absolute() and (home / value).is_file():
        path = os.path.relpath(home / value, folder)
        return path if path.startswith("..") else f"./{path}"
    return value


def _cut(data: dict[str, Any], group: Intent) -> None:
    """Give a document the name, the load and the bounds of a group."""
    assert group.load is not None
    data["metadata"]["name"] = group.name
    rates = [f"{rate!r}/s" for rate in group.load.hourly_per_s]
    data["spec"]["load"]["rate"] = rates or f"{group.load.rate_per_s!r}/s"
    require = data["spec"].get("require", {})
    for item in group.require:
        if item.metric in require and item.implied_by is None:
            require[item.metric] = f"{item.bound!r} {metric(item.metric).unit}"
