"""Room 2: the machines. Fleet files, the device catalogue and what probes discovered become a Fleet: nodes, devices
with facts that say where they come from, links, and a digest over all of it."""

from aios.fleet.catalogue import Catalogue, load_catalogue
from aios.fleet.describe import describe
from aios.fleet.files.compile import compile_fleet
from aios.fleet.files.includes import is_device
from aios.fleet.writing.text import fleet_text

__all__ = ["Catalogue", "compile_fleet", "describe", "fleet_text", "is_device", "load_catalogue"]
