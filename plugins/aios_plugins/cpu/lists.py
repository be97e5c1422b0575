"""Lists of numbers as the kernel writes them: ``0-3,8``."""

from __future__ import annotations

import re

__all__ = ["numbers", "written"]

_MOST = 2**16


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a kernel list, in order; () for what is none or unreasonably long."""
    found: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", part.strip())
        if match is None:
            return ()
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first + len(found) > _MOST:
            return ()
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def written(values: tuple[int, ...]) -> str:
    """Return numbers, in order, as the kernel writes them."""
    ranges: list[list[int]] = []
    for value in values:
        if ranges and value == ranges[-1][1] + 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
