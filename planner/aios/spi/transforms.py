"""What installed transforms declare, read from the files beside their code; no plugin is imported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from aios.records.document import check, parse
from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.transform import Declaration, Needs, Parameter
from aios.spi import registry

__all__ = ["GROUP", "SUFFIX", "declarations", "not_installed", "read_declaration", "tell_apart", "unfit"]

GROUP = "aios.transforms"
SUFFIX = ".transform.yaml"
_DECIDING = "aios.executors"

_Path = tuple[str | int, ...]


@cache
def declarations() -> Mapping[str, Declaration]:
    """Return name -> declaration of every installed transform and of what installed executors decide, sorted by name.

    Raises InputError, at its place, for a declaration that is wrong, and WorldError for a plugin that has none, or for
    two that say the same of what they give.
    """
    found = {plugin.name: read_declaration(_file_of(plugin), plugin.name) for plugin in registry.installed(GROUP)}
    folders = dict.fromkeys(folder for plugin in registry.installed(_DECIDING) for folder in _folders_of(plugin))
    for path in (path for folder in folders for path in folder.glob(f"*{SUFFIX}")):
        own = read_declaration(path, path.name.removesuffix(SUFFIX))
        found |= {own.name: own} if own.stage == "executor" else {}
    tell_apart(found)
    return dict(sorted(found.items()))


def not_installed(needing: Needs | Parameter) -> tuple[str, ...]:
    """Return the modules that something needs and that are not here; none is imported."""
    return tuple(name for name in needing.modules if not _is_installed(name))


@cache
def _is_installed(module: str) -> bool:
    return find_spec(module) is not None


def tell_apart(found: Mapping[str, Declaration]) -> None:
    """Raise WorldError where two transforms give one precision in one way: a candidate names both, not which of them
    makes its model."""
    makers: dict[tuple[str, str], str] = {}
    for name, item in found.items():
        for precision in item.precisions if item.stage == "precision" else ():
            other = makers.setdefault((precision, item.quantization), name)
            if other != name:
                raise WorldError(
                    Diagnostic(
                        summary=f"the transforms `{other}` and `{name}` both give {precision} with the quantization "
                        f"`{item.quantization}`",
                        reason="a candidate that computes so would not say which of them makes its model",
                        remedy="remove the package of one of them",
                        command="aios plugins",
                    )
                )


def read_declaration(path: Path, name: str) -> Declaration:
    """Return the declaration of the transform ``name`` in a file; raises InputError with everything wrong in it."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(Diagnostic(summary=f"{path} cannot be read: {error.strerror}")) from error
    documents = parse(text, str(path))
    if len(documents) != 1:
        raise InputError(Diagnostic(summary=f"{path} holds {len(documents)} documents; one declaration is wanted"))
    found = check(documents[0], Declaration)
    mistakes = [documents[0].diagnostic(at, summary, remedy=remedy) for at, summary, remedy in _mistakes(found, name)]
    if mistakes:
        raise InputError(*mistakes)
    return found


def _file_of(plugin: registry.Plugin) -> Path:
    """Return the declaration's file: in the folder of the plugin's package, which is found and not imported."""
    file = f"{plugin.name}{SUFFIX}"
    for folder in _folders_of(plugin):
        if (folder / file).is_file():
            return folder / file
    raise WorldError(
        Diagnostic(
            summary=f"the transform {plugin.name!r} ({plugin.target}) declares nothing",
            reason=f"there is no {file} beside its code",
            remedy=f"install {plugin.package or 'it'} anew, or remove it",
        )
    )


def _folders_of(plugin: registry.Plugin) -> Iterator[Path]:
    """Yield the folder of the plugin's package, where it is one, and the folder around its module."""
    top, *inner = plugin.target.partition(":")[0].split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place).joinpath(*inner)
        yield from (folder, folder.parent) if inner else (folder,)


def _mistakes(found: Declaration, name: str) -> Iterator[tuple[_Path, str, str]]:
    """Yield (path, what is wrong, remedy) of what the types alone do not forbid."""
    if found.name != name:
        yield ("name",), f"`{found.name}` is not the name of the plugin", f"write `{name}`, as its entry point does"
    if not found.reproducible and not found.why_not:
        yield ("reproducible",), "it does not say why it is not reproducible", "say so in `why_not`"
    if found.stage == "executor" and len(found.parameters) != 1:
        yield ("stage",), "a decision of an executor has one parameter", "declare each decision in a file of its own"
    if found.quantization != "none" and not found.precisions:
        yield ("quantization",), "a way to quantise leads to a precision", "name it in `precisions`"
    for label, parameter in found.parameters.items():
        for value in (parameter.default, *parameter.offered):
            reason = unfit(parameter, value)
            if reason is not None:
                yield ("parameters", label), f"`{value}` is no value of {label}: {reason}", "mend it"
    yield from _mistakes_of_effect(found)


def _mistakes_of_effect(found: Declaration) -> Iterator[tuple[_Path, str, str]]:
    effect = found.effect
    for field in ("by", "mixed_by"):
        name = getattr(effect, field)
        if name is not None and not _is_share(found.parameters.get(name), open_ended=field == "by"):
            yield ("effect", field), f"`{name}` is no parameter that takes a share", "name one from 0 to 1"
    for name, value in (effect.falls_where or {}).items():
        reason = unfit(found.parameters[name], value) if name in found.parameters else "there is no such parameter"
        if reason is not None or effect.by is None:
            yield (
                ("effect", "falls_where"),
                f"`{name}: {value}` tells nothing: {reason or 'by is not stated'}",
                "mend it",
            )
    for field in ("weights", "time", "flops", "accuracy_loss"):
        span = getattr(effect, field)
        if span is not None and not span.low <= span.value <= span.high:
            yield ("effect", field), "the usual value lies outside of its extremes", "write low <= value <= high"
        if span is not None and not effect.source:
            yield ("effect", field), "nobody says where this comes from", "say so in `effect.source`"


def _is_share(parameter: Parameter | None, open_ended: bool) -> bool:
    """Say whether a parameter is a number from 0 to 1. open_ended: neither 0 nor, by default, 1"""
    if parameter is None or parameter.choices or parameter.least is None or parameter.most is None:
        return False
    if open_ended and not (parameter.least > 0 and float(parameter.default) < 1):
        return False
    return parameter.least >= 0 and parameter.most <= 1


def unfit(parameter: Parameter, value: str) -> str | None:
    """Return why a parameter does not take a value; None where it does."""
    if parameter.choices:
        return None if value in parameter.choices else f"it takes {', '.join(parameter.choices)}"
    if parameter.least is None and parameter.most is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return "it takes a number"
    low, high = parameter.least, parameter.most
    if math.isnan(number) or (low is not None and number < low) or (high is not None and number > high):
        span = f"from {low:g}" if high is None else f"up to {high:g}" if low is None else f"from {low:g} to {high:g}"
        return f"it takes numbers {span}"
    return None
