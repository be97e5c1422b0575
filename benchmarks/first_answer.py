"""Seconds from a process to its first answer: weights read or mapped, the model prepared or not, libraries preloaded.

Run: python benchmarks/first_answer.py MODEL.onnx... [--rounds 20] [--mib 200]; the last model is made, of so many MiB.
Ways take turns. ``as given``: onnxruntime optimises the file on load · ``prepared, read``: the optimised graph, its
weights copied into the process · ``prepared, mapped``: as services do · ``preloaded``: a process that has imported
its libraries before it is told what to open, as a warm standby would · ``service``: `aios apply`'s own, from its front
process on · ``standing``: the first answer of a service that is ready
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from protection import deployment_of, matrices, started

from aios.state import ArtefactStore
from aios_plugins.onnxruntime import Executor

_CHILD = """
import sys, time
way, path = sys.argv[1:3]
if way == "preloaded":
    import numpy, onnxruntime
    print("ready", flush=True)
    sys.stdin.readline()
from aios_plugins.onnxruntime.session import Model, options
import onnxruntime as ort
made = options(1, "all" if way == "as given" else "none")
model = path
if way == "prepared, read":
    from pathlib import Path
    weights = Path(path).with_name("weights.bin")
    if weights.exists():
        content = weights.read_bytes()
        made.add_external_initializers_from_files_in_memory(["weights.bin"], [content], [len(content)])
    model = Path(path).read_bytes()
session = ort.InferenceSession(model, made, providers=["CPUExecutionProvider"])
opened = Model.__new__(Model)
from aios_plugins.onnxruntime.tensors import port_of
opened.inputs = [port_of(node) for node in session.get_inputs()]
values = opened.example(1)
session.run(None, dict(zip([port.name for port in opened.inputs], values)))
print(time.perf_counter(), flush=True)
"""


def process(way: str, path: Path) -> float:
    """Return seconds from the start of a process, or from telling a preloaded one, to its first answer."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, way, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        if way == "preloaded":
            child.stdout.readline()
            begin = time.perf_counter()
            child.stdin.write("\n")
            child.stdin.flush()
        return float(child.stdout.readline()) - begin


def main() -> None:
    """Print one row for each model and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--mib", type=int, default=200)
    asked = parser.parse_args()
    print("| model | way | first answer, median | range of half |\n|---|---|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="aios-first-answer-") as name:
        folder = Path(name)
        for path in [*asked.models, matrices(folder / f"matrices-{asked.mib}.onnx", asked.mib)]:
            deployment = deployment_of(path.absolute(), None)
            artefact = Executor().prepare(deployment, ArtefactStore(folder / "artefacts"))
            prepared = Path(artefact.path) / "model.onnx"
            ways = {"as given": path, **dict.fromkeys(("prepared, read", "prepared, mapped", "preloaded"), prepared)}
            found: dict[str, list[float]] = {way: [] for way in (*ways, "service", "standing")}
            for _ in range(asked.rounds):
                for way, file in ways.items():
                    found[way].append(process(way, file))
                with started(deployment, artefact, folder / secrets.token_hex(8)) as start:
                    found["service"].append(start.answer)
                    found["standing"].append(start.request)
            for way, times in found.items():
                low, middle, high = statistics.quantiles(times, n=4)
                print(
                    f"| {path.stem} | {way} | {middle * 1e3:.1f} ms | {low * 1e3:.1f} .. {high * 1e3:.1f} ms |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
