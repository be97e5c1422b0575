"""Services whose load is split: their groups as intents of their own, with all that each could serve of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.records.candidate import Priced
from aios.records.intent import Intent, Part
from aios.records.selection import Selection
from aios.workflow.pieces import ADDED_UP, cut

if TYPE_CHECKING:
    from aios.workflow.planning import Considered
    from aios.workflow.reading import Given

__all__ = ["groups_of", "is_split", "served"]

_GROUPS = 3
"""Groups of one service at most: as many kinds of devices as one is served by; each further one multiplies the choice
and serves a smaller share."""


def is_split(intent: Intent) -> bool:
    """Say whether groups of replicas may share the load of a service."""
    return intent.load is not None and intent.load.split is not None


def groups_of(
    considered: Considered, consider: Callable[[Given], Considered], tell: Callable[[str], None]
) -> Considered:
    """Return what was considered with the groups of each split service in place of it.

    Every group may serve any number of pieces, as whatever keeps the service's requirements at that share of its load.
    """
    from aios.solve import keep_all

    given = considered.given
    intents: list[Intent] = []
    origin: dict[str, str] = {}
    options = dict(considered.options)
    for whole in given.intents:
        if whole.load is None or whole.load.split is None:
            intents.append(whole)
            origin[whole.name] = whole.name
            continue
        of = whole.load.split
        listed: list[tuple[int, Priced]] = []
        for pieces in range(1, of + 1):
            tell(f"finding ways to serve {pieces} of {of} pieces of {whole.name}")
            piece = cut(whole, pieces / of)
            only = replace(given, intents=(piece,), demands=())
            own = considered.options[whole.name] if pieces == of else consider(only).options[whole.name]
            listed += [(pieces, item) for item, kept in zip(own, keep_all(piece, own), strict=True) if kept]
        del options[whole.name]
        for number in range(1, min(_GROUPS, of) + 1):
            group = _group(whole, number, of)
            intents.append(group)
            origin[group.name] = whole.name
            options[group.name] = tuple(_of_group(group.name, pieces, of, item) for pieces, item in listed)
    return considered._replace(given=_with(given, intents, origin), options=options)


def _group(whole: Intent, number: int, of: int) -> Intent:
    """Return a group of which it is open how much it serves: what depends on that is settled with its options."""
    assert whole.load is not None
    part = Part(service=whole.name, number=number, pieces=0, of=of, rate_per_s=whole.load.rate_per_s)
    require = tuple(item for item in whole.require if item.metric not in ADDED_UP)
    before = tuple(f"{name}/{number}" for name in whole.moved_from)
    update = {"name": f"{whole.name}/{number}", "part": part, "require": require, "moved_from": before}
    return whole.model_copy(update=update)


def _of_group(name: str, pieces: int, of: int, priced: Priced) -> Priced:
    changed = {"id": f"{name}{priced.candidate.id[len(priced.candidate.intent) :]}/{pieces}of{of}", "intent": name}
    return priced.model_copy(update={"candidate": priced.candidate.model_copy(update=changed), "pieces": pieces})


def _with(given: Given, intents: list[Intent], origin: dict[str, str]) -> Given:
    return replace(
        given,
        intents=tuple(intents),
        profiles={name: given.profiles[whole] for name, whole in origin.items()},
        calibration={name: given.calibration[whole] for name, whole in origin.items()},
        evaluation={name: given.evaluation[whole] for name, whole in origin.items()},
        training={name: given.training[whole] for name, whole in origin.items()},
    )


def served(whole: Considered, considered: Considered, selection: Selection) -> Considered:
    """Return what was considered with just the groups that serve something, each with its share of load and bounds.

    whole: before the services were split
    """
    services = {intent.name: intent for intent in whole.given.intents}
    intents: list[Intent] = []
    origin: dict[str, str] = {}
    options = {}
    for intent in considered.given.intents:
        priced, part, own = selection.chosen.get(intent.name), intent.part, considered.options[intent.name]
        if part is None:
            found, origin[intent.name] = intent, intent.name
        elif priced is not None:
            found, origin[intent.name] = _serving(services[part.service], intent, priced.pieces), part.service
            own = tuple(item for item in own if item.pieces == priced.pieces)
        else:
            continue
        intents.append(found)
        options[intent.name] = own
    return considered._replace(given=_with(whole.given, intents, origin), options=options)


def _serving(whole: Intent, group: Intent, pieces: int) -> Intent:
    """Return a group that serves so many pieces."""
    assert group.part is not None
    part = group.part.model_copy(update={"pieces": pieces})
    return cut(whole, part.share).model_copy(update={"name": group.name, "part": part})
