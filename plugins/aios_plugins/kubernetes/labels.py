"""Which labels of a node are kept, and what they say about where it stands in the network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aios.records.fleet import Topology
from aios.spi.importer import Machine

__all__ = ["kept", "network", "region_of", "slice_topology"]

_KEPT = re.compile(
    r"topology\.kubernetes\.io/(region|zone)|node\.kubernetes\.io/instance-type|nvidia\.com/gpu\.clique"
    r"|network\.topology\.nvidia\.com/.+|topology\.k8s\.aws/network-node-layer-\d"
    r"|cloud\.google\.com/(gce-topology-\w+|gke-nodepool|gke-tpu-(accelerator|topology))"
)
_OLD = {
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
# Labels under these domains are about the operating system, drivers and features, or are written by the cluster itself.
_SYSTEM = re.compile(
    r"((.+\.)?(kubernetes|k8s)\.io|(.+\.)?(nvidia|amd|habana|huawei|cambricon|hygon|kubevirt|google|gke|azure)\.(com|ai|io)"
    r"|(.+\.)?(aws|eks\.amazonaws\.com|amazonaws\.com|sigs\.k8s\.io)|gpu\.intel\.com|volcano\.sh|metax-tech\.com|hami\.io"
    r"|k3s\.io|microk8s\.io|(.+\.)?openshift\.io|run\.ai)/.*"
)
# Levels of the network, the closest to the machine first. Sources: NVIDIA topograph; Amazon EC2, instance topology
# (three layers, the last the closest); Google Cloud, topology of A3 and later machines.
_NETWORKS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("leaf", "network.topology.nvidia.com/leaf"),
        ("spine", "network.topology.nvidia.com/spine"),
        ("core", "network.topology.nvidia.com/core"),
    ),
    tuple((f"layer-{layer}", f"topology.k8s.aws/network-node-layer-{layer}") for layer in (3, 2, 1)),
    (
        ("subblock", "cloud.google.com/gce-topology-subblock"),
        ("block", "cloud.google.com/gce-topology-block"),
    ),
)
# Chips along which a slice is closed to a ring: cubes of 4 x 4 x 4 (v4, v5p, v7), a whole pod of 16 x 16 (v5e, v6e).
# Source: Google Cloud, TPU architecture pages.
_SHAPE = re.compile(r"\d{1,3}(x\d{1,3}){1,2}")


def kept(labels: Mapping[str, str], further: Sequence[str]) -> dict[str, str]:
    """Return the labels that say where and what for a node is. further: names to keep as well; ``all`` keeps all."""
    chosen: dict[str, str] = {}
    for name, value in labels.items():
        new = _OLD.get(name, name)
        if new != name:
            chosen.setdefault(new, value)
        elif _KEPT.fullmatch(name) or name in further or "all" in further or not _SYSTEM.fullmatch(name):
            chosen[name] = value
    return chosen


def region_of(labels: Mapping[str, str]) -> str | None:
    """Return the region that a node's kept labels name."""
    return labels.get("topology.kubernetes.io/region") or None


def network(machines: Sequence[Machine]) -> tuple[Topology, ...]:
    """Return the network's levels, where every machine has the labels that name them."""
    for levels in _NETWORKS:
        shared = [level for level in levels if all(level[1] in machine.labels for machine in machines)]
        if not shared or not machines:
            continue
        topology = Topology(name="root", kind="switch")
        for name, label in reversed(shared):
            topology = Topology(name=name, kind="switch", by=label, between=topology)
        return (topology,)
    return ()


def slice_topology(labels: Mapping[str, str], chips: int) -> Topology | None:
    """Return how the TPU chips of a node are connected, where the slice is this one node."""
    text = labels.get("cloud.google.com/gke-tpu-topology", "")
    lengths = tuple(int(length) for length in text.split("x")) if _SHAPE.fullmatch(text) else ()
    total = 1
    for length in lengths:
        total *= length
    shape = tuple(length for length in lengths if length > 1)
    if not shape or total != chips:
        return None
    side = 4 if len(lengths) == 3 else 16
    closed = all(length % side == 0 for length in lengths)
    return Topology(name="ici", kind="torus" if closed else "mesh", shape=shape, interconnect="ici")
