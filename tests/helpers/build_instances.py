"""Small builders of intents, options and fleets, and random instances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from aios.records.base import Span
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, MemoryTier, Node, Used
from aios.records.intent import Goal, Intent, ModelChoice, Requirement
from aios.records.metrics import metric
from aios.records.selection import ObjectiveValue, Placement, Selection, Termination
from aios.records.units import format_quantity

GIB = 2.0**30


def requirement(name: str, bound: float, line: int = 9) -> Requirement:
    of = metric(name)
    text = f"{name} {of.relation} {format_quantity(bound, of.dimension)}"
    return Requirement(metric=name, bound=bound, text=text, where=Span(file="intent.yaml", line=line, column=5))


def goal(text: str) -> Goal:
    """``minimize power``, ``minimize power within 0.1``."""
    words = text.split()
    return Goal(direction=words[0], metric=words[1], tolerance=float(words[3]) if len(words) > 2 else 0.0)


def intent(
    name: str = "a",
    require: Mapping[str, float] | Sequence[Requirement] = (),
    goals: Sequence[str] = ("minimize power",),
    **more: Any,
) -> Intent:
    where = Span(file="intent.yaml", line=1, column=1)
    bounds = (
        [requirement(n, b, 9 + i) for i, (n, b) in enumerate(require.items())] if isinstance(require, dict) else require
    )
    return Intent(
        name=name,
        task="image-classification",
        models=(ModelChoice(name="m", path="m.onnx", where=where),),
        require=tuple(bounds),
        goal=tuple(goal(text) for text in goals),
        where=where,
        **more,
    )


def estimate(name: str, value: float | tuple[float, float, float]) -> Estimate:
    low, middle, high = value if isinstance(value, tuple) else (value, value, value)
    return Estimate(
        metric=name, value=middle, low=low, high=high, unit=metric(name).unit, source="measured", basis="made up"
    )


def option(
    id: str = "a/1",
    metrics: Mapping[str, float | tuple[float, float, float]] | None = None,
    *,
    device: str = "cpu",
    nodes: tuple[str, ...] = ("local",),
    replicas: int = 1,
    devices: int = 1,
    machines: int = 1,
    share: float = 0.0,
    cores: int = 0,
    device_memory: float = 0.0,
    memory: float = 0.0,
    tiers: Mapping[str, float] | None = None,
    unknown: Mapping[str, str] | None = None,
) -> Priced:
    """``share`` 0 is no load at all."""
    return Priced(
        candidate=Candidate(
            id=id,
            intent=id.partition("/")[0],
            model="m",
            model_digest="sha256:0",
            device=device,
            nodes=nodes,
            executor="dryrun",
            precision="fp32",
            replicas=replicas,
            devices=devices,
            machines=machines,
        ),
        estimates={name: estimate(name, value) for name, value in (metrics or {}).items()},
        demand=Demand(
            share=share,
            cores=cores,
            device_memory_bytes=device_memory,
            node_memory_bytes=memory,
            tier_bytes=tiers or {},
        ),
        unknown=unknown or {},
    )


def node(name: str = "local", devices: Mapping[str, int] | None = None, **more: Any) -> Node:
    slots = tuple(
        DeviceSlot(type=t, ids=tuple(f"cpu{i}" if t.startswith("cpu") else str(i) for i in range(n)))
        for t, n in (devices or {"cpu": 1}).items()
    )
    return Node(name=name, devices=slots, **more)


def tier(name: str, gib: float) -> MemoryTier:
    return MemoryTier(name=name, kind="cxl", bytes=Fact(value=gib * GIB, unit="B"))


def fleet(*nodes: Node, memory: Mapping[str, float] | None = None) -> Fleet:
    """memory: device type -> bytes; types that start with ``cpu`` are cpus, all others gpus."""
    nodes = nodes or (node(cores=8),)
    names = {slot.type for n in nodes for slot in n.devices}
    types = {
        name: DeviceType(
            name=name,
            kind="cpu" if name.startswith("cpu") else "gpu",
            memory_bytes=Fact(value=(memory or {})[name], unit="B") if name in (memory or {}) else None,
        )
        for name in sorted(names)
    }
    return Fleet(name="lab", nodes=nodes, types=types, digest="sha256:0", origin="test")


# A specification by exhaustion: every choice, every placement.


def close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


# Random small instances.

_SHARES = st.dictionaries(st.sampled_from(["cpu0", "0", "1"]), st.sampled_from([0.25, 0.5, 1.0]))
NUMBERS = st.sampled_from([0.001, 0.25, 1.0, 2.0, 2.5, 3.0, 7.0])


@st.composite
def instances(draw: st.DrawFn) -> tuple[list[Intent], dict[str, list[Priced]], Fleet]:
    """Two intents at most, three options each, bounds that may or may not hold; a part takes up to two devices."""
    types = draw(st.sampled_from([("cpu",), ("cpu", "gpu"), ("gpu",)]))
    nodes = [
        node(
            name,
            {t: draw(st.integers(1, 1 if t == "cpu" else 3)) for t in types},
            count=draw(st.integers(1, 2)),
            cores=draw(st.sampled_from([None, 2, 4])),
            memory_bytes=draw(st.sampled_from([None, 2 * GIB, 4 * GIB])),
            memory_tiers=(tier("cxl", draw(st.sampled_from([1, 3]))),),
            used=draw(st.none() | st.builds(Used, cores=st.sampled_from([0, 1.5]), devices=_SHARES)),
        )
        for name in draw(st.sampled_from([("n",), ("n", "m")]))
    ]
    names = tuple(n.name for n in nodes)
    where = fleet(*nodes, memory=dict.fromkeys(types, 3 * GIB) if draw(st.booleans()) else {})
    intents, options = [], {}
    for name in draw(st.sampled_from([("a",), ("a", "b")])):
        bounds = draw(
            st.dictionaries(st.sampled_from(["latency.p99", "throughput", "accuracy.top1"]), NUMBERS, max_size=2)
        )
        goals = draw(
            st.lists(
                st.sampled_from(["minimize power", "maximize throughput", "minimize latency.p99"]),
                min_size=1,
                max_size=2,
                unique=True,
            )
        )
        intents.append(
            intent(
                name,
                bounds,
                goals,
                priority=draw(st.integers(0, 1)),
                risk=draw(st.sampled_from(["pessimistic", "expected"])),
            )
        )
        options[name] = [draw(_option(f"{name}/{k}", types, names)) for k in range(draw(st.integers(1, 3)))]
    return intents, options, where


@st.composite
def _option(draw: st.DrawFn, id: str, types: Sequence[str], nodes: tuple[str, ...]) -> Priced:
    values = {}
    for name in ("power", "throughput", "latency.p99", "accuracy.top1"):
        if draw(st.integers(0, 9)) > 0:
            middle = draw(NUMBERS)
            values[name] = (
                middle * draw(st.sampled_from([0.5, 1.0])),
                middle,
                middle * draw(st.sampled_from([1.0, 1.5])),
            )
    return option(
        id,
        values,
        device=draw(st.sampled_from(types)),
        nodes=draw(st.sampled_from([nodes, nodes[:1]])),
        replicas=draw(st.integers(1, 2)),
        devices=draw(st.sampled_from([1, 1, 2])),
        machines=draw(st.sampled_from([1, 1, 2])),
        share=draw(st.sampled_from([0.1, 1 / 3, 0.5, 0.75, 1.0])),
        cores=draw(st.integers(0, 3)),
        device_memory=draw(st.sampled_from([0.0, GIB, 2 * GIB])),
        memory=draw(st.sampled_from([0.0, GIB, 2 * GIB])),
        tiers=draw(st.sampled_from([{}, {"cxl": GIB}])),
    )


def hard(intents: int, options: int) -> tuple[list[Intent], dict[str, list[Priced]], Fleet]:
    """A knapsack: every option trades power for cores and memory of one machine. The same every time."""
    state = 12345

    def number(most: int) -> int:
        nonlocal state
        state = (1103515245 * state + 12345) % 2**31
        return (state >> 8) % most

    names = [f"i{k}" for k in range(intents)]
    rows = {}
    for name in names:
        rows[name] = []
        for k in range(options):
            cores = 1 + number(6)
            power = 40 / cores + number(10**6) / 10**6
            rows[name].append(
                option(
                    f"{name}/{k}",
                    {"power": power, "latency.p99": number(1000) / 1000},
                    cores=cores,
                    share=cores / (4 * intents),
                    memory=float(number(4 * 10**9)),
                )
            )
    machine = node(cores=3 * intents, memory_bytes=1.5e9 * intents)
    return [intent(name, {"latency.p99": 0.8}) for name in names], rows, fleet(machine)


def selection(
    chosen: Mapping[str, Priced],
    placed: Mapping[str, tuple[Priced, Sequence[tuple[Node, str, str]], Sequence[int]]],
    objective: Sequence[ObjectiveValue] = (),
    status: str = "feasible",
) -> Selection:
    """A selection that nobody solved for."""
    termination = Termination(stopped="limit", found=True, seed=0, workers=1, deterministic_limit=1.0, version="none")
    placement = {
        name: tuple(
            Placement(node=instance, devices=block, share=priced.demand.share, replicas=count)
            for (_, instance, block), count in zip(slots, counts, strict=False)
            if count
        )
        for name, (priced, slots, counts) in placed.items()
    }
    return Selection(
        status=status, chosen=chosen, placement=placement, objective=tuple(objective), termination=termination
    )
