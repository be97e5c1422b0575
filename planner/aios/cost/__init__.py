"""What a candidate is expected to do: arithmetic from facts and measurements to estimates with interval and
source.

``price`` takes candidates, profiles, the fleet and the ``Evidence`` at hand. What was measured is used; what was not is
computed from datasheet facts with documented ranges of efficiency; what depends on an unknown fact stays unknown and
says why. There are no infinite prices: a candidate that cannot sustain the load has a throughput and no latency.

``call_time`` says what one call of an engine takes.

``leans_on`` says which measurement of another candidate bounds an estimate, ``falling`` whose would.

``price_daily`` does so of a load that changes over the day.

``explain`` says where the time, memory and watts of one of them go.

``ways_of`` and ``ways_of_demand`` say what running takes and costs in each hour of a day.

``pipeline_decision`` puts the estimates of a pipeline's stages together.

``search_in`` finds the ways to split a training step over a fleet's devices.

``point_to_point`` and ``collective`` say how long data takes between devices of a fabric, ``link_load`` what flows load
its links with.
"""

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.cost.bounding import falling, leans_on
    from aios.cost.calls import call_time
    from aios.cost.collectives import Duration, collective, point_to_point
    from aios.cost.daily import price_daily
    from aios.cost.evidence import Evidence
    from aios.cost.explaining import explain
    from aios.cost.pipeline import pipeline_decision
    from aios.cost.power import compared_alike
    from aios.cost.pricing import price
    from aios.cost.routing import Flow, link_load
    from aios.cost.training.search import search_in
    from aios.cost.ways import ways_of, ways_of_demand

__all__ = [
    "Duration",
    "Evidence",
    "Flow",
    "call_time",
    "collective",
    "compared_alike",
    "explain",
    "falling",
    "leans_on",
    "link_load",
    "pipeline_decision",
    "point_to_point",
    "price",
    "price_daily",
    "search_in",
    "ways_of",
    "ways_of_demand",
]

__getattr__ = lazily(
    __name__,
    {
        "Duration": "aios.cost.collectives",
        "Evidence": "aios.cost.evidence",
        "Flow": "aios.cost.routing",
        "call_time": "aios.cost.calls",
        "collective": "aios.cost.collectives",
        "compared_alike": "aios.cost.power",
        "explain": "aios.cost.explaining",
        "falling": "aios.cost.bounding",
        "leans_on": "aios.cost.bounding",
        "link_load": "aios.cost.routing",
        "pipeline_decision": "aios.cost.pipeline",
        "point_to_point": "aios.cost.collectives",
        "price": "aios.cost.pricing",
        "price_daily": "aios.cost.daily",
        "search_in": "aios.cost.training.search",
        "ways_of": "aios.cost.ways",
        "ways_of_demand": "aios.cost.ways",
    },
)
