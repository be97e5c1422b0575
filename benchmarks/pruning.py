"""Channels taken out of networks: arithmetic, accuracy, time and size, before and after; and zeros instead of channels.

python benchmarks/pruning.py FOLDER [--epochs 6]        # train into FOLDER, then measure
python benchmarks/pruning.py FOLDER --measure           # measure what lies there already

Needs the extras ``onnxruntime`` and ``torch``. Networks: the digits family, trained on the 4,000 digits of its own
training (``examples/digits/train.py``) and judged by the 1,000 that were held back; and a residual network with batch
normalisation and a gate, built and trained here on the 8 x 8 digits of scikit-learn, 1,297 to learn from and 500 held
back. Accuracy is compared on the same items; the interval of the difference is that of the pairs that differ (Wald,
95 %).
Time is that of one item on one thread, models in turns, the median of the ratios.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from aios.spi.transform import Work
from aios_plugins.compression import Distill, Prune

ROOT = Path(__file__).resolve().parents[1]
DIGITS = ROOT / "examples" / "digits"
ROUNDS = 200
PRUNE = {"keep": "0.5", "fine_tune": "0", "learning_rate": "0.001", "align": "8"}
DISTILL = {
    **{"keep": "0.25", "student": "", "start": "pruned", "epochs": "1", "learning_rate": "0.001"},
    **{"temperature": "2", "labels": "0.5", "align": "8"},
}


def make(transform: Any, source: Path, into: Path, train: Path | None, **settings: str) -> dict[str, str]:
    """Write the changed model to ``into``; return the transform's report."""
    with tempfile.TemporaryDirectory() as folder:
        given = (PRUNE if transform is Prune else DISTILL) | settings
        files = {"train": (train,)} if train else {}
        work = Work(source, Path(folder), Path(folder), "fp32", given, files, "image-classification")
        report = dict(transform().make(work, lambda _share, _what: None))
        (Path(folder) / "model.onnx").replace(into)
    return report


def digits_to_learn_from(folder: Path) -> Path:
    """Write the digits that the family was trained on."""
    sys.path.insert(0, str(DIGITS))
    from train import split_digits

    training, _ = split_digits()
    np.savez(folder / "digits-train.npz", image=training.images, label=training.labels)
    return folder / "digits-train.npz"


def small_digits(folder: Path) -> tuple[Path, Path]:
    """Write scikit-learn's digits: to learn from, and held back."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    paths = folder / "small-train.npz", folder / "small-evaluate.npz"
    for path, part in zip(paths, (order[500:], order[:500]), strict=True):
        images = (found.images[part, None] / 16).astype(np.float32)
        np.savez(path, image=images, label=found.target[part])
    return paths


def residual_network(folder: Path, train: Path) -> Path:
    """Train a residual network from nothing; its batch normalisation is not folded."""
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    from small_networks import residual

    untrained = folder / "untrained.onnx"
    onnx.save(residual(width=32, inputs=1, classes=10), untrained)
    whole = {"keep": "1", "start": "random", "labels": "1", "epochs": "12", "learning_rate": "0.003"}
    make(Distill, untrained, folder / "residual.onnx", train, **whole)
    return folder / "residual.onnx"


def train(folder: Path, epochs: int) -> None:
    """Write every network that is measured, and say how long that took."""
    digits, (small, _) = digits_to_learn_from(folder), small_digits(folder)
    sources = {path.stem: (path, digits) for path in sorted((DIGITS / "models").glob("*.onnx"))}
    sources["residual"] = (residual_network(folder, small), small)
    for name, (source, items) in sorted(sources.items(), key=lambda item: item[1][0].stat().st_size):
        runs = [(Prune, "pruned", {"fine_tune": "0"}), (Prune, "tuned", {"fine_tune": str(epochs)})]
        runs += [(Distill, "distilled", {"epochs": str(epochs)})]
        for transform, what, settings in runs:
            start = time.perf_counter()
            report = make(transform, source, folder / f"{name}-{what}.onnx", items, **settings)
            print(f"{name} {what}: {report['multiplications']}; {time.perf_counter() - start:.0f} s", flush=True)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def right(path: Path, items: Path) -> np.ndarray:
    """Return of each item whether it is answered rightly: [items]."""
    opened, data = session(path), np.load(items)
    images = data["image"].astype(np.float32)
    name, starts = opened.get_inputs()[0].name, range(0, len(images), 100)
    answers = [opened.run(None, {name: images[at : at + 100]})[0] for at in starts]
    return np.concatenate(answers).argmax(axis=1) == data["label"]


def ratio_of_times(before: Path, after: Path) -> tuple[float, float]:
    """Return milliseconds before, and the median of after over before."""
    opened = [session(path) for path in (before, after)]
    shape = [size if isinstance(size, int) else 1 for size in opened[0].get_inputs()[0].shape]
    feed = {opened[0].get_inputs()[0].name: np.random.default_rng(0).random(shape, dtype=np.float32)}
    taken = np.zeros((ROUNDS, 2))
    for round_ in range(-20, ROUNDS):
        for at, one in enumerate(opened):
            start = time.perf_counter()
            one.run(None, feed)
            taken[max(round_, 0), at] = time.perf_counter() - start
    return float(np.median(taken[:, 0]) * 1e3), float(np.median(taken[:, 1] / taken[:, 0]))


def measure(folder: Path) -> None:
    """Print the table."""
    print("| network | made | accuracy | difference in points (95 %) | items | ms | time | bytes |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for path in sorted(folder.glob("*-*.onnx")):
        name, what = path.stem.rsplit("-", 1)
        digits = name != "residual"
        source = DIGITS / "models" / f"{name}.onnx" if digits else folder / "residual.onnx"
        items = DIGITS / "evaluate.npz" if digits else folder / "small-evaluate.npz"
        one, other = right(source, items), right(path, items)
        won, lost, count = int((other & ~one).sum()), int((one & ~other).sum()), len(one)
        half = 1.96 * math.sqrt(max(won + lost - (won - lost) ** 2 / count, 1)) / count
        difference = (won - lost) / count
        before, ratio = ratio_of_times(source, path)
        size = path.stat().st_size / source.stat().st_size
        print(
            f"| {name} | {what} | {one.mean():.1%} -> {other.mean():.1%} | {100 * difference:+.1f} "
            f"({100 * (difference - half):+.1f} to {100 * (difference + half):+.1f}) | {count} | {before:.3f} | "
            f"{ratio:.2f} | {size:.2f} |",
            flush=True,
        )
    zeros(folder)


def zeros(folder: Path) -> None:
    """Set nine of ten weights of every layer to zero, and see whether the runtime is any faster for it."""
    for source in sorted((DIGITS / "models").glob("*.onnx")):
        model = onnx.load(source)
        for item in model.graph.initializer:
            values = numpy_helper.to_array(item)
            if values.ndim > 1:
                least = np.abs(values) < np.quantile(np.abs(values), 0.9)
                item.CopyFrom(numpy_helper.from_array(np.where(least, np.float32(0), values), item.name))
        onnx.save(model, folder / "zeros.onnx")
        print(f"{source.stem}: nine of ten weights zero, time {ratio_of_times(source, folder / 'zeros.onnx')[1]:.2f}")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--measure", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not asked.measure:
        train(asked.folder, asked.epochs)
    measure(asked.folder)


if __name__ == "__main__":
    main()
