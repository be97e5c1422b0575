"""Services and a fleet that are made up, but tight: what `joint.py` and `replanning.py` plan.

Rates are such that the cheapest ways to run everything would take more of the good devices than there are, and about a
given load of all; classes differ in device, devices per machine, cores and memory, some are scarce. A replica takes a
share of a device, a whole one, or several side by side.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 -- seeded: which services and machines there are
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aios.records.base import Span, trusted
from aios.records.candidate import Candidate, Demand, Estimate, Priced
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Goal, Intent, ModelChoice, Requirement
from aios.records.metrics import metric

GIB = 2.0**30
WHERE = Span(file="made-up", line=1, column=1)


class Device(NamedTuple):
    """rate: floating-point operations per second it reaches at 16 bits · memory: bytes · price: USD/h · power: W"""

    name: str
    rate: float
    memory: float
    price: float
    power: float


class Case(NamedTuple):
    """What is to be planned."""

    intents: Sequence[Intent]
    options: Mapping[str, Sequence[Priced]]
    fleet: Fleet


def devices_of(draw: random.Random, number: int) -> list[Device]:
    """Return device types: newer ones are faster, and cheaper for what they do, but not by the same factor."""
    found = []
    for index in range(number):
        rate = 20e12 * 1.1**index * draw.uniform(0.75, 1.3)
        memory = draw.choice((16, 24, 32, 40, 48, 80)) * GIB
        price = 0.35 * (rate / 20e12) ** draw.uniform(0.8, 1.1) * draw.uniform(0.7, 1.3)
        found.append(Device(f"device-{index:02d}", rate, memory, price, 60 * (rate / 20e12) ** 0.6))
    return found


def fleet_of(draw: random.Random, kinds: Sequence[Device], classes: int, devices: int, times: int) -> Fleet:
    """Return a fleet of so many classes of machines; a fifth of them is scarce."""
    weights = [0.15 if index % 5 == 0 else draw.uniform(0.6, 1.6) for index in range(classes)]
    nodes = []
    for index, weight in enumerate(weights):
        each = draw.choice((1, 2, 4, 4, 8, 8))
        count = max(1, round(devices * weight / sum(weights) / each))
        kind = kinds[index % len(kinds)]
        cores = each * draw.choice((4, 5, 6, 8, 16))
        memory = each * draw.choice((12, 16, 24, 48, 96)) * GIB
        slot = DeviceSlot(type=kind.name, ids=tuple(map(str, range(each))))
        nodes.append(
            Node(name=f"class-{index:02d}", count=count * times, cores=cores, memory_bytes=memory, devices=(slot,))
        )
    types = {
        kind.name: DeviceType(name=kind.name, kind="gpu", memory_bytes=Fact(value=kind.memory, unit="B"))
        for kind in kinds
    }
    return Fleet(name="made-up", nodes=tuple(nodes), types=types, digest="sha256:0", origin="made-up")


class Service(NamedTuple):
    """work: operations of a request · weights: bytes at 16 bits · rate: requests/s · strict: share of its ways to run
    that are too slow"""

    name: str
    work: float
    weights: float
    rate: float
    strict: float


def services_of(draw: random.Random, number: int, each: float, kinds: Sequence[Device]) -> list[Service]:
    """Return services that take about ``each`` of the middle device on average, some much more than others."""
    middle = kinds[len(kinds) // 2].rate * 0.5
    found = []
    for index in range(number):
        work = 10 ** draw.uniform(9.5, 12.5)
        weights = min(120.0, 0.3 * (work / 1e10) ** 0.75 * draw.uniform(0.5, 2.0)) * GIB
        rate = each * draw.lognormvariate(-0.32, 0.8) * middle / work
        found.append(Service(f"service-{index:05d}", work, weights, rate, draw.uniform(0.1, 0.7)))
    return found


PRECISIONS = {"fp16": (1.0, 1.0), "int8": (1.7, 0.5), "fp8": (1.55, 0.5), "int4": (1.9, 0.28)}
"""Precision -> times as fast, times as large."""
GIVEN = set(Candidate.model_fields)


def options_of(
    draw: random.Random, service: Service, kinds: Sequence[Device], nodes: Mapping[str, tuple[str, ...]], number: int
) -> list[Priced]:
    """Return so many ways to run a service, each with what it costs and takes."""
    ways = [
        (kind, precision, batch, spare)
        for kind in kinds
        for precision in PRECISIONS
        for batch in (1, 2, 4, 8, 16, 32)
        for spare in (0, 1, 3)
    ]
    draw.shuffle(ways)
    found = []
    for kind, precision, batch, spare in ways:
        priced = _way(service, kind, precision, batch, spare, nodes[kind.name])
        if priced is not None:
            found.append(priced)
        if len(found) == number:
            break
    return found


def _way(
    service: Service, kind: Device, precision: str, batch: int, spare: int, nodes: tuple[str, ...]
) -> Priced | None:
    faster, size = PRECISIONS[precision]
    needed = service.weights * size * 1.1 + batch * 0.02 * service.weights + 0.4 * GIB
    wide = next((many for many in (1, 2, 4, 8) if needed / many <= kind.memory), None)
    if wide is None:
        return None
    rate = kind.rate * faster * 0.5 * batch / (batch + 3.0) * wide**0.85 / service.work
    replicas = max(1, -(-service.rate // (0.75 * rate))) + spare
    used = service.rate / (replicas * rate)
    share = 1.0 if wide > 1 else round(max(0.05, min(1.0, used * 1.15)) + 0.005, 2)
    share = min(share, 1.0)
    latency = batch / rate * (1 + used / (1 - used))
    cost = kind.price * share * wide * replicas * (1.0 + 0.02 * (batch == 1))
    power = kind.power * wide * replicas * (0.3 * share + 0.7 * used)
    name = f"{service.name}/{kind.name}/{precision}/b{batch}/r{int(replicas)}"
    candidate = {
        **_CANDIDATE, "id": name, "intent": service.name, "device": kind.name, "nodes": nodes, "precision": precision,
        "batch": batch, "replicas": int(replicas), "devices": wide,
    }  # fmt: skip
    demand = Demand(
        share=share,
        cores=max(1, round(share * wide * 6 + 0.4)),
        device_memory_bytes=float(round(needed / wide)),
        node_memory_bytes=float(round(1.5 * GIB + 0.6 * service.weights * size)),
    )
    figures = {"cost": cost, "power": power, "latency.p99": latency * 2.5}
    return trusted(
        Priced,
        {
            "candidate": trusted(Candidate, candidate, GIVEN),
            "estimates": {name: _estimate(name, value) for name, value in figures.items()},
            "demand": demand, "unknown": {}, "residences": (), "notes": (), "periods": (), "pieces": 0,
        },
        set(Priced.model_fields),
    )  # fmt: skip


_CANDIDATE: dict[str, Any] = dict(
    Candidate(
        id="", intent="", model="m", model_digest="sha256:0", device="", nodes=(), executor="dryrun", precision=""
    )
)
_ESTIMATED = set(Estimate.model_fields)


def _estimate(name: str, value: float) -> Estimate:
    fields = {
        "metric": name, "value": value, "low": value, "high": value, "unit": metric(name).unit, "source": "analytic",
        "basis": "made up",
    }  # fmt: skip
    return trusted(Estimate, fields, _ESTIMATED)


def intent_of(service: Service, options: Sequence[Priced], goals: Sequence[str]) -> Intent:
    """Return the intent of a service."""
    times = sorted(option.estimates["latency.p99"].value for option in options)
    most = times[int((1 - service.strict) * (len(times) - 1))]
    bound = Requirement(metric="latency.p99", bound=most, text="latency.p99", where=WHERE)
    parsed = [words.split() for words in goals]
    return Intent(
        name=service.name,
        task="image-classification",
        models=(ModelChoice(name="m", path="m.onnx", where=WHERE),),
        require=(bound,),
        goal=tuple(Goal(direction=w[0], metric=w[1], tolerance=float(w[3]) if len(w) > 3 else 0.0) for w in parsed),
        where=WHERE,
    )


def case_of(args: argparse.Namespace, seed: int) -> Case:
    """Return services, all their ways to run, and the fleet."""
    draw = random.Random(seed)
    kinds = devices_of(draw, max(2, round(0.4 * args.classes)))
    fleet = fleet_of(draw, kinds, args.classes, args.devices, args.nodes_times)
    nodes: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for node in fleet.nodes:
        nodes[node.devices[0].type] += (node.name,)
    kinds = [kind for kind in kinds if kind.name in nodes]
    services = services_of(draw, args.intents, args.load * args.devices / args.intents, kinds)
    options = {service.name: options_of(draw, service, kinds, nodes, args.candidates) for service in services}
    return Case([intent_of(service, options[service.name], args.goals) for service in services], options, fleet)
