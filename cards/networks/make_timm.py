"""Count the work of every architecture of timm, operator by operator, and write ``timm.csv`` beside this file.

    pip install torch timm numpy
    PYTHONPATH=planner python cards/networks/make_timm.py [NAME...]

Networks are built on torch's meta device, so that neither weights nor values exist; a forward pass of one item tells
which operators run, on what shapes. Architectures that can be merged for inference are counted in both forms. With
names only these are counted, and printed instead of written. All take about half an hour on one core.
"""

import csv
import io
import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from timm.models import _registry as registry
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch_operators import (
    BATCH_NORMS,
    CONVOLUTIONS,
    FUSED,
    MADE,
    MOVES,
    NORMS,
    POOLS,
    PRODUCTS,
    SOFTMAXES,
    VIEWS,
)

from aios.records.networks import CLASSES, WORK

HEAD = ("name", "aliases", "kind", "image_size", "attention_power", "gmacs", "mactivations", "mparameters", *WORK)
NOTES = f"""\
# source: counted operator by operator from the architectures of timm {timm.__version__} (code: Apache-2.0), built \
without weights; figures only, none of its files
# note: one row per architecture at its default input size; "-fused" ones with branches merged for inference; made by \
make_timm.py
# note: image_size = root of height times width in pixels; attention_power = power of the pixels that attention grows \
with; gmacs = 1e9 multiply-accumulates, mactivations = 1e6 values put out by convolutions and matrix products, \
mparameters = 1e6
# note: the other columns are amounts of work in millions, but kernels in ones; all per item, weights and kernels per \
call; empty is none
"""


class Call(NamedTuple):
    """One operator. kind: class, empty for one of none · put_out: values · taps: of a kernel; 0 for masked attention ·
    summed: channels in, products per value, or axes of what attends · width: channels per group · only_weights: nothing
    of the item goes in · strided: an input is not contiguous"""

    op: str
    kind: str
    values: int
    weights: int
    macs: int = 0
    put_out: int = 0
    taps: int = 1
    summed: int = 0
    columns: int = 0
    width: int = 0
    scores: int = 0
    only_weights: bool = False
    strided: bool = False


def work_of(calls: Counter[Call]) -> Counter[str]:
    """Return the amounts of work of all calls together."""
    work: Counter[str] = Counter()
    for call, times in calls.items():
        for name, amount in _amounts(call):
            work[name] += amount * times
    return work


def _amounts(call: Call) -> Iterator[tuple[str, int]]:
    yield "kernels", 1
    if call.kind in CLASSES[:4]:
        yield "weights", call.weights
    if call.kind == "convolution":
        yield "convolution_weights", call.weights
    if call.only_weights:
        yield "derived_weights", call.weights
        return
    if not call.kind:
        return
    yield f"{call.kind}_values", call.values
    if call.kind in CLASSES[:5]:
        yield f"{call.kind}_macs", call.macs
    named = {
        "wide_depthwise_macs": (call.kind == "depthwise" and call.taps >= 64, call.macs),
        "odd_grouped_macs": (call.kind == "grouped" and call.width > 32 and call.width % 32 > 0, call.macs),
        "misaligned_macs": (call.kind in CLASSES[:2] and (call.summed % 8 or call.columns % 8), call.macs),
        "group_normalization_values": (call.op == "native_group_norm", call.values),
        "strided_normalization_values": (call.kind == "normalization" and call.strided, call.values),
        "thin_pointwise_values": (call.kind == "pointwise" and call.summed <= 128, call.values),
        "silu_values": (call.kind == "elementwise" and call.op.startswith("silu"), call.values),
        "strided_product_values": (call.kind in {*CLASSES[:2], "depthwise"} and call.strided, call.values),
        "masked_scores": (call.op == FUSED and call.taps == 0, call.scores),
        "unfused_scores": (call.op == FUSED and call.summed != 4, call.scores),
        "pooling_taps": (call.kind == "pooling" and "avg_pool" in call.op, call.put_out * call.taps),
    }
    for name, (holds, amount) in named.items():
        if holds:
            yield name, amount


class Trace(TorchDispatchMode):
    """Notes every operator that torch dispatches; what comes from weights alone counts as weights."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.calls: Counter[Call] = Counter()
        self.paused = 0
        self.kept: list[torch.Tensor] = [*model.parameters(), *model.buffers()]  # so that storages stay unique
        self._weights = {_storage(tensor) for tensor in self.kept}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator and note it, unless it only looks at a tensor another way."""
        del types
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[1]
        returned = func._schema.returns
        looks = returned and returned[0].alias_info is not None and not returned[0].alias_info.is_write
        if self.paused or (looks and name not in VIEWS):
            return result
        inputs, outputs = list(_tensors([args, kwargs or {}])), list(_tensors(result))
        same = len(outputs) == 1 and not name.endswith("_") and any(outputs[0] is item for item in inputs)
        if name in VIEWS or not same:
            if name not in VIEWS:
                self.note(name, args, inputs, outputs)
            made = all(self.is_weight(item) for item in inputs)
            self.kept += outputs
            if made:
                self._weights |= {_storage(item) for item in outputs}
        return result

    def is_weight(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor does not depend on the item."""
        return _storage(tensor) in self._weights

    def note(self, name: str, args: Any, inputs: list[torch.Tensor], outputs: list[torch.Tensor]) -> None:
        """Add one operator."""
        fed = [item for item in inputs if not self.is_weight(item)]
        put_out = sum(item.numel() for item in outputs)
        if name == "max_pool2d_with_indices":
            put_out //= 2
        kind = _kind(name)
        if name in BATCH_NORMS or kind == "normalization":
            put_out = outputs[0].numel()
        call = Call(
            op=name,
            kind=kind,
            values=sum(item.numel() for item in fed) + put_out,
            weights=sum(item.numel() for item in inputs if self.is_weight(item)),
            put_out=put_out,
            only_weights=not fed,
            strided=any(not item.is_contiguous() for item in fed),
        )
        if name in CONVOLUTIONS:
            call = _convolution(call, args, outputs[0])
        elif name in PRODUCTS:
            call = self._product(call, args)
        elif "pool2d" in name and "adaptive" not in name and len(args) > 1 and isinstance(args[1], list | tuple):
            call = call._replace(taps=math.prod(args[1]))
        self.calls[call] += 1

    def _product(self, call: Call, args: Any) -> Call:
        left, right = args[1:3] if call.op in {"addmm", "baddbmm", "addmv", "_addmm_activation"} else args[:2]
        summed, columns = left.shape[-1], right.shape[-1] if right.dim() > 1 else 1
        rows, batch = left.numel() // summed, left.shape[0] if left.dim() == 3 else 1
        weighted = self.is_weight(left), self.is_weight(right)
        macs = rows * summed * columns
        if weighted == (True, False):  # a weight on the left mixes positions
            columns = rows // batch
        return call._replace(
            kind="pointwise" if any(weighted) else "attention", macs=macs, summed=summed, columns=columns,
            only_weights=all(weighted),
        )  # fmt: skip


class Whole(TorchFunctionMode):
    """Notes functions as one operator that torch would take apart: fused attention, RMS norms, LSTM."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run a function; inside of one that is noted whole nothing else is."""
        del types
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in (FUSED, "rms_norm", "lstm") or self.trace.paused:
            return func(*args, **kwargs)
        self.trace.paused += 1
        try:
            result = _lstm_outputs(args) if name == "lstm" else func(*args, **kwargs)
        finally:
            self.trace.paused -= 1
        if name == FUSED:
            self._attention(args, kwargs, result)
        elif name == "lstm":
            self._lstm(args, result)
        else:
            values = args[0].numel() + result.numel()
            call = Call(name, "normalization", values, result.shape[-1], strided=not args[0].is_contiguous())
            self.trace.calls[call] += 1
        self.trace.kept += list(_tensors(result))
        return result

    def _attention(self, args: Any, kwargs: Any, result: torch.Tensor) -> None:
        query, key, value = args[:3]
        mask = kwargs.get("attn_mask", args[3] if len(args) > 3 else None)
        scores = query.numel() // query.shape[-1] * key.shape[-2]
        masked = mask is not None and mask.numel() > 0
        given = mask.numel() if masked and not self.trace.is_weight(mask) else 0
        self.trace.calls[
            Call(
                op=FUSED,
                kind="attention",
                values=query.numel() + key.numel() + value.numel() + given + result.numel(),
                weights=mask.numel() if masked and not given else 0,
                macs=scores * (query.shape[-1] + value.shape[-1]),
                put_out=result.numel(),
                taps=0 if masked else 1,
                summed=query.dim(),
                scores=scores,
            )
        ] += 1

    def _lstm(self, args: Any, result: Any) -> None:
        item, weights = args[0], args[2]
        both = 2 if args[7] else 1
        trained, hidden = sum(weight.numel() for weight in weights), weights[1].shape[1]
        steps = item.shape[1] if args[8] else item.shape[0]
        rows = item.numel() // item.shape[-1]
        values = item.numel() + result[0].numel()
        product = Call("lstm", "pointwise", values, trained, rows * trained, result[0].numel())
        self.trace.calls[product._replace(summed=item.shape[-1], columns=hidden)] += 1
        self.trace.calls[Call("lstm_step", "elementwise", rows // steps * hidden * 10, 0)] += steps * both


def _lstm_outputs(args: Any) -> Any:
    both = 2 if args[7] else 1
    return args[0].new_empty(*args[0].shape[:2], args[2][1].shape[1] * both), args[1][0], args[1][1]


def _convolution(call: Call, args: Any, output: torch.Tensor) -> Call:
    item, weight, groups, transposed = args[0], args[1], args[8], args[6]
    channels_in, channels_out = item.shape[1], output.shape[1]
    taps = math.prod(weight.shape[2:])
    positions = item.numel() // channels_in if transposed else output.numel() // channels_out
    if groups == 1:
        kind = "pointwise" if taps == 1 else "convolution"
    else:
        kind = "depthwise" if groups >= channels_in or groups >= channels_out else "grouped"
    return call._replace(
        kind=kind, macs=positions * weight.numel(), taps=taps, summed=channels_in, columns=channels_out,
        width=channels_in // groups,
    )  # fmt: skip


def _kind(name: str) -> str:
    plain = name.rstrip("_")
    if name in BATCH_NORMS or name in MADE:
        return ""
    for kind, names in (("normalization", NORMS), ("softmax", SOFTMAXES), ("pooling", POOLS), ("movement", MOVES)):
        if name in names or plain in names:
            return kind
    return "elementwise"


def _tensors(given: Any) -> Iterator[torch.Tensor]:
    if isinstance(given, torch.Tensor):
        yield given
    elif isinstance(given, list | tuple):
        for item in given:
            yield from _tensors(item)
    elif isinstance(given, dict):
        yield from _tensors(list(given.values()))


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def traced(name: str, size: int | None, merged: bool) -> tuple[Counter[Call], tuple[int, int], int] | None:
    """Return (calls, input size, parameters) of an architecture; None if it cannot be merged. size: None for its own"""
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False, **({"img_size": size} if size else {})).eval()
    if merged:
        marks = ("reparameterize", "fuse", "switch_to_deploy")
        if not any(hasattr(part, mark) for part in model.modules() for mark in marks):
            return None
        model = timm.utils.reparameterize_model(model.to_empty(device="cpu"))
    channels, height, width = model.default_cfg["input_size"]
    shape = (channels, size or height, size or width)
    item, trace = torch.empty((1, *shape), device="meta"), Trace(model.to("meta"))
    with torch.no_grad(), Whole(trace), trace:
        model(item)
    return trace.calls, shape[1:], sum(item.numel() for item in model.parameters())


def attention_power(name: str, merged: bool, macs: int, size: tuple[int, int]) -> str:
    """Return 2 where attention grows with the square of the pixels, else 1; empty without attention."""
    if not macs:
        return ""
    for step in (32, 56, 64, 96, 112):
        larger = round(size[0] * 1.5 / step) * step
        try:
            found = traced(name, larger, merged) if larger > size[0] else None
        except (TypeError, ValueError, RuntimeError, AssertionError):  # timm's ways to say: not of this size
            continue
        if found:
            growth = math.log(work_of(found[0])["attention_macs"] / macs)
            return "2" if growth / (2 * math.log(larger / size[0])) > 1.5 else "1"
    return "1"


def kind_of(name: str, work: Counter[str]) -> str:
    """Return what a network mostly consists of."""
    total = sum(work[f"{kind}_macs"] for kind in CLASSES[:5])
    attention = work["attention_macs"] / total
    spatial = sum(work[f"{kind}_macs"] for kind in ("convolution", "depthwise", "grouped")) / total
    if attention > 0.005:
        return "attention" if spatial < 0.1 else "hybrid"
    mixes = name.startswith(("mixer", "gmlp", "resmlp", "gmixer"))
    return "perceptron" if mixes or spatial <= 0.02 else "convolutional"


def row_of(name: str, merged: bool, also: list[str]) -> list[str] | None:
    """Return the columns of one architecture; None if it cannot be merged."""
    found = traced(name, None, merged)
    if found is None:
        return None
    calls, size, parameters = found
    work = work_of(calls)
    products = [(call, times) for call, times in calls.items() if call.kind in CLASSES[:5] and not call.only_weights]
    totals = (
        sum(call.macs * times for call, times in products) / 1e9,
        sum(call.put_out * times for call, times in products) / 1e6,
    )
    power = attention_power(name, merged, work["attention_macs"], size)
    units = [1.0 if amount == "kernels" else 1e6 for amount in WORK]
    return [
        name + "-fused" * merged, ";".join([name] * merged + also), kind_of(name, work),
        f"{math.sqrt(math.prod(size)):g}", power, *map(_short, totals), f"{parameters / 1e6:.6g}",
        *(_short(work[amount] / unit) for amount, unit in zip(WORK, units, strict=True)),
    ]  # fmt: skip


def _short(value: float) -> str:
    return f"{value:.4g}".replace("e+0", "e").replace("e+", "e") if value else ""


def main(names: list[str]) -> None:
    """Write the file, or print the rows of some architectures."""
    torch.set_num_threads(1)
    further: dict[str, list[str]] = {}
    for old, new in registry._deprecated_models.items():
        if new and new.split(".")[0] != old.split(".")[0]:
            further.setdefault(new.split(".")[0], []).append(old.split(".")[0])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for name in names or sorted(timm.list_models()):
        for merged in (False, True):
            row = row_of(name, merged, sorted(further.get(name, [])))
            if row:
                writer.writerow(row)
    if names:
        sys.stdout.write(text.getvalue())
    else:
        Path(__file__).with_name("timm.csv").write_text(NOTES + text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
