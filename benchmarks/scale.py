"""Ten thousand candidates: enumerated, priced, solved and checked in one process, each step timed alone.

python benchmarks/scale.py [--runs 3]

The models are made up (their figures, not their files: none is read), the devices are the catalogue's. Imports of the
engine are not counted: cold_start.py does that.
"""

import argparse
import gc
import json
import resource
import statistics
import time
from collections.abc import Mapping
from itertools import pairwise

from aios import catalogue
from aios.candidates import enumerate_candidates
from aios.check import audit
from aios.cost import Evidence, price
from aios.fleet import compile_fleet, load_catalogue
from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile, Operator, TensorSpec
from aios.solve import Limits, choose
from aios.spi import registry

FLEET = b"""
apiVersion: aios/v1
kind: Fleet
metadata: {name: described}
spec:
  nodes:
    - {name: milan, count: 12, devices: [{type: amd-epyc-7763}]}
    - {name: genoa, count: 8, devices: [{type: amd-epyc-9654}]}
    - {name: sapphire, count: 8, devices: [{type: intel-xeon-platinum-8480plus}]}
    - {name: a100, count: 2, cpu: 128, memory: 2 TiB, devices: [{type: nvidia-a100-sxm4-80gb, count: 8}]}
    - {name: l4, count: 6, cpu: 32, memory: 128 GiB, devices: [{type: nvidia-l4, count: 4}]}
    - {name: t4, count: 6, cpu: 32, memory: 128 GiB, devices: [{type: nvidia-t4, count: 4}]}
"""
INTENT = """
apiVersion: aios/v1
kind: Intent
metadata: {{name: classify-{index}}}
spec:
  task: image-classification
  model: {{anyOf: [{models}]}}
  load: {{rate: {rate}/s}}
  require: {{latency: {{p99: 50 ms}}, accuracy: {{top1: 75 %}}}}
  goal: minimize power
"""
SIZES = {"small": 0.8e9, "medium": 2.0e9, "large": 8.2e9}
"""Model -> floating-point operations per item, those of common image classifiers."""
WANTED = 10_000


def profile_of(name: str, flops: float) -> ModelProfile:
    """Return a convolutional network of that many operations, in 50 layers of three kinds."""
    weights = flops / 80  # bytes; near that of ResNet-50
    kinds = {"Conv": 0.98, "Add": 0.005, "Relu": 0.015}
    operators = tuple(
        Operator(
            kind=kind,
            count=50,
            flops=flops * share / 50,
            weight_bytes=weights / 50 if kind == "Conv" else 0.0,
            input_bytes=4e5,
            output_bytes=4e5,
        )
        for kind, share in kinds.items()
    )
    return ModelProfile(
        name=name,
        digest=f"sha256:{name}",
        format="onnx",
        file_bytes=round(weights),
        inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 3, 224, 224)),),
        outputs=(TensorSpec(name="scores", dtype="float32", shape=("batch", 1000)),),
        precision="fp32",
        parameters=round(weights / 4),
        weight_bytes=weights,
        macs=flops / 2,
        flops=flops,
        activation_bytes=1.2e7,
        operators=operators,
        batch_axis=0,
        declared={"accuracy.top1": 0.78 + flops / 1e11},
    )


def problem(intents: int, rate: float) -> tuple[tuple[Intent, ...], Fleet, Mapping[str, ModelProfile]]:
    """Return the intents, the fleet and the models' profiles."""
    profiles = {name: profile_of(name, flops) for name, flops in SIZES.items()}
    models = ", ".join(f"{name}.onnx" for name in profiles)
    written = "---".join(INTENT.format(index=index, models=models, rate=rate) for index in range(intents))
    documents = parse(FLEET, "fleet.yaml")
    fleet = compile_fleet(documents, load_catalogue(catalogue.root() / "hardware"), "fleet.yaml")
    return compile_intents(parse(written.encode(), "intent.yaml")).intents, fleet, profiles


def measure(intents: int, rate: float) -> dict[str, float | int | str]:
    """Run every step once and return how long each took, in seconds of wall time, and what came out."""
    wanted, fleet, profiles = problem(intents, rate)
    executors = registry.load_all("aios.executors")
    marks = [time.perf_counter()]
    found = {intent.name: enumerate_candidates(intent, profiles, fleet, executors).candidates for intent in wanted}
    marks.append(time.perf_counter())
    options = {intent.name: price(intent, found[intent.name], profiles, fleet, Evidence()) for intent in wanted}
    marks.append(time.perf_counter())
    selection = choose(wanted, options, fleet, Limits())
    marks.append(time.perf_counter())
    ledger = audit(wanted, selection, fleet)
    marks.append(time.perf_counter())
    if selection.status != "optimal" or not ledger.holds:
        raise SystemExit(f"the plan is {selection.status}, the checker {'agrees' if ledger.holds else 'disagrees'}")
    took = [later - earlier for earlier, later in pairwise(marks)]
    steps = dict(zip(("enumerate_s", "price_s", "solve_s", "check_s"), took, strict=True))
    return {"candidates": sum(map(len, found.values())), **steps, "total_s": marks[-1] - marks[0]}


def main() -> None:
    """Print one line of JSON per shape of the problem: one intent, and ten that share the fleet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    gc.set_threshold(200_000)  # as the command does
    measure(1, 20.0)  # imports the engine
    for intents, rate in ((1, 1000.0), (10, 30.0)):
        found = [measure(intents, rate) for _ in range(runs)]
        if int(found[0]["candidates"]) < WANTED:
            raise SystemExit(f"only {found[0]['candidates']} candidates: too few to say anything of {WANTED:,}")
        medians = {key: round(statistics.median(float(run[key]) for run in found), 3) for key in found[0]}
        peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        line = {"intents": intents, **medians, "candidates": found[0]["candidates"], "wanted": "total_s <= 2"}
        print(json.dumps({**line, "MiB": peak}), flush=True)


if __name__ == "__main__":
    main()
