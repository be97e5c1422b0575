"""Measured rows of published or own tables, column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from aios.records.units import Dimension

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Texts = npt.NDArray[np.str_]

__all__ = ["BELOW_ZERO", "DERIVED", "FROM_ONE", "MEASURED", "NUMBERS", "WORDS", "Level", "Observations"]

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
    "kv_precision": "that keys and values are kept in; none: they are not kept but computed anew for every token",
    "transform": "how the model was changed: static-int8, dynamic-int8, qat-int8, w4, pruning...",
    "sparsity_pattern": "of pruned weights: unstructured, 2:4, filter...",
    "software": "framework or engine, with what of its version matters",
    "layout": "of activations: nchw, nhwc",
    "scenario": "how load arrives: single-stream, offline, server, closed-loop",
    "operation": "of a kernel: gemm, attention, moe, mlp...",
    "distribution": "of tokens over experts",
    "recompute": "of activations in training: none, selective (scores alone), alternate (every second product), full",
    "sharding": "of states over data-parallel devices: none, zero1, zero2, zero3",
    "placement": "of devices over nodes, as the source writes it",
    "interconnect": "between devices, as the source writes it",
    "serving": "of a language model: agg (one engine) or disagg (prefill and decode apart)",
    "host": "processor or system around the device",
    "counted": "what a throughput counts where it is not items or tokens: model-flops, hardware-flops (with what is "
    "computed again)",
    "core": "kind of cores of a processor, as its name states it: A76, Zen3, Cortex-M4",
    "part": "of memory: states (weights, gradients, optimizer), activations; empty for all of it",
}
"""Roles of columns that hold words."""

NUMBERS: Mapping[str, tuple[Dimension, str]] = {
    "macs": (Dimension.COUNT, "multiply-accumulates per item"),
    "activations": (Dimension.COUNT, "values that convolutions and matrix products put out, per item"),
    "parameters": (Dimension.COUNT, "trained numbers of the model"),
    "active_parameters": (Dimension.COUNT, "of them used per token"),
    "weight_bytes": (Dimension.BYTES, "size of the weights as stored"),
    "image_size": (Dimension.COUNT, "height of a square input in pixels, or the root of height times width"),
    "image_width": (Dimension.COUNT, "width of an input that is not square, in pixels; image_size is its height"),
    "operators": (Dimension.COUNT, "of a network, as it was compiled"),
    "batch": (Dimension.COUNT, "items per call on one device"),
    "global_batch": (Dimension.COUNT, "items per optimizer step"),
    "micro_batch": (Dimension.COUNT, "items per forward pass of one data-parallel replica"),
    "devices": (Dimension.COUNT, "devices of the deployment together"),
    "nodes": (Dimension.COUNT, "machines of the deployment"),
    "threads": (Dimension.COUNT, "CPU threads"),
    "cores": (Dimension.COUNT, "of a processor, or of those of its cores that are used, as its name states them"),
    "frequency": (Dimension.FREQUENCY, "clock of these cores, as the name of the processor states it"),
    "concurrency": (Dimension.COUNT, "requests that are answered at the same time"),
    "prompt_tokens": (Dimension.COUNT, "per request"),
    "output_tokens": (Dimension.COUNT, "per request"),
    "longest_token": (Dimension.TIME, "that a further token may take, where the load is as much as keeps to it"),
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
    "routed_parameters": (Dimension.COUNT, "of all routed experts together"),
    "expert_layers": (Dimension.COUNT, "blocks that have routed experts"),
    "expert_width": (Dimension.COUNT, "of what travels to routed experts: the residual stream, or a latent of it"),
    "lookup_parameters": (Dimension.COUNT, "of them those that are looked up and never multiplied: input embeddings"),
    "kv_values": (Dimension.COUNT, "numbers kept per token as keys and values, all blocks together"),
    "near_values": (Dimension.COUNT, "of them those of blocks that look back no further than their window"),
    "window": (Dimension.COUNT, "tokens that such blocks look back"),
    "latent_values": (Dimension.COUNT, "of them those of blocks that keep a latent in place of keys and values"),
    "selected": (Dimension.COUNT, "tokens that a query of sparse attention reads at most"),
    "index_values": (Dimension.COUNT, "numbers kept per token by the indexers that select them, all blocks together"),
    "index_width": (Dimension.COUNT, "channels of the query heads of these indexers, all blocks together"),
    "score_width": (Dimension.COUNT, "channels of the query heads, all blocks together"),
    "score_heads": (Dimension.COUNT, "query heads, all blocks together"),
    "linear_width": (Dimension.COUNT, "channels of blocks that keep a state in place of keys, all blocks together"),
    "m": (Dimension.COUNT, "rows of a matrix product"),
    "n": (Dimension.COUNT, "columns of a matrix product"),
    "k": (Dimension.COUNT, "inner size of a matrix product"),
    "message_bytes": (Dimension.BYTES, "buffer of a communication: see cost.collectives.SIZE_MEANS"),
    "tensor_parallel": (Dimension.COUNT, "degree"),
    "pipeline_parallel": (Dimension.COUNT, "degree"),
    "virtual_pipeline": (Dimension.COUNT, "model chunks per pipeline stage"),
    "data_parallel": (Dimension.COUNT, "degree; of attention alone where experts are spread otherwise"),
    "expert_parallel": (Dimension.COUNT, "degree"),
    "expert_tensor_parallel": (Dimension.COUNT, "degree of tensor parallelism within experts"),
    "context_parallel": (Dimension.COUNT, "degree"),
    "replicas": (Dimension.COUNT, "engines side by side, each with the degrees stated; of decode where that is apart"),
    "prefill_replicas": (Dimension.COUNT, "engines that compute prompts, where that is apart"),
    "prefill_tensor_parallel": (Dimension.COUNT, "degree of theirs"),
    "prefill_pipeline_parallel": (Dimension.COUNT, "degree of theirs"),
    "prefill_data_parallel": (Dimension.COUNT, "degree of theirs"),
    "prefill_expert_parallel": (Dimension.COUNT, "degree of theirs"),
    "prefill_expert_tensor_parallel": (Dimension.COUNT, "degree of theirs"),
    "largest_batch": (Dimension.COUNT, "items that a server puts together into one call at most"),
    "instances": (Dimension.COUNT, "copies of a model that answer side by side on one device"),
    "sequence_parallel": (Dimension.COUNT, "1 where norms are split along the sequence, else 0"),
    "gradient_accumulation": (Dimension.COUNT, "micro batches per optimizer step of one replica"),
    "bits_per_weight": (Dimension.COUNT, "of a quantised model"),
    "offloaded_layers": (Dimension.COUNT, "layers that the accelerator computes, the host the others"),
    "group_size": (Dimension.COUNT, "weights that share a quantisation scale"),
    "sparsity": (Dimension.FRACTION, "share of weights that are zero"),
    "accuracy": (Dimension.FRACTION, "of the model as it runs, more is better; what a planner is told with the model"),
    "reference_accuracy": (Dimension.COUNT, "of the unchanged model, in the unit of the measured one"),
    "steps": (Dimension.COUNT, "denoising steps of a diffusion model"),
    "passes": (Dimension.COUNT, "of the network per denoising step: 2 with guidance by a second, unconditional one"),
    "frames": (Dimension.COUNT, "of a video"),
    "latent_pixels": (Dimension.COUNT, "side of the square of pixels that is one token of a diffusion model"),
    "latent_frames": (Dimension.COUNT, "of a video that are one frame of its latents"),
    "sockets": (Dimension.COUNT, "processors of the host around the devices"),
    "channel_multiplier": (
        Dimension.COUNT,
        "of all widths of a scaled network; its macs are stated at 1 and 224 pixels",
    ),
    "power_cap": (Dimension.POWER, "limit set on one device"),
    "device_memory": (Dimension.BYTES, "memory of one device, where the table states it"),
    "device_power": (Dimension.POWER, "nominal power of one device, where the table states it"),
    "price": (Dimension.PRICE, "of the devices, where the table states it"),
    "out_of_memory": (Dimension.COUNT, "1 where the source reports that it did not fit, else 0"),
}
"""Roles of columns that hold numbers: the kind of quantity, in whose SI unit they are kept, and what it is.

All of them are known before anything runs. What was measured in the very run (the time of its calls, a share of its
time, its clock) is no role: at no level is it known of a row that is yet to be predicted.
"""

FROM_ONE = frozenset(
    {"batch", "global_batch", "micro_batch", "devices", "nodes", "threads", "cores", "concurrency", "instances"}
)
"""Roles of numbers that count from 1. Degrees do not: tables write 0 for a kind of parallelism that is not there."""

BELOW_ZERO = frozenset({"reference_accuracy"})
"""Roles of numbers that may be below zero: measures of accuracy, which may be a logarithm."""

_SPREAD = {"mean": "mean", "p50": "median", "p90": "90th percentile", "p95": "95th", "p99": "99th percentile"}

MEASURED: Mapping[str, tuple[Dimension, str]] = {
    **{f"latency.{name}": (Dimension.TIME, f"per call, {text}") for name, text in _SPREAD.items()},
    **{f"latency.ttft.{name}": (Dimension.TIME, f"to the first token, {text}") for name, text in _SPREAD.items()},
    **{f"latency.tpot.{name}": (Dimension.TIME, f"per further token, {text}") for name, text in _SPREAD.items()},
    "throughput": (Dimension.RATE, "items or tokens per second of the whole deployment"),
    "step_time": (Dimension.TIME, "per optimizer step"),
    "time_to_target": (Dimension.TIME, "of a training run until its quality target"),
    "power": (Dimension.POWER, "mean while it runs"),
    "energy": (Dimension.ENERGY, "per item, token or request"),
    "memory": (Dimension.BYTES, "peak"),
    "fits": (Dimension.COUNT, "1 where it ran, 0 where it was out of memory"),
    "accuracy_change": (Dimension.FRACTION, "by which a change of the model changes its accuracy, minus is worse"),
}
"""What tables measure: name -> the kind of quantity, and what it is."""

DERIVED: Mapping[str, str] = {
    "latency.mean": "of one call: items of a batch on all devices / throughput",
    "throughput": "items of a batch / time of a call or step; of requests answered together, their tokens / time",
    "energy": "power x time of an item, token, or epoch",
    "cost": "price of the devices x time of an item or token: what the table states, else the catalogue",
}
"""What follows from what is measured, where a table does not state it: name -> how."""


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

    def settings(self) -> Texts:
        """Return a name for what each row says besides what was measured: 16 digits, the same on any line."""
        import numpy as np

        columns: dict[str, list[object]] = {"type": self.types.tolist()}
        columns |= {f"word {role}": column.tolist() for role, column in self.words.items()}
        columns |= {f"number {role}": column.tolist() for role, column in self.numbers.items()}
        names = sorted(columns)
        rows = zip(*(columns[name] for name in names), strict=True)
        told = (repr((self.table, *zip(names, row, strict=True))).encode() for row in rows)
        return np.array([hashlib.blake2b(text, digest_size=8).hexdigest() for text in told], dtype="U16")

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
