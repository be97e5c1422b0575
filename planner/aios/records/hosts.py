"""Host lists: the names of many machines in a short text, ``gpu[001-387,400],login1``, as Slurm and pdsh write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import product

from aios.records.errors import BadValue

__all__ = ["MOST_HOSTS", "expand", "fold", "host_count", "natural_order"]

MOST_HOSTS = 1_000_000
"""A list that stands for more names than this is refused: no fleet has them, and ``[1-999999999]`` fills any memory."""

_MOST_DIGITS = 18
_ITEM = re.compile(r"\s*((?:[^\s,\[\]]|\[[^\[\]]*\])+)\s*(,|\Z)")
_PIECE = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
_NUMBERS = re.compile(r"([0-9]+)")
_NAME = re.compile(r"[^\s,\[\]]+")


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which ``n9`` comes before ``n10``."""
    return tuple(
        (0, int(part), part) if part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS else (1, 0, part)
        for part in _NUMBERS.split(name)
        if part
    )


def expand(text: str) -> tuple[str, ...]:
    """Return the names that a host list stands for, in its order; ``[001-003]`` keeps its leading zeros.

    Raises BadValue for what is no host list, and for one of more than ``MOST_HOSTS`` names.
    """
    items = _items(text)
    _count(items)
    return tuple(name for pieces in items for name in _names(pieces))


def host_count(text: str) -> int:
    """Return how many names a host list stands for, without making them. Raises BadValue as ``expand`` does."""
    return _count(_items(text))


def fold(names: Iterable[str]) -> str:
    """Return the host list that expands to ``names``, in their order; the shortest when they are in natural order.

    Raises BadValue for a name that no host list can hold: empty, or with a comma, a bracket or a blank in it.
    """
    run: _Run | None = None
    folded: list[str] = []
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadValue(f"`{name}` cannot stand in a host list", "use names without blanks, commas and brackets")
        if run is None or not run.takes(name):
            folded += [] if run is None else [str(run)]
            run = _Run(name)
    return ",".join(folded + ([] if run is None else [str(run)]))


class _Run:
    """Names that differ in one number only, and which numbers these are, as ranges of digits."""

    def __init__(self, name: str) -> None:
        self.parts = _NUMBERS.split(name)  # text at even places, digits at odd ones
        self.place: int | None = None
        self.ranges: list[tuple[str, str]] = []

    def takes(self, name: str) -> bool:
        """Take ``name`` in if it fits; return whether it did."""
        parts = _NUMBERS.split(name)
        if len(parts) != len(self.parts):
            return False
        if self.place is None:
            differing = [place for place, part in enumerate(parts) if part != self.parts[place]]
            if len(differing) != 1 or differing[0] % 2 == 0 or len(self.parts[differing[0]]) > _MOST_DIGITS:
                return False
            self.place = differing[0]
            self.ranges = [(self.parts[self.place],) * 2]
        elif any(part != self.parts[place] for place, part in enumerate(parts) if place != self.place):
            return False
        digits = parts[self.place]
        if len(digits) > _MOST_DIGITS:
            return False
        first, last = self.ranges[-1]
        if digits == str(int(last) + 1).zfill(len(first)):
            self.ranges[-1] = (first, digits)
        else:
            self.ranges.append((digits, digits))
        return True

    def __str__(self) -> str:
        if self.place is None:
            return "".join(self.parts)
        ranges = ",".join(first if first == last else f"{first}-{last}" for first, last in self.ranges)
        return f"{''.join(self.parts[: self.place])}[{ranges}]{''.join(self.parts[self.place + 1 :])}"


_Pieces = Sequence["str | Sequence[tuple[str, int, int]]"]
"""Of one item: text, or the ranges of a bracket as first digits, first and last number."""


def _items(text: str) -> list[_Pieces]:
    """Return each item of the list, cut into text and brackets."""
    items: list[_Pieces] = []
    position = 0
    while True:
        found = _ITEM.match(text, position)
        if found is None:
            rest = text[position:].strip()
            raise _wrong(text, f"there is no name at `{rest[:20]}`" if rest else "a name is missing")
        items.append([_ranges(piece[1], text) if piece[2] is None else piece[2] for piece in _PIECE.finditer(found[1])])
        if not found[2]:
            return items
        position = found.end()


def _ranges(inside: str, text: str) -> list[tuple[str, int, int]]:
    found = []
    for part in inside.split(","):
        matched = _RANGE.fullmatch(part.strip())
        if matched is None:
            raise _wrong(text, f"`{part[:20]}` is no number or range of numbers")
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if last < first:
            raise _wrong(text, f"the range `{part.strip()}` runs backwards")
        found.append((matched[1], first, last))
    return found


def _names(pieces: _Pieces) -> Iterator[str]:
    choices = [
        (piece,)
        if isinstance(piece, str)
        else tuple(str(n).zfill(len(digits)) for digits, first, last in piece for n in range(first, last + 1))
        for piece in pieces
    ]
    return map("".join, product(*choices))


def _count(items: Sequence[_Pieces]) -> int:
    total = sum(reduce(lambda so_far, piece: so_far * _choices(piece), pieces, 1) for pieces in items)
    if total > MOST_HOSTS:
        raise BadValue(
            f"this host list stands for {total:,} machines; at most {MOST_HOSTS:,} are read",
            "write only the machines that are there",
        )
    return total


def _choices(piece: str | Sequence[tuple[str, int, int]]) -> int:
    return 1 if isinstance(piece, str) else sum(last - first + 1 for _digits, first, last in piece)


def _wrong(text: str, why: str) -> BadValue:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return BadValue(f"`{shown}` is no host list: {why}", "write names and ranges, such as `gpu[001-003,007],login1`")
