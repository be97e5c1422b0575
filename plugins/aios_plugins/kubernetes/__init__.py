"""Reads what ``kubectl get`` prints of nodes, and of the pods on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aios.spi.importer import Inventory

__all__ = ["Importer"]


class Importer:
    """The importer for Kubernetes nodes, with pods beside them for what is taken."""

    name: ClassVar[str] = "kubernetes"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "nodes of a Kubernetes cluster, with what its pods take"
    example: ClassVar[str] = "kubectl get nodes,pods -A -o json > cluster.json"
    options: ClassVar[Mapping[str, str]] = {
        "labels": "NAME,NAME... of further labels to keep; `all` for every one",
        "name": "what the fleet is called",
    }

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return a machine per Node; raises InputError with every mistake of every file."""
        from aios_plugins.kubernetes.machines import read_machines

        return read_machines(texts, options)
