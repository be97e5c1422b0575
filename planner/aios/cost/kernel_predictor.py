"""Time of one operator of a language model on one device.

The physics is that of ``cost.kernels``; of whole layers at the arithmetic that the device's power keeps up, and with
their communication where they are split over devices. What is learnt is how far each resource is used: to first order
the logarithm of a sum of times changes by each time's share of the sum, so the shares are the features, beside how full
the device is, what its cache holds, and the shape. Effects are shared by operators of one kind, and own to an
operation, a number format with its software, and a device. Whole layers are of few models, whose shapes say nothing of
other shapes: a device has one constant for them, unless the model was measured on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.collective_predictor import all_reduce_s
from aios.cost.kernels.formats import format_of, format_rows
from aios.cost.kernels.grouping import distinct
from aios.cost.kernels.hardware import Hardware, hardware_of, hardware_rows, powered_share
from aios.cost.kernels.layers import OPERATIONS, Shapes
from aios.cost.kernels.work import Work
from aios.cost.learning import Design, Predictor, StageForm
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR"]

_MARGIN = 0.1
"""By how much (logarithm) the clock of a device may lie above the one that its stated peak counts on."""
_FEATURES = (
    "compute", "streams", "fixed", "resident", "balance", "fill", "size", "imbalance",
    "rows", "depth", "width", "group", "joined",
)  # fmt: skip


def _design(observed: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    count = len(observed)
    operations, written = observed.word("operation"), observed.word("precision")
    precisions = np.where(written == "", "fp16", written)  # sixteen bits where nothing is said
    hardware, kept_up = _hardware(observed.types, precisions, devices)
    shapes = _shapes(observed, precisions)
    unknown = _unknown(shapes, precisions, hardware)
    unknown[~np.isin(observed.types, list(devices))] = "no device of the catalogue is called so"
    columns = {name: np.zeros(count) for name in _FEATURES}
    base, least, kinds = np.zeros(count), np.full(count, -np.inf), np.full(count, "", dtype="<U12")
    known, place = unknown == "", distinct(operations)
    for number, name in enumerate(place[0]):
        rows = np.flatnonzero((place[1] == number) & known)
        if not len(rows):
            continue
        operation = OPERATIONS[name]
        own = _taken(shapes, rows)
        facts = Hardware(*(np.asarray(field)[rows] for field in hardware))
        whole = operation.kind == "layer"  # runs for as long as a service does; single operators are timed in bursts
        share = kept_up[rows] if whole else np.ones(len(rows))
        facts = facts._replace(peak_ops_per_s=facts.peak_ops_per_s * share)
        work = operation.work(facts, format_rows(precisions[rows]), own)
        joining = _joining_s(own, observed.types[rows], devices) if whole else np.zeros(len(rows))
        columns["joined"][rows] = joining / (work.seconds() + joining)
        base[rows], least[rows] = np.log(work.seconds() + joining), np.log(work.ideal_s * share) - _MARGIN
        kinds[rows] = operation.kind
        for feature, column in _features(work, facts).items():
            columns[feature][rows] = column
        for feature, size in zip(("rows", "depth", "width", "group"), operation.shape(own), strict=True):
            columns[feature][rows] = np.log(size)
    phased = np.char.add(np.char.add(operations, " "), observed.word("phase"))
    setting = np.char.add(np.char.add(np.char.add(precisions, " "), observed.word("kv_precision")), " ")
    setting = np.char.add(setting, observed.word("software"))
    keys = {
        "kind": kinds,
        "operation": np.where(kinds == "layer", "", phased),
        "layer": np.where(kinds == "layer", phased, ""),
        "model": observed.word("model"),
        "class": _classes(observed.types, devices),
        "setting": setting,
        "device": observed.types,
        "stratum": np.char.add(np.char.add(phased, " "), precisions),
    }
    return Design(columns, base, keys, least, unknown)


def _joining_s(rows: Shapes, types: Texts, devices: Mapping[str, DeviceType]) -> Floats:
    """Return the seconds in which a group of devices adds up the results of a layer's attention and feed-forward."""
    number = rows.numbers
    return 2.0 * all_reduce_s(types, devices, number["tensor_parallel"], 2.0 * number["tokens"] * number["hidden"])


def _features(work: Work, facts: Hardware) -> dict[str, Floats]:
    import numpy as np

    total = work.seconds()
    core = np.maximum(total - work.streams_s - work.fixed_s, 1e-12)
    balance = np.log(np.maximum(work.compute_s, 1e-12) / np.maximum(work.memory_s, 1e-12))
    waits = core / total / (1 + np.exp(-np.clip(2 * balance, -30, 30)))  # share for which compute is waited for
    held = 1 / (1 + (work.bytes / np.asarray(facts.cache_bytes)) ** 2)
    return {
        "compute": waits,
        "streams": work.streams_s / total,
        "fixed": work.fixed_s / total,
        "resident": held * (core / total - waits),
        "balance": np.clip(balance, -3.0, 3.0),
        "fill": np.clip(np.log(work.parallelism), -4.0, 3.0),
        "size": np.log(total / facts.start_s),
        "imbalance": np.log(work.imbalance) + 0.0 * total,
    }


def _hardware(types: Texts, precisions: Texts, devices: Mapping[str, DeviceType]) -> tuple[Hardware, Floats]:
    """Return the facts of each row's device, and which share of its peak its power keeps up."""
    import numpy as np

    names, which = distinct(types)
    kinds, kind = distinct(precisions)
    found: dict[str, Hardware | None] = {}
    shares: dict[str, float] = {}
    for place, name in enumerate(names):
        for other, precision in enumerate(kinds):
            form = format_of(precision)
            known = hardware_of(devices[name], form) if form and name in devices else None
            found[str(place * len(kinds) + other)] = known
            shares[str(place * len(kinds) + other)] = powered_share(devices[name], form) if known and form else 1.0
    pairs, places = np.unique(which * len(kinds) + kind, return_inverse=True)
    facts = Hardware(*(np.asarray(field)[places] for field in hardware_rows(found, pairs.astype(str))))
    return facts, np.array([shares[str(pair)] for pair in pairs])[places]


def _unknown(shapes: Shapes, precisions: Texts, hardware: Hardware) -> Texts:
    """Return why rows cannot be predicted, empty where they can."""
    import numpy as np

    operations = shapes.words["operation"]
    reasons = np.full(len(operations), "", dtype="<U80")
    reasons[np.isnan(np.asarray(hardware.peak_ops_per_s))] = "no peak or bandwidth of its device is known"
    for name in distinct(precisions)[0]:
        if format_of(name) is None:
            reasons[precisions == name] = f"unknown precision {name[:40]}"
    for name in distinct(operations)[0]:
        rows, operation = operations == name, OPERATIONS.get(name)
        if operation is None:
            reasons[rows] = f"unknown operation {name[:40]}"
            continue
        for role in operation.needs:
            reasons[rows & ~(shapes.numbers[role] > 0)] = f"{role} is not stated"
    return reasons


def _shapes(observed: Observations, precisions: Texts) -> Shapes:
    import numpy as np

    roles = {"tensor_parallel", "expert_parallel"}.union(*(operation.needs for operation in OPERATIONS.values()))
    numbers = {role: observed.number(role) for role in roles}
    for role in ("tensor_parallel", "expert_parallel"):
        numbers[role] = np.maximum(observed.number(role, 1.0), 1.0)
    numbers["kv_heads"] = np.where(np.isnan(numbers["kv_heads"]), numbers["heads"], numbers["kv_heads"])
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = numbers["hidden"] / numbers["heads"]
    numbers["head_dim"] = np.where(np.isnan(numbers["head_dim"]), whole, numbers["head_dim"])
    kept = observed.word("kv_precision")
    kv_bytes = np.asarray(format_rows(np.where(kept == "", precisions, kept)).activation_bytes)
    words = {role: observed.word(role) for role in ("operation", "phase", "distribution")}
    return Shapes(numbers, words, np.where(np.isnan(kv_bytes), 2.0, kv_bytes))


def _taken(shapes: Shapes, rows: npt.NDArray[np.int64]) -> Shapes:
    return Shapes(
        {role: column[rows] for role, column in shapes.numbers.items()},
        {role: column[rows] for role, column in shapes.words.items()},
        shapes.kv_bytes[rows],
    )


def _classes(types: Texts, devices: Mapping[str, DeviceType]) -> Texts:
    import numpy as np

    unique, places = distinct(types)
    found = [devices[name].architecture or devices[name].kind if name in devices else "" for name in unique]
    return np.array(found or [""])[places]


def _target(observed: Observations) -> Floats:
    """Return the logarithm of seconds; a throughput is of the arithmetic of matrix products."""
    import numpy as np

    logarithm: Floats = np.log(observed.values)
    return _flops(observed) - logarithm if observed.metric == "throughput" else logarithm


def _value(observed: Observations, target: Floats) -> Floats:
    import numpy as np

    value: Floats = np.exp(_flops(observed) - target if observed.metric == "throughput" else target)
    return value


def _flops(observed: Observations) -> Floats:
    """Return the logarithm of the arithmetic of matrix products, multiply and add counted as two."""
    import numpy as np

    total: Floats = np.log(2.0 * observed.number("m") * observed.number("n") * observed.number("k"))
    return total


PREDICTOR = Predictor(
    name="kernel",
    version=3,
    metrics=("latency.mean", "throughput"),
    stages=(
        StageForm(("kind",), 1, 20),
        StageForm(("operation",), 2, 60),
        StageForm(("operation", "setting"), 2, 40),
        StageForm(("class", "operation"), 0, 2),
        StageForm(("class", "operation"), 1, 40),
        StageForm(("device", "layer"), 0, 20),
        StageForm(("device", "model", "layer"), 1, 20),
        StageForm(("device", "operation"), 1, 40),
        StageForm(("device", "operation", "setting"), 1, 40),
    ),
    design=_design,
    target=_target,
    value=_value,
)
