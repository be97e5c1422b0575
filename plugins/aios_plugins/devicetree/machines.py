"""Files with device trees -> Inventory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Topology
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios.spi.texts import Mistakes, check_size, place, text_of
from aios_plugins.devicetree.blob import MAGIC, read_blob
from aios_plugins.devicetree.board import Board, read_board, slug
from aios_plugins.devicetree.described import Described, describe_device, is_described
from aios_plugins.devicetree.source import included_by, read_source
from aios_plugins.devicetree.tree import Node, Tree

__all__ = ["read_machines"]

_MAX_BYTES = 8 * 2**20
"""The largest device trees of Linux have 0.5 MiB compiled and 2 MiB as text."""


def read_machines(texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
    """Return one machine for each file that no other one includes; raises InputError."""
    reading = options.get("topology", "devices")
    unknown = [name for name in options if name != "topology"]
    if unknown or reading not in ("devices", "inside"):
        what = f"unknown option `{unknown[0]}`" if unknown else f"`topology` cannot be `{reading}`"
        raise InputError(Diagnostic(summary=what, remedy="write `topology=devices` or `topology=inside`"))
    blobs = {file: content for file, content in texts.items() if content.startswith(MAGIC)}
    sources = {file: text_of(content, file, _MAX_BYTES) for file, content in texts.items() if file not in blobs}
    included = {found for text in sources.values() for found in included_by(text, sources)}
    if sources and not blobs and included >= set(sources):
        included = set()  # a circle: reading any of them says so
    names = _Names()
    machines: list[Machine] = []
    notes: list[str] = []
    left_out: list[str] = []
    for file in texts:
        if file in included:
            continue
        if file in blobs:
            check_size(blobs[file], file, _MAX_BYTES)
        tree = read_blob(blobs[file], file) if file in blobs else read_source(file, sources)
        machine, reader = _machine(file, tree, sources, reading == "inside")
        machines.append(machine.model_copy(update={"name": names.free(machine.name)}))
        notes += reader.notes
        left_out += [*tree.left_out, *reader.left_out]
    return Inventory(machines=tuple(machines), notes=tuple(notes), left_out=tuple(left_out))


class _Told:
    """Sentences for people."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.left_out: list[str] = []


def _machine(file: str, tree: Tree, sources: Mapping[str, str], inside: bool) -> tuple[Machine, _Told]:
    if tree.overlay:
        raise InputError(
            Diagnostic(
                summary=f"{file} is an overlay: it changes another device tree and describes no machine",
                where=place(file),
                remedy=f"apply it first: fdtoverlay -i BASE.dtb -o WHOLE.dtb {file}",
            )
        )
    told = _Told()
    nodes = _describing(tree)
    board = read_board(tree, file, nodes) if tree.root is not None else None
    mistakes = {name: Mistakes(name, sources.get(name, "")) for name in (file, *(node.file for node in nodes))}
    described = [describe_device(node, inside, mistakes[node.file or file]) for node in nodes]
    told_wrong = [diagnostic for found in mistakes.values() for diagnostic in found.told()]
    if told_wrong:
        raise InputError(*told_wrong)
    for source in (board, *described):
        if source is not None:
            told.notes += source.notes
            told.left_out += source.left_out
    if not described and (board is None or not board.devices):
        raise InputError(
            Diagnostic(
                summary=f"{file} describes no processor and no other device",
                where=place(file),
                reason=" ".join(tree.left_out) or None,
                remedy="name the files that it includes as well, or the compiled .dtb",
            )
        )
    return _assembled(file, board, described), told


def _describing(tree: Tree) -> list[Node]:
    """Return the nodes that describe a device: by their features, else loose ones that hold no such node."""
    found: list[Node] = []
    holding: set[int] = set()
    for node, above in tree.walk():
        if is_described(node) and not any(is_described(parent) for parent in above):
            found.append(node)
            holding |= {id(node), *map(id, above)}
    loose = [node for node in tree.loose if node.properties and node.enabled() and id(node) not in holding]
    return sorted([*found, *loose], key=lambda node: (node.line, node.column))


def _assembled(file: str, board: Board | None, described: list[Described]) -> Machine:
    devices = list(board.devices) if board is not None else []
    names, levels = _Names(), _Names()
    types: dict[str, DeviceType] = {}  # what a type says -> the type under a name that no different one has
    first = sum(found.count for found in devices if found.type.kind != "cpu")  # id of the next device
    alone = first + sum(item.count for item in described if item.type.kind != "cpu")
    topology: list[Topology] = []
    for found in devices:
        types[found.type.model_dump_json()] = found.type.model_copy(update={"name": names.free(found.type.name)})
    for item in described:
        said = item.type.model_dump_json()
        if said not in types:
            types[said] = item.type.model_copy(update={"name": names.free(item.type.name)})
        device = types[said]
        if devices and devices[-1].type == device and item.shape is None and not topology:
            devices[-1] = devices[-1].model_copy(update={"count": devices[-1].count + item.count})
        else:
            devices.append(Found(type=device, count=item.count))
        if item.shape is not None:
            members = tuple(str(first + number) for number in range(item.count)) if item.count != alone else ()
            level = item.shape.topology(members, item.link_bandwidth, item.link_latency)
            topology.append(level.model_copy(update={"name": levels.free(level.name)}))
        first += item.count if item.type.kind != "cpu" else 0
    processors = [found.type for found in devices if found.type.kind == "cpu"]
    memory = next((fact.value for device in processors if (fact := device.memory_bytes) is not None), None)
    return Machine(
        name=_name(file, board),
        cores=board.cores if board is not None else next((cpu.cores for cpu in processors), None),
        memory_bytes=board.memory_bytes if board is not None else memory,
        devices=tuple(devices),
        labels=board.labels if board is not None else {},
        topology=tuple(topology),
        line=(board.root.line if board is not None else described[0].line) or None,
    )


def _name(file: str, board: Board | None) -> str:
    """Return what the machine is called: the board's model, else the file."""
    said = "" if board is None else board.root.text("model") or next(iter(board.root.strings("compatible")), "")
    return slug(said) or slug(PurePosixPath(file).name.partition(".")[0]) or "machine"


class _Names:
    """Names that have been given; each new one is another."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._numbers: dict[str, int] = {}

    def free(self, name: str) -> str:
        """Give ``name``, with a number behind it where it was given before."""
        number, free = self._numbers.get(name, 1), name
        while free in self._given:
            number += 1
            free = f"{name}-{number}"
        self._numbers[name] = number
        self._given.add(free)
        return free
