"""The operators of transformer layers by name, from the structure of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.kernels.attention import attention
from aios.cost.kernels.formats import Format
from aios.cost.kernels.hardware import Hardware
from aios.cost.kernels.matrix import elementwise, gemm
from aios.cost.kernels.moe import moe
from aios.cost.kernels.work import Work, one_after_the_other

if TYPE_CHECKING:
    from aios.records.observation import Floats, Texts

__all__ = ["OPERATIONS", "Operation", "Shapes"]


class Shapes(NamedTuple):
    """Rows of operators. numbers, words: role -> column · kv_bytes: of one number in the cache"""

    numbers: Mapping[str, Floats]
    words: Mapping[str, Texts]
    kv_bytes: Floats

    def own(self, role: str) -> Floats:
        """Return what one device of a tensor-parallel group has of ``role``."""
        return self.numbers[role] / self.numbers["tensor_parallel"]


class Operation(NamedTuple):
    """An operator that can be predicted.

    kind: of its physics (matrix, attention, experts, streaming, layer) · needs: roles without which it is unknown ·
    work: of rows · shape: what its efficiency depends on beside its size, four sizes: rows, depth, width, group
    """

    kind: str
    needs: tuple[str, ...]
    work: Callable[[Hardware, Format, Shapes], Work]
    shape: Callable[[Shapes], tuple[Floats, Floats, Floats, Floats]]


def _gemm(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    return gemm(hardware, precision, rows.numbers["m"], rows.numbers["n"], rows.numbers["k"])


def _attention(hardware: Hardware, _: Format, rows: Shapes) -> Work:
    import numpy as np

    number = rows.numbers
    queries = np.where(rows.words["phase"] == "decode", 1.0, number["sequence"])
    sizes = number["sequence"], rows.own("heads"), np.maximum(rows.own("kv_heads"), 1.0), number["head_dim"]
    return attention(hardware, number["batch"], queries, *sizes, kv_bytes=rows.kv_bytes)


def _moe(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    number = rows.numbers
    return moe(
        hardware,
        precision,
        *(number[role] for role in ("tokens", "hidden", "intermediate", "active_experts", "experts")),
        tensor_parallel=number["tensor_parallel"],
        expert_parallel=number["expert_parallel"],
        distribution=rows.words["distribution"],
    )


def _qkv(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    width = (rows.own("heads") + 2 * rows.own("kv_heads")) * rows.numbers["head_dim"]
    return gemm(hardware, precision, rows.numbers["tokens"], width, rows.numbers["hidden"])


def _attention_out(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    return gemm(
        hardware,
        precision,
        rows.numbers["tokens"],
        rows.numbers["hidden"],
        rows.own("heads") * rows.numbers["head_dim"],
    )


def _up(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    return gemm(hardware, precision, rows.numbers["tokens"], rows.own("intermediate"), rows.numbers["hidden"])


def _gated_up(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    return gemm(hardware, precision, rows.numbers["tokens"], 2 * rows.own("intermediate"), rows.numbers["hidden"])


def _down(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    return gemm(hardware, precision, rows.numbers["tokens"], rows.numbers["hidden"], rows.own("intermediate"))


def _activation(hardware: Hardware, _: Format, rows: Shapes) -> Work:
    moved = 2.0 * rows.numbers["tokens"] * rows.own("intermediate")
    return elementwise(hardware, moved, moved)


def _gated_activation(hardware: Hardware, _: Format, rows: Shapes) -> Work:
    moved = 2.0 * rows.numbers["tokens"] * rows.own("intermediate")
    return elementwise(hardware, 2 * moved, moved)


def _rotation(hardware: Hardware, _: Format, rows: Shapes) -> Work:
    heads = rows.own("heads") + rows.own("kv_heads")
    moved = 2.0 * rows.numbers["tokens"] * heads * rows.numbers["head_dim"]
    return elementwise(hardware, moved, moved, starts=2)


def _addition(hardware: Hardware, _: Format, rows: Shapes) -> Work:
    moved = 2.0 * rows.numbers["tokens"] * rows.numbers["hidden"]
    return elementwise(hardware, 2 * moved, moved)


def _norm(hardware: Hardware, _: Format, rows: Shapes) -> Work:
    moved = 2.0 * rows.numbers["tokens"] * rows.numbers["hidden"]
    return elementwise(hardware, moved, moved)


def _layer(hardware: Hardware, precision: Format, rows: Shapes) -> Work:
    """Return the work of a whole gated layer on one device of its group, without its communication.

    ``sequence``, where it is stated, is what each request of the step attends to.
    """
    dense = (_qkv, _attention_out, _gated_up, _down, _gated_activation, _rotation, _addition, _addition, _norm, _norm)
    return one_after_the_other([*(part(hardware, precision, rows) for part in dense), _mixing(hardware, rows)])


def _mixing(hardware: Hardware, rows: Shapes) -> Work:
    """Return the work of attention in a step of many requests: all of them prompts, or one token of each."""
    import numpy as np

    number = rows.numbers
    stated = number["sequence"] > 0
    keys = np.where(stated, number["sequence"], 1.0)
    queries = np.where(stated & (rows.words["phase"] != "decode"), keys, 1.0)
    sizes = keys, rows.own("heads"), np.maximum(rows.own("kv_heads"), 1.0), number["head_dim"]
    return attention(hardware, number["tokens"] / queries, queries, *sizes, kv_bytes=rows.kv_bytes)


def _gemm_shape(rows: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    number = rows.numbers
    return number["m"], number["k"], number["n"], number["m"] / number["m"]


def _attention_shape(rows: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    number = rows.numbers
    return number["batch"], number["sequence"], rows.own("kv_heads"), number["heads"] / number["kv_heads"]


def _moe_shape(rows: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    number = rows.numbers
    each = number["tokens"] * number["active_experts"] / number["experts"]
    one = each / each
    return each, one, number["tensor_parallel"], number["expert_parallel"]


def _plain(rows: Shapes) -> tuple[Floats, Floats, Floats, Floats]:
    number = rows.numbers
    return number["tokens"], number["hidden"], rows.own("hidden"), number["tensor_parallel"]


_STRUCTURE = ("tokens", "hidden")
_HEADS = (*_STRUCTURE, "heads", "kv_heads", "head_dim")
_WIDTH = (*_STRUCTURE, "intermediate")
OPERATIONS: Mapping[str, Operation] = {
    "gemm": Operation("matrix", ("m", "n", "k"), _gemm, _gemm_shape),
    "attention": Operation(
        "attention", ("batch", "sequence", "heads", "kv_heads", "head_dim"), _attention, _attention_shape
    ),
    "moe": Operation(
        "experts",
        ("tokens", "hidden", "intermediate", "active_experts", "experts"),
        _moe,
        _moe_shape,
    ),
    "attention-qkv": Operation("matrix", _HEADS, _qkv, _plain),
    "attention-out": Operation("matrix", _HEADS, _attention_out, _plain),
    "mlp-up": Operation("matrix", _WIDTH, _up, _plain),
    "mlp-gate-up": Operation("matrix", _WIDTH, _gated_up, _plain),
    "mlp-down": Operation("matrix", _WIDTH, _down, _plain),
    "activation": Operation("streaming", _WIDTH, _activation, _plain),
    "gated-activation": Operation("streaming", _WIDTH, _gated_activation, _plain),
    "rotation": Operation("streaming", _HEADS, _rotation, _plain),
    "addition": Operation("streaming", _STRUCTURE, _addition, _plain),
    "norm": Operation("streaming", _STRUCTURE, _norm, _plain),
    "layer": Operation("layer", (*_HEADS, "intermediate"), _layer, _plain),
}
"""Name -> operation."""
