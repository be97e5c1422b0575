"""Reads the configuration of a Slurm cluster, or what ``scontrol`` prints of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aios.spi.importer import Inventory

__all__ = ["Importer"]


class Importer:
    """The importer for Slurm: ``slurm.conf`` with the files beside it, or ``scontrol show nodes`` in any form."""

    name: ClassVar[str] = "slurm"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "nodes of a Slurm cluster: its configuration, or what scontrol shows"
    example: ClassVar[str] = "slurm.conf gres.conf topology.conf, or `scontrol show nodes -d > nodes.txt`"
    options: ClassVar[Mapping[str, str]] = {
        "cpu": "what the processors are called, which Slurm does not know",
        "name": "what the fleet is called; else the cluster's name",
    }

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return a machine per node; raises InputError with every mistake of every file."""
        from aios_plugins.slurm.machines import read_machines

        return read_machines(texts, options)
