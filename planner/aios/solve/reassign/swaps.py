"""Two processes trade places: where machines are full, hardly anything else moves."""

from __future__ import annotations

import numpy as np

from aios.solve.reassign.standing import NEVER, Mask, Standing, Whole

__all__ = ["swap", "swaps"]


def swaps(standing: Standing, process: int, others: slice) -> Whole:
    """Return what trading places with each of some other processes changes of the cost.

    ``NEVER`` where resources do not allow it. What services allow, and what their most moves cost, is left out.
    """
    tables, here, home = standing.tables, int(standing.at[process]), standing.tables.home[process]
    there, homes = standing.at[others], tables.homes[others]
    more = tables.adds[:, process, None] - tables.adds[:, others]
    level = standing.level[:, there]
    level += more
    np.maximum(level, 0, out=level)
    change: Whole = level.sum(axis=0)
    np.subtract(standing.level[:, here, None], more, out=more)
    np.maximum(more, 0, out=more)
    change += more.sum(axis=0)
    change -= standing.price[there]
    change += tables.between[home, there] + tables.between[homes, here] - tables.between[homes, there]
    own, leaves = tables.leaves[process], tables.leaving[others]
    change += own * (there != home) + leaves * ((homes != here).astype(np.int64) - (homes != there))
    change -= int(standing.price[here]) + int(tables.between[home, here]) + own * (here != home)
    change[~_room(standing, process, others, there)] = NEVER
    return change


def _room(standing: Standing, process: int, others: slice, there: Whole) -> Mask:
    """Say with which of some other processes one may trade places as far as resources go."""
    tables, here, home = standing.tables, int(standing.at[process]), standing.tables.home[process]
    theirs = standing.room[:, there]
    theirs += standing.frees[:, others]
    theirs -= tables.takes[:, process, None]
    mine = (standing.room[:, here] + standing.frees[:, process])[:, None] - tables.takes[:, others]
    if tables.transient:
        back = there == home
        theirs[:, back] += (tables.takes[:, process] - tables.stays[:, process])[:, None]
        again = tables.homes[others] == here
        mine[:, again] += (tables.takes[:, others] - tables.stays[:, others])[:, again]
    np.minimum(theirs, mine, out=theirs)
    fits: Mask = np.logical_and.reduce(theirs >= 0, axis=0)
    fits &= there != here
    return fits


def swap(standing: Standing, one: int, other: int) -> bool:
    """Let two processes trade places, which resources allow; say whether services allow it too, and it was done."""
    here, there = int(standing.at[one]), int(standing.at[other])
    standing.move(one, there)
    standing.move(other, here)
    if standing.sound(one, here) and standing.sound(other, there):
        return True
    standing.move(one, here)
    standing.move(other, there)
    return False
