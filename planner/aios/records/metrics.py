"""The one vocabulary of metrics: intents, estimates, claims and verdicts all use these names."""

from typing import Literal, NamedTuple

from aios.records.units import Dimension, si_unit

__all__ = ["ENDLESS_S", "METRICS", "PLAN_METRICS", "Metric", "find_metric", "is_endless", "metric", "metric_names"]


class Metric(NamedTuple):
    """A quantity that can be required, optimised, predicted and measured.

    name: dotted · dimension: kind of quantity · better: which way is good · total: how values of several workloads
    add up ·
    doc: one sentence
    """

    name: str
    dimension: Dimension
    better: Literal["lower", "higher"]
    total: Literal["sum", "max", "min", "none"]
    doc: str

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


def find_metric(name: str) -> Metric | None:
    """Return the metric of this name, or None if there is none."""
    if name.startswith("accuracy.") and len(name) > len("accuracy."):
        measure = name.removeprefix("accuracy.")
        return Metric(name, Dimension.FRACTION, "higher", "min", f"Share of {measure} right answers on the data.")
    return METRICS.get(name)


def is_endless(name: str, value: float) -> bool:
    """Say whether a value stands for a latency without end: that of an overloaded service."""
    return name.startswith("latency.") and value >= ENDLESS_S


def metric(name: str) -> Metric:
    """Return the metric of this name; raises KeyError for an unknown one."""
    found = PLAN_METRICS.get(name) or find_metric(name)
    if found is None:
        raise KeyError(name)
    return found


def metric_names() -> tuple[str, ...]:
    """Return the names that may be written in ``require`` and ``goal``, for messages and completion."""
    return (*METRICS, "accuracy.top1", "accuracy.top5")
