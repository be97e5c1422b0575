"""model diff, in words."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cli.exits import Exit
from aios.cli.output import emit, metric_text
from aios.cli.progress import Progress
from aios.cli.words import Ink, counted, harmless, one_line, table
from aios.records.metrics import find_metric
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.models.comparing import Fact, TensorChange, WeightChanges
    from aios.records.measurement import Measured
    from aios.workflow.modeldiff import Beside, Difference
    from aios.workflow.setting import Setting

__all__ = ["diff"]

_MOST_TENSORS = 20
_BYTES = ("file", "weights", "activations")


def diff(setting: Setting, before: str, after: str, *, every: bool, json: bool) -> int:
    """Print how two versions differ."""
    from aios.workflow.modeldiff import diff_models

    with Progress("diff", quiet=json) as progress:
        found = diff_models(replace(setting, tell=progress.doing), before, after)
    emit(_text(found, every), _document(found), json=json)
    return Exit.DONE


def _document(found: Difference) -> dict[str, object]:
    weights = found.weights
    return {
        "before": {"name": found.before[0], "version": found.before[1]},
        "after": {"name": found.after[0], "version": found.after[1]},
        "figures": [item._asdict() for item in found.figures],
        "operators": [item._asdict() for item in found.operators],
        "weights": None
        if weights is None
        else {
            "same": weights.same,
            "renamed": weights.renamed,
            **{
                field: [{**item._asdict(), "relative": item.relative} for item in getattr(weights, field)]
                for field in ("changed", "gone", "new")
            },
        },
        "measured": [item._asdict() for item in found.measured],
    }


def _text(found: Difference, every: bool) -> str:
    ink = Ink(sys.stdout)
    (left, old), (right, new) = found.before, found.after
    if old.digest == new.digest:
        return f"{left} and {right} are the very same model ({old.digest})"
    rows = [[item.what, *map(harmless, _both(item)), _factor(item)] for item in found.figures]
    parts = [table(["", left, right, "CHANGE"], rows, ink)]
    if found.operators:
        rows = [[harmless(item.what), f"{item.before}", f"{item.after}"] for item in found.operators]
        parts.append(table(["OPERATORS", left, right], rows, ink))
    if found.weights is not None:
        parts.append(_weights_text(found.weights, every, ink))
    parts.append(_measured_text(found.measured, left, right, ink))
    return "\n\n".join(parts)


def _both(item: Fact) -> tuple[str, str]:
    first, second = (_value(item.what, value) for value in (item.before, item.after))
    return first, second


def _value(what: str, value: float | str | None) -> str:
    if value is None:
        return "?"
    if isinstance(value, str):
        return one_line(value)
    if what in _BYTES:
        return format_quantity(float(value), Dimension.BYTES)
    return f"{value:,.0f}{' FLOP' if what == 'compute' else ''}"


def _factor(item: Fact) -> str:
    if item.before == item.after:
        return "same"
    if isinstance(item.before, str) or isinstance(item.after, str) or not item.before or item.after is None:
        return "differs"
    return "differs" if item.what == "opset" else f"x {item.after / item.before:.3g}"


def _weights_text(found: WeightChanges, every: bool, ink: Ink) -> str:
    told = f"constants: {found.same} the same"
    told += f" ({found.renamed} of them under another name)" if found.renamed else ""
    told += "".join(
        f", {len(items)} {what}"
        for items, what in ((found.changed, "changed"), (found.gone, "gone"), (found.new, "new"))
        if items
    )
    listed = [*found.changed, *found.gone, *found.new]
    shown = listed if every else listed[:_MOST_TENSORS]
    if not shown:
        return told
    rows = [_tensor_row(item) for item in shown]
    left = len(listed) - len(shown)
    more = f"\n… and {counted(left, 'more constant')} (--all lists them)" if left else ""
    head = ["CONSTANT", "BEFORE", "AFTER", "NORM", "CHANGE", "RELATIVE", "LARGEST", "VALUES"]
    return f"{told}\n{table(head, rows, ink)}{more}"


def _tensor_row(item: TensorChange) -> list[str]:
    figures = [f"{value:.3g}" if value is not None else "-" for value in (item.norm, item.change)]
    relative = f"{100 * item.relative:.3g} %" if item.relative is not None else "-"
    largest = f"{item.largest:.3g}" if item.largest is not None else "-"
    share = f"{100 * item.share:.3g} %" if item.share is not None else "-"
    return [harmless(item.name), item.shape_before or "-", item.shape_after or "-", *figures, relative, largest, share]


def _measured_text(found: tuple[Beside, ...], left: str, right: str, ink: Ink) -> str:
    if not found:
        return "measured: neither (`aios profile` measures)"
    rows = [
        [item.metric, _figure(item.metric, item.before), _figure(item.metric, item.after), harmless(item.conditions)]
        for item in found
    ]
    return table(["MEASURED", left, right, "CONDITIONS"], rows, ink)


_UNITS = {"s": Dimension.TIME, "B": Dimension.BYTES, "J": Dimension.ENERGY, "1/s": Dimension.RATE}


def _figure(name: str, item: Measured | None) -> str:
    if item is None:
        return "not measured"
    if find_metric(name) is not None:
        return metric_text(name, item.value)
    dimension = _UNITS.get(item.unit)
    return format_quantity(item.value, dimension) if dimension else f"{item.value:.4g} {item.unit}".strip()
