"""The plan as a document: canonical text, and reading it back with its version and identity checked.

A later minor version may carry keys that this aios does not know: they are ignored. Another major version is refused.
The id is the digest of the document without it, unknown keys included, so anybody can recompute it from the JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from aios.records.base import Span, digest_of
from aios.records.errors import Diagnostic, InputError
from aios.records.names import ADDRESS
from aios.records.plan import FORMAT_VERSION, Plan

__all__ = ["plain_document", "plan_text", "read_plan", "with_id"]

_REMEDY = "make the plan again"
_COMMAND = "aios plan PATH -o plan.json"


_PLAIN = frozenset({str, int, float, bool, type(None)})


def with_id(plan: Plan) -> Plan:
    """Return ``plan`` with the id that its content has."""
    return plan.model_copy(update={"id": _identity(plain_document(plan))})


def plain_document(plan: Plan) -> dict[str, Any]:
    """Return ``plan`` as the JSON document that it is written as."""
    document: dict[str, Any] = _plain(plan)
    return document


def plan_text(plan: Plan) -> str:
    """Return the document: pretty JSON, fields in declared order, mappings sorted; equal plans give equal bytes."""
    return json.dumps(_plain(plan), indent=2, ensure_ascii=False) + "\n"


def read_plan(text: str, file: str) -> Plan:
    """Return the plan in ``text``; ``file`` is for messages.

    Raises InputError, with the place, for text that is damaged, no plan, of another major version, or changed by hand.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        where = Span(file=file, line=error.lineno, column=error.colno)
        line = text.split("\n")[error.lineno - 1]
        raise _refusal("the plan is damaged: it is no JSON", where, error.msg, line) from None
    except (RecursionError, ValueError) as error:
        raise _refusal("the plan is damaged: it is no JSON", _start(file), str(error)) from None
    _check_version(document, file)
    known = dict(document)
    try:
        plan = _validated(known)
    except ValidationError as error:
        raise InputError(*(_mistake(dict(item), text, file) for item in error.errors())) from None
    if plan.id != _identity_or_none(document):
        raise _refusal(
            f"the plan {file} was changed after it was made", _start(file), "its id is not the digest of its content"
        )
    for name in _names(plan):
        if not ADDRESS.fullmatch(name):
            raise _refusal(f"the plan {file} is none of aios: {name[:80]!r} is no name of a service", _start(file))
    return plan


def _names(plan: Plan) -> Iterator[str]:
    yield from (decision.intent for decision in plan.decisions)
    yield from (action.address for action in plan.actions)
    yield from (action.moved_from for action in plan.actions if action.moved_from is not None)
    yield from (claim.address for claim in plan.claims)


def _plain(value: Any) -> Any:
    """Return JSON-able data: records in field order, mappings sorted."""
    if type(value) in _PLAIN:  # most are, and asking for the abstract types below takes long
        return value
    if isinstance(value, Span):
        return str(value)
    if isinstance(value, BaseModel):
        pairs = ((name, info, getattr(value, name)) for name, info in type(value).model_fields.items())
        return {name: _plain(own) for name, info, own in pairs if info.exclude_if is None or not info.exclude_if(own)}
    if isinstance(value, Mapping):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _identity(document: Mapping[str, Any]) -> str:
    return digest_of({name: value for name, value in document.items() if name != "id"})


def _identity_or_none(document: Mapping[str, Any]) -> str | None:
    """Return the identity; None for text with half a surrogate pair, which no plan has and no digest can be made of."""
    try:
        return _identity(document)
    except UnicodeEncodeError:
        return None


def _check_version(document: Any, file: str) -> None:
    version = document.get("format_version") if isinstance(document, dict) else None
    match = re.fullmatch(r"(\d+)\.(\d+)", version) if isinstance(version, str) else None
    if match is None:
        raise _refusal(f"{file} is no plan", _start(file), "it states no `format_version` such as 1.0")
    if match[1] != FORMAT_VERSION.split(".", maxsplit=1)[0]:
        raise _refusal(
            f"the plan {file} has format {version}", _start(file), f"this aios reads format {FORMAT_VERSION} and 1.x"
        )


def _validated(document: dict[str, Any]) -> Plan:
    """Return the record of ``document`` without the keys that it does not know. Raises ValidationError for the rest."""
    try:
        return Plan.model_validate(document)
    except ValidationError as error:
        unknown = [item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"]
        if not unknown:
            raise
    known = json.loads(json.dumps(document))
    for *parents, name in unknown:
        holder = known
        for step in parents:
            holder = holder[step]
        del holder[name]
    return Plan.model_validate(known)


def _mistake(item: Mapping[str, Any], text: str, file: str) -> Diagnostic:
    path = item["loc"]
    where = _place(text, path, file)
    return Diagnostic(
        summary=f"the plan is damaged: {'.'.join(map(str, path))}: {item['msg']}",
        where=where,
        line_text=text.split("\n")[where.line - 1],
        remedy=_REMEDY,
        command=_COMMAND,
    )


def _place(text: str, path: tuple[int | str, ...], file: str) -> Span:
    """Return where the value at ``path`` stands, or the innermost part of it that is there.

    The JSON parser does not tell places; the YAML parser does, and JSON is YAML (save for a few control characters).
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        node = None
    if node is None:
        return _start(file)
    for step in path:
        if isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            inner = node.value[step]
        else:
            inner = None
        if inner is None:
            break
        node = inner
    return Span(file=file, line=node.start_mark.line + 1, column=node.start_mark.column + 1)


def _start(file: str) -> Span:
    return Span(file=file, line=1, column=1)


def _refusal(summary: str, where: Span, reason: str | None = None, line: str | None = None) -> InputError:
    return InputError(
        Diagnostic(summary=summary, where=where, line_text=line, reason=reason, remedy=_REMEDY, command=_COMMAND)
    )
