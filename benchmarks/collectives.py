"""Predicted against measured time of collective operations, and the constants that the prediction rests on.

    python benchmarks/collectives.py --aiconfigurator TABLE.csv --vidur TABLE.csv [--fit] [--write FILE.yaml]

The tables are those of ai-dynamo/aiconfigurator (``comm`` data: system, library, op, dtype, n_gpu, message_size in
elements, latency_ms) and microsoft/vidur (``profiling/network``: node, op, n_gpu, devices_per_node, size in bytes,
median_ms), as CSV with these columns. Without ``--fit`` the constants of ``hardware/interconnects.yaml`` are judged.
``--fit`` fits them again: once on all rows, and once without each group (system, operation, number of devices) to
predict what the fit has not seen; ``--write`` puts the constants into a file of that form.
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from measured_collectives import BRIDGED, HARDWARE, NVSWITCH, Group, aiconfigurator, courses, vidur

from aios.cost.collectives import PRIOR, constants_of, lines_of
from aios.fleet.interconnects import load_interconnects
from aios.records.fabric import Calibration, InterconnectType

# ---- prediction


def predicted(group: Group, kinds: dict[str, InterconnectType]) -> np.ndarray:
    """Return times (s), the shape of ``group.sizes``: the rule of ``aios.cost.collectives.quickest`` over arrays."""
    times = np.full(group.sizes.shape, np.inf)
    for course in courses(group.system, group.operation, group.count, group.per_node):
        for library in ("custom", "nccl") if group.library == "custom" else (group.library,):
            stated = [
                next((c for c in kinds[kind].calibrations if (c.library, c.kernels) == (library, course.kernels)), None)
                for kind in course.kinds()
            ]
            if course.kernels == "direct" and (library != "custom" or None in stated):
                continue
            if course.kernels != "direct" and library == "custom":
                continue
            if course.algorithm in ("hierarchical", "tree") and library == "nccl":
                continue
            if course.algorithm == "in-switch" and not (group.sums and all(c and c.in_switch_share for c in stated)):
                continue
            most = min((c.most_bytes or np.inf for c in stated if c and course.kernels == "direct"), default=np.inf)
            constants = {kind: constants_of(kinds[kind], library, course.kernels) for kind in course.kinds()}
            for line in lines_of(course, constants):
                times = np.minimum(times, np.where(group.sizes <= most, line.at(group.sizes), np.inf))
    return times


# ---- fitting

FIELDS = ("start_s", "hop_s", "quick_share", "bulk_start_s", "bulk_share", "local_share")
TRUNK = ("hop_s", "quick_share", "bulk_share")  # of what lies between devices' own links: no start of its own
DIRECT = ("start_s", "hop_s", "quick_share", "bulk_start_s", "bulk_share")
FIRST = {"start_s": 6e-6, "hop_s": 1e-6, "quick_share": 0.25, "bulk_start_s": 12e-6, "bulk_share": 0.7,
         "local_share": 0.3, "in_switch_start_s": 50e-6, "in_switch_share": 0.7}  # fmt: skip
RING_OPERATIONS = ("all-reduce", "all-gather", "reduce-scatter")


Constants = dict[tuple[str, str, str], Calibration]  # by kind, library, kernels


class Task(NamedTuple):
    """Constants that are fitted together, and the measurements that they are fitted on."""

    constants: tuple[tuple[str, str, str, tuple[str, ...]], ...]  # kind, library, kernels, fields
    systems: tuple[str, ...]
    libraries: tuple[str, ...]
    operations: tuple[str, ...]
    internode: bool = False
    counts: tuple[int, ...] = ()  # of devices; empty for any

    def uses(self, group: Group) -> bool:
        """Whether a group's prediction rests on these constants."""
        if group.operation not in self.operations or group.library not in (*self.libraries, "custom"):
            return False
        mine = {item[0] for item in self.constants}
        made = courses(group.system, group.operation, group.count, group.per_node)
        return any(mine & set(course.kinds()) for course in made)

    def takes(self, group: Group) -> bool:
        return (
            group.system in self.systems
            and group.library in self.libraries
            and group.operation in self.operations
            and (group.count != group.per_node) == self.internode
            and (not self.counts or group.count in self.counts)
        )


def _nvlink(kind: str) -> list[Task]:
    ring = FIELDS if kind == "nvlink3" else (*FIELDS, "in_switch_start_s", "in_switch_share")
    nodes = tuple(name for name, (own, _) in NVSWITCH.items() if own == kind)
    pairs = tuple(name for name, (own, _) in BRIDGED.items() if own == kind)
    return [
        Task(((kind, "nccl", "ring", ring),), nodes, ("nccl",), RING_OPERATIONS),
        Task(((kind, "nccl", "pairwise", FIELDS),), (*nodes, *pairs), ("nccl",), ("all-to-all", "send-recv")),
        Task(((kind, "custom", "direct", DIRECT),), nodes, ("custom",), ("all-reduce",)),
    ]


def _box(kind: str, host: str, socket: str, system: str) -> list[Task]:
    tasks = []
    for kernels, operations in (("ring", RING_OPERATIONS), ("pairwise", ("all-to-all",))):
        if (system, kernels) == ("rtx_pro_6000_server", "pairwise"):  # measured on four cards only
            both = ((kind, "nccl", kernels, FIELDS), (host, "nccl", kernels, TRUNK))
            tasks.append(Task(both, (system,), ("nccl",), operations))
            continue
        ports = ((kind, "nccl", kernels, FIELDS),)
        parts = (ports, ((host, "nccl", kernels, TRUNK),), ((socket, "nccl", kernels, TRUNK),))
        for count, constants in zip((2, 4, 8), parts, strict=True):
            tasks.append(Task(constants, (system,), ("nccl",), operations, counts=(count,)))
    return tasks


TASKS = [
    *_nvlink("nvlink3"),
    *_nvlink("nvlink4"),
    *_nvlink("nvlink5"),
    *_box("pcie4-x16", "pcie4-host-bridge", "upi", "l40s"),
    *_box("pcie5-x16", "pcie5-host-bridge", "xgmi-socket", "rtx_pro_6000_server"),
    Task((("pcie5-x8", "oneccl", "ring", FIELDS),), ("b60",), ("oneccl",), RING_OPERATIONS),
    Task((("ethernet-100g", "nccl", "ring", TRUNK),), ("a100_dgx",), ("nccl",), RING_OPERATIONS, True),
    Task(
        (("ethernet-100g", "nccl", "pairwise", FIELDS),), ("a100_dgx", "a100_pairwise_nvlink"), ("nccl",),
        ("send-recv",), True,
    ),
    Task((("infiniband-ndr", "nccl", "pairwise", FIELDS),), ("h100_dgx",), ("nccl",), ("send-recv",), True),
]  # fmt: skip

MOST = {"nvlink3": 1 << 20}  # where the kernels hand over to nccl; larger workspaces on newer devices
MOST_DIRECT = 8e6


def kinds_with(found: Constants) -> dict[str, InterconnectType]:
    kinds: dict[str, list[Calibration]] = defaultdict(list)
    for (kind, _, _), calibration in found.items():
        kinds[kind].append(calibration)
    every = {item[0] for task in TASKS for item in task.constants}
    return {kind: InterconnectType(name=kind, calibrations=tuple(kinds[kind])) for kind in every}


def calibration(kind: str, library: str, kernels: str, values: dict[str, float]) -> Calibration:
    base = {"start_s": 0.0, "bulk_start_s": 0.0, "local_share": 0.0}
    most = MOST.get(kind, MOST_DIRECT) if kernels == "direct" else None
    fields = {**base, **values, "library": library, "kernels": kernels, "most_bytes": most}
    return PRIOR.model_copy(update={**fields, "source": "calibrated", "ref": None})


def minimum(cost: Callable[[np.ndarray], float], start: np.ndarray, steps: int) -> np.ndarray:
    """Return where Nelder and Mead's simplex (Computer Journal 7, 1965) ends, restarted twice."""
    best = start
    for spread in (0.3, 0.15, 0.3):
        corners = [best, *(best + spread * unit for unit in np.eye(len(best)))]
        values = [cost(corner) for corner in corners]
        for _ in range(steps):
            order = np.argsort(values)
            corners, values = [corners[i] for i in order], [values[i] for i in order]
            if values[-1] - values[0] < 1e-6:
                break
            middle = np.mean(corners[:-1], axis=0)
            reflected = 2 * middle - corners[-1]
            value = cost(reflected)
            if value < values[0]:
                further = 3 * middle - 2 * corners[-1]
                again = cost(further)
                corners[-1], values[-1] = (further, again) if again < value else (reflected, value)
            elif value < values[-2]:
                corners[-1], values[-1] = reflected, value
            else:
                nearer = (middle + corners[-1]) / 2
                value = cost(nearer)
                if value < values[-1]:
                    corners[-1], values[-1] = nearer, value
                else:
                    corners = [corners[0], *((corners[0] + corner) / 2 for corner in corners[1:])]
                    values = [values[0], *(cost(corner) for corner in corners[1:])]
        best = corners[int(np.argmin(values))]
    return best


Names = list[tuple[int, str]]  # which of a task's constants, and its field


def named(logs: np.ndarray, task: Task, names: Names) -> Constants:
    """Return the constants whose logarithms these are, in the order of ``names``."""
    values: list[dict[str, float]] = [{} for _ in task.constants]
    for (number, field), log in zip(names, np.clip(logs, -40, 2), strict=True):
        values[number][field] = float(min(np.exp(log), 1.0))
    for item, value in zip(task.constants, values, strict=True):
        if item[2] != "direct":  # bulk protocols send nothing but data; flags are what makes others quick
            value["bulk_share"] = max(value["bulk_share"], value["quick_share"])
    return {item[:3]: calibration(*item[:3], value) for item, value in zip(task.constants, values, strict=True)}


def misfit(
    logs: np.ndarray, task: Task, names: Names, start: np.ndarray, groups: Sequence[Group], found: Constants
) -> float:
    """Return the mean absolute logarithm of predicted over measured, and a little for leaving the start."""
    kinds = kinds_with({**found, **named(logs, task, names)})
    off = [np.abs(np.log(predicted(group, kinds) / group.times)) for group in groups]
    return float(np.mean(np.concatenate(off))) + 1e-3 * float(np.mean(np.abs(logs - start)))


def fit(groups: Sequence[Group], known: Constants | None = None, tasks: Sequence[Task] = TASKS) -> Constants:
    """Return ``known`` with the constants of ``tasks``: least mean absolute logarithm of predicted over measured.

    What a task has no measurements for is left out.
    """
    found = dict(known or {})
    for task in tasks:
        mine = [group for group in groups if task.takes(group)]
        names = [(number, field) for number, item in enumerate(task.constants) for field in item[3]]
        start = np.log([FIRST[field] for _, field in names])
        for item in task.constants:
            found.pop(item[:3], None)
        if mine:
            early = np.array([np.log(0.02) if field == "quick_share" else 0.0 for _, field in names])
            slow = np.array([np.log(0.04) if field.endswith("share") else 0.0 for _, field in names])
            # Where quick is slow, bulk takes over early; where both are, a simplex would not find out from afar.
            starts = (start, np.where(early, early, start), np.where(slow, slow, start))
            cost = partial(misfit, task=task, names=names, start=start, groups=mine, found=dict(found))
            found |= named(min((minimum(cost, first, 60 * len(names)) for first in starts), key=cost), task, names)
    return found


# ---- reports


class Row(NamedTuple):
    group: Group
    size: float
    ratio: float  # measured / predicted


def rows_of(groups: Iterable[Group], kinds: dict[str, InterconnectType]) -> list[Row]:
    return [
        Row(group, size, time / value)
        for group in groups
        for size, time, value in zip(group.sizes, group.times, predicted(group, kinds), strict=True)
    ]


def report(title: str, rows: Sequence[Row]) -> None:
    print(f"\n{title}\n\n| rows of | rows | median error | p90 | < 1 MiB | >= 1 MiB |\n|---|---:|---:|---:|---:|---:|")
    names: dict[str, Callable[[Row], bool]] = {"all": lambda _: True}
    for operation in sorted({row.group.operation for row in rows}):
        names[operation] = lambda row, operation=operation: row.group.operation == operation
    for key in sorted({(row.group.system, row.group.library) for row in rows}):
        names[" ".join(key)] = lambda row, key=key: (row.group.system, row.group.library) == key
    for name, takes in names.items():
        errors = [(row.size, abs(1 / row.ratio - 1)) for row in rows if takes(row)]
        if not errors:
            continue
        small = [error for size, error in errors if size < 1 << 20]
        large = [error for size, error in errors if size >= 1 << 20]
        shown = [
            f"{statistics.median(part):.1%}" if part else "-" for part in ([error for _, error in errors], small, large)
        ]
        p90 = np.quantile([error for _, error in errors], 0.9)
        print(f"| {name} | {len(errors)} | {shown[0]} | {p90:.1%} | {shown[1]} | {shown[2]} |")


def spread(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the multiples of the prediction between which 90 % of what was measured lies.

    They enclose 93 % of the rows at hand: groups differ more from each other than rows of one group do, and with a
    dozen groups per fit the next one falls outside of what these show more often than one time in ten.
    """
    low, high = np.quantile(ratios, [0.035, 0.965])
    return min(float(low), 1.0), max(float(high), 1.0)


def coverage(rows: Sequence[Row]) -> float:
    """Return the share of rows inside the interval that the other groups' errors suggest (see ``left_out``)."""
    inside: list[bool] = []
    for task in TASKS:
        mine = [row for row in rows if task.takes(row.group)]
        for like in {row.group.like for row in mine}:
            others = [row.ratio for row in mine if row.group.like != like]
            if others:
                low, high = spread(others)
                here = [row.ratio for row in mine if row.group.like == like]
                inside += [low <= ratio <= high for ratio in here]
    return sum(inside) / len(inside)


def left_out(groups: Sequence[Group], everything: Constants) -> list[Row]:
    """Return every group as constants see it that were fitted without it and its like.

    Its like: the same system, operation and number of devices, whatever the type or library. Groups whose constants
    nothing else could be fitted on are not among them.
    """
    rows: list[Row] = []
    for like in sorted({group.like for group in groups}):
        out = [group for group in groups if group.like == like]
        rest = [group for group in groups if group.like != like]
        tasks = [task for task in TASKS if any(task.takes(group) for group in out)]
        known = fit(rest, everything, tasks)
        if all(item[:3] in known for task in tasks for item in task.constants):
            rows += rows_of(out, kinds_with(known))
    return rows


def main() -> None:
    """Print tables of errors; with ``--fit`` also those of groups left out of the fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aiconfigurator", type=Path, required=True)
    parser.add_argument("--vidur", type=Path, required=True)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    groups = [*aiconfigurator(options.aiconfigurator), *vidur(options.vidur)]
    shipped = dict(load_interconnects(HARDWARE / "interconnects.yaml"))
    report("Shipped constants", rows_of(groups, shipped))
    if not options.fit:
        return
    found = fit(groups)
    report("Fitted on all rows", inside := rows_of(groups, kinds_with(found)))
    report("Whole groups left out of the fit", outside := left_out(groups, found))
    if outside:
        print(f"\n90 % intervals taken from other groups hold {coverage(outside):.0%} of the rows left out.")
    if options.write:
        options.write.write_text(written(found, inside, outside))


def written(found: Constants, inside: Sequence[Row], outside: Sequence[Row]) -> str:
    """Return the calibrations as they stand in the file of interconnects.

    The interval comes from groups that the fit has not seen; where none could be left out, from those that it has seen,
    half as wide again.
    """
    out: dict[str, list[dict[str, object]]] = defaultdict(list)
    for task in TASKS:
        unseen = [row for row in outside if task.uses(row.group)]
        seen = [row for row in inside if task.uses(row.group)]
        if any(item[:3] not in found for item in task.constants):
            continue  # the tables have nothing to fit it on
        low, high = spread([row.ratio for row in unseen or seen])
        errors = [f"median {statistics.median([abs(1 / row.ratio - 1) for row in seen]):.0%}"]
        if unseen:
            errors.append(f"{statistics.median([abs(1 / row.ratio - 1) for row in unseen]):.0%} on groups left out")
        else:
            errors.append("no other group to judge it by")
            low, high = low / 1.5, high * 1.5
        for kind, library, kernels, _ in task.constants:
            item = found[kind, library, kernels]
            entry = {
                "library": library, "kernels": kernels,
                "start": f"{item.start_s * 1e6:.3g} us", "hop": f"{item.hop_s * 1e6:.3g} us",
                "quick": f"{item.quick_share * 100:.3g} %", "bulk_start": f"{item.bulk_start_s * 1e6:.3g} us",
                "bulk": f"{item.bulk_share * 100:.3g} %", "local": round(item.local_share, 2),
                "in_switch_start": f"{item.in_switch_start_s * 1e6:.3g} us" if item.in_switch_start_s else None,
                "in_switch": f"{item.in_switch_share * 100:.3g} %" if item.in_switch_share else None,
                "most": f"{item.most_bytes:.0f} B" if item.most_bytes else None,
                "low": float(f"{low:.2g}"), "high": float(f"{high:.3g}"), "error": "; ".join(errors),
            }  # fmt: skip
            out[kind].append({name: value for name, value in entry.items() if value is not None})
    return yaml.safe_dump(dict(out), sort_keys=False, width=1000)


if __name__ == "__main__":
    main()
