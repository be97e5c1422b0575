"""Where channels are after a tensor was given another shape."""

from __future__ import annotations

import math

from aios_plugins.compression.channels import Axis
from aios_plugins.compression.network import Shape

__all__ = ["carried"]


def carried(before: Shape, after: Shape, seen: Axis) -> Axis | None:
    """Return where the channels are after a reshape; None if no single axis holds them.

    Leading sizes that are equal are passed over, then the open ones must be too; what is left is laid out with the atom
    of each element, and one axis must tell them.
    """
    import numpy as np

    if seen.axis == len(before) - 1 and before[-1] == after[-1]:
        return Axis(len(after) - 1, seen.atoms)  # rows of channels stay rows, however many make a block
    lead = 0
    while lead < min(len(before), len(after), seen.axis) and (before[lead] == after[lead] or lead == 0):
        lead += 1
    rest, made = before[lead:], after[lead:]
    if not made:
        return None
    own = [size or 1 for size in rest]
    if any(size is None for size in rest) or any(size is None for size in made):
        # Open sizes after the channels: only where the channels keep their place and all before it is as it was.
        axis = seen.axis
        same = len(after) > axis and before[axis] == after[axis] and before[1:axis] == after[1:axis]
        return Axis(axis, seen.atoms) if same else None
    if math.prod(own) != math.prod(size or 1 for size in made):
        return None
    view = [1] * len(rest)
    view[seen.axis - lead] = -1
    laid = np.broadcast_to(seen.atoms.reshape(view), own).reshape([size or 1 for size in made])
    for axis in range(laid.ndim):
        first = laid[tuple(slice(None) if at == axis else slice(0, 1) for at in range(laid.ndim))]
        if bool((laid == first).all()):
            return Axis(axis + lead, first.reshape(-1))
    return None
