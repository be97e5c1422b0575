"""What happens to the names of the model store: each change takes what is known under a name and returns what is known
then. Nothing here touches a disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.modelstore import MAIN, Entry, How, Move, Pointer, Reference, Version, parse_reference

__all__ = ["By", "added", "find", "label_of", "lineage", "moved", "removed", "rolled_back", "unlabelled"]


class By(NamedTuple):
    """Who changes something, and when. user: name · at: ISO time, UTC"""

    user: str
    at: str


def find(entry: Entry, reference: Reference) -> Version:
    """Return the version that is meant. Raises InputError with what there is, and what was meant perhaps."""
    number = reference.number
    if number is None and not reference.is_digest:
        pointer = _pointers(entry).get(label_of(entry, reference))
        if pointer is None:
            raise _unknown(entry, reference)
        number = pointer.at
    at = reference.at or ""
    found = [item for item in entry.versions if (item.number == number if number else item.digest.startswith(at))]
    if not found:
        raise _unknown(entry, reference)
    if len({item.digest for item in found}) > 1:
        which = ", ".join(f"v{item.number}" for item in found)
        raise InputError(
            Diagnostic(
                summary=f"more than one version of {entry.name} has a digest that begins with {at}",
                remedy=f"give more digits, or name one: {which}",
            )
        )
    return found[-1]


def lineage(entry: Entry, version: Version) -> tuple[Version, ...]:
    """Return a version and those of the same name that it came from, newest first."""
    wanted, found = {version.number}, []
    for item in reversed(entry.versions):  # a parent was always there first
        if item.number in wanted:
            found.append(item)
            parents = (parse_reference(text) for text in item.parents)
            wanted |= {parent.number for parent in parents if parent.name == entry.name and parent.number}
    return tuple(found)


def label_of(entry: Entry, reference: Reference) -> str:
    """Return the branch or tag that a reference names; without one ``main``, or the only branch that there is."""
    if reference.at is not None:
        return reference.at
    return next(iter(entry.branches)) if len(entry.branches) == 1 else MAIN


def added(entry: Entry, version: Version, by: By, parents: tuple[str, ...] = ()) -> Entry:
    """Return the entry with a new version at the end of its branch, which is made where there is none.

    version: its number is given here · parents: beside the version that the branch stood at. Raises InputError where
    a tag is called like the branch.
    """
    if version.branch in entry.tags:
        raise _taken(entry, version.branch, "tag")
    stood = entry.branches.get(version.branch) or entry.branches.get(MAIN)
    follows = (f"{entry.name}@v{stood.at}",) if stood else ()
    new = version.model_copy(
        update={"number": entry.next, "parents": tuple(dict.fromkeys((*parents, *follows)))},
    )
    grown = entry.model_copy(update={"next": entry.next + 1, "versions": (*entry.versions, new)})
    return _pointed(grown, "branches", version.branch, new.number, "add", by)


def moved(entry: Entry, label: str, number: int, how: How, by: By) -> Entry:
    """Return the entry with a branch or tag (``how`` says which) at a version, made where there is none.

    Raises InputError where the other kind has that name.
    """
    other, what = (entry.branches, "branch") if how == "tag" else (entry.tags, "tag")
    if label in other:
        raise _taken(entry, label, what)
    return _pointed(entry, "tags" if how == "tag" else "branches", label, number, how, by)


def rolled_back(entry: Entry, reference: Reference, to: int | None, by: By) -> Entry:
    """Return the entry with a branch or tag where it stood before, or at version ``to``.

    What it stood at since is forgotten as a place to go back to; the versions stay. Raises InputError where it never
    stood anywhere else, or nothing has that name.
    """
    label = label_of(entry, reference)
    pointer = _pointers(entry).get(label)
    if pointer is None:
        raise _no_label(entry, label)
    if to is None and not pointer.before:
        raise InputError(
            Diagnostic(
                summary=f"{entry.name}@{label} has never stood at another version than v{pointer.at}",
                remedy="name the version to go to",
                command=f"aios model rollback {entry.name}@{label} @N",
            )
        )
    if to is None:
        at, before = pointer.before[-1], pointer.before[:-1]
    else:
        at = find(entry, Reference(entry.name, f"v{to}")).number
        past = (*pointer.before, pointer.at)
        before = past[: _last(past, at)] if at in past else past
    return _placed(entry, label, Pointer(at=at, before=before), "rollback", by)


def unlabelled(entry: Entry, label: str, by: By) -> Entry:
    """Return the entry without a tag or branch. Raises InputError for the last branch, and for what is neither."""
    if label not in _pointers(entry):
        raise _no_label(entry, label)
    if tuple(entry.branches) == (label,):
        raise InputError(
            Diagnostic(
                summary=f"{label} is the only branch of {entry.name}",
                remedy="remove the whole name instead, if that is meant",
                command=f"aios model rm {entry.name} --all",
            )
        )
    return _placed(entry, label, None, "remove", by)


def removed(entry: Entry, version: Version) -> Entry:
    """Return the entry without a version. Raises InputError while a branch or tag stands at it."""
    number = version.number
    holding = sorted(label for label, pointer in _pointers(entry).items() if pointer.at == number)
    if holding:
        raise InputError(
            Diagnostic(
                summary=f"{entry.name}@v{number} is what {', '.join(f'`{label}`' for label in holding)} "
                f"stand{'s' if len(holding) == 1 else ''} at",
                remedy="move that to another version first, or remove it",
                command=f"aios model rollback {entry.name}@{holding[0]}",
            )
        )
    pointers = {
        field: {label: _without(pointer, number) for label, pointer in getattr(entry, field).items()}
        for field in ("branches", "tags")
    }
    versions = tuple(item for item in entry.versions if item.number != number)
    return entry.model_copy(update={"versions": versions, **pointers})


def _pointed(entry: Entry, field: str, label: str, number: int, how: How, by: By) -> Entry:
    """Return the entry with a label moved forward; one that stands there already stays as it is."""
    known: Mapping[str, Pointer] = getattr(entry, field)
    stood = known.get(label)
    if stood is not None and stood.at == number:
        return entry
    new = Pointer(at=number, before=(*stood.before, stood.at) if stood else ())
    entry = entry.model_copy(update={field: {**known, label: new}})
    return _told(
        entry, Move(label=label, how=how, before=stood.at if stood else None, after=number, by=by.user, at=by.at)
    )


def _placed(entry: Entry, label: str, pointer: Pointer | None, how: How, by: By) -> Entry:
    """Return the entry with a label that it has put elsewhere, or, with None, taken away."""
    field = "branches" if label in entry.branches else "tags"
    known: dict[str, Pointer] = dict(getattr(entry, field))
    stood = known.pop(label)
    if pointer is not None:
        known[label] = pointer
    after = pointer.at if pointer else None
    entry = entry.model_copy(update={field: dict(sorted(known.items()))})
    return _told(entry, Move(label=label, how=how, before=stood.at, after=after, by=by.user, at=by.at))


def _told(entry: Entry, move: Move) -> Entry:
    return entry.model_copy(update={"moves": (*entry.moves, move)})


def _pointers(entry: Entry) -> dict[str, Pointer]:
    return {**entry.branches, **entry.tags}


def _without(pointer: Pointer, number: int) -> Pointer:
    """Return the pointer without a version among those that it stood at; going back always goes elsewhere."""
    left = [item for item in (*pointer.before, pointer.at) if item != number]
    before = tuple(item for item, following in pairwise(left) if item != following)
    return pointer.model_copy(update={"before": before})


def _last(numbers: tuple[int, ...], wanted: int) -> int:
    return max(index for index, number in enumerate(numbers) if number == wanted)


def _unknown(entry: Entry, reference: Reference) -> InputError:
    labels = [*entry.branches, *entry.tags]
    versions = [f"v{item.number}" for item in entry.versions]
    near = nearest(reference.at or "", [*labels, *versions])
    meant = f"did you mean {entry.name}@{near}? " if near else ""
    shown = ", ".join([*labels, *versions[-5:]])
    return InputError(
        Diagnostic(
            summary=f"{entry.name} has no version, branch or tag `{reference.at or MAIN}`",
            remedy=f"{meant}there is: {shown}",
            command=f"aios model log {entry.name}",
        )
    )


def _no_label(entry: Entry, label: str) -> InputError:
    labels = [*entry.branches, *entry.tags]
    near = nearest(label, labels)
    meant = f"did you mean `{near}`? " if near else ""
    return InputError(
        Diagnostic(
            summary=f"{entry.name} has no branch or tag `{label}`", remedy=f"{meant}there is: {', '.join(labels)}"
        )
    )


def _taken(entry: Entry, label: str, what: str) -> InputError:
    return InputError(
        Diagnostic(
            summary=f"`{label}` is a {what} of {entry.name} already",
            reason="a reference could not say which of the two it means",
            remedy=f"choose another name, or remove the {what} first",
            command=f"aios model rm {entry.name}@{label}",
        )
    )
