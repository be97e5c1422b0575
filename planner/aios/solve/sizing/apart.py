"""In how many failure domains machines are needed, so that rules of placement can be kept at all.

Of parts that spread over domains, that no two share one, or of which some survive losses, the numbers alone say how
many domains there must be. That only bounds the choice of machines; whether the rules hold is seen where parts stand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.where import NODE, domain_of
from aios.solve.clauses.survive import spare
from aios.solve.sizing.problem import Apart, Footprint, Way
from aios.solve.sizing.standing import Wanted

__all__ = ["apart_of"]

_NEVER = 1 << 20
"""Domains that nobody has: a way that needs them is out."""
_ROUNDING = 1e-9
"""As of the clause: 3 of 10 are within ``30 %``."""


class _Spread(NamedTuple):
    """How the parts of a way lie: in ``least`` domains at least, at most ``most`` of them in one."""

    parts: int
    least: int
    most: int


def apart_of(
    wanted: Sequence[Wanted], ways: Sequence[Sequence[Way]], footprints: Sequence[Footprint], fleet: Fleet
) -> Iterator[Apart]:
    """Yield what the rules of each intent need, and then what intents need that share no domain.

    ways: of each intent, as in ``wanted``
    """
    spreads: dict[tuple[int, str], list[_Spread]] = {}
    for index, item in enumerate(wanted):
        for over in item.intent.placement.domains:
            own = spreads[index, over] = list(_spreads(item.intent, over, item.options))
            yield from _alone(index, over, own, [footprints[way.footprint] for way in ways[index]], fleet)
    for over in sorted({over for _, over in spreads}):
        for clique in _cliques([item.intent for item in wanted], over):
            needs = {
                (index, place): spreads[index, over][place].least if (index, over) in spreads else 1
                for index in clique
                for place in range(len(wanted[index].options))
            }
            shapes = range(len(fleet.nodes))
            yield Apart(_domains(over, shapes, fleet), dict.fromkeys(shapes, 1), needs)


def _spreads(intent: Intent, over: str, options: Sequence[Priced]) -> Iterator[_Spread]:
    """Yield how the parts of each option must lie over domains of one kind."""
    rules = intent.placement
    for priced, spared in zip(options, spare(intent, options), strict=True):
        parts = most = priced.candidate.parts
        least = 1
        for spread in rules.spread:
            if spread.over == over:
                share = math.floor((spread.share or 0.0) * parts + _ROUNDING)
                most = min(most, share if spread.most is None else spread.most)
        if any(other.intent == intent.name and other.by == over for other in rules.apart):
            most = min(most, 1)
        if rules.survive is not None and rules.survive.of == over:
            # Of the fullest domains, as many as may be lost hold what can be spared; no further one more than the last.
            left = max(spared, 0)  # below it where all parts together do not carry the load
            most, each = min(most, left), left // rules.survive.losses
            least = rules.survive.losses + math.ceil((parts - left) / each) if each else _NEVER
        yield _Spread(parts, max(least, math.ceil(parts / most)) if most > 0 else _NEVER, most)


def _alone(
    index: int, over: str, spreads: Sequence[_Spread], places: Sequence[Footprint], fleet: Fleet
) -> Iterator[Apart]:
    """Yield what the ways of one intent need, those together that may stand alike on the same machines."""
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for way, (spread, own) in enumerate(zip(spreads, places, strict=True)):
        held = tuple((place.shape, min(spread.most, place.most or _NEVER)) for place in own)
        alike.setdefault(held, []).append(way)
    for held, ways in alike.items():
        shapes = [shape for shape, _ in held]
        needs = {(index, way): spreads[way].least for way in ways}
        yield Apart(_domains(over, shapes, fleet), dict.fromkeys(shapes, 1), needs)
        if over == NODE:
            yield Apart(None, dict(held), {(index, way): spreads[way].parts for way in ways})


def _domains(over: str, shapes: Iterable[int], fleet: Fleet) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes of each domain; None where each machine is one."""
    if over == NODE:
        return None
    found: dict[str | None, list[int]] = {}
    for shape in shapes:
        found.setdefault(domain_of(fleet.nodes[shape], over), []).append(shape)
    return tuple(tuple(own) for own in found.values())


def _cliques(intents: Sequence[Intent], over: str) -> Iterator[tuple[int, ...]]:
    """Yield intents (indexes) of which no two share a domain, two at least, grown from each in turn."""
    names = {intent.name: index for index, intent in enumerate(intents)}
    met: dict[int, set[int]] = {}
    for index, intent in enumerate(intents):
        for other in (names.get(item.intent) for item in intent.placement.apart if item.by == over):
            if other is not None and other != index:
                met.setdefault(index, set()).add(other)
                met.setdefault(other, set()).add(index)
    found = set()
    for first in sorted(met):
        clique = [first]
        for other in sorted(met[first], key=lambda index: (-len(met[index]), index)):
            if all(other in met[member] for member in clique):
                clique.append(other)
        found.add(tuple(sorted(clique)))
    yield from sorted(found)
