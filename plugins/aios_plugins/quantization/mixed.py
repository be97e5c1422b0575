"""Mixed precision: static quantisation with better rounded weights, and in float what still hurts most.

Nothing but calibration data is looked at: a part of it gives ranges and moments, the rest the noise, which is how far
the outputs are from those in float. Weights are rounded layer by layer (``rounding``), which costs no time when the
network runs. Where that does not take enough of the noise, layers stay in float: those that bring the most noise for
the arithmetic they hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aios_plugins.quantization.covered import PRODUCTS
from aios_plugins.quantization.graphs import narrow_weights, nothing_to_change, preprocessed, save, session, versions_of
from aios_plugins.quantization.items import read_items
from aios_plugins.quantization.ranges import ranges
from aios_plugins.quantization.rounding import apply_rounding, rounded_weights
from aios_plugins.quantization.sensitivity import Group, ends_of, groups_of, noise, outputs_of, unsqueezed
from aios_plugins.quantization.static import in_float, inferred, quantized, scales

if TYPE_CHECKING:
    from collections.abc import Collection

    import onnx

    from aios.spi.transform import Progress, Work
    from aios_plugins.quantization.items import Items
    from aios_plugins.quantization.rounding import Rounded

__all__ = ["Mixed"]

_JUDGED = 16
"""Items, at most a quarter, that the noise is measured on; groups of layers are ranked on half as many."""


_NEGLIGIBLE = 0.0005
"""Noise (33 dB below the signal) that no layer is kept in float to get below: it changes one answer in hundreds."""


class Mixed:
    """Quantises with onnxruntime, in its QDQ form, some layers excepted."""

    name: ClassVar[str] = "mixed"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return the libraries that the result depends on."""
        return versions_of("numpy", "onnx", "onnxruntime")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the quantised model; raises InputError where data does not fit or nothing can be quantised."""
        progress(0.0, "reading the model")
        ready = preprocessed(work)
        opened = session(ready, work.threads)
        items = read_items(opened, work.data.get("calibrate", ()), work.seed)
        seen, judged = items.split(items.count - min(_JUDGED, items.count // 4))
        judged = judged if judged.count else seen
        found = ranges(ready, work.scratch, seen, "minmax", {}, _part(progress, 0.0, 0.15))
        search = _Search(inferred(ready), found, narrow_weights(work), judged, work.threads)
        plain = search.build()
        if not any(node.op_type == "QuantizeLinear" for node in plain.graph.node):
            raise nothing_to_change(
                "mixed", "it holds no operator that onnxruntime computes in int8", "use the model in its own precision"
            )
        before = search.noise(plain)
        search.rounded = rounded_weights(ready, plain, seen, work.threads, work.seed, _part(progress, 0.15, 0.5))
        target = max(float(work.settings["noise"]) * before, _NEGLIGIBLE)
        model = type(plain)()
        model.CopyFrom(plain)
        apply_rounding(model, search.rounded)
        rounded_noise = search.noise(model)
        if rounded_noise > before:  # each layer alone is nearer to float, but together they are not
            search.rounded, model = {}, plain
        kept: list[Group] = []
        after = min(before, rounded_noise)
        if after > target:
            groups = groups_of(search.model, judged)
            share = float(work.settings["float_share"])
            kept, after = search.kept(groups, after, target, share, _part(progress, 0.5, 0.98))
            model = search.build([name for group in kept for name in group.nodes]) if kept else model
        save(model, work.folder)
        left = in_float(model)
        products = sum(node.op_type in PRODUCTS for node in model.graph.node)
        return {
            "calibration items": f"{seen.count} for ranges and rounding, {judged.count} for the noise",
            "noise of plain int8": f"{before:.3g} of the variance of the outputs",
            "noise with rounded weights": f"{rounded_noise:.3g}" + ("" if search.rounded else ", so they are not used"),
            "noise": f"{after:.3g}" + ("" if after <= target else f", more than the {target:.3g} that was asked for"),
            "products in int8": str(products - len(left)),
            "products kept in float": ", ".join(group.name for group in kept) or "none",
            "products left in float": ", ".join(sorted({*left} - {group.name for group in kept})) or "none",
        }


class _Search:
    """Builds the model with this or that in float, and measures it."""

    def __init__(self, model: onnx.ModelProto, found: Any, narrow: bool, judged: Items, threads: int) -> None:
        self.model = model
        self.rounded: Mapping[str, Rounded] = {}
        self._scales: Mapping[str, Any] | None = None
        self._found, self._narrow = found, narrow
        self._judged, self._threads = judged, threads
        self._ends = ends_of(model)
        self._reference = self._outputs(model, judged)

    def build(self, but: Collection[str] = (), only: Collection[str] = ()) -> onnx.ModelProto:
        """Return the quantised model, but for some nodes or with only some nodes."""
        copy = type(self.model)()
        copy.CopyFrom(self.model)
        made = quantized(copy, self._found, narrow=self._narrow, but=but, only=only, known=self._scales)
        if self._scales is None:  # the first is the one in which all that can be is quantised
            self._scales = scales(made)
        apply_rounding(made, self.rounded)
        return made

    def noise(self, model: onnx.ModelProto, share: float = 1.0) -> float:
        """Return the noise of a model, on all judged items or the first share of them."""
        items, _ = self._judged.split(math.ceil(self._judged.count * share))
        return noise(self._outputs(model, items), self._reference)

    def _outputs(self, model: onnx.ModelProto, items: Items) -> Any:
        with unsqueezed(model, self._ends):
            opened = session(model, self._threads)
        return outputs_of(opened, items)

    def kept(
        self, groups: list[Group], start: float, target: float, float_share: float, progress: Progress
    ) -> tuple[list[Group], float]:
        """Return the groups to keep in float and the noise then: the fewest, best first, that bring it to the target.

        Where those that hold the share of arithmetic do not, the number that was seen to bring it lowest; errors of
        layers make up for one another, so that can be none. start: the noise without any in float
        """
        ranked = []
        for done, group in enumerate(groups):
            progress(0.8 * done / len(groups), f"measuring layers, {done} of {len(groups)}")
            if group.cost <= float_share:
                alone = self.noise(self.build(only=group.nodes), 0.5)
                ranked.append((alone / max(group.cost, 1e-9), group))
        ranked.sort(key=lambda pair: (-pair[0], pair[1].name))
        allowed: list[Group] = []
        for _, group in ranked:
            if sum(item.cost for item in allowed) + group.cost <= float_share:
                allowed.append(group)
        tried = {0: start}
        low, high = 1, len(allowed)
        while low <= high:
            progress(0.8 + 0.2 / (2 + high - low), f"choosing layers, between {low} and {high}")
            middle = (low + high) // 2
            tried[middle] = self.noise(self.build([name for group in allowed[:middle] for name in group.nodes]))
            low, high = (low, middle - 1) if tried[middle] <= target else (middle + 1, high)
        best = min(tried, key=lambda count: (max(tried[count], target), count))
        return allowed[:best], tried[best]


def _part(progress: Progress, start: float, end: float) -> Progress:
    return lambda share, what: progress(start + share * (end - start), what)
