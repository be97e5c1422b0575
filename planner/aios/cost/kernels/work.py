"""What an operator asks of a device, in seconds of each of its resources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aios.records.observation import Floats

    Numbers = float | Floats

__all__ = ["Work", "one_after_the_other"]

_SHARPNESS = 4.0
"""Compute and traffic overlap all but completely in pipelined kernels; where both take equally long, 2^(1/4) = 1.19
times as long as one of them alone."""


class Work(NamedTuple):
    """Of n operators; arrays of equal shape.

    flops: useful arithmetic, multiply and add counted as two · bytes: least traffic with memory · compute_s, memory_s:
    at the rates that good kernels reach, overlapped · streams_s: traffic of kernels before and after that only read and
    write (quantising, permuting, rotating) · fixed_s: kernels that start one after the other · parallelism: tiles that
    are independent, per multiprocessor · ideal_s: what no kernel beats, useful arithmetic at the stated peak ·
    imbalance: arithmetic of the busiest device / mean of its group
    """

    flops: Floats
    bytes: Floats
    compute_s: Floats
    memory_s: Floats
    streams_s: Floats
    fixed_s: Floats
    parallelism: Floats
    ideal_s: Floats
    imbalance: Numbers = 1.0

    def seconds(self) -> Floats:
        """Return the predicted time of each."""
        import numpy as np

        most = np.maximum(self.compute_s, self.memory_s)
        least = np.minimum(self.compute_s, self.memory_s)
        both = (1 + (least / np.maximum(most, 1e-30)) ** _SHARPNESS) ** (1 / _SHARPNESS)
        total: Floats = self.fixed_s + self.streams_s + most * both
        return total


def one_after_the_other(parts: Sequence[Work]) -> Work:
    """Return the work of operators that run one after the other, as one.

    Each waits for the scarcer of its own two resources, so what is added up is the time for which each is waited for.
    """
    import numpy as np

    compute = [np.where(part.compute_s >= part.memory_s, part.compute_s, 0.0) for part in parts]
    memory = [np.where(part.compute_s < part.memory_s, part.memory_s, 0.0) for part in parts]
    return Work(
        flops=_sum([part.flops for part in parts]),
        bytes=_sum([part.bytes for part in parts]),
        compute_s=_sum(compute),
        memory_s=_sum([0.0 * part for part in memory]),
        streams_s=_sum([*memory, *(part.streams_s for part in parts)]),
        fixed_s=_sum([part.fixed_s for part in parts]),
        parallelism=np.mean([part.parallelism for part in parts], axis=0),
        ideal_s=_sum([part.ideal_s for part in parts]),
    )


def _sum(arrays: Sequence[Floats]) -> Floats:
    import numpy as np

    total: Floats = np.sum(np.broadcast_arrays(*arrays), axis=0)
    return total
