"""Which channels of a network belong together: what must be cut with what, so that every shape still agrees.

Every channel that a convolution or a matrix product makes is an *atom*. Atoms are followed through the graph: an axis
of a tensor, or of a weight, carries a list of atoms. Where two lists meet (a residual sum, the groups of a
convolution), atoms are tied and live or die together, as a *unit*. What reaches an output of the model, or an operator
that mixes channels in another way, must stay. Dependency graphs of this kind: Fang et al., DepGraph, CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

__all__ = ["Axis", "Channels", "Claim", "captured"]

Role = Literal["made", "used", "scaled", "carried"]
"""What a weight does with the channels of one of its axes: makes them, takes them in, multiplies each, or another."""


class Axis(NamedTuple):
    """An axis of a tensor and the atom at each of its places: [size], an atom may stand at several."""

    axis: int
    atoms: NDArray[np.int64]


@dataclass(frozen=True)
class Claim:
    """One use of a weight. reads: node that uses it · role: what it does along ``axis``"""

    weight: str
    reads: int
    place: Axis
    role: Role


@dataclass
class Channels:
    """What is known of the channels of a graph.

    of: tensor -> its axis of channels; a tensor that is not there is whole · claims: axes of weights that are cut with
    atoms · batches: atoms made together · must_stay: atom lists and the operator that keeps them · counted: weight ->
    how often each of its numbers is multiplied for one item · grouped: convolutions with a group for each channel ·
    split: node -> atoms of each part · reshaped: node -> sizes that it makes, and its axis of channels
    """

    of: dict[str, Axis] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    batches: list[NDArray[np.int64]] = field(default_factory=list)
    ties: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    must_stay: list[tuple[NDArray[np.int64], str]] = field(default_factory=list)
    counted: dict[str, float] = field(default_factory=dict)
    constant_work: float = 0.0
    grouped: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    split: dict[int, list[NDArray[np.int64]]] = field(default_factory=dict)
    reshaped: dict[int, tuple[tuple[int | None, ...], Axis]] = field(default_factory=dict)
    count: int = 0

    def fresh(self, size: int) -> NDArray[np.int64]:
        """Return new atoms: [size]."""
        import numpy as np

        made = np.arange(self.count, self.count + size)
        self.count += size
        self.batches.append(made)
        return made

    def tie(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
        """Have both lists live and die together, place by place."""
        self.ties.append((one, other))

    def keep(self, atoms: NDArray[np.int64], because: str) -> None:
        """Have the atoms stay, because of that operator."""
        self.must_stay.append((atoms, because))

    def block(self, names: Iterable[str], because: str) -> None:
        """Keep all channels of those tensors: the operator mixes them in a way that is not followed."""
        for name in names:
            if name in self.of:
                self.keep(self.of[name].atoms, because)

    def claim(self, node: int, weight: str, axis: int, atoms: NDArray[np.int64], role: Role = "carried") -> None:
        """Have that axis of a weight cut with the atoms."""
        before = next((item for item in self.claims if (item.weight, item.place.axis) == (weight, axis)), None)
        if before is not None:
            self.tie(before.place.atoms, atoms)
        self.claims.append(Claim(weight, node, Axis(axis, atoms), role))

    def refuse_partial_uses(self, nodes: Iterable[onnx.NodeProto], given_out: set[str]) -> None:
        """Keep what one use of a weight would cut and another would not know of."""
        axes: dict[str, dict[int, Any]] = {}
        known: dict[tuple[str, int], set[int]] = {}
        for item in self.claims:
            axes.setdefault(item.weight, {})[item.place.axis] = item.place.atoms
            known.setdefault((item.weight, item.reads), set()).add(item.place.axis)
        for index, node in enumerate(nodes):
            for name in {*node.input, *captured(node)} & axes.keys():
                for axis in axes[name].keys() - known.get((name, index), set()):
                    self.keep(axes[name][axis], node.op_type)
        for name in given_out & axes.keys():
            for atoms in axes[name].values():
                self.keep(atoms, "output")

    def units(self) -> NDArray[np.int64]:
        """Return the unit of each atom: [count], numbered from 0 without gaps."""
        import numpy as np
        from networkx.utils import UnionFind

        sets = UnionFind(range(self.count))
        for one, other in self.ties:
            for left, right in zip(one.tolist(), other.tolist(), strict=True):
                sets.union(left, right)
        return np.unique([sets[atom] for atom in range(self.count)], return_inverse=True)[1]


def captured(node: onnx.NodeProto) -> set[str]:
    """Return the names that subgraphs of the node read."""
    inner = [graph for item in node.attribute for graph in ([item.g] if item.HasField("g") else list(item.graphs))]
    found = {name for graph in inner for child in graph.node for name in (*child.input, *captured(child))}
    return found | {item.name for graph in inner for item in graph.output}
