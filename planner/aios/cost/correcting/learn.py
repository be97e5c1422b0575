"""Learns a correction from times that were measured on one device: rates of operators, how models differ from them.

Rates are not negative and small where the rows do not speak (ridge regression on relative errors, with weights that
forgive outliers and make half as large as bad as twice as large); what they leave is a Gaussian process whose variances
the held-out rows tell. Both come from scikit-learn. Whether plans are made with it, models and settings that were held
back decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from aios.cost.correcting.amounts import VERSION, amounts_of, extent_of
from aios.cost.correcting.predict import REACH_BATCH, REACH_THREADS, Call, posterior
from aios.records.calibration import LearntError
from aios.records.correction import Correction, HeldOut
from aios.records.model import ModelProfile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["FEWEST_MODELS", "FEWEST_ROWS", "Row", "learn"]

FEWEST_ROWS, FEWEST_MODELS = 12, 3
"""Below these, holding anything back leaves nothing to learn from."""

_FOLDS = 10
_RIDGE = 1e-3
"""Share of the rows' squares: what keeps amounts that go together from taking turns."""
_FORGIVEN = 0.15
"""Relative error from which a row pulls no harder: some measurements met a busy machine."""
_LEAST = 0.05
"""Share of the measured time below which a row that is predicted too small pulls no harder."""
_SHRUNK = 5.0
"""Rows that speak for a scale of 1."""
_Z90 = 1.645


class Row(NamedTuple):
    """A measured call. roofline_s: None where unknown · without_model_s, without_setting_s: (low, value, high) that
    plans say without a correction, of a model that nobody measured, and of one whose other settings were; None
    likewise · group: rows of one group are held back together; those of None never are: chains of single operators,
    which are learnt from but are no networks to judge by"""

    profile: ModelProfile
    call: Call
    measured_s: float
    roofline_s: float | None
    without_model_s: tuple[float, float, float] | None
    without_setting_s: tuple[float, float, float] | None
    group: str | None


def learn(
    device: str,
    executor: str,
    engine: str,
    rows: Sequence[Row],
    digest: str,
    reference_s: Mapping[int, float] = MappingProxyType({}),
) -> Correction | None:
    """Return what the rows teach; None for fewer than FEWEST_ROWS or FEWEST_MODELS. The same rows give the same bytes.

    digest: of the measurements · reference_s: what the rows' times are told at the pace of. Raises ImportError without
    scikit-learn.
    """
    rows = sorted(rows, key=lambda row: (row.profile.digest, row.call))
    judged = [row for row in rows if row.group is not None]
    if len(judged) < FEWEST_ROWS or len({row.profile.digest for row in judged}) < FEWEST_MODELS:
        return None
    table = _Table(rows)
    base, left = min(
        ((name, _held_out(table, name)) for name in _BASES), key=lambda item: _size(table, item[1])
    )  # fmt: skip
    variances = _variances(table, left)
    everything = range(len(rows))
    return Correction(
        device=device,
        executor=executor,
        engine=engine,
        version=VERSION,
        base=base,
        rates=_rounded(table.rates(everything)) if base == "operators" else {},
        scales={key: _short(value) for key, value in table.scales(everything).items()} if base == "roofline" else {},
        variances={name: _short(value) for name, value in variances.items()},
        reference_s={threads: _short(seconds) for threads, seconds in reference_s.items()},
        ranges=_ranges(rows),
        models=_judged(table, left, variances, alone=True),
        settings=_judged(table, left, variances, alone=False),
        rows=len(rows),
        digest=digest,
    )


_BASES: tuple[Literal["operators", "roofline"], ...] = ("operators", "roofline")


class _Table:
    """The rows as arrays, and fits of some of them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        import numpy as np

        self.rows = rows
        self.measured = np.array([row.measured_s for row in rows])
        self.models = np.array([row.profile.digest for row in rows])
        self.precisions = np.array([row.call.kernels for row in rows])
        self.groups = np.array([row.group or "" for row in rows])
        self.unchanged = np.array([row.call.kernels == "fp32" and not _has_products(row.profile) for row in rows])
        amounts = [amounts_of(row.profile, _items(row), row.call.threads) for row in rows]
        self.names = sorted({name for item in amounts for name in item})
        self.amounts = np.array([[item.get(name, 0.0) for name in self.names] for item in amounts])

    def rates(self, chosen: Sequence[int]) -> dict[str, dict[str, float]]:
        """Return precision -> amount -> seconds per unit."""
        import numpy as np

        index = np.asarray(chosen, dtype=np.int64)
        found = {}
        for precision in sorted(set(self.precisions[index].tolist()), key=lambda name: (name != "fp32", name)):
            own = index[(self.precisions[index] == precision) | self.unchanged[index] * (precision == "int8-dynamic")]
            told = self._common(own)
            rates = _rates(np.where(told, self.amounts[own], 0.0), self.measured[own])
            found[str(precision)] = {n: float(r) for n, r in zip(self.names, rates, strict=True) if r > 0}
            untold = {name for name, there in zip(self.names, told, strict=True) if not there}
            float_rates = found.get("fp32", {}).items()  # what no precision changes is computed in floats
            found[str(precision)] |= {name: rate for name, rate in float_rates if name in untold}
        return found

    def _common(self, own: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return of each amount whether several models have it, or a chain of one kind of operator. A rate that one
        network alone tells takes up all that this is off, and may be off without bound for others that have more."""
        import numpy as np

        _, models = np.unique(self.models[own], return_inverse=True)
        holding = np.zeros((models.max() + 1, len(self.names)), dtype=np.bool_)
        np.logical_or.at(holding, models, self.amounts[own] > 0)
        chains = (self.amounts[own[self.groups[own] == ""]] > 0).any(axis=0)
        found: npt.NDArray[np.bool_] = chains | (holding.sum(axis=0) >= FEWEST_MODELS)
        return found

    def scales(self, chosen: Sequence[int]) -> dict[str, float]:
        """Return precision -> factor on the roofline: the median, drawn towards 1 where few rows speak."""
        import numpy as np

        found: dict[str, list[float]] = {}
        for place in chosen:
            row = self.rows[place]
            if row.roofline_s:
                found.setdefault(row.call.kernels, []).append(math.log(row.measured_s / row.roofline_s))
        return {
            key: math.exp(float(np.median(logs)) * len(logs) / (len(logs) + _SHRUNK))
            for key, logs in sorted(found.items())
        }


def _has_products(profile: ModelProfile) -> bool:
    """Say whether dynamic quantisation, which changes products with weights alone, would change a model."""
    return any(item.kind in ("MatMul", "Gemm", "LSTM", "Attention") and item.weight_bytes for item in profile.operators)


def _items(row: Row) -> int:
    return max(row.call.batch, row.profile.fixed_batch or 1)


def _rates(amounts: Floats, measured: Floats) -> Floats:
    """Return seconds per unit of each amount, none negative, with the least squares of relative errors."""
    import numpy as np
    from sklearn.linear_model import Ridge

    relative = amounts / measured[:, None]
    norm = np.sqrt((relative**2).mean(axis=0))
    there = norm > 0
    scaled = relative[:, there] / norm[there]
    weights, target = np.ones(len(measured)), np.ones(len(measured))
    for _ in range(8):
        fit = Ridge(alpha=_RIDGE * len(measured), positive=True, fit_intercept=False)
        fit.fit(scaled, target, sample_weight=weights)
        told = np.maximum(scaled @ fit.coef_, _LEAST)
        weights = 1 / np.maximum(np.abs(np.log(told)), _FORGIVEN) / told  # (t - 1)^2 / t is log(t)^2, nearly
        weights /= weights.mean()
    rates = np.zeros(amounts.shape[1])
    rates[there] = fit.coef_ / norm[there]
    return rates


def _held_out(table: _Table, base: str) -> Floats:
    """Return log(measured / base) of every row of a group, by what the other groups teach; NaN where the base knows
    nothing."""
    import numpy as np

    folds = _folds(table)
    left = np.full(len(table.rows), np.nan)
    for fold in range(int(folds.max()) + 1):
        train, test = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
        if base == "operators":
            rates = table.rates(train)
            for place in test:
                own = rates.get(str(table.precisions[place]), {})
                vector = np.array([own.get(name, 0.0) for name in table.names])
                told = float(table.amounts[place] @ vector)
                if told > 0:
                    left[place] = math.log(table.measured[place] / told)
        else:
            scales = table.scales(train)
            for place in test:
                row = table.rows[place]
                scale = scales.get(row.call.kernels)
                if scale and row.roofline_s:
                    left[place] = math.log(row.measured_s / (scale * row.roofline_s))
    return left


def _folds(table: _Table) -> npt.NDArray[np.int64]:
    """Return of each row the number of the part that it is held back with; -1: never."""
    import numpy as np

    chains = table.groups == ""
    names, order = np.unique(table.groups if chains.any() else table.models, return_inverse=True)
    return np.where(chains, -1, order % _FOLDS if len(names) > _FOLDS else order)


def _size(table: _Table, left: Floats) -> float:
    """Return how large residuals are in the middle; those that are missing count as large."""
    import numpy as np

    judged = left[table.groups != ""]
    return float(np.median(np.where(np.isnan(judged), math.inf, np.abs(judged))))


def _variances(table: _Table, left: Floats) -> dict[str, float]:
    """Return the variances of the residuals that make them likeliest."""
    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    known = ~np.isnan(left)
    _, models = np.unique(table.models[known], return_inverse=True)
    _, precisions = np.unique(table.precisions[known], return_inverse=True)
    rows = [row for row, there in zip(table.rows, known, strict=True) if there]
    sizes = np.log2([[max(row.call.threads, 1), row.call.batch] for row in rows])
    far, all_same = 1e3, 1e6  # of unlike models nothing is shared; what is not asked about is the same for all
    points = np.column_stack([far * models, far * precisions, sizes])

    def part(*lengths: float) -> Any:
        return ConstantKernel(0.02, (1e-5, 4.0)) * RBF(np.array(lengths), "fixed")

    kernel = (
        part(1.0, all_same, all_same, all_same)
        + part(1.0, 1.0, all_same, all_same)
        + part(1.0, 1.0, REACH_THREADS, REACH_BATCH)
        + WhiteKernel(0.01, (1e-4, 1.0))
    )
    clipped = np.clip(left[known], *np.quantile(left[known], [0.02, 0.98]))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance at its bound is a result like any other
        fit = GaussianProcessRegressor(kernel, random_state=0).fit(points, clipped)
    found = np.exp(fit.kernel_.theta)
    return dict(zip(("model", "precision", "setting", "noise"), map(float, found), strict=True))


class _Told(NamedTuple):
    """What was predicted of a row that was held back. error: log(measured / predicted)"""

    model: str
    error: float
    deviation: float
    measured_s: float
    without: tuple[float, float, float] | None


def _judged(table: _Table, left: Floats, variances: Mapping[str, float], *, alone: bool) -> HeldOut:
    """Return what predictions of rows held back are worth, beside those without a correction of the same rows.

    alone: with their whole model, else row by row
    """
    every = list(_told(table, left, variances, alone=alone))
    both = [item for item in every if item.without is not None]
    told = both or every
    if not told:
        nothing = LearntError(level="calibrated", table="", rows=0, median=0.0, p90=0.0, bias=0.0)
        return HeldOut(used=False, factor=_Z90, before=None, after=nothing)
    after = _error([math.exp(-item.error) - 1 for item in told], _covered(told))
    before = None
    if both:
        ends = [(item.measured_s, *item.without) for item in both if item.without is not None]
        before = _error(
            [value / measured - 1 for measured, _, value, _ in ends],
            [low <= measured <= high for measured, low, _, high in ends],
        )
    used = not both or _is_better([item.error for item in both], [_log_of(item) for item in both])
    return HeldOut(used=used, factor=_short(_factor(told)), before=before, after=after)


def _log_of(item: _Told) -> float:
    assert item.without is not None, "chosen before"
    return math.log(item.measured_s / item.without[1])


def _is_better(after: Sequence[float], before: Sequence[float]) -> bool:
    """Say whether errors are smaller in the middle and not larger in nine tenths. They are logarithms: half as long as
    measured is as bad as twice as long."""
    import numpy as np

    (middle, most), (old_middle, old_most) = (np.quantile(np.abs(errors), (0.5, 0.9)) for errors in (after, before))
    return bool(middle < old_middle and most <= old_most)


def _told(table: _Table, left: Floats, variances: Mapping[str, float], *, alone: bool) -> Iterator[_Told]:
    import numpy as np

    for place in np.flatnonzero(~np.isnan(left)).tolist():
        row = table.rows[place]
        kin = [] if alone else [
            (table.rows[other].call, float(left[other]))
            for other in np.flatnonzero(table.models == table.models[place]).tolist()
            if other != place and not np.isnan(left[other])
        ]  # fmt: skip
        if alone or kin:
            mean, deviation = posterior(variances, row.call, kin)
            plain = row.without_model_s if alone else row.without_setting_s
            yield _Told(str(table.models[place]), float(left[place] - mean), deviation, row.measured_s, plain)


def _factor(told: Sequence[_Told]) -> float:
    """Return the factor on the deviations within which 90 % of the errors lie."""
    import numpy as np

    return float(np.quantile([abs(item.error) / item.deviation for item in told], 0.9))


def _covered(told: Sequence[_Told]) -> list[bool]:
    """Return whether each row lay within its interval, were that as wide as the other models need."""
    factors = {}
    for model in {item.model for item in told}:
        others = [item for item in told if item.model != model]
        factors[model] = _factor(others) if others else _Z90
    return [abs(item.error) <= factors[item.model] * item.deviation for item in told]


def _error(signed: Sequence[float], inside: Sequence[bool]) -> LearntError:
    import numpy as np

    values = np.array(signed)
    return LearntError(
        level="calibrated",
        table="",
        rows=len(values),
        median=_short(float(np.median(np.abs(values)))),
        p90=_short(float(np.quantile(np.abs(values), 0.9))),
        bias=_short(float(np.median(values))),
        coverage=_short(float(np.mean(inside))),
    )


def _ranges(rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    extents = [extent_of(row.profile, row.call.batch, row.call.threads) for row in rows]
    return {
        name: (min(item[name] for item in extents), max(item[name] for item in extents)) for name in sorted(extents[0])
    }


def _rounded(rates: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {key: {name: _short(rate) for name, rate in own.items()} for key, own in rates.items()}


def _short(value: float) -> float:
    """Return four digits: more say nothing, and differ between builds of the same library."""
    return float(f"{value:.4g}")
