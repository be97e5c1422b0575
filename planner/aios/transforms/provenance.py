"""The record that lies beside every result: each step from the source on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aios.records.errors import WorldError
from aios.records.plan import Deployment
from aios.records.transform import Declaration, Provenance
from aios.transforms.chain import Step

__all__ = ["FILE", "is_of", "obstacles", "read_chain", "write_chain"]

FILE = "provenance.json"


def read_chain(folder: Path) -> tuple[Provenance, ...]:
    """Return the steps that led to the model in a folder, its source first; none where it was not made so."""
    try:
        found = json.loads((folder / FILE).read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise WorldError(f"{folder / FILE} cannot be read: {error}") from error
    return tuple(Provenance.model_validate(item) for item in found)


def write_chain(folder: Path, chain: Sequence[Provenance]) -> None:
    """Write the steps beside the model that they led to."""
    text = json.dumps([item.model_dump(mode="json") for item in chain], indent=2, sort_keys=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def is_of(chain: Sequence[Provenance], deployment: Deployment, steps: Sequence[Step]) -> bool:
    """Say whether a chain leads from the deployment's model file, by its steps and from its data."""
    first, *rest = chain
    if first.digest != deployment.model_digest or len(rest) != len(steps):
        return False
    data = {"calibrate": deployment.calibrate_digest, "train": deployment.train_digest}
    return all(
        (entry.transform, dict(entry.settings)) == (step.declaration.name, dict(step.settings))
        and all(data.get(role) == digest for role, digest in entry.data.items())
        for entry, step in zip(rest, steps, strict=True)
    )


def obstacles(
    chain: Sequence[Provenance],
    declared: Mapping[str, Declaration],
    installed: Mapping[str, Mapping[str, str]],
) -> Iterator[str]:
    """Yield why a chain cannot be rebuilt bit for bit. installed: transform -> library -> version that is here"""
    for entry in chain[1:]:
        name = str(entry.transform)
        found = declared.get(name)
        if found is None:
            yield f"the transform {name} is not installed"
            continue
        if not entry.reproducible:
            yield f"{name} is not reproducible: {found.why_not or 'it was declared so when it was made'}"
        for library, version in sorted(entry.versions.items()):
            here = installed.get(name, {}).get(library)
            if here != version:
                yield f"{name} was made with {library} {version}; here is {here or 'none'}"
