"""Prepares what a deployment runs: the optimised form of its model, once per recipe.

Optimising happens here and not when a replica starts, for two reasons: it costs seconds, and its result can be saved
with the constants in one file beside the graph. Replicas map that file instead of each holding a copy. onnxruntime
rearranges ("prepacks") constants for its kernels; the rearranged ones are saved too, for otherwise every replica would
make its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from aios.records.base import digest_of
from aios.records.errors import Diagnostic, InputError, WorldError
from aios.records.plan import Deployment
from aios.spi.executor import Artefact, Source, Store
from aios.spi.sealing import key_reference, sealing_key
from aios_plugins.onnxruntime.spec import file_digest
from aios_plugins.onnxruntime.system import how_it_ended, module_command

__all__ = ["engine", "graph_of", "is_optimized", "manifest", "prepare", "recipe_of", "sealed_of"]

_RECIPE_VERSION = "2"
"""Raised when the same recipe would give another artefact."""

_PACKAGES = ("onnxruntime", "onnxruntime-gpu")

_ISA_PREFIXES = ("avx", "fma", "amx", "sse4", "asimd", "sve", "i8mm", "bf16")
"""CPU features that onnxruntime's kernels, and so the layout of prepacked constants, depend on."""


def engine() -> str:
    """Return name and version of what computes; a machine that only plans need not have it."""
    for package in _PACKAGES:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return f"{_PACKAGES[0]} (not installed)"


def is_optimized(deployment: Deployment) -> bool:
    """Say whether the artefact holds the final graph.

    Only CPUs have an offline form; other devices optimise on load.
    """
    return deployment.device_kind == "cpu"


def graph_of(deployment: Deployment) -> str:
    """Return the level to which the graph is optimised, as ``graph.transform.yaml`` names levels."""
    return deployment.settings.get("graph", "all")


def isa() -> str:
    """Return the features of this CPU that matter, sorted, in one text."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return os.uname().machine
    flags = next((line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features"))), "")
    return " ".join([os.uname().machine, *sorted(flag for flag in flags.split() if flag.startswith(_ISA_PREFIXES))])


def recipe_of(deployment: Deployment, model: str) -> dict[str, str]:
    """Return everything that the artefact's content depends on. model: digest of what is computed"""
    recipe = {
        "recipe": _RECIPE_VERSION,
        "engine": engine(),
        "model": model,
        "device_kind": deployment.device_kind,
        "optimization": f"{graph_of(deployment)}, offline, prepacked" if is_optimized(deployment) else "on load",
    }
    if is_optimized(deployment):
        recipe["isa"] = isa()
    key = key_reference(deployment)
    if key is not None:
        recipe["encryption"] = f"AES-256-GCM in chunks, key {sealing_key(key).id}"
    return recipe


def sealed_of(deployment: Deployment, artefact: Artefact) -> dict[str, str] | None:
    """Return what opens the artefact's files, as a spec says it; None for plain ones."""
    key = key_reference(deployment)
    return None if key is None else {"key": key, "context": artefact.key}


def prepare(deployment: Deployment, store: Store) -> Artefact:
    """Return the artefact of a deployment, made if need be.

    Raises InputError for a model, data or key that cannot be used, WorldError when the machine fails.
    """
    if find_spec("onnxruntime") is None:
        raise WorldError(
            Diagnostic(
                summary=f"{deployment.model_path} cannot be prepared: onnxruntime is not installed here",
                remedy="install what the onnxruntime executor needs",
                command="pip install 'aios-planner[onnxruntime]'",
            )
        )
    source = store.model(deployment, {"isa": isa()})
    recipe = recipe_of(deployment, source.digest)
    return store.fetch(recipe, lambda folder: _build(deployment, source, recipe, folder))


def manifest(artefact: Artefact) -> dict[str, str]:
    """Return path -> digest of every file of an artefact; raises WorldError where they are not those it was made of."""
    folder = Path(artefact.path)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): (file_digest(path), path.stat().st_size) for path in paths}
    facts = {name: {"sha256": digest.removeprefix("sha256:"), "bytes": size} for name, (digest, size) in found.items()}
    if digest_of(facts) != artefact.digest:
        raise WorldError(
            Diagnostic(
                summary=f"the artefact {folder} was changed after it was verified",
                remedy="see who may write to that folder, then run the same command again: it is built anew",
            )
        )
    return {name: digest for name, (digest, _) in found.items()}


def _build(deployment: Deployment, source: Source, recipe: Mapping[str, str], folder: Path) -> None:
    """Fill ``folder``, in a process of its own: the engine's logging, temporary files and memory stay there."""
    scratch = folder / ".scratch"
    scratch.mkdir()
    job = {
        "model": str(source.path),
        "digest": source.digest,
        "folder": str(folder),
        "optimize": is_optimized(deployment),
        "graph": graph_of(deployment),
    }
    if key := key_reference(deployment):
        seal = {"key": key, "context": digest_of(dict(recipe))}
        job |= {"seal": seal, "opens": source.sealed, "scratch": str(scratch)}
    environment = {**os.environ, "TMPDIR": str(scratch)}
    command = module_command("build", json.dumps(job))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd="/"
    ) as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    _remove(scratch)
    if process.returncode:
        raise _failure(deployment, process.returncode, said.decode(errors="replace"))


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _failure(deployment: Deployment, code: int, said: str) -> InputError | WorldError:
    last = said.strip().rpartition("\n")[2]
    try:
        report = json.loads(last)
        kind, reason = report["kind"], report["reason"]
    except (ValueError, KeyError, TypeError):
        said_last = f"; the last it said: {last}" if last else ""
        kind, reason = "world", f"the process that prepares it {how_it_ended(code)}{said_last}"
    found = Diagnostic(summary=f"{deployment.model_path} cannot be prepared for {deployment.precision}: {reason}")
    return InputError(found) if kind == "input" else WorldError(found)
