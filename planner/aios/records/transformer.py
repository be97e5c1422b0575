"""The structure of a transformer, as its configuration states it, and what follows from it by arithmetic."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record

__all__ = ["Attention", "Experts", "Transformer", "Vision"]


class Attention(Record):
    """Of one kind of block.

    kind: full (every key), sliding (the last ``window`` keys), linear (a state of fixed size, also state-space
    blocks) · heads, kv_heads, head_dim: of queries; kv_heads = heads is multi-head, 1 multi-query, between grouped ·
    value_dim: width of a value head · q_lora_rank, kv_lora_rank, rope_dim: of multi-head latent attention (DeepSeek-V2,
    arXiv 2405.04434), which caches kv_lora_rank + rope_dim numbers per token in place of keys and values; 0 for others
    · layers: number of blocks of this kind · state_values: numbers that a linear block keeps per sequence
    """

    kind: Literal["full", "sliding", "linear"] = "full"
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    rope_dim: int = 0
    state_values: int = 0


class Experts(Record):
    """A mixture of experts. layers: blocks that have it · count: routed experts · active: of them per token · shared:
    experts that every token goes through · intermediate: width of one expert · shared_intermediate: of a shared one"""

    layers: int
    count: int
    active: int
    shared: int = 0
    intermediate: int
    shared_intermediate: int = 0


class Vision(Record):
    """A vision tower. tokens: that one image becomes in the language model · patches: that the tower works on"""

    layers: int
    hidden: int
    intermediate: int
    patches: int
    tokens: int
    parameters: int


class Transformer(Record):
    """A decoder or encoder as a planner sees it.

    digest: of the configuration · architecture: as the file names it (``LlamaForCausalLM``) · hidden: width of the
    residual stream · dense_layers, intermediate: blocks with an ordinary feed-forward and its width · gated: it has
    three matrices (SwiGLU) and not two · tied: embedding and output share their weights · positions: longest sequence,
    None if nothing says so · parameters: stated by the publisher, None to count them · precision: that weights are
    stored in · decoder: it generates · marked: what was guessed from the structure of an architecture nobody described
    """

    name: str
    digest: str = ""
    architecture: str
    layers: int
    hidden: int
    vocabulary: int
    attention: tuple[Attention, ...]
    dense_layers: int
    intermediate: int
    gated: bool = True
    experts: Experts | None = None
    tied: bool = False
    biases: bool = False
    positions: int | None = None
    learnt_positions: bool = False
    precision: str = "bf16"
    parameters: int | None = None
    decoder: bool = True
    vision: Vision | None = None
    declared: Mapping[str, float] = {}
    marked: tuple[str, ...] = ()
