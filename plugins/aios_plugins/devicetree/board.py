"""The device tree of a machine (``cpus``, ``memory``, accelerators) -> Machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from aios.records.fleet import DeviceKind, DeviceType, Fact
from aios.spi.probe import Found
from aios_plugins.devicetree.tree import Node, Ref, Tree, joined

__all__ = ["Board", "read_board", "slug"]

# Node names that the Devicetree Specification (2.2.2, generic names) and Linux use for devices that compute.
_GENERIC: dict[str, DeviceKind] = {"gpu": "gpu", "npu": "npu", "tpu": "tpu", "dsp": "dsp"}
# `compatible` of nodes with other names; each matches a whole part after the vendor.
_COMPATIBLE: tuple[tuple[str, DeviceKind], ...] = (
    (
        r"arm,mali(-(t|g)?\d+|-bifrost|-valhall.*|-midgard|-utgard)?|img,img-(axe|bxm|bxs|gx).*|qcom,adreno(-[\d.]+)?|brcm,.*-v3d|nvidia,g[a-z]\d\d[a-z]",
        "gpu",
    ),
    (r".*[,-](npu|rknn|rknpu|rknn-core|apu|tpu|nvdla|ethosu?|vipnano|nna|mvp-dla)(-core|-\d+)?", "npu"),
    (r"arm,ethos-[nu].*|.*,.*-nvdla|.*,.*-(npu|rknn-core|rknpu)|hailo,.*|google,edgetpu.*|.*,edge-?tpu", "npu"),
    (r"qcom,.*-(cdsp|nsp)-pas|ti,(j7|am6).*-c[67]\dx?-dsp", "dsp"),
    (r"xlnx,dpu.*|fpga-region", "fpga"),
)
# Nodes that are called `gpu` and compute nothing: the display pipelines of VideoCore, memory set aside for a GPU.
_NO_DEVICE = re.compile(r"brcm,.*-vc[4-9]|shared-dma-pool|restricted-dma-pool")
_LARGEST_MEMORY = 2**56  # of a physical address; what is larger was read with the wrong number of cells


class Board:
    """What a device tree says of its machine; all None or empty where it says nothing."""

    def __init__(self, tree: Tree, file: str) -> None:
        """``file`` is named in messages."""
        assert tree.root is not None
        self.tree = tree
        self.file = file
        self.root = tree.root
        self.notes: list[str] = []
        self.left_out: list[str] = []
        self.cores: int | None = None
        self.memory_bytes: float | None = None
        self.devices: list[Found] = []
        self.labels: dict[str, str] = {}


def read_board(tree: Tree, file: str, skipped: Iterable[Node] = ()) -> Board:
    """Return what the tree says of its machine. skipped: nodes that are read as something else."""
    board = Board(tree, file)
    _memory(board)
    _processors(board)
    _accelerators(board, {id(node) for node in skipped})
    _numa(board)
    return board


def slug(text: str) -> str:
    """Return ``text`` as a name: lower case, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64].strip("-")


# Memory


def _memory(board: Board) -> None:
    total, unknown = 0, []
    for node in _memory_nodes(board):
        ranges = _ranges(node, board.root)
        if ranges is None:
            unknown.append(node.name)
        else:
            total += sum(size for _, size in ranges)
    if unknown:
        board.left_out.append(f"{board.file}: the size of {' and '.join(unknown)} cannot be read")
    elif not total:
        board.notes.append(f"{board.file}: no size of memory is stated; boot firmware often fills it in")
    elif total > _LARGEST_MEMORY:
        board.left_out.append(f"{board.file}: {total} bytes of memory is more than any machine has")
    else:
        board.memory_bytes = float(total)


def _memory_nodes(board: Board) -> list[Node]:
    return [
        node
        for node in board.root.children.values()
        if node.enabled() and (node.text("device_type") == "memory" or node.base == "memory")
    ]


def _ranges(node: Node, parent: Node) -> list[tuple[int, int]] | None:
    """Return address and size of each range in ``reg``; None where they cannot be read.

    The defaults are those of the Devicetree Specification 0.4, 2.3.5.
    """
    address = _cell_count(parent, "#address-cells", 2)
    size = _cell_count(parent, "#size-cells", 1)
    cells = node.cells("reg")
    width = address + size
    numbers = [cell for cell in cells if isinstance(cell, int)]
    if width == 0 or len(numbers) != len(cells) or len(numbers) % width:
        return None
    starts = range(0, len(numbers), width)
    return [(joined(numbers[at : at + address]), joined(numbers[at + address : at + width])) for at in starts]


def _cell_count(node: Node, name: str, default: int) -> int:
    number = node.number(name)
    return number if number is not None and 0 <= number <= 4 else default


# Processors


def _cpu_nodes(board: Board) -> list[Node]:
    cpus = board.root.children.get("cpus")
    nodes = cpus.children.values() if cpus is not None else ()
    return [node for node in nodes if node.enabled() and (node.text("device_type") == "cpu" or node.base == "cpu")]


def _processors(board: Board) -> None:
    nodes = _cpu_nodes(board)
    model = board.root.text("model")
    if not nodes:
        return
    cpus = board.root.children["cpus"]
    board.cores = sum(_threads(node, cpus) for node in nodes)
    names = Counter(node.text("compatible") or "cpu" for node in nodes)
    if len(names) > 1:
        clusters = ", ".join(f"{count} x {name}" for name, count in sorted(names.items()))
        board.notes.append(f"{board.file}: processors of several kinds are one device: {clusters}")
    rates = {rate for node in nodes if (rate := node.number("clock-frequency"))}
    isa = nodes[0].text("riscv,isa")
    identity = {
        "name": " + ".join(sorted(names)),
        "board": model or "",
        "compatible": " ".join(board.root.strings("compatible")),
        "cores": ", ".join(f"{count} x {name}" for name, count in sorted(names.items())),
        "isa": isa or "",
    }
    device = DeviceType(
        name=f"{slug([*board.root.strings('compatible'), *sorted(names)][0])}-cpu",
        kind="cpu",
        model=model,
        cores=board.cores,
        frequency_hz=_fact(max(rates), "Hz", "`clock-frequency`") if rates else None,
        cache_bytes={level: _fact(size, "B", "cache nodes") for level, size in _caches(board, nodes).items()},
        identity={key: text for key, text in identity.items() if text},
    )
    board.devices.append(Found(type=device))


def _threads(node: Node, cpus: Node) -> int:
    """Return how many threads a cpu node stands for: ``reg`` has one entry for each (specification, 3.8.1)."""
    width = _cell_count(cpus, "#address-cells", 1)
    return max(1, len(node.cells("reg")) // width if width else 1)


def _caches(board: Board, nodes: list[Node]) -> dict[str, float]:
    """Return level -> bytes of all caches of that level; a level of which one size is unknown is left out."""
    sizes: dict[str, dict[int, int | None]] = {}
    for node in nodes:
        if (first := node.number("d-cache-size")) is not None:
            sizes.setdefault("l1d", {})[id(node)] = first
        level, holder = 2, _next_cache(board.tree, node)
        while holder is not None and level < 6:
            stated = holder.number("cache-level")
            level = stated if stated is not None and 2 <= stated < 6 else level
            size = holder.number("cache-size") or holder.number("d-cache-size")
            sizes.setdefault(f"l{level}", {})[id(holder)] = size
            level, holder = level + 1, _next_cache(board.tree, holder)
    totals = {level: list(found.values()) for level, found in sizes.items()}
    return {level: float(sum(s for s in found if s)) for level, found in sorted(totals.items()) if all(found)}


def _next_cache(tree: Tree, node: Node) -> Node | None:
    for name in ("next-level-cache", "l2-cache"):
        cells: tuple[int | Ref | None, ...] = node.cells(name)
        if cells:
            return tree.target(cells[0])
    return None


def _fact(value: float, unit: str, ref: str) -> Fact:
    return Fact(value=float(value), unit=unit, source="declared", ref=ref)


# Accelerators


def _accelerators(board: Board, skipped: set[int]) -> None:
    found: dict[str, list[Node]] = {}
    kinds: dict[str, DeviceKind] = {}
    for node, above in board.tree.walk():
        kind = None if id(node) in skipped or any(id(parent) in skipped for parent in above) else _kind(node)
        if kind is None or any(_kind(parent) == kind for parent in above):
            continue
        key = node.strings("compatible")[0]
        found.setdefault(key, []).append(node)
        kinds[key] = kind
    for key, nodes in found.items():
        device = DeviceType(
            name=slug(key),
            kind=kinds[key],
            identity={"name": key, "compatible": " ".join(nodes[0].strings("compatible"))},
        )
        board.devices.append(Found(type=device, count=len(nodes)))


def _kind(node: Node) -> DeviceKind | None:
    compatible = node.strings("compatible")
    if not compatible:
        return None
    if any(_NO_DEVICE.fullmatch(text) for text in compatible):
        return None
    for text in compatible:
        for pattern, kind in _COMPATIBLE:
            if re.fullmatch(pattern, text):
                return kind
    return _GENERIC.get(node.base)


# NUMA


def _numa(board: Board) -> None:
    domains: dict[int, list[float]] = {}  # number -> cores, bytes
    for node in _cpu_nodes(board):
        if (number := node.number("numa-node-id")) is not None:
            domains.setdefault(number, [0, 0])[0] += _threads(node, board.root.children["cpus"])
    for node in _memory_nodes(board):
        if (number := node.number("numa-node-id")) is not None:
            domains.setdefault(number, [0, 0])[1] += sum(size for _, size in _ranges(node, board.root) or ())
    if len(domains) < 2:
        return
    board.labels["numa-nodes"] = str(len(domains))
    parts = [f"{n}: {cores:g} cores, {size / 2**30:g} GiB" for n, (cores, size) in sorted(domains.items())]
    board.notes.append(f"{board.file}: {len(domains)} NUMA nodes ({'; '.join(parts)}){_distances(board)}")


def _distances(board: Board) -> str:
    """Return the distances between NUMA nodes in words; the matrix lists triples of two nodes and a distance."""
    for node in board.root.children.values():
        if "numa-distance-map-v1" in node.strings("compatible"):
            cells = [cell for cell in node.cells("distance-matrix") if isinstance(cell, int)]
            triples = [tuple(cells[at : at + 3]) for at in range(0, len(cells) - 2, 3)]
            far = [f"{a} to {b}: {distance}" for a, b, distance in triples if a < b]
            return f", distances {', '.join(far[:20])} (10 is a node's own)" if far else ""
    return ""
