"""What quantisation costs and gains, side by side: fp32, dynamic, static by calibration, mixed, weight-only.

    python benchmarks/quantisation.py MODEL.onnx --calibrate CALIBRATE.npz --evaluate EVALUATE.npz

EVALUATE.npz holds one array for the model's input and ``label``; the items of CALIBRATE.npz must be others. Each row:
top-1 with its 90 % interval (Wilson), items right only before and only after with the p of McNemar's exact test
against fp32, agreement with fp32, one item on one thread as a ratio to fp32 (median of interleaved rounds), bytes, and
the seconds that making it took.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import yaml

import aios_plugins.quantization as transforms
from aios.records.errors import AiosError
from aios.records.transform import Declaration
from aios.spi.transform import Work

VARIANTS: Sequence[tuple[str, str, Mapping[str, str]]] = (
    ("dynamic", "int8", {}),
    ("static", "int8", {}),
    ("static", "int8", {"calibration": "entropy"}),
    ("static", "int8", {"calibration": "percentile"}),
    ("static", "int8", {"per_channel": "false"}),
    ("mixed", "int8", {}),
    ("mixed", "int8", {"noise": "0.05"}),
    ("weight-only", "int8", {}),
    ("weight-only", "int4", {}),
)
CLASSES = {"dynamic": "Dynamic", "static": "Static", "mixed": "Mixed", "weight-only": "WeightOnly"}
ROUNDS, PER_ROUND, BATCH = 15, 5, 8


class Made(NamedTuple):
    """A model to be judged; seconds: that making it took."""

    name: str
    path: Path
    seconds: float


def make(name: str, precision: str, settings: Mapping[str, str], asked: argparse.Namespace, into: Path) -> Made:
    """Run one transform on the model that is asked for."""
    written = Path(transforms.__file__).parent / f"{name}.transform.yaml"
    declared = Declaration.model_validate(yaml.safe_load(written.read_text()))
    folder = into / f"{name}-{precision}-{'-'.join(settings.values())}"
    (folder / "scratch").mkdir(parents=True)
    work = Work(
        source=asked.model,
        folder=folder,
        scratch=folder / "scratch",
        precision=precision,
        settings={key: item.default for key, item in declared.parameters.items()} | dict(settings),
        data={"calibrate": (asked.calibrate,)},
        facts={"isa": asked.isa},
        threads=asked.threads,
    )
    start = time.perf_counter()
    getattr(transforms, CLASSES[name])().make(work, lambda *_: None)
    label = " ".join([name, precision, *(f"{key}={value}" for key, value in settings.items())])
    return Made(label, folder / "model.onnx", time.perf_counter() - start)


def opened(path: Path, threads: int) -> Any:
    """Return a session of the model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answers(path: Path, values: Any, threads: int) -> Any:
    """Return the class that the model gives to each item."""
    session = opened(path, threads)
    name = session.get_inputs()[0].name
    parts = [values[at : at + BATCH].astype(np.float32) for at in range(0, len(values), BATCH)]
    return np.concatenate([session.run(None, {name: part})[0].argmax(axis=1) for part in parts])


def latencies(paths: Sequence[Path], item: Any) -> list[float]:
    """Return the median seconds of one item on one thread, the models taking turns."""
    sessions = [opened(path, 1) for path in paths]
    taken: list[list[float]] = [[] for _ in sessions]
    for _ in range(ROUNDS):
        for session, seconds in zip(sessions, taken, strict=True):
            feed = {session.get_inputs()[0].name: item}
            session.run(None, feed)
            for _ in range(PER_ROUND):
                start = time.perf_counter()
                session.run(None, feed)
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in taken]


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return Wilson's 90 % interval of a share."""
    z = statistics.NormalDist().inv_cdf(0.95)
    middle = (right + z * z / 2) / (count + z * z)
    half = z / (count + z * z) * math.sqrt(right * (count - right) / count + z * z / 4)
    return middle - half, middle + half


def mcnemar(lost: int, won: int) -> float:
    """Return the p of McNemar's exact test, two-sided."""
    rarer = sum(math.comb(lost + won, count) for count in range(min(lost, won) + 1))
    return float(min(1.0, 2 * rarer / 2 ** (lost + won)))


def row(made: Made, right: Any, found: Any, labels: Any, ratio: float) -> str:
    """Return a row of the table; right: whether fp32 was, by item; found: the answers of this model and of fp32."""
    own, before = found
    now = own == labels
    low, high = wilson(int(now.sum()), len(now))
    lost, won = int((right & ~now).sum()), int((~right & now).sum())
    p = mcnemar(lost, won)
    return (
        f"| {made.name} | {now.mean():.1%} | {low:.1%} .. {high:.1%} | {lost} / {won} | {p:.2f} |"
        f" {np.mean(own == before):.1%} | {ratio:.2f} | {made.path.stat().st_size / 1e6:.1f} MB | {made.seconds:.0f} |"
    )


def main() -> None:
    """Make every variant that can be made and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--calibrate", type=Path, required=True)
    parser.add_argument("--evaluate", type=Path, required=True)
    parser.add_argument("--isa", default="avx512_vnni", help="features of the CPU; without vnni weights get 7 bits")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", help="names of transforms")
    asked = parser.parse_args()
    with np.load(asked.evaluate) as archive:
        labels = archive["label"]
        values = next(archive[name] for name in archive.files if name != "label")
    rows = [Made("fp32", asked.model, 0.0)]
    with tempfile.TemporaryDirectory() as folder:
        for name, precision, settings in VARIANTS:
            if asked.only and name not in asked.only:
                continue
            try:
                rows.append(make(name, precision, settings, asked, Path(folder)))
            except (AiosError, ImportError) as error:
                print(f"{name} {precision}: {error}")
        found = [answers(item.path, values, asked.threads) for item in rows]
        seconds = latencies([item.path for item in rows], values[:1].astype(np.float32))
        right = found[0] == labels
        print(f"{asked.model.name}, n = {len(labels)}, onnxruntime {ort.__version__}, isa {asked.isa}")
        print("| variant | top-1 | 90 % interval | lost / won | p | as fp32 | time / fp32 | size | made in s |")
        print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
        for item, own, taken in zip(rows, found, seconds, strict=True):
            print(row(item, right, (own, found[0]), labels, taken / seconds[0]))


if __name__ == "__main__":
    main()
