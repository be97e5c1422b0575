"""Which of a number of members a topology of each kind joins directly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from aios.records.fleet import TopologyKind

__all__ = ["fewest_links", "link_count", "linked_pairs"]


def linked_pairs(kind: TopologyKind, count: int, shape: Sequence[int] = ()) -> Iterator[tuple[int, int]]:
    """Yield the pairs of positions (0 to count - 1) that have a link of their own; none for a switch.

    Positions of a mesh or torus run through ``shape`` with the last dimension fastest. A dimension of two has one link,
    not two, between its ends.
    """
    if kind == "full":
        yield from combinations(range(count), 2)
    elif kind == "ring":
        yield from _lines(count, (count,), wraps=True)
    elif kind in ("mesh", "torus"):
        yield from _lines(count, tuple(shape) or (count,), wraps=kind == "torus")


def link_count(kind: TopologyKind, count: int, shape: Sequence[int] = ()) -> int:
    """Return how many links a topology has, a switch's ports counted: an upper bound that costs nothing."""
    if kind == "full":
        return count * (count - 1) // 2
    return count * len(shape or (count,)) if kind in ("mesh", "torus") else count


def fewest_links(kind: TopologyKind, count: int, shape: Sequence[int] = ()) -> int:
    """Return how many links the member with the fewest has: 1 to a switch, 2 in a corner of a 2-D mesh."""
    if kind == "switch":
        return 1
    if kind == "full":
        return max(1, count - 1)
    sizes = tuple(shape) or (count,)
    if kind == "mesh":
        return max(1, sum(1 for size in sizes if size > 1))
    return max(1, sum(min(2, size - 1) for size in sizes))


def _lines(count: int, shape: tuple[int, ...], wraps: bool) -> Iterator[tuple[int, int]]:
    """Yield the links along every dimension; positions from ``count`` on do not exist."""
    for dimension, size in enumerate(shape):
        stride = math.prod(shape[dimension + 1 :])
        for position in range(count):
            place = position // stride % size
            if place + 1 < size:
                other = position + stride
            elif wraps and size > 2:
                other = position - place * stride
            else:
                continue
            if other < count:
                yield (min(position, other), max(position, other))
