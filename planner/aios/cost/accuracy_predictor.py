"""What a change of a model (quantisation, pruning, another processor) does to its accuracy.

The value is the change as a share of the unchanged model's accuracy, minus is worse. Where rows state a
``reference_accuracy`` their values are accuracies; where less of a measure is better (perplexity, error rates) its
change is turned round. Intervals are quantiles per kind of change: their lower tail is the long one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR", "kind_of", "saturates"]

_LESS_IS_BETTER = re.compile(r"(?i)perplexity|\bppl\b|\bwer\b|error|loss")
_PERPLEXITY = re.compile(r"(?i)perplexity|\bppl\b")
_KINDS = (
    ("separable", r"mobile|efficient|shuffle|squeeze|mnas|ghost|fbnet|lite|nasnet|edgetpu"),
    (
        "transformer",
        r"bert|gpt|llama|opt-|bloom|falcon|mpt|vit\b|vit_|swin|deit|dolly|\bt5|electra|mistral|qwen|lm\b|former",
    ),
)
"""Kind of architecture -> what names of such models contain; others are plain convolutional networks. Depthwise
convolutions have few weights per channel and uneven ranges (Nagel and others 2019), so they lose more in 8 bits."""
_NOISE, _NOISE_PERPLEXITY = 2.0, 40.0
"""Share lost by rounding weights to b bits: this x 4^-b, as the variance of rounding goes. Four bits in groups of 128
lose 0.5 to 1 % of accuracy (GPTQ; AWQ); perplexity grows 5 % at 4.8 bits per weight and 0.5 % at 6.5 (llama.cpp)."""
_SCALE_BITS, _GROUP = 16.0, 128.0
"""Bits of the scale that a group of weights shares; they buy accuracy as other bits do. Groups where nobody says."""
_SMALL = 0.001
"""Expected losses below this are told apart no more: the spread of a row grows with what it is expected to lose."""
_SATURATED = 0.03
"""The same where products saturate; networks are hit unequally."""
_SPARSE = 0.002
"""Share lost by pruning with retraining: this x s / (1 - s), as capacity goes: 0.2 % at half, 1.8 % at nine tenths."""


def kind_of(model: str) -> str:
    """Return ``separable``, ``transformer`` or ``convolution``, judged by the name of a model."""
    return next((kind for kind, pattern in _KINDS if re.search(pattern, model.lower())), "convolution")


def saturates(device: DeviceType | None) -> bool:
    """Say whether 8-bit products may overflow the 16 bits that they are added up in: x86 without VNNI or AMX.

    ONNX Runtime and oneDNN use VPMADDUBSW there (ONNX Runtime, Quantize ONNX models: "saturation issue").
    """
    if device is None or device.kind != "cpu":
        return False
    x86 = any(feature.startswith(("sse", "avx")) for feature in device.features)
    return x86 and not any("vnni" in feature or "amx" in feature for feature in device.features)


def _design(rows: Observations, types: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    measures, transforms = rows.word("measure"), rows.word("transform")
    perplexity = _matching(measures, _PERPLEXITY)
    eight = np.char.find(rows.word("precision").astype(str), "int8") >= 0
    weak = {name: saturates(types.get(name)) for name in map(str, np.unique(rows.types))}
    saturating = eight & np.array([weak[str(name)] for name in rows.types], dtype=bool)
    kinds = {str(name): kind_of(str(name)) for name in np.unique(rows.word("model"))}
    kind = np.array([kinds[str(name)] for name in rows.word("model")])
    lost = _rounding(rows, perplexity) + _pruned(rows)
    unknown = np.where(transforms == "", "it is not stated how the model was changed", "")
    return Design(
        features={"expected": np.log(lost + _SMALL + _SATURATED * saturating)},
        base=-lost,
        keys={
            "device": np.where(rows.types == "", rows.word("device"), rows.types),
            "transform": transforms,
            "saturating": np.where(saturating, "saturating", ""),
            "kind": kind,
            "task": rows.word("task"),
            "software": rows.word("software"),
            "pattern": rows.word("sparsity_pattern"),
            "model": np.where(
                saturating, np.char.add(rows.word("model").astype(str), " saturating"), rows.word("model")
            ),
            "stratum": transforms,
        },
        least=np.full(len(rows), -np.inf),
        unknown=unknown,
    )


def _matching(words: Texts, pattern: re.Pattern[str]) -> Texts:
    import numpy as np

    known = {str(word): bool(pattern.search(str(word))) for word in np.unique(words)}
    return np.array([known[str(word)] for word in words], dtype=bool)


def _rounding(rows: Observations, perplexity: Texts) -> Floats:
    import numpy as np

    group = rows.number("group_size")
    bits = rows.number("bits_per_weight", 16.0) + np.where(np.isnan(group), 0.0, _SCALE_BITS / np.maximum(group, 1.0))
    size = np.where(perplexity, _NOISE_PERPLEXITY, _NOISE)
    lost: Floats = size * 4.0**-bits
    return np.where(perplexity, lost, np.minimum(lost, 1.0))


def _pruned(rows: Observations) -> Floats:
    import numpy as np

    share = np.clip(rows.number("sparsity", 0.0), 0.0, 0.99)
    lost: Floats = np.minimum(_SPARSE * share / (1 - share), 1.0)
    return lost


def _target(rows: Observations) -> Floats:
    import numpy as np

    reference = rows.number("reference_accuracy")
    change = np.where(np.isnan(reference), rows.values, rows.values / reference - 1)
    turned: Floats = np.where(_matching(rows.word("measure"), _LESS_IS_BETTER), -change, change)
    return turned


def _value(rows: Observations, target: Floats) -> Floats:
    import numpy as np

    change = np.where(_matching(rows.word("measure"), _LESS_IS_BETTER), -target, target)
    reference = rows.number("reference_accuracy")
    value: Floats = np.where(np.isnan(reference), change, reference * (1 + change))
    return value


PREDICTOR = Predictor(
    name="accuracy",
    version=1,
    metrics=("accuracy_change",),
    stages=(
        StageForm(("transform",), 0),
        StageForm(("saturating",), 0),
        StageForm(("transform", "kind"), 0, 8),
        StageForm(("transform", "task"), 0, 8),
        StageForm(("transform", "software"), 0, 8),
        StageForm(("transform", "pattern"), 0, 4),
        StageForm(("transform", "model"), 0),
    ),
    design=_design,
    target=_target,
    value=_value,
    scale="plain",
)
