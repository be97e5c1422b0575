"""Which channels go: those that matter least, as many of each kind as bring the arithmetic down to what is asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aios.records.errors import Diagnostic, InputError
from aios_plugins.compression.channels import Channels
from aios_plugins.compression.network import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Choice", "choose", "multiplications"]

_HALVINGS = 20
"""Of the interval in which the share of channels is looked for: a millionth is finer than a channel."""
_LEAST_STEPS = 4
"""Steps of channels that a layer is cut in at least: where eight are too coarse for it, they are halved."""


@dataclass(frozen=True)
class Choice:
    """kept: of each atom, whether it stays · before, after: multiplications for one item · layers: kinds of channels
    that were thinned, and that could be"""

    kept: NDArray[np.bool_]
    before: float
    after: float
    layers: tuple[int, int]


@dataclass(frozen=True)
class _Kind:
    """Channels of one kind, least important first: they are thinned alike. units: their numbers · align: step"""

    units: NDArray[np.int64]
    align: int

    def staying(self, share: float) -> int:
        """Return how many stay of the share asked, in whole steps, one step at least."""
        return min(len(self.units), max(self.align, self.align * int(share * len(self.units) / self.align)))


def choose(network: Network, channels: Channels, keep: float, align: int) -> Choice:
    """Choose the channels that stay, so that at most ``keep`` of the multiplications are left.

    Every kind of channels keeps the same share, rounded to steps of ``align``; the largest share that fits is taken.
    Raises InputError, with the operators that keep channels, where so few multiplications cannot be reached.
    """
    import numpy as np

    units = channels.units() if channels.count else np.zeros(0, dtype=np.int64)
    kinds = _kinds(network, channels, units, align)
    everything = np.ones(channels.count, dtype=bool)
    before = multiplications(network, channels, everything)

    def stay(counts: Sequence[int]) -> NDArray[np.bool_]:
        stays = np.ones(int(units.max(initial=-1)) + 1, dtype=bool)
        for kind, count in zip(kinds, counts, strict=True):
            stays[kind.units[: len(kind.units) - count]] = False
        return stays[units] if len(units) else everything

    def left(counts: Sequence[int]) -> float:
        return multiplications(network, channels, stay(counts)) / before if before else 1.0

    counts = [kind.staying(0.0) for kind in kinds]
    if left(counts) > keep:
        raise _blocked(channels, keep, left(counts))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if left([kind.staying(middle) for kind in kinds]) <= keep else (low, middle)
    counts = [kind.staying(low) for kind in kinds]
    # What rounding leaves over goes, step by step, to the kinds that lost most.
    for at in sorted(range(len(kinds)), key=lambda at: counts[at] / len(kinds[at].units)):
        more = [*counts]
        more[at] = min(len(kinds[at].units), counts[at] + kinds[at].align)
        counts = more if left(more) <= keep else counts
    kept = stay(counts)
    thinned = sum(count < len(kind.units) for kind, count in zip(kinds, counts, strict=True))
    return Choice(kept, before, multiplications(network, channels, kept), (thinned, len(kinds)))


def multiplications(network: Network, channels: Channels, kept: NDArray[np.bool_]) -> float:
    """Return multiply-accumulates for one item with those atoms: how often each number of a weight is used."""
    sizes = {name: list(network.weights[name].shape) for name in channels.counted}
    for claim in channels.claims:
        if claim.weight in sizes:
            sizes[claim.weight][claim.place.axis] = int(kept[claim.place.atoms].sum())
    cut = (places * math.prod(sizes[name]) for name, places in channels.counted.items())
    return math.fsum((channels.constant_work, *cut))


def _kinds(network: Network, channels: Channels, units: NDArray[np.int64], align: int) -> list[_Kind]:
    """Return the kinds of channels that may be thinned: batches whose atoms are tied to one another are one kind."""
    import numpy as np
    from networkx.utils import UnionFind

    fixed = {int(unit) for atoms, _ in channels.must_stay for unit in units[atoms]}
    together, owner = UnionFind(range(len(channels.batches))), dict[int, int]()
    for number, batch in enumerate(channels.batches):
        for unit in units[batch].tolist():
            together.union(number, owner.setdefault(unit, number))
    members: dict[int, set[int]] = {}
    for unit, number in owner.items():
        if unit not in fixed:
            members.setdefault(together[number], set()).add(unit)
    scores = _scores(network, channels, units)
    kinds = []
    for _, found in sorted(members.items()):
        listed = np.array(sorted(found))
        ordered = listed[np.argsort(scores[listed], kind="stable")]
        step = align
        while step > 1 and len(ordered) < _LEAST_STEPS * step:
            step //= 2
        kinds.append(_Kind(ordered, step))
    return kinds


def _scores(network: Network, channels: Channels, units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much each unit matters: the norm of what makes it, times that of what uses it, times its scales.

    The product does not change when a channel is scaled in one layer and scaled back in the next, which leaves the
    network's function as it is (Neyshabur et al., Path-SGD, 2015). Weights count by their share of their
    layer's, so that layers tied by a sum count alike.
    """
    import numpy as np

    count = int(units.max(initial=-1)) + 1
    made, used, scaled = np.zeros(count), np.zeros(count), np.ones(count)
    variances = _variances(network)
    for claim in channels.claims:
        if claim.role == "carried":
            continue
        weight = network.weights[claim.weight].astype(np.float64)
        squares = (weight**2).sum(axis=tuple(axis for axis in range(weight.ndim) if axis != claim.place.axis))
        own = units[claim.place.atoms]
        if claim.role == "scaled":
            mean = np.bincount(own, squares / variances.get(claim.weight, 1.0), count)
            seen = np.bincount(own, minlength=count) > 0
            scaled[seen] *= mean[seen]
        else:
            np.add.at(made if claim.role == "made" else used, own, squares / max(float(squares.mean()), 1e-30))
    used[used == 0] = 1.0  # what nothing uses further: only what makes it counts
    result: NDArray[np.float64] = made * used * scaled
    return result


def _variances(network: Network) -> dict[str, Any]:
    """Return scale of a batch normalisation -> variance it divides by: [channels]."""
    from aios_plugins.compression.network import attributes_of

    return {
        node.input[1]: network.weights[node.input[4]] + attributes_of(node).get("epsilon", 1e-5)
        for node in network.model.graph.node
        if node.op_type == "BatchNormalization" and node.input[4] in network.weights
    }


def _blocked(channels: Channels, keep: float, least: float) -> InputError:
    whose = Counter({because: 0 for _, because in channels.must_stay})
    for atoms, because in channels.must_stay:
        whose[because] += len(atoms)
    blocking = [f"{name} ({size} channels)" for name, size in whose.most_common(4) if name not in {"output", "input"}]
    if not channels.count:
        reason = "it holds no convolution or matrix product with weights of its own"
    elif blocking:
        reason = f"operators that mix channels keep them: {', '.join(blocking)}"
    else:
        reason = "its channels are few, or reach its outputs"
    return InputError(
        Diagnostic(
            summary=f"this model cannot be pruned to {keep:.0%} of its multiplications: {least:.0%} are left at least",
            reason=reason,
            remedy="ask for a larger `keep`" if least < 1 else "leave out `prune` for this model",
        )
    )
