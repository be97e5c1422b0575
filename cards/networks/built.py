"""Networks that libraries build without weights, or that are written below from their papers, with one item for each.

They are counted by ``make_counted.py``, which says what has to be installed.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import timm
import torch
import torchvision
import transformers as hf
from torch import nn
from ultralytics.nn import tasks

__all__ = ["LIBRARY", "Item"]

PAIRS = 270
"""User-item pairs in a sample of MLPerf's recommendation: 100 to 700, 270 in the middle (mlcommons/inference,
recommendation/dlrm/pytorch/README.md)."""
WINDOWS = 60
"""Windows of 128^3 voxels with half an overlap in a sample of MLPerf's medical imaging, about the mean of KiTS19."""
QUESTION = 177
"""Tokens of a question with its paragraph of SQuAD v1.1, about the mean; implementations of MLPerf's BERT leave out the
padding to 384."""
FRAMES = 240
"""Stacked frames of 30 ms in an utterance of LibriSpeech's dev-clean: 5.4 hours in 2,703 utterances."""
CHARACTERS = 105
"""Characters of such an utterance at about 15 a second."""


class Item(NamedTuple):
    """A network and one item. build: the network · shapes: of its inputs; one of integers begins with "ids" ·
    parameters: in millions, where the figure of the network as built would mislead"""

    name: str
    build: Callable[[], nn.Module]
    shapes: tuple[tuple[Any, ...], ...]
    parameters: float | None = None


class Part(nn.Module):
    """A network of which one function is asked, its answer as plain tensors."""

    def __init__(self, inner: nn.Module, ask: Callable[..., Any]) -> None:
        super().__init__()
        self.inner, self.ask = inner, ask

    def forward(self, *given: torch.Tensor) -> Any:
        """Return what the network makes of an item."""
        return self.ask(self.inner, *given)


class Recommendation(nn.Module):
    """DLRM (arXiv 1906.00091) on Criteo's terabyte. crosses: layers of rank 512 of DCN V2 (arXiv 2008.13535), as the
    second version has them"""

    def __init__(self, crosses: int) -> None:
        super().__init__()
        self.bottom = _perceptron(13, 512, 256, 128)
        wide = 27 * 128
        self.crosses = nn.ModuleList(
            nn.Sequential(nn.Linear(wide, 512, bias=False), nn.Linear(512, wide)) for _ in range(crosses)
        )
        self.top = _perceptron(wide if crosses else 128 + 351, 1024, 1024, 512, 256, 1)

    def forward(self, dense: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of an item."""
        first = self.bottom(dense)
        looked = first.new_empty(len(dense), 26, 128)  # each is read once, as it is put beside the others
        both = torch.cat((first[:, None], looked), 1)
        if not self.crosses:
            pairs = torch.bmm(both, both.transpose(1, 2)).flatten(1)[:, :351]
            return self.top(torch.cat((first, pairs), 1))
        whole = x = both.flatten(1)
        for cross in self.crosses:
            x = whole * cross(x) + x
        return self.top(x)


class Transducer(nn.Module):
    """RNN-T of MLPerf: five layers of LSTM with half as many frames after two, a predictor, a joint network."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LSTM(240, 1024, 2), nn.LSTM(2048, 1024, 3)
        self.predictor = nn.LSTM(320, 320, 2)
        self.joint = _perceptron(1344, 512, 29)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of an item."""
        x = self.first(frames)[0]
        x = self.second(x.view(len(frames) // 2, 1, 2048))[0]
        said = self.predictor(x[:CHARACTERS, :, :320])[0]
        asked = torch.cat((x, x[:CHARACTERS]), 0)[:, 0]
        return self.joint(torch.cat((asked, said[:1, 0].expand(len(asked), 320)), 1))


class Volumes(nn.Module):
    """3D U-Net of MLPerf: two convolutions of 3 x 3 x 3 per level on the way down and up, each with an instance norm,
    which is a group norm of one channel per group."""

    def __init__(self, channels: tuple[int, ...], inward: int, out: int) -> None:
        super().__init__()
        pairs = zip((inward, *channels[:-1]), channels, strict=True)
        self.down = nn.ModuleList(_twice(a, b, 1 if place == 0 else 2) for place, (a, b) in enumerate(pairs))
        back = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.widen = nn.ModuleList(nn.ConvTranspose3d(a, b, 2, 2) for a, b in back)
        self.up = nn.ModuleList(_twice(2 * b, b, 1) for _, b in back)
        self.last = nn.Conv3d(channels[0], out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of an item."""
        passed = []
        for level in self.down:
            x = level(x)
            passed.append(x)
        for widen, level, beside in zip(self.widen, self.up, passed[-2::-1], strict=True):
            x = level(torch.cat((widen(x), beside), 1))
        return self.last(x)


class LargeSsd(nn.Module):
    """SSD of MLPerf for 1200 x 1200 pixels on the first three stages of ResNet-34, the third without its stride."""

    def __init__(self) -> None:
        super().__init__()
        body = torchvision.models.resnet34()
        for module in (body.layer3[0].conv1, body.layer3[0].downsample[0]):
            module.stride = (1, 1)
        stem = (body.conv1, body.bn1, body.relu, body.maxpool, body.layer1, body.layer2, body.layer3)
        self.body = nn.Sequential(*stem)
        plan = ((256, 256, 512, 2), (512, 256, 512, 2), (512, 128, 256, 2), (256, 128, 256, 2), (256, 128, 256, 1))
        self.further = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 1), nn.ReLU(), nn.Conv2d(b, c, 3, s, 1), nn.ReLU()) for a, b, c, s in plan
        )
        outs = ((256, 4), (512, 6), (512, 6), (256, 6), (256, 4), (256, 4))
        self.heads = nn.ModuleList(nn.Conv2d(a, boxes * 85, 3, 3 if a == 256 else 2, 1) for a, boxes in outs)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what the network makes of an item."""
        x = self.body(x)
        found = [self.heads[0](x)]
        for further, head in zip(self.further, self.heads[1:], strict=True):
            x = further(x)
            found.append(head(x))
        return found


class Yolo(nn.Module):
    """A detector of ultralytics' (facts only) with the heads that it had when it was published: one product for three
    boxes of 85 values at each scale."""

    def __init__(self, name: str, scale: str) -> None:
        super().__init__()
        plan = tasks.yaml_model_load(f"{name}.yaml")
        with torch.device("cpu"):  # it computes with its biases
            layers = tasks.DetectionModel({**plan, "scale": scale}, verbose=False).model
        self.body, last = layers[:-1], layers[-1]
        self.ends = last.f
        self.heads = nn.ModuleList(nn.Conv2d(branch[0].conv.in_channels, 255, 1) for branch in last.cv2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what the network makes of an item."""
        found: list[torch.Tensor] = []
        for layer in self.body:
            given = [found[place] if place != -1 else x for place in _listed(layer.f)]
            x = layer(given if isinstance(layer.f, list) else given[0])
            found.append(x)
        return [head(found[place]) for head, place in zip(self.heads, self.ends, strict=True)]


class Darknet(nn.Module):
    """YOLOv3 (arXiv 1804.02767) for 80 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stages = _leaky(3, 32, 3), nn.ModuleList()
        for width, times in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
            inner = [_Residual(_leaky(width, width // 2, 1), _leaky(width // 2, width, 3)) for _ in range(times)]
            self.stages.append(nn.Sequential(_leaky(width // 2, width, 3, 2), *inner))
        self.necks = nn.ModuleList(
            nn.Sequential(_leaky(inward, width, 1), *_bottlenecks(width))
            for inward, width in ((1024, 512), (768, 256), (384, 128))
        )
        self.narrow = nn.ModuleList(_leaky(width, width // 2, 1) for width in (512, 256))
        self.heads = nn.ModuleList(
            nn.Sequential(_leaky(width, 2 * width, 3), nn.Conv2d(2 * width, 255, 1)) for width in (512, 256, 128)
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what the network makes of an item."""
        passed = [x := self.stem(x)]
        for stage in self.stages:
            passed.append(x := stage(x))
        found = []
        for place, (neck, head) in enumerate(zip(self.necks, self.heads, strict=True)):
            if place:
                larger = nn.functional.interpolate(self.narrow[place - 1](x), scale_factor=2.0)
                x = torch.cat((larger, passed[-1 - place]), 1)
            x = neck(x)
            found.append(head(x))
        return found


class _Residual(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


def _leaky(inward: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inward, out, kernel, stride, kernel // 2), nn.LeakyReLU(0.1, inplace=True))


def _bottlenecks(width: int) -> list[nn.Module]:
    return [part for _ in range(2) for part in (_leaky(width, 2 * width, 3), _leaky(2 * width, width, 1))]


def _listed(places: int | list[int]) -> list[int]:
    return places if isinstance(places, list) else [places]


def _fused(name: str) -> nn.Module:
    """Return a detector of ultralytics as it is exported: branches merged, without heads that only training needs."""
    with torch.device("cpu"):
        model = tasks.DetectionModel(f"{name}.yaml", verbose=False).fuse(verbose=False)
    model.model[-1].export = True
    return Part(model, _detections)


def _detections(model: Any, image: torch.Tensor) -> Any:
    model.model[-1].stride = [8.0, 16.0, 32.0]  # as plain numbers: those of tensors without values cannot be read
    return model(image)


def _perceptron(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inward, out in pairwise(widths):
        layers += [nn.Linear(inward, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _twice(inward: int, out: int, stride: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, step in ((inward, stride), (out, 1)):
        layers += [nn.Conv3d(a, out, 3, step, 1, bias=False), nn.GroupNorm(out, out), nn.LeakyReLU()]
    return nn.Sequential(*layers)


def _bert(**sizes: int) -> Callable[[], nn.Module]:
    return lambda: Part(hf.BertModel(hf.BertConfig(**sizes)), lambda model, ids: model(ids).last_hidden_state)


def _text(width: int, layers: int, heads: int) -> Callable[[], nn.Module]:
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    return lambda: hf.CLIPTextModel(hf.CLIPTextConfig(num_attention_heads=heads, **sizes))


def _whisper(width: int, layers: int) -> hf.WhisperModel:
    sizes = {"encoder_layers": layers, "decoder_layers": layers, "d_model": width}
    heads = {"encoder_attention_heads": width // 64, "decoder_attention_heads": width // 64}
    wide = {"encoder_ffn_dim": 4 * width, "decoder_ffn_dim": 4 * width}
    return hf.WhisperModel(hf.WhisperConfig(**sizes, **heads, **wide))


def _step(width: int, layers: int, words: int, seen: int, heard: int) -> Callable[[], nn.Module]:
    """Return a decoder of transformers that makes one token. seen: tokens before it · heard: positions attended to"""
    return lambda: OneToken(width, layers, words, seen, heard)


class OneToken(nn.Module):
    """A decoder with cross attention whose keys and values are there already, for one token."""

    def __init__(self, width: int, layers: int, words: int, seen: int, heard: int) -> None:
        super().__init__()
        self.heads, self.seen, self.heard = max(width // 64, 1), seen, heard
        self.layers = nn.ModuleList(
            nn.ModuleList([nn.Linear(width, n * width) for n in (3, 1, 1, 1)] + [_perceptron(width, 4 * width, width)])
            for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 * layers + 1))
        self.words = nn.Linear(width, words, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the network makes of an item."""
        for place, (enter, leave, ask, take, wide) in enumerate(self.layers):
            query = enter(self.norms[3 * place](x))[..., : x.shape[-1]]
            x = x + leave(self._attended(query, self.seen))
            x = x + take(self._attended(ask(self.norms[3 * place + 1](x)), self.heard))
            x = x + wide(self.norms[3 * place + 2](x))
        return self.words(self.norms[-1](x))

    def _attended(self, query: torch.Tensor, length: int) -> torch.Tensor:
        per_head = query.shape[-1] // self.heads
        keys = query.new_empty(1, self.heads, length, per_head)
        asked = query.view(1, 1, self.heads, per_head).transpose(1, 2)
        found = nn.functional.scaled_dot_product_attention(asked, keys, keys)
        return found.transpose(1, 2).reshape(query.shape)


def _detr(layers: int, dilated: bool) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        body = timm.create_model(
            f"resnet{layers}", features_only=True, out_indices=(4,), output_stride=16 if dilated else 32
        )
        inner = nn.Transformer(256, 8, 6, 6, 2048, batch_first=True, norm_first=False)
        parts = nn.ModuleList([body, nn.Conv2d(2048, 256, 1), inner, nn.Linear(256, 92), _perceptron(256, 256, 256, 4)])
        return Part(parts, _detected)

    return build


def _detected(parts: Any, image: torch.Tensor) -> Any:
    body, project, inner, classes, boxes = parts
    x = project(body(image)[0]).flatten(2).transpose(1, 2)
    x = inner(x, x[:, :100])
    return classes(x), boxes(x)


LARGE = ((1, 3, 640, 640),)
LIBRARY = (
    Item("bert-99", _bert(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096),
         (("ids", 1, QUESTION),)),
    Item("bert-large at 384 tokens",
         _bert(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096),
         (("ids", 1, 384),)),
    Item("bert-large at 256 tokens",
         _bert(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096),
         (("ids", 1, 256),)),
    Item("bert-base at 256 tokens", _bert(), (("ids", 1, 256),)),
    Item("bert-base-cased", _bert(), (("ids", 1, 128),)),
    Item("bert-base at 384 tokens", _bert(), (("ids", 1, 384),)),
    Item("roberta-base", _bert(vocab_size=50265), (("ids", 1, 384),)),
    Item("deberta-base", _bert(vocab_size=50265), (("ids", 1, 384),)),
    Item("nomic-embed-text", _bert(intermediate_size=4608), (("ids", 1, 128),)),
    Item("albert-base", lambda: hf.AlbertModel(hf.AlbertConfig(
        hidden_size=768, num_attention_heads=12, intermediate_size=3072)), (("ids", 1, 384),)),
    Item("mobilebert", lambda: hf.MobileBertForQuestionAnswering(hf.MobileBertConfig()), (("ids", 1, 384),)),
    Item("distilbert", lambda: hf.DistilBertModel(hf.DistilBertConfig()), (("ids", 1, 384),)),
    Item("dlrm-99", lambda: Recommendation(0), ((PAIRS, 13),), 2.4),
    Item("dlrm-v2-99", lambda: Recommendation(3), ((PAIRS, 13),), 17.0),
    Item("rnnt", Transducer, ((FRAMES, 1, 240),)),
    Item("3d-unet-99", lambda: Volumes((32, 64, 128, 256, 320, 320), 1, 3), ((WINDOWS, 1, 128, 128, 128),)),
    Item("3d-unet brats", lambda: Volumes((32, 64, 128, 256, 320, 320), 4, 3), ((1, 4, 224, 224, 160),)),
    Item("ssd-resnet34", LargeSsd, ((1, 3, 1200, 1200),)),
    Item("stable diffusion 1.5 text encoder", _text(768, 12, 12), (("ids", 1, 77),)),
    Item("stable diffusion 2.1 text encoder", _text(1024, 23, 16), (("ids", 1, 77),)),
    Item("clip text encoder b", _text(512, 12, 8), (("ids", 1, 77),)),
    Item("whisper-tiny encoder", lambda: _whisper(384, 4).encoder, ((1, 80, 3000),)),
    Item("whisper-base encoder", lambda: _whisper(512, 6).encoder, ((1, 80, 3000),)),
    Item("whisper-small encoder", lambda: _whisper(768, 12).encoder, ((1, 80, 3000),)),
    Item("whisper-tiny decoder", _step(384, 4, 51865, 200, 1500), ((1, 1, 384),)),
    Item("whisper-base decoder", _step(512, 6, 51865, 200, 1500), ((1, 1, 512),)),
    Item("whisper-small decoder", _step(768, 12, 51865, 200, 1500), ((1, 1, 768),)),
    Item("opus-mt encoder", _bert(hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048,
                                  vocab_size=65001), (("ids", 1, 256),)),
    Item("opus-mt decoder", _step(512, 6, 65001, 256, 256), ((1, 1, 512),)),
    Item("segformer-b0", lambda: hf.SegformerForSemanticSegmentation(hf.SegformerConfig()), ((1, 3, 512, 512),)),
    Item("video-mae-base", lambda: hf.VideoMAEForVideoClassification(hf.VideoMAEConfig(num_labels=400)),
         ((1, 16, 3, 224, 224),)),
    Item("r3d-18", torchvision.models.video.r3d_18, ((1, 3, 16, 112, 112),)),
    Item("r2plus1d-18", torchvision.models.video.r2plus1d_18, ((1, 3, 16, 112, 112),)),
    Item("mc3-18", torchvision.models.video.mc3_18, ((1, 3, 16, 112, 112),)),
    Item("detr-resnet50", _detr(50, False), ((1, 3, 480, 480),)),
    Item("detr-resnet101", _detr(101, False), ((1, 3, 480, 480),)),
    Item("detr-resnet50-dc5", _detr(50, True), ((1, 3, 480, 480),)),
    Item("detr-resnet101-dc5", _detr(101, True), ((1, 3, 480, 480),)),
    Item("mobilesam encoder", lambda: timm.create_model("tiny_vit_5m_224", num_classes=256),
         ((1, 3, 1024, 1024),)),
    Item("dinov2", lambda: timm.create_model("vit_base_patch14_dinov2", img_size=224), ((1, 3, 224, 224),)),
    Item("yolov3", Darknet, ((1, 3, 416, 416),)),
    Item("tiny_yolov3", lambda: Yolo("yolov3-tiny", ""), ((1, 3, 416, 416),)),
    *(Item(f"yolov5{scale}", lambda scale=scale: Yolo("yolov5", scale), LARGE) for scale in "nsmlx"),
    *(Item(f"yolov10{scale}", lambda scale=scale: _fused(f"yolov10{scale}"), LARGE) for scale in "nsmblx"),
)  # fmt: skip
