"""Weights that make one sum compare several numbers in order, as digits do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["chunks"]

_LARGEST = 1 << 45
"""Largest product of sizes in one sum: it and its sums stay far from the engine's 63 bits."""


def chunks(sizes: Sequence[int]) -> Iterator[dict[int, int]]:
    """Yield position -> weight, for as many digits at a time as fit; digit k runs from 0 to sizes[k] - 1."""
    start = 0
    while start < len(sizes):
        end, product = start + 1, sizes[start]
        while end < len(sizes) and product * sizes[end] <= _LARGEST:
            product *= sizes[end]
            end += 1
        weights: dict[int, int] = {}
        for position in range(start, end):
            product = max(product // sizes[position], 1)
            weights[position] = product
        yield weights
        start = end
