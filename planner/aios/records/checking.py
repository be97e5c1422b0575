"""Checks a document against the pydantic model of its written form and says everything that is wrong with it.

pydantic finds the mistakes; this file finds where they stand and puts them into words.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from aios.records.errors import Diagnostic, InputError
from aios.records.forms import examples_at, fields_at, literals_at, nearest, places_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from aios.records.document import Document

__all__ = ["MOST_TOLD", "check", "dotted", "first_of"]

MOST_TOLD = 5000
"""Most mistakes of one document that are put into words; a file with more is of another kind, or made by a machine."""

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

# pydantic's error type -> what is wanted, in words.
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
# pydantic's error type -> the bound in words and its name in the error's context.
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_KEY = "[key]"  # what pydantic appends to the place of a mapping's key that is wrong itself


class _Mistake(NamedTuple):
    """A pydantic error. steps: its place; True marks a step that is no part of the document, such as a union's branch.

    kind: pydantic's error type, or ``union`` when no branch fits · wanted: the type of value wanted, in words
    """

    steps: tuple[tuple[str | int, bool], ...]
    kind: str
    input: Any
    context: dict[str, Any]
    message: str
    wanted: str | None

    @property
    def path(self) -> Path:
        return tuple(step for step, foreign in self.steps if not foreign)


def check(document: Document, model: type[M], nothing_at: Collection[Path] = ()) -> M:
    """Return the document as ``model``; raises InputError with every mistake in it, in the order of the file.

    A key without a value is a mistake: leaving a field out is written by leaving it out. nothing_at: mappings in which
    it is none, because there it means something.
    """
    checked: M | None = None
    mistakes: list[_Mistake] = []
    try:
        checked = model.model_validate(document.data)
    except ValidationError as error:
        mistakes = _boil_down([_mistake(document.data, item) for item in error.errors(include_url=False)], 0)
    empty = {path for path in document.empty() if path[:-1] not in nothing_at}
    if checked is not None and not empty:
        return checked
    mistakes = [item for item in mistakes if item.path not in empty]
    mistakes.sort(key=lambda item: document.place(item.path))
    told = _merge_misspelt(model, mistakes[:MOST_TOLD])
    diagnostics = [_diagnostic(document, model, item) for item in told]
    diagnostics += [_empty(document, path) for path in sorted(empty, key=str)[:MOST_TOLD]]
    diagnostics.sort(key=lambda item: (item.where.line, item.where.column) if item.where else (0, 0))
    untold = len(mistakes[MOST_TOLD:]) + max(len(empty) - MOST_TOLD, 0)
    raise InputError(*first_of(list(dict.fromkeys(diagnostics)), untold))


def first_of(diagnostics: list[Diagnostic], untold: int = 0) -> list[Diagnostic]:
    """Return the first ``MOST_TOLD`` and, where there are more, a last one that says how many."""
    more = len(diagnostics[MOST_TOLD:]) + untold
    if not more:
        return diagnostics
    return [*diagnostics[:MOST_TOLD], Diagnostic(summary=f"and {more} more mistakes of this document")]


def dotted(path: Path) -> str:
    """Return a path as people write it, ``spec.model[0].path``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _mistake(data: Any, error: ErrorDetails) -> _Mistake:
    steps: list[tuple[str | int, bool]] = []
    here = data
    location = error["loc"]
    for index, step in enumerate(location):
        inside = (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        )
        absent = error["type"] == "missing" and index == len(location) - 1
        steps.append((step, not inside and not absent))
        if inside:
            here = here[step]
    kind = error["type"]
    return _Mistake(tuple(steps), kind, error["input"], dict(error.get("ctx", {})), error["msg"], _WANTED.get(kind))


def _boil_down(mistakes: list[_Mistake], start: int) -> list[_Mistake]:
    """Keep, of each union, what is wrong with the branch that was most likely meant; steps before ``start`` are equal.

    A branch that wants another type of value altogether was not meant, if another branch does want this type; of the
    others, the one whose own fields are right was meant.
    """
    kept: list[_Mistake] = []
    unions: dict[tuple[tuple[str | int, bool], ...], dict[str | int, list[_Mistake]]] = {}
    for mistake in mistakes:
        at = next((i for i in range(start, len(mistake.steps)) if mistake.steps[i][1]), None)
        if at is None:
            kept.append(mistake)
        else:
            unions.setdefault(mistake.steps[:at], {}).setdefault(mistake.steps[at][0], []).append(mistake)
    for before, branches in unions.items():
        boiled = [_boil_down(branch, len(before) + 1) for branch in branches.values()]
        fitting = [branch for branch in boiled if not any(_another_type(item, before) for item in branch)]
        if fitting:
            _, best = min((_distance(branch, before), index) for index, branch in enumerate(fitting))
            kept += fitting[best]
        else:
            kept.append(_none_fits([item for branch in boiled for item in branch]))
    return kept


def _another_type(mistake: _Mistake, before: tuple[tuple[str | int, bool], ...]) -> bool:
    return mistake.wanted is not None and all(foreign for _, foreign in mistake.steps[len(before) :])


def _distance(branch: list[_Mistake], before: tuple[tuple[str | int, bool], ...]) -> tuple[int, int]:
    """Return how far a branch is from what was written: wrong names of its own fields first, then all mistakes."""
    depth = sum(not foreign for _, foreign in before) + 1
    names = [item for item in branch if item.kind in ("missing", "extra_forbidden") and len(item.path) == depth]
    return len(names), len(branch)


def _none_fits(mistakes: list[_Mistake]) -> _Mistake:
    wanted = dict.fromkeys(word for item in mistakes if item.wanted for word in item.wanted.split(" or "))
    first = mistakes[0]
    return _Mistake(first.steps, "union", first.input, {}, first.message, " or ".join(wanted))


def _merge_misspelt(model: type[BaseModel], mistakes: list[_Mistake]) -> list[_Mistake]:
    """Drop a missing field where the same mapping holds an unknown one that is plainly meant to be it."""
    unknown = [mistake.path for mistake in mistakes if mistake.kind == "extra_forbidden"]
    meant = {(*path[:-1], nearest(str(path[-1]), fields_at(model, path[:-1]))) for path in unknown}
    return [mistake for mistake in mistakes if mistake.kind != "missing" or mistake.path not in meant]


def _diagnostic(document: Document, model: type[BaseModel], mistake: _Mistake) -> Diagnostic:
    path, name = mistake.path, dotted(mistake.path)
    key = mistake.steps[-1:] == ((_KEY, True),)
    remedy: str | None
    if mistake.kind == "extra_forbidden":
        remedy = _remedy_for_unknown(model, path)
        inside = f" in `{dotted(path[:-1])}`" if path[:-1] else ""
        return document.diagnostic(path, f"unknown field `{path[-1]}`{inside}", key=True, remedy=remedy)
    if mistake.kind == "missing" and isinstance(path[-1], int):
        summary = f"`{dotted(path[:-1])}` has {path[-1]} entr{'y' if path[-1] == 1 else 'ies'}, which is too few"
        return document.diagnostic(path, summary, remedy="add one to the list")
    if mistake.kind == "missing":
        below = f"below `{dotted(path[:-1])}`" if path[:-1] else "at the top"
        return document.diagnostic(path, f"`{name}` is missing", remedy=f"add `{path[-1]}: ...` {below}")
    if mistake.kind == "literal_error":
        choices = literals_at(model, path) or [str(mistake.context.get("expected", ""))]
        remedy = _remedy_among(str(mistake.input), choices)
        return document.diagnostic(path, f"`{name}` cannot be {_shown(mistake.input)}", key=key, remedy=remedy)
    if mistake.kind == "value_error":
        cause = mistake.context.get("error")
        summary, remedy = getattr(cause, "summary", str(cause)), getattr(cause, "remedy", None)
        return document.diagnostic(path, f"`{name}`: {summary}" if name else summary, key=key, remedy=remedy)
    if mistake.kind in _BOUNDS:
        words, bound = _BOUNDS[mistake.kind]
        most = f"{words} {mistake.context[bound]}"
        summary = f"`{name}` must be {most}, not {_shown(mistake.input)}"
        return document.diagnostic(path, summary, remedy=f"write {most}")
    if mistake.kind in ("too_short", "string_too_short"):
        return document.diagnostic(path, f"`{name}` is empty", remedy="write at least one value, or delete the line")
    if mistake.kind == "too_long":
        given, most = mistake.context["actual_length"], mistake.context["max_length"]
        return document.diagnostic(path, f"`{name}` has {given} entries; at most {most} are read")
    if mistake.wanted:
        remedy = _remedy_for_type(model, mistake)
        summary = f"`{name}` must be {mistake.wanted}, not {_kind_of(mistake.input)}"
        return document.diagnostic(path, summary, remedy=remedy)
    words = mistake.message.removeprefix("Input ").removeprefix("Value ")
    return document.diagnostic(path, f"`{name}` {words}, not {_shown(mistake.input)}")


def _empty(document: Document, path: Path) -> Diagnostic:
    remedy = "write a value, or delete the line to leave it out"
    return document.diagnostic(path, f"`{dotted(path)}` has no value", key=True, remedy=remedy)


def _remedy_for_unknown(model: type[BaseModel], path: Path) -> str:
    name, known = str(path[-1]), fields_at(model, path[:-1])
    first, _, rest = name.partition(".")
    if rest and first in known:
        return f"write it nested: `{first}: {{{rest}: ...}}`"
    near = nearest(name, known)
    elsewhere = places_of(model, name)
    if elsewhere and (near is None or near.lower() != name.lower()):
        return f"`{name}` belongs below {' or '.join(f'`{dotted(place)}`' for place in elsewhere[:2])}"
    return _remedy_among(name, known)


def _remedy_among(written: str, known: list[str]) -> str:
    near = nearest(written, known)
    meant = f"did you mean `{near}`? " if near else ""
    return f"{meant}known: {', '.join(f'`{name}`' for name in known)}"


def _remedy_for_type(model: type[BaseModel], mistake: _Mistake) -> str | None:
    assert mistake.wanted is not None
    if "text" in mistake.wanted and isinstance(mistake.input, int | float):
        return f'put it in quotes: "{str(mistake.input).lower()}"'
    examples = examples_at(model, mistake.path)
    if examples:
        return f"write it like `{_flow(examples[0])}`"
    if mistake.wanted == "a whole number":
        return "write digits alone, without quotes, such as `2`"
    known = fields_at(model, mistake.path)
    return f"known fields: {', '.join(f'`{name}`' for name in known)}" if known else None


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(item) for item in value)}]"
    return str(value)


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return _shown(value)


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
