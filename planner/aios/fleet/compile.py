"""Fleet documents -> Fleet."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aios.fleet.devices import completed, device_type, fact_of
from aios.fleet.written import DeviceForm, FleetForm, LinkForm, NodeForm, SlotForm
from aios.records.base import digest_of
from aios.records.document import Document, check
from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceSlot, DeviceType, Fleet, Link, Node
from aios.records.units import Dimension

__all__ = ["compile_fleet", "fleet_of"]

_HOW_TO_DESCRIBE = """\
or describe it in the fleet file; only name and kind are needed, what is left out is unknown:
  spec:
    devices:
      - name: {name}
        kind: gpu                  # cpu, gpu, npu, tpu, fpga, dsp, other
        peak: {{fp32: 8.1 TFLOPS, fp16: 65 TFLOPS, int8: 130 TOPS}}
        memory: 16 GiB
        bandwidth: 320 GB/s
        tdp: 70 W
        idle: 10 W"""


def compile_fleet(documents: Sequence[Document], catalogue: Mapping[str, DeviceType], origin: str) -> Fleet:
    """Return the fleet that the ``kind: Fleet`` documents describe together; documents of other kinds are passed over.

    Raises InputError with every mistake in them: what is not well written, unknown device types, names used twice,
    links to nodes that do not exist, no fleet at all.
    """
    reading = _Reading(catalogue)
    for document in documents:
        if document.kind == "Fleet":
            reading.read(document)
    if reading.mistakes:
        raise InputError(*reading.mistakes)
    if not reading.names:
        raise InputError(
            Diagnostic(
                summary=f"there is no fleet in {origin}",
                reason="it holds no document with `kind: Fleet`",
                remedy="describe this machine",
                command="aios init",
            )
        )
    return fleet_of("+".join(reading.names), reading.nodes, reading.used, reading.links, origin)


def fleet_of(
    name: str, nodes: Iterable[Node], types: Mapping[str, DeviceType], links: Iterable[Link], origin: str
) -> Fleet:
    """Return a fleet with its digest; nodes, types and links sorted by name, so that files may be reordered."""
    ordered = tuple(sorted(nodes, key=lambda node: node.name))
    by_name = {key: types[key] for key in sorted(types)}
    links = tuple(sorted((_ordered_ends(link) for link in links), key=lambda link: link.ends))
    content = {
        "nodes": [node.model_dump(mode="json", exclude={"where"}) for node in ordered],
        "types": by_name,
        "links": links,
    }
    return Fleet(name=name, nodes=ordered, types=by_name, links=links, digest=digest_of(content), origin=origin)


@dataclass
class _Reading:
    """What has been read so far. used: device types that nodes hold · instances: machine name -> node name."""

    catalogue: Mapping[str, DeviceType]
    names: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    own: dict[str, DeviceType] = field(default_factory=dict)
    used: dict[str, DeviceType] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)
    mistakes: list[Diagnostic] = field(default_factory=list)

    def read(self, document: Document) -> None:
        try:
            form = check(document, FleetForm)
        except InputError as error:
            self.mistakes += error.diagnostics
            return
        self.names.append(form.metadata.name)
        if not form.spec.nodes:
            self._mistake(document, ("spec", "nodes"), "a fleet needs at least one node", "write `- {name: a, cpu: 8}`")
        for index, device in enumerate(form.spec.devices):
            self._own_type(document, index, device)
        for index, node in enumerate(form.spec.nodes):
            self._node(document, index, node)
        for index, link in enumerate(form.spec.links):
            self._link(document, index, link)

    def _own_type(self, document: Document, index: int, form: DeviceForm) -> None:
        path = ("spec", "devices", index)
        if form.name in self.own:
            self._mistake(document, (*path, "name"), f"device type `{form.name}` is described twice")
            return
        own = device_type(form)
        if form.base is not None:
            if form.base not in self.catalogue:
                near = _nearest(form.base, self.catalogue)
                self._mistake(document, (*path, "from"), f"the catalogue has no device type `{form.base}`", near)
            else:
                own = completed(own, self.catalogue[form.base])
        self.own[form.name] = own

    def _node(self, document: Document, index: int, form: NodeForm) -> None:
        path = ("spec", "nodes", index)
        slots: list[DeviceSlot] = []
        next_id = {True: 0, False: 0}  # of cpus and of all other devices
        for position, slot in enumerate(form.devices):
            kind = self._type(document, (*path, "devices", position, "type"), slot)
            slots.append(_slot(slot, kind == "cpu", next_id[kind == "cpu"]))
            next_id[kind == "cpu"] += slot.count
        node = Node(
            name=form.name,
            count=form.count,
            address=form.address,
            cores=form.cpu if form.cpu is not None else self._cores(slots),
            memory_bytes=form.memory if form.memory is not None else self._memory(slots),
            devices=tuple(slots),
            labels=form.labels,
            region=form.region,
            where=document.span(path),
        )
        self.nodes.append(node)
        for instance in node.instances():
            if instance in self.instances:
                self._mistake(document, (*path, "name"), f"there are two machines called `{instance}`")
                return
            self.instances[instance] = node.name

    def _type(self, document: Document, path: tuple[str | int, ...], slot: SlotForm) -> str | None:
        """Return the kind of a slot's type and note that it is used; None if there is no such type."""
        found = self.own.get(slot.type)
        if found is None and slot.type in self.catalogue:
            found = self.catalogue[slot.type]
        if found is None:
            remedy = _nearest(slot.type, [*self.own, *self.catalogue])
            how = _HOW_TO_DESCRIBE.format(name=slot.type)
            self._mistake(document, path, f"unknown device type `{slot.type}`", f"{remedy}\n{how}" if remedy else how)
            return None
        self.used[slot.type] = found
        return found.kind

    def _cores(self, slots: Sequence[DeviceSlot]) -> int | None:
        counts = [(self.used[slot.type].cores, len(slot.ids)) for slot in slots if self._is_cpu(slot)]
        known = [cores * count for cores, count in counts if cores is not None]
        return sum(known) if known and len(known) == len(counts) else None

    def _memory(self, slots: Sequence[DeviceSlot]) -> float | None:
        facts = [self.used[slot.type].memory_bytes for slot in slots if self._is_cpu(slot)]
        return next((fact.value for fact in facts if fact is not None), None)

    def _is_cpu(self, slot: DeviceSlot) -> bool:
        return slot.type in self.used and self.used[slot.type].kind == "cpu"

    def _link(self, document: Document, index: int, form: LinkForm) -> None:
        path = ("spec", "links", index)
        known = {node.name for node in self.nodes}
        for position, end in enumerate(form.between):
            if end not in known:
                self._mistake(document, (*path, "between", position), f"there is no node `{end}`", _nearest(end, known))
        bandwidth = fact_of(form.bandwidth, Dimension.BANDWIDTH)
        if bandwidth is not None:
            latency = fact_of(form.latency, Dimension.TIME)
            self.links.append(Link(ends=form.between, bandwidth_bytes_per_s=bandwidth, latency_s=latency))

    def _mistake(
        self, document: Document, path: tuple[str | int, ...], summary: str, remedy: str | None = None
    ) -> None:
        self.mistakes.append(document.diagnostic(path, summary, remedy=remedy))


def _slot(form: SlotForm, cpu: bool, first: int) -> DeviceSlot:
    numbers = range(first, first + form.count)
    return DeviceSlot(type=form.type, ids=tuple(f"cpu{number}" if cpu else str(number) for number in numbers))


def _ordered_ends(link: Link) -> Link:
    first, second = sorted(link.ends)
    return link.model_copy(update={"ends": (first, second)})


def _nearest(name: str, known: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    return f"did you mean {', '.join(f'`{item}`' for item in near)}?" if near else None
