"""Time that a fixed network takes per item, on any device, in inference and training.

The time is a sum over kinds of work, each at the device's nominal rate times a factor, its inverse efficiency, that is
learnt for classes of devices and their software, and for single ones: arithmetic at the precision's peak, activations
and weights at the memory's bandwidth, one launch per operator; weights and launches are shared by a batch. A network
that stays on the chip as a whole, one item behind the other, pays for neither of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.records.fleet import DeviceType
from aios.records.networks import CLASSES, PER_CALL, WORK

if TYPE_CHECKING:
    from aios.cost.networks.figures import Figures
    from aios.cost.networks.rates import Rates
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR", "design"]

_OF_ONE_FAMILY = "odd_grouped_macs"
"""Work that hardly any network but one family has: where that was not seen, its factor would be learnt from noise."""
_ARITHMETIC = tuple(name for name in WORK if name.endswith("_macs") and name != _OF_ONE_FAMILY)
_MOVED = tuple(name for name in WORK if not name.endswith("_macs") and name != "kernels")
_TRAINING = 3.0
"""A training step does the work of inference thrice: forward, gradients of activations, gradients of weights."""
_SERIAL = 0.1
"""Share of a call that one core works on alone (Amdahl), to begin with; what it is with an engine is learnt. Measured
speed-ups of 4 to 8 on 16 cores agree with 7 to 20 %."""


def design(rows: Observations, types: Mapping[str, DeviceType]) -> Design:
    """Return the rows as the regression sees them; targets are the logarithm of seconds per item on one device."""
    import numpy as np

    from aios.cost.networks.figures import figures_of
    from aios.cost.networks.rates import rates_of

    figures, rates = figures_of(rows), rates_of(rows, types)
    resident = _resident(rows, figures, rates)
    parts = _parts(rows, figures, rates, resident)
    compute, memory = _sum(parts, _ARITHMETIC), _sum(parts, _MOVED)
    waiting = parts["kernels"] + parts["streamed"]
    base = np.log(np.maximum(compute, memory) + 0.3 * np.minimum(compute, memory) + waiting)
    unknown = np.where(
        figures.known > 0, "", "neither its size nor its arithmetic is stated, and no card bears its name"
    )
    return Design(
        _features(rows, figures, rates, parts) | {"resident": resident},
        base,
        _keys(rows, types),
        _least(rows, figures, rates),
        unknown,
        parts,
    )


def _features(rows: Observations, figures: Figures, rates: Rates, parts: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return named features of each row: sizes of the network, how it runs, what is known of both."""
    import numpy as np

    batch = np.maximum(rows.number("batch", 1.0), 1.0)
    value = _bytes(rows)[1]
    compute, memory = _sum(parts, _ARITHMETIC), _sum(parts, _MOVED)
    return {
        "macs": np.log(figures.sizes.macs),
        "batch": np.log(batch),
        "pixels": np.log(figures.sizes.pixels),
        "threads": np.log(rates.threads),
        "narrow": (value <= 1.0) * 1.0,
        "memory": np.log(memory / compute),
        "overhead": np.log(_launching(rows, figures, rates) / (compute + memory)),
        "guessed": 1.0 - figures.stated,
        "uncounted": 1.0 - figures.counted,
        "attention": (figures.sizes.kind == "attention") * 1.0,
        "peak": np.log(rates.peak),
        "bandwidth": np.log(rates.bandwidth / rates.peak),
        "stated": rates.known,
    }


def _parts(rows: Observations, figures: Figures, rates: Rates, resident: Floats) -> dict[str, Floats]:
    """Return seconds per item of each kind of work at the device's rates: arithmetic at its peak, values and weights at
    the bandwidth of its memory, operators at one launch each, and the share of processors that one core works on.

    resident: 1 where a network stays on the chip
    """
    import numpy as np

    from aios.cost.networks.bounds import LINK_SHARE

    batch = np.maximum(rows.number("batch", 1.0), 1.0)
    weight, value = _bytes(rows)
    times = _times(rows)
    loaded = 1.0 - resident
    found: dict[str, Floats] = {}
    for name, amount in figures.amounts.items():
        if name in (_OF_ONE_FAMILY, "kernels"):
            continue
        if name in PER_CALL:
            found[name] = times * amount * loaded * weight / rates.bandwidth / batch
        else:
            found[name] = times * amount * (2 / rates.peak if name in _ARITHMETIC else value / rates.bandwidth)
    found["kernels"] = loaded * _launching(rows, figures, rates)
    found["streamed"] = times * _streamed(rows, figures, rates) / LINK_SHARE
    found["serial"] = _SERIAL * times * 2 * figures.sizes.macs * rates.alone
    return found


def _times(rows: Observations) -> Floats:
    import numpy as np

    return np.where(rows.word("mode") == "training", _TRAINING, 1.0)


def _launching(rows: Observations, figures: Figures, rates: Rates) -> Floats:
    """Return the seconds per item at which the operators of a call are started one by one."""
    import numpy as np

    batch = np.maximum(rows.number("batch", 1.0), 1.0)
    seconds: Floats = _times(rows) * figures.amounts["kernels"] * rates.launch / batch
    return seconds


def _resident(rows: Observations, figures: Figures, rates: Rates) -> Floats:
    """Return 1 where all weights of the network stay on the chip from call to call, else 0."""
    import numpy as np

    return np.where(figures.amounts["weights"] * _bytes(rows)[0] <= rates.held, 1.0, 0.0)


def _streamed(rows: Observations, figures: Figures, rates: Rates) -> Floats:
    """Return the seconds per item at which weights that the chip cannot hold come over its link at best."""
    import numpy as np

    beyond = figures.amounts["weights"] * _bytes(rows)[0] - rates.on_chip
    seconds: Floats = np.maximum(beyond, 0.0) / rates.link / np.maximum(rows.number("batch", 1.0), 1.0)
    return seconds


def _least(rows: Observations, figures: Figures, rates: Rates) -> Floats:
    """Return the logarithm of the seconds per item that no device can beat, -inf where nothing is stated."""
    import numpy as np

    from aios.cost.networks.bounds import fewest, saved

    sizes, values = np.unique(_bytes(rows)[1], return_inverse=True)
    saving = np.array([saved(float(size)) for size in sizes])[values]
    counted = np.add.reduce([figures.amounts[f"{name}_macs"] for name in CLASSES[:5]])
    with np.errstate(divide="ignore", invalid="ignore"):
        done = np.where(figures.counted > 0, fewest(figures.amounts, saving) / counted, 1 / saving)
        computing = np.where(figures.stated > 0, 2 * figures.sizes.macs * done / rates.bound, 0.0)
        least: Floats = np.log(np.maximum(np.nan_to_num(computing), _streamed(rows, figures, rates)))
    return least


def _sum(parts: Mapping[str, Floats], names: Sequence[str]) -> Floats:
    total = parts[names[0]]
    for name in names[1:]:
        total = total + parts[name]
    return total


def _bytes(rows: Observations) -> tuple[Floats, Floats]:
    """Return the bytes of a weight and of an activation."""
    import numpy as np

    from aios.cost.networks.rates import numeric

    words, places = np.unique(rows.word("precision").astype(str), return_inverse=True)
    numbers = [numeric(str(word)) for word in words]
    weight, value = [number.weight for number in numbers], [number.value for number in numbers]
    return np.array(weight)[places], np.array(value)[places]


def _keys(rows: Observations, types: Mapping[str, DeviceType]) -> dict[str, Texts]:
    import numpy as np

    from aios.cost.networks.rates import cores_of, kinds_of, multiplying_bytes

    device = np.where(rows.types != "", rows.types, rows.word("device"))
    kinds = kinds_of(rows, types)
    words, written = np.unique(rows.word("software").astype(str), return_inverse=True)
    engines = np.array([str(word).casefold().partition(" ")[0] for word in words])[written]
    bytewise = np.where(multiplying_bytes(rows, types), "narrow by instruction", "narrow")
    return {
        "device": device,
        "class": _joined(kinds, engines, np.where(_bytes(rows)[1] <= 1, bytewise, ""), rows.word("mode")),
        "core": cores_of(rows, types),
        "software": rows.word("software"),
        "setting": _joined(*(rows.word(role) for role in ("software", "precision", "layout", "mode"))),
        "model": rows.word("model"),
        "stratum": device,
    }


def _joined(*columns: Texts) -> Texts:
    import numpy as np

    joined = columns[0].astype(str)
    for column in columns[1:]:
        joined = np.char.add(np.char.add(joined, "|"), column.astype(str))
    return joined


def _target(rows: Observations) -> Floats:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(_share(rows) / rows.values if _is_rate(rows) else rows.values / _share(rows))


def _value(rows: Observations, target: Floats) -> Floats:
    import numpy as np

    return _share(rows) / np.exp(target) if _is_rate(rows) else np.exp(target) * _share(rows)


def _is_rate(rows: Observations) -> bool:
    return rows.metric == "throughput"


def _share(rows: Observations) -> Floats:
    """Return devices of a rate, items per call of a latency: by what seconds per item and device are scaled."""
    import numpy as np

    return np.maximum(rows.number("devices" if _is_rate(rows) else "batch", 1.0), 1.0)


PREDICTOR = Predictor(
    name="network",
    version=6,
    metrics=("throughput", "latency.mean", "latency.p50", "latency.p90", "latency.p99", "step_time"),
    # Groups of many rows choose for themselves how much they keep to the wider one.
    mixes=(
        StageForm(()),
        StageForm(("class",), 0, 20),
        StageForm(("device",), 0, 20),
        StageForm(("device", "setting"), 0, 40),
    ),
    # Constants, and slopes of single devices: slopes of more than one, learnt of few families, mislead on others.
    stages=(
        StageForm((), 0),
        StageForm(("software",), 0),
        StageForm(("core",), 0),
        StageForm(("device",), 1, 20),
        StageForm(("device", "setting"), 0),
        StageForm(("model",), 0),
        StageForm(("setting", "model"), 0),
        StageForm(("device", "model"), 0),
    ),
    design=design,
    target=_target,
    value=_value,
)
