"""Written nodes -> records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from aios.fleet.devices import fact_of, tier_of
from aios.fleet.files.connections import node_topology, too_many_links
from aios.fleet.files.machinenames import MachineNames
from aios.fleet.files.places import Place, did_you_mean, known_names
from aios.fleet.files.plausible import implausible_connection, implausible_node
from aios.fleet.files.typenames import types_meant
from aios.fleet.forms.fleet import NodeForm, RegionForm, SlotForm, UsedForm
from aios.fleet.partitions import parts_of, slots_of, too_much
from aios.records.errors import BadValue, Diagnostic
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Node, Used
from aios.records.hosts import MOST_HOSTS, expand, host_count
from aios.records.units import Dimension, format_quantity, si_unit

__all__ = ["MOST_DEVICES", "NodeReader"]

_NO_NAME = re.compile(r"[^a-z0-9._-]+")
_HOW_TO_DESCRIBE = """\
describe it in the fleet file; only name and kind are needed, what is left out is unknown:
  spec:
    devices:
      - name: {name}
        kind: gpu                  # cpu, gpu, npu, tpu, fpga, dsp, other
        peak: {{fp32: 8.1 TFLOPS, fp16: 65 TFLOPS, int8: 130 TOPS}}
        memory: 16 GiB
        bandwidth: 320 GB/s
        tdp: 70 W
        idle: 10 W"""


MOST_DEVICES = 1_000_000
"""Devices that are spelled out, equal machines counted once; more would take seconds and hundreds of megabytes."""


class NodeReader:
    """Turns written nodes into records, one after the other.

    nodes: those read so far · used: the device types that they hold, by name, with those that parts are parts of
    """

    def __init__(
        self,
        own: Mapping[str, DeviceType],
        catalogue: Mapping[str, DeviceType],
        regions: Mapping[str, RegionForm],
        mistakes: list[Diagnostic],
    ) -> None:
        """``regions``: what holds for the nodes of each · ``mistakes``: receives what is wrong."""
        self.nodes: list[Node] = []
        self.used: dict[str, DeviceType] = {}
        self._own = own
        self._catalogue = catalogue
        self._regions = regions
        self._nowhere = RegionForm()
        self._mistakes = mistakes
        self._machines = MachineNames()
        self._hosts: dict[str, str] = {}  # real name of a machine -> its node
        self._devices = 0
        self._unknown: dict[str, str] = {}  # name of a type that does not exist -> remedy

    def read(self, form: NodeForm, at: Place) -> None:
        """Take up one node."""
        self._mistakes.extend(implausible_node(form, at))
        slots = self._slots(form.devices, at / "devices")
        node = Node(
            name=form.name,
            count=self._count(form, at),
            hosts=form.hosts,
            address=form.address,
            cores=form.cpu if form.cpu is not None else self._cores(slots),
            memory_bytes=form.memory if form.memory is not None else self._memory(slots),
            memory_tiers=tuple(tier_of(tier) for tier in form.memory_tiers),
            devices=tuple(slots),
            labels=form.labels,
            taints=form.taints,
            region=form.region,
            used=_used(form.used),
            price_usd_per_h=_price(form),
            hourly_usd_per_h=form.price if isinstance(form.price, tuple) else (),
            where=at.span,
        )
        topology = []
        for index, item in enumerate(form.topology):
            place = (at / "topology").item(index)
            self._mistakes.extend(implausible_connection(item, place))
            if all(slot.type in self.used for slot in slots):
                level = node_topology(item, place, node, self._mistakes)
                topology.append(level)
                self._mistakes.extend(too_many_links(level, node, self.used, place) if level else ())
        self._check(node, at)
        # Copied, not validated: the series of a region is shared by its nodes.
        region = self._nowhere if form.region is None else self._regions.get(form.region, self._nowhere)
        update = {
            "topology": tuple(filter(None, topology)),
            "carbon_g_per_kwh": form.carbon or region.carbon,
            "jurisdiction": form.jurisdiction or region.jurisdiction,
            "power_cap_w": form.power_cap,
        }
        self.nodes.append(node.model_copy(update=update))

    def _name(self, hosts: str, node: str, at: Place) -> None:
        """Note the first machine that is named a second time; beyond a million names nobody looks."""
        if len(self._hosts) > MOST_HOSTS:
            return
        for name in expand(hosts):
            if name in self._hosts:
                other = self._hosts[name]
                summary = f"machine `{name}` is named twice" + ("" if other == node else f": `{other}` has it too")
                self._mistakes.append((at / "hosts").mistake(summary, "name each machine once"))
                return
            self._hosts[name] = node

    def _count(self, form: NodeForm, at: Place) -> int:
        """Return how many machines a node stands for: as written, else as many as it has hosts."""
        if form.hosts is None:
            return form.count
        try:
            hosts = host_count(form.hosts)
        except BadValue as error:
            self._mistakes.append((at / "hosts").mistake(error.summary, error.remedy))
            return form.count
        self._name(form.hosts, form.name, at)
        if "count" in form.model_fields_set and hosts != form.count:
            summary = f"`hosts` names {hosts} machines, but `count` is {form.count}"
            self._mistakes.append((at / "hosts").mistake(summary, f"write `count: {hosts}`, or leave `count` out"))
        return hosts

    def _slots(self, forms: Sequence[SlotForm], at: Place) -> list[DeviceSlot]:
        slots: list[DeviceSlot] = []
        next_id = {True: 0, False: 0}  # of cpus and of all other devices
        for position, form in enumerate(forms):
            device = self._type(form, at / position)
            if self._too_many(form, at / position):
                return slots
            cpu = device is not None and device.kind == "cpu"
            numbers = range(next_id[cpu], next_id[cpu] + form.count)
            next_id[cpu] += form.count
            if device is not None and form.partitions and self._can_be_cut(device, form, at / position):
                self.used.update(parts_of(device, form.partitions))
                slots.extend(slots_of(device.name, numbers, form.partitions))
            else:
                ids = tuple(f"cpu{number}" if cpu else str(number) for number in numbers)
                slots.append(DeviceSlot(type=form.type, ids=ids))
        return slots

    def _too_many(self, form: SlotForm, at: Place) -> bool:
        """Count devices; note the first that is one too many."""
        before, self._devices = self._devices, self._devices + form.count
        if before <= MOST_DEVICES < self._devices:
            summary = f"more than {MOST_DEVICES:,} devices, equal machines counted once"
            self._mistakes.append((at / "count").mistake(summary, "equal machines need one entry with `count:`"))
        return self._devices > MOST_DEVICES

    def _type(self, form: SlotForm, at: Place) -> DeviceType | None:
        """Return a slot's type and note that it is used; None if there is no such type."""
        found = self.used.get(form.type) or self._own.get(form.type)
        if found is None and form.type in self._catalogue:
            found = self._catalogue[form.type]
        if found is None:
            summary = f"unknown device type `{form.type}`"
            self._mistakes.append((at / "type").mistake(summary, self._remedy(form.type)))
            return None
        self.used[form.type] = found
        return found

    def _remedy(self, name: str) -> str:
        """Return what to do about a type that does not exist; how to describe one is told once for all of them."""
        if name not in self._unknown:
            meant = types_meant(name, self._own, self._catalogue)
            if self._unknown:
                remedy = meant or f"describe it as is said of `{next(iter(self._unknown))}`"
            else:
                how = _HOW_TO_DESCRIBE.format(name=_NO_NAME.sub("-", name.lower()).strip("-._") or "my-device")
                remedy = f"{meant}\nor {how}" if meant else how
            self._unknown[name] = remedy
        return self._unknown[name]

    def _can_be_cut(self, device: DeviceType, form: SlotForm, at: Place) -> bool:
        known = [partition.name for partition in device.partitions]
        for index, name in enumerate(form.partitions):
            if name not in known:
                place = (at / "partitions").item(index)
                near = did_you_mean(name, known)
                listed = f"known: {', '.join(f'`{item}`' for item in known)}" if known else "leave `partitions` out"
                reason = None if known else f"nobody states any partitions of {device.name}"
                summary = f"{device.name} has no partition `{name}`"
                self._mistakes.append(place.mistake(summary, f"{near} {listed}" if near else listed, reason))
                return False
        why = too_much(device, form.partitions)
        if why:
            shown = ", ".join(f"`{name}`" for name in form.partitions)
            summary = f"{device.name} cannot be cut into {shown} at once"
            self._mistakes.append((at / "partitions").mistake(summary, "name the parts of one device", why))
        return why is None

    def _cores(self, slots: Sequence[DeviceSlot]) -> int | None:
        counts = [(self.used[slot.type].cores, len(slot.ids)) for slot in slots if self._is_cpu(slot)]
        known = [cores * count for cores, count in counts if cores is not None]
        return sum(known) if known and len(known) == len(counts) else None

    def _memory(self, slots: Sequence[DeviceSlot]) -> float | None:
        facts = [self.used[slot.type].memory_bytes for slot in slots if self._is_cpu(slot)]
        return next((fact.value for fact in facts if fact is not None), None)

    def _is_cpu(self, slot: DeviceSlot) -> bool:
        return slot.type in self.used and self.used[slot.type].kind == "cpu"

    def _check(self, node: Node, at: Place) -> None:
        """Note what is wrong with a node as a whole: its name, its tiers, what is used of it."""
        clash = self._machines.add(node)
        if clash is not None:
            owner = self._machines.node_of(clash)
            reason = None
            if not clash == owner == node.name:
                several = node.name if clash != node.name else owner
                reason = f"`{several}` stands for several machines, called `{several}-0`, `{several}-1` and so on"
            remedy = "give one another name; equal machines need one entry with `count:`"
            self._mistakes.append((at / "name").mistake(f"there are two machines called `{clash}`", remedy, reason))
        names: set[str] = set()
        for index, tier in enumerate(node.memory_tiers):
            if tier.name != tier.kind and not tier.name.startswith(f"{tier.kind}-"):
                remedy = f"such as `name: {tier.kind}-{tier.name}`: plans show the name alone"
                summary = f"the name of a memory tier begins with its kind, and `{tier.name}` is of kind {tier.kind}"
                self._mistakes.append((at / "memory_tiers" / index / "name").mistake(summary, remedy))
            if tier.name in names:
                summary = f"there are two memory tiers called `{tier.name}`"
                remedy = f"give each a name: `name: {tier.kind}-{index}`"
                self._mistakes.append((at / "memory_tiers" / index).mistake(summary, remedy))
            names.add(tier.name)
        if node.used is not None and all(slot.type in self.used for slot in node.devices):
            self._mistakes.extend(_overused(node, node.used, at / "used"))


def _price(form: NodeForm) -> Fact | None:
    """Return the rent of a machine; of one that changes by the hour, its mean."""
    if not isinstance(form.price, tuple):
        return fact_of(form.price, Dimension.COST_RATE)
    mean = sum(form.price) / len(form.price)
    return Fact(value=mean, unit=si_unit(Dimension.COST_RATE), ref="mean of the hours of a day")


def _used(form: UsedForm | None) -> Used | None:
    if form is None:
        return None
    return Used(cores=form.cpu or 0.0, memory_bytes=form.memory or 0.0, devices=form.devices)


_OF_ONE = "`used` is what is taken of one machine, and no more than it has; correct one of the two"


def _overused(node: Node, used: Used, at: Place) -> Iterator[Diagnostic]:
    """Yield what is used of a machine that it does not have."""
    if node.cores is not None and used.cores > node.cores:
        summary = f"{used.cores:g} cores are used of {node.cores} that node `{node.name}` has"
        yield (at / "cpu").mistake(summary, _OF_ONE)
    if node.memory_bytes is not None and used.memory_bytes > node.memory_bytes:
        taken, there = (format_quantity(size, Dimension.BYTES) for size in (used.memory_bytes, node.memory_bytes))
        yield (at / "memory").mistake(f"{taken} of memory are used of {there} that node `{node.name}` has", _OF_ONE)
    known = [id_ for slot in node.devices for id_ in slot.ids]
    for id_ in used.devices:
        if id_ not in known:
            remedy = known_names(known) or "it has no devices: leave the line out"
            parts = [name for name in known if name.startswith(f"{id_}.")]
            reason = f"it is cut into parts, {parts[0]} to {parts[-1]}" if len(parts) > 1 else None
            yield (at / "devices" / id_).mistake(f"node `{node.name}` has no device `{id_}`", remedy, reason)
