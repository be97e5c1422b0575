"""Which replicas stand elsewhere: two placements of one intent, compared place by place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aios.records.differences import Move
from aios.records.hosts import natural_order
from aios.records.selection import Placement

__all__ = ["moves_between"]

_Place = tuple[str, tuple[str, ...]]


def moves_between(before: Sequence[Placement], after: Sequence[Placement]) -> tuple[Move, ...]:
    """Return the fewest moves that turn one placement into the other, those within a machine first.

    Replicas are alike, so which of them moves does not matter: what a place loses goes to the next place that gains, in
    the natural order of names. What is left over begins or ends.
    """
    old, new = _count(before), _count(after)
    lost, gained = _ordered(old - new), _ordered(new - old)
    return (*_within(lost, gained), *_paired(list(lost), list(gained), lost, gained), *_left(lost, gained))


def _count(placement: Sequence[Placement]) -> Counter[_Place]:
    found: Counter[_Place] = Counter()
    for item in placement:
        found[item.node, item.devices] += item.replicas
    return found


def _within(lost: Counter[_Place], gained: Counter[_Place]) -> list[Move]:
    """Return the moves between devices of one machine, and take them out of both counts."""
    nodes: dict[str, list[_Place]] = {}
    for place in gained:
        nodes.setdefault(place[0], []).append(place)
    return [move for place in lost for move in _paired([place], nodes.get(place[0], []), lost, gained)]


def _left(lost: Counter[_Place], gained: Counter[_Place]) -> list[Move]:
    """Return what ends and what begins, nothing being left to pair it with."""
    ended = [Move(replicas=count, before=_text(place), after=None) for place, count in lost.items() if count]
    return ended + [Move(replicas=count, before=None, after=_text(place)) for place, count in gained.items() if count]


def _paired(
    sources: Sequence[_Place], targets: Sequence[_Place], lost: Counter[_Place], gained: Counter[_Place]
) -> list[Move]:
    found, waiting = [], iter(targets)
    target = next(waiting, None)
    for source in sources:
        while lost[source] and target is not None:
            count = min(lost[source], gained[target])
            if count:
                found.append(Move(replicas=count, before=_text(source), after=_text(target)))
                lost[source] -= count
                gained[target] -= count
            if not gained[target]:
                target = next(waiting, None)
    return found


def _ordered(places: Counter[_Place]) -> Counter[_Place]:
    """Return the places in the order of machines and devices that people count in."""
    order = sorted(places, key=lambda place: (natural_order(place[0]), [natural_order(item) for item in place[1]]))
    return Counter({place: places[place] for place in order})


def _text(place: _Place) -> str:
    node, devices = place
    return f"{node}[{','.join(devices)}]" if devices else node
