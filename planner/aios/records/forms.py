"""What a written form knows about itself: the fields, choices and examples at a path of its pydantic model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from aios.records.errors import BadValue

__all__ = ["Many", "examples_at", "fields_at", "literals_at", "nearest", "places_of"]

Path = tuple[str | int, ...]
T = TypeVar("T")


class _OneOrMany:
    """Annotation of a tuple field: a single item may be written without its list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many | {"minItems": 1}]}


def _listed(value: Any) -> Any:
    if value == []:
        raise BadValue("the list is empty", "write at least one, or delete the line")
    return value if isinstance(value, list) else [value]


Many: TypeAlias = Annotated[tuple[T, ...], _OneOrMany()]
"""One item, or a list of at least one."""


def fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the field names that may be written at ``path``, over all branches of unions."""
    names: dict[str, None] = {}
    for annotation in _elements(_annotations_at(model, path)):
        if _is_model(annotation):
            names |= {info.alias or name: None for name, info in annotation.model_fields.items()}
    return list(names)


def literals_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the words that may be written at ``path``."""
    found = [item for item in _elements(_annotations_at(model, path)) if get_origin(item) is Literal]
    return [str(choice) for annotation in found for choice in get_args(annotation)]


def examples_at(model: type[BaseModel], path: Path) -> list[Any]:
    """Return the examples that the model gives for the field at ``path``."""
    if not path:
        return []
    holders = [item for item in _elements(_annotations_at(model, path[:-1])) if _is_model(item)]
    infos = [info for item in holders for name, info in item.model_fields.items() if path[-1] in (name, info.alias)]
    return [example for info in infos for example in info.examples or []]


def places_of(model: type[BaseModel], name: str) -> list[Path]:
    """Return the mappings, nearest to the top first, that have a field of this name outside of lists."""
    found: list[Path] = []
    level: list[tuple[Path, Any]] = [((), model)]
    seen: set[Any] = set()
    while level:
        deeper: list[tuple[Path, Any]] = []
        for path, annotation in level:
            if not _is_model(annotation) or (annotation, path) in seen or len(path) > 6:
                continue
            seen.add((annotation, path))
            for field, info in annotation.model_fields.items():
                written = info.alias or field
                if written == name and path:
                    found.append(path)
                deeper += [((*path, written), branch) for branch in _branches(info.annotation)]
        level = deeper
    return list(dict.fromkeys(found))


def nearest(written: str, known: Sequence[str]) -> str | None:
    """Return the known name that was most likely meant, if any is near."""
    import difflib

    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(written.lower(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _annotations_at(model: type[BaseModel], path: Path) -> list[Any]:
    here = list(_branches(model))
    for step in path:
        here = [branch for annotation in here for inner in _inner(annotation, step) for branch in _branches(inner)]
    return here


def _elements(annotations: list[Any]) -> list[Any]:
    """Return the annotations with those of lists' items, because a single item may be written without its list."""
    items = [item for annotation in annotations for inner in _inner(annotation, 0) for item in _branches(inner)]
    return [*annotations, *items]


def _branches(annotation: Any) -> Iterator[Any]:
    """Yield the plain types that an annotation stands for: unions opened, ``Annotated`` taken off."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _branches(arguments[0])
    elif str(origin) in ("typing.Union", "<class 'types.UnionType'>"):
        for argument in arguments:
            yield from _branches(argument)
    else:
        yield annotation


def _inner(annotation: Any, step: str | int) -> Iterator[Any]:
    if _is_model(annotation):
        for name, info in annotation.model_fields.items():
            if step in (name, info.alias):
                yield info.annotation
        return
    origin = get_origin(annotation)
    if origin not in (list, tuple, dict, Mapping):
        return
    element = [item for item in get_args(annotation) if item is not Ellipsis][-1]
    if isinstance(step, int) is (origin in (list, tuple)):
        yield element
    elif isinstance(step, str):  # a single item, written without its list
        for branch in _branches(element):
            yield from _inner(branch, step)
