"""What answers of a model are compared with: those that it gives as it is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from aios.records.measurement import Measured
from aios.records.metrics import find_measure
from aios.records.model import ModelProfile
from aios.records.plan import Deployment
from aios.records.sampling import Pairs, mid_p

if TYPE_CHECKING:
    from aios.models.data_files import Items
    from aios.verify import Answers

__all__ = ["answers_of", "as_stored", "compares_with_stored", "paired_words"]


def compares_with_stored(names: Collection[str]) -> bool:
    """Say whether one of these metrics compares with the answers of the stored model."""
    return any(found[0].stored for name in names if (found := find_measure(name)) is not None)


def as_stored(deployment: Deployment, profile: ModelProfile) -> Deployment:
    """Return the deployment that computes the model as its file stores it, by the same executor on the same device."""
    plain = {"precision": profile.precision, "quantization": "none", "compression": "none", "settings": {}}
    return deployment.model_copy(update={**plain, "calibrate": (), "calibrate_digest": None})


def answers_of(items: Items, outputs: Any, stored: Any) -> Answers:
    """Return what is judged. items: that went in · outputs, stored: of the deployment, and as it is stored"""
    from aios.verify import Answers

    tokens = next((array for array in items.inputs.values() if array.ndim == 2 and array.dtype.kind in "iu"), None)
    return Answers(outputs, items.labels, stored, items.inputs.get("input_ids", tokens), items.mask)


def paired_words(values: Mapping[str, Measured]) -> dict[str, str]:
    """Return of each paired comparison how often answers differ, and how likely that is by chance."""
    words = {}
    for name, value in values.items():
        if len(value.counts) == 4:
            pairs = Pairs(*value.counts)
            words[name] = f"{pairs.first} items lost, {pairs.second} won; McNemar mid-P {mid_p(pairs):.2g}"
    return words
