"""Fleet documents -> Fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from aios.fleet.files.caps import power_caps
from aios.fleet.files.connected import apart
from aios.fleet.files.connections import fleet_topology
from aios.fleet.files.includes import FileReader, Part, parts_of
from aios.fleet.files.links import links_of
from aios.fleet.files.nodes import NodeReader
from aios.fleet.files.owntypes import own_types
from aios.fleet.files.places import Place
from aios.fleet.files.plausible import implausible_connection, implausible_region
from aios.fleet.forms.fleet import DeviceForm, FleetForm, RegionForm, SpecForm
from aios.fleet.making import fleet_of
from aios.records.checking import first_of
from aios.records.document import Document
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Fleet, Link, Node, Topology
from aios.records.hosts import natural_order

__all__ = ["compile_fleet", "fleet_of"]

_Spec: TypeAlias = tuple[SpecForm, Place]


def compile_fleet(
    documents: Sequence[Document],
    catalogue: Mapping[str, DeviceType],
    origin: str,
    reader: FileReader | None = None,
) -> Fleet:
    """Return the fleet that the documents describe together, with the files that they include.

    Documents of ``kind: Fleet`` and of single device types are read, others passed over. reader: reads the files that
    are included. Raises InputError with every mistake in them: what is not well written, impossible or contradicting
    values, unknown device types, names used twice, connections to what does not exist, no fleet at all.
    """
    mistakes: list[Diagnostic] = []
    parts = parts_of(documents, reader, mistakes)
    fleets = [(part.form.spec, part.place / "spec") for part in parts if isinstance(part.form, FleetForm)]
    names = [part.form.metadata.name for part in parts if isinstance(part.form, FleetForm) and part.given]
    if not fleets and not mistakes:
        raise InputError(_no_fleet(origin))
    types = own_types(_written_types(parts), catalogue, mistakes)
    reader_of_nodes = NodeReader(types, catalogue, _regions(fleets, mistakes), mistakes)
    for spec, at in fleets:
        for index, node in enumerate(spec.nodes):
            reader_of_nodes.read(node, at / "nodes" / index)
    nodes = reader_of_nodes.nodes
    if not nodes and not mistakes:
        mistakes.append(_no_node(fleets))
    written = [(link, at / "links" / index) for spec, at in fleets for index, link in enumerate(spec.links)]
    links = links_of(written, nodes, mistakes)
    topology = _topology(fleets, nodes, mistakes)
    caps = power_caps(fleets, nodes, mistakes)
    if not mistakes and not any(spec.disconnected for spec, _ in fleets):
        mistakes.extend(_islands(fleets, nodes, links, topology))
    if mistakes:
        raise InputError(*first_of(_in_order(mistakes)))
    return fleet_of("+".join(names), nodes, reader_of_nodes.used, links, origin, topology, caps)


def _in_order(mistakes: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Return the mistakes as they stand in the files, one file after the other."""
    files = dict.fromkeys(item.where.file for item in mistakes if item.where)
    order = {file: number for number, file in enumerate(files)}
    places = [(order[it.where.file], it.where.line, it.where.column) if it.where else (-1, 0, 0) for it in mistakes]
    return [item for _, item in sorted(zip(places, mistakes, strict=True), key=lambda pair: pair[0])]


def _no_fleet(origin: str) -> Diagnostic:
    return Diagnostic(
        summary=f"there is no fleet in {origin}",
        reason="it holds no document with `kind: Fleet`",
        remedy="describe this machine",
        command="aios init",
    )


def _no_node(fleets: Sequence[_Spec]) -> Diagnostic:
    return (fleets[0][1] / "nodes").mistake("a fleet needs at least one node", "write `- {name: a, cpu: 8}`")


def _written_types(parts: Iterable[Part]) -> Iterator[tuple[DeviceForm, Place]]:
    for part in parts:
        if isinstance(part.form, DeviceForm):
            yield part.form, part.place
        else:
            for index, form in enumerate(part.form.spec.devices):
                yield form, part.place / "spec" / "devices" / index


def _regions(fleets: Sequence[_Spec], mistakes: list[Diagnostic]) -> Mapping[str, RegionForm]:
    regions: dict[str, RegionForm] = {}
    for spec, at in fleets:
        for name, form in spec.regions.items():
            place = at / "regions" / name
            mistakes.extend(implausible_region(form, place))
            if regions.setdefault(name, form) != form:
                mistakes.append(place.mistake(f"region `{name}` is described twice, and differently"))
    return regions


def _topology(fleets: Sequence[_Spec], nodes: Sequence[Node], mistakes: list[Diagnostic]) -> tuple[Topology, ...]:
    ordered = sorted(nodes, key=lambda node: (natural_order(node.name), node.name))
    found: list[Topology | None] = []
    for spec, at in fleets:
        for index, form in enumerate(spec.topology):
            place = (at / "topology").item(index)
            mistakes.extend(implausible_connection(form, place))
            found.append(fleet_topology(form, place, ordered, mistakes))
    return tuple(topology for topology in found if topology is not None)


def _islands(
    fleets: Sequence[_Spec], nodes: Sequence[Node], links: Sequence[Link], topology: Sequence[Topology]
) -> Iterator[Diagnostic]:
    """Yield that not all machines are connected, where connections between machines are stated."""
    what = apart(nodes, links, topology)
    if what is not None:
        field, at = next((field, at) for field in ("links", "topology") for spec, at in fleets if getattr(spec, field))
        yield (at / field).mistake(
            f"{what} are not connected to each other",
            "add what connects them, a link or `between`; or write `disconnected: true` below `spec` if nothing does",
            "where connections between machines are stated, they are taken to be all there are",
        )
