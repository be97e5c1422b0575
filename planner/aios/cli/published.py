"""model list, model show."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aios.cli.output import emit
from aios.cli.words import Ink, counted, harmless, table
from aios.records.card import ModelCard
from aios.records.errors import UsageError
from aios.records.modelstore import SCHEME
from aios.records.networks import CLASSES, WORK
from aios.records.transformer import Transformer
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.records.modelstore import Entry
    from aios.workflow.publishing import Listed
    from aios.workflow.setting import Setting

__all__ = ["model_list", "model_show"]

_TOKENS = 1024


def model_list(setting: Setting, wanted: str | None, *, only_stored: bool, json: bool) -> int:
    """Print the stored and the published models whose names hold ``wanted``; 1 where none is called so."""
    from aios.workflow.modelstore import list_stored
    from aios.workflow.publishing import list_published

    stored = list_stored(setting, wanted)
    found = [] if only_stored else list_published(wanted)
    words = [_stored_text(stored, setting)] if stored else []
    words += [_published_text(found)] if found else []
    none = (
        f"no model is called {wanted!r}"
        if wanted
        else f"the model store {setting.model_store} is empty: nothing is stored"
    )
    document = [*map(_stored_facts, stored), *(item._asdict() for item in found)]
    emit("\n\n".join(words) or none, document, json=json)
    return 1 if wanted and not document else 0


def _stored_facts(entry: Entry) -> dict[str, object]:
    """Return a line of the list; what published models have and stored ones have not is None."""
    return {
        "name": f"{SCHEME}{entry.name}",
        "kind": "stored",
        "parameters": None,
        "macs": None,
        "image_size": None,
        "counted": False,
        "versions": len(entry.versions),
        "branches": {label: pointer.at for label, pointer in entry.branches.items()},
        "tags": {label: pointer.at for label, pointer in entry.tags.items()},
        "bytes": sum(item.size for item in entry.versions),
    }


def _stored_text(stored: Sequence[Entry], setting: Setting) -> str:
    rows = [
        [
            f"{SCHEME}{entry.name}",
            str(len(entry.versions)),
            ", ".join(f"{label} v{pointer.at}" for label, pointer in sorted(entry.branches.items())),
            ", ".join(f"{label} v{pointer.at}" for label, pointer in sorted(entry.tags.items())),
            format_quantity(float(sum(item.size for item in entry.versions)), Dimension.BYTES),
        ]
        for entry in stored
    ]
    ink = Ink(sys.stdout)
    heading = ink(f"In the model store {harmless(str(setting.model_store))}:", "bold")
    return f"{heading}\n{table(['NAME', 'VERSIONS', 'BRANCHES', 'TAGS', 'SIZE'], rows, ink)}"


def _published_text(found: Sequence[Listed]) -> str:
    rows = [
        [harmless(item.name), item.kind, _number(item.parameters), _number(item.macs), _size(item.image_size)]
        for item in found
    ]
    ink = Ink(sys.stdout)
    return table(["NAME", "KIND", "PARAMETERS", "MACS", "INPUT"], rows, ink) + f"\n\n{counted(len(found), 'model')}"


def model_show(name: str, size: int | None, *, json: bool) -> int:
    """Print what is known of a published model. Raises UsageError for a bad size, InputError for an unknown name."""
    from aios.workflow.publishing import find_published

    if size is not None and size < 1:
        raise UsageError(f"--size takes pixels, at least 1, not {size}")
    found = find_published(name, size)
    if isinstance(found, Transformer):
        return _show_transformer(found, json=json)
    emit(_card_text(found), found, json=json)
    return 0


def _show_transformer(model: Transformer, *, json: bool) -> int:
    from aios.cli.transformers import transformer_text
    from aios.workflow.inspecting import transformer_figures

    figures = transformer_figures(model, min(_TOKENS, model.positions or _TOKENS))
    emit(transformer_text(model, figures), {"transformer": model, "figures": figures}, json=json)
    return 0


def _card_text(card: ModelCard) -> str:
    ink = Ink(sys.stdout)
    facts = [
        ("also called", ", ".join(card.aliases)),
        ("kind", card.kind or ""),
        ("input", _size(card.image_size)),
        ("macs", _number(card.macs)),
        ("activations", _number(card.activations)),
        ("parameters", _number(card.parameters)),
        ("source", card.source),
    ]
    lines = [ink(harmless(card.name), "bold")]
    lines += [f"  {ink(name.ljust(12), 'dim')}{harmless(value)}" for name, value in facts if value]
    if not card.work:
        return "\n".join([*lines, "", "its operators were not counted: they are taken to be those of networks like it"])
    rows = []
    for name in CLASSES:
        macs, values = card.work.get(f"{name}_macs"), card.work.get(f"{name}_values")
        if macs or values:
            rows.append([name, _number(macs), _number(values)])
    lines += ["", table(["OPERATORS", "MACS", "VALUES MOVED"], rows, ink), ""]
    plain = {f"{name}_{unit}" for name in CLASSES for unit in ("macs", "values")}
    further = [name for name in WORK if name in card.work and name not in plain]
    named = max((len(name) for name in further), default=0)
    lines += [
        f"  {name.replace('_', ' ').ljust(named)}  {_number(card.work[name]):>7}  {ink(WORK[name], 'dim')}"
        for name in further
    ]
    return "\n".join(lines)


def _size(image_size: float | None) -> str:
    return f"{image_size:.0f} x {image_size:.0f}" if image_size else ""


def _number(value: float | None) -> str:
    if not value:
        return ""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g}"
