"""model inspect, schema, plugins."""

from __future__ import annotations

import sys
from pathlib import Path

from aios.cli.output import emit
from aios.cli.words import Ink, harmless, one_line, table
from aios.records.errors import InputError, UsageError
from aios.records.model import ModelProfile, TensorSpec
from aios.records.units import Dimension, format_quantity

__all__ = ["model_inspect", "plugins", "schema"]

_MOST_KINDS = 20
_TOKENS = 1024


def model_inspect(file: Path, sizes: tuple[str, ...], *, json: bool) -> int:
    """Print what a model asks of hardware."""
    from aios.workflow.inspecting import inspect_model, is_transformer

    if is_transformer(file):
        return _transformer_inspect(file, _parse_sizes(sizes), json=json)
    profile = inspect_model(file, _parse_sizes(sizes))
    emit(_model_text(profile), profile, json=json)
    return 0


def _transformer_inspect(file: Path, sizes: dict[str, int], *, json: bool) -> int:
    from aios.cli.transformers import transformer_text
    from aios.workflow.inspecting import inspect_transformer, transformer_figures

    if set(sizes) - {"tokens"}:
        raise UsageError("--size of a transformer is that of its sequence: tokens=N")
    model = inspect_transformer(file)
    tokens = sizes.get("tokens", min(_TOKENS, model.positions or _TOKENS))
    figures = transformer_figures(model, tokens)
    emit(transformer_text(model, figures), {"transformer": model, "figures": figures}, json=json)
    return 0


def _parse_sizes(sizes: tuple[str, ...]) -> dict[str, int]:
    parsed = {}
    for item in sizes:
        name, _, number = item.partition("=")
        if not name or not number.isdigit() or int(number) < 1:
            raise UsageError(f"--size takes NAME=N with N at least 1, not {item!r}")
        parsed[name] = int(number)
    return parsed


def _model_text(profile: ModelProfile) -> str:
    ink = Ink(sys.stdout)
    batch = (
        "dynamic" if profile.fixed_batch is None and profile.batch_axis is not None else str(profile.fixed_batch or "?")
    )
    facts = [
        ("format", f"{profile.format}, opset {profile.opset}, {profile.producer or 'producer unknown'}"),
        ("digest", profile.digest),
        ("inputs", ", ".join(_tensor(item) for item in profile.inputs)),
        ("outputs", ", ".join(_tensor(item) for item in profile.outputs)),
        ("batch", batch),
        ("precision", profile.precision),
        ("parameters", f"{profile.parameters:,}"),
        ("weights", format_quantity(profile.weight_bytes, Dimension.BYTES)),
        ("activations", f"{format_quantity(profile.activation_bytes, Dimension.BYTES)} alive at once, per item"),
        ("compute", f"{_si(profile.macs)}MAC, {_si(profile.flops)}FLOP per item"),
    ]
    if profile.assumed:
        facts.append(("assumed", ", ".join(f"{name} = {size}" for name, size in profile.assumed.items())))
    for name, value in profile.declared.items():
        facts.append(("declared", f"{name} = {value:.4g}"))
    lines = [ink(one_line(profile.name), "bold")]
    lines += [*(f"  {ink(name.ljust(12), 'dim')}{one_line(value)}" for name, value in facts), ""]
    lines.append(_operators(profile, ink))
    if profile.unknown_operators:
        names = ", ".join(f"{count} × {kind}" for kind, count in profile.unknown_operators.items())
        lines += ["", ink("unknown operators", "yellow") + f" (their cost is not in the totals): {one_line(names)}"]
    lines += [f"note: {one_line(note)}" for note in profile.notes]
    return "\n".join(lines)


def _operators(profile: ModelProfile, ink: Ink) -> str:
    totals: dict[str, list[float]] = {}
    for item in profile.operators:
        row = totals.setdefault(item.kind, [0, 0.0, 0.0, 0.0])
        row[0] += item.count
        row[1] += item.count * item.flops
        row[2] += item.count * item.weight_bytes
        row[3] += item.count * (item.input_bytes + item.output_bytes)
    ordered = sorted(totals.items(), key=lambda pair: (-pair[1][1], -pair[1][3]))
    rows = [
        [
            harmless(kind),
            f"{row[0]:.0f}",
            f"{_si(row[1])}FLOP",
            f"{row[1] / profile.flops:.1%}" if profile.flops else "-",
            format_quantity(row[2], Dimension.BYTES),
            format_quantity(row[3], Dimension.BYTES),
        ]
        for kind, row in ordered[:_MOST_KINDS]
    ]
    text = table(["OPERATOR", "COUNT", "COMPUTE", "SHARE", "WEIGHTS", "ACTIVATIONS MOVED"], rows, ink)
    left = len(ordered) - _MOST_KINDS
    return text + (f"\n… and {left} more operator types (--json lists all)" if left > 0 else "")


def _tensor(item: TensorSpec) -> str:
    return f"{item.name} {item.dtype}[{', '.join(map(str, item.shape))}]"


def _si(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "


def schema(name: str | None, *, json: bool) -> int:
    """Print a schema, or the names of all."""
    from aios import catalogue

    folder = catalogue.root() / "schemas"
    names = sorted(path.name.removesuffix(".schema.json") for path in folder.glob("*.schema.json"))
    if name is None:
        emit("\n".join(names), names, json=json)
        return 0
    if name not in names:
        raise InputError(f"there is no schema {name!r} (there are: {', '.join(names)})")
    sys.stdout.write((folder / f"{name}.schema.json").read_text())
    return 0


def plugins(*, json: bool) -> int:
    """List the installed plugins."""
    from aios.spi import registry

    found = [plugin for group in registry.GROUPS for plugin in registry.installed(group)]
    rows = [
        [
            item.group.removeprefix("aios."),
            item.name,
            f"{item.package or '?'} {item.version or ''}".strip(),
            item.target,
        ]
        for item in found
    ]
    emit(table(["GROUP", "NAME", "PACKAGE", "TARGET"], rows, Ink(sys.stdout)), found, json=json)
    return 0
