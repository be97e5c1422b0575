"""How many predictions one core makes in a second, learnt rest and interval included.

    python benchmarks/predictions.py [--rows 100000] [--rounds 3]

First what predictors do with many rows at once. Rows are drawn at random over devices of the catalogue; what is learnt
is learnt from the physics of a few of them with noise, so that as many effects are applied as with real tables. Then
what a plan does with candidates: latency under load with its percentiles, throughput, memory, power, each with its
basis in words; the graphs are those of ``examples/``, read before, each on every device whose peak and bandwidth the
catalogue states. All figures are by the seconds of all threads of this process, whatever else the machine does.
"""

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from aios.candidates import enumerate_candidates
from aios.catalogue import network_cards
from aios.cost import Evidence, price
from aios.cost.learning import Predictor, fit, predict
from aios.cost.predictors import predictor
from aios.fleet import compile_fleet, load_catalogue
from aios.intents import compile_intents
from aios.records.calibration import Calibration
from aios.records.candidate import Candidate, Priced
from aios.records.document import parse
from aios.records.fleet import DeviceType
from aios.records.networks import WORK
from aios.records.observation import Observations
from aios.workflow.reading import gather
from aios.workflow.setting import Setting
from aios_plugins.onnx import Reader

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
HARDWARE = Path(__file__).resolve().parents[1] / "hardware"
DEVICES = (
    "nvidia-a100-sxm4-80gb", "nvidia-h100-sxm5-80gb", "nvidia-h200-sxm-141gb", "nvidia-b200-sxm-180gb", "nvidia-l40s",
)  # fmt: skip
WANTED = 100_000
PAIRS_WANTED = 2_000
_LEARNT_FROM = 2_000


def rows_of(count: int, words: Mapping[str, str], sizes: Mapping[str, tuple[int, int]]) -> Observations:
    """Return rows with the words as given and sizes drawn between powers of two."""
    random = np.random.default_rng(0)
    names = np.array(DEVICES)[random.integers(len(DEVICES), size=count)]
    numbers = {role: 2.0 ** random.integers(low, high + 1, size=count) for role, (low, high) in sizes.items()}
    return Observations(
        table="random",
        predictor="",
        metric="latency.mean",
        unit="s",
        words={"device": names, **{role: np.full(count, word) for role, word in words.items()}},
        numbers=numbers,
        types=names,
        families=random.integers(20, size=count).astype(str),
        lines=np.arange(count),
        values=np.ones(count),
    )


def gemm(count: int) -> Observations:
    """Return matrix products."""
    return rows_of(count, {"operation": "gemm", "precision": "bf16"}, {"m": (0, 14), "n": (10, 16), "k": (10, 14)})


def attention(count: int) -> Observations:
    """Return attention of single tokens."""
    sizes = {"batch": (0, 9), "sequence": (4, 16), "heads": (3, 6), "kv_heads": (0, 3), "head_dim": (7, 7)}
    return rows_of(count, {"operation": "attention", "phase": "decode", "precision": "bf16"}, sizes)


def moe(count: int) -> Observations:
    """Return layers of a mixture of experts."""
    sizes = {
        "tokens": (0, 14), "hidden": (11, 13), "intermediate": (9, 12), "active_experts": (1, 3), "experts": (5, 8),
        "tensor_parallel": (0, 3), "expert_parallel": (0, 3),
    }  # fmt: skip
    return rows_of(count, {"operation": "moe", "precision": "fp8", "distribution": "power_law_1.2"}, sizes)


def collective(count: int) -> Observations:
    """Return communications."""
    return rows_of(
        count, {"operation": "all-reduce", "software": "nccl"}, {"devices": (1, 3), "message_bytes": (8, 30)}
    )


def served(count: int) -> Observations:
    """Return language models with 8 thousand million parameters that are served."""
    words = {"software": "vllm 0.9", "precision": "fp8", "phase": "both", "scenario": "closed-loop", "model": "llama"}
    rows = rows_of(count, words, {"concurrency": (0, 9), "prompt_tokens": (7, 14), "output_tokens": (5, 11)})
    structure = {
        "parameters": 8e9, "active_parameters": 8e9, "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8,
        "head_dim": 128, "vocabulary": 128256,
    }  # fmt: skip
    degree = 2.0 ** np.random.default_rng(2).integers(0, 4, size=count)
    numbers = {role: np.full(count, float(size)) for role, size in structure.items()}
    return replace(rows, metric="latency.tpot.mean", numbers={**rows.numbers, **numbers, "tensor_parallel": degree})


def network(count: int) -> Observations:
    """Return vision networks by name, of which cards tell."""
    rows = rows_of(count, {"software": "TensorRT", "precision": "fp16", "mode": "inference"}, {"batch": (0, 8)})
    names = np.array(network_cards().names())
    return replace(
        rows, words={**rows.words, "model": names[np.random.default_rng(3).integers(len(names), size=count)]}
    )


def graph(count: int) -> Observations:
    """Return whole graphs that were read from files: their work, operator class by class."""
    rows = rows_of(count, {"software": "TensorRT", "precision": "fp16", "mode": "inference"}, {"batch": (0, 8)})
    random = np.random.default_rng(4)
    work = {name: 10.0 ** random.uniform(6, 9, size=count) for name in WORK}
    work["kernels"] = random.integers(10, 500, size=count).astype(np.float64)
    return replace(rows, numbers={**rows.numbers, **work})


CASES: Mapping[str, tuple[str, Callable[[int], Observations]]] = {
    "matrix products": ("kernel", gemm),
    "attention": ("kernel", attention),
    "mixtures of experts": ("kernel", moe),
    "served models": ("serving", served),
    "collectives": ("collective", collective),
    "vision networks": ("network", network),
    "whole graphs": ("network", graph),
}
"""What is predicted -> predictor, rows."""


def learnt_of(model: Predictor, rows: Observations, devices: Mapping[str, DeviceType]) -> Calibration:
    """Return what a few of the rows teach, with some noise."""
    few = rows.take(np.arange(min(_LEARNT_FROM, len(rows))))
    design = model.design(few, devices)
    target = design.base + 0.1 * np.random.default_rng(1).standard_normal(len(few))
    return fit(design, target, few.families, model, rows.metric, ("zero-shot", "calibrated"))


def quickest(work: Callable[[], object], rounds: int) -> float:
    """Return seconds of this process, the least of some rounds."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def rate(model: Predictor, rows: Observations, devices: Mapping[str, DeviceType], rounds: int) -> float:
    """Return rows per second."""
    learnt = learnt_of(model, rows, devices)
    seconds = quickest(
        lambda: model.value(rows, predict(model.design(rows, devices), learnt, "calibrated").value), rounds
    )
    return len(rows) / seconds


def described(catalogue: Mapping[str, DeviceType]) -> dict[str, str]:
    """Return node -> device for every device of the catalogue that the roofline can be worked out for."""
    names = [
        name for name, kind in catalogue.items() if "fp32" in kind.peak_ops_per_s and kind.memory_bandwidth_bytes_per_s
    ]
    return {f"n{index}": name for index, name in enumerate(names)}


FLEET = "apiVersion: aios/v1\nkind: Fleet\nmetadata: {name: all}\nspec:\n  nodes:\n"
INTENT = b"""
apiVersion: aios/v1
kind: Intent
metadata: {name: all}
spec:
  task: image-classification
  model: any.onnx
  load: {rate: 1/s}
  goal: minimize power
"""


def graphs_on_devices(rows: int, learnt: bool) -> Callable[[], tuple[Priced, ...]]:
    """Return what prices each graph of the examples on each device, learnt from some rows or by the roofline alone."""
    catalogue = load_catalogue(HARDWARE)
    nodes = described(catalogue)
    lines = (
        f"    - {{name: {node}, cpu: 64, memory: 1 TiB, devices: [{{type: {name}}}]}}\n" for node, name in nodes.items()
    )
    fleet = compile_fleet(parse((FLEET + "".join(lines)).encode(), "all"), catalogue, "all")
    (intent,) = compile_intents(parse(INTENT, "all")).intents
    profiles = {path.stem: Reader().read(path, {}).profile for path in sorted(EXAMPLES.glob("*/models/*.onnx"))}
    candidates = [
        Candidate(
            id=f"all/{model}/{name}/fp32/b1/r1",
            intent="all",
            model=model,
            model_digest=profile.digest,
            device=name,
            nodes=(node,),
            executor="onnxruntime",
            precision="fp32",
            threads=min(4, catalogue[name].cores or 4) if catalogue[name].kind == "cpu" else 0,
        )
        for model, profile in profiles.items()
        for node, name in nodes.items()
    ]
    calibration = learnt_of(predictor("network"), graph(rows), catalogue)
    evidence = Evidence(calibrations={("network", "latency.mean"): calibration} if learnt else {})
    return lambda: price(intent, candidates, profiles, fleet, evidence)


def example(name: str) -> Callable[[], tuple[Priced, ...]]:
    """Return what prices all candidates of an example's intent."""
    given = gather(Setting(paths=(str(EXAMPLES / name / "intent.yaml"),)))
    (intent,) = given.intents
    profiles = given.profiles[intent.name]
    candidates = enumerate_candidates(intent, profiles, given.fleet, given.executors).candidates
    return lambda: price(intent, candidates, profiles, given.fleet, Evidence())


def main() -> None:
    """Print a row of each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    gc.set_threshold(200_000)  # as the command does
    catalogue = load_catalogue(HARDWARE)
    devices = {name: catalogue[name] for name in DEVICES}
    print(f"| {'predictors':26} | rows/s | wanted |\n|---|---:|---:|")
    for name, (which, rows) in CASES.items():
        found = rate(predictor(which), rows(given.rows), devices, given.rounds)
        print(f"| {name:26} | {found:,.0f} | {WANTED:,} |")
    print(f"\n| {'a plan':26} | candidates/s | their estimates/s | wanted |\n|---|---:|---:|---:|")
    for name, work, wanted in (
        ("graphs x devices, roofline", graphs_on_devices(given.rows, False), f"{PAIRS_WANTED:,} pairs"),
        ("graphs x devices, learnt", graphs_on_devices(given.rows, True), f"{PAIRS_WANTED:,} pairs"),
        ("cards (edge-boards)", example("edge-boards"), "-"),
        ("language (chat)", example("chat-described-fleet"), "-"),
    ):
        priced, seconds = work(), quickest(work, given.rounds)
        estimates = sum(len(option.estimates) for option in priced)
        print(f"| {name:26} | {len(priced) / seconds:,.0f} | {estimates / seconds:,.0f} | {wanted} |")


if __name__ == "__main__":
    main()
