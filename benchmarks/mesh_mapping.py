"""A training step's traffic on a 2-D mesh: mapped by the planner, row-major, round-robin over boards, and at random.

Run: python benchmarks/mesh_mapping.py

A transformer is trained with tensor, pipeline and data parallelism; ranks are numbered as Megatron-LM does (tensor
parallel fastest, then data, then pipeline). Per step and device, in bytes:

- tensor parallel: 4 ring all-reduces per layer and micro-batch (2 forward, 2 backward) of the activations,
  sequence x hidden x 2 bytes (Shoeybi et al. 2019, arXiv 1909.08053);
- pipeline: activations forward and their gradients back per micro-batch, each tensor-parallel rank its share (Narayanan
  et al. 2021, arXiv 2104.04473, section 4.1);
- data parallel: one ring all-reduce of the gradients of the device's parameters, 2 bytes each.

A ring all-reduce of S bytes over n ranks sends 2 (n - 1) / n S from each rank to the next. The computing of a step is
96 B s l h^2 (1 + s / 6h + V / 16lh) FLOP (the same paper, equation 3, with recomputation) at half of 275 TFLOP/s; links
have 50 GB/s in each direction (the figures of a TPU v4 chip and one of its links). The three kinds of traffic follow
each other and are not overlapped with computing: a step's communication is the sum of the three busiest links' times.
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
    """A transformer and how it is trained. batch: sequences per step · micro-batches have one sequence."""

    name: str
    layers: int
    hidden: int
    sequence: int
    batch: int
    tensor: int
    pipeline: int
    data: int


CASES = {
    4: Shape("GPT-3 6.7B", 32, 4096, 2048, 64, tensor=4, pipeline=2, data=2),
    16: Shape("GPT-3 175B", 96, 12288, 2048, 1536, tensor=8, pipeline=8, data=4),
}


def rank_of(shape, tensor, data, pipeline):
    return (pipeline * shape.data + data) * shape.tensor + tensor


def traffic_of(shape):
    """Return the three kinds of traffic, each (from rank, to rank) -> bytes per step."""
    tensor, pipeline, data = Counter(), Counter(), Counter()
    micro_batches = shape.batch // shape.data
    activations = shape.sequence * shape.hidden * 2
    parameters = 12 * shape.layers * shape.hidden**2 / (shape.tensor * shape.pipeline)
    for p in range(shape.pipeline):
        for d in range(shape.data):
            for t in range(shape.tensor):
                rank = rank_of(shape, t, d, p)
                ring = 2 * (shape.tensor - 1) / shape.tensor * activations * 4
                tensor[rank, rank_of(shape, (t + 1) % shape.tensor, d, p)] += (
                    ring * micro_batches * shape.layers / shape.pipeline
                )
                ring = 2 * (shape.data - 1) / shape.data * parameters * 2
                data[rank, rank_of(shape, t, (d + 1) % shape.data, p)] += ring
                if p + 1 < shape.pipeline:
                    ahead = rank_of(shape, t, d, p + 1)
                    pipeline[rank, ahead] += micro_batches * activations / shape.tensor
                    pipeline[ahead, rank] += micro_batches * activations / shape.tensor
    return {"tensor": dict(tensor), "pipeline": dict(pipeline), "data": dict(data)}


def computing_s(shape):
    b, s, l, h = shape.batch, shape.sequence, shape.layers, shape.hidden  # noqa: E741 - the paper's letters
    flop = 96 * b * s * l * h**2 * (1 + s / (6 * h) + VOCABULARY / (16 * l * h))
    return flop / (shape.tensor * shape.pipeline * shape.data) / FLOP_PER_S


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


def measured(fabric, kinds, devices):
    """Return (communication seconds, hop-bytes) of a mapping."""
    costs = [weigh(fabric, traffic, devices) for traffic in kinds.values()]
    return sum(cost.busiest_s for cost in costs), sum(cost.hop_bytes for cost in costs)


def compare(side, seeds):
    shape, fabric = CASES[side], mesh(side)
    kinds = traffic_of(shape)
    together = Counter()
    for traffic in kinds.values():
        together.update(traffic)
    devices = fabric.devices
    begun = time.process_time()
    mapped = map_traffic(fabric, together, devices).devices
    took = time.process_time() - begun
    dealt = [devices[place] for place in over_boards(side)]
    chance = [measured(fabric, kinds, random.Random(seed).sample(devices, len(devices))) for seed in range(seeds)]
    rows = {
        "topology-aware": measured(fabric, kinds, mapped),
        "row-major": measured(fabric, kinds, devices),
        "round-robin": measured(fabric, kinds, dealt),
        f"random, mean of {seeds}": tuple(statistics.mean(column) for column in zip(*chance, strict=True)),
    }
    computing = computing_s(shape)
    print(
        f"\n{side} x {side}: {shape.name}, batch {shape.batch}, tensor {shape.tensor} x pipeline {shape.pipeline} x "
        f"data {shape.data}; computing {computing:.3g} s a step; mapped in {took:.2f} s of one core\n"
    )
    print("| mapping | communication | share of the step | hop-bytes | against topology-aware |")
    print("|---|---:|---:|---:|---:|")
    base = rows["topology-aware"][0]
    for name, (seconds, hop_bytes) in rows.items():
        share = seconds / (seconds + computing)
        print(f"| {name} | {seconds:.4g} s | {share:.1%} | {hop_bytes:.4g} | {seconds / base:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="random mappings to average")
    parser.add_argument("--sides", type=int, nargs="*", default=sorted(CASES), choices=sorted(CASES))
    options = parser.parse_args()
    for side in options.sides:
        compare(side, options.seeds)


if __name__ == "__main__":
    main()
