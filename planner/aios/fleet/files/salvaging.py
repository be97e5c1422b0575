"""What is left of a fleet document with mistakes in its form: enough to find also those that show between its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from aios.fleet.forms.fleet import DeviceForm, FleetForm, NodeForm
from aios.records.document import API_VERSION, Document

__all__ = ["salvaged"]

_NOBODY = "not-well-written-{}"
"""Name of what has none, or none that could be."""


def salvaged(document: Document) -> FleetForm:
    """Return the fleet that a document would hold if what is wrong in it were left out.

    Nodes and device types keep their positions; of those with a mistake only names and types are taken. Connections
    and caps are left out: they would be compared with what is no longer there.
    """
    written = document.data.get("spec")
    spec: dict[str, Any] = written if isinstance(written, dict) else {}
    nodes = [_or_less(NodeForm, item, _node(item, index)) for index, item in enumerate(_list(spec.get("nodes")))]
    types = [_or_less(DeviceForm, item, _type(item, index)) for index, item in enumerate(_list(spec.get("devices")))]
    include = spec.get("include")
    paths = [include] if isinstance(include, str) else [path for path in _list(include) if isinstance(path, str)]
    content = {"nodes": nodes, "devices": types} | ({"include": paths} if paths else {})
    head = {"apiVersion": API_VERSION, "kind": "Fleet", "metadata": {"name": "fleet"}}
    return FleetForm.model_validate({**head, "spec": content})


def _or_less(model: type[BaseModel], written: Any, less: dict[str, Any]) -> Any:
    """Return what is written if it is well written; else its name, if that is, with ``less``."""
    named = {**less, "name": written["name"]} if isinstance(written, dict) and "name" in written else less
    return next((item for item in (written, named) if _is(model, item)), less)


def _node(written: Any, index: int) -> dict[str, Any]:
    return {"name": _NOBODY.format(index), "devices": list(_slots(written))}


def _slots(written: Any) -> Iterator[Any]:
    for slot in _list(written.get("devices")) if isinstance(written, dict) else ():
        if not isinstance(slot, dict):
            return  # those behind it keep their positions no longer
        kept = {"type": slot.get("type")}
        if not _is(NodeForm, {"name": "a", "devices": [kept]}):
            return
        yield kept


def _type(written: Any, index: int) -> dict[str, Any]:
    kind = written.get("kind") if isinstance(written, dict) else None
    less = {"name": _NOBODY.format(index), "kind": kind}
    return less if _is(DeviceForm, less) else {**less, "kind": "other"}


def _list(written: Any) -> list[Any]:
    return written if isinstance(written, list) else []


def _is(model: type[BaseModel], written: Any) -> bool:
    try:
        model.model_validate(written)
    except ValidationError:
        return False
    return True
