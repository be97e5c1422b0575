"""Checks of what is installed: Python, the solver, the catalogue, plugins; and of the files that are given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from aios import __version__
from aios.spi import registry
from aios.spi.checkup import Finding, tried_apart
from aios.workflow.checkups.patient import Patient

__all__ = ["catalogue", "files", "plugins", "python", "solver"]


def python() -> Iterable[Finding]:
    """Say which interpreter and which aios this is."""
    number = ".".join(map(str, sys.version_info[:3]))
    yield Finding(check="python", status="ok", seen=f"aios {__version__} on Python {number}, {sys.executable}")


def solver() -> Iterable[Finding]:
    """Import the solver, in a process of its own."""
    works, said = tried_apart("from ortools.sat.python import cp_model_helper")
    if works:
        yield Finding(check="solver", status="ok", seen=f"ortools {_version('ortools')}")
        return
    yield Finding(
        check="solver",
        status="fail",
        seen=f"ortools {_version('ortools')} cannot be imported: {said}",
        remedy="install it anew; without it nothing can be planned",
        command=f"{sys.executable} -m pip install --force-reinstall aios-planner",
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def catalogue() -> Iterable[Finding]:
    """Read the whole catalogue of devices."""
    from aios.catalogue import root
    from aios.fleet import load_catalogue

    types = len(load_catalogue(root() / "hardware"))
    if types:
        yield Finding(check="catalogue", status="ok", seen=f"{types:,} types of devices in {root() / 'hardware'}")
        return
    yield Finding(
        check="catalogue",
        status="fail",
        seen=f"no device type in {root() / 'hardware'}",
        remedy="the installation is not whole: install it anew",
        command=f"{sys.executable} -m pip install --force-reinstall aios-planner",
    )


def plugins() -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    """Yield, for every installed plugin, a name and what loads it and lets it examine what it needs."""
    kinds = {"aios.executors": "executor", "aios.probes": "probe", "aios.meters": "meter"}
    for group in registry.GROUPS:
        for plugin in registry.installed(group):
            kind = kinds.get(group, group.removeprefix("aios.").removesuffix("s").replace("_", "-"))
            yield f"{kind}.{plugin.name}", partial(_plugin, f"{kind}.{plugin.name}", plugin)


def _plugin(check: str, plugin: registry.Plugin) -> Iterable[Finding]:
    try:
        loaded = registry.load(plugin.group, plugin.name)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is what is found
        package = plugin.package or "the package that carries it"
        yield Finding(
            check=check,
            status="fail",
            seen=f"{error} (of {package} {plugin.version or ''})".replace(" )", ")"),
            remedy="install it anew, or remove it: every command that needs such plugins fails until then",
            command=f"{sys.executable} -m pip uninstall {plugin.package}" if plugin.package else None,
        )
        return
    examine = getattr(loaded, "examine", None)
    if examine is None:
        yield Finding(check=check, status="ok", seen=f"loads ({plugin.target})")
    else:
        yield from examine()


def files(patient: Patient) -> Iterable[Finding]:
    """Read the intents and the fleet that are given."""
    written = patient.files()
    if written is None:
        yield Finding(check="files", status="skipped", seen="no file is given, and there is no fleet.yaml here")
        return
    counts = {"intent": len(written.intents), "demand": len(written.demands), "fleet": int(written.fleet is not None)}
    parts = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
    yield Finding(check="files", status="ok", seen=", ".join(parts) or "nothing is written in them")
