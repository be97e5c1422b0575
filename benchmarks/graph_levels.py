"""Seconds of a call at each level of graph optimisation, as a share of the default level's; levels take turns.

Run: python benchmarks/graph_levels.py MODEL.onnx... [--rounds 60]; each model also in int8 (static, random ranges).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from aios.spi.transform import Work
from aios_plugins.onnxruntime.session import Model, options
from aios_plugins.quantization.static import Static

LEVELS = ("all", "extended", "basic", "none")
DEFAULTS = {"calibration": "minmax", "percentile": "99.999", "per_channel": "true", "activations": "asymmetric"}


def in_int8(path: Path, folder: Path) -> Path:
    """Return the model with its ranges read from random items: what it answers is of no concern here."""
    made, scratch = folder / path.stem, folder / f"{path.stem}.scratch"
    made.mkdir()
    scratch.mkdir()
    inputs = Model(ort.InferenceSession(str(path), options(1, "all"))).inputs
    chance = np.random.default_rng(0)
    shapes = {port.name: [16, *port.shape[1:]] for port in inputs}
    np.savez(folder / "items.npz", **{name: chance.random(shape, np.float32) for name, shape in shapes.items()})
    work = Work(path, made, scratch, "int8", DEFAULTS, {"calibrate": (folder / "items.npz",)})
    Static().make(work, lambda _share, _what: None)
    return made / "model.onnx"


def seconds(model: Model, values: list[np.ndarray], least: float = 0.01) -> float:
    """Return the seconds of a call, of as many as take ``least`` together."""
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < least or not calls:
        model.run(values)
        calls += 1
    return (time.perf_counter() - start) / calls


def compare(name: str, path: Path, rounds: int) -> None:
    """Print the nodes that are left, and the shortest time as a share of the default level's."""
    sessions, nodes = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for level in LEVELS:
            made = options(1, level)
            made.optimized_model_filepath = f"{scratch}/{level}.onnx"
            sessions[level] = Model(ort.InferenceSession(str(path), made, providers=["CPUExecutionProvider"]))
            nodes[level] = len(onnx.load(made.optimized_model_filepath).graph.node)
    values = sessions["all"].example(1)
    assert values is not None, f"{path} has free dimensions other than the batch"
    taken = [{level: seconds(sessions[level], values) for level in LEVELS} for _ in range(rounds)]
    least = {level: min(row[level] for row in taken) for level in LEVELS}
    told = (f"{level} {nodes[level]} nodes {least[level] / least['all']:.2f}" for level in LEVELS)
    print(f"{name}: {1e3 * least['all']:.3g} ms; {'; '.join(told)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in given.models:
            compare(f"{path.stem} fp32", path, given.rounds)
            compare(f"{path.stem} int8", in_int8(path, Path(folder)), given.rounds)


if __name__ == "__main__":
    main()
