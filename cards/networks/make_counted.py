"""Count well-known networks that no library builds, and name counted ones as tables call them: ``counted.csv``.

    pip install torch timm torchvision transformers ultralytics numpy
    PYTHONPATH=planner:cards/networks python cards/networks/make_counted.py

Networks are written below and in ``built.py`` layer by layer as their papers state them, or built without weights by
libraries, and counted as ``make_timm.py`` counts. A network of ``published.csv`` that is the same as a counted one (a
name in common, figures that agree) is a row of the latter's work under the names of the former.
"""

import csv
import io
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
from built import LIBRARY, Item
from make_timm import HEAD, Trace, Whole, _short, work_of
from torch import nn

from aios.records.networks import CLASSES, WORK, Cards

FOLDER = Path(__file__).parent
NOTES = """\
# source: counted operator by operator on networks written layer by layer from their papers (see make_counted.py and \
built.py) or built without weights by torchvision 0.29.2 (BSD-3-Clause), transformers 5.23.0 (Apache-2.0) and \
ultralytics 8.4.190 (facts only), of which no file is in here, and rows of timm.csv and traced.csv under further \
names, at the input size that published.csv states
# note: image_size = root of height times width in pixels; attention_power = power of the pixels that attention grows \
with; gmacs = 1e9 multiply-accumulates, mactivations = 1e6 values put out by convolutions and matrix products, \
mparameters = 1e6
# note: the other columns are amounts of work in millions, but kernels in ones; all per item, weights and kernels per \
call; empty is none; made by make_counted.py
"""
_AGREE = 0.08
"""Difference of the logarithms of multiply-accumulates and of parameters up to which networks are the same."""


def unit(inward: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    """Return a convolution with its activation; its norm is folded into it."""
    layers: list[nn.Module] = [nn.Conv2d(inward, out, kernel, stride, kernel // 2, groups=groups)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


def separable(inward: int, out: int, stride: int = 1) -> nn.Sequential:
    """Return a block of MobileNet V1 (arXiv 1704.04861)."""
    return nn.Sequential(unit(inward, inward, 3, stride, inward), unit(inward, out))


class Sum(nn.Module):
    """A branch beside a way around it."""

    def __init__(self, inner: nn.Module, around: nn.Module | None = None) -> None:
        super().__init__()
        self.inner, self.around = inner, around or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of an item."""
        return self.inner(x) + self.around(x)


class Heads(nn.Module):
    """Parts one after the other; the outputs of some go to heads of their own."""

    def __init__(self, parts: list[nn.Module], heads: dict[int, nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.heads = nn.ModuleDict({str(place): head for place, head in heads.items()})

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what the network makes of an item."""
        found = []
        for place, part in enumerate(self.parts):
            x = part(x)
            if str(place) in self.heads:
                found.append(self.heads[str(place)](x).permute(0, 2, 3, 1).flatten(1))
        return [torch.cat(found, 1)]


def _mobilenet_trunk(width: float = 1.0) -> list[nn.Module]:
    def at(channels: int) -> int:
        return max(8, int(channels * width))

    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    parts: list[nn.Module] = [unit(3, at(32), 3, 2)]
    inward = 32
    for out, stride in plan:
        parts.append(separable(at(inward), at(out), stride))
        inward = out
    return parts


def mobilenet_ssd(classes: int, kernel: int) -> nn.Module:
    """SSD (arXiv 1512.02325) on MobileNet V1. kernel: of its heads, 1 in TensorFlow's and Caffe's."""
    trunk = _mobilenet_trunk()
    parts: list[nn.Module] = [nn.Sequential(*trunk[:12]), nn.Sequential(*trunk[12:])]
    inward = 1024
    for narrow, out in ((256, 512), (128, 256), (128, 256), (64, 128)):
        parts.append(nn.Sequential(unit(inward, narrow), unit(narrow, out, 3, 2)))
        inward = out
    outs = (512, 1024, 512, 256, 256, 128)
    heads = {
        place: nn.Conv2d(out, (3 if place == 0 else 6) * (classes + 4), kernel, padding=kernel // 2)
        for place, out in enumerate(outs)
    }
    return Heads(parts, heads)


def small_mobilenet() -> nn.Module:
    """MobileNet V1 of a quarter of the width, for two classes (MLPerf Tiny)."""
    return nn.Sequential(*_mobilenet_trunk(0.25), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 2))


def small_resnet() -> nn.Module:
    """ResNet-8 for 32 x 32 pixels (MLPerf Tiny)."""
    parts: list[nn.Module] = [unit(3, 16, 3)]
    for inward, out, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
        around = unit(inward, out, 1, stride, act=False) if stride > 1 else None
        inner = nn.Sequential(unit(inward, out, 3, stride), unit(out, out, 3, act=False))
        parts += [Sum(inner, around), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def keyword_network() -> nn.Module:
    """DS-CNN for 49 x 10 features (MLPerf Tiny; arXiv 1711.07128)."""
    first = nn.Sequential(nn.Conv2d(1, 64, (10, 4), 2, (4, 1)), nn.ReLU(inplace=True))
    blocks = [separable(64, 64) for _ in range(4)]
    return nn.Sequential(first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 12))


def anomaly_network() -> nn.Module:
    """The autoencoder of ten dense layers (MLPerf Tiny)."""
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    layers: list[nn.Module] = []
    for inward, out in pairwise(widths):
        layers += [nn.Linear(inward, out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


class Shuffle(nn.Module):
    """A unit of ShuffleNet V1 with three groups (arXiv 1707.01083)."""

    def __init__(self, inward: int, out: int, stride: int, first: bool) -> None:
        super().__init__()
        narrow, own = out // 4, out - inward if stride > 1 else out
        self.stride = stride
        self.begin = unit(inward, narrow, groups=1 if first else 3)
        self.end = nn.Sequential(
            unit(narrow, narrow, 3, stride, narrow, act=False), unit(narrow, own, groups=3, act=False)
        )
        self.around = nn.AvgPool2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of an item."""
        y = self.begin(x)
        batch, channels, height, width = y.shape
        y = y.view(batch, 3, channels // 3, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        y = self.end(y)
        return torch.relu(torch.cat((self.around(x), y), 1) if self.stride > 1 else x + y)


def shufflenet() -> nn.Module:
    """ShuffleNet V1, three groups."""
    parts: list[nn.Module] = [unit(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    inward = 24
    for out, times in ((240, 4), (480, 8), (960, 4)):
        for place in range(times):
            parts.append(Shuffle(inward, out, 2 if place == 0 else 1, inward == 24))
            inward = out
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(960, 1000))


def proxylessnas() -> nn.Module:
    """ProxylessNAS found for phones (arXiv 1812.00332)."""
    stages = (
        (32, 2, ((5, 3), (3, 3))), (40, 2, ((7, 3), (3, 3), (5, 3), (5, 3))), (80, 2, ((7, 6), (5, 3), (5, 3), (5, 3))),
        (96, 1, ((5, 6), (5, 3), (5, 3), (5, 3))), (192, 2, ((7, 6), (7, 6), (7, 3), (7, 3))), (320, 1, ((7, 6),)),
    )  # fmt: skip
    parts: list[nn.Module] = [unit(3, 32, 3, 2), unit(32, 32, 3, 1, 32), unit(32, 16, act=False)]
    inward = 16
    for out, stride, blocks in stages:
        for place, (kernel, wider) in enumerate(blocks):
            wide, step = inward * wider, stride if place == 0 else 1
            inner = nn.Sequential(unit(inward, wide), unit(wide, wide, kernel, step, wide), unit(wide, out, act=False))
            parts.append(inner if place == 0 else Sum(inner))
            inward = out
    return nn.Sequential(*parts, unit(320, 1280), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


class PartialStage(nn.Module):
    """A stage of YOLOv4-tiny: half of the channels take a longer way (arXiv 2011.08036)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.first, self.second = unit(channels, channels, 3), unit(half, half, 3)
        self.third, self.last = unit(half, half, 3), unit(channels, channels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the network makes of an item."""
        x = self.first(x)
        y = self.second(x.chunk(2, 1)[1])
        y = self.last(torch.cat((self.third(y), y), 1))
        return torch.nn.functional.max_pool2d(torch.cat((x, y), 1), 2), y


class TinyYolo(nn.Module):
    """YOLOv4-tiny for 80 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(3, 32, 3, 2), unit(32, 64, 3, 2))
        self.stages = nn.ModuleList(PartialStage(channels) for channels in (64, 128, 256))
        self.neck = nn.Sequential(unit(512, 512, 3), unit(512, 256))
        self.coarse = nn.Sequential(unit(256, 512, 3), nn.Conv2d(512, 255, 1))
        self.up, self.fine = unit(256, 128), nn.Sequential(unit(384, 256, 3), nn.Conv2d(256, 255, 1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what the network makes of an item."""
        x = self.stem(x)
        for stage in self.stages:
            x, beside = stage(x)
        x = self.neck(x)
        larger = torch.nn.functional.interpolate(self.up(x), scale_factor=2.0)
        return [self.coarse(x), self.fine(torch.cat((larger, beside), 1))]


BUILT = (
    Item("mobilenet_ssd", lambda: mobilenet_ssd(21, 1), ((1, 3, 300, 300),), 5.8),
    Item("ssd-mobilenet", lambda: mobilenet_ssd(91, 1), ((1, 3, 300, 300),), 6.8),
    Item("shufflenet", shufflenet, ((1, 3, 224, 224),), 1.87),
    Item("proxylessnasnet", proxylessnas, ((1, 3, 224, 224),), 4.08),
    Item("yolov4-tiny", TinyYolo, ((1, 3, 416, 416),), 6.06),
    Item("mlperf tiny resnet-8", small_resnet, ((1, 3, 32, 32),), 0.078),
    Item("mlperf tiny ds-cnn", keyword_network, ((1, 1, 49, 10),), 0.0386),
    Item("mlperf tiny mobilenet-v1-0.25-96", small_mobilenet, ((1, 3, 96, 96),), 0.219),
    Item("mlperf tiny anomaly detection", anomaly_network, ((1, 640),), 0.27),
    *LIBRARY,
)


def built(line: dict[str, str], item: Item) -> list[str]:
    """Return the columns of a network that is built, which ``line`` of published.csv names."""
    with torch.device("meta"):
        model = item.build().eval().to("meta")
    given = [_input(shape) for shape in item.shapes]
    trace = Trace(model)
    with torch.no_grad(), Whole(trace), trace:
        model(*given)
    work = work_of(trace.calls)
    products = [(call, times) for call, times in trace.calls.items() if call.kind in CLASSES[:5]]
    macs = sum(call.macs * times for call, times in products)
    values = sum(call.put_out * times for call, times in products)
    parameters = (item.parameters or sum(weight.numel() for weight in model.parameters()) / 1e6) * 1e6
    attention = "2" if work["attention_macs"] and line["image_size"] else ""
    named = [line["name"], line["aliases"], line["kind"], line["image_size"], attention]
    return named + _figures((macs, values, parameters), work)


def _input(shape: tuple[int | str, ...]) -> torch.Tensor:
    if shape[0] == "ids":
        return torch.zeros(shape[1:], dtype=torch.long, device="meta")
    return torch.empty(shape, device="meta")


def _figures(totals: tuple[float, float, float], work: Mapping[str, float]) -> list[str]:
    """Return the columns behind a network's name. totals: multiply-accumulates, activations, parameters"""
    macs, values, parameters = totals
    amounts = (_short(work.get(amount, 0.0) / (1.0 if amount == "kernels" else 1e6)) for amount in WORK)
    return [_short(macs / 1e9), _short(values / 1e6), f"{parameters / 1e6:.6g}", *amounts]


def counted_as(line: dict[str, str], library: Cards) -> list[str] | None:
    """Return a published network's columns from a counted one that it is, if there is one."""
    size = float(line["image_size"]) if line["image_size"] else None
    for name in (line["name"], *line["aliases"].split(";")):
        card = library.named(name, size, float(line["mparameters"]) * 1e6) if name else None
        if card is None or not card.work or not card.macs or not card.parameters:
            continue
        apart = (card.macs / float(line["gmacs"]) / 1e9, card.parameters / float(line["mparameters"]) / 1e6)
        if max(abs(math.log(ratio)) for ratio in apart) <= _AGREE:
            totals = (card.macs, card.activations or 0.0, card.parameters)
            power = f"{card.attention_power:g}" if card.kind in ("attention", "hybrid") else ""
            named = [line["name"], line["aliases"], card.kind or "", line["image_size"], power]
            return named + _figures(totals, card.work)
    return None


def main() -> None:
    """Write the file."""
    rows = [line for line in (FOLDER / "published.csv").read_text().splitlines() if not line.startswith("#")]
    published = {line["name"]: line for line in csv.DictReader(rows)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    library = Cards((FOLDER / name).read_text(encoding="utf-8") for name in ("traced.csv", "timm.csv"))
    own = {item.name: item for item in BUILT}
    for name, line in published.items():
        row = built(line, own[name]) if name in own else counted_as(line, library)
        if row:
            writer.writerow(row)
    (FOLDER / "counted.csv").write_text(NOTES + text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
