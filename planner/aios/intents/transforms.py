"""Which transforms an intent asks for, checked against what the installed ones declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from aios.intents.reader import Path, value_at
from aios.records.document import Document
from aios.records.errors import Diagnostic
from aios.records.forms import nearest
from aios.records.intent import Constraints
from aios.records.transform import Declaration, Parameter
from aios.records.units import Dimension, UnitError, parse_quantity

__all__ = ["Value", "transforms_of", "unknown_compressions"]

Value: TypeAlias = bool | int | float | str
Asked: TypeAlias = Mapping[str, Mapping[str, Sequence[Value]]]

_MOST_TRIED = 24
"""Choices of settings of one transform at most: each is a model that may have to be made, measured and kept."""


def transforms_of(
    document: Document, base: Path, written: Asked, mistakes: list[Diagnostic]
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return name -> parameter -> values as text of what is written at ``base``; ``mistakes`` takes what is wrong."""
    if not written:
        return {}
    from aios.spi.transforms import declarations

    known = declarations()
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, settings in written.items():
        declared = known.get(name)
        if declared is None:
            mistakes.append(
                _unknown(document, (*base, name), f"no installed transform is called `{name}`", name, known)
            )
            continue
        found[name] = {}
        for label, values in settings.items():
            where: Path = (*base, name, label)
            parameter = declared.parameters.get(label)
            if parameter is None:
                summary = f"the transform `{name}` has no parameter `{label}`"
                mistakes.append(_unknown(document, where, summary, label, declared.parameters))
                continue
            texts = tuple(_text(parameter, value) for value in values)
            mistakes += _wrong_values(document, where, parameter, texts)
            found[name][label] = tuple(dict.fromkeys(texts))
        mistakes += _too_many(document, (*base, name), declared, found[name])
    return found


def unknown_compressions(document: Document, pin: Constraints, base: Path = ("spec",)) -> Iterator[Diagnostic]:
    """Yield a mistake for each pinned compression that no installed transform makes."""
    if not pin.compression:
        return
    from aios.spi.transforms import declarations

    known = ["none", *(name for name, item in declarations().items() if item.stage == "compression")]
    for index, name in enumerate(pin.compression):
        if name not in known:
            path: Path = (*base, "pin", "compression")
            where = (*path, index) if isinstance(value_at(document.data, path), list) else path
            yield _unknown(document, where, f"no installed transform compresses by `{name}`", name, known, key=False)


def _unknown(
    document: Document,
    path: Path,
    summary: str,
    name: str,
    known: Mapping[str, object] | Sequence[str],
    key: bool = True,
) -> Diagnostic:
    near = nearest(name, list(known))
    listed = ", ".join(f"`{item}`" for item in known) or "none"
    remedy = f"{f'did you mean `{near}`? ' if near else ''}known: {listed}"
    return document.diagnostic(path, summary, key=key, remedy=remedy)


def _text(parameter: Parameter, value: Value) -> str:
    """Return a value as declarations write it; a share of 50 % is 0.5."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    if not parameter.choices and value.rstrip().endswith("%"):
        try:
            return f"{parse_quantity(value, Dimension.FRACTION):g}"
        except UnitError:
            return value
    return value


def _wrong_values(document: Document, where: Path, parameter: Parameter, texts: Sequence[str]) -> Iterator[Diagnostic]:
    from aios.spi.transforms import unfit

    many = isinstance(value_at(document.data, where), list)
    for index, text in enumerate(texts):
        reason = unfit(parameter, text)
        if reason is not None:
            near = nearest(text, parameter.choices) if parameter.choices else None
            remedy = f"did you mean `{near}`?" if near else f"{where[-1]}: {parameter.help}"
            path = (*where, index) if many else where
            yield document.diagnostic(path, f"`{text[:60]}` is no value of {where[-1]}", reason=reason, remedy=remedy)


def _too_many(
    document: Document, path: Path, declared: Declaration, wanted: Mapping[str, Sequence[str]]
) -> Iterator[Diagnostic]:
    count = 1
    for label, parameter in declared.parameters.items():
        count *= len(wanted.get(label) or parameter.offered or (parameter.default,))
    if count > _MOST_TRIED:
        summary = f"{count} choices of settings of `{declared.name}` are more than the {_MOST_TRIED} that are tried"
        reason = "each is a model of its own, to be made, measured and kept"
        yield document.diagnostic(path, summary, key=True, reason=reason, remedy="name fewer values")
