"""What pods take of the nodes that they run on: what they request, as the scheduler counts it.

Source: Kubernetes, "Resource Management for Pods and Containers" and "Init Containers": of each resource the sum over
the containers or the largest init container, whichever is more, and the overhead; sidecars (init containers that are
restarted always) count as containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aios.records.errors import BadValue
from aios_plugins.kubernetes.objects import Item, Listing
from aios_plugins.kubernetes.quantities import quantity

__all__ = ["requests_by_node"]

_OVER = ("Succeeded", "Failed")


def requests_by_node(listings: Iterable[Listing]) -> dict[str, dict[str, float]]:
    """Return node -> resource -> what its pods request; mistakes are noted in the listings."""
    taken: dict[str, dict[str, float]] = {}
    for listing in listings:
        for item in listing.pods:
            spec = _mapping(item.data.get("spec"))
            node = spec.get("nodeName")
            if not isinstance(node, str) or _mapping(item.data.get("status")).get("phase") in _OVER:
                continue
            of_node = taken.setdefault(node, {})
            for resource, amount in _requests(listing, item, spec).items():
                of_node[resource] = of_node.get(resource, 0.0) + amount
    return taken


def _requests(listing: Listing, item: Item, spec: Mapping[str, Any]) -> dict[str, float]:
    sidecars: dict[str, float] = {}
    largest: dict[str, float] = {}
    for container in _containers(spec, "initContainers"):
        requested = _requested(listing, item, container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, requested)
        else:
            _add(requested, sidecars)  # those before it run beside it
            largest = {name: max(largest.get(name, 0.0), requested.get(name, 0.0)) for name in {*largest, *requested}}
    running = sidecars
    for container in _containers(spec, "containers"):
        _add(running, _requested(listing, item, container))
    total = {name: max(running.get(name, 0.0), largest.get(name, 0.0)) for name in {*running, *largest}}
    of_pod = _amounts(listing, item, _mapping(_mapping(spec.get("resources")).get("requests")))
    total |= of_pod
    _add(total, _amounts(listing, item, _mapping(spec.get("overhead"))))
    return total


def _containers(spec: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    listed = spec.get(key)
    yield from (container for container in (listed if isinstance(listed, list) else ()) if isinstance(container, dict))


def _requested(listing: Listing, item: Item, container: Mapping[str, Any]) -> dict[str, float]:
    """Return what a container requests; of what only its limits name, the limit."""
    resources = _mapping(container.get("resources"))
    limits = _amounts(listing, item, _mapping(resources.get("limits")))
    return limits | _amounts(listing, item, _mapping(resources.get("requests")))


def _amounts(listing: Listing, item: Item, written: Mapping[str, Any]) -> dict[str, float]:
    amounts = {}
    for name, value in written.items():
        try:
            amounts[name] = quantity(value)
        except BadValue as error:
            listing.wrong(item, ("spec", name), f"`{name}`: {error.summary}", error.remedy)
    return amounts


def _add(total: dict[str, float], further: Mapping[str, float]) -> None:
    for name, amount in further.items():
        total[name] = total.get(name, 0.0) + amount


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
