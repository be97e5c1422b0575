"""What quantisation costs and gains, side by side: fp32, onnxruntime's defaults, and the transforms.

    python benchmarks/quantisation.py MODEL.onnx --calibrate CALIBRATE.npz --evaluate EVALUATE.npz [--quick]
        [--also OLIVE=olive/model.onnx=SECONDS]

Both archives hold one array for each input of the model, and EVALUATE.npz may hold ``label``; their items must be
different ones. Each row: top-1 with its 90 % interval (Wilson), items right only before and only after with the p of
McNemar's exact test against fp32, agreement with fp32 (same class, or same nearest other item where answers are
vectors), mean cosine and noise (mean squared difference over the variance) of the outputs, the processor time of one
item on one thread as a ratio to fp32 (median and quartiles of rounds in turns, each its quickest run), bytes, and the
seconds and processor seconds that making it took. ``--also`` adds a model that another tool made.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
import yaml

import aios_plugins.quantization as transforms
from aios.records.errors import AiosError
from aios.records.transform import Declaration
from aios.spi.transform import Work
from aios_plugins.quantization.graphs import narrow_weights, preprocessed, quiet

Arrays = Mapping[str, Any]

VARIANTS: Sequence[tuple[str, str, Mapping[str, str]]] = (
    ("onnxruntime", "int8", {}),
    ("static", "int8", {}),
    ("mixed", "int8", {}),
    ("dynamic", "int8", {}),
    ("weight-only", "int8", {}),
    ("weight-only", "int4", {}),
    ("static", "int8", {"calibration": "entropy"}),
    ("static", "int8", {"calibration": "percentile"}),
    ("static", "int8", {"per_channel": "false"}),
    ("mixed", "int8", {"noise": "0.05"}),
)
QUICK = 3
"""How many of the variants are made with ``--quick``."""

CLASSES = {"dynamic": "Dynamic", "static": "Static", "mixed": "Mixed", "weight-only": "WeightOnly"}
ROUNDS, PER_ROUND, BATCH = 25, 4, 8


class Made(NamedTuple):
    """A model to be judged; seconds, processor: that making it took."""

    name: str
    path: Path
    seconds: float
    processor: float = 0.0


def make(name: str, precision: str, settings: Mapping[str, str], asked: argparse.Namespace, into: Path) -> Made:
    """Run one transform, or onnxruntime with nothing stated, on the model that is asked for."""
    folder = into / f"{name}-{precision}-{'-'.join(settings.values())}"
    (folder / "scratch").mkdir(parents=True)
    work = Work(
        source=asked.model,
        folder=folder,
        scratch=folder / "scratch",
        precision=precision,
        settings=settings,
        data={"calibrate": (asked.calibrate,)},
        facts={"isa": asked.isa},
        threads=asked.threads,
    )
    start, worked = time.perf_counter(), time.process_time()
    if name == "onnxruntime":
        by_default(work)
    else:
        written = Path(transforms.__file__).parent / f"{name}.transform.yaml"
        declared = Declaration.model_validate(yaml.safe_load(written.read_text()))
        defaults = {key: item.default for key, item in declared.parameters.items()}
        report = getattr(transforms, CLASSES[name])().make(
            Work(**{**vars(work), "settings": {**defaults, **settings}}), lambda *_: None
        )
        print(name, precision, *(f"{key}: {text};" for key, text in report.items()), flush=True)
    label = " ".join([name, precision, *(f"{key}={value}" for key, value in settings.items())])
    return Made(label, folder / "model.onnx", time.perf_counter() - start, time.process_time() - worked)


def by_default(work: Work) -> None:
    """Quantise as onnxruntime does where nothing is stated but whether this CPU needs weights of 7 bits."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime publishes no types
        """Feeds the calibration items one by one."""

        def __init__(self, arrays: Arrays) -> None:
            self._feeds = feeds(arrays, 1)

        def get_next(self) -> dict[str, Any] | None:
            """Return the next feed, None at the end."""
            return next(self._feeds, None)

    ready = preprocessed(work)
    reader = Reader(inputs(work.data["calibrate"][0])[0])
    with quiet():
        quantize_static(str(ready), str(work.folder / "model.onnx"), reader, reduce_range=narrow_weights(work))


def inputs(path: Path) -> tuple[Arrays, Any]:
    """Return the arrays of an archive by input, and the labels, None where there are none."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    labels = arrays.pop("label", None)
    return {name: item.astype(np.float32) if item.dtype.kind == "f" else item for name, item in arrays.items()}, labels


def feeds(arrays: Arrays, size: int) -> Iterator[dict[str, Any]]:
    """Yield the items, ``size`` at a time."""
    for at in range(0, min(map(len, arrays.values())), size):
        yield {name: item[at : at + size] for name, item in arrays.items()}


def opened(path: Path, threads: int) -> Any:
    """Return a session of the model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(path: Path, arrays: Arrays, threads: int) -> Any:
    """Return the first output for every item."""
    session = opened(path, threads)
    size = 1 if isinstance(session.get_inputs()[0].shape[0], int) else BATCH
    return np.concatenate([session.run(None, feed)[0] for feed in feeds(arrays, size)])


def answers(found: Any, vectors: bool) -> Any:
    """Return the class of each item (or place of it); for vectors, which other item's is nearest by cosine."""
    if not vectors:
        return found.argmax(axis=1 if found.ndim == 2 else -1)
    flat = found.reshape(len(found), -1)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return (unit @ unit.T - 2 * np.eye(len(unit))).argmax(axis=1)


def ratios(paths: Sequence[Path], item: Arrays) -> list[Any]:
    """Return, round by round, the processor seconds of one item on one thread over those of the first model."""
    sessions = [opened(path, 1) for path in paths]
    taken = np.empty((len(paths), ROUNDS))
    for at in range(ROUNDS):
        for number, session in enumerate(sessions):
            session.run(None, dict(item))
            runs = []
            for _ in range(PER_ROUND):
                start = time.process_time()
                session.run(None, dict(item))
                runs.append(time.process_time() - start)
            taken[number, at] = min(runs)
    return list(taken / taken[0])


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


def row(made: Made, found: Any, before: Any, labels: Any, ratio: Any, vectors: bool) -> str:
    """Return a row of the table; found, before: first outputs of this model and of fp32; labels: None without."""
    own, old = answers(found, vectors), answers(before, vectors)
    judged = "| | | | "
    if labels is not None:
        now, then = own == labels, old == labels
        low, high = wilson(int(now.sum()), len(now))
        lost, won = int((then & ~now).sum()), int((~then & now).sum())
        judged = f"| {now.mean():.2%} | {low:.1%} .. {high:.1%} | {lost} / {won}, p {mcnemar(lost, won):.2f} "
    one, other = (item.reshape(len(item), -1).astype(np.float64) for item in (found, before))
    cosine = np.mean((one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)))
    noise = np.mean((one - other) ** 2) / other.var()
    low, middle, high = np.percentile(ratio, [25, 50, 75])
    return (
        f"| {made.name} {judged}| {np.mean(own == old):.2%} | {cosine:.4f} | {noise:.4f} |"
        f" {middle:.2f} ({low:.2f} .. {high:.2f}) | {made.path.stat().st_size / 1e6:.1f} MB |"
        f" {made.seconds:.0f}, {made.processor:.0f} |"
    )


def variants(asked: argparse.Namespace, into: Path) -> Iterator[Made]:
    """Make one after another what can be made, and say what cannot."""
    yield Made("fp32", asked.model, 0.0)
    for name, precision, settings in VARIANTS[: QUICK if asked.quick else None]:
        if asked.only and name not in asked.only:
            continue
        try:
            yield make(name, precision, settings, asked, into)
        except (AiosError, ImportError) as error:
            print(f"{name} {precision}: {error}", flush=True)
    for given in asked.also:
        label, path, seconds = given.split("=")
        yield Made(label, Path(path), float(seconds), math.nan)


def main() -> None:
    """Make every variant that can be made and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--calibrate", type=Path, required=True)
    parser.add_argument("--evaluate", type=Path, required=True)
    parser.add_argument("--isa", default="avx512_vnni", help="features of the CPU; without vnni weights get 7 bits")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="onnxruntime's defaults, static and mixed only")
    parser.add_argument("--only", nargs="*", help="names of transforms")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=MODEL=SECONDS")
    parser.add_argument("--into", type=Path, help="folder to leave the models in, which must not be there yet")
    parser.add_argument("--vectors", action="store_true", help="answers are vectors, not classes")
    asked = parser.parse_args()
    arrays, labels = inputs(asked.evaluate)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(variants(asked, asked.into or Path(folder)))
        found = [outputs(item.path, arrays, asked.threads) for item in rows]
        taken = ratios([item.path for item in rows], next(feeds(arrays, 1)))
        print(f"{asked.model.name}, n = {len(found[0])}, onnxruntime {ort.__version__}, isa {asked.isa}")
        print("| variant | top-1 | 90 % interval | lost / won | as fp32 | cosine | noise | time | size | made in s |")
        print("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|")
        for item, own, ratio in zip(rows, found, taken, strict=True):
            print(row(item, own, found[0], labels, ratio, asked.vectors))


if __name__ == "__main__":
    main()
