"""model transforms, model provenance."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from aios.cli.exits import Exit
from aios.cli.output import emit
from aios.cli.words import Ink, one_line, table
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.transform import Declaration, Parameter, Provenance, Range
from aios.workflow.setting import Setting

__all__ = ["model_provenance", "model_transforms"]


def model_transforms(name: str | None, *, json: bool) -> int:
    """Print what installed transforms declare: all in short, or one in full."""
    from aios.workflow.transforming import declared

    known = declared()
    if name is None:
        rows = [_row(item) for item in known.values()]
        head = ["TRANSFORM", "CHANGES", "GIVES", "NEEDS", "TRIED", "SUMMARY"]
        emit(table(head, rows, Ink(sys.stdout)), list(known.values()), json=json)
        return Exit.DONE
    if name not in known:
        near = nearest(name, list(known))
        remedy = f"{f'did you mean `{near}`? ' if near else ''}installed: {', '.join(known)}"
        raise InputError(Diagnostic(summary=f"there is no transform `{name}`", remedy=remedy))
    emit("\n".join(_words(known[name], Ink(sys.stdout))), known[name], json=json)
    return Exit.DONE


def _row(item: Declaration) -> list[str]:
    gives = ", ".join(item.precisions) or "as stored"
    needs = ", ".join(f"data.{role}" for role in item.needs.data) or "-"
    return [item.name, item.stage, gives, needs, "when named" if item.asked else "always", item.summary]


def _words(item: Declaration, ink: Ink) -> Iterator[str]:
    yield f"{ink(item.name, 'bold')}: {item.summary}"
    needs = item.needs
    lists = {
        "gives": item.precisions or ("the precision that it is stored in",),
        "formats": needs.formats,
        "stored in": needs.stored,
        "operators": needs.operators,
        "data": tuple(f"data.{role}" for role in needs.data),
        "data, if any": tuple(f"data.{role}" for role in needs.uses),
        "devices": needs.devices,
        "modules": needs.modules,
    }
    for label, values in lists.items():
        if values:
            yield f"{ink(label, 'dim')} {', '.join(values)}"
    yield f"{ink('tried', 'dim')} {'only where an intent names it' if item.asked else 'wherever it can be'}"
    again = "gives the same bytes again" if item.reproducible else f"not reproducible: {item.why_not}"
    yield f"{ink('rebuilding', 'dim')} {one_line(again)}"
    for label in ("weights", "time", "flops", "accuracy_loss"):
        span = getattr(item.effect, label)
        if span is not None:
            source = one_line(item.effect.source)
            yield f"{ink(label.replace('_', ' '), 'dim')} {_span(label, span)} (assumed: {source})"
    if item.effect.by:
        default = item.parameters[item.effect.by].default
        yield f"{ink('expected', 'dim')} so with {item.effect.by} {default}; with less, less is left"
    if item.parameters:
        for name, value in item.parameters.items():
            for word in (*value.modules, *(f"data.{role}" for role in value.data)):
                yield f"{ink('needed', 'dim')} {word}, for any {name} but {value.default}"
        rows = [
            [name, value.default, ", ".join(value.offered or (value.default,)), _takes(value), one_line(value.help)]
            for name, value in item.parameters.items()
        ]
        yield table(["PARAMETER", "DEFAULT", "TRIED", "TAKES", "HELP"], rows, ink)


def _span(label: str, span: Range) -> str:
    if label == "accuracy_loss":
        return f"{100 * span.value:g} points, {100 * span.low:g} to {100 * span.high:g}"
    return f"{span.value:g} of before, {span.low:g} to {span.high:g}"


def _takes(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(parameter.choices)
    if parameter.least is None and parameter.most is None:
        return "text"
    low = "" if parameter.least is None else f"from {parameter.least:g} "
    return f"{low}{'' if parameter.most is None else f'to {parameter.most:g}'}".strip()


def model_provenance(setting: Setting, name: str, address: str | None, *, again: bool, json: bool) -> int:
    """Print each step from a model file to what is computed; with ``again`` make it anew and compare."""
    from aios.workflow.provenance import origin_of, rebuild

    origin = origin_of(setting, name, address)
    rebuilt = rebuild(setting, origin) if again else None
    ink = Ink(sys.stdout)
    lines = [text for entry in origin.chain for text in _entry(entry, ink)]
    if rebuilt is not None and rebuilt.same:
        lines.append(f"{ink('rebuilt', 'green')} bit for bit the same")
    elif rebuilt is not None:
        lines.append(f"{ink('differs', 'red')} it came out as {rebuilt.chain[-1].digest}")
    document: dict[str, object] = {"chain": origin.chain, "folder": origin.folder and str(origin.folder)}
    if rebuilt is not None:
        document |= {"same": rebuilt.same, "rebuilt": rebuilt.chain}
    emit("\n".join(lines), document, json=json)
    return Exit.DONE if rebuilt is None or rebuilt.same else Exit.BROKEN


def _entry(entry: Provenance, ink: Ink) -> Iterator[str]:
    yield f"{ink(entry.transform or 'source', 'bold')} {entry.digest}"
    told: dict[str, Mapping[str, str]] = {
        "settings": entry.settings,
        "versions": entry.versions,
        "data": {str(role): digest for role, digest in entry.data.items()},
        "report": entry.report,
    }
    for label, facts in told.items():
        if facts:
            yield f"  {ink(label, 'dim')} {one_line(', '.join(f'{name} {value}' for name, value in facts.items()))}"
    if not entry.reproducible:
        yield f"  {ink('not reproducible', 'dim')}"
