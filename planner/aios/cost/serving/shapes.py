"""What of a transformer, its numbers, its devices and their way of sharing the work enters the time of a pass."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats

__all__ = ["Arrays", "Machine", "Shape", "Stored", "Ways"]


@dataclass(frozen=True)
class Arrays:
    """Fields are arrays of one length, or numbers that stand for all rows."""

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Self:
        """Return the rows that a mask or index selects."""
        changes: dict[str, Any] = {item.name: getattr(self, item.name)[rows] for item in fields(self)}
        return replace(self, **changes)

    def chosen(self, rows: npt.NDArray[np.bool_], other: Self) -> Self:
        """Return ``other`` where the mask holds and this elsewhere."""
        import numpy as np

        changes: dict[str, Any] = {}
        for item in fields(self):
            mine, its = getattr(self, item.name), getattr(other, item.name)
            changes[item.name] = mine.chosen(rows, its) if isinstance(mine, Arrays) else np.where(rows, its, mine)
        return replace(self, **changes)


@dataclass(frozen=True)
class Shape(Arrays):
    """A transformer; counts.

    layers · hidden: width of the residual stream · width: of all query heads of all blocks together · kv_heads: over
    which keys and values can be split; 1 for latent attention, whose cache every device keeps whole · dense: parameters
    that every token is multiplied with · routed: parameters of all routed experts · experts, active: 1 and 1 of a dense
    model · kv_values: numbers kept per token, all blocks together · near: share of them that sliding-window blocks keep
    · window: tokens that those look back ·
    latent: 1 where keys and values are kept as a latent (multi-head latent attention), else 0 · selected: keys that a
    query of sparse attention reads at most, infinite where all · index_values, index_width: numbers kept per token by
    the indexers that select them, and channels of their queries, all blocks together; 0 where there are none
    """

    layers: Floats
    hidden: Floats
    width: Floats
    kv_heads: Floats
    dense: Floats
    routed: Floats
    experts: Floats
    active: Floats
    kv_values: Floats
    near: Floats
    window: Floats
    latent: Floats
    selected: Floats
    index_values: Floats
    index_width: Floats

    def keys(self, context: Floats) -> Floats:
        """Return the keys that a query at ``context`` reads, mean over the blocks."""
        import numpy as np

        found: Floats = (1 - self.near) * context + self.near * np.minimum(context, self.window)
        return found

    def touched(self, tokens: Floats) -> Floats:
        """Return the share of routed experts that ``tokens`` tokens use at all, each choosing ``active`` at random."""
        found: Floats = 1 - (1 - self.active / self.experts) ** tokens
        return found

    @property
    def used(self) -> Floats:
        """Parameters that one token is multiplied with."""
        return self.dense + self.routed * self.active / self.experts


@dataclass(frozen=True)
class Stored(Arrays):
    """Bytes per number. dense: of weights that every token uses · routed: of routed experts · kv: of keys, values; 0
    where they are not kept, but computed anew for every token"""

    dense: Floats
    routed: Floats
    kv: Floats


@dataclass(frozen=True)
class Machine(Arrays):
    """One device and its links.

    ops_per_s: dense peak at the precision that products are computed in · half_ops_per_s: the same of 16 bits, which
    attention computes in · memory_bytes_per_s · memory_bytes · link_bytes_per_s: to the other devices, one direction ·
    products, reading: share that this software reaches of the rate of products and of reading in others · unpacking_s:
    of one weight that is stored in fewer bits than products with it are computed in, inside their kernel · eager: 1
    where it starts kernels one by one, 0 where it runs captured graphs · unfused: 1 where it writes what attention
    computes in between (PyTorch without compiling), else 0 · score_bytes: of memory that each score costs where
    attention is several kernels of a compiled engine, else 0 · unpacks: 1 where it writes quantised weights out in 16
    bits before it multiplies many tokens with them, else 0 · interpreted: 1 where passes over prompts, whose lengths
    differ, start kernels one by one from Python, else 0 · passes: decode passes between a request's arrival and its
    first token beside the one over its prompt · pass_s, device_s, sequence_s: seconds of the host per pass, per device
    of it, and per sequence of it
    """

    ops_per_s: Floats
    half_ops_per_s: Floats
    memory_bytes_per_s: Floats
    memory_bytes: Floats
    link_bytes_per_s: Floats
    products: Floats
    reading: Floats
    unpacking_s: Floats
    eager: Floats
    unfused: Floats
    score_bytes: Floats
    unpacks: Floats
    interpreted: Floats
    passes: Floats
    pass_s: Floats
    device_s: Floats
    sequence_s: Floats


@dataclass(frozen=True)
class Ways(Arrays):
    """How one engine is split over its devices; degrees. tensor x pipeline x data devices; data: of attention alone ·
    expert, expert_tensor: of routed experts, over the devices of a pipeline stage"""

    tensor: Floats
    pipeline: Floats
    data: Floats
    expert: Floats
    expert_tensor: Floats

    @property
    def devices(self) -> Floats:
        """Devices of one engine."""
        return self.tensor * self.pipeline * self.data

    def by_sequences(self) -> Ways:
        """Return the same devices with attention split by sequences in place of heads, and experts kept whole."""
        import numpy as np

        within = self.tensor * self.data
        return replace(
            self, tensor=np.ones_like(within), data=within, expert=within, expert_tensor=np.ones_like(within)
        )
