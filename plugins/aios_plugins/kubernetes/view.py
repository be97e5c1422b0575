"""What labels and annotations of a node say about the devices that its resources count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aios.records.errors import BadValue
from aios_plugins.kubernetes.quantities import quantity
from aios_plugins.kubernetes.vendors import Meaning

__all__ = ["SHARED", "View"]

SHARED = "-SHARED"
"""Ending of a product's name where a device is shared out in time."""
_MIG = re.compile(r"(.+)-MIG-(\d+g\.\d+gb(?:[.+][\w.]+)?)")
# Labels with the number of the devices themselves, where a resource counts places on them.
_NUMBER = ("nvidia.com/gpu.count", "cloud.google.com/gke-accelerator-count", "karpenter.k8s.aws/instance-gpu-count")
_INSTANCE_TYPE = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
# Device by family of instance types, where a resource's name is the same for all generations.
# Source: Amazon EC2, accelerated computing instances.
_BY_INSTANCE = {
    "aws.amazon.com": re.compile(r"((?:inf|trn)\d+\w*)\..*"),
    "habana.ai": re.compile(r"(dl1)\..*"),
}
_OF_INSTANCE = {"dl1": "HL-205"}


@dataclass(frozen=True)
class View:
    """One node. counts: extended resource -> how many may be allocated · taken: of them by pods."""

    node: str
    counts: Mapping[str, int]
    labels: Mapping[str, str]
    annotations: Mapping[str, Any]
    taken: Mapping[str, float] = field(default_factory=dict)

    def label(self, names: Iterable[str]) -> str | None:
        """Return the first of these labels that is there.

        Of a label such as ``beta.amd.com/gpu.product-name`` also the old form, in which the value ends the label's name
        and a number stands in its place.
        """
        for name in names:
            if self.labels.get(name):
                return self.labels[name]
            old = sorted(label for label in self.labels if label.startswith(f"{name}."))
            if name.startswith("beta.") and old:
                return old[0].removeprefix(f"{name}.")
        return None

    def number(self, label: str) -> int | None:
        """Return the whole number that a label holds; None if it is not there or holds none."""
        text = self.labels.get(label, "")
        return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None

    def devices(self) -> int:
        """Return how many NVIDIA GPUs labels say that there are; 0 if none says."""
        return next((number for label in _NUMBER if (number := self.number(label))), 0)

    def product(self) -> str:
        """Return the name that GPU feature discovery gives to the GPUs, without what it says of their use."""
        name = self.labels.get("nvidia.com/gpu.product", "").removesuffix(SHARED)
        found = _MIG.fullmatch(name)
        return found[1] if found else name

    def shared(self) -> bool:
        """Say whether the GPUs' name says that they are shared out."""
        return self.labels.get("nvidia.com/gpu.product", "").endswith(SHARED)

    def cut_alike(self) -> str | None:
        """Return the profile of the parts that every GPU is cut into, where ``nvidia.com/gpu`` counts these."""
        found = _MIG.fullmatch(self.labels.get("nvidia.com/gpu.product", "").removesuffix(SHARED))
        if found:
            return found[2].replace(".me", "+me")
        return self.labels.get("cloud.google.com/gke-gpu-partition-size")

    def memory_bytes(self, meaning: Meaning) -> float | None:
        """Return the memory of one whole device, if a label states it."""
        if self.labels.get("nvidia.com/gpu.sharing-strategy") == "mps" or self.cut_alike():
            return None  # then it may be that of a part
        for name, unit in meaning.vendor.memory:
            text = (self.label([name]) or "").removesuffix("B")
            try:
                number = quantity(f"{text}{unit}" if text.isdigit() else re.sub(r"(?<=[MGT])$", "i", text))
            except BadValue:
                continue
            if number > 0:
                return number
        return None

    def model(self, resource: str, meaning: Meaning) -> str:
        """Return what the devices that a resource counts are called; at least the resource's own name."""
        domain = resource.partition("/")[0]
        if domain == "huawei.com":
            return self._ascend(meaning.name)
        by_label = self.product() if meaning.vendor.maker == "NVIDIA" else ""
        named = meaning.name or by_label or self.label(meaning.vendor.names)
        if named:
            prefixed = meaning.vendor.maker == "Intel" and re.match(r"(Max|Flex)[_-]", named)
            return f"Data Center GPU {named}" if prefixed else named
        instance = self.label(_INSTANCE_TYPE)
        family = _BY_INSTANCE[domain].fullmatch(instance or "") if domain in _BY_INSTANCE else None
        if family:
            return _OF_INSTANCE.get(family[1], family[1])
        return f"{resource} on {instance}" if instance else resource

    def _ascend(self, named: str | None) -> str:
        """Return the chip: as a label names it, else by the kind of module, else by the resource."""
        chip = self.labels.get("node.kubernetes.io/npu.chip.name", "")
        if chip and chip != "Ascend910":
            return chip if chip.startswith("Ascend") else f"Ascend{chip}"
        if named in (None, "Ascend910"):
            module = self.labels.get("accelerator-type", "")
            if "-a3-" in module:
                return "Ascend910C"
            if "910b" in module or self.labels.get("servertype", "").startswith("Ascend910B"):
                return "Ascend910B"
        return named or self.labels.get("accelerator", "").removeprefix("huawei-") or "huawei.com/npu"
