"""Removing what nobody needs: files of models and prepared artefacts that no one uses.

What goes is first locked, which nobody who uses it allows, then renamed away in one step, then removed: whoever looks
for it sees all of it or nothing, and what a killed removal leaves is removed by the next one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, WorldError
from aios.state.files import disk_trouble, make_folder, read_bytes
from aios.state.leases import Lease, alone
from aios.state.modelstore import ModelStore, Object, objects_in, recipe_of

__all__ = ["Aside", "Spare", "abandoned", "digests_in", "remove", "set_aside", "spare_artefacts", "spare_models"]

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_ASIDE = ".building"
"""Where an `ArtefactStore` builds; whatever nobody holds there is a leftover."""


class Spare(NamedTuple):
    """What nobody needs. reason: why it is thought so"""

    what: Object
    reason: str


class Aside(NamedTuple):
    """What was renamed away and is held until it is removed."""

    path: Path
    lease: Lease


def digests_in(texts: Iterable[str]) -> set[str]:
    """Return every sha256 digest that stands in texts, as ``sha256:<hex>``."""
    return {f"sha256:{found}" for text in texts for found in _DIGEST.findall(text)}


def spare_models(store: ModelStore, needed: Collection[str]) -> list[Spare]:
    """Return the files of models that no version has and nobody needs. needed: digests of models that others need

    Only while the store is `changing`. Raises ConflictError where what is known under a name cannot be read.
    """
    versions = [version for name in store.names() for version in store.entry(name).versions]
    kept = {store.folder(version).parent.name for version in versions}
    kept |= {digest_of(recipe_of(digest)).removeprefix("sha256:") for digest in needed}
    return [
        Spare(item, "no version has it")
        for item in store.contents()
        if item.path.name not in kept and item.digest not in needed
    ]


def spare_artefacts(
    root: Path, needed: Collection[str], gone: Collection[str], now: float, unused_s: float
) -> list[Spare]:
    """Return the artefacts that nobody needs.

    needed: keys of those that services run from · gone: digests of models that the store no longer has · now: seconds
    since the epoch · unused_s: after which one is taken to be of no use
    """
    items = list(objects_in(root))
    dropped = _made_of(items, gone)
    found = []
    for item in items:
        if f"sha256:{item.path.name}" in needed:
            continue
        try:
            idle_s = max(0.0, now - item.path.stat().st_mtime)  # clocks of whole seconds lie behind
        except FileNotFoundError:
            continue
        if item.digest in dropped:
            found.append(Spare(item, "its model is no longer in the store"))
        elif idle_s >= unused_s:
            found.append(Spare(item, f"not used for {idle_s / 86400:.0f} days"))
    return found


def _made_of(items: Sequence[Object], gone: Collection[str]) -> set[str]:
    """Return ``gone`` with the digests of all models that transforms made of these."""
    found = set(gone)
    for item in items:
        try:
            chain = json.loads(read_bytes(item.path / "files" / "provenance.json") or b"[]")
            digests = [step["digest"] for step in chain]
            first = next((place for place, digest in enumerate(digests) if digest in gone), len(digests))
            found.update(digests[first:])  # what came before it is still there
        except (ValueError, TypeError, KeyError):
            continue  # it is no record of transforms, or a damaged one: such an artefact goes by its age
    return found


def set_aside(spare: Spare) -> Aside | None:
    """Rename it away; None where somebody uses it. Raises WorldError."""
    path = spare.what.path
    lease = alone(path)
    if lease is None:
        return None
    area = path.parent / _ASIDE
    if area.is_symlink():
        raise WorldError(Diagnostic(summary=f"{area} is a link, not a folder", remedy="see who made it, and remove it"))
    target = make_folder(area) / f"{path.name}.gone"
    try:
        shutil.rmtree(target, ignore_errors=True)
        path.rename(target)
    except OSError as error:
        raise disk_trouble(error, path, "remove") from error
    return Aside(target, lease)


def abandoned(roots: Sequence[Path]) -> Iterator[Aside]:
    """Yield what killed commands left half-built or half-removed."""
    for root in roots:
        for folder in sorted((root / _ASIDE).glob("*")):
            lease = alone(folder)
            if lease is not None:
                yield Aside(folder, lease)


def remove(aside: Aside) -> None:
    """Remove it for good."""
    with aside.lease:
        shutil.rmtree(aside.path, ignore_errors=True)
