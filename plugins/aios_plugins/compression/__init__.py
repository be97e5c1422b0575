"""Makes networks smaller: `prune` takes channels out, `distill` trains a small network to answer as a large one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

from aios.spi.transform import Progress, Work

__all__ = ["Distill", "Prune"]


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class Prune:
    """Structured pruning of channels, with training afterwards where epochs are asked for."""

    name: ClassVar[str] = "prune"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return what the result depends on: torch only where it is installed."""
        return _versions("onnx", "numpy", "torch")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write a model with fewer channels, its inputs and outputs as they were.

        Raises InputError where operators keep so many channels that what is asked cannot be reached, where the model
        cannot be trained, or the data not be used.
        """
        from aios_plugins.compression.prune import prune

        return prune(work, progress)


class Distill:
    """A student that learns from the source's answers: the source thinned, or a network of the user's own."""

    name: ClassVar[str] = "distill"
    api_version: ClassVar[int] = 1

    def versions(self) -> Mapping[str, str]:
        """Return what the result depends on."""
        return _versions("onnx", "numpy", "torch")

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the trained student.

        Raises InputError for a student that takes or gives something else, and as ``Prune.make`` does.
        """
        from aios_plugins.compression.distill import distill

        return distill(work, progress)
