"""Intents, priced options and shapes as a problem of counts: what each part takes of a machine, in pooled resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from operator import le

from aios.records.base import canonical_json
from aios.records.candidate import Priced
from aios.records.demanded import Demanded, Site
from aios.records.fleet import Fleet
from aios.records.intent import Intent
from aios.solve.clauses.requirement import keep
from aios.solve.problem import size_of
from aios.solve.sizing.problem import Demand, Footprint, Problem, Shape, Way
from aios.solve.sizing.scales import Part, Scale, copies_of, footprint_of, part_of
from aios.solve.sizing.standing import Wanted

__all__ = ["kept", "merged", "numbered", "problem_of", "standable", "undominated"]


def kept(intent: Intent, options: Sequence[Priced]) -> list[Priced]:
    """Return the options that keep every requirement of an intent."""
    found = list(options)
    for requirement in intent.require:
        found = list(compress(found, keep(found, intent, requirement)))
    return found


def standable(options: Sequence[Priced], fleet: Fleet) -> list[Priced]:
    """Return the options of which at least one part has room on an empty machine."""
    scales = [Scale(node, fleet) for node in fleet.nodes]
    return [priced for priced in options if footprint_of(part_of(priced), scales)]


def merged(options: Sequence[Priced], covers: Sequence[int]) -> tuple[list[Priced], list[int]]:
    """Return the options with those that differ in nothing but where they may stand, and what that costs, as one."""
    found: dict[str, tuple[Priced, int, list[str]]] = {}
    for priced, count in zip(options, covers, strict=True):
        candidate = priced.candidate.model_copy(update={"id": "", "nodes": ()})
        alike = canonical_json([candidate, priced.demand, count])
        found.setdefault(alike, (priced, count, []))[2].extend(priced.candidate.nodes)
    rows = [(_on(priced, tuple(sorted(set(nodes)))), count) for priced, count, nodes in found.values()]
    return [priced for priced, _ in rows], [count for _, count in rows]


def numbered(options: Sequence[Priced]) -> list[Priced]:
    """Return the options under ids that tell pieces of the same candidate apart."""
    return [
        priced.model_copy(
            update={"candidate": priced.candidate.model_copy(update={"id": f"{priced.candidate.id}#{number}"})}
        )
        for number, priced in enumerate(options)
    ]


def _on(priced: Priced, nodes: tuple[str, ...]) -> Priced:
    return priced.model_copy(update={"candidate": priced.candidate.model_copy(update={"nodes": nodes})})


def undominated(options: Sequence[Priced], covers: Sequence[int], figure: Callable[[Priced], float]) -> list[int]:
    """Return which options are left when another of the same device takes no more, costs no more, and covers as much.

    Nothing but machines and figures is compared: whatever else the options are good for, another one does here.
    """
    fronts: dict[tuple[object, ...], list[tuple[tuple[float, ...], frozenset[str]]]] = {}
    found = []
    order = sorted(range(len(options)), key=lambda k: (-covers[k], figure(options[k]), *size_of(options[k])))
    for index in order:
        option = options[index]
        demand, candidate = option.demand, option.candidate
        takes = (
            figure(option),
            candidate.parts,
            demand.share,
            demand.cores,
            demand.device_memory_bytes,
            demand.node_memory_bytes,
            *(size for _, size in sorted(demand.tier_bytes.items())),
        )
        kind = (covers[index], candidate.device, candidate.devices, *sorted(demand.tier_bytes))
        front, nodes = fronts.setdefault(kind, []), frozenset(candidate.nodes)
        if not any(all(map(le, other, takes)) and nodes <= allowed for other, allowed in front):
            front.append((takes, nodes))
            found.append(index)
    return sorted(found)


def problem_of(
    wanted: Sequence[Wanted],
    fleet: Fleet,
    figures: Sequence[float],
    figure: Callable[[Priced], float],
    machines: int,
    demands: Sequence[Demanded] = (),
    sites: Mapping[str, Sequence[Site]] | None = None,
) -> Problem:
    """Return the problem of counts.

    fleet: its nodes are the shapes, their counts the most that may be taken · figures: of one machine of each ·
    figure: what an option adds to them · machines: the most in all · demands: stated ones, whose copies all stand ·
    sites: where they may
    """
    scales = [Scale(node, fleet) for node in fleet.nodes]
    shapes = [
        Shape(node.name, node.count, own, tuple(scale.has))
        for node, own, scale in zip(fleet.nodes, figures, scales, strict=True)
    ]
    footprints: dict[Footprint, int] = {}

    def way(part: Part, covers: int, adds: float, times: int, parts: int) -> Way:
        place = footprints.setdefault(footprint_of(part, scales), len(footprints))
        return Way(covers, adds, parts, place, times)

    rows = []
    for item in wanted:
        pairs = zip(item.options, item.covers, strict=True)
        ways = [way(part_of(own), covers, figure(own), 1, own.candidate.parts) for own, covers in pairs]
        rows.append(Demand(item.intent.name, item.amount, tuple(ways)))
    for demand in demands:
        ways = [way(part, 1, 0.0, demand.copies, 1) for part in copies_of(demand, (sites or {})[demand.name])]
        rows.append(Demand(demand.name, demand.copies, tuple(ways)))
    return Problem(tuple(shapes), tuple(footprints), tuple(rows), machines)
