"""Candidates as the rows that predictors and the physics of serving know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aios.records.candidate import Candidate
from aios.records.intent import Load
from aios.records.model import ModelProfile
from aios.records.observation import Observations
from aios.records.structures import numbers_of
from aios.records.transformers import KV_CACHE

if TYPE_CHECKING:
    from aios.records.observation import Floats, Texts

__all__ = ["observations_of", "with_concurrency"]


def observations_of(
    candidates: Sequence[Candidate], profiles: Mapping[str, ModelProfile], load: Load, metric: str
) -> Observations:
    """Return one row a candidate: one of its replicas, with as many requests as it may decode together.

    profiles: by model name, all with a transformer · load: with tokens of prompt and output
    """
    import numpy as np

    rows = len(candidates)
    called, numbers = _models(candidates, profiles)
    tensor, pipeline = (
        np.array([float(item.degrees.get(name, 1)) for item in candidates]) for name in ("tensor", "pipeline")
    )
    numbers |= {
        "tensor_parallel": tensor,
        "pipeline_parallel": pipeline,
        "devices": tensor * pipeline,
        "replicas": np.ones(rows),
        "prompt_tokens": np.full(rows, float(load.prompt_tokens or 1)),
        "output_tokens": np.full(rows, float(load.output_tokens or 1)),
        "concurrency": np.array([float(item.batch) for item in candidates]),
    }
    types = np.array([item.device for item in candidates])
    words = {
        "model": called,
        "device": types,
        "precision": np.array([item.precision for item in candidates]),
        "kv_precision": np.array([item.settings.get(KV_CACHE, "") for item in candidates]),
        "mode": np.full(rows, "inference"),
        "phase": np.full(rows, "both"),
        "scenario": np.full(rows, "closed-loop"),
        "task": np.full(rows, "text-generation"),
    }
    return Observations(
        table="",
        predictor="serving",
        metric=metric,
        unit="s",
        words=words,
        numbers=numbers,
        types=types,
        families=np.full(rows, ""),
        lines=np.arange(rows),
        values=np.full(rows, np.nan),
    )


def _models(candidates: Sequence[Candidate], profiles: Mapping[str, ModelProfile]) -> tuple[Texts, dict[str, Floats]]:
    """Return each candidate's model by its published name, and the numbers of its structure by role."""
    import numpy as np

    names = sorted({item.model for item in candidates})
    models = [profiles[name].transformer for name in names]
    known = [dict(numbers_of(model)) if model is not None else {} for model in models]
    place = {name: index for index, name in enumerate(names)}
    places = np.array([place[item.model] for item in candidates])
    numbers = {
        role: np.array([item.get(role, np.nan) for item in known])[places]
        for role in sorted({role for item in known for role in item})
    }
    return np.array([model.name if model is not None else "" for model in models])[places], numbers


def with_concurrency(rows: Observations, metric: str, concurrency: Floats) -> Observations:
    """Return the rows with another metric and number of requests that are answered at the same time."""
    from dataclasses import replace

    return replace(rows, metric=metric, numbers={**rows.numbers, "concurrency": concurrency})
