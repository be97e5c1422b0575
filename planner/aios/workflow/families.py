"""Which models belong together: no level predicts a model from others of its family."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aios.records.observation import Observations

if TYPE_CHECKING:
    from aios.records.observation import Texts

__all__ = ["families_of"]

_TRANSFORMERS = frozenset({"serving", "step", "memory", "power"})
"""Predictors whose models are transformers, mostly."""
_FEWEST_FAMILIES = 5
_SOURCE = re.compile(r"(?:(?:adv|dm|ens|gluon|ig|jx|legacy|ssl|swsl|tf|tv|hf|huggingface|meta)[_ -])+|mlperf tiny ")
"""How names begin that say first where weights or a benchmark's version of a network come from (timm: TensorFlow,
Gluon, torchvision, DeepMind, Instagram, semi-supervised, adversarial...): the network is what follows."""
_FIRST_WORD = re.compile(r"[a-z]+?(?=v\d|[^a-z]|$)")
"""Without the letter of a version: ``mobilenetv3`` and ``mobilenet-v3`` are one."""
_FIGURES = ("macs", "activations", "parameters")
"""Figures that two networks share only where they are one; so they are said to be on inputs of one size."""


def families_of(parts: Sequence[Observations]) -> Texts:
    """Return a family for each row of some measured columns, one after the other; networks of equal figures share one.

    However tables write them, models that belong together have one name: the first word of the published transformer
    that it is, where a predictor goes by that, else of what the form says without its publisher. Shapes and other names
    that begin with a digit stay whole; so do names that only their first word has in common, in a table that has less
    than five of these.
    """
    import numpy as np

    from aios.fidelity import united

    of_table: dict[str, set[str]] = {}
    for rows in parts:
        of_table.setdefault(rows.table, set()).update(rows.families.tolist())
    named = {table: _words(names) for table, names in of_table.items()}
    families = np.concatenate([_families(rows, named[rows.table]) for rows in parts])
    return united(families, np.concatenate([_networks(rows) for rows in parts]))


def _words(names: set[str]) -> dict[str, str]:
    """Return what each family of a table is called in all tables."""
    words = {name: _first_word(name) for name in names}
    alike = list(words.values())
    few = len(set(alike)) < _FEWEST_FAMILIES
    return {name: name if few and alike.count(word) > 1 else word for name, word in words.items()}


def _first_word(name: str) -> str:
    bare = name.rpartition("/")[2]
    source = _SOURCE.match(bare)
    found = _FIRST_WORD.match(bare, source.end() if source else 0)
    return found[0] if found else name


def _families(rows: Observations, called: dict[str, str]) -> Texts:
    import numpy as np

    from aios.models.transformers import transformer_named

    families, places = np.unique(rows.families, return_inverse=True)
    found = np.array([called[str(name)] for name in families] or [""])[places]
    if rows.predictor not in _TRANSFORMERS:
        return found
    models, which = np.unique(rows.word("model"), return_inverse=True)
    known = [transformer_named(str(name)) if name else None for name in models]
    published = np.array([_first_word(model.name.lower()) if model else "" for model in known] or [""])[which]
    return np.where(published == "", found, published)


def _networks(rows: Observations) -> Texts:
    """Return a name for the figures of each row's network, empty where some of them is not stated."""
    import numpy as np

    figures = np.column_stack([rows.number(role) for role in (*_FIGURES, "image_size")])
    stated = (figures[:, :-1] > 0).all(axis=1)
    unique, places = np.unique(np.nan_to_num(figures), axis=0, return_inverse=True)
    names = np.array([" ".join(f"{figure:.9g}" for figure in row) for row in unique] or [""])[places.ravel()]
    return np.where(stated, names, "")
