"""The topologies that a device description may name -> Topology."""

from __future__ import annotations

import difflib
import math
import re

from aios.records.errors import BadValue
from aios.records.fleet import Fact, Topology, TopologyKind

__all__ = ["MOST_DEVICES", "Shape", "shape_of"]

MOST_DEVICES = 65_536
"""Most devices of one machine; the largest machines that are sold have some hundred."""

_GRIDS: dict[str, TopologyKind] = {"MESH": "mesh", "TORUS": "torus", "LINE": "mesh", "CHAIN": "mesh"}
_FLAT: dict[str, TopologyKind] = {
    "RING": "ring",
    "FULLY_CONNECTED": "full",
    "FULL": "full",
    "FULL_MESH": "full",
    "ALL_TO_ALL": "full",
    "SWITCH": "switch",
    "CROSSBAR": "switch",
    "STAR": "switch",
    "BUS": "switch",
}
_KNOWN = ("2D_MESH", "3D_MESH", "2D_TORUS", "3D_TORUS", "RING", "LINE", "FULLY_CONNECTED", "SWITCH", "STAR", "TREE")
_GRID = re.compile(r"(?:(\d)D_)?(MESH|TORUS|LINE|CHAIN)(?:_(\d)D)?")


class Shape:
    """A named arrangement. name: as written · sizes: as written, at least one · devices: how many it connects."""

    def __init__(self, name: str, kind: TopologyKind, sizes: tuple[int, ...]) -> None:
        """``sizes`` are the lengths of a grid, the members of a ring, or the fan-outs of a tree from its root on."""
        self.name = name
        self.kind = kind
        self.sizes = sizes
        self.devices = math.prod(sizes)

    def __str__(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.sizes))}"

    def topology(self, members: tuple[str, ...], bandwidth: Fact | None, latency: Fact | None) -> Topology:
        """Return it over ``members`` (empty for all devices of the machine), each link with these facts."""
        if self.kind in ("mesh", "torus"):
            made = Topology(name=self.kind, kind=self.kind, shape=self.sizes)
        elif self.name == "TREE" and len(self.sizes) > 1:
            made = _tree(self.sizes, bandwidth, latency)
        else:
            made = Topology(name=self.name.lower().replace("_", "-"), kind=self.kind)
        return made.model_copy(update={"members": members, "bandwidth_bytes_per_s": bandwidth, "latency_s": latency})


def _tree(fan_outs: tuple[int, ...], bandwidth: Fact | None, latency: Fact | None) -> Topology:
    """Return a tree of switches: the leaves of each lowest switch are a group, and so on up to the root."""
    level: Topology | None = None
    for depth, size in enumerate(fan_outs):
        level = Topology(
            name="tree" if depth == len(fan_outs) - 1 else f"tree-level-{depth + 1}",
            kind="switch",
            group=size if level is not None else None,
            bandwidth_bytes_per_s=bandwidth,
            latency_s=latency,
            between=level,
        )
    assert level is not None
    return level


def shape_of(written: str, sizes: tuple[int, ...]) -> Shape:
    """Return the arrangement that a name and numbers mean; raises BadValue where they mean none."""
    name = re.sub(r"[\s-]+", "_", written.strip()).upper()
    grid = _GRID.fullmatch(name)
    if grid is None and name not in _FLAT and name != "TREE":
        near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.5)
        meant = f"did you mean `{near[0]}`? " if near else ""
        raise BadValue(f"unknown topology `{written}`", f"{meant}known: {', '.join(_KNOWN)}")
    wanted = None if name == "TREE" else 1
    if grid is not None:
        written_dimensions = grid[1] or grid[3]
        wanted = int(written_dimensions) if written_dimensions else 1 if grid[2] in ("LINE", "CHAIN") else None
    if not sizes or (wanted is not None and len(sizes) != wanted):
        count = "at least one number" if wanted is None else "one number" if wanted == 1 else f"{wanted} numbers"
        example = ", ".join(["4"] * (wanted or 2))
        have = ", ".join(map(str, sizes)) or "none"
        raise BadValue(f"`{written}` takes {count}, not {len(sizes)} ({have})", f'write `<"{written}", {example}>`')
    if min(sizes) < 1:
        raise BadValue(f"`{written}` cannot have a size of {min(sizes)}", "write whole numbers of at least 1")
    if math.prod(sizes) > MOST_DEVICES:
        raise BadValue(f"`{written}` of {'x'.join(map(str, sizes))} has more than {MOST_DEVICES:,} devices")
    kind = _GRIDS[grid[2]] if grid is not None else _FLAT.get(name, "switch")
    return Shape(name, kind, sizes)
