"""Time that a fixed network takes per item, on any device, in inference and training.

The physical prediction is a roofline: arithmetic at the precision's peak, activations and weights at the memory's
bandwidth, one launch per operator; an item's share of a batch. What devices and their software really reach is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.networks.figures import Figures, figures_of
from aios.cost.networks.rates import Rates, numeric, rates_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations, Texts

__all__ = ["PREDICTOR", "design", "features_of"]

_TRAINING = 3.0
"""A training step does the work of inference thrice: forward, gradients of activations, gradients of weights."""
_FEWER_PRODUCTS = 4.0
"""How many multiplications Winograd's F(4x4, 3x3) saves at most (Lavin and Gray, arXiv 1509.09308)."""


def design(rows: Observations, types: Mapping[str, DeviceType]) -> Design:
    """Return the rows as the regression sees them; targets are the logarithm of seconds per item on one device."""
    import numpy as np

    figures, rates = figures_of(rows), rates_of(rows, types)
    compute, memory, launch = _parts(rows, figures, rates)
    base = np.log(np.maximum(compute, memory) + 0.3 * np.minimum(compute, memory) + launch)
    bounded = (figures.stated > 0) & np.isfinite(rates.bound)
    least = np.where(bounded, np.log(2 * figures.macs / rates.peak / _FEWER_PRODUCTS), -np.inf)
    unknown = np.where(
        figures.known > 0, "", "neither its size nor its arithmetic is stated, and no card bears its name"
    )
    return Design(features_of(rows, figures, rates), base, _keys(rows, types), least, unknown)


def features_of(rows: Observations, figures: Figures, rates: Rates) -> dict[str, Floats]:
    """Return named features of each row: sizes of the network, how it runs, what is known of both."""
    import numpy as np

    batch = rows.number("batch", 1.0)
    numbers = [numeric(str(word)) for word in rows.word("precision")]
    value = np.array([number.value for number in numbers])
    compute, memory, launch = _parts(rows, figures, rates)
    shares = {name: np.nan_to_num(share) for name, share in figures.shares.items()}
    return {
        "macs": np.log(figures.macs),
        "activations": np.log(figures.activations / figures.macs),
        "parameters": np.log(figures.parameters / figures.macs),
        "pixels": np.log(figures.pixels),
        "batch": np.log(np.maximum(batch, 1.0)),
        "threads": np.log(rows.number("threads", 1.0)),
        "narrow": (value <= 1.0) * 1.0,
        "memory": np.log(memory / compute),
        "overhead": np.log(launch / (compute + memory)),
        "guessed": 1.0 - figures.stated,
        "unseen": 1.0 - figures.seen,
        "attention": (figures.kind == "attention") * 1.0,
        "operators": np.log(figures.operators),
        "peak": np.log(rates.peak),
        "bandwidth": np.log(rates.bandwidth / rates.peak),
        "stated": rates.known,
        "convolution": shares["convolution"],
        "grouped": np.sqrt(shares["grouped"]),
        "depthwise": np.sqrt(shares["depthwise"]),
        "traffic": np.log1p(shares["traffic"]),
        "composed": np.isnan(figures.shares["depthwise"]) * 1.0,
    }


def _parts(rows: Observations, figures: Figures, rates: Rates) -> tuple[Floats, Floats, Floats]:
    """Return seconds per item of arithmetic, of memory and of launches."""
    import numpy as np

    batch = np.maximum(rows.number("batch", 1.0), 1.0)
    numbers = [numeric(str(word)) for word in rows.word("precision")]
    weight = np.array([number.weight for number in numbers])
    value = np.array([number.value for number in numbers])
    times = np.where(rows.word("mode") == "training", _TRAINING, 1.0)
    moved = 2 * figures.activations * value + figures.parameters * weight / batch
    compute = times * 2 * figures.macs / rates.peak
    return compute, times * moved / rates.bandwidth, times * figures.operators * rates.launch / batch


def _keys(rows: Observations, types: Mapping[str, DeviceType]) -> dict[str, Texts]:
    import numpy as np

    device = np.where(rows.types != "", rows.types, rows.word("device"))
    names, places = np.unique(rows.types, return_inverse=True)
    kinds = np.array([types[name].kind if name in types else "" for name in map(str, names)])[places]
    software = rows.word("software")
    setting = software
    for role in ("precision", "layout", "mode"):
        setting = np.char.add(np.char.add(setting.astype(str), "|"), rows.word(role).astype(str))
    return {
        "device": device,
        "class": kinds,
        "core": rows.word("core"),
        "software": software,
        "setting": setting,
        "model": rows.word("model"),
        "stratum": device,
    }


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
    version=1,
    metrics=("throughput", "latency.mean", "latency.p50", "latency.p90", "latency.p99", "step_time"),
    # Constants come before slopes: what tells devices apart is not to be taken for what tells networks apart.
    stages=(
        StageForm((), 0),
        StageForm(("software",), 0),
        StageForm(("core",), 0),
        StageForm(("device",), 0),
        StageForm(("device", "setting"), 0),
        StageForm(("software",), 1, 40),
        StageForm(("setting",), 2, 300),
        StageForm(("device",), 1, 40),
        StageForm(("device", "setting"), 0),
        StageForm(("device", "setting"), 1, 60),
        StageForm(("device", "setting"), 2, 300),
        StageForm(("model",), 0),
        StageForm(("setting", "model"), 0),
        StageForm(("device", "model"), 0),
        StageForm(("device", "setting", "model"), 0),
    ),
    design=design,
    target=_target,
    value=_value,
)
