"""A training step's traffic on a 2-D mesh: mapped by the planner, row-major, round-robin over boards, and at random.

Run: python benchmarks/mesh_mapping.py

Transformers are trained with tensor, pipeline, data and expert parallelism; ranks are numbered as Megatron-LM does
(tensor parallel fastest, then data, then pipeline; experts are spread over neighbouring data-parallel ranks). Per step
and device, in bytes:

- tensor parallel: 4 ring all-reduces per layer and micro-batch (2 forward, 2 backward) of the activations,
  sequence x hidden x 2 bytes (Shoeybi et al. 2019, arXiv 1909.08053);
- pipeline: activations forward and their gradients back per micro-batch, each tensor-parallel rank its share (Narayanan
  et al. 2021, arXiv 2104.04473, section 4.1);
- data parallel: one ring all-reduce of the gradients of the device's parameters, 2 bytes each;
- experts: 4 all-to-alls (to the experts and back, forward and backward) per micro-batch in every second layer, of the
  activations twice over, as every token goes to two experts (Lepikhin et al. 2020, arXiv 2006.16668). Expert weights
  are reduced among the devices that hold the same expert, which is left out; computing is twice that of the same layers
  without experts.

A ring all-reduce of S bytes over n ranks sends 2 (n - 1) / n S from each rank, half of it each way round, as links
carry both directions at once. The computing of a step is 96 B s l h^2 (1 + s / 6h + V / 16lh) FLOP (Narayanan et al.,
equation 3, with recomputation) at half of 275 TFLOP/s; links have 50 GB/s in each direction (the figures of a TPU v4
chip and one of its links). The kinds of traffic follow each other and are not overlapped with computing: a step's
communication is the sum of the busiest links' times.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 - random mappings are what the planner's are compared with
import statistics
import time
from collections import Counter
from typing import NamedTuple

from aios.cost.mapping import map_traffic, weigh
from aios.fleet.topology.fabric import fabric_of
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node, Topology

LINK_BYTES_PER_S = 50e9
FLOP_PER_S = 275e12 / 2
VOCABULARY = 51_200


class Shape(NamedTuple):
    """A transformer and how it is trained. batch: sequences per step · micro-batches have one sequence.

    jobs: equal trainings side by side · experts: data-parallel ranks that share the experts of a layer
    """

    name: str
    layers: int
    hidden: int
    sequence: int
    batch: int
    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    experts: int = 1
    jobs: int = 1

    @property
    def ranks(self):
        return self.tensor * self.pipeline * self.data

    def __str__(self):
        kinds = ("tensor", "pipeline", "data", "experts")
        parts = [f"{kind} {getattr(self, kind)}" for kind in kinds if getattr(self, kind) > 1]
        return (f"{self.jobs} x " if self.jobs > 1 else "") + f"{self.name}, {' x '.join(parts)}"


SMALL, MIDDLE, LARGE = ("GPT-3 1.3B", 24, 2048, 2048), ("GPT-3 6.7B", 32, 4096, 2048), ("GPT-3 175B", 96, 12288, 2048)
CASES = {
    4: (
        Shape(*SMALL, 16, data=4, jobs=4),
        Shape(*SMALL, 64, data=16),
        Shape(*MIDDLE, 64, tensor=4, pipeline=2, data=2),
        Shape(*MIDDLE, 64, tensor=4, data=4),
        Shape(*MIDDLE, 64, pipeline=4, data=4),
        Shape(*SMALL, 64, data=16, experts=4),
    ),
    16: (
        Shape(*SMALL, 16, data=4, jobs=64),
        Shape(*SMALL, 1024, data=256),
        Shape(*LARGE, 1536, tensor=8, pipeline=8, data=4),
        Shape(*LARGE, 1536, tensor=4, pipeline=16, data=4),
        Shape(*MIDDLE, 1024, pipeline=16, data=16),
        Shape(*SMALL, 1024, data=256, experts=16),
    ),
}


def traffic_of(shape):
    """Return the kinds of traffic, each (from rank, to rank) -> bytes per step."""
    kinds = {"tensor": Counter(), "pipeline": Counter(), "data": Counter(), "experts": Counter()}
    micro_batches = shape.batch // shape.data
    activations = shape.sequence * shape.hidden * 2
    layers = shape.layers / shape.pipeline
    reduced = 2 * (shape.tensor - 1) / shape.tensor * activations * 4 * micro_batches * layers
    gradients = 2 * (shape.data - 1) / shape.data * 2 * 12 * layers * shape.hidden**2 / shape.tensor
    ahead = micro_batches * activations / shape.tensor
    exchanged = 4 * 2 * activations * micro_batches * layers / 2 / shape.experts
    for job in range(shape.jobs):
        for p in range(shape.pipeline):
            for d in range(shape.data):
                for t in range(shape.tensor):

                    def rank(tensor=t, data=d, pipeline=p, first=job * shape.ranks):
                        place = (pipeline * shape.data + data % shape.data) * shape.tensor
                        return first + place + tensor % shape.tensor

                    for way in (1, -1):
                        kinds["tensor"][rank(), rank(tensor=t + way)] += reduced / 2
                        kinds["data"][rank(), rank(data=d + way)] += gradients / 2
                    if p + 1 < shape.pipeline:
                        kinds["pipeline"][rank(), rank(pipeline=p + 1)] += ahead
                        kinds["pipeline"][rank(pipeline=p + 1), rank()] += ahead
                    group = d - d % shape.experts
                    for other in range(group, group + shape.experts):
                        kinds["experts"][rank(), rank(data=other)] += exchanged
    return {
        name: moved
        for name, traffic in kinds.items()
        if (moved := {pair: size for pair, size in traffic.items() if pair[0] != pair[1] and size})
    }


def computing_s(shape):
    b, s, l, h = shape.batch, shape.sequence, shape.layers, shape.hidden  # noqa: E741 - the paper's letters
    flop = 96 * b * s * l * h**2 * (1 + s / (6 * h) + VOCABULARY / (16 * l * h))
    return flop * (2 if shape.experts > 1 else 1) / shape.ranks / FLOP_PER_S


def mesh(side):
    """Return the fabric of one node with a square mesh of devices."""
    link = Topology(
        name="mesh",
        kind="mesh",
        shape=(side, side),
        bandwidth_bytes_per_s=Fact(value=LINK_BYTES_PER_S, unit="B/s"),
        latency_s=Fact(value=1e-6, unit="s"),
    )
    ids = tuple(str(number) for number in range(side * side))
    node = Node(name="pod", devices=(DeviceSlot(type="chip", ids=ids),), topology=(link,))
    chip = DeviceType(name="chip", kind="tpu")
    return fabric_of(Fleet(name="pod", nodes=(node,), types={"chip": chip}, digest="-", origin="-"), {})


def over_boards(side):
    """Return the places of ranks that are dealt out in turn to boards of 2 x 2 devices."""
    boards = [(row, column) for row in range(0, side, 2) for column in range(0, side, 2)]
    slots = [(0, 0), (0, 1), (1, 0), (1, 1)]
    return [(row + down) * side + column + right for down, right in slots for row, column in boards]


def communication_s(fabric, kinds, devices):
    return sum(weigh(fabric, traffic, devices).busiest_s for traffic in kinds.values())


class Compared(NamedTuple):
    """Seconds of a step's communication per mapping, of its computing, and of mapping."""

    aware: float
    row_major: float
    round_robin: float
    at_random: float
    computing: float
    took: float


def compare(side, shape, seeds):
    fabric = mesh(side)
    kinds = traffic_of(shape)
    together = Counter()
    for traffic in kinds.values():
        together.update(traffic)
    devices = fabric.devices
    begun = time.process_time()
    mapped = map_traffic(fabric, together, devices).devices
    took = time.process_time() - begun
    chance = [random.Random(seed).sample(devices, len(devices)) for seed in range(seeds)]
    return Compared(
        communication_s(fabric, kinds, mapped),
        communication_s(fabric, kinds, devices),
        communication_s(fabric, kinds, [devices[place] for place in over_boards(side)]),
        statistics.mean(communication_s(fabric, kinds, order) for order in chance),
        computing_s(shape),
        took,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="random mappings to average")
    parser.add_argument("--sides", type=int, nargs="*", default=sorted(CASES), choices=sorted(CASES))
    options = parser.parse_args()
    print("Seconds of communication in a step, its share of the step, and that of the mapping over the planner's.\n")
    print("| mesh | training | computing | topology-aware | row-major | round-robin | random | mapped in |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for side in options.sides:
        for shape in CASES[side]:
            found = compare(side, shape, options.seeds)
            cells = [
                f"{seconds:.3g} s, {seconds / (seconds + found.computing):.1%}"
                + (f", x {seconds / found.aware:.2g}" if number else "")
                for number, seconds in enumerate(found[:4])
            ]
            row = (f"{side} x {side}", str(shape), f"{found.computing:.3g} s", *cells, f"{found.took:.2g} s")
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
