"""A picture of a fabric, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios.cli.picturelayout import Layout, laid_out
from aios.cli.pictures import new_figure, refuse_other_files, save_figure
from aios.records.errors import Diagnostic, InputError
from aios.records.fabric import Edge, Fabric
from aios.records.units import Dimension, format_quantity

if TYPE_CHECKING:
    from aios.workflow.connecting import Connected

__all__ = ["draw"]

_MOST_DEVICES = 96
"""Devices that are drawn one by one; of more in several machines, each machine is one point."""

_MOST_POINTS = 1024
"""A picture with more is a grey patch."""

_INCHES = 0.42  # per step between neighbouring devices
_COLOURS = ("#1b7837", "#2166ac", "#b2182b", "#762a83", "#b35806", "#01665e", "#8c510a", "#4d4d4d")
_KINDS = {"cpu": "#c9d7e8", "gpu": "#bfe3bf", "npu": "#f7d9b0", "tpu": "#e3c9ec"}
_OTHER = "#e6e6e6"


def draw(found: Connected, chosen: Collection[str], out: Path) -> None:
    """Write a picture to ``out``; ``chosen`` devices stand out.

    Raises InputError for a file that is no picture's and for more than fits into one, WorldError where it cannot be
    written or matplotlib is missing.
    """
    refuse_other_files(out, more=", or .graphml for the graph itself")
    fabric = found.fabric
    single = len(found.machines) > 1 and len(fabric.devices) > _MOST_DEVICES
    points = len(found.machines) if single else len(fabric.devices)
    if points > _MOST_POINTS:
        what = "machines" if single else "devices"
        raise InputError(
            Diagnostic(
                summary=f"{points:,} {what} are more than a picture can show (at most {_MOST_POINTS:,})",
                remedy="name one machine with --node",
            )
        )
    figure = new_figure()
    _paint(figure, found, laid_out(fabric, single), set(chosen), single)
    save_figure(figure, out)


def _paint(figure: Any, found: Connected, layout: Layout, chosen: set[str], single: bool) -> None:
    fabric = found.fabric
    shown = [edge for edge in dict.fromkeys(_ends(edge, single) for edge in fabric.edges) if edge is not None]
    visible = {edge.level for edge in shown} | {box.domain.name for box in layout.boxes}
    levels = [level for level in dict.fromkeys(domain.name for domain in fabric.domains) if level in visible]
    colours = {level: _COLOURS[number % len(_COLOURS)] for number, level in enumerate(levels)}
    figure.set_size_inches(
        max(6.0, layout.width * _INCHES + 1.0), max(3.0, (layout.height + 2.0 + 0.6 * len(levels)) * _INCHES)
    )
    axes = figure.add_axes((0.01, 0.0, 0.98, 1.0))
    _boxes(axes, layout, colours)
    width = 1.3 if len(fabric.edges) < 80 else 0.9
    for edge in shown:
        if edge.a in layout.points and edge.b in layout.points:
            xs, ys = _course(layout.points[edge.a], layout.points[edge.b], bent="/" not in edge.a + edge.b)
            above = 2 - levels.index(edge.level) / 100 if edge.level in levels else 1.5  # closer levels hide others
            colour = colours.get(edge.level, "#777777")
            axes.plot(xs, ys, color=colour, linewidth=width, alpha=0.75, zorder=above)
    for vertex, at in layout.points.items():
        _vertex(axes, vertex, at, found, chosen, single)
    axes.set_xlim(-0.4, layout.width + 0.4)
    axes.set_ylim(-0.7 - 0.6 * len(levels), layout.height + 1.1)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.text(0.0, layout.height + 0.35, _title(found), fontsize=12, fontweight="bold", va="bottom")
    _legend(axes, fabric, colours)


def _course(a: tuple[float, float], b: tuple[float, float], bent: bool) -> tuple[list[float], list[float]]:
    """Return the points of a line; between switches side by side it is ``bent`` over what stands between them."""
    if not bent or abs(a[1] - b[1]) > 0.5:
        return [a[0], b[0]], [a[1], b[1]]
    rise = min(0.9, 0.1 * abs(a[0] - b[0]))
    steps = [number / 16 for number in range(17)]
    return (
        [a[0] + (b[0] - a[0]) * at for at in steps],
        [a[1] + (b[1] - a[1]) * at + 4 * rise * at * (1 - at) for at in steps],
    )


def _title(found: Connected) -> str:
    many = len(found.machines)
    machine = next(iter(found.machines))
    shown = "" if many == found.all else f", {machine}" if many == 1 else f", {many} of {found.all} machines"
    return f"{found.fleet.name}{shown}"


def _ends(edge: Edge, single: bool) -> Edge | None:
    """Return the connection as it is drawn: none within a machine that is one point."""
    if not single:
        return edge
    a, b = (end if end.startswith("#") else f"{end.split('/')[0].split('#')[0]}#host" for end in edge[:2])
    return None if a == b else edge._replace(a=a, b=b)


def _boxes(axes: Any, layout: Layout, colours: Mapping[str, str]) -> None:
    from matplotlib.patches import FancyBboxPatch

    for box in layout.boxes:
        colour = colours[box.domain.name]
        style = "round,pad=0,rounding_size=0.25"
        patch = FancyBboxPatch((box.x, box.y), box.width, box.height, boxstyle=style, linewidth=1.1)
        patch.set(facecolor=(*_rgb(colour), 0.05), edgecolor=(*_rgb(colour), 0.75), zorder=1)
        axes.add_patch(patch)
        machines = {device.split("/", maxsplit=1)[0] for device in box.domain.members}
        text = box.domain.name
        outermost = text == "host" or not any(
            other is not box and set(other.domain.members) >= set(box.domain.members) and other.domain.name != "fleet"
            for other in layout.boxes
        )
        if len(machines) == 1 and outermost:
            text += f" of {machines.pop()}"
        axes.text(box.x + 0.25, box.y + 0.16, text, fontsize=8, color=colour, va="bottom", zorder=6)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _vertex(axes: Any, vertex: str, at: tuple[float, float], found: Connected, chosen: set[str], single: bool) -> None:
    frame: dict[str, Any] = {"boxstyle": "round,pad=0.28", "linewidth": 0.9, "edgecolor": "#333333"}
    machine, _, device = vertex.partition("/")
    if device:
        node = found.machines[machine]
        kinds = {name: found.fleet.types[slot.type].kind for slot in node.devices for name in slot.ids}
        frame["facecolor"] = _KINDS.get(kinds.get(device, ""), _OTHER)
        if vertex in chosen:
            frame |= {"linewidth": 2.4, "edgecolor": "#d7191c"}
        axes.text(*at, device, fontsize=8, ha="center", va="center", bbox=frame, zorder=5)
        return
    host, _, name = vertex.partition("#")
    if name == "host" and single:
        name = f"{host}\n{_holds(host, found)}"
    frame |= {"boxstyle": "square,pad=0.35", "facecolor": "#ffffff"}
    axes.text(*at, name, fontsize=8, ha="center", va="center", style="italic", bbox=frame, zorder=5)


def _holds(machine: str, found: Connected) -> str:
    """Return how many devices of each kind a machine has, ``8 gpu``; its cpus only where it has nothing else."""
    kinds: dict[str, int] = {}
    for slot in found.machines[machine].devices:
        kind = found.fleet.types[slot.type].kind
        kinds[kind] = kinds.get(kind, 0) + len(slot.ids)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items() if kind != "cpu" or len(kinds) == 1)


def _legend(axes: Any, fabric: Fabric, colours: Mapping[str, str]) -> None:
    """Say below the picture what each level's connections are."""
    for number, (level, colour) in enumerate(colours.items()):
        y = -0.75 - 0.6 * number
        axes.plot((0.1, 1.1), (y, y), color=colour, linewidth=2.5)
        axes.text(1.4, y, f"{level}: {_rates(fabric, level)}", fontsize=8.5, va="center")


def _rates(fabric: Fabric, level: str) -> str:
    kinds = dict.fromkeys(
        (edge.bandwidth, edge.latency, edge.interconnect) for edge in fabric.edges if edge.level == level
    )
    texts = []
    for bandwidth, latency, interconnect in sorted(kinds, key=lambda kind: (-kind[0], kind[1], kind[2] or "")):
        text = format_quantity(bandwidth, Dimension.BANDWIDTH)
        text += f", {format_quantity(latency, Dimension.TIME)}" if latency else ", latency unknown"
        texts.append(f"{text} ({interconnect})" if interconnect else text)
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return " · ".join(texts[:3]) + more if texts else "bandwidth unknown"
