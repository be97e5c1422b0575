"""The one vocabulary of metrics: intents, estimates, claims and verdicts all use these names."""

import re
from typing import Literal, NamedTuple

from aios.records.units import Dimension, si_unit

__all__ = [
    "ENDLESS_S",
    "MEASURES",
    "METRICS",
    "PLAN_METRICS",
    "UNBOUNDED",
    "Measure",
    "Metric",
    "find_measure",
    "find_metric",
    "is_endless",
    "metric",
    "metric_names",
    "whole_range",
]


class Metric(NamedTuple):
    """A quantity that can be required, optimised, predicted and measured.

    name: dotted · dimension: kind of quantity · better: which way is good · total: how values of several workloads
    add up ·
    doc: one sentence · most: largest value that makes sense, None where any does
    """

    name: str
    dimension: Dimension
    better: Literal["lower", "higher"]
    total: Literal["sum", "max", "min", "none"]
    doc: str
    most: float | None = None

    @property
    def unit(self) -> str:
        """The SI unit of its values."""
        return si_unit(self.dimension)

    @property
    def relation(self) -> Literal["<=", ">="]:
        """How a required value bounds it."""
        return "<=" if self.better == "lower" else ">="


ENDLESS_S = 3600.0
"""Seconds that stand for a latency without end: where a load is more than a service sustains its queue grows for ever,
and a finite number is needed that no requirement of a service admits."""

UNBOUNDED = 1e30
"""Stands for the end of an error of which nothing is known that would end it: so few items were measured. Finite, as
all that is kept, and no bound that anybody states admits it."""

_LATENCY = "of the time from sending a request to having its answer, at the stated load, queueing included"
_FIRST = "of the time from sending a request to its first token, at the stated load, queueing included"
_EACH = "of a request's time per output token after the first one, at the stated load"
_QUANTILES = (50, 90, 95, 99)


def _times(name: str, what: str) -> tuple[Metric, ...]:
    """Return the mean and percentiles of a time."""
    mean = Metric(f"{name}.mean", Dimension.TIME, "lower", "max", f"Mean {what}.")
    return mean, *(
        Metric(f"{name}.p{q}", Dimension.TIME, "lower", "max", f"{q}th percentile {what}.") for q in _QUANTILES
    )


_ALL = (
    *_times("latency", _LATENCY),
    *_times("latency.ttft", _FIRST),
    *_times("latency.tpot", _EACH),
    Metric("time", Dimension.TIME, "lower", "max", "Time from the start of a job to its end."),
    Metric("throughput", Dimension.RATE, "higher", "sum", "Requests (of training, sequences) per second, sustained."),
    Metric("power", Dimension.POWER, "lower", "sum", "Mean power drawn for the workload at the stated load."),
    Metric("energy", Dimension.ENERGY, "lower", "sum", "Energy per request; of a job, all that it takes."),
    Metric("memory", Dimension.BYTES, "lower", "sum", "Peak memory of all replicas on their devices."),
    Metric("cost", Dimension.COST_RATE, "lower", "sum", "Price of the device shares used."),
    Metric("expense", Dimension.PRICE, "lower", "sum", "What a job costs in all: price of its devices x its time."),
    Metric("carbon", Dimension.CARBON_RATE, "lower", "sum", "Operational carbon of the power drawn."),
)

METRICS: dict[str, Metric] = {item.name: item for item in _ALL}
"""Every metric with a fixed name. ``accuracy.<measure>`` stands beside them for any measure a task defines."""

PLAN_METRICS: dict[str, Metric] = {
    item.name: item
    for item in (
        Metric("accelerator.allocated", Dimension.COUNT, "higher", "sum", "Accelerators taken, shares of them summed."),
        Metric("admitted", Dimension.COUNT, "higher", "sum", "Copies that may be refused and are not, by priority."),
        Metric("moves", Dimension.COUNT, "lower", "sum", "Intents that leave where they stand, or what they run as."),
    )
}
"""Metrics of a plan as a whole, which no single intent has."""


class Measure(NamedTuple):
    """A way to judge answers, ``accuracy.<name>``.

    pattern: of its name; a number in it is how many answers count · labels: what it compares answers with: ``class``
    index of each item, ``number`` or numbers of each item, ``tokens`` of each item, None: no right answers are needed ·
    stored: it compares with the answers of the model as it is stored · shares, better, most: see Metric; shares are
    of dimension fraction · doc: one sentence
    """

    pattern: str
    labels: Literal["class", "number", "tokens"] | None
    stored: bool
    shares: bool
    better: Literal["lower", "higher"]
    most: float | None
    doc: str


MEASURES = (
    Measure(
        r"top(\d+)", "class", False, True, "higher", 1.0, "Share of items whose right class is among the {} likeliest."
    ),
    Measure(
        r"top(\d+)_loss",
        "class",
        True,
        True,
        "lower",
        1.0,
        "Share of items that the model as stored answers right among its {} likeliest and this one does not, less the "
        "share for which it is the other way about.",
    ),
    Measure(
        r"agreement", None, True, True, "higher", 1.0, "Share of items that are answered as by the model as stored."
    ),
    Measure(r"cosine", None, True, False, "higher", 1.0, "Mean cosine of outputs with those of the model as stored."),
    Measure(
        r"recall(\d+)",
        None,
        True,
        True,
        "higher",
        1.0,
        "Mean share of the {} nearest items, by cosine of outputs, that are the nearest with the model as stored too.",
    ),
    Measure(r"exact_match", "tokens", False, True, "higher", 1.0, "Share of items all of whose tokens are right."),
    Measure(r"mae", "number", False, False, "lower", None, "Mean absolute error, in the unit of the right answers."),
    Measure(
        r"rmse",
        "number",
        False,
        False,
        "lower",
        None,
        "Root of the mean squared error, in the unit of the right answers.",
    ),
    Measure(
        r"perplexity", None, False, False, "lower", None, "Exponential of the mean negative log-likelihood of a token."
    ),
)
"""What is measured here. Any other measure can be declared of a model, as a share of right answers."""


def find_measure(name: str) -> tuple[Measure, int] | None:
    """Return what ``accuracy.<measure>`` measures, and how many answers count (0 where no number is in its name)."""
    measure = name.removeprefix("accuracy.")
    for item in MEASURES:
        match = re.fullmatch(item.pattern, measure)
        if match is not None:
            many = int(match[1]) if match.groups() else 0
            return (item, many) if many or not match.groups() else None
    return None


def find_metric(name: str) -> Metric | None:
    """Return the metric of this name, or None if there is none."""
    if name.startswith("accuracy.") and len(name) > len("accuracy."):
        known = find_measure(name)
        if known is None:
            doc = f"Share of {name.removeprefix('accuracy.')} right answers on the data."
            return Metric(name, Dimension.FRACTION, "higher", "min", doc, 1.0)
        measure, many = known
        dimension = Dimension.FRACTION if measure.shares else Dimension.COUNT
        total: Literal["min", "max"] = "min" if measure.better == "higher" else "max"
        return Metric(name, dimension, measure.better, total, measure.doc.format(many), measure.most)
    return METRICS.get(name)


def is_endless(name: str, value: float) -> bool:
    """Say whether a value stands for a latency without end, that of an overloaded service, or for an error without a
    known one."""
    return value >= ENDLESS_S if name.startswith("latency.") else name.startswith("accuracy.") and value >= UNBOUNDED


def whole_range(name: str) -> tuple[float, float]:
    """Return the ends of what a measure of accuracy may be at all."""
    found = find_measure(name)
    if found is None or (found[0].shares and found[0].better == "higher"):
        return 0.0, 1.0
    return (0.0, UNBOUNDED) if found[0].most is None else (-1.0, found[0].most)


def metric(name: str) -> Metric:
    """Return the metric of this name; raises KeyError for an unknown one."""
    found = PLAN_METRICS.get(name) or find_metric(name)
    if found is None:
        raise KeyError(name)
    return found


def metric_names() -> tuple[str, ...]:
    """Return the names that may be written in ``require`` and ``goal``, for messages and completion."""
    measures = (
        "top1",
        "top5",
        "top1_loss",
        "agreement",
        "cosine",
        "recall10",
        "exact_match",
        "mae",
        "rmse",
        "perplexity",
    )
    return (*METRICS, *(f"accuracy.{name}" for name in measures))
