"""Pipelines of few stages on few machines: builders, random instances, and what is best by trying everything."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import build_instances
from brute_force import placements
from hypothesis import strategies as st

from aios.records.base import Span
from aios.records.candidate import Priced
from aios.records.fabric import Edge, Fabric
from aios.records.fleet import Fleet
from aios.records.intent import Intent, Pipeline, Requirement, Stage
from aios.records.joins import Joins
from aios.records.selection import Placement

WHERE = Span(file="pipeline.yaml", line=7, column=14)


def stage(name: str, *after: str, per: int = 1, produces: float | None = 0.0) -> Stage:
    return Stage(name=name, after=after, per=per, produces_bytes=produces, where=WHERE)


def pipeline(*stages: Stage, require: Sequence[Requirement] = (), name: str = "p") -> Pipeline:
    return Pipeline(name=name, stages=stages, require=tuple(require), where=WHERE)


def intents_of(of: Pipeline, **more: object) -> list[Intent]:
    return [build_instances.intent(of.called(item), pipeline=of, **more) for item in of.stages]


def option(intent: str, number: int, metrics: Mapping[str, float], **more: object) -> Priced:
    found = build_instances.option(f"{intent}/{number}", metrics, **more)
    return found.model_copy(update={"candidate": found.candidate.model_copy(update={"intent": intent})})


def joins_of(links: Mapping[tuple[str, str], tuple[float, float]]) -> Joins:
    """links: two machines -> bandwidth (bytes/s) and latency (s)"""
    edges = [Edge(f"{a}#host", f"{b}#host", *link, None) for (a, b), link in links.items()]
    machines = dict.fromkeys(name for pair in links for name in pair)
    return Joins(Fabric(devices=(), edges=tuple(edges)), machines)


def paths(of: Pipeline) -> Iterator[list[Stage]]:
    """Yield every way from a stage that takes the request to one that nobody takes from."""
    following = {item.name: [other for other in of.stages if item.name in other.after] for item in of.stages}

    def on(path: list[Stage]) -> Iterator[list[Stage]]:
        if not following[path[-1].name]:
            yield path
        for other in following[path[-1].name]:
            yield from on([*path, other])

    for item in of.stages:
        if not item.after:
            yield from on([item])


Link = tuple[float, float]


def handed(first: Stage, then: Stage, here: str, there: str, links: Mapping[tuple[str, str], Link]) -> float:
    """Return how long handing over takes on a direct link; inf where there is none."""
    if here == there:
        return 0.0
    link = links.get((here, there)) or links.get((there, here))
    if link is None or first.produces_bytes is None:
        return math.inf
    return max(first.per, then.per) * link[1] + first.per * first.produces_bytes / link[0]


def end_to_end(
    of: Pipeline,
    chosen: Mapping[str, Priced],
    placed: Mapping[str, Sequence[Placement]],
    links: Mapping[tuple[str, str], Link],
    name: str = "latency.p99",
) -> float:
    """Return the slowest path, over every way from machine to machine."""
    slowest = 0.0
    for path in paths(of):
        time = sum(item.per * chosen[of.called(item)].estimates[name].high for item in path)
        for first, then in itertools.pairwise(path):
            nodes = [{part.node for part in placed[of.called(item)]} for item in (first, then)]
            time += max(handed(first, then, *pair, links) for pair in itertools.product(*nodes))
        slowest = max(slowest, time)
    return slowest


def keeps(
    of: Pipeline,
    chosen: Mapping[str, Priced],
    placed: Mapping[str, Sequence[Placement]],
    links: Mapping[tuple[str, str], Link],
) -> bool:
    for bound in of.require:
        if bound.metric.startswith("latency."):
            value = end_to_end(of, chosen, placed, links, bound.metric)
        elif bound.metric.startswith("accuracy."):
            low = math.prod(chosen[of.called(item)].estimates[bound.metric].low for item in of.stages)
            if low < bound.bound * (1 - 1e-8):
                return False
            continue
        else:
            each = [item.per if bound.metric == "energy" else 1 for item in of.stages]
            own = [chosen[of.called(item)].estimates[bound.metric].high for item in of.stages]
            value = sum(times * amount for times, amount in zip(each, own, strict=True))
        if value > bound.bound * (1 + 1e-8):
            return False
    return True


def cheapest(
    of: Pipeline,
    options: Mapping[str, Sequence[Priced]],
    fleet: Fleet,
    links: Mapping[tuple[str, str], Link],
    goal: str = "power",
) -> float | None:
    """Return the least that a plan takes; None where there is none."""
    names = [of.called(item) for item in of.stages]
    best = None
    for row in itertools.product(*(options[name] for name in names)):
        each = [item.per if goal == "energy" else 1 for item in of.stages]
        cost = sum(times * priced.estimates[goal].value for times, priced in zip(each, row, strict=True))
        if best is not None and cost >= best:
            continue
        chosen = dict(zip(names, row, strict=True))
        found = (dict(zip(names, places, strict=True)) for places in placements(fleet, row))
        if any(keeps(of, chosen, placed, links) for placed in found):
            best = cost
    return best


_SHAPES = st.sampled_from([((), ("a",)), ((), ("a",), ("b",)), ((), (), ("a", "b")), ((), ("a",), ("a",))])


@st.composite
def instances(
    draw: st.DrawFn,
) -> tuple[Pipeline, list[Intent], dict[str, list[Priced]], Fleet, dict[tuple[str, str], Link]]:
    """One pipeline of two or three stages on machines of two nodes that links of different speeds join, or nothing."""
    shape = draw(_SHAPES)
    times = st.sampled_from([0.0, 1.0, 2.0, 5.0])
    stages = [
        stage(name, *after, per=draw(st.sampled_from([1, 1, 2])), produces=draw(st.sampled_from([0.0, 1.0, 3.0, None])))
        for name, after in zip("abc", shape, strict=False)
    ]
    metrics = draw(
        st.lists(
            st.sampled_from(["latency.p99", "latency.p90", "energy", "accuracy.top1"]),
            min_size=1,
            max_size=2,
            unique=True,
        )
    )
    bounds = [
        build_instances.requirement(name, draw(st.sampled_from([0.3, 0.5] if "accuracy" in name else [3.0, 6.0, 9.0])))
        for name in metrics
    ]
    of = pipeline(*stages, require=bounds)
    goal = draw(st.sampled_from(["power", "energy"]))
    fleet = build_instances.fleet(
        build_instances.node("n", cores=draw(st.sampled_from([2, 3]))),
        build_instances.node("m", cores=draw(st.sampled_from([2, 3])), count=draw(st.sampled_from([1, 2]))),
    )
    machines = [name for node in fleet.nodes for name in node.instances()]
    bandwidth = draw(st.sampled_from([1.0, 2.0]))  # one of all, so that no way round is wider than the direct one
    links = {pair: (bandwidth, draw(st.sampled_from([0.0, 0.5, 1.0]))) for pair in itertools.combinations(machines, 2)}
    kept = {pair: link for pair, link in links.items() if draw(st.integers(0, 3))}
    if len(kept) < len(links):
        kept = {}  # else a way round over a third machine may be there
    options = {
        of.called(item): [
            option(
                of.called(item),
                number,
                {
                    "latency.p99": draw(times),
                    "latency.p90": draw(times),
                    "energy": draw(times),
                    "power": draw(times),
                    "accuracy.top1": draw(st.sampled_from([0.6, 0.9, 1.0])),
                },
                nodes=draw(st.sampled_from([("n", "m"), ("n",), ("m",)])),
                cores=1,
                replicas=draw(st.sampled_from([1, 1, 2])),
            )
            for number in range(draw(st.integers(1, 2)))
        ]
        for item in of.stages
    }
    return of, intents_of(of, goals=(f"minimize {goal}",)), options, fleet, kept
