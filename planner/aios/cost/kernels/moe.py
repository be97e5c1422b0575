"""A layer of a mixture of experts on the busiest device of its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aios.cost.kernels.formats import Format
from aios.cost.kernels.grouping import distinct, distinct_rows
from aios.cost.kernels.hardware import Hardware
from aios.cost.kernels.matrix import BANDWIDTH_SHARE, MATMUL_SHARE, quantising_s
from aios.cost.kernels.work import Work

if TYPE_CHECKING:
    from aios.cost.kernels.work import Numbers
    from aios.records.observation import Floats, Texts

__all__ = ["Loads", "loads_of", "moe"]

_TILE_ROWS = 32
"""Rows to which the tokens of one expert are filled up, between the 8 of small and the 128 of large grouped kernels."""
_TILE_COLUMNS = 64
_STARTS = 8
"""Kernels one after the other: route, sort, first product with its activation, second product, weighted sum."""
_WIDEST_CHUNK = 2_000_000


class Loads(NamedTuple):
    """What the busiest device has to do, arrays of length n.

    tokens: assignments of a token to one of its experts · rows: the same, filled up to whole tiles · experts: that have
    any token, whose weights are read · heaviest: tokens of the expert with most
    """

    tokens: Floats
    rows: Floats
    experts: Floats
    heaviest: Floats


def moe(
    hardware: Hardware,
    precision: Format,
    tokens: Numbers,
    hidden: Numbers,
    intermediate: Numbers,
    active: Numbers,
    experts: Numbers,
    *,
    tensor_parallel: Numbers = 1,
    expert_parallel: Numbers = 1,
    distribution: str | Texts = "",
    loads: Loads | None = None,
    matrices: int = 3,
) -> Work:
    """Return the work of the experts of one layer without its communication.

    tokens: of the whole group · intermediate: width of one expert before it is split · distribution: see ``loads_of`` ·
    loads: as ``loads_of`` returned them, if they are known already · matrices: of one expert, 3 where it is gated
    """
    import numpy as np

    tokens, hidden, intermediate, tensor_parallel, experts = (
        np.asarray(item, dtype=np.float64) for item in (tokens, hidden, intermediate, tensor_parallel, experts)
    )
    if loads is None:
        loads = loads_of(tokens, active, experts, expert_parallel, distribution)
    width = intermediate / tensor_parallel
    values = matrices * hidden * width
    padded = np.ceil(width / _TILE_COLUMNS) * _TILE_COLUMNS
    moved = loads.experts * values * precision.weight_bytes + loads.tokens * (
        precision.activation_bytes * (hidden + width) + precision.output_bytes * ((matrices - 1) * width + hidden)
    )
    # permuted and summed up: hidden twice each; activated: read and written
    streamed = 2.0 * loads.tokens * (4 * hidden + matrices * width)
    bandwidth = BANDWIDTH_SHARE * np.asarray(hardware.bandwidth_bytes_per_s)
    flops = 2.0 * loads.tokens * values
    mean = tokens * np.asarray(active) / np.asarray(expert_parallel)
    return Work(
        flops=flops,
        bytes=moved,
        compute_s=2.0 * loads.rows * values * (padded / width) / (MATMUL_SHARE * np.asarray(hardware.peak_ops_per_s)),
        memory_s=moved / bandwidth,
        streams_s=streamed / bandwidth + quantising_s(hardware, precision, loads.tokens * (hidden + width)),
        fixed_s=_STARTS * np.asarray(hardware.start_s) + 0.0 * flops,
        parallelism=np.maximum(loads.rows / 128, loads.experts) * width / 128 / hardware.units,
        ideal_s=2.0 * np.minimum(mean, loads.tokens) * values / hardware.peak_ops_per_s,
        imbalance=loads.tokens / mean,
    )


def loads_of(
    tokens: Numbers,
    active: Numbers,
    experts: Numbers,
    expert_parallel: Numbers = 1,
    distribution: str | Texts = "",
) -> Loads:
    """Return what the busiest of ``expert_parallel`` devices is expected to have to do.

    distribution: ``balanced`` (all experts alike), ``power_law_A`` (loads drawn from a power law with exponent A,
    between one token and most tokens), else every token chooses at random. Equal cases are worked out once.
    """
    import numpy as np

    shape = np.broadcast(*(np.asarray(item) for item in (tokens, active, experts, expert_parallel, distribution))).shape
    columns = [
        np.broadcast_to(np.asarray(item, dtype=np.float64), shape).ravel()
        for item in (tokens, active, experts, expert_parallel)
    ]
    names = np.broadcast_to(np.asarray(distribution, dtype=str), shape).ravel()
    kinds, kind = distinct(names)
    columns.append(np.array([_exponent(name) for name in kinds])[kind])
    first, places = distinct_rows(columns)
    cases = np.column_stack(columns)[first]
    found = np.empty((4, len(cases)))
    for count in np.unique(cases[:, 2]):
        own = np.flatnonzero(cases[:, 2] == count)
        step = max(1, int(_WIDEST_CHUNK // count))
        for start in range(0, len(own), step):
            rows = own[start : start + step]
            found[:, rows] = _busiest(cases[rows], int(count))
    return Loads(*(row[places].reshape(shape) for row in found))


def _exponent(distribution: str) -> float:
    """Return the exponent of a power law, 0 for balanced loads, -1 for tokens that choose at random."""
    if distribution == "balanced":
        return 0.0
    _, said, exponent = distribution.partition("power_law_")
    try:
        return float(exponent) if said else -1.0
    except ValueError:
        return -1.0


def _busiest(cases: Floats, count: int) -> Floats:
    """Return tokens, rows, experts and heaviest (4, cases) of cases with ``count`` experts."""
    import numpy as np

    tokens, active, parallel, skew = cases[:, 0], cases[:, 1], np.minimum(cases[:, 3], count), cases[:, 4]
    given = tokens * active
    loads = _expert_loads(given, tokens, skew, count)
    used = np.where(
        skew < 0, count * -np.expm1(given * np.log1p(-1 / max(count, 2))), (loads > 0).sum(axis=1).clip(1, None)
    )
    group = count / parallel
    spread = loads.std(axis=1) * np.sqrt(group * np.maximum(0.0, 1 - (group - 1) / max(count - 1, 1)))
    # expected largest of p normal values, and a group that holds the heaviest expert among ordinary ones
    by_chance = given / parallel + spread * np.sqrt(2 * np.log(np.maximum(parallel, 1.0))) * 0.7
    heaviest = loads.max(axis=1)
    with_heaviest = heaviest + (group - 1) * (given - heaviest) / max(count - 1, 1)
    busy = np.where(parallel > 1, np.minimum(given, np.maximum(by_chance, with_heaviest)), given)
    own = np.maximum(1.0, used / parallel)
    padded = (np.ceil(loads / _TILE_ROWS) * _TILE_ROWS).sum(axis=1)
    rows = np.maximum(padded / np.maximum(given, 1.0), 1.0) * busy
    return np.stack([busy, rows, np.minimum(own, np.maximum(busy, 1.0)), heaviest])


def _expert_loads(given: Floats, tokens: Floats, skew: Floats, count: int) -> Floats:
    """Return tokens of each expert (cases, count), in rising order; whole tokens unless they choose at random."""
    import numpy as np

    even = np.repeat((given / count)[:, None], count, axis=1)
    law = skew > 0
    if law.any():
        even[law] = _power_law(given[law], tokens[law], skew[law], count)
    whole = np.where(law[:, None], np.round(even), np.floor(even))
    left = np.clip(given - whole.sum(axis=1), 0, None)[:, None]  # goes to the experts with most, one each in turn
    whole += left // count + (np.arange(count) >= count - left % count)
    return np.where(skew[:, None] < 0, even, whole)


def _power_law(given: Floats, tokens: Floats, exponent: Floats, count: int) -> Floats:
    """Return the quantiles of loads (cases, count) that are spread as a power law and add up to ``given``."""
    import numpy as np

    place = (np.arange(count) + 0.5) / count
    most = np.where(given > count, np.maximum(0.8 * tokens, 1.001), 2.0)[:, None]
    least = np.where(given > count, 1.0, 0.01)[:, None]
    power = 1 - np.where(np.abs(exponent - 1) < 1e-6, 1 + 1e-6, exponent)[:, None]
    drawn = ((most**power - least**power) * place + least**power) ** (1 / power)
    loads: Floats = drawn / drawn.sum(axis=1, keepdims=True) * given[:, None]
    return loads
