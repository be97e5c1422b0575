"""Room 2: the machines. Fleet files, the device catalogue and what probes discovered become a Fleet: nodes, devices
with facts that say where they come from, links, and a digest over all of it."""

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.fleet.catalogue import Catalogue, load_catalogue
    from aios.fleet.describing import describe
    from aios.fleet.files.compile import compile_fleet
    from aios.fleet.kinds import is_device
    from aios.fleet.writing.text import fleet_text

__all__ = ["Catalogue", "compile_fleet", "describe", "fleet_text", "is_device", "load_catalogue"]

__getattr__ = lazily(
    __name__,
    {
        "Catalogue": "aios.fleet.catalogue",
        "compile_fleet": "aios.fleet.files.compile",
        "describe": "aios.fleet.describing",
        "fleet_text": "aios.fleet.writing.text",
        "is_device": "aios.fleet.kinds",
        "load_catalogue": "aios.fleet.catalogue",
    },
)
