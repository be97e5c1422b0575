"""Latency of a service under load: closed loops of clients that each wait for an answer.

Little's law ties latency L, throughput X and the items outstanding: X L = concurrency x batch. A server of k instances
puts what waits together, up to its largest batch m. Clients whose answer has just left wait for the next of k calls
that run and then for their own: L = S (1 + 1 / k) where all who wait fit the next call, S the time of a call; more
clients than that take turns, L = S x concurrency x batch / (k m); as many clients as instances never wait. Requests
pass through their sender and the server's front one after the other, which takes each of them the same.

S is what the table states. Engines that start their work and do not wait for it state the time of starting, and other
tables nothing: then the device is busy as long as physics says of the network's arithmetic and traffic. What is learnt
is the rest: copies, calls that overlap, how far from nominal rates networks run, and how far percentiles lie from the
mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.network_predictor import design as network_design
from aios.cost.networks.figures import figures_of
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations

    Mask = npt.NDArray[np.bool_]

__all__ = ["PREDICTOR", "turns"]

_NEAREST = 1e-5
"""Seconds below which a stated compute time is a rounded zero."""
_LITTLE = 0.5
"""Of the stated compute time, below which no latency is believed."""
_HANDLED_S = 1.7e-4
"""Of one request where requests are sent and taken in one after the other: 6,000 per second, about what one thread of a
gRPC client manages (searched on open rows)."""
_STARTING = ("pytorch", "torchscript", "libtorch")
"""Engines that return before the device is done, so that what they state of a call is the time of starting it
(triton-inference-server/pytorch_backend, pull requests 22 and 32)."""
_REACHED = 0.4
"""Of nominal rates, that networks run at under engines whose calls are not stated (searched on open rows)."""


class _Calls(NamedTuple):
    """Of rows. seconds: of one call · stated: rows whose time of a call is stated · known: all that can be predicted"""

    seconds: Floats
    stated: Mask
    known: Mask


def turns(concurrency: Floats, batch: Floats, instances: Floats, largest: Floats) -> Floats:
    """Return how many times that of a call a client waits for its answer."""
    import numpy as np

    waiting = np.maximum(concurrency - instances, 0.0) / concurrency / instances
    found: Floats = np.maximum(1 + waiting, concurrency * batch / (instances * np.maximum(largest, batch)))
    return found


def _design(observations: Observations, devices: Mapping[str, DeviceType]) -> Design:
    import numpy as np

    number = observations.number
    concurrency, batch = np.maximum(number("concurrency", 1.0), 1.0), np.maximum(number("batch", 1.0), 1.0)
    instances = np.maximum(number("instances", 1.0), 1.0)
    # A server whose largest batch nobody states is taken to put everything together.
    largest = number("largest_batch", np.inf)
    waits = turns(concurrency, batch, instances, largest)
    calls = _calls(observations, devices, concurrency * batch, np.maximum(largest, batch))
    served, handled = calls.seconds * np.where(calls.stated, waits, 1.0), _HANDLED_S * concurrency
    own = -np.log(concurrency * batch) if observations.metric == "throughput" else np.zeros(len(observations))
    kind = np.char.add(np.where(calls.stated, "stated", "estimated"), np.where(concurrency > 1, " together", " alone"))
    return Design(
        features={
            "log concurrency": np.log(concurrency),
            "log batch": np.log(batch),
            "log turns": np.log(waits),
            "handled": handled / (served + handled),
            "estimated": np.where(calls.stated, 0.0, 1.0),
            "log call": np.where(calls.known, np.log(calls.seconds), 0.0),
        },
        base=np.log(served + handled) + own,
        keys={
            "device": np.where(observations.types != "", observations.types, observations.word("device")),
            "class": np.array([devices[name].kind if name in devices else "" for name in observations.types.tolist()]),
            "software": observations.word("software"),
            "scenario": observations.word("scenario"),
            "model": observations.word("model"),
            "kind": kind,
            "stratum": kind,
        },
        least=np.where(calls.stated, np.log(_LITTLE * calls.seconds) + own, -np.inf),
        unknown=np.where(calls.known, "", "neither the time of one call nor the arithmetic of its network is stated"),
    )


def _calls(
    observations: Observations, devices: Mapping[str, DeviceType], outstanding: Floats, largest: Floats
) -> _Calls:
    """Return the time of a call that is stated, or for which the device works on all that is outstanding."""
    import numpy as np

    said = observations.number("compute_time", 0.0)
    engines = np.char.lower(observations.word("software").astype(str))
    starting = np.logical_or.reduce([np.char.startswith(engines, name) for name in _STARTING])
    stated = (said > 0) & ~starting
    together = np.minimum(outstanding, largest)
    rows = replace(observations, numbers={**observations.numbers, "batch": together})
    device = np.exp(network_design(rows, devices).base) * outstanding / _REACHED
    sized = figures_of(rows).stated > 0
    seconds = np.where(stated, np.maximum(said, _NEAREST), np.maximum(device, said))
    known = stated | sized
    return _Calls(np.where(known, seconds, 1.0), stated, known)


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
    version=2,
    metrics=("latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99", "throughput"),
    stages=(
        StageForm(("kind",), 0, 20),
        StageForm(("model", "software"), 0, 3),
        StageForm(("model", "software", "scenario"), 1, 8),
        StageForm(("device", "model", "software", "scenario"), 1, 8),
    ),
    design=_design,
    target=_target,
    value=_value,
)
"""Logarithm of seconds: of a request, or of an item where throughput is asked for."""
