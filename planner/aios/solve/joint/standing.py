"""Begins with what stands: every intent that can stay does, those that cannot find room beside them."""

from __future__ import annotations

from aios.solve.joint.improve import Site
from aios.solve.joint.yard import Yard

__all__ = ["come_home", "stand_again"]


def stand_again(site: Site) -> bool:
    """Put every intent of an empty yard where it stands, the others where they cost least; say whether any stays.

    Of what an intent becomes in place the very same comes first, then what costs least.
    """
    yard, missing = site.yard, list[int]()
    homes = {intent: _homes(site, intent) for intent in range(yard.grid.count)}
    # What grows takes room that nobody stands on.
    for intent, options in sorted(homes.items(), key=lambda item: any(_grows(yard, option) for option in item[1])):
        if not any(_stand(yard, intent, option) for option in options):
            missing.append(intent)
    for intent, options in homes.items():
        if intent not in missing:
            _change_in_place(site, intent, options)
    for intent in sorted(missing, key=lambda intent: (-site.sizes[intent], intent)):
        _insert(site, intent)
    return len(missing) < yard.grid.count


def come_home(site: Site) -> None:
    """Let those that moved go back where that costs no more, the prices of moves among the costs."""
    yard, costs = site.yard, site.target.costs
    came = True
    while came:
        came = False
        for intent, standing in enumerate(yard.of):
            option = yard.option(intent)
            if option < 0 or option in yard.grid.pins:
                continue
            homes = [home for home in _homes(site, intent) if costs[home] <= costs[option]]
            yard.leave(intent)
            back = any(_stand(yard, intent, home) for home in homes)
            came = came or back
            if not back:
                yard.back(intent, standing)


def _homes(site: Site, intent: int) -> list[int]:
    """Return the open options of an intent in which it stays, the one that it runs as first, then by cost."""
    grid, target = site.yard.grid, site.target
    problem, first = grid.problem, int(grid.first_option[intent])
    standing = problem.moving.standing.get(problem.intents[intent].name)
    own = [
        (item.id != (standing.option if standing else None), int(target.costs[first + k]), first + k)
        for k, item in enumerate(problem.options[intent])
        if first + k in grid.pins and target.open[first + k]
    ]
    return [option for _, _, option in sorted(own)]


def _change_in_place(site: Site, intent: int, options: list[int]) -> None:
    """Let an intent become what is better where it stands."""
    yard, costs = site.yard, site.target.costs
    now = yard.option(intent)
    for option in sorted((option for option in options if costs[option] < costs[now]), key=lambda o: (costs[o], o)):
        standing = yard.leave(intent)
        if _stand(yard, intent, option):
            return
        yard.back(intent, standing)


def _insert(site: Site, intent: int) -> bool:
    """Put an intent where it costs least, at prices, of what there is room for."""
    parts = site.yard.grid.parts
    return any(
        site.yard.stand(intent, [(column, int(parts[way.option])) for column in way.columns], int(parts[way.option]))
        for way in site.ways.all(intent)
    )


def _grows(yard: Yard, option: int) -> bool:
    """Say whether an option has more parts than stand."""
    return int(yard.grid.parts[option]) > sum(spot.number for spot in yard.grid.pins[option])


def _stand(yard: Yard, intent: int, option: int) -> bool:
    """Put an intent where it stands, as an option in which it stays."""
    parts = int(yard.grid.parts[option])
    return yard.stand(intent, [(column, parts) for column in yard.grid.columns_of(option)], parts)
