"""Reads lists of machines: CSV tables, JSON lists of objects, Ansible's inventories and facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from aios.spi.importer import Inventory

__all__ = ["Importer"]


class Importer:
    """The importer for lists of machines; columns with usual names need no option."""

    name: ClassVar[str] = "inventory"
    api_version: ClassVar[int] = 1
    title: ClassVar[str] = "lists of machines: CSV, JSON, Ansible inventories and facts"
    example: ClassVar[str] = "nodes.csv, or the output of `ansible-inventory --list`"
    options: ClassVar[Mapping[str, str]] = {
        "name": "COLUMN with the machine's name",
        "cpu": "COLUMN[:UNIT], cores; `milli` for thousandths",
        "cpu_model": "COLUMN with the processor's model",
        "memory": "COLUMN[:UNIT], DRAM, such as `mem:GiB`",
        "device": "COLUMN with the accelerator's model; `2x T4 + L4` and lists are understood",
        "count": "COLUMN with the number of accelerators",
        "device_memory": "COLUMN[:UNIT], memory of one accelerator",
        "kind": "what the accelerators are: gpu (default), npu, tpu, fpga, dsp, other",
        "region": "COLUMN with the region",
        "price": "COLUMN[:UNIT], rent of the machine, such as `price:USD/h`",
        "label.NAME": "COLUMN that becomes the label NAME",
        "rack": "COLUMN that becomes the label rack",
    }

    def read(self, texts: Mapping[str, bytes], options: Mapping[str, str]) -> Inventory:
        """Return the machines that ``texts`` list; raises InputError with every mistake of a file."""
        from aios_plugins.inventory.machines import read_machines

        return read_machines(texts, options)
