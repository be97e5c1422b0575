"""Which rejection left out a family of candidates: reads what a rejection calls the family that it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.records.candidate import Candidate, Priced, Rejection

__all__ = ["Family", "Known", "excluding", "value_of"]

Family = Mapping[str, str | int]
"""Field of a candidate -> the value asked for."""

Known = Mapping[str, frozenset[str]]
"""Field -> every name that it may have here."""

_WORD = re.compile(r"[^\s,|()]+")
_DEGREES = {"tp": "tensor", "pp": "pipeline"}
_NUMBERS: Mapping[str, Sequence[tuple[re.Pattern[str], Callable[[int, Sequence[int]], bool]]]] = {
    "batch": (
        (re.compile(r"^batch (\d+)"), lambda asked, read: asked in read),
        (re.compile(r"in batches of (\d+) and more"), lambda asked, read: asked >= read[0]),
        (re.compile(r"in batches of (\d+)(?! and more)"), lambda asked, read: asked in read),
        (re.compile(r"(?:batch|batches) above (\d+)"), lambda asked, read: asked > read[0]),
        (re.compile(r"with (\d+) sequences at once"), lambda asked, read: asked in read),
        (re.compile(r"more sequences than come together|in batches$"), lambda asked, _read: asked > 1),
        (re.compile(r"with batch ([\d, ]+)"), lambda asked, read: asked in read),
    ),
    "threads": (
        (re.compile(r"thread counts on \S+ other than ([\d, ]+)"), lambda asked, read: asked not in read),
        (re.compile(r"more than (\d+) thread"), lambda asked, read: asked > read[0]),
        (re.compile(r"with threads ([\d, ]+)"), lambda asked, read: asked in read),
        (re.compile(r"(\d+) threads"), lambda asked, read: asked in read),
    ),
    "replicas": (
        (re.compile(r"more than (\d+) replicas"), lambda asked, read: asked > read[0]),
        (re.compile(r"replicas above (\d+)"), lambda asked, read: asked > read[0]),
        (re.compile(r"replica counts above (\d+)"), lambda asked, read: asked > read[0]),
        (re.compile(r"^(\d+) replicas"), lambda asked, read: asked in read),
    ),
}
"""How rejections speak of numbers: a pattern, and whether a number asked for is among those that it read."""


class _Said(NamedTuple):
    """What a rejection says of a family: fields of it that it names, and whether it is about another one."""

    fields: frozenset[str]
    other: bool


def value_of(candidate: Candidate, field: str) -> object:
    """Return what a candidate has in a field; of degrees of parallelism, settings and tiers by their own names."""
    if field in Candidate.model_fields:
        return getattr(candidate, field)
    if field in candidate.degrees:
        return candidate.degrees[field]
    named: Mapping[str, str] = {**candidate.settings, **{str(part): tier for part, tier in candidate.tiers.items()}}
    return named.get(field)


def excluding(
    family: Family, options: Sequence[Priced], rejections: Sequence[Rejection], known: Known
) -> list[Rejection]:
    """Return the rejections that left out some of a family of which no option is left, in the order they were met.

    A rejection counts if all that it says fits the family, and if no option has what it names of it: one that speaks of
    a device of which there are options leaves out something else.
    """
    found = []
    for row in rejections:
        said = _said(row, family, known)
        if said.other or (not said.fields and options):
            continue
        named = {field: family[field] for field in said.fields}
        if not any(_matches(option.candidate, named) for option in options):
            found.append(row)
    return found


def _matches(candidate: Candidate, family: Family) -> bool:
    return all(
        value in candidate.nodes if field == "node" else value_of(candidate, field) == value
        for field, value in family.items()
    )


def _said(row: Rejection, family: Family, known: Known) -> _Said:
    words = _WORD.findall(row.what)
    fields: set[str] = set()
    for field, value in family.items():
        if isinstance(value, str):
            names = {name for word in words for name in _named(field, word, known)}
            if value in names or (field == "precision" and row.what.endswith("in another precision")):
                fields.add(field)
            elif names or (field == "executor" and row.by in known["executor"] and row.by != value):
                return _Said(frozenset(), True)
        elif field in _NUMBERS:
            about = list(_numbers(row.what, field, value))
            if about and not any(about):
                return _Said(frozenset(), True)
            fields |= {field} if about else set()
        elif field in _DEGREES.values() and (degrees := _degrees(row.what)):
            if degrees.get(field, 1) != value:
                return _Said(frozenset(), True)
            fields.add(field)
    return _Said(frozenset(fields), False)


def _named(field: str, word: str, known: Known) -> Iterator[str]:
    """Yield the known names of a field that a word says: ``int8-dynamic`` is a precision and a way to reach it."""
    names = known.get(field, frozenset())
    parts = word.split("-", 1) if field in ("precision", "quantization") and word not in names else [word]
    yield from (part for part in parts if part in names)


def _numbers(what: str, field: str, value: int) -> Iterator[bool]:
    """Yield, per way of speaking that is found, whether the value is meant."""
    for pattern, means in _NUMBERS[field]:
        match = pattern.search(what)
        if match:
            read = [int(number) for number in re.findall(r"\d+", "".join(match.groups()))]
            yield means(value, read)
            return


def _degrees(what: str) -> dict[str, int]:
    return {_DEGREES[short]: int(many) for short, many in re.findall(r"\b(tp|pp)(\d+)", what)}
