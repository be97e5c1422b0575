"""Files of Slurm, whichever they are, -> Inventory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.fleet import DeviceType, Topology, Used
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios.spi.texts import Remarks, place
from aios_plugins.slurm.configured import Configuration
from aios_plugins.slurm.devices import accelerators
from aios_plugins.slurm.gresconf import Entry, GresConf
from aios_plugins.slurm.lines import File, parse, read_file
from aios_plugins.slurm.nodes import Description, Node, state_of
from aios_plugins.slurm.shown import is_json, is_shown, json_nodes, shown_nodes
from aios_plugins.slurm.switches import Switches, label_of, levels

__all__ = ["read_machines"]

_MIB = 2.0**20
_OPTIONS = ("cpu", "name")


def read_machines(texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
    """Return a machine per node of all files; raises InputError with the mistakes of each."""
    told = [
        Diagnostic(summary=f"unknown option `{option}`", remedy=f"known: {', '.join(_OPTIONS)}")
        for option in options
        if option not in _OPTIONS
    ]
    cluster = _Cluster()
    for name, content in texts.items():
        try:
            cluster.sort(read_file(name, content))
        except InputError as error:
            told += error.diagnostics
    nodes = cluster.nodes() if not told else []
    told += [mistake for file in cluster.files for mistake in file.mistakes.told()]
    if told:
        raise InputError(*told)
    if not nodes:
        raise InputError(_no_node(list(texts)))
    return cluster.inventory(nodes, options)


def _no_node(files: Sequence[str]) -> Diagnostic:
    return Diagnostic(
        summary=f"no node is described in {', '.join(files)}",
        where=place(files[0]) if files else None,
        remedy="give slurm.conf with its NodeName lines (and gres.conf, topology.conf), or what scontrol shows",
        command="scontrol show nodes -d > nodes.txt",
    )


class _Cluster:
    """The files by what they are."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self.notes = Remarks()
        self.left_out = Remarks()
        self._gres = GresConf()
        self._name: str | None = None
        self._of_kind: dict[str, list[File]] = {"conf": [], "gres": [], "topology": [], "shown": [], "json": []}

    def sort(self, file: File) -> None:
        """File a file under what it is, by its content; raises InputError for JSON that is none."""
        self.files.append(file)
        kind = "json" if is_json(file.text) else "shown" if is_shown(file.text) else ""
        if not kind:
            file.lines = parse(file)
            keys = {line.first() for line in file.lines}
            named = any("name" in line.pairs and "nodename" in line.pairs for line in file.lines)
            switches = keys & {"switchname", "blockname"}
            kind = "topology" if switches else "gres" if named or keys & {"name", "autodetect"} else "conf"
        self._of_kind[kind].append(file)

    def nodes(self) -> list[Node]:
        """Return the nodes that the files describe; mistakes are noted in the files."""
        configuration = Configuration(self._of_kind["conf"], self.notes, self.left_out)
        self._name = configuration.cluster
        found = dict(configuration.nodes)
        seen: dict[str, str] = {}
        for file in self._of_kind["shown"] + self._of_kind["json"]:
            for node in json_nodes(file) if is_json(file.text) else shown_nodes(file):
                if node.name in seen:
                    reason = f"the other one stands on line {seen[node.name]}"
                    file.mistakes.add(f"there are two nodes called `{node.name}`", node.line, reason=reason)
                seen[node.name] = f"{node.line} of {file.name}"
                found[node.name] = node  # what runs counts more than what is configured
        for file in self._of_kind["gres"]:
            self._gres.read(file, self.left_out)
        switches = Switches(found, self.notes, self.left_out)
        for file in self._of_kind["topology"]:
            switches.read(file)
        for file in self._of_kind["topology"][:1]:
            switches.climb(file)
        return list(found.values())

    def inventory(self, nodes: Sequence[Node], options: Mapping[str, str]) -> Inventory:
        """Return what all of it amounts to."""
        topology: tuple[Topology, ...] = levels(nodes, self.notes)
        templates: dict[tuple[object, ...], _Template] = {}
        machines = []
        for node in nodes:
            entries = tuple(self._gres.of(node.name))
            key = (node.description, tuple(node.partitions), tuple(node.switches), node.block, entries)
            if key not in templates:
                templates[key] = _template(node, entries, options.get("cpu"))
            template = templates[key]
            for sentence in template.notes:
                self.notes.add(sentence, node.name)
            for sentence in template.left_out:
                self.left_out.add(sentence, node.name)
            machines.append(template.machine.model_copy(update={"name": node.name, "line": node.line}))
        self._tell(nodes, options)
        return Inventory(
            name=options.get("name") or self._name,
            machines=tuple(machines),
            topology=topology,
            notes=self.notes.told(),
            left_out=self.left_out.told(),
        )

    def _tell(self, nodes: Sequence[Node], options: Mapping[str, str]) -> None:
        self.notes.add("a CPU of Slurm counts as a core; where threads are CPUs, it is a hardware thread")
        if self._gres.detects:
            self.notes.add("gres.conf has devices detected by slurmd: only what slurm.conf says of them is known here")
        if "cpu" not in options and any(not node.description.architecture for node in nodes):
            self.notes.add("what processors the nodes have is not told: say it with --option cpu=MODEL")
        if not self._of_kind["shown"] and not self._of_kind["json"]:
            self.notes.add("a configuration does not say what is taken: `scontrol show nodes -d` does")


class _Template(NamedTuple):
    """The machine that all nodes of one description are, and what is worth telling of each."""

    machine: Machine
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def _template(node: Node, entries: tuple[Entry, ...], cpu: str | None) -> _Template:
    said = node.description
    notes, left_out = Remarks(), Remarks()
    found = accelerators(said, entries, notes, left_out)
    processor = _processor(said, cpu)
    out = state_of(said.state)
    if out:
        why = f" ({said.reason[:100]})" if said.reason and said.reason.lower() != "(null)" else ""
        notes.add(f"no job is started there: {out}{why}")
    if said.reserved:
        notes.add("CPUs or memory that Slurm keeps from jobs are not counted")
    memory = said.memory_mib * _MIB if said.memory_mib else None
    used = Used(
        cores=min(said.taken_cpus, float(said.cpus or 0)),
        memory_bytes=min(said.taken_mib * _MIB, memory or 0.0),
    )
    machine = Machine(
        name=node.name,
        cores=said.cpus,
        memory_bytes=memory,
        devices=(*([Found(type=processor)] if processor else []), *found.found),
        labels=_labels(node),
        taints=(f"slurm/state={out}:NoSchedule",) if out else (),
        topology=found.topology,
        used=used if used != Used() else None,
    )
    return _Template(machine, notes.told(), left_out.told())


def _processor(said: Description, named: str | None) -> DeviceType | None:
    name = named or said.architecture
    if not name:
        return None
    identity = {
        "name": name,
        "machine": said.architecture,
        "physical_cores": str(said.physical) if said.physical else "",
    }
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "cpu"
    return DeviceType(
        name=safe,
        kind="cpu",
        model=named,
        cores=said.cpus if named else None,
        identity={key: text for key, text in identity.items() if text},
    )


def _labels(node: Node) -> dict[str, str]:
    labels = {
        "partition": ",".join(node.partitions),
        "features": ",".join(node.description.features),
        "block": node.block or "",
    }
    labels |= {label_of(level): switch for level, switch in enumerate(node.switches, start=1)}
    return {label: text for label, text in labels.items() if text}
