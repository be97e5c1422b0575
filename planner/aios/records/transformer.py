"""The structure of a transformer, as its configuration states it, and what follows from it by arithmetic."""

from collections.abc import Mapping
from typing import Literal

from aios.records.base import Record

__all__ = ["Attention", "Experts", "Transformer", "Vision"]


class Attention(Record):
    """Of one kind of block.

    kind: full (every key), sliding (the last ``window`` keys), cross (the keys of an encoder), linear (a state of fixed
    size, also state-space blocks) · layers: number of blocks of this kind · heads, kv_heads, head_dim: of queries;
    kv_heads = heads is multi-head, 1 multi-query, between grouped · value_dim: width of a value head · q_lora_rank,
    kv_lora_rank, rope_dim: of multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), which caches kv_lora_rank +
    rope_dim numbers per token in place of keys and values, and whose head_dim includes rope_dim; 0 for others ·
    selected, index_heads, index_dim: of sparse attention (DeepSeek-V3.2, arXiv 2512.02556): a query reads at most
    ``selected`` keys, which an indexer with heads of its own picks; 0 for others · biases: of queries, keys and values
    · gated: the output is multiplied by a gate as wide as the queries · stride: one key is
    kept per that many tokens (compressed attention) · state_values: numbers that a linear block keeps per sequence ·
    block_parameters: of one block, where heads do not tell
    """

    kind: Literal["full", "sliding", "cross", "linear"] = "full"
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int | None = None
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    rope_dim: int = 0
    selected: int = 0
    index_heads: int = 0
    index_dim: int = 0
    biases: bool = False
    gated: bool = False
    stride: int = 1
    state_values: int = 0
    block_parameters: int = 0


class Experts(Record):
    """A mixture of experts. layers: blocks that have it · count: routed experts · active: of them per token · shared:
    experts that every token goes through · intermediate: width of one expert · shared_intermediate: of a shared one, 0:
    as wide as the others · latent: width of what routed experts work on, 0: the residual stream"""

    layers: int
    count: int
    active: int
    shared: int = 0
    intermediate: int
    shared_intermediate: int = 0
    latent: int = 0


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

    digest: of the configuration · architecture: as the file names it (``LlamaForCausalLM``) · layers: blocks together;
    in a hybrid a block may have attention alone or a feed-forward alone · encoder_layers: of them in an encoder ahead
    of a decoder · hidden: width of the residual stream · dense_layers, intermediate: blocks with an ordinary
    feed-forward and its width · gated: it has three matrices (SwiGLU) and not two · tied: embedding and output share
    their weights · biases: matrices have them · parallel: attention and feed-forward read the same input, and their
    results are summed over devices once per block, not twice · positions: longest sequence, None if nothing says so ·
    parameters: stated by the publisher, None to count them · other_parameters: of parts that no field tells ·
    precision: that weights are stored in · decoder: it generates · marked: what was guessed from the structure of an
    architecture nobody described
    """

    name: str
    digest: str = ""
    architecture: str
    layers: int
    encoder_layers: int = 0
    hidden: int
    vocabulary: int
    attention: tuple[Attention, ...]
    dense_layers: int
    intermediate: int
    gated: bool = True
    experts: Experts | None = None
    tied: bool = False
    biases: bool = False
    parallel: bool = False
    positions: int | None = None
    learnt_positions: bool = False
    precision: str = "bf16"
    parameters: int | None = None
    other_parameters: int = 0
    decoder: bool = True
    vision: Vision | None = None
    declared: Mapping[str, float] = {}
    marked: tuple[str, ...] = ()
