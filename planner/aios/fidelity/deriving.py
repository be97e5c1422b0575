"""What follows from what is measured or predicted of a configuration: time, rate, energy and cost of an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from aios.fidelity.configuring import Column, Configurations
from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    from aios.records.observation import Floats

__all__ = ["derived"]

_DEGREES = ("tensor_parallel", "pipeline_parallel", "data_parallel")


def derived(
    rows: Configurations, metric: str, types: Mapping[str, DeviceType], within: Sequence[str] = ()
) -> Column | None:
    """Return a metric of these rows: where their table states none, as it follows from others; None where it does not.

    types: of devices, by name, whose prices hold where the table states none · within: roles in which rows that are
    compared are equal. See ``observation.DERIVED``.
    """
    ways: Mapping[str, Callable[[], Column | None]] = {
        "throughput": lambda: _throughput(rows),
        "latency.mean": lambda: _latency(rows),
        "energy": lambda: _energy(rows),
        "cost": lambda: _cost(rows, types, alike=not {"device", "device_type"}.isdisjoint(within)),
    }
    return _first(rows.metrics.get(metric), ways[metric]() if metric in ways else None)


def _first(stated: Column | None, follows: Column | None) -> Column | None:
    """Return what is stated, in rows where it is not what follows."""
    return stated.otherwise(follows) if stated is not None and follows is not None else stated or follows


def _throughput(rows: Configurations) -> Column | None:
    """Items of a batch / time of a call or step; of requests answered together, output tokens / time of the request."""
    known = rows.metrics
    time = next((known[name] for name in ("step_time", "latency.mean", "latency.p50") if name in known), None)
    if time is not None:
        return time.inverse().times(_items(rows))
    if "latency.tpot.mean" not in known:
        return None
    each, first, output = known["latency.tpot.mean"], known.get("latency.ttft.mean"), rows.number("output_tokens")
    whole = each.times(output) if first is None else first.plus(each.times(output - 1))
    return whole.inverse().times(rows.number("concurrency") * output)


def _latency(rows: Configurations) -> Column | None:
    found = rows.metrics.get("throughput")
    return None if found is None else found.inverse().times(_items(rows))


def _items(rows: Configurations) -> Floats:
    """Return how many items one call or step of all devices works on."""
    import numpy as np

    whole = rows.number("global_batch")
    return np.where(np.isnan(whole), rows.number("batch") * _devices(rows), whole)


def _time_of_item(rows: Configurations) -> Column | None:
    """Return the time of a run, else of an item or token at the measured rate."""
    if "time_to_target" in rows.metrics:
        return rows.metrics["time_to_target"]
    rate = _first(rows.metrics.get("throughput"), _throughput(rows))
    return None if rate is None else rate.inverse()


def _energy(rows: Configurations) -> Column | None:
    power, time = rows.metrics.get("power"), _time_of_item(rows)
    return None if power is None or time is None else power.times(time)


def _cost(rows: Configurations, types: Mapping[str, DeviceType], alike: bool) -> Column | None:
    """Price x time. alike: rows are compared with rows of the same device alone, whose time is what it costs."""
    import numpy as np

    time = _time_of_item(rows)
    if time is None:
        return None
    price = rows.number("price")
    if np.isnan(price).all():
        price = (np.ones(len(rows)) if alike else _price(rows, types)) * _devices(rows)
    return None if np.isnan(price).all() else time.times(price)


def _price(rows: Configurations, types: Mapping[str, DeviceType]) -> Floats:
    """Return what one device of each row costs, to rent or to buy, whichever is known of more rows."""
    import numpy as np

    names = set(rows.types.tolist())
    ways = []
    for fact in ("price_usd_per_h", "price_usd"):
        facts = {name: getattr(types[name], fact) if name in types else None for name in names}
        prices = {name: np.nan if found is None else found.value for name, found in facts.items()}
        ways.append(np.array([prices[name] for name in rows.types.tolist()]))
    return max(ways, key=lambda prices: int(np.isfinite(prices).sum()))


def _devices(rows: Configurations) -> Floats:
    """Return how many devices a row is measured on, those that compute prompts apart included."""
    import numpy as np

    degrees = [np.maximum(rows.number(role, 1.0), 1.0) for role in (*_DEGREES, "replicas")]
    apart = [np.maximum(rows.number(f"prefill_{role}", 1.0), 1.0) for role in _DEGREES]
    product = np.prod(degrees, axis=0) + np.prod(apart, axis=0) * rows.number("prefill_replicas", 0.0)
    stated = rows.number("devices")
    found: Floats = np.where(np.isnan(stated), product, stated)
    return found
