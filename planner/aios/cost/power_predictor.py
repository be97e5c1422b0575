"""Power and energy of devices and of whole systems.

power = devices x capped(idle + (rating - idle) x busy); of a whole system (rows that name a ``host``), with the host's
own draw, through its power supply. energy = power x time per item, where the rows tell what an item is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.energy.capping import capped
from aios.cost.energy.intensity import ALONE, BUSY, intensities
from aios.cost.energy.ratings import Ratings, ratings_of
from aios.cost.energy.work import Work, macs_of, work_of
from aios.cost.learning.design import Design, Predictor, StageForm
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR"]

_SOCKET_W, _MODULE_W = 130.0, 1.0
"""Draw of a host per processor of a server that feeds accelerators, and of the board around a module."""
_AIR = 0.15
"""Of a server's power: fans, regulators, switches and network cards, per watt of its accelerators."""
_SUPPLY = 0.92
"""Efficiency of a power supply at half load (80 PLUS Gold and Platinum, 230 V: 92 to 94 %)."""
_OVERSHOOT = 1.1
"""By how much a mean may lie above rating or cap before it cannot be true."""
_JOULES_PER_MAC = 1e-9
"""Of devices whose rating nobody states: microcontrollers spend about a nanojoule (MLPerf Tiny: 10 mJ for ResNet-8)."""

_LEAST_JOULES_PER_MAC = 1e-13
"""No device of today multiplies for less: 0.2 pJ for 8 bits at 45 nm, without any memory (Horowitz, ISSCC 2014)."""


def _design(rows: Observations, types: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    ratings = ratings_of(rows, types)
    work = work_of(rows, ratings)
    cap = np.where(np.isnan(rows.number("power_cap")), np.inf, rows.number("power_cap"))
    whole = rows.word("host") != ""
    watts = _watts(rows, ratings, work, cap, whole)
    least, unknown = np.full(len(rows), -np.inf), np.full(len(rows), "", dtype="<U80")
    joules = rows.metric == "energy"
    if joules:
        parts = _joules(rows, work, watts)
        macs = macs_of(rows)
        least = np.where(np.isnan(macs), least, np.log(np.where(np.isnan(macs), 1.0, macs) * _LEAST_JOULES_PER_MAC))
        lacking = np.isnan(sum(parts.values()))
        unknown = np.where(lacking, "what an item is made of is not stated, or the device's rates", unknown)
    else:
        parts = watts
        limit = rows.number("devices", 1.0) * np.minimum(cap, ratings.tdp_w)
        above = ~whole & (ratings.stated > 0) & (rows.values > _OVERSHOOT * limit)
        unknown = np.where(above, "it is more than rating and cap of the devices allow", unknown)
    total = sum(parts.values(), np.zeros(len(rows)))
    return Design(
        features=_features(rows, ratings, work, cap),
        base=np.log(np.where(unknown == "", total, 1.0)),
        keys=_keys(rows, ratings, whole),
        least=least,
        unknown=unknown,
        parts={name: np.where(unknown == "", part, 1.0) for name, part in parts.items()} if joules else {},
    )


def _watts(rows: Observations, ratings: Ratings, work: Work, cap: Floats, whole: Texts) -> dict[str, Floats]:
    """Return what is drawn, by what for; all of it held below the cap and through the supply, where they are."""
    import numpy as np

    n, above = rows.number("devices", 1.0), ratings.tdp_w - ratings.idle_w
    known = np.isfinite(work.seconds * work.turns)
    shares = intensities(*(np.where(known, part, 1.0) for part in (work.compute, work.memory, work.waiting)))
    turns = np.where(known, work.turns, 1.0)
    alone = np.char.startswith(rows.word("scenario").astype(str), "single")
    parts = {name: np.where(known, above * share / turns, 0.0) for name, share in shares.items()}
    parts |= {"idle": ratings.idle_w, "busy": np.where(known, 0.0, above * np.where(alone, ALONE, BUSY))}
    demand = sum(parts.values(), np.zeros(len(rows)))
    kept = n * capped(demand, cap) / demand / np.where(whole, _SUPPLY, 1.0)
    parts = {name: part * kept for name, part in parts.items()}
    air = _AIR * sum(parts.values(), np.zeros(len(rows)))
    server = _SOCKET_W * rows.number("sockets", 1.0) / _SUPPLY
    return parts | {"host": np.where(whole, np.where(ratings.card > 0, server + air, _MODULE_W), 0.0)}


def _joules(rows: Observations, work: Work, watts: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return what an item takes, by what for: the device's watts while it does it, and the time that is waited."""
    import numpy as np

    drawn = sum(watts.values(), np.zeros(len(rows)))
    by_macs = macs_of(rows) * _JOULES_PER_MAC
    timed = np.isfinite(work.seconds)
    together = np.hypot(work.compute, work.memory) / np.maximum(work.compute + work.memory, 1e-30)
    return {
        "computing": np.where(timed, drawn * work.compute * together, by_macs),
        "reading": np.where(timed, drawn * work.memory * together, 0.0),
        "pausing": np.where(timed, drawn * work.waiting, 0.0),
    }


def _features(rows: Observations, ratings: Ratings, work: Work, cap: Floats) -> dict[str, Floats]:
    import numpy as np

    def logarithm(column: Floats, otherwise: float = 1.0) -> Floats:
        found: Floats = np.log(np.where(np.isfinite(column) & (column > 0), column, otherwise))
        return found

    n = rows.number("devices", 1.0)
    together = np.where(np.isnan(rows.number("concurrency")), rows.number("batch"), rows.number("concurrency") / n)
    size = rows.number("parameters")
    active = np.where(np.isnan(rows.number("active_parameters")), size, rows.number("active_parameters"))
    return {
        "cap": logarithm(cap / ratings.tdp_w),
        "together": logarithm(together),
        "size": logarithm(active / n, 1e9),
        "output": logarithm(rows.number("output_tokens")),
        "intensity": logarithm(work.compute / np.maximum(work.memory, 1e-30)),
        "work": logarithm(macs_of(rows), 1e9),
    }


def _keys(rows: Observations, ratings: Ratings, whole: Texts) -> dict[str, Texts]:
    import numpy as np

    def joined(*columns: Texts) -> Texts:
        text = columns[0].astype(str)
        for column in columns[1:]:
            text = np.char.add(np.char.add(text, "|"), column.astype(str))
        return text

    phase, steps = rows.word("phase"), np.where(np.isnan(rows.number("steps")), "", "diffusion")
    wall = np.where(whole, np.where(ratings.card > 0, "server", "board"), "")
    kind = joined(rows.word("mode"), phase, steps, wall)
    batch = np.char.mod("%g", rows.number("batch", 0.0))
    return {
        "device": _named(rows),
        "regime": kind,
        "setting": joined(rows.word("software"), rows.word("scenario"), rows.word("precision")),
        "host": rows.word("host"),
        "core": rows.word("core"),
        "task": rows.word("task"),
        "model": rows.word("model"),
        "workload": joined(rows.word("model"), rows.word("dataset"), batch),
    }


def _named(rows: Observations) -> Texts:
    """Return the catalogue's name of each row's device, or what the table calls it."""
    import numpy as np

    return np.where(rows.types == "", rows.word("device"), rows.types)


def _target(rows: Observations) -> Floats:
    import numpy as np

    target: Floats = np.log(rows.values)
    return target


def _value(_rows: Observations, target: Floats) -> Floats:
    import numpy as np

    value: Floats = np.exp(target)
    return value


PREDICTOR = Predictor(
    name="power",
    version=1,
    metrics=("power", "energy"),
    stages=(
        StageForm(("regime",), 0),
        StageForm(("regime", "setting"), 0, 5),
        StageForm(("regime", "core"), 0),
        StageForm(("regime", "task"), 0, 20),
        StageForm(("regime", "device"), 1, 20),
        StageForm(("regime", "device"), 0),
        StageForm(("regime", "device", "host"), 0),
        StageForm(("regime", "device", "setting"), 0),
        StageForm(("regime", "model"), 0),
        StageForm(("regime", "device", "model"), 1, 8),
        StageForm(("regime", "device", "model"), 0),
        StageForm(("regime", "device", "workload"), 1, 4),
    ),
    mixes=(StageForm(("regime",), 0, 20), StageForm(("regime", "device"), 0, 20)),
    design=_design,
    target=_target,
    value=_value,
)
