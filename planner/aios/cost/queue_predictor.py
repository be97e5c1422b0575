"""Latency of a service under load: closed loops of clients that each wait for an answer.

Little's law ties latency L, throughput X and the items outstanding: X L = concurrency x batch. A server of k instances
puts what waits together, up to its largest batch m. Clients whose answer has just left wait for the next of k calls
that run and then for their own: L = S (1 + 1 / k) where all who wait fit the next call, S the time of a call; more
clients than that take turns, L = S x concurrency x batch / (k m); as many clients as instances never wait. By Little's
law a call then holds concurrency x batch / (k turns) items. Requests pass through their sender and the server's front
one after the other, which takes each of them the same.

S is what physics says of the arithmetic and traffic of the network with so many items; instances of one device share
it, so that L is the time that it spends on all items outstanding. What is learnt of each engine is how far from nominal
rates products, traffic and launches run under it; then what is left: copies, calls that overlap, how far percentiles
lie from the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aios.cost.learning.design import Design, Predictor, StageForm
from aios.cost.logarithms import target_of, value_of
from aios.cost.network_predictor import design as network_design
from aios.cost.networks.figures import figures_of
from aios.records.fleet import DeviceType
from aios.records.networks import CLASSES

if TYPE_CHECKING:
    from aios.records.observation import Floats, Observations

__all__ = ["PREDICTOR", "turns"]

_HANDLED_S = 1.7e-4
"""Of one request where requests are sent and taken in one after the other: 6,000 per second, about what one thread of a
gRPC client manages (looked for on published measurements)."""

_KINDS: Mapping[str, str] = {
    **{f"{name}_macs": "products" for name in CLASSES[:5]},
    **{f"{name}_values": "values" for name in CLASSES},
    **{"serial": "products", "weights": "weights", "kernels": "launches"},
}
"""A network's part -> kind of work; all other parts are parts of these."""


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
    waits = turns(concurrency, batch, instances, number("largest_batch", np.inf))
    outstanding = concurrency * batch
    held = np.maximum(outstanding / (instances * waits), batch)
    rows = replace(observations, numbers={**observations.numbers, "batch": held})
    network = network_design(rows, devices)
    known = figures_of(observations).stated > 0
    counted = 1.0 / outstanding if observations.metric == "throughput" else np.ones(len(observations))
    parts = {
        **{name: np.where(known, part * outstanding * counted, 0.0) for name, part in _worked(network).items()},
        "handled": _HANDLED_S * concurrency * counted,
    }
    total = np.add.reduce(list(parts.values()))
    kind = np.where(concurrency > 1, "together", "alone")
    return Design(
        features={
            "log concurrency": np.log(concurrency),
            "log batch": np.log(batch),
            "log turns": np.log(waits),
            "handled": parts["handled"] / total,
            "log call": np.log(total / counted),
        },
        base=np.log(total),
        keys={
            "device": np.where(observations.types != "", observations.types, observations.word("device")),
            "software": observations.word("software"),
            "scenario": observations.word("scenario"),
            "model": observations.word("model"),
            "stratum": kind,
        },
        least=np.where(known, network.least + np.log(outstanding * counted), -np.inf),
        unknown=np.where(known, "", "the arithmetic of its network is not stated"),
        parts=parts,
    )


def _worked(network: Design) -> dict[str, Floats]:
    """Return the seconds that a device spends on an item by kind of work: those of a network's operators, summed up."""
    import numpy as np

    found = {name: np.zeros(len(network.base)) for name in ("products", "values", "weights", "launches")}
    for name, part in network.parts.items():
        if name in _KINDS:
            found[_KINDS[name]] += part
    return found


PREDICTOR = Predictor(
    name="queue",
    version=3,
    metrics=("latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99", "throughput"),
    stages=(
        StageForm(("model", "software"), 0, 3),
        StageForm(("model", "software", "scenario"), 1, 8),
        StageForm(("device", "model", "software", "scenario"), 1, 8),
    ),
    mixes=(StageForm(("software",), 0, 20),),
    design=_design,
    target=target_of,
    value=value_of,
)
"""Logarithm of seconds: of a request, or of an item where throughput is asked for."""
