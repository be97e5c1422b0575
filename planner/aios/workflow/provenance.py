"""Where the model that a service computes comes from, and whether it comes out the same again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.plan import Deployment
from aios.records.transform import Provenance
from aios.workflow.keeping import load_state
from aios.workflow.planfiles import is_plan_file, read_plan_file
from aios.workflow.setting import Setting
from aios.workflow.transforming import declared, stored_precision, transforming

__all__ = ["Origin", "Rebuilt", "origin_of", "rebuild"]

_SHORTEST = 8
"""Digits of an artefact's key that tell it from others."""


class Origin(NamedTuple):
    """chain: each step, the source first · folder: of the model that it led to, None where that is the source itself ·
    deployment: that computes it, None where nothing that stands does"""

    chain: tuple[Provenance, ...]
    folder: Path | None
    deployment: Deployment | None


class Rebuilt(NamedTuple):
    """chain: as it came out again · same: whether the result is the same, bit for bit"""

    chain: tuple[Provenance, ...]
    same: bool


def origin_of(setting: Setting, name: str, address: str | None = None) -> Origin:
    """Return where a model comes from. name: an address that stands, an artefact by its folder or key, or a saved plan
    · address: of that plan, which may be left out where it makes one thing stand

    Raises InputError where nothing of the kind is here.
    """
    resources = load_state(setting).resources
    if name not in resources and is_plan_file(name):
        return _of_deployment(setting, _planned(name, address))
    if address is not None:
        raise InputError(
            Diagnostic(summary=f"{name} is no saved plan", remedy="name a saved plan before an address of it")
        )
    if name in resources:
        return _of_deployment(setting, resources[name].deployment)
    folder = _folder(setting, name)
    if folder is None:
        raise InputError(
            Diagnostic(
                summary=f"nothing stands at `{name}`, and no artefact is called so",
                reason=f"standing: {', '.join(resources) or 'nothing'}; artefacts are kept in {setting.artefacts}",
                remedy="name an address, a saved plan, or an artefact by its folder or the first digits of its key",
                command="aios status",
            )
        )
    from aios.transforms import read_chain

    chain = read_chain(folder)
    deployments = (item.deployment for item in resources.values())
    return Origin(chain, folder, next((item for item in deployments if _leads_to(chain, item)), None))


def _planned(path: str, address: str | None) -> Deployment:
    """Return what a saved plan makes stand at an address."""
    found = {action.address: action.after for action in read_plan_file(path).actions if action.after is not None}
    if address is None and len(found) == 1:
        (address,) = found
    if address is None or address not in found:
        said = f"{path} makes {', '.join(found) or 'nothing'} stand"
        near = nearest(address or "", list(found))
        raise InputError(
            Diagnostic(
                summary=f"nothing stands at `{address}` in {path}" if address else f"which address of {path} is meant?",
                reason=said,
                remedy=f"did you mean `{near}`?" if near else "name one of them after the plan",
            )
        )
    return found[address]


def rebuild(setting: Setting, origin: Origin) -> Rebuilt:
    """Make the model again, in a folder that is gone afterwards.

    Raises InputError that says why where that is not possible.
    """
    from aios.spi import registry
    from aios.state import ArtefactStore
    from aios.transforms import obstacles, read_chain

    if origin.folder is None:
        raise InputError("there is nothing to rebuild: it computes its model file as that is")
    known = declared()
    names = {str(item.transform) for item in origin.chain[1:]} & set(known)
    able = [name for name in sorted(names) if all(find_spec(module) for module in known[name].needs.modules)]
    installed = {name: registry.load("aios.transforms", name).versions() for name in able}
    reasons = list(obstacles(origin.chain, known, installed))
    if origin.deployment is None:
        reasons.append("nothing that stands computes it, so that nobody knows where its source lies")
    if reasons or origin.deployment is None:
        raise InputError(Diagnostic(summary="it cannot be rebuilt bit for bit", reason="; ".join(reasons)))
    with tempfile.TemporaryDirectory() as scratch:
        store = ArtefactStore(Path(scratch) / "artefacts", making=transforming(setting))
        source = store.model(origin.deployment, _facts(origin.folder))
        chain = read_chain(source.path.parent)
    return Rebuilt(chain, source.digest == origin.chain[-1].digest)


def _of_deployment(setting: Setting, deployment: Deployment) -> Origin:
    from aios.transforms import read_chain

    found = [folder for folder in _folders(setting) if _leads_to(read_chain(folder), deployment)]
    if found:
        newest = max(found, key=lambda folder: (folder.stat().st_mtime_ns, folder))
        return Origin(read_chain(newest), newest, deployment)
    own = Provenance(transform=None, source=deployment.model_digest, digest=deployment.model_digest)
    if _leads_to((own,), deployment):
        return Origin((own,), None, deployment)
    raise InputError(
        Diagnostic(
            summary=f"the model that {deployment.intent} computes is not among the artefacts",
            reason=f"they are kept in {setting.artefacts}; it was not made yet, or is gone",
            remedy="apply the plan: it is made then",
        )
    )


def _leads_to(chain: tuple[Provenance, ...], deployment: Deployment) -> bool:
    from aios.transforms import is_of, steps_of

    if not chain or chain[0].digest != deployment.model_digest:
        return False
    steps = steps_of(deployment, declared(), stored_precision(deployment))
    return is_of(chain, deployment, steps)


def _folders(setting: Setting) -> Iterator[Path]:
    """Yield the folders of models that transforms made."""
    yield from (path.parent for path in sorted(setting.artefacts.glob("*/files/provenance.json")))


def _folder(setting: Setting, name: str) -> Path | None:
    """Return the folder of the artefact that is called so, of one that an executor prepared that of its model."""
    key = name.removeprefix("sha256:")
    named = Path(name) if "/" in name else None
    for path in sorted(setting.artefacts.glob("*/manifest.json")):
        folder = path.parent
        prefixed = len(key) >= _SHORTEST and folder.name.startswith(key)
        if prefixed or (named is not None and named.resolve() in (folder.resolve(), (folder / "files").resolve())):
            if (folder / "files" / "provenance.json").is_file():
                return folder / "files"
            return _made(setting, _recipe(folder).get("model", ""))
    return None


def _made(setting: Setting, digest: str) -> Path | None:
    from aios.transforms import read_chain

    return next((folder for folder in _folders(setting) if read_chain(folder)[-1].digest == digest), None)


def _recipe(folder: Path) -> Mapping[str, str]:
    try:
        recipe: Mapping[str, str] = json.loads((folder / "manifest.json").read_bytes())["recipe"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder / 'manifest.json'} cannot be read: {error}") from error
    return recipe


def _facts(folder: Path) -> Mapping[str, str]:
    """Return the facts of the device that a model was made for."""
    recipe = _recipe(folder.parent)
    return {name.removeprefix("fact "): text for name, text in recipe.items() if name.startswith("fact ")}
