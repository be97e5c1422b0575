"""How shares of one device go together: multisets of sizes that fit on it, found as they are worth having."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["NO_MORE", "Pattern", "best_pattern", "first_patterns"]

NO_MORE = 1e-9
"""What a better pattern than the best that was found may still be worth more."""

Pattern = tuple[tuple[int, int], ...]
"""Sizes (units of a device) and how many of each, largest first; together at most what is free of a device."""


def first_patterns(sizes: Sequence[int], room: int) -> list[Pattern]:
    """Return patterns that hold every size: each as often as it fits, the rest filled with smaller ones.

    room: units of a device
    """
    found = []
    ordered = sorted(set(sizes), reverse=True)
    for place in range(len(ordered)):
        left, pattern = room, []
        for smaller in ordered[place:]:
            if fits := left // smaller:
                pattern.append((smaller, fits))
                left -= fits * smaller
        found.append(tuple(pattern))
    return list(dict.fromkeys(found))


def best_pattern(prices: Mapping[int, float], room: int) -> tuple[float, Pattern]:
    """Return the pattern worth most, and its worth, by depth-first branch and bound.

    prices: size -> worth of one · room: units of a device

    The bound is that of the fractional knapsack: what is left, at the best worth per size of what may still come.
    """
    sizes = sorted((size for size, price in prices.items() if price > 0), key=lambda size: (-prices[size] / size, size))
    best_worth, best = 0.0, list[tuple[int, int]]()
    chosen: list[tuple[int, int]] = []

    def search(place: int, left: int, worth: float) -> None:
        nonlocal best_worth, best
        if worth > best_worth + NO_MORE:
            best_worth, best = worth, list(chosen)
        while place < len(sizes) and sizes[place] > left:
            place += 1
        if place == len(sizes) or worth + left * prices[sizes[place]] / sizes[place] <= best_worth + NO_MORE:
            return
        size = sizes[place]
        for count in range(left // size, -1, -1):
            if count:
                chosen.append((size, count))
            search(place + 1, left - count * size, worth + count * prices[size])
            if count:
                chosen.pop()

    search(0, room, 0.0)
    return best_worth, tuple(sorted(best, reverse=True))
