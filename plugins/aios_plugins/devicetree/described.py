"""Nodes that describe a device by its features (``peak_flops``, ``precision_support``, ``topology``) -> devices.

npu_device {
  compatible = "ai_accelerator";
  peak_flops = <1024>; // TFLOPS
  memory_bandwidth = <256>; // GB/s
  precision_support = <FP16, BF16, INT8>;
  topology = <"2D_MESH", 4, 4>; // 4x4 mesh
};
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from aios.records.errors import BadValue
from aios.records.fleet import DeviceKind, DeviceType, Fact
from aios.records.units import Dimension, format_quantity, si_unit
from aios.spi.texts import Mistakes
from aios_plugins.devicetree.facts import (
    PRECISIONS,
    known_precision,
    quantities,
    rate_fact,
    unit_beside,
    unknown_precision,
)
from aios_plugins.devicetree.shapes import MOST_DEVICES, Shape, shape_of
from aios_plugins.devicetree.tree import Node, Property, Word

__all__ = ["Described", "describe_device", "is_described"]

_BITS = {name: 19 if name == "tf32" else int(re.sub(r"\D", "", name)) for name in PRECISIONS}
_KINDS: tuple[tuple[str, DeviceKind], ...] = (
    (r"npu(?!t)|neural|\bnna\b|\bapu\b", "npu"),
    (r"tpu", "tpu"),
    (r"gpu|graphics", "gpu"),
    (r"fpga", "fpga"),
    (r"dsp", "dsp"),
    (r"cpu|processor\b", "cpu"),
    (r"\bai\b.*accel|accel.*\bai\b", "npu"),
)
# property -> field of DeviceType, dimension, unit where none is written (that of the documented form)
_PLAIN: dict[str, tuple[str, Dimension, str | None]] = {
    "memory_bandwidth": ("memory_bandwidth_bytes_per_s", Dimension.BANDWIDTH, "GB/s"),
    "memory_size": ("memory_bytes", Dimension.BYTES, None),
    "memory_capacity": ("memory_bytes", Dimension.BYTES, None),
    "tdp": ("tdp_w", Dimension.POWER, None),
    "idle_power": ("idle_w", Dimension.POWER, None),
    "frequency": ("frequency_hz", Dimension.FREQUENCY, None),
    "clock_frequency": ("frequency_hz", Dimension.FREQUENCY, "Hz"),
}
_PEAKS = {"peak_flops": "TFLOPS", "peak_ops": "TOPS"}
_MEANINGLESS_HERE = re.compile(
    r"#.*|reg|reg_names|status|label|phandle|ranges|.*_names|interrupt.*|clocks|power_domains"
)
_MARKS = ("peak_flops", "peak_ops", "memory_bandwidth", "precision_support")


def is_described(node: Node) -> bool:
    """Say whether a node describes a device by its features."""
    return any(_plain(name).startswith(_MARKS) for name in node.properties)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


@dataclass
class Described:
    """A device that a node describes. count: how many of it there are · shape: how they are connected · line: its."""

    type: DeviceType
    line: int
    count: int = 1
    shape: Shape | None = None
    link_bandwidth: Fact | None = None
    link_latency: Fact | None = None
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def describe_device(node: Node, inside: bool, mistakes: Mistakes) -> Described:
    """Return what a node describes; what is wrong is noted in ``mistakes``.

    inside: the topology is that of cores within one device, not of several devices.
    """
    return _Reading(node, inside, mistakes).device()


class _Reading:
    """One node. properties: by name in one spelling · used: names that were read."""

    def __init__(self, node: Node, inside: bool, mistakes: Mistakes) -> None:
        self.node = node
        self.inside = inside
        self.mistakes = mistakes
        self.properties = {_plain(name): made.typed() for name, made in node.properties.items()}
        self.used = {"compatible", "model", "vendor", "device_type"}
        self.notes: list[str] = []
        self.left_out: list[str] = []

    def device(self) -> Described:
        facts = {spec[0]: fact for name, spec in _PLAIN.items() if (fact := self.fact(name, *spec[1:])) is not None}
        peaks = self.peaks()
        shape, count = self.arrangement()
        kind = self.kind()
        if shape is not None and (self.inside or kind == "cpu"):
            self.notes.append(f"{self.what()}: {shape} connects cores within one device and is kept as a name only")
        elif shape is not None:
            self.notes.append(
                f"{self.what()}: {shape} is read as {shape.devices} devices, each with the facts of the node; "
                "with `topology=inside` it is one device"
            )
        device = DeviceType(
            name=_safe(self.node.base),
            kind=kind,
            vendor=self.node.text("vendor"),
            model=self.node.text("model"),
            peak_ops_per_s=peaks,
            cores=self.whole("cores", MOST_DEVICES) if kind == "cpu" else None,
            identity=self.identity(shape),
            **facts,
        )
        outer = None if shape is None or self.inside or kind == "cpu" else shape
        made = Described(device, self.node.line, outer.devices if outer else count, outer)
        made.link_bandwidth = self.fact("link_bandwidth", Dimension.BANDWIDTH, None)
        made.link_latency = self.fact("link_latency", Dimension.TIME, None)
        self.unused()
        made.notes, made.left_out = self.notes, self.left_out
        return made

    def what(self) -> str:
        return f"{self.node.name} (line {self.node.line})" if self.node.line else self.node.name

    def wrong(self, made: Property, error: BadValue, index: int | None = None) -> None:
        at = made.places[index] if index is not None and index < len(made.places) else (made.line, made.column)
        self.mistakes.add(error.summary, *at, remedy=error.remedy)

    def numbers(self, name: str, dimension: Dimension, default: str | None) -> list[tuple[float, str]]:
        made = self.properties.get(name)
        self.used.add(name)
        if made is None:
            return []
        try:
            found = quantities(made, dimension, default)
            bare = not isinstance(made.values[0], str) and unit_beside(made, dimension) is None
            if bare and default not in (None, "Hz"):  # the specification says that `clock-frequency` is in Hz
                self.notes.append(f"{self.what()}: `{made.name}` states no unit; it is read in {default}")
            return found
        except BadValue as error:
            self.wrong(made, error, 0)
            return []

    def fact(self, name: str, dimension: Dimension, default: str | None) -> Fact | None:
        found = self.numbers(name, dimension, default)
        if len(found) > 1:
            self.wrong(self.properties[name], BadValue(f"`{name}` takes one number, not {len(found)}"), 1)
        if not found:
            return None
        return Fact(value=found[0][0], unit=si_unit(dimension), source="declared", ref=f"`{name}`")

    def kind(self) -> DeviceKind:
        written = (self.node.base, *self.node.strings("compatible"), self.node.text("model") or "")
        for name in written:
            words = re.sub(r"[_,.-]", " ", name.lower())
            for pattern, kind in _KINDS:
                if re.search(pattern, words):
                    return kind
        return "other"

    def identity(self, shape: Shape | None) -> dict[str, str]:
        """Return what the node calls itself: its model, a ``vendor,part`` that it is compatible with, or its name."""
        compatible = self.node.strings("compatible")
        part = next((text for text in compatible if "," in text), None)
        said = {
            "name": self.node.text("model") or part or self.node.base,
            "compatible": " ".join(compatible),
            "precisions": " ".join(self.precisions()),
            "topology": str(shape) if shape is not None else "",
        }
        return {key: text for key, text in said.items() if text}

    def precisions(self) -> tuple[str, ...]:
        """Return the precisions that the node lists, each once."""
        made = self.properties.get("precision_support") or self.properties.get("precisions")
        self.used |= {"precision_support", "precisions"}
        texts = (value.text if isinstance(value, Word) else value for value in (made.values if made else ()))
        found = (known_precision(text) for text in texts if isinstance(text, str))
        return tuple(dict.fromkeys(precision for precision in found if precision))  # others are told by `peaks`

    def check_precisions(self) -> None:
        made = self.properties.get("precision_support") or self.properties.get("precisions")
        for index, value in enumerate(made.values if made else ()):
            text = value.text if isinstance(value, Word) else str(value)
            if made is not None and known_precision(text) is None:
                self.wrong(made, unknown_precision(text, near=not self.mistakes.full), index)
            if self.mistakes.hopeless:
                break

    def peaks(self) -> dict[str, Fact]:
        """Return precision -> peak: what is stated per precision, and ``peak_flops`` for those that it can mean."""
        self.check_precisions()
        listed = self.precisions()
        peaks: dict[str, Fact] = {}
        for name, made in self.properties.items():
            found = re.fullmatch(r"peak_(?:(?:fl)?ops_)?(\w+)", name)
            if name in _PEAKS or found is None:
                continue
            precision = known_precision(found[1])
            if precision is None:
                continue
            default = "TOPS" if precision.startswith("int") else "TFLOPS"
            for value, _ in self.numbers(name, Dimension.COMPUTE, default)[:1]:
                peaks[precision] = rate_fact(precision, value, f"`{made.name}`")
        for name, default in _PEAKS.items():
            rates = self.numbers(name, Dimension.COMPUTE, default)
            if len(rates) > 1 and len(rates) == len(listed):
                stated = zip(listed, rates, strict=True)
                peaks = {p: rate_fact(p, rate[0], f"`{name}`") for p, rate in stated} | peaks
            elif len(rates) > 1:
                what = f"`{name}` has {len(rates)} numbers and `precision_support` {len(listed)} precisions"
                self.wrong(self.properties[name], BadValue(what, "write one, or one for each precision in order"), 1)
            elif rates:
                peaks = self.attributed(name, *rates[0], listed) | peaks
        return peaks

    def attributed(self, name: str, value: float, unit: str, listed: tuple[str, ...]) -> dict[str, Fact]:
        """Return the one peak that a node states for the precisions that it can be the rate of.

        A peak is the largest rate. FLOPS count floating-point operations and OPS any, so it is the rate of the
        narrowest floating-point precisions listed, or, in OPS, of the narrowest integers where there are some: a device
        is never slower with narrower operands. What it does with the others is not said and stays unknown.
        """
        integers = [precision for precision in listed if precision.startswith("int")]
        floats = [precision for precision in listed if precision not in integers]
        among = (integers or floats) if "FL" not in unit.upper() else (floats or integers)
        rate = format_quantity(value, Dimension.COMPUTE)
        if not among:
            self.left_out.append(
                f"{self.what()}: `{name}` of {rate} is not used: no precision is listed that it could be the rate of; "
                "write `precision_support = <FP16>;`, or `peak_flops_fp16`"
            )
            return {}
        width = min(_BITS[precision] for precision in among)
        narrowest = [precision for precision in among if _BITS[precision] == width]
        rest = [precision for precision in listed if precision not in narrowest]
        stays = f"; rates for {' and '.join(rest)} are not stated and stay unknown" if rest else ""
        self.notes.append(
            f"{self.what()}: `{name}` of {rate} is the rate for {' and '.join(narrowest)}, "
            f"the narrowest precision listed that it can mean{stays}"
        )
        return {precision: rate_fact(precision, value, f"`{name}`") for precision in narrowest}

    def whole(self, name: str, most: int) -> int | None:
        """Return a property that is a whole number of at least one."""
        made = self.properties.get(name)
        self.used.add(name)
        if made is None:
            return None
        number = made.values[0] if len(made.values) == 1 else None
        if isinstance(number, int) and 1 <= number <= most:
            return number
        self.wrong(made, BadValue(f"`{made.name}` takes a whole number from 1 to {most:,}"), 0)
        return None

    def arrangement(self) -> tuple[Shape | None, int]:
        """Return the topology and the number of devices that the node states; one device where it states none."""
        made, counted = self.properties.get("topology"), self.properties.get("count")
        self.used.add("topology")
        count = self.whole("count", MOST_DEVICES) or 1
        if made is None:
            return None, count
        first = made.values[0] if made.values else ""
        name = first.text if isinstance(first, Word) else first if isinstance(first, str) else ""
        sizes = made.values[1:]
        try:
            if not all(isinstance(size, int) for size in sizes):
                raise BadValue("the sizes of a topology are whole numbers", 'write `<"2D_MESH", 4, 4>`')
            shape = shape_of(name, tuple(size for size in sizes if isinstance(size, int)))
            if counted is not None and not self.inside and shape.devices != count:
                raise BadValue(
                    f"`{name}` connects {shape.devices} devices, but `count` says {count}", "correct one of them"
                )
            return shape, count
        except BadValue as error:
            self.wrong(made, error, 0)
            return None, count

    def unused(self) -> None:
        known = self.used | {name for name in self.properties if _MEANINGLESS_HERE.fullmatch(name)}
        known |= {name for name in self.properties if name.startswith("peak_") and self.is_peak(name)}
        rest = [f"`{made.name}`" for name, made in self.properties.items() if name not in known]
        rest += [f"node `{name}`" for name in self.node.children]
        if rest:
            self.left_out.append(f"{self.what()}: not used: {', '.join(rest[:12])}")

    @staticmethod
    def is_peak(name: str) -> bool:
        return known_precision(re.sub(r"^peak_(?:(?:fl)?ops_)?", "", name)) is not None


def _safe(name: str) -> str:
    """Return a node's name as the name of a device type."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).strip("._-")[:64] or "device"
