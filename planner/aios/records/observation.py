"""Measured rows of published or own tables, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from aios.records.units import Dimension

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Texts = npt.NDArray[np.str_]

__all__ = ["NUMBERS", "WORDS", "Level", "Observations"]

Level = Literal["zero-shot", "calibrated", "profiled"]
"""What was seen before a row is predicted. zero-shot: no row of its device, catalogue facts alone · calibrated: other
models on its device · profiled: its own model on its device, under other settings."""

WORDS: Mapping[str, str] = {
    "model": "name of the model as the table calls it",
    "device": "name of the device as the table calls it",
    "mode": "what is done: inference or training",
    "phase": "prefill, decode or both",
    "task": "what the model is for: image-classification, object-detection, text-generation...",
    "dataset": "data that accuracy is measured on, or that is trained on",
    "measure": "what kind of accuracy: top1, mAP, perplexity...",
    "precision": "that it computes in: fp32, fp16, bf16, int8, fp8... (see VALUE_BYTES), or the source's own word",
    "kv_precision": "that keys and values are kept in",
    "transform": "how the model was changed: static-int8, dynamic-int8, qat-int8, w4, pruning...",
    "sparsity_pattern": "of pruned weights: unstructured, 2:4, filter...",
    "software": "framework or engine, with what of its version matters",
    "layout": "of activations: nchw, nhwc",
    "scenario": "how load arrives: single-stream, offline, server, closed-loop",
    "operation": "of a kernel: gemm, attention, moe, mlp...",
    "distribution": "of tokens over experts",
    "recompute": "of activations in training: none, selective, full",
    "sharding": "of states over data-parallel devices: none, zero1, zero2, zero3",
    "placement": "of devices over nodes, as the source writes it",
    "interconnect": "between devices, as the source writes it",
    "serving": "of a language model: agg (one engine) or disagg (prefill and decode apart)",
    "host": "processor or system around the device",
}
"""Roles of columns that hold words."""

NUMBERS: Mapping[str, tuple[Dimension, str]] = {
    "macs": (Dimension.COUNT, "multiply-accumulates per item"),
    "activations": (Dimension.COUNT, "values that convolutions and matrix products put out, per item"),
    "parameters": (Dimension.COUNT, "trained numbers of the model"),
    "active_parameters": (Dimension.COUNT, "of them used per token"),
    "weight_bytes": (Dimension.BYTES, "size of the weights as stored"),
    "image_size": (Dimension.COUNT, "height of a square input in pixels, or the root of height times width"),
    "batch": (Dimension.COUNT, "items per call on one device"),
    "global_batch": (Dimension.COUNT, "items per optimizer step"),
    "micro_batch": (Dimension.COUNT, "items per forward pass of one data-parallel replica"),
    "devices": (Dimension.COUNT, "devices of the deployment together"),
    "nodes": (Dimension.COUNT, "machines of the deployment"),
    "threads": (Dimension.COUNT, "CPU threads"),
    "concurrency": (Dimension.COUNT, "requests that are answered at the same time"),
    "prompt_tokens": (Dimension.COUNT, "per request"),
    "output_tokens": (Dimension.COUNT, "per request"),
    "sequence": (Dimension.COUNT, "tokens of a training sequence, or of the keys that attention reads"),
    "tokens": (Dimension.COUNT, "that a kernel or step works on"),
    "layers": (Dimension.COUNT, "transformer blocks"),
    "hidden": (Dimension.COUNT, "width of the residual stream"),
    "heads": (Dimension.COUNT, "query heads"),
    "kv_heads": (Dimension.COUNT, "key and value heads"),
    "head_dim": (Dimension.COUNT, "width of a head"),
    "intermediate": (Dimension.COUNT, "width of a feed-forward block, or of one expert"),
    "vocabulary": (Dimension.COUNT, "tokens that are known"),
    "experts": (Dimension.COUNT, "of a mixture"),
    "active_experts": (Dimension.COUNT, "of them used per token"),
    "m": (Dimension.COUNT, "rows of a matrix product"),
    "n": (Dimension.COUNT, "columns of a matrix product"),
    "k": (Dimension.COUNT, "inner size of a matrix product"),
    "tensor_parallel": (Dimension.COUNT, "degree"),
    "pipeline_parallel": (Dimension.COUNT, "degree"),
    "virtual_pipeline": (Dimension.COUNT, "model chunks per pipeline stage"),
    "data_parallel": (Dimension.COUNT, "degree; of attention alone where experts are spread otherwise"),
    "expert_parallel": (Dimension.COUNT, "degree"),
    "expert_tensor_parallel": (Dimension.COUNT, "degree of tensor parallelism within experts"),
    "context_parallel": (Dimension.COUNT, "degree"),
    "sequence_parallel": (Dimension.COUNT, "1 where norms are split along the sequence, else 0"),
    "gradient_accumulation": (Dimension.COUNT, "micro batches per optimizer step of one replica"),
    "bits_per_weight": (Dimension.COUNT, "of a quantised model"),
    "offloaded_layers": (Dimension.COUNT, "layers that the accelerator computes, the host the others"),
    "group_size": (Dimension.COUNT, "weights that share a quantisation scale"),
    "sparsity": (Dimension.FRACTION, "share of weights that are zero"),
    "reference_accuracy": (Dimension.COUNT, "of the unchanged model, in the unit of the measured one"),
    "steps": (Dimension.COUNT, "denoising steps of a diffusion model"),
    "frames": (Dimension.COUNT, "of a video"),
    "power_cap": (Dimension.POWER, "limit set on one device"),
    "device_power": (Dimension.POWER, "nominal power of one device, where the table states it"),
    "price": (Dimension.PRICE, "of the devices, where the table states it"),
    "out_of_memory": (Dimension.COUNT, "1 where the source reports that it did not fit, else 0"),
}
"""Roles of columns that hold numbers: the kind of quantity, in whose SI unit they are kept, and what it is."""


@dataclass(frozen=True)
class Observations:
    """n measured values of one metric of one table; arrays are all of length n.

    table: path in its folder · predictor: name of what predicts such values · metric: from the vocabulary, or one of
    the predictor's own · unit: of the values, SI · words, numbers: role -> column; a word that is not stated is empty,
    a number NaN; a role that the table lacks is absent · types: catalogue name of the device, empty where nobody knows
    it · families: group of models that belong together, by name · lines: in the file · values: measured
    """

    table: str
    predictor: str
    metric: str
    unit: str
    words: Mapping[str, Texts]
    numbers: Mapping[str, Floats]
    types: Texts
    families: Texts
    lines: npt.NDArray[np.int64]
    values: Floats

    def __len__(self) -> int:
        """Return n, the number of rows."""
        return len(self.values)

    def word(self, role: str, default: str = "") -> Texts:
        """Return a column of words, all ``default`` where the table lacks it."""
        import numpy as np

        found = self.words.get(role)
        return np.full(len(self.values), default) if found is None else found

    def number(self, role: str, default: float | None = None) -> Floats:
        """Return a column of numbers with ``default`` (NaN without one) wherever none is stated."""
        import numpy as np

        found = self.numbers.get(role)
        if found is None:
            return np.full(len(self.values), np.nan if default is None else default)
        return found if default is None else np.where(np.isnan(found), default, found)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Observations:
        """Return the rows that a mask or index selects."""
        return replace(
            self,
            words={role: column[rows] for role, column in self.words.items()},
            numbers={role: column[rows] for role, column in self.numbers.items()},
            types=self.types[rows],
            families=self.families[rows],
            lines=self.lines[rows],
            values=self.values[rows],
        )
