"""Finds plugins by entry point: listed without importing, loaded only when named, version-checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from aios.records.base import Record
from aios.records.errors import InputError, WorldError
from aios.spi.executor import API_VERSION

__all__ = ["GROUPS", "Plugin", "installed", "load", "load_all"]

GROUPS = (
    "aios.executors",
    "aios.probes",
    "aios.meters",
    "aios.model_readers",
    "aios.importers",
    "aios.state_backends",
    "aios.transforms",
    "aios.watermarks",
)


class Plugin(Record):
    """An installed plugin, not imported.

    package, version: distribution that carries it · target: ``module:attribute``.
    """

    group: str
    name: str
    target: str
    package: str | None
    version: str | None


def installed(group: str) -> tuple[Plugin, ...]:
    """Return the plugins of a group, sorted by name, without importing any."""
    return tuple(
        Plugin(
            group=group,
            name=point.name,
            target=point.value,
            package=point.dist.name if point.dist else None,
            version=point.dist.version if point.dist else None,
        )
        for point in _points(group)
    )


def load(group: str, name: str) -> Any:
    """Import and make the plugin ``name`` of ``group``.

    Raises InputError for an unknown name and WorldError, naming the plugin, for one that does not load or fits
    another version.
    """
    for point in _points(group):
        if point.name == name:
            return _make(point)
    known = ", ".join(point.name for point in _points(group)) or "none"
    raise InputError(f"there is no plugin {name!r} in {group} (installed: {known})")


def load_all(group: str) -> dict[str, Any]:
    """Import and make every plugin of a group, by name."""
    return {point.name: _make(point) for point in _points(group)}


@cache
def _all_points() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return group -> its entry points; asking for one group looks through every installed distribution as well."""
    points = entry_points()
    return {group: tuple(points.select(group=group)) for group in GROUPS}


def _points(group: str) -> list[EntryPoint]:
    unique = {point.name: point for point in _all_points()[group]}
    return [unique[name] for name in sorted(unique)]


def _make(point: EntryPoint) -> Any:
    try:
        plugin = point.load()()
    except Exception as error:
        raise WorldError(f"plugin {point.name!r} ({point.value}) does not load: {error}") from error
    version = getattr(plugin, "api_version", None)
    if version != API_VERSION:
        raise WorldError(f"plugin {point.name!r} was written for seam version {version}; this aios has {API_VERSION}")
    return plugin
