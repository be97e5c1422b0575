"""This machine as a fleet: what every installed probe finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aios.records.fleet import Fleet
from aios.spi.probe import Discovery, Probe
from aios.workflow import stopping
from aios.workflow.shipped import shipped_catalogue
from aios.workflow.stages import stage

__all__ = ["Discovered", "asked", "discover_fleet"]


@dataclass(frozen=True)
class Discovered:
    """What was found.

    discoveries: name of a probe -> what it found and missed · doubts: devices that could be one of several that the
    catalogue describes, one sentence each
    """

    fleet: Fleet
    discoveries: Mapping[str, Discovery]
    doubts: tuple[str, ...] = ()

    @property
    def seen(self) -> tuple[str, ...]:
        """One sentence for each thing that was found."""
        return tuple(line for discovery in self.discoveries.values() for line in discovery.seen)

    @property
    def missing(self) -> tuple[str, ...]:
        """One sentence for each thing that was looked for in vain."""
        return (*(line for discovery in self.discoveries.values() for line in discovery.missing), *self.doubts)


def discover_fleet(measure: bool, tell: Callable[[str], None], now: bool = False) -> Discovered:
    """Look at this machine with every installed probe.

    now: the fleet says also what other programs take at this moment; without, it is what is there, the same an hour
    later, and what this planner itself has running counts as free.
    """
    from aios.fleet import describe
    from aios.spi import registry

    found = {}
    for name, probe in registry.load_all("aios.probes").items():
        with stage("probe", tell, f"probe {name}", probe=name, measure=measure):
            found[name] = asked(name, probe, measure)
    given = list(found.values()) if now else [_at_rest(discovery) for discovery in found.values()]
    described = describe(given, shipped_catalogue())
    return Discovered(described.fleet, found, described.doubts)


def asked(name: str, probe: Probe, measure: bool) -> Discovery:
    """Return what a probe finds; one that fails, though it must not, is told as something missing."""
    try:
        return probe.discover(measure)
    except Exception as error:  # a plugin of somebody else must not end the discovery of the rest
        if stopping.asked():
            raise
        return Discovery(missing=(f"probe {name} failed: {type(error).__name__}: {error}",))


def _at_rest(discovery: Discovery) -> Discovery:
    return discovery.model_copy(
        update={"devices": tuple(found.model_copy(update={"used": ()}) for found in discovery.devices)}
    )
