"""hardware topology: domains as a tree, a matrix of devices, the best-connected sets, a picture."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aios.cli.domaintree import short_ids, tree
from aios.cli.durations import times_document, times_text
from aios.cli.output import emit, save_text
from aios.cli.words import Ink, counted, harmless, table
from aios.records.errors import UsageError
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.fleet.topology.sets import DeviceSet
    from aios.records.fabric import Fabric
    from aios.workflow.connecting import Connected

__all__ = ["Asked", "topology"]

_MOST_IN_MATRIX = 32
"""Devices of a matrix that still fits a wide terminal."""


class Asked(NamedTuple):
    """What the command line says.

    machine: the only one to look at · size: of the sets to look for · free: devices or machines that these may take ·
    devices: the set to look at instead · times: operations with their size · library, algorithm: by which these are
    done · out: where the picture goes
    """

    fleet: str | None = None
    machine: str | None = None
    size: int | None = None
    free: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    library: str | None = None
    algorithm: str | None = None
    out: Path | None = None


def topology(asked: Asked, *, json: bool, json_into: Path | None) -> int:
    """Print how devices are connected; with ``out``, also draw it."""
    from aios.workflow.communicating import check_size, times_on, wanted_of
    from aios.workflow.connecting import connected
    from aios.workflow.setting import Setting

    _refuse_mixtures(asked)
    wanted = wanted_of(asked.times, asked.library, asked.algorithm)
    free, devices = _names(asked.free), _names(asked.devices)
    found = connected(Setting(fleet=asked.fleet), asked.machine, asked.size, devices or free)
    usable = found.free(devices or free)
    check_size(wanted, asked.size or len(usable))
    sets: tuple[DeviceSet, ...] = (found.described(usable),) if devices else ()
    if asked.size is not None:
        sets = found.best_sets(asked.size, usable)
    times = times_on(found.fabric, [item.devices for item in sets], wanted)
    pairs = _pairs(found)
    if asked.out is not None:
        _write(found, sets[0].devices if sets else (), asked.out)
    ink = Ink(sys.stdout)
    parts = [_heading(found, ink), tree(found.fabric, found.machines, ink)]
    parts += [_matrix(found, pairs, ink)] if pairs else []
    parts += [_sets(sets, bool(devices), ink)] if sets else []
    parts += [times_text(times, wanted.library, ink)] if wanted.operations else []
    if found.fabric.unknown:
        parts.append("\n".join([ink("not known", "yellow"), *(f"  {harmless(it)}" for it in found.fabric.unknown)]))
    parts += [f"written to {asked.out}"] if asked.out else []
    document = _document(found, pairs, sets)
    if wanted.operations:
        for item, rows in zip(document["sets"], times, strict=True):
            item["times"] = times_document(rows, wanted.library)
    emit("\n\n".join(parts), document, json=json, json_into=json_into)
    return 0


def _write(found: Connected, chosen: Sequence[str], out: Path) -> None:
    """Write the graph, or a picture of it, whole or not at all."""
    if out.suffix.lower() == ".graphml":
        save_text(out, found.graphml())
        return
    from aios.cli.drawing import draw

    draw(found, chosen, out)


def _refuse_mixtures(asked: Asked) -> None:
    """Raise UsageError for options that contradict or need each other."""
    if asked.devices and (asked.size is not None or asked.free):
        raise UsageError("--devices names a set, while --best and --free look for one: give one or the other")
    if asked.times and not asked.devices and asked.size is None:
        raise UsageError("--time needs devices: name them with --devices, or let --best find a set")
    if (asked.library or asked.algorithm) and not asked.times:
        raise UsageError(
            "--library and --algorithm say how operations are timed: add --time, such as all-reduce=256MiB"
        )


def _names(texts: Sequence[str]) -> tuple[str, ...]:
    """Return names that may be given one by one or with commas between them."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _heading(found: Connected, ink: Ink) -> str:
    shown = len(found.machines)
    text = (
        ink(f"fleet {harmless(found.fleet.name)}", "bold")
        + f": {found.all:,} {'machine' if found.all == 1 else 'machines'}"
    )
    if shown < found.all:
        text += f", of which {shown:,} {'is' if shown == 1 else 'are'} looked at (--node NAME looks at another)"
    return text


def _pairs(found: Connected) -> Mapping[tuple[str, str], DeviceSet]:
    """Return how every two devices of a machine are connected, where only one is looked at and it has not too many."""
    from aios.fleet.topology.sets import connections

    if len(found.machines) != 1:
        return {}
    devices = found.accelerators(next(iter(found.machines)))
    return connections(found.fabric, devices) if 1 < len(devices) <= _MOST_IN_MATRIX else {}


def _matrix(found: Connected, pairs: Mapping[tuple[str, str], DeviceSet], ink: Ink) -> str:
    """Return which level connects every two devices, and what each of these levels gives them."""
    devices = found.accelerators(next(iter(found.machines)))
    kinds = {(it.level, it.bandwidth, it.hops, it.latency): it for it in pairs.values()}
    ordered = sorted(kinds.values(), key=lambda it: (_rank(found.fabric, it.level), -(it.bandwidth or 0), it.hops or 0))
    names: dict[tuple[object, ...], str] = {}
    for level in dict.fromkeys(item.level for item in ordered):
        same = [item for item in ordered if item.level == level]
        for number, item in enumerate(same, 1):
            key = (item.level, item.bandwidth, item.hops, item.latency)
            names[key] = level if len(same) == 1 else f"{level}.{number}"
    cells = {pair: names[it.level, it.bandwidth, it.hops, it.latency] for pair, it in pairs.items()}
    cells |= {(b, a): text for (a, b), text in cells.items()}
    heads = [device.split("/", maxsplit=1)[1] for device in devices]
    rows = [
        [head, *("." if a == b else harmless(cells.get((a, b), "-")) for b in devices)]
        for head, a in zip(heads, devices, strict=True)
    ]
    legend = [[harmless(names[it.level, it.bandwidth, it.hops, it.latency]), _speed(it), _way(it)] for it in ordered]
    return table(["", *heads], rows, ink) + "\n\n" + table(["BETWEEN TWO", "BANDWIDTH", "WAY"], legend, ink)


def _rank(fabric: Fabric, level: str) -> int:
    return next((index for index, domain in enumerate(fabric.domains) if domain.name == level), len(fabric.domains))


def _speed(item: DeviceSet) -> str:
    return "?" if item.bandwidth is None else format_quantity(item.bandwidth, Dimension.BANDWIDTH)


def _way(item: DeviceSet) -> str:
    if item.hops is None or item.latency is None:
        return "?"
    latency = format_quantity(item.latency, Dimension.TIME) if item.latency else "? s"
    return f"{counted(item.hops, 'hop')}, {latency}"


def _sets(sets: Sequence[DeviceSet], named: bool, ink: Ink) -> str:
    """Return the sets, best first. What is spread over domains says so: 6 + 2 is not one domain of 8."""
    rows = [
        [
            str(number),
            harmless(item.level) or "?",
            _split(item.split),
            _speed(item),
            _way(item),
            harmless(_short(item.devices)),
        ]
        for number, item in enumerate(sets, 1)
    ]
    count = len(sets[0].devices)
    title = f"the {counted(count, 'device')} asked for" if named else f"best-connected sets of {count}"
    return ink(title, "bold") + "\n" + table(["", "WITHIN", "SPLIT", "WORST PAIR", "WAY", "DEVICES"], rows, ink)


def _split(parts: Sequence[int]) -> str:
    """Return ``6 + 2``; of many parts equal ones together, ``25 × 80 + 3``."""
    if len(parts) <= 4:
        return " + ".join(map(str, parts)) or "?"
    counts = Counter(parts)
    return " + ".join(f"{count} × {size}" if count > 1 else str(size) for size, count in counts.items())


def _short(devices: Sequence[str]) -> str:
    """Return devices by machine, ``dgx-0/0-7 dgx-1/0,2``, cut where there are many machines."""
    by_machine: dict[str, list[str]] = {}
    for device in devices:
        machine, name = device.split("/", maxsplit=1)
        by_machine.setdefault(machine, []).append(name)
    texts = [f"{machine}/{short_ids(names)}" for machine, names in by_machine.items()]
    return " ".join(texts[:8]) + (f" and {len(texts) - 8} more machines" if len(texts) > 8 else "")


def _document(
    found: Connected, pairs: Mapping[tuple[str, str], DeviceSet], sets: Sequence[DeviceSet]
) -> dict[str, Any]:
    fabric = found.fabric
    return {
        "fleet": found.fleet.name,
        "machines_in_all": found.all,
        "machines": list(found.machines),
        "devices": list(fabric.devices),
        "domains": [
            {
                "name": item.name,
                "members": list(item.members),
                "bandwidth_bytes_per_s": item.bandwidth,
                "latency_s": item.latency,
                "shape": list(item.shape),
                "wraps": item.wraps,
            }
            for item in fabric.domains
        ],
        "edges": [
            {
                "ends": [edge.a, edge.b],
                "bandwidth_bytes_per_s": edge.bandwidth,
                "latency_s": edge.latency,
                "interconnect": edge.interconnect,
                "level": edge.level,
                "assumed": edge.assumed,
            }
            for edge in fabric.edges
        ],
        "pairs": [_set_document(item) for item in pairs.values()],
        "sets": [_set_document(item) for item in sets],
        "unknown": list(fabric.unknown),
    }


def _set_document(item: DeviceSet) -> dict[str, Any]:
    return {
        "devices": list(item.devices),
        "level": item.level or None,
        "bandwidth_bytes_per_s": item.bandwidth,
        "hops": item.hops,
        "latency_s": item.latency,
        "split": list(item.split),
    }
