"""Which column of a list says what: by its usual name, or by an option."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aios.records.units import Dimension, units_of
from aios.spi.texts import Mistakes

__all__ = ["KINDS", "Column", "Columns", "choose_columns"]

KINDS = ("gpu", "npu", "tpu", "fpga", "dsp", "other")
MILLI = "milli"
"""Unit of a cpu column that counts thousandths of a core."""

_DEVICE = r"(?:gpu|npu|tpu|accelerator|accel|card|device)"
_BARE_COUNT = "count|quantity|qty"
# role -> patterns of column names, the most telling first; of two columns for a role the first pattern wins
_USUAL: dict[str, tuple[str, ...]] = {
    "name": (
        "inventory_hostname|name|hostname|host_name|node_name|machine_name|server_name|fqdn",
        "host|node|nodename|server|machine|sn",
        "ansible_hostname|ansible_nodename|ansible_fqdn|id",
    ),
    "cpu": (
        "ansible_processor_vcpus",
        r"v?cpus?|n_?cpus?|v?cores?|cpu_cores?|core_count|v?cpu_count|(?:num|number_of|total)_v?(?:cpus?|cores?)|threads",
        "cpu_total|processors",
    ),
    "cpu_model": ("cpu_model|cpu_type|cpu_name|processor_model|processor|processor_type", "ansible_processor"),
    "memory": ("ansible_memtotal", "(?:total_)?(?:memory|mem|ram|dram|memtotal)(?:_(?:total|size|capacity))?"),
    "count": (
        rf"{_DEVICE}_?(?:count|num|number)|(?:num|n|number_of|total)_?{_DEVICE}s?|n{_DEVICE}s?",
        _BARE_COUNT,
        rf"{_DEVICE}s?",
    ),
    "device": (
        rf"{_DEVICE}_?(?:model|type|name|product|sku|spec)",
        rf"{_DEVICE}s?",
        "model|product_name",
    ),
    "device_memory": (rf"{_DEVICE}_?(?:memory|mem|vram)|vram",),
    "region": ("region",),
    "price": (r"(?:hourly_)?(?:price|cost|rate)(?:_(?:per_)?(?:hour|hr|h))?",),
}
_LABELS = re.compile(
    "rack|row|room|zone|availability_zone|az|datacenter|data_center|dc|site|pod|cluster|cell|switch|spine|leaf|rank|"
    "partition|pool|environment|env|role|owner|team"
)
_LABEL_OPTION = re.compile(r"label\.[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_UNITS = {"memory": Dimension.BYTES, "device_memory": Dimension.BYTES, "price": Dimension.COST_RATE}
_FIXED_UNITS = {"ansible_memtotal_mb": "MiB"}  # Ansible divides kB of /proc/meminfo by 1024
_SPELLED: dict[str, dict[str, str]] = {
    "memory": {unit.lower(): unit for unit in units_of(Dimension.BYTES) if len(unit) > 1} | {"b": "B"},
    "cpu": {"milli": MILLI, "millicores": MILLI, "millicpu": MILLI, "m": MILLI},
    "price": dict.fromkeys(("usd_per_h", "usd_per_hour", "usd_h", "usd_hour", "usd_hourly"), "USD/h"),
}
_SPELLED["device_memory"] = _SPELLED["memory"]
_ENDINGS = {role: tuple(f"_{spelled}" for spelled in units) for role, units in _SPELLED.items()}
_LONGEST_USUAL = 64
"""No usual name is longer, with its unit; Ansible's facts have thousands of columns that are."""


@dataclass(frozen=True)
class Column:
    """A column that is read. unit: that its name or an option states; None where each cell has to state its own."""

    name: str
    unit: str | None = None


@dataclass(frozen=True)
class Columns:
    """What is read as what. labels: label -> column · kind: of the accelerators · unused: columns that are not read."""

    by_role: Mapping[str, Column]
    labels: Mapping[str, str]
    kind: str
    unused: tuple[str, ...]

    def sentence(self, models: bool = False) -> str:
        """Say what was read as what. models: where a number of devices was expected, their models stand."""
        called = {"count": "device"} if models and "device" not in self.by_role else {}
        parts = [
            f"{called.get(role, role).replace('_', ' ')} = `{column.name}`"
            + (f" ({column.unit})" if column.unit else "")
            for role, column in self.by_role.items()
        ]
        parts += [f"label {label} = `{column}`" for label, column in self.labels.items()]
        return f"columns read: {', '.join(parts)}"


def choose_columns(
    names: Sequence[str], options: Mapping[str, str], named: bool, mistakes: Mistakes, line: int
) -> Columns:
    """Return which of the columns says what; what is wrong with options or columns is noted in ``mistakes``.

    named: the machines are filed under their names, so that no column is needed for them · line: of the header
    """
    by_role: dict[str, Column] = {}
    labels: dict[str, str] = {}
    for option, value in options.items():
        if option == "kind":
            if value not in KINDS:
                mistakes.add(f"`kind` cannot be `{value}`", line, remedy=f"known: {', '.join(KINDS)}")
            continue
        column = _asked(option, value, names, mistakes, line)
        if column is None:
            continue
        if option in _USUAL:
            by_role[option] = column
        else:
            labels[option.removeprefix("label.")] = column.name
    plain = {name: _plain(name) for name in names if len(name) <= _LONGEST_USUAL}
    _recognise(plain, by_role, named)
    used = {column.name for column in by_role.values()} | set(labels.values())
    for name, bare in plain.items():
        if name not in used and _LABELS.fullmatch(bare) and bare not in labels:
            labels[bare] = name
            used.add(name)
    if not named and "name" not in by_role:
        remedy = f"say which one, `--option name=COLUMN`; there are {', '.join(f'`{n}`' for n in names[:12])}"
        mistakes.add("no column says what the machines are called", line, remedy=remedy)
    kind = options.get("kind", "") or _kind(by_role)
    ordered = {role: by_role[role] for role in _USUAL if role in by_role}
    return Columns(ordered, labels, kind, tuple(name for name in names if name not in used))


def _asked(option: str, value: str, names: Sequence[str], mistakes: Mistakes, line: int) -> Column | None:
    """Return the column that an option names, with the unit behind its last colon."""
    if option not in _USUAL and option != "rack" and not _LABEL_OPTION.fullmatch(option):
        known = ", ".join([*_USUAL, "kind", "rack", "label.NAME"])
        near = difflib.get_close_matches(option, [*_USUAL, "kind", "rack"], n=1, cutoff=0.6)
        meant = f"did you mean `{near[0]}`? " if near else ""
        mistakes.add(f"unknown option `{option}`", line, remedy=f"{meant}known: {known}")
        return None
    folded = {name.casefold(): name for name in names}
    column, unit = folded.get(value.casefold()), None
    if column is None and ":" in value:
        before, _, unit = value.rpartition(":")
        column = folded.get(before.casefold())
    if column is None:
        near = difflib.get_close_matches(value if unit is None else value.rpartition(":")[0], names, n=1, cutoff=0.5)
        meant = f"did you mean `{near[0]}`? " if near else ""
        remedy = f"{meant}there are {', '.join(f'`{name}`' for name in names[:12])}"
        mistakes.add(f"there is no column `{value}`, which `{option}` names", line, remedy=remedy)
        return None
    if unit is None:
        return Column(column, _unit_in(option, _plain(column))[1])
    spelled = unit if option in _UNITS and unit in units_of(_UNITS[option]) else None
    spelled = spelled or (MILLI if option == "cpu" and unit in _SPELLED["cpu"] else None)
    if spelled is None:
        known = ", ".join(units_of(_UNITS[option])[:12]) if option in _UNITS else MILLI if option == "cpu" else "none"
        mistakes.add(f"`{option}` cannot have the unit `{unit}`", line, remedy=f"known: {known}")
    return Column(column, spelled)


def _recognise(plain: Mapping[str, str], by_role: dict[str, Column], named: bool) -> None:
    """Add the columns with usual names for the roles that no option gives one for. plain: name -> in one spelling"""
    taken = {column.name for column in by_role.values()}
    for role, patterns in _USUAL.items():
        if role in by_role or (role == "name" and named):
            continue
        split = [(name, *_unit_in(role, text)) for name, text in plain.items() if name not in taken]
        for pattern in patterns:
            if role == "device" and pattern.startswith("model") and "count" not in by_role:
                continue  # without a number of accelerators, `model` is that of the server
            if pattern == _BARE_COUNT and not _counts_devices(plain.values()):
                continue
            usual = re.compile(pattern)
            found = next(((name, unit) for name, bare, unit in split if usual.fullmatch(bare)), None)
            if found is not None:
                by_role[role] = Column(*found)
                taken.add(found[0])
                break


def _counts_devices(plain: Collection[str]) -> bool:
    """Say whether a column that is only called `count` is that of the accelerators: one column names these.

    Where `gpu` stands beside a model, it is the number itself.
    """
    models, bare, usual = (any(re.fullmatch(pattern, name) for name in plain) for pattern in _USUAL["device"])
    return models != bare and not (bare and usual)


def _unit_in(role: str, plain: str) -> tuple[str, str | None]:
    """Return a column's name without the unit at its end, and the unit: ``memory_gib`` -> ``memory``, ``GiB``."""
    if plain in _FIXED_UNITS:
        return plain.rpartition("_")[0], _FIXED_UNITS[plain]
    if role not in _SPELLED or not plain.endswith(_ENDINGS[role]):
        return plain, None
    ending = max(filter(plain.endswith, _ENDINGS[role]), key=len)
    return plain.removesuffix(ending), _SPELLED[role][ending[1:]]


def _plain(name: str) -> str:
    """Return a column's name in one spelling: ``Memory (GiB)`` -> ``memory_gib``, ``gpuCount`` -> ``gpu_count``."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _kind(by_role: Mapping[str, Column]) -> str:
    said = " ".join(_plain(by_role[role].name) for role in ("count", "device", "device_memory") if role in by_role)
    return next((kind for kind in KINDS if kind in said), "other")
