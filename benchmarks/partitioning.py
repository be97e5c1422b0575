"""Published networks split over accelerators and a processor: the largest load against the human expert's.

python benchmarks/partitioning.py FOLDER [--only LayerGraphs/bert24 ...]

FOLDER holds ``dnn_partitioning.jsonl.gz``, a line per network (msr-fiddle/dnn-partitioning; Tarnawski et al., Efficient
Algorithms for Device Placement of DNN Graph Operators, NeurIPS 2020): operators with their time on a processor and on
an accelerator, bytes and colour (operators of one colour stay together), edges with the time that what they carry takes
between an accelerator and the host, and, for some, an expert's split; for training the expert's is that of the forward
pass, each backward operator beside the forward operator of its colour. Loads and memory are added up here again, from
the file alone. Every network is split twice: in contiguous parts, and in any.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aios.solve import Limits
from aios.solve.cpsat import Engine
from aios.solve.sharding import Devices, Graph, Operator, Unfit, shard

SECONDS = 1e-3
"""Of the file's unit of time."""
ACCELERATOR, PROCESSOR = 0, 1


def networks(path: Path) -> list[dict[str, Any]]:
    """Return the networks of a file, each with its operators by id; experts' splits of inference serve training too."""
    with gzip.open(path, "rt") as lines:
        found = [network for network in map(json.loads, lines) if "nodes" in network]
    experts = {network["instance"]: network["human_expert"] for network in found}
    for network in found:
        network["by_id"] = {row[0]: dict(zip(network["node_columns"], row, strict=True)) for row in network["nodes"]}
        forward = network["instance"].replace("_training", "_inference")
        network["expert"] = network["human_expert"] or experts.get(forward)
    return found


def graph_of(network: Mapping[str, Any]) -> Graph:
    """Return a network as operators on two kinds of devices."""
    transfer = {source: cost for source, _, cost in network["edges"]}
    place = {name: index for index, name in enumerate(network["by_id"])}
    operators = tuple(
        Operator(
            (own["accel_ms"] * SECONDS if own["on_accel"] else None, own["cpu_ms"] * SECONDS),
            round(own["bytes"]),
            transfer.get(name, 0.0) * SECONDS,
            own["color"],
            bool(own["backward"]),
        )
        for name, own in network["by_id"].items()
    )
    edges = tuple((place[source], place[target]) for source, target, _ in network["edges"])
    accelerators = Devices(network["max_accel"], int(network["max_size_per_accel"]), pays=True)
    return Graph(operators, edges, (accelerators, Devices(network["max_cpu"], None, pays=False)))


def expert_parts(network: Mapping[str, Any]) -> list[tuple[int, set[int]]] | None:
    """Return the expert's parts with the kind of device of each, or None where there is no expert."""
    if not network["expert"]:
        return None
    parts = [(ACCELERATOR, set(own["nodes"])) for own in network["expert"]["fpgas"]]
    parts += [(PROCESSOR, set(own["nodes"])) for own in network["expert"]["cpus"]]
    placed = {name for _, own in parts for name in own}
    for _, own in parts:
        colours = {network["by_id"][name]["color"] for name in own} - {None}
        more = (name for name, node in network["by_id"].items() if name not in placed and node["color"] in colours)
        own.update(more)
    return parts


def largest_load(network: Mapping[str, Any], parts: Sequence[tuple[int, set[int]]]) -> float:
    """Return the largest load of a split, in the file's unit."""
    transfer = {source: cost for source, _, cost in network["edges"]}
    most = 0.0
    for kind, own in parts:
        column = "accel_ms" if kind == ACCELERATOR else "cpu_ms"
        load = sum(network["by_id"][name][column] for name in own)
        if kind == ACCELERATOR:
            load += sum(transfer[s] for s in {s for s, t, _ in network["edges"] if (s in own) != (t in own)})
        most = max(most, load)
    return most


def faults(network: Mapping[str, Any], parts: Sequence[tuple[int, set[int]]]) -> int:
    """Return how many rules a split breaks."""
    names = [name for _, own in parts for name in own]
    wrong: int = len(names) - len(set(names)) + len(set(network["by_id"]) ^ set(names))
    wrong += sum(kind == ACCELERATOR for kind, _ in parts) > network["max_accel"]
    wrong += sum(kind == PROCESSOR for kind, _ in parts) > network["max_cpu"]
    colours: dict[int, set[int]] = {}
    for index, (kind, own) in enumerate(parts):
        nodes = [network["by_id"][name] for name in own]
        if kind == ACCELERATOR:
            wrong += sum(node["bytes"] for node in nodes) > network["max_size_per_accel"]
            wrong += sum(not node["on_accel"] for node in nodes)
        for node in nodes:
            if node["color"] is not None:
                colours.setdefault(node["color"], set()).add(index)
    return wrong + sum(len(there) > 1 for there in colours.values())


def turns_back(network: Mapping[str, Any], parts: Sequence[tuple[int, set[int]]]) -> bool:
    """Say whether, going forward, something leaves a part and comes back to it by way of others."""
    where = {name: index for index, (_, own) in enumerate(parts) for name in own}
    ends = ((s, t) for s, t, _ in network["edges"] if not any(network["by_id"][end]["backward"] for end in (s, t)))
    after = {(where[source], where[target]) for source, target in ends if where[source] != where[target]}
    left = set(range(len(parts)))
    while left:
        first = {part for part in left if not any(source in left and target == part for source, target in after)}
        if not first:
            return True
        left -= first
    return False


def rows(network: dict[str, Any]) -> Iterator[str]:
    """Yield a row per way to split a network."""
    graph, expert = graph_of(network), expert_parts(network)
    human = largest_load(network, expert) if expert and not faults(network, expert) else None
    for contiguous in (True, False):
        start = time.process_time()
        answer = shard(graph, Engine(Limits()), contiguous=contiguous)
        seconds = time.process_time() - start
        cells: list[object] = [network["instance"], "contiguous" if contiguous else "any"]
        if isinstance(answer, Unfit):
            yield "| " + " | ".join(map(str, [*cells, "-", "-", "-", "-", "-", "-", f"{seconds:.1f}"])) + " |"
            continue
        held: dict[tuple[int, int], set[int]] = {}
        for name, device in zip(network["by_id"], answer.devices, strict=True):
            held.setdefault(device, set()).add(name)
        parts = [(device[0], own) for device, own in held.items()]
        value, bound = largest_load(network, parts), answer.bound / SECONDS
        wrong = faults(network, parts) + (contiguous and turns_back(network, parts))
        cells += [f"{value:.3f}", f"{bound:.3f}", f"{(value - bound) / value:.2%}"]
        cells += [f"{human:.3f}" if human else "-", f"{value / human:.3f}" if human else "-", wrong, f"{seconds:.1f}"]
        yield "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Print a row per network and way to split it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names")
    given = parser.parse_args()
    print("| network | parts | largest load, ms | bound | gap | expert | of the expert's | faults | CPU seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for network in networks(given.folder / "dnn_partitioning.jsonl.gz"):
        if network["instance"].startswith((*given.only,)):
            for row in rows(network):
                print(row, flush=True)
    print(f"peak memory: {round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)} MiB")


if __name__ == "__main__":
    main()
