"""What of a transformer decides how long a training step takes and what it holds, for many rows at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from aios.records.transformers import active_parameters, count_parameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations
    from aios.records.transformer import Transformer

__all__ = ["Structure", "structure_of", "structures_in", "typical"]

_TYPICAL: tuple[tuple[float, int, int], ...] = (
    (1.25e8, 12, 768), (3.5e8, 24, 1024), (7.6e8, 24, 1536), (1.3e9, 24, 2048), (2.65e9, 32, 2560),
    (6.65e9, 32, 4096), (1.29e10, 40, 5120), (3.0e10, 48, 7168), (6.6e10, 64, 9216), (1.75e11, 96, 12288),
    (5.3e11, 105, 20480), (1.0e12, 128, 25600),
)  # fmt: skip
"""Parameters, blocks and width of published dense models (arXiv 2005.14165 table 2.1, arXiv 2104.04473 table 1)."""

_VOCABULARY = 50_000.0
"""Of a model that nobody gives one of: GPT-2's, which most of those above share."""
_FEW_KEYS = 0.999
"""Of as many heads of keys as of queries: below it, keys are shared by groups."""


@dataclass(frozen=True)
class Structure:
    """Arrays that broadcast against each other; counts.

    parameters, active: all, and those a token goes through · expert_parameters: of all those in routed experts ·
    layers, hidden, heads · attention_width, key_width: of all query heads, of all key heads together ·
    intermediate: of the feed-forward that one token goes through, all its experts together · vocabulary · embedding:
    numbers that are looked up and never multiplied · experts, active_experts: of one block, 0 and 0 where it is dense ·
    matrices: of a feed-forward, 3 where it is gated, else 2 · expert_layers: blocks with routed experts · expert_width:
    of what travels to them · score_heads: query heads of all blocks together · linear_width: channels of all blocks
    that keep a state in place of keys · near: share of query channels that look back no further than ``window`` tokens
    """

    parameters: Floats
    active: Floats
    expert_parameters: Floats
    layers: Floats
    hidden: Floats
    heads: Floats
    attention_width: Floats
    key_width: Floats
    intermediate: Floats
    vocabulary: Floats
    embedding: Floats
    experts: Floats
    active_experts: Floats
    matrices: Floats
    expert_layers: Floats
    expert_width: Floats
    score_heads: Floats
    linear_width: Floats
    near: Floats
    window: Floats

    def take(self, rows: npt.NDArray[np.bool_]) -> Structure:
        """Return the rows that a mask selects."""
        return Structure(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def forward_flops(self, context: Floats) -> tuple[Floats, Floats]:
        """Return the operations of one token's forward pass, in products with weights and in scores of attention.

        context: keys that a query reads. A multiply and an add count as two: 2 per weight, 4 per key and channel
        (2 for the scores, 2 for the sum of values); arXiv 2104.04473 section 3 in the same terms.
        """
        return 2.0 * (self.active - self.embedding), 4.0 * context * self.attention_width * self.layers


def typical(parameters: Floats) -> tuple[Floats, Floats]:
    """Return blocks and width of dense models with so many parameters, interpolated between published ones."""
    import numpy as np

    sizes, layers, hidden = (np.log(np.array(column, dtype=float)) for column in zip(*_TYPICAL, strict=True))
    wanted = np.log(np.maximum(parameters, 1.0))
    return np.exp(np.interp(wanted, sizes, layers)), np.exp(np.interp(wanted, sizes, hidden))


def structures_in(observations: Observations) -> Structure:
    """Return the structure of each row's model from its numbers; NaN parameters where nobody states a size.

    What a row leaves out is filled in: blocks and width as ``typical``, keys as many as queries, a feed-forward four
    times as wide, parameters 12 l h^2 + V h (arXiv 2104.04473 equation 2 without its small terms).
    """
    import numpy as np

    number = observations.number
    vocabulary = number("vocabulary", _VOCABULARY)
    parameters, active, layers, hidden = _sizes(observations, vocabulary)
    heads = _above_0(number("heads"), np.maximum(1.0, np.round(hidden / 128)))
    head_dim = _above_0(number("head_dim"), hidden / heads)
    kv_heads = _above_0(np.fmin(number("kv_heads"), heads), heads)
    experts, active_experts = number("experts", 0.0), number("active_experts", 0.0)
    grouped = kv_heads < _FEW_KEYS * heads  # models with grouped keys mostly keep a table of their own for input
    routed = _routed(observations, parameters, active)
    in_experts = active_experts * routed / (np.maximum(experts, 1.0) * layers * 3 * hidden)
    width = np.where((experts > 0) & (routed > 0), in_experts, number("intermediate"))
    lookup = np.where(grouped, np.fmin(vocabulary * hidden, 0.5 * active), 0.0)
    return Structure(
        parameters=parameters,
        active=active,
        expert_parameters=routed,
        layers=layers,
        hidden=hidden,
        heads=heads,
        attention_width=_stated(number("score_width") / layers, heads * head_dim),
        key_width=_stated(number("kv_values") / (2 * layers), kv_heads * head_dim),
        intermediate=_above_0(width, 4 * hidden),
        vocabulary=vocabulary,
        embedding=_stated(number("lookup_parameters"), lookup),
        experts=experts,
        active_experts=active_experts,
        expert_layers=_stated(number("expert_layers"), np.where(experts > 0, layers, 0.0)),
        expert_width=_stated(number("expert_width"), hidden),
        score_heads=_stated(number("score_heads"), heads * layers),
        linear_width=number("linear_width", 0.0),
        near=np.clip(np.nan_to_num(number("near_values", 0.0) / number("kv_values")), 0.0, 1.0),
        window=number("window", np.inf),
        matrices=np.where((width > 0) & (grouped | (experts > 0)), 3.0, 2.0),
    )


def _sizes(observations: Observations, vocabulary: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return parameters, active ones, blocks and width of each row; what it leaves out follows from the rest."""
    import numpy as np

    stated = observations.number("parameters")
    unknown = np.full(len(stated), np.nan)
    layers, hidden = (_above_0(observations.number(role), unknown) for role in ("layers", "hidden"))
    parameters = _above_0(stated, 12 * layers * hidden**2 + vocabulary * hidden)
    active = _above_0(np.fmin(observations.number("active_parameters"), parameters), parameters)
    usual_layers, usual_hidden = typical(np.where(active > 0, active, 1.0))
    return parameters, active, _above_0(layers, usual_layers), _above_0(hidden, usual_hidden)


def _routed(observations: Observations, parameters: Floats, active: Floats) -> Floats:
    """Return the parameters in routed experts: as stated, else by how many parameters a token leaves out."""
    import numpy as np

    experts, active_experts = observations.number("experts", 0.0), observations.number("active_experts", 0.0)
    idle = np.where(experts > active_experts, 1 - active_experts / np.maximum(experts, 1.0), np.inf)
    routed = _stated(observations.number("routed_parameters"), (parameters - active) / idle)
    return np.nan_to_num(np.clip(routed, 0.0, parameters))


def _above_0(column: Floats, otherwise: Floats) -> Floats:
    import numpy as np

    return np.where(column > 0, column, otherwise)


def _stated(column: Floats, otherwise: Floats) -> Floats:
    import numpy as np

    return np.where(column >= 0, column, otherwise)


def structure_of(model: Transformer) -> Structure:
    """Return the structure of one model, arrays of length 1."""
    import numpy as np

    return Structure(**{name: np.array([float(value)]) for name, value in _counted(model).items()})


def _counted(model: Transformer) -> dict[str, float]:
    counted, blocks, mixture = count_parameters(model), max(1, model.layers), model.experts
    linear = [kind for kind in model.attention if kind.kind == "linear"]
    kinds = [kind for kind in model.attention if kind.kind != "linear"] or list(model.attention)
    windows = [float(kind.window) for kind in kinds if kind.kind == "sliding" and kind.window]
    width = float(model.intermediate * model.dense_layers)
    if mixture is not None:
        shared = mixture.shared * (mixture.shared_intermediate or mixture.intermediate)
        width += mixture.layers * (mixture.active * mixture.intermediate + shared)
    return {
        "parameters": float(model.parameters or counted.total),
        "active": float(active_parameters(model)),
        "expert_parameters": float(counted.routed),
        "layers": float(blocks),
        "hidden": float(model.hidden),
        "heads": float(max(kind.heads for kind in model.attention)),
        "attention_width": sum(kind.layers * kind.heads * kind.head_dim for kind in kinds) / blocks,
        "key_width": sum(kind.layers * kind.kv_heads * kind.head_dim for kind in kinds) / blocks,
        "intermediate": max(1.0, width / blocks),
        "vocabulary": float(model.vocabulary),
        "embedding": float(counted.embedding if counted.head else 0),
        "experts": float(mixture.count) if mixture else 0.0,
        "active_experts": float(mixture.active) if mixture else 0.0,
        "expert_layers": float(mixture.layers) if mixture else 0.0,
        "expert_width": float(mixture.latent or model.hidden) if mixture else float(model.hidden),
        "score_heads": float(sum(kind.layers * kind.heads for kind in kinds)),
        "linear_width": float(sum(kind.layers * kind.heads * kind.head_dim for kind in linear)),
        "near": _near(model),
        "window": max(windows, default=float("inf")),
        "matrices": 3.0 if model.gated else 2.0,
    }


def _near(model: Transformer) -> float:
    """Return the share of query channels that look back no further than a window."""
    widths = {id(kind): kind.layers * kind.heads * kind.head_dim for kind in model.attention if kind.kind != "linear"}
    near = sum(widths[id(kind)] for kind in model.attention if kind.kind == "sliding" and kind.window)
    return near / max(1, sum(widths.values()))
