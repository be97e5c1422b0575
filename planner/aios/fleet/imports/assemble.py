"""What an importer read -> Fleet: devices matched to the catalogue, equal machines as one class, nothing dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.fleet.catalogue import Catalogue
from aios.fleet.files.nodes import MOST_DEVICES
from aios.fleet.imports.believing import believable, place_of
from aios.fleet.imports.classnames import class_names
from aios.fleet.imports.recognising import Recognised, Recogniser, Row
from aios.fleet.making import fleet_of
from aios.fleet.ordering import by_name
from aios.fleet.partitions import parts_of, slots_of
from aios.records.base import Record, Span
from aios.records.errors import BadValue, Diagnostic, InputError
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Link, Node, Topology, Used
from aios.records.hosts import fold, natural_order
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found

__all__ = ["Assembled", "assemble"]

_MOST_TOLD = 20


class Assembled(Record):
    """A fleet and how it came of a description.

    matched, unmatched: what devices are called, and what that was taken for; the most devices first · notes, left_out:
    the importer's and those of putting it together
    """

    fleet: Fleet
    matched: tuple[Row, ...]
    unmatched: tuple[Row, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


class _Class(NamedTuple):
    """Machines that are equal but for their names, in natural order."""

    machines: tuple[Machine, ...]

    @property
    def one(self) -> Machine:
        return self.machines[0]


def assemble(inventory: Inventory, catalogue: Catalogue, aliases: Mapping[str, str], origin: str) -> Assembled:
    """Return the fleet that an inventory describes.

    A device that the catalogue knows by the name it is given takes that type; any other becomes a type of its own with
    what the inventory says of it, and is listed; one that is cut into parts which nobody describes counts as taken
    altogether, as on a machine that is discovered: nothing can be given to it as a whole.
    aliases: what a device is written as -> its type, which decides · origin: the file that it was read from. Raises
    InputError for no machines, machines of one name, unknown aliases, too many devices.
    """
    _check(inventory, origin)
    recogniser = Recogniser(catalogue, aliases)
    inventory = believable(inventory, origin)
    classes = _classes(inventory, origin)
    nodes: list[Node] = []
    devices = 0
    types: dict[str, DeviceType] = {}
    rows: dict[tuple[str, str], tuple[Recognised, Counter[str]]] = {}
    for class_ in classes:
        found = [(item, recogniser.recognise(item, class_.one.memory_bytes)) for item in class_.one.devices]
        for item, known in found:
            count = rows.setdefault((known.written, known.type.name), (known, Counter()))[1]
            count.update(devices=len(class_.machines) * item.count)
        for known in {known.written: known for _, known in found}.values():
            rows[known.written, known.type.name][1].update(machines=len(class_.machines))
        cards = [_Cards(item.count * known.each, item, known) for item, known in found]
        devices += _few_enough(devices, cards, class_, origin)
        nodes.append(_node(class_, cards, types, _place_in(origin, class_.one.line)))
    names = class_names(nodes, catalogue)
    fleet = fleet_of(
        inventory.name or "imported",
        [_called(node, name) for node, name in zip(nodes, names, strict=True)],
        types,
        _links(inventory, classes, names),
        origin,
        topology=tuple(_named_again(item, classes, names) for item in inventory.topology),
    )
    told = sorted((_row(known, count, recogniser) for known, count in rows.values()), key=_place)
    unused = (f"no device is called `{written}`, which --as names" for written in recogniser.unused_aliases())
    return Assembled(
        fleet=fleet,
        matched=tuple(row for row in told if row.why is None),
        unmatched=tuple(row for row in told if row.why is not None),
        notes=(*inventory.notes, *recogniser.notes, *_renamed(classes, names), *unused),
        left_out=(*inventory.left_out, *_overused(classes, nodes, origin)),
    )


def _check(inventory: Inventory, origin: str) -> None:
    if not inventory.machines:
        raise InputError(Diagnostic(summary=f"{origin} describes no machine", where=_place_in(origin, 1)))
    lines: dict[str, list[Machine]] = {}
    for machine in inventory.machines:
        lines.setdefault(machine.name, []).append(machine)
    twice = [machine for found in lines.values() for machine in found[1:]]
    if twice:
        told = [
            Diagnostic(
                summary=f"there are two machines called `{machine.name}`",
                where=_place_in(origin, machine.line),
                remedy="give each its own name, or delete the line that repeats one",
            )
            for machine in twice[:_MOST_TOLD]
        ]
        more = [Diagnostic(summary=f"and {len(twice) - _MOST_TOLD} more")] if len(twice) > _MOST_TOLD else []
        raise InputError(*told, *more)


def _few_enough(so_far: int, cards: Sequence[_Cards], class_: _Class, origin: str) -> int:
    """Return how many devices these are; raises InputError where they are too many to spell out."""
    devices = sum(card.number for card in cards)
    if so_far + devices > MOST_DEVICES:
        summary = f"{origin} describes more than {MOST_DEVICES:,} devices, equal machines counted once"
        raise InputError(Diagnostic(summary=summary, where=_place_in(origin, class_.one.line)))
    return devices


def _place_in(origin: str, line: int | None) -> Span | None:
    """Return where a machine stands; of several files, nobody says which one its line is in."""
    return None if line is None or ", " in origin else Span(file=origin, line=line, column=1)


def _classes(inventory: Inventory, origin: str) -> list[_Class]:
    """Return the classes in the natural order of their first machines.

    A machine that a connection names is alone, and so is one whose name no host list can hold.
    """
    alone = {end.partition("/")[0] for link in inventory.links for end in link.ends}
    alone |= {name for topology in inventory.topology for name in _members(topology)}
    alone |= {machine.name for machine in inventory.machines if _host(machine) is None}
    found: dict[str, list[Machine]] = {}
    for machine in sorted(inventory.machines, key=lambda machine: (natural_order(machine.name), machine.name)):
        found.setdefault(_key(machine, machine.name in alone, origin), []).append(machine)
    return [_Class(tuple(machines)) for machines in found.values()]


def _key(machine: Machine, alone: bool, origin: str) -> str:
    """Return what equal machines have in common, in whatever order their labels, taints and tiers come.

    Raises InputError for text that no file can hold: one half of a character, which JSON can spell.
    """
    update = {
        "labels": {key: value for key, value in sorted(machine.labels.items()) if value != machine.name},
        "taints": tuple(sorted(set(machine.taints))),
        "memory_tiers": by_name(machine.memory_tiers),
    }
    try:
        machine.name.encode()
        return machine.model_copy(update=update).model_dump_json(exclude={"line"} if alone else {"name", "line"})
    except ValueError:
        name = machine.name.encode(errors="backslashreplace").decode()
        summary = f"what is said of machine `{name}` has half a character in it (a lone surrogate)"
        where = _place_in(origin, machine.line)
        raise InputError(Diagnostic(summary=summary, where=where, remedy="write the whole character")) from None


def _members(topology: Topology) -> Iterator[str]:
    yield from topology.members
    if topology.between is not None:
        yield from _members(topology.between)


class _Cards(NamedTuple):
    """Devices of one description on a machine. number: how many there are, sockets of a cpu counted each."""

    number: int
    found: Found
    known: Recognised


def _node(class_: _Class, cards: Sequence[_Cards], types: dict[str, DeviceType], where: Span | None) -> Node:
    """Return the node of a class, still under its first machine's name; the types that it uses join ``types``."""
    machine = class_.one
    slots: list[DeviceSlot] = []
    taken: dict[str, float] = {}
    next_id = {True: 0, False: 0}  # of cpus and of all other devices
    for card in cards:
        cpu = card.known.type.kind == "cpu"
        numbers = range(next_id[cpu], next_id[cpu] + card.number)
        next_id[cpu] += card.number
        slots += _slots(card, numbers, types)
        taken |= _taken(card, numbers, cpu)
    cores, memory_bytes = machine.cores or _cores(cards), machine.memory_bytes or _memory(cards)
    used = machine.used or Used()
    said = Used(
        cores=_at_most(used.cores, cores),
        memory_bytes=_at_most(used.memory_bytes, memory_bytes),
        devices={**taken, **_of_those(used.devices, slots)},
    )
    return Node(
        name=machine.name,
        count=len(class_.machines),
        hosts=fold(machine.name for machine in class_.machines) if _host(machine) else None,
        cores=cores,
        memory_bytes=memory_bytes,
        memory_tiers=machine.memory_tiers,
        devices=tuple(slots),
        labels={key: value for key, value in machine.labels.items() if value != machine.name},
        taints=machine.taints,
        region=machine.region,
        topology=tuple(_over_all(topology, cards) for topology in machine.topology),
        used=said if said != Used() else None,
        price_usd_per_h=_price(machine),
        where=where,
    )


def _at_most(taken: float, has: float | None) -> float:
    return max(0.0, taken) if has is None else min(max(0.0, taken), has)


def _of_those(taken: Mapping[str, float], slots: Iterable[DeviceSlot]) -> dict[str, float]:
    known = {id_ for slot in slots for id_ in slot.ids}
    return {id_: min(max(0.0, share), 1.0) for id_, share in taken.items() if id_ in known}


def _overused(classes: Sequence[_Class], nodes: Sequence[Node], origin: str) -> Iterator[str]:
    """Yield what is taken of machines that they do not have."""
    for class_, node in zip(classes, nodes, strict=True):
        used = class_.one.used
        if used is None:
            continue
        for what, stated, has in (("cores", used.cores, node.cores), ("bytes", used.memory_bytes, node.memory_bytes)):
            if has is not None and stated > has:
                yield from _of_each(class_, origin, f"{stated:.15g} {what} are taken of {has:.15g}: all of them are")
        known = {id_ for slot in node.devices for id_ in slot.ids}
        for id_ in used.devices:
            if id_ not in known:
                yield from _of_each(class_, origin, f"device `{id_}` is taken, which it does not have")


def _of_each(class_: _Class, origin: str, text: str) -> Iterator[str]:
    yield from (f"{place_of(machine, origin)}: {text}" for machine in class_.machines)


def _slots(card: _Cards, numbers: range, types: dict[str, DeviceType]) -> Sequence[DeviceSlot]:
    device, parts = card.known.type, card.found.partitions
    types[device.name] = device
    if parts and card.known.why is None:
        types |= parts_of(device, parts)
        return slots_of(device.name, numbers, parts)
    return [DeviceSlot(type=device.name, ids=tuple(_id(number, device.kind == "cpu") for number in numbers))]


def _id(number: int, cpu: bool) -> str:
    return f"cpu{number}" if cpu else str(number)


def _taken(card: _Cards, numbers: range, cpu: bool) -> dict[str, float]:
    """Return device id -> share that is taken; the share of a device that is cut is each of its parts'."""
    parts = range(len(card.found.partitions)) if card.known.why is None else ()
    closed = bool(card.found.partitions) and not parts
    shares = dict.fromkeys(numbers, 1.0) if closed else dict(zip(numbers, card.found.used, strict=False))
    return {
        id_: min(1.0, share)
        for number, share in shares.items()
        if share > 0
        for id_ in ([f"{number}.{part}" for part in parts] or [_id(number, cpu)])
    }


def _called(node: Node, name: str) -> Node:
    """Return the node under its name; a list of hosts that only repeats it is left out."""
    return node.model_copy(update={"name": name, "hosts": None if node.hosts == name else node.hosts})


def _host(machine: Machine) -> str | None:
    """Return what a machine is called in a host list; None where none can hold its name."""
    try:
        return fold([machine.name])
    except BadValue:
        return None


def _renamed(classes: Sequence[_Class], names: Sequence[str]) -> Iterator[str]:
    for class_, name in zip(classes, names, strict=True):
        if _host(class_.one) is None:
            yield f"machine `{class_.one.name}` is called `{name}` here: its own name fits into no host list"


def _cores(cards: Sequence[_Cards]) -> int | None:
    """Return what the processors say that they have, as reading the fleet file does."""
    known = [(card.known.type.cores, card.number) for card in cards if card.known.type.kind == "cpu"]
    cores = [cores * count for cores, count in known if cores is not None]
    return sum(cores) if cores and len(cores) == len(known) else None


def _memory(cards: Sequence[_Cards]) -> float | None:
    facts = (card.known.type.memory_bytes for card in cards if card.known.type.kind == "cpu")
    return next((fact.value for fact in facts if fact is not None), None)


def _over_all(topology: Topology, cards: Sequence[_Cards]) -> Topology:
    """Return the topology, over all accelerators (all cpus where there are none) if that is what it names in order."""
    counts = {
        cpu: sum(card.number for card in cards if (card.known.type.kind == "cpu") is cpu) for cpu in (True, False)
    }
    cpu = not counts[False]
    everyone = tuple(_id(number, cpu) for number in range(counts[cpu]))
    return topology.model_copy(update={"members": ()}) if topology.members == everyone else topology


def _price(machine: Machine) -> Fact | None:
    return None if machine.price_usd_per_h is None else Fact(value=machine.price_usd_per_h, unit="USD/h")


def _links(inventory: Inventory, classes: Sequence[_Class], names: Sequence[str]) -> Iterator[Link]:
    called = {class_.one.name: name for class_, name in zip(classes, names, strict=True)}
    for link in inventory.links:
        ends = [end.partition("/") for end in link.ends]
        a, b = (called.get(machine, machine) + slash + device for machine, slash, device in ends)
        yield link.model_copy(update={"ends": (a, b)})


def _named_again(topology: Topology, classes: Sequence[_Class], names: Sequence[str]) -> Topology:
    called = {class_.one.name: name for class_, name in zip(classes, names, strict=True)}
    between = None if topology.between is None else _named_again(topology.between, classes, names)
    members = tuple(called.get(member, member) for member in topology.members)
    return topology.model_copy(update={"members": members, "between": between})


def _row(known: Recognised, count: Counter[str], recogniser: Recogniser) -> Row:
    return Row(
        written=known.written,
        type=known.type.name,
        machines=count["machines"],
        devices=count["devices"],
        why=known.why,
        candidates=known.candidates,
        nearest=recogniser.nearest(known) if known.why else (),
    )


def _place(row: Row) -> tuple[int, str, str]:
    return -row.devices, row.written, row.type
