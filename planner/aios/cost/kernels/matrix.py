"""Matrix products, and operators that do little more than read and write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.cost.kernels.formats import Format
from aios.cost.kernels.hardware import Hardware
from aios.cost.kernels.work import Work

if TYPE_CHECKING:
    from aios.cost.kernels.work import Numbers
    from aios.records.observation import Floats

__all__ = ["BANDWIDTH_SHARE", "MATMUL_SHARE", "elementwise", "gemm", "tile_padding"]

MATMUL_SHARE = 0.8
"""Of the dense peak that large matrix products reach: 0.79 on B200, 0.80 on H100, 0.87 on A100 in bf16 (maximum
achievable matmul FLOPS in S. Bekman, Machine Learning Engineering, chapter Accelerators)."""
BANDWIDTH_SHARE = 0.85
"""Of the stated bandwidth that streaming kernels reach: 0.8 to 0.93 with BabelStream on GPUs (T. Deakin, S.
McIntosh-Smith et al., Evaluating attainable memory bandwidth of parallel programming models via BabelStream, 2018)."""
_TILES = ((128, 256), (128, 128), (64, 128))
"""Rows and columns of output tiles that a block of threads works on; libraries take what fills the device best."""
_STARTS = 2
"""A product fills and drains its pipeline of tiles, which takes about as long again as its start."""
_MATRIX_ROWS = 16
"""Rows (or columns) that matrix instructions work on at least."""


def gemm(hardware: Hardware, precision: Format, m: Numbers, n: Numbers, k: Numbers) -> Work:
    """Return the work of (m, k) x (k, n), the weights being (k, n)."""
    import numpy as np

    m, n, k = (np.asarray(item, dtype=np.float64) for item in (m, n, k))
    flops = 2.0 * m * n * k
    moved = precision.weight_bytes * n * k + precision.activation_bytes * m * k + precision.output_bytes * m * n
    padding, tiles = tile_padding(m, n, np.asarray(hardware.units, dtype=np.float64))
    ideal = flops / hardware.peak_ops_per_s
    return Work(
        flops=flops,
        bytes=moved,
        compute_s=ideal * padding / MATMUL_SHARE,
        memory_s=moved / (BANDWIDTH_SHARE * np.asarray(hardware.bandwidth_bytes_per_s)),
        streams_s=quantising_s(hardware, precision, m * k),
        fixed_s=_STARTS * (1 + np.asarray(precision.quantised)) * np.asarray(hardware.start_s) + 0.0 * flops,
        parallelism=tiles / hardware.units,
        ideal_s=ideal,
    )


def tile_padding(m: Floats, n: Floats, units: Floats) -> tuple[Floats, Floats]:
    """Return arithmetic done / arithmetic useful with the tile shape that wastes least, and how many tiles it makes.

    Wasted are rows that fill up a tile (down to what matrix instructions take) and multiprocessors that idle in the
    last wave; a product with less than one wave of tiles is split along its inner size to fill them.
    """
    import numpy as np

    rows = np.ceil(m / _MATRIX_ROWS) * _MATRIX_ROWS
    best, tiles_of = np.full(np.broadcast(m, n, units).shape, np.inf), np.ones(np.broadcast(m, n, units).shape)
    for height, width in _TILES:
        tiles = np.ceil(m / height) * np.ceil(n / width)
        padded = np.where(m < height, rows, np.ceil(m / height) * height) * np.ceil(n / width) * width
        waves = np.where(tiles < units, 1.0, np.ceil(tiles / units) * units / tiles)
        waste = padded / (m * n) * waves
        better = waste < best
        best, tiles_of = np.where(better, waste, best), np.where(better, tiles, tiles_of)
    return best, tiles_of


def quantising_s(hardware: Hardware, precision: Format, values: Floats) -> Floats:
    """Return the seconds in which 16-bit activations are read and written again in the format of the product."""
    moved = values * (2.0 + precision.activation_bytes) * precision.quantised
    seconds: Floats = moved / (BANDWIDTH_SHARE * hardware.bandwidth_bytes_per_s)
    return seconds


def elementwise(hardware: Hardware, read_bytes: Numbers, written_bytes: Numbers, starts: Numbers = 1) -> Work:
    """Return the work of operators such as norms, activations, rotary embeddings and additions."""
    import numpy as np

    moved = np.asarray(read_bytes, dtype=np.float64) + np.asarray(written_bytes, dtype=np.float64)
    flops = moved  # a few operations per value; never what such an operator waits for
    ideal = flops / hardware.vector_ops_per_s
    return Work(
        flops=flops,
        bytes=moved,
        compute_s=ideal,
        memory_s=moved / (BANDWIDTH_SHARE * np.asarray(hardware.bandwidth_bytes_per_s)),
        streams_s=0.0 * moved,
        fixed_s=np.asarray(starts) * np.asarray(hardware.start_s) + 0.0 * moved,
        parallelism=moved / 4096 / hardware.units,
        ideal_s=ideal,
    )
