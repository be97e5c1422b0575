"""What one intent pins and excludes that cannot both be, found before anything is planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aios.records.document import Document
from aios.records.errors import Diagnostic
from aios.records.intent import Constraints

__all__ = ["contradicting_choices", "nothing_left"]

Path = tuple[str | int, ...]

_REACHED_BY: Mapping[str, tuple[str, ...]] = {
    "dynamic": ("int8",),
    "static": ("int8", "fp8"),
    "mixed": ("int8",),
    "weight-only": ("int8", "int4", "bf16"),
}
"""Way to quantise -> precisions that it leads to."""


def contradicting_choices(
    document: Document, pin: Constraints, exclude: Constraints, base: Path = ("spec",)
) -> Iterator[Diagnostic]:
    """Yield a mistake for each name that is both pinned and excluded, and for a precision that what is pinned beside it
    never leads to. base: path of the mapping that holds both"""
    for field in Constraints.model_fields:
        excluded = getattr(exclude, field)
        for place, name in enumerate(getattr(pin, field)):
            if name in excluded:
                path = _path(document, (*base, "exclude", field), excluded.index(name))
                first = document.span(_path(document, (*base, "pin", field), place))
                summary = f"{field} `{name}` is pinned and excluded"
                yield document.diagnostic(
                    path, summary, reason=f"it is pinned at {first}", remedy="take it out of one of the two"
                )
    ways = [_REACHED_BY.get(way) for way in pin.quantization]
    reached = {name for names in ways if names is not None for name in names}
    if pin.precision and pin.quantization and None not in ways and not reached.intersection(pin.precision):
        path = _path(document, (*base, "pin", "quantization"), 0)
        first = document.span(_path(document, (*base, "pin", "precision"), 0))
        listed = " and ".join(pin.quantization)
        yield document.diagnostic(
            path,
            f"{listed} quantisation leads to {' or '.join(sorted(reached))}, and the intent pins another precision",
            reason=f"{', '.join(pin.precision)} is pinned at {first}",
            remedy="take one of the two pins away",
        )


def nothing_left(
    document: Document, path: Path, field: str, listed: Sequence[str], pin: Constraints, exclude: Constraints
) -> Iterator[Diagnostic]:
    """Yield that nothing may be chosen of what is listed at ``path``, of which any would do.

    field: of pins and exclusions, that names such things
    """
    pinned, excluded = getattr(pin, field), getattr(exclude, field)
    left = [name for name in listed if name not in excluded]
    if not listed or not set(pinned).isdisjoint(excluded):  # a name that is pinned and excluded is told of already
        return
    block = "exclude" if not left else "pin"
    if left and (not pinned or not set(left).isdisjoint(pinned)):
        return
    yield document.diagnostic(
        path,
        f"no {field} is left to choose of {', '.join(listed)}",
        reason=f"`{block}`, at {document.span(('spec', block, field))}, names {'none' if left else 'all'} of them",
        remedy=f"list one more, or change `{block}`",
    )


def _path(document: Document, path: Path, index: int) -> Path:
    """Return the path of an item of a list, or of the single one that stands for it."""
    value: Any = document.data
    for step in path:
        value = value[step]
    return (*path, index) if isinstance(value, list) else path
