"""Short measurements of this machine: memory bandwidth and the rate of large matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from aios.records.base import Record
from aios.records.fleet import Fact

__all__ = ["Measured", "measure_bandwidth", "measure_fp32_rate"]

# Two arrays of at most this size: 384 MiB in all. STREAM asks for arrays of at least four times the last-level cache.
_LARGEST_ARRAY = 192 * 2**20
_SMALLEST_ARRAY = 32 * 2**20
_SECONDS = 0.4
# A pass takes a millisecond or so at any core count: short enough that some passes are not disturbed by other
# processes, long enough for all cores to take part.
_MATRIX_PER_ROOT_CORE, _LARGEST_MATRIX = 256, 2048


class Measured(Record):
    """A measured fact. spread: median over shortest time of its passes; 1 on a machine that does nothing else."""

    fact: Fact
    spread: float


def measure_bandwidth(cores: int, last_level_cache_bytes: float, memory_bytes: float | None) -> Measured | None:
    """Measure memory bandwidth in B/s: STREAM's copy (McCalpin 1995), one thread per core, best pass.

    One read and one write per element are counted, as STREAM does. None when there is too little memory for it.
    """
    import numpy as np

    wanted = min(_LARGEST_ARRAY, max(_SMALLEST_ARRAY, 4 * last_level_cache_bytes))
    if memory_bytes is not None and 2 * wanted > memory_bytes / 4:
        return None
    elements = int(wanted) // 8 // cores * cores
    source, target = np.empty(elements), np.empty(elements)
    parts = list(zip(np.split(source, cores), np.split(target, cores), strict=True))

    def touch(index: int) -> None:
        for part in parts[index]:
            part[:] = 1.0  # memory belongs to the NUMA node of the thread that touches it first

    times = _parallel_times(touch, lambda index: np.copyto(parts[index][1], parts[index][0]), cores)
    size = elements * 8
    caution = "" if size >= 4 * last_level_cache_bytes else ", smaller than four times the last-level cache"
    how = f"STREAM copy, {cores} threads, arrays of {size / 2**20:.0f} MiB{caution}, best of {len(times)}"
    return _measured(2 * size, "B/s", times, how)


def measure_fp32_rate(cores: int) -> Measured:
    """Measure the fp32 rate in FLOP/s: numpy's matrix product (its BLAS, all cores), 2 n^3 operations, best pass."""
    import numpy as np

    side = min(_LARGEST_MATRIX, round(_MATRIX_PER_ROOT_CORE * cores**0.5 / 64) * 64)
    left = np.full((side, side), 0.5, dtype=np.float32)
    right, out = left.copy(), np.empty_like(left)
    times = _times(lambda: np.matmul(left, right, out=out))
    how = f"numpy matrix product {side}x{side}x{side}, all cores, best of {len(times)}"
    return _measured(2 * side**3, "FLOP/s", times, how)


def _measured(work: float, unit: str, times: list[float], how: str) -> Measured:
    value = float(f"{work / min(times):.4g}")
    return Measured(fact=Fact(value=value, unit=unit, source="measured", ref=how), spread=median(times) / min(times))


def _times(step: Callable[[], object]) -> list[float]:
    """Repeat ``step`` for a while (the first pass warms up) and return the seconds of each pass."""
    step()
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def _parallel_times(prepare: Callable[[int], object], part: Callable[[int], object], threads: int) -> list[float]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(prepare, range(threads)))
        return _times(lambda: list(pool.map(part, range(threads))))
