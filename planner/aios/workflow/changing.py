"""Makes changes to documents right after these were read: everything else treats them as if they stood in the files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aios.records.amended import Misfit, amended, new_document, nothing
from aios.records.checking import dotted
from aios.records.document import Document
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.workflow.changes import Change

__all__ = ["Files", "changed"]

Files = Mapping[str, tuple[Document, ...]]
"""The documents of every file that was read, by the file's name."""

_ROOTS = {"intents": "an intent", "nodes": "a node", "devices": "a device type", "objective": "the objective"}
_FORMS = "`intents.NAME.FIELD`, `nodes.NAME.FIELD`, `devices.NAME.FIELD`, `objective.FIELD`"
_MOST_SHOWN = 8


class _Place(NamedTuple):
    """Where a thing stands: which document of which file, and its fields therein."""

    file: str
    number: int
    path: tuple[str | int, ...]


def changed(files: Files, changes: Sequence[Change], kinds: Mapping[str, str], problems: list[Diagnostic]) -> Files:
    """Return the documents with the changes made, one after the other.

    kinds: device type -> kind, of every type that the fleet has · problems: receives what is wrong with changes that do
    not fit, which are left out
    """
    for change in changes:
        try:
            files = _made(files, change, kinds)
        except InputError as error:
            problems += error.diagnostics
    return files


def _made(files: Files, change: Change, kinds: Mapping[str, str]) -> Files:
    root = str(change.path[0])
    if root not in _ROOTS:
        named = [f"{kind}.{root}" for kind in ("intents", "nodes", "devices") if root in _places(files, kind)]
        near = named[0] if named else nearest(root, tuple(_ROOTS))
        meant = f"did you mean `{near}`? " if near else ""
        raise InputError(change.mistake(0, f"a path does not begin with `{root}`", f"{meant}write {_FORMS}"))
    places = _places(files, root)
    if root == "objective":
        name, used = "what-if", 1
        found = places.get("", [])
    else:
        known = {*places, *(kinds if root == "devices" else ())}
        name, used = _name(change, known)
        found = places.get(name, [])
        if not found and not _can_be_added(change, root, name, used, kinds):
            raise InputError(_unknown(change, root, name, known))
    if not found:
        files, place = _added(files, change, root, name, kinds)
        found = [place]
    for place in reversed(found):
        files = _at(files, change, place, name, used)
    return files


def _places(files: Files, root: str) -> dict[str, list[_Place]]:
    """Return where each thing of a kind stands, by name; the objective has none."""
    found: dict[str, list[_Place]] = {}
    for file, documents in files.items():
        for index, document in enumerate(documents):
            for name, path in _named(document, root):
                if isinstance(name, str):
                    found.setdefault(name, []).append(_Place(file, index, path))
    return found


def _named(document: Document, root: str) -> Iterator[tuple[object, tuple[str | int, ...]]]:
    """Yield the things of a kind in a document: name, and path of its fields."""
    if root == "objective" and document.kind == "Objective":
        yield "", ("spec",)
    elif root == "intents" and document.kind == "Intent":
        yield _value_at(document.data, ("metadata", "name")), ("spec",)
    elif root in ("nodes", "devices") and document.kind == "Fleet":
        items = _value_at(document.data, ("spec", root))
        for index, item in enumerate(items if isinstance(items, list) else ()):
            yield _value_at(item, ("name",)), ("spec", root, index)
    elif root == "devices" and "apiVersion" not in document.data:
        yield document.data.get("name"), ()


def _name(change: Change, known: Collection[str]) -> tuple[str, int]:
    """Return the name after the root, the longest that is known, for names hold dots; and how many steps are used."""
    if len(change.path) == 1 or not isinstance(change.path[1], str):
        raise InputError(change.mistake(0, f"`{change.written}` does not say which", f"write {_FORMS}"))
    pieces: list[str] = []
    found = (change.path[1], 2)
    for step in change.path[1:]:
        if not isinstance(step, str):
            break
        pieces.append(step)
        if ".".join(pieces) in known:
            found = (".".join(pieces), 1 + len(pieces))
    return found


def _can_be_added(change: Change, root: str, name: str, used: int, kinds: Mapping[str, str]) -> bool:
    """Whether a change of something that no file describes means something: it describes it, or is of the catalogue."""
    whole = len(change.path) == used and isinstance(change.value.value, dict)
    return whole or (root == "devices" and name in kinds and len(change.path) > used)


def _unknown(change: Change, root: str, name: str, known: Collection[str]) -> Diagnostic:
    if name in known:
        summary = f"`{change.written}` is described by the catalogue alone"
        return change.mistake(1, summary, "name a field of it: its other facts are taken over")
    summary = f"there is no {_ROOTS[root].partition(' ')[2]} `{name}`"
    if not known:
        return change.mistake(1, summary, "the fleet is this machine, described in no file: `aios init` writes one")
    near = nearest(name, sorted(known))
    shown = ", ".join(f"`{item}`" for item in sorted(known)[:_MOST_SHOWN])
    meant = f"did you mean `{near}`? " if near else ""
    return change.mistake(1, summary, f"{meant}known: {shown}{', ...' if len(known) > _MOST_SHOWN else ''}")


def _added(files: Files, change: Change, root: str, name: str, kinds: Mapping[str, str]) -> tuple[Files, _Place]:
    """Return the documents with an empty thing of this name, and where its fields stand."""
    if root in ("intents", "objective"):
        kind = "Intent" if root == "intents" else "Objective"
        holding = (file for file, documents in files.items() if any(item.kind == "Intent" for item in documents))
        file = next(holding, next(iter(files)))
        new = new_document(kind, {"name": name}, change.value)
        return {**files, file: (*files[file], new)}, _Place(file, len(files[file]), ("spec",))
    fleets = [(file, i) for file, items in files.items() for i, item in enumerate(items) if item.kind == "Fleet"]
    if not fleets:
        raise InputError(_unknown(change, root, name, ()))
    file, index = fleets[0]
    items = _value_at(files[file][index].data, ("spec", root))
    path = ("spec", root, len(items) if isinstance(items, list) else 0)
    place = _Place(file, index, path)
    taken = {"kind": kinds[name], "from": name} if root == "devices" and name in kinds else {}
    value = nothing(change.value.text, change.value.where).having({"name": name, **taken})
    return _with(files, place, amended(files[file][index], path, value, change.columns[:1])), place


def _at(files: Files, change: Change, place: _Place, name: str, used: int) -> Files:
    """Return the documents with a change made at one place. used: steps of the path that lead to the place"""
    document, value, rest = files[place.file][place.number], change.value, change.path[used:]
    item = not place.path or isinstance(place.path[-1], int)
    if not rest and value.value is None:  # the whole of it is taken away
        inside = item and bool(place.path)
        return _with(files, place, amended(document, place.path, value, change.columns[1:2]) if inside else None)
    if not rest and not isinstance(value.value, dict):
        raise InputError(
            change.mistake(0, f"`{change.written}` is {_ROOTS[str(change.path[0])]}", "name a field of it")
        )
    if not rest and item:
        held = {"name": name, **(_value_at(document.data, place.path) or {})}
        value = value.having({key: held[key] for key in ("name", "kind", "from") if isinstance(held.get(key), str)})
    path = (*place.path, *rest)
    try:
        return _with(files, place, amended(document, path, value, change.columns))
    except Misfit as misfit:
        step = max(len(change.path) - len(path) + misfit.depth, 0)
        raise InputError(_misfit(change, document, path[: misfit.depth], step)) from None


def _misfit(change: Change, document: Document, above: tuple[str | int, ...], step: int) -> Diagnostic:
    """Say why a step of a path leads nowhere. above: the steps before it, in the document"""
    held, called = _value_at(document.data, above), dotted(above)
    if isinstance(held, dict) and isinstance(change.path[step], str):
        near = nearest(str(change.path[step]), list(held))
        remedy = f"did you mean `{near}`? " if near else ""
        names = ", ".join(f"`{name}`" for name in held)
        return change.mistake(
            step, f"`{called}` states no `{change.path[step]}` to take away", f"{remedy}it states {names}"
        )
    if isinstance(held, list):
        many = f"name one of its items, [0] to [{len(held) - 1}]" if held else "it is empty"
        return change.mistake(step, f"`{called}` is a list of {len(held)}", many)
    what = "a mapping, and no list" if isinstance(held, dict) else f"`{held}`, and holds no fields"
    return change.mistake(step, f"`{called}` is {what}")


def _value_at(data: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and step < len(data) else None
        else:
            data = data.get(step) if isinstance(data, dict) else None
    return data


def _with(files: Files, place: _Place, document: Document | None) -> Files:
    """Return the files with another document at a place, or with none."""
    old, new = files[place.file], () if document is None else (document,)
    return {**files, place.file: (*old[: place.number], *new, *old[place.number + 1 :])}
