"""Latency of a service under load, given the time of one call: closed loops of clients that each wait for an answer.

Little's law ties latency L, throughput X and the items outstanding: X L = concurrency x batch. A server of k instances
puts what waits together, up to its largest batch m. Clients whose answer has just left wait for the call that runs and
then for their own: L = 2 S where all who wait fit the next call, S the time of a call; more clients than that take
turns, L = S x concurrency x batch / (k m); as many clients as instances never wait. What is learnt is the rest: parsing
and sending, calls that overlap, and how far percentiles lie from the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["PREDICTOR", "turns"]

_NEAREST = 1e-5
"""Seconds below which a stated compute time is a rounded zero."""
_LITTLE = 0.5
"""Of the stated compute time, below which no latency is believed."""


def turns(concurrency: Floats, batch: Floats, instances: Floats, largest: Floats) -> Floats:
    """Return how many times that of a call a client waits for its answer."""
    import numpy as np

    waiting = np.maximum(concurrency - instances, 0.0) / concurrency
    found: Floats = np.maximum(1 + waiting, concurrency * batch / (instances * np.maximum(largest, batch)))
    return found


def _design(observations: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    number = observations.number
    concurrency, batch = np.maximum(number("concurrency", 1.0), 1.0), np.maximum(number("batch", 1.0), 1.0)
    call = number("compute_time")
    known = call > 0
    call = np.where(known, np.maximum(call, _NEAREST), 1.0)
    # A server whose largest batch nobody states is taken to put everything together.
    waits = turns(concurrency, batch, np.maximum(number("instances", 1.0), 1.0), number("largest_batch", np.inf))
    own = -np.log(concurrency * batch) if observations.metric == "throughput" else np.zeros(len(observations))
    return Design(
        features={
            "log concurrency": np.log(concurrency),
            "log batch": np.log(batch),
            "log turns": np.log(waits),
            "log call": np.where(known, np.log(call), 0.0),
        },
        base=np.log(call * waits) + own,
        keys={
            "device": np.where(observations.types != "", observations.types, observations.word("device")),
            "class": np.array([devices[name].kind if name in devices else "" for name in observations.types.tolist()]),
            "software": observations.word("software"),
            "scenario": observations.word("scenario"),
            "model": observations.word("model"),
        },
        least=np.log(_LITTLE * call) + own,
        unknown=np.where(known, "", "the table states no time of one call"),
    )


def _target(observations: Observations) -> Floats:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.log(observations.values)
    return -found if observations.metric == "throughput" else found


def _value(observations: Observations, target: Floats) -> Floats:
    import numpy as np

    found: Floats = np.exp(-target if observations.metric == "throughput" else target)
    return found


PREDICTOR = Predictor(
    name="queue",
    version=1,
    metrics=("latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99", "throughput"),
    stages=(
        StageForm((), 0),
        StageForm(("model", "software"), 0, 3),
        StageForm(("model", "software", "scenario"), 1, 8),
        StageForm(("device", "model", "software", "scenario"), 1, 8),
    ),
    design=_design,
    target=_target,
    value=_value,
)
"""Logarithm of seconds: of a request, or of an item where throughput is asked for."""
