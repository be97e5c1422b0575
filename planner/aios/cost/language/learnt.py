"""By how much what was learnt from measurements corrects the physics of serving, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning import predict
from aios.cost.learning.design import Design
from aios.cost.level import level_of
from aios.cost.serving_predictor import PREDICTOR
from aios.records.calibration import Calibration
from aios.records.fleet import DeviceType
from aios.records.observation import Level, Observations

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Texts

__all__ = ["UNLEARNT", "Correction", "correction", "levels_of", "served_by"]

UNLEARNT = 3.0
"""Factor either way within which the physics alone is trusted, where no calibration is at hand."""

_OTHER_WORK = ("disagg", "prefill", "decode", "batch", "offline", "single")
"""Words in the name of a way to serve that is not requests coming and going at one engine."""


class Correction(NamedTuple):
    """Factors on a time, of n rows: the ends of a 90 % interval around the value. level: for each row what was seen,
    empty where nothing was · engine: that each row was taken to run on, empty for an ordinary one"""

    low: Floats
    value: Floats
    high: Floats
    level: Texts
    engine: Texts

    def ends(self) -> tuple[Floats, Floats, Floats]:
        """Return low, value and high."""
        return self.low, self.value, self.high


def correction(rows: Observations, devices: Mapping[str, DeviceType], learnt: Calibration | None) -> Correction:
    """Return how much longer than physics says the times of these rows are expected to be; of a throughput, those of
    one token. learnt: of the predictor ``serving`` and the rows' metric"""
    import numpy as np

    n = len(rows)
    nothing = np.full(n, "")
    if learnt is None or learnt.version != PREDICTOR.version:
        ones = np.ones(n)
        return Correction(ones / UNLEARNT, ones, ones * UNLEARNT, nothing, nothing)
    design = PREDICTOR.design(rows, devices)
    design, engine = _on_known_engine(design, learnt)
    level = levels_of(learnt, design.keys["device"])
    ends = np.zeros((3, n))
    for name in ("zero-shot", "calibrated"):
        mask = level == name
        if mask.any():
            found = predict(design.take(mask), learnt, _as_level(name))
            ends[:, mask] = np.array([found.low, found.value, found.high]) - design.base[mask]
    low, value, high = np.exp(ends)
    return Correction(low, value, high, level, engine)


def _as_level(name: str) -> Level:
    return "calibrated" if name == "calibrated" else "zero-shot"


def levels_of(learnt: Calibration, devices: Texts) -> Texts:
    """Return for each device whether the calibration saw it: calibrated, else zero-shot."""
    import numpy as np

    names, places = np.unique(devices, return_inverse=True)
    return np.array([level_of(learnt, str(name)) for name in names])[places]


def served_by(rows: Observations, learnt: Calibration | None) -> Observations:
    """Return the rows with the software that was measured most often on their device, else on any; what a candidate
    does not say is taken to be that."""
    import numpy as np

    if learnt is None or learnt.version != PREDICTOR.version:
        return rows
    names, places = np.unique(rows.types, return_inverse=True)
    chosen = np.array([_engine(learnt, str(name)).partition(" ")[0] for name in names])[places]
    return replace(rows, words={**rows.words, "software": chosen})


def _on_known_engine(design: Design, learnt: Calibration) -> tuple[Design, Texts]:
    """Take each row to run on the engine of its software that was measured most often on its device, else on any.

    An engine that nobody measured would be taken for an ordinary one.
    """
    import numpy as np

    if "engine" not in design.keys:
        return design, np.full(len(design.base), "")
    software = [name.partition(" ")[0] for name in design.keys["engine"].tolist()]
    pairs = list(zip(design.keys["device"].tolist(), software, strict=True))
    known = {pair: _engine(learnt, *pair) for pair in set(pairs)}
    chosen = np.array([known[pair] for pair in pairs], dtype=str)
    keys = {**design.keys, "engine": chosen}
    if "stratum" in keys:
        keys["stratum"] = _strata(design.keys["stratum"], chosen, learnt)
    return replace(design, keys=keys), chosen


def _engine(learnt: Calibration, device: str, software: str = "") -> str:
    """Return the engine with most rows, of this software before others, on this device before others."""
    counts: dict[tuple[bool, bool, str], int] = {}
    for stage in (*learnt.mixes, *learnt.stages):
        if "engine" not in stage.keys or set(stage.keys) - {"engine", "device"}:
            continue
        for effect in stage.effects:
            group = dict(zip(stage.keys, effect.group, strict=True))
            name = group["engine"]
            if group.get("device") in (None, device) and not any(word in name for word in _OTHER_WORK):
                key = (name.partition(" ")[0] == software, group.get("device") is not None, name)
                counts[key] = counts.get(key, 0) + effect.rows
    # Many rows go before few; names decide between equals.
    return max(counts, key=lambda key: (*key[:2], counts[key], key[2]), default=(False, False, ""))[2]


def _strata(own: Texts, engines: Texts, learnt: Calibration) -> Texts:
    """Return the stratum of residuals that holds for each engine: the one that its name begins with."""
    import numpy as np

    strata = sorted({item.stratum for item in learnt.residuals if item.stratum}, key=len, reverse=True)
    names, places = np.unique(engines, return_inverse=True)
    found = [next((item for item in strata if str(name).startswith(item)), "") for name in names]
    chosen: npt.NDArray[np.str_] = np.array(found)[places]
    return np.where(chosen == "", own, chosen)
