"""Power and energy of devices and of whole systems.

power = devices x capped(idle + (rating - idle) x busy); of a whole system (rows that name a ``host``), with the host's
own draw, through its power supply. energy = power x time per item, where the rows tell what an item is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.energy.capping import capped, freedom, stretched
from aios.cost.energy.diffusion import diffusion_work
from aios.cost.energy.fixed import Amounts, amounts_of, fixed_joules, fixed_work, starting_share
from aios.cost.energy.intensity import ALONE, BUSY, shares_drawn
from aios.cost.energy.language import language_work
from aios.cost.energy.ratings import Ratings, ratings_of
from aios.cost.energy.work import KINDS, Kind, Work
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
_STARTING = 0.5
"""Of what processor cores draw above idle in the middle of an operator, what they draw while one of them starts the
next: boards in the open division of MLPerf draw 0.3 (Arm NN) to 0.8 times as much (TFLite, whose threads spin)."""
_OVERSHOOT = 1.1
"""By how much a mean may lie above rating or cap before it cannot be true."""
_LEAST_J = 1e-13
"""No device of today multiplies for less: 0.2 pJ for 8 bits at 45 nm, without any memory (Horowitz, ISSCC 2014)."""


def _design(rows: Observations, types: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    ratings, amounts = ratings_of(rows, types), amounts_of(rows)
    work = _work(rows, types, amounts)
    cap = np.where(np.isnan(rows.number("power_cap")), np.inf, rows.number("power_cap"))
    whole = rows.word("host") != ""
    drawn = _drawn(ratings, work)
    starting = starting_share(rows, types, amounts)
    watts = _watts(rows, ratings, work, drawn, starting)
    demand = sum(watts.values(), np.zeros(len(rows)))
    least, most = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    unknown = np.full(len(rows), "", dtype="<U80")
    parts: dict[str, Floats] = {}
    if rows.metric == "energy":
        slower = _under_cap(rows, ratings, work, watts, cap)
        parts = {name: part * slower for name, part in _joules(rows, types, ratings, work, amounts, drawn).items()}
        least = np.where(np.isnan(amounts.macs), least, np.log(np.nan_to_num(amounts.macs, nan=1.0) * _LEAST_J))
        total = sum(parts.values(), np.zeros(len(rows)))
        lacking = "what an item is made of is not stated, or the device's rates"
        unknown = np.where(np.isfinite(total) & (total > 0), unknown, lacking)
    else:
        each, host = _outside(rows, ratings)
        total = capped(demand, cap) * each + host
        limit = _OVERSHOOT * rows.number("devices", 1.0) * np.minimum(cap, ratings.tdp_w)
        most = np.where(~whole & (ratings.stated > 0), np.log(limit), most)
    return Design(
        features=_features(rows, ratings, work, amounts, cap, demand, starting),
        base=np.log(np.where(unknown == "", total, 1.0)),
        keys=_keys(rows, ratings, whole),
        least=least,
        unknown=unknown,
        parts={name: np.where(unknown == "", part, 1.0) for name, part in parts.items()},
        most=most,
    )


def _work(rows: Observations, types: Mapping[str, DeviceType], amounts: Amounts) -> Work:
    """Return what an item of each row takes, by what kind of model it is of."""
    import numpy as np

    language, diffusion = rows.word("phase") != "", ~np.isnan(rows.number("steps"))
    kinds = [(~language & ~diffusion, fixed_work(rows, types, amounts))]
    if diffusion.any():
        kinds.append((diffusion, diffusion_work(rows, types)))
    if language.any():
        kinds.append((language, language_work(rows, types)))
    parts = {name: np.zeros(len(rows)) for name in KINDS}
    turns = np.ones(len(rows))
    for own, work in kinds:
        for name, part in work.parts.items():
            parts[name] = np.where(own, part, parts[name])
        turns = np.where(own, work.turns, turns)
    return Work(parts, turns)


def _drawn(ratings: Ratings, work: Work) -> dict[Kind, Floats]:
    """Return kind of work -> watts of one device meanwhile, the mean over devices that take turns."""
    above = ratings.tdp_w - ratings.idle_w
    return {name: ratings.idle_w + above * share / work.turns for name, share in shares_drawn(ratings.waiting).items()}


def _watts(
    rows: Observations, ratings: Ratings, work: Work, drawn: Mapping[Kind, Floats], starting: Floats
) -> dict[str, Floats]:
    """Return kind of work -> mean watts of one device for it, without a cap. starting: share of the work that starts
    operators, one core at work, where nothing else is known of it"""
    import numpy as np

    known = np.isfinite(work.seconds) & (work.seconds > 0)
    alone = np.char.startswith(rows.word("scenario").astype(str), "single")
    usual = (ratings.tdp_w - ratings.idle_w) * np.where(alone, ALONE, BUSY)
    above = {kind: (drawn[kind] - ratings.idle_w) * work.share(kind) for kind in drawn}
    return {
        "idle": ratings.idle_w,
        **{kind: np.where(known, part, 0.0) for kind, part in above.items() if kind != "waiting"},
        "waiting": np.where(known, above["waiting"], _STARTING * starting * usual),
        "usual": np.where(known, 0.0, (1 - starting) * usual),
    }


def _outside(rows: Observations, ratings: Ratings) -> tuple[Floats, Floats]:
    """Return what is metered per watt of one device, and the watts of the host; 1 per device and 0 of devices alone."""
    import numpy as np

    whole, card = rows.word("host") != "", ratings.card > 0
    each = np.where(whole, np.where(card, 1 + _AIR, 1.0) / _SUPPLY, 1.0) * rows.number("devices", 1.0)
    host = np.where(card, _SOCKET_W * rows.number("sockets", 1.0) / _SUPPLY, _MODULE_W)
    return each, np.where(whole, host, 0.0)


def _joules(
    rows: Observations,
    types: Mapping[str, DeviceType],
    ratings: Ratings,
    work: Work,
    amounts: Amounts,
    drawn: Mapping[Kind, Floats],
) -> dict[str, Floats]:
    """Return what an item takes, by what for: the watts while that is done, for as long as it takes."""
    import numpy as np

    each, host = _outside(rows, ratings)
    by_amounts, nothing = fixed_joules(rows, types, amounts), np.zeros(len(rows))
    counted = np.isnan(work.seconds) & (amounts.known > 0)
    return {
        name: np.where(counted, by_amounts.get(name, nothing), (drawn[KINDS[name]] * each + host) * part)
        for name, part in work.parts.items()
    }


def _under_cap(rows: Observations, ratings: Ratings, work: Work, watts: Mapping[str, Floats], cap: Floats) -> Floats:
    """Return the energy of an item under a cap relative to that without one: fewer watts, for longer."""
    import numpy as np

    demand = sum(watts.values(), np.zeros(len(rows)))
    return capped(demand, cap) / demand * stretched(demand, cap, ratings.idle_w, work.share("compute"))


def _features(
    rows: Observations, ratings: Ratings, work: Work, amounts: Amounts, cap: Floats, demand: Floats, starting: Floats
) -> dict[str, Floats]:
    """Return what is learnt of. free: how far a change of the demand changes the power, less below a cap"""
    import numpy as np

    def logarithm(column: Floats, otherwise: float = 1.0) -> Floats:
        found: Floats = np.log(np.where(np.isfinite(column) & (column > 0), column, otherwise))
        return found

    n = rows.number("devices", 1.0)
    together = np.where(np.isnan(rows.number("concurrency")), rows.number("batch"), rows.number("concurrency") / n)
    size = rows.number("parameters")
    active = np.where(np.isnan(rows.number("active_parameters")), size, rows.number("active_parameters"))
    free = freedom(demand, cap)
    return {
        "free": free,
        "cap": logarithm(cap / ratings.tdp_w),
        "together": logarithm(together) * free,
        "size": logarithm(active / n, 1e9),
        "output": logarithm(rows.number("output_tokens")),
        "compute": work.share("compute") * free,
        "memory": work.share("memory") * free,
        "links": work.share("links") * free,
        "waiting": (work.share("waiting") + starting) * free,
        "spread": logarithm(rows.number("expert_parallel")),
        "work": logarithm(amounts.macs, 1e9),
    }


def _keys(rows: Observations, ratings: Ratings, whole: Texts) -> dict[str, Texts]:
    """Return the groups.

    regime: kind of work and what is metered · stratum: the same, by which intervals are kept · wide: the same where a
    whole system is metered or cores whose rates nobody states, the physics of which rests on guesses that hundreds of
    systems correct · whole: the former alone · rated: the regime but for training and for named cores, the few kinds of
    whose networks mislead slopes
    """
    import numpy as np

    steps = np.where(np.isnan(rows.number("steps")), "", "diffusion")
    metered = np.where(whole, np.where(ratings.card > 0, "server", "board"), "")
    cores = np.where(rows.word("core") == "", "", "cores")
    fixed = np.where(rows.word("scenario") == "batch", "batch", "")
    regime = _joined(rows.word("mode"), rows.word("phase"), steps, metered, cores, fixed)
    batch = np.char.mod("%g", rows.number("batch", 0.0))
    return {
        "device": np.where(rows.types == "", rows.word("device"), rows.types),
        "regime": regime,
        "stratum": regime,
        "wide": np.where((metered != "") | (cores != ""), regime, ""),
        "whole": np.where(metered == "", "", regime),
        "rated": np.where((cores == "") & (rows.word("mode") != "training"), regime, ""),
        "setting": _joined(rows.word("software"), rows.word("scenario"), rows.word("precision")),
        "host": rows.word("host"),
        "core": rows.word("core"),
        "engine": _engines(rows),
        "model": rows.word("model"),
        "workload": _joined(rows.word("model"), rows.word("dataset"), batch),
    }


def _engines(rows: Observations) -> Texts:
    """Return the first word of each row's software, without version and options."""
    import numpy as np

    words, places = np.unique(rows.word("software").astype(str), return_inverse=True)
    return np.array([str(word).casefold().partition(" ")[0] for word in words])[places]


def _joined(*columns: Texts) -> Texts:
    import numpy as np

    text = columns[0].astype(str)
    for column in columns[1:]:
        text = np.char.add(np.char.add(text, "|"), column.astype(str))
    return text


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
    version=4,
    metrics=("power", "energy"),
    stages=(
        StageForm(("wide",), 0),
        StageForm(("wide", "core"), 0),
        StageForm(("whole", "engine"), 0),
        StageForm(("rated", "device"), 1, 20),
        StageForm(("regime", "device"), 0),
        StageForm(("regime", "device", "host"), 0),
        StageForm(("regime", "device", "setting"), 0),
        StageForm(("regime", "model"), 0),
        StageForm(("regime", "device", "model"), 1, 8),
        StageForm(("regime", "device", "model"), 0),
        StageForm(("regime", "device", "workload"), 1, 4),
        StageForm(("regime", "device", "workload"), 0),
    ),
    mixes=(StageForm(("regime", "device", "engine"), 0, 20),),
    design=_design,
    target=_target,
    value=_value,
)
