"""Nodes and Pods of all files -> Inventory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aios.records.errors import BadValue, Diagnostic, InputError
from aios.records.fleet import DeviceType, Topology, Used
from aios.spi.importer import Inventory, Machine
from aios.spi.probe import Found
from aios.spi.texts import Remarks
from aios_plugins.kubernetes.accelerators import accelerators
from aios_plugins.kubernetes.labels import kept, network, region_of, slice_topology
from aios_plugins.kubernetes.objects import Item, Listing, read_listing
from aios_plugins.kubernetes.pods import requests_by_node
from aios_plugins.kubernetes.quantities import quantity
from aios_plugins.kubernetes.view import View

__all__ = ["read_machines"]

_MOST_CORES = 1_000_000
_MOST_MEMORY = 2.0**50
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NO_DEVICE = re.compile(r"[^/]*|(.*\.)?kubernetes\.io/.*|hugepages-.*")
"""Resources of Kubernetes itself: cpu, memory, pods, ephemeral storage, huge pages, volumes."""
_CPU_MODEL = re.compile(r".*[./-]cpu[-._]?(model|name|model[-._]name)", re.IGNORECASE)
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_FEATURE = "feature.node.kubernetes.io/cpu-cpuid."
# Instruction sets as node feature discovery calls them -> as Linux and the device catalogue do.
_FEATURES = {
    "AMXBF16": "amx_bf16", "AMXFP16": "amx_fp16", "AMXINT8": "amx_int8", "AMXTILE": "amx_tile", "ASIMD": "neon",
    "ASIMDDP": "dotprod", "AVX2": "avx2", "AVX512BF16": "avx512_bf16", "AVX512F": "avx512f",
    "AVX512FP16": "avx512_fp16", "AVX512VNNI": "avx512_vnni", "AVXVNNI": "avx_vnni", "FMA3": "fma", "SVE": "sve",
}  # fmt: skip


def read_machines(texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
    """Return a machine per Node of all files, with what Pods take; raises InputError with the mistakes of each."""
    reading = _Reading(_checked(options))
    told: list[Diagnostic] = []
    listings: list[Listing] = []
    for file, content in texts.items():
        try:
            listings.append(read_listing(file, content))
        except InputError as error:
            told += error.diagnostics
    taken = requests_by_node(listings)
    machines = [reading.machine(listing, item, taken) for listing in listings for item in listing.nodes]
    told += [mistake for listing in listings for mistake in listing.mistakes.told()]
    if not told and not machines:
        told.append(_no_node(listings))
    if told:
        raise InputError(*told)
    topology = network(machines)
    reading.tell(listings, taken, machines, topology)
    return Inventory(
        name=options.get("name"),
        machines=tuple(machines),
        topology=topology,
        notes=reading.notes.told(),
        left_out=reading.left_out.told(),
    )


def _checked(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the labels to keep; raises InputError for an unknown option."""
    unknown = [option for option in options if option not in ("labels", "name")]
    if unknown:
        raise InputError(
            *(Diagnostic(summary=f"unknown option `{name}`", remedy="known: labels, name") for name in unknown)
        )
    return tuple(name.strip() for name in options.get("labels", "").split(",") if name.strip())


def _no_node(listings: Sequence[Listing]) -> Diagnostic:
    others: dict[str, int] = {}
    for listing in listings:
        for kind, count in listing.others.items():
            others[kind] = others.get(kind, 0) + count
        if listing.pods:
            others["Pod"] = others.get("Pod", 0) + len(listing.pods)
    there = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items())[:5])
    return Diagnostic(
        summary="there is no Node in " + ", ".join(listing.file for listing in listings),
        reason=f"there is {there}" if there else "its list is empty",
        remedy="give the nodes of a cluster",
        command="kubectl get nodes,pods -A -o json > cluster.json",
    )


class _Reading:
    """All nodes; collects what is worth telling about them."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.further_labels = labels
        self.notes = Remarks()
        self.left_out = Remarks()
        self.dropped: dict[str, None] = {}

    def machine(self, listing: Listing, item: Item, taken: Mapping[str, Mapping[str, float]]) -> Machine:
        """Return one node; mistakes are noted in the listing."""
        name = self._name(listing, item)
        labels = _texts(item.data, "metadata", "labels")
        amounts = self._amounts(listing, item, name)
        of_node = taken.get(name, {})
        view = View(name, _devices(amounts), labels, _mapping(item.data, "metadata", "annotations"), of_node)
        found = accelerators(view, self.notes, self.left_out)
        cores, memory = self._cores(listing, item, amounts, name), amounts.get("memory")
        chosen = kept(labels, self.further_labels)
        self.dropped |= dict.fromkeys(key.partition("/")[0] for key in labels if key not in chosen)
        used = Used(
            cores=min(of_node.get("cpu", 0.0), float(cores or 0)),
            memory_bytes=min(of_node.get("memory", 0.0), memory or 0.0),
        )
        return Machine(
            name=name,
            cores=cores,
            memory_bytes=memory or None,
            devices=(self._processor(item, labels, cores), *found),
            labels=chosen,
            taints=self._taints(listing, item, name),
            region=region_of(chosen),
            topology=self._topology(labels, found, name),
            used=used if used != Used() else None,
            line=item.line,
        )

    def _name(self, listing: Listing, item: Item) -> str:
        name = _mapping(item.data, "metadata").get("name")
        if isinstance(name, str) and name:
            return name[:253]
        listing.wrong(item, ("metadata", "name"), "this Node has no name", "write `metadata: {name: ...}`")
        return ""

    def _amounts(self, listing: Listing, item: Item, name: str) -> dict[str, float]:
        """Return what may be allocated; where that is not told, what there is."""
        capacity = self._listed(listing, item, "capacity")
        allocatable = self._listed(listing, item, "allocatable")
        if not _mapping(item.data, "status", "capacity") and not _mapping(item.data, "status", "allocatable"):
            remedy = "give the Node as the cluster reports it, with its `status`"
            listing.wrong(item, ("status",), "this Node does not say what it has", remedy)
        if not allocatable:
            if capacity:
                self.notes.add("allocatable amounts are not told; the capacity is taken", name)
            return capacity
        for resource, amount in capacity.items():
            if amount > allocatable.get(resource, amount):
                if resource in ("cpu", "memory"):
                    self.notes.add(f"of {resource} what is allocatable is taken; the rest is the system's own", name)
                elif not _NO_DEVICE.fullmatch(resource):
                    self.notes.add(f"not all of `{resource}` is allocatable; what is not, is left out", name)
        return allocatable

    def _listed(self, listing: Listing, item: Item, key: str) -> dict[str, float]:
        amounts = {}
        for resource, written in _mapping(item.data, "status", key).items():
            try:
                amounts[resource] = quantity(written)
                if resource == "memory" and amounts[resource] > _MOST_MEMORY:
                    raise BadValue(f"`{written}` is more memory than any machine has", "write its unit, such as `64Gi`")
            except BadValue as error:
                listing.wrong(item, ("status", key, resource), f"`{resource}`: {error.summary}", error.remedy)
        return amounts

    def _cores(self, listing: Listing, item: Item, amounts: Mapping[str, float], name: str) -> int | None:
        cores = amounts.get("cpu")
        if cores is None:
            return None
        if cores > _MOST_CORES:
            listing.wrong(item, ("status", "cpu"), f"`cpu`: {cores:g} are more than any machine has")
            return None
        if cores != int(cores):
            self.notes.add("a part of a CPU is not counted", name)
        return int(cores) or None

    def _processor(self, item: Item, labels: Mapping[str, str], cores: int | None) -> Found:
        annotations = _texts(item.data, "metadata", "annotations")
        info = _mapping(item.data, "status", "nodeInfo")
        architecture = str(info.get("architecture") or labels.get("kubernetes.io/arch") or "")
        architecture = _ARCHITECTURES.get(architecture, architecture)[:40]
        named = {key: text for key, text in {**annotations, **labels}.items() if _CPU_MODEL.fullmatch(key)}
        model = next((text for text in named.values() if re.search(r"[A-Za-z].*\d", text)), "")[:120]
        identity = {"name": model or architecture or "cpu", "machine": architecture}
        features = (_FEATURES.get(key.removeprefix(_FEATURE)) for key in labels if key.startswith(_FEATURE))
        device = DeviceType(
            name="cpu",
            kind="cpu",
            cores=cores if model else None,
            features=tuple(sorted({feature for feature in features if feature})),
            identity={key: text for key, text in identity.items() if text},
        )
        return Found(type=device)

    def _taints(self, listing: Listing, item: Item, name: str) -> tuple[str, ...]:
        taints: dict[str, None] = {}
        listed = _mapping(item.data, "spec").get("taints")
        for index, taint in enumerate(listed if isinstance(listed, list) else ()):
            key, effect = (taint.get("key"), taint.get("effect")) if isinstance(taint, dict) else (None, None)
            if not isinstance(key, str) or effect not in _EFFECTS:
                remedy = f"a taint has a `key` and one of the effects {', '.join(_EFFECTS)}"
                listing.wrong(item, ("spec", "taints", index), "this taint cannot be read", remedy)
                continue
            value = taint.get("value")
            taints[f"{key}={value}:{effect}" if value else f"{key}:{effect}"] = None
        if _mapping(item.data, "spec").get("unschedulable") is True:
            self.notes.add("cordoned: nothing new is scheduled there", name)
            taints["node.kubernetes.io/unschedulable:NoSchedule"] = None
        ready = _ready(item)
        if ready in ("False", "Unknown"):
            self.notes.add("not ready" if ready == "False" else "not reachable", name)
            state = "not-ready" if ready == "False" else "unreachable"
            taints[f"node.kubernetes.io/{state}:NoSchedule"] = None
        return tuple(taints)

    def _topology(self, labels: Mapping[str, str], found: Sequence[Found], name: str) -> tuple[Topology, ...]:
        chips = [item.count for item in found if item.type.kind == "tpu"]
        if not chips or len(found) != 1 or "cloud.google.com/gke-tpu-topology" not in labels:
            return ()
        topology = slice_topology(labels, chips[0])
        if topology is None and chips[0] > 1:
            self.notes.add("a TPU slice over several nodes: which of them is where in it is not told", name)
        return () if topology is None else (topology,)

    def tell(
        self,
        listings: Sequence[Listing],
        taken: Mapping[str, Mapping[str, float]],
        machines: Sequence[Machine],
        topology: Sequence[Topology],
    ) -> None:
        """Add what is true of the text as a whole."""
        self.notes.add("a CPU of Kubernetes is a hardware thread and counts as a core")
        if topology:
            self.notes.add("what the network is like is taken from labels; nobody states its bandwidth")
        if not any(listing.pods for listing in listings):
            self.notes.add("there are no pods in it, so nothing counts as taken: `kubectl get nodes,pods -A -o json`")
        elif any("/" in resource and not _NO_DEVICE.fullmatch(resource) for it in taken.values() for resource in it):
            self.notes.add("which devices pods take is not told: the first ones count as taken")
        for name in sorted(set(taken) - {machine.name for machine in machines}):
            self.left_out.add("there are pods of nodes that are not described", name)
        if self.dropped:
            shown = sorted(self.dropped)
            more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
            self.left_out.add(f"labels of the cluster itself and of drivers: {', '.join(shown[:8])}{more}")
        others = {kind for listing in listings for kind in listing.others}
        if others:
            self.left_out.add(f"objects that are neither Node nor Pod: {', '.join(sorted(others)[:8])}")


def _devices(amounts: Mapping[str, float]) -> dict[str, int]:
    return {name: int(amount) for name, amount in amounts.items() if not _NO_DEVICE.fullmatch(name)}


def _ready(item: Item) -> str | None:
    conditions = _mapping(item.data, "status").get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict) and condition.get("type") == "Ready":
            return str(condition.get("status"))
    return None


def _mapping(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the mapping at a path; an empty one where there is none."""
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(data: Mapping[str, Any], *path: str) -> dict[str, str]:
    """Return the mapping at a path with its values as text; labels of YAML may look like numbers."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in _mapping(data, *path).items()
        if isinstance(value, str | int | float)
    }
