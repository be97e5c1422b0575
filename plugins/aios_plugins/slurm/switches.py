"""``topology.conf`` -> which switches each node is below, and the levels that they make.

Source: Slurm, topology.conf manual, plugins topology/tree and topology/block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aios.records.errors import BadValue
from aios.records.fleet import Topology
from aios.records.hosts import expand
from aios.spi.texts import Remarks
from aios_plugins.slurm.configured import names
from aios_plugins.slurm.lines import File, Line
from aios_plugins.slurm.nodes import Node

__all__ = ["Switches", "label_of", "levels"]

_MOST_LEVELS = 8


class Switches:
    """All switches. above: switch -> the one that it hangs on."""

    def __init__(self, nodes: Mapping[str, Node], notes: Remarks, left_out: Remarks) -> None:
        self._nodes = nodes
        self._notes = notes
        self._left_out = left_out
        self._above: dict[str, str] = {}
        self._known: set[str] = set()

    def read(self, file: File) -> None:
        """Add a file's lines; mistakes are noted in it."""
        for line in file.lines:
            switch = line.pairs.get("switchname") or line.pairs.get("blockname")
            if switch is None:
                continue
            self._known.add(switch)
            for name in names(file, line, "nodes") if "nodes" in line.pairs else ():
                node = self._nodes.get(name)
                if node is None:
                    self._left_out.add(f"nodes of {file.name} that are not described", name)
                elif "blockname" in line.pairs:
                    node.block = switch
                elif node.switches:
                    self._notes.add("nodes at several switches: the first of them counts", name)
                else:
                    node.switches = [switch]
            for below in _below(file, line) if "switches" in line.pairs else ():
                if self._above.setdefault(below, switch) != switch:
                    self._notes.add(f"switch `{below}` hangs on several; the first one that names it counts")

    def climb(self, file: File) -> None:
        """Give each node the switches above its first one; a circle is a mistake, noted in ``file``."""
        paths: dict[str, list[str]] = {}
        for node in self._nodes.values():
            if node.switches:
                leaf = node.switches[0]
                if leaf not in paths:
                    paths[leaf] = self._path(leaf, file)
                node.switches = paths[leaf]

    def _path(self, leaf: str, file: File) -> list[str]:
        path = [leaf]
        while (above := self._above.get(path[-1])) is not None:
            if above in path or len(path) >= _MOST_LEVELS:
                file.mistakes.add(f"switch `{leaf}` is below itself, or below more than {_MOST_LEVELS} others", 1)
                return path
            path.append(above)
        return path


def _below(file: File, line: Line) -> Sequence[str]:
    try:
        return expand(line.pairs["switches"])
    except BadValue as error:
        file.wrong(line, "switches", f"`Switches`: {error.summary}", error.remedy)
        return ()


def levels(nodes: Sequence[Node], notes: Remarks) -> tuple[Topology, ...]:
    """Return the topology of switches, if every node is below as many; by labels ``switch``, ``switch-2``..."""
    depths = {len(node.switches) for node in nodes}
    if not depths or depths == {0}:
        return ()
    if len(depths) > 1:
        notes.add("not all nodes are below as many switches: these are kept as labels, and no topology is made of them")
        return ()
    depth = depths.pop()
    single = (level for level in range(1, depth + 1) if len({node.switches[level - 1] for node in nodes}) == 1)
    top = next(single, None)
    topology = None if top is None else Topology(name=_level_name(top), kind="switch")
    for level in range(depth if top is None else top - 1, 0, -1):
        topology = Topology(name=_level_name(level), kind="switch", by=label_of(level), between=topology)
    notes.add("how fast the network's switches are is not told: add `bandwidth` to the topology")
    return () if topology is None else (topology,)


def label_of(level: int) -> str:
    """Return the label that says which switch of a level, from 1, a node is below."""
    return "switch" if level == 1 else f"switch-{level}"


def _level_name(level: int) -> str:
    return "leaf" if level == 1 else f"level-{level}"
