"""model inspect: one model file, configuration or published name, read afresh."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.records.base import Span
from aios.records.errors import Diagnostic, InputError
from aios.records.intent import ModelChoice, Stored
from aios.records.model import ModelProfile
from aios.records.plan import Deployment
from aios.records.transformer import Transformer

__all__ = ["inspect_deployed", "inspect_model", "inspect_transformer", "is_transformer", "transformer_figures"]


def inspect_model(path: Path, sizes: Mapping[str, int]) -> ModelProfile:
    """Return the profile of a model file, a configuration, or the published model of that name. Raises InputError."""
    return _inspected(path, sizes, None)


def inspect_deployed(deployment: Deployment) -> ModelProfile:
    """Return the profile of what a deployment's own model file holds now, encrypted or not. Raises InputError."""
    from aios.spi.sealing import source_of

    opens = source_of(deployment).sealed
    path = deployment.model_path
    stored = Stored(version=deployment.model, digest=deployment.model_digest, file=path, opens=opens) if opens else None
    return _inspected(Path(path), {}, stored)


def _inspected(path: Path, sizes: Mapping[str, int], stored: Stored | None) -> ModelProfile:
    from aios.models import profile_models
    from aios.spi import registry

    card = is_transformer(path) and not path.exists()
    where = Span(file=str(path), line=1, column=1)
    choice = ModelChoice(name=path.stem, path=str(path), card=card, stored=stored, where=where)
    readers = registry.load_all("aios.model_readers")
    return profile_models((choice,), readers, None, sizes)[path.stem]


def is_transformer(path: Path) -> bool:
    """Whether this is the configuration of a transformer, a folder with one, or no file at all (a published name)."""
    return path.suffix == ".json" or path.is_dir() or (not path.exists() and not path.suffix.startswith(".onnx"))


def inspect_transformer(path: Path) -> Transformer:
    """Return what a ``config.json`` (or the one in a folder) describes, or the published model of that name.

    Raises InputError, with the names that were meant perhaps.
    """
    from aios.models.networks import find_network
    from aios.models.transformers import find_transformer, load_config

    if path.is_dir():
        if not (path / "config.json").is_file():
            summary = f"{path} is a folder, not a model file"
            raise InputError(
                Diagnostic(summary=summary, remedy="name the model file in it, or a folder with config.json")
            )
        return load_config(path / "config.json")
    if path.exists() or path.suffix == ".json":
        return load_config(path)
    found = find_transformer(str(path))
    if found.transformer is not None:
        return found.transformer
    if find_network(str(path)) is not None:
        raise InputError(
            Diagnostic(
                summary=f"there is no file {path}; the published network of that name has no file to inspect",
                remedy="see what is known of it",
                command=shlex.join(["aios", "model", "show", str(path)]),
            )
        )
    near = ", ".join(found.candidates)
    raise InputError(
        Diagnostic(
            summary=f"there is no file {path}, and no published model of that name is known",
            remedy=f"did you mean {near}?"
            if near
            else "name an .onnx file, a config.json, or a model such as Qwen3-32B",
        )
    )


def transformer_figures(model: Transformer, tokens: int) -> dict[str, Any]:
    """Return what follows from a structure: parameters by part, bytes, and FLOPs by class of operator, of reading a
    prompt of ``tokens`` and of generating the next token. Raises InputError where the model allows no such sequence."""
    from aios.records import transformers as arithmetic

    reason = arithmetic.length_reason(model, tokens)
    if reason is not None:
        raise InputError(reason)
    parts = arithmetic.count_parameters(model)
    whole = arithmetic.prefill_work if model.decoder else arithmetic.encode_work
    figures: dict[str, Any] = {
        "parameters": parts.total,
        "active_parameters": arithmetic.active_parameters(model),
        "by_part": {name: count for name, count in parts._asdict().items() if count},
        "weight_bytes": arithmetic.weight_bytes(model) if arithmetic.scheme_of(model.precision) else None,
        "tokens": tokens,
        "prefill_flops": whole(model, float(tokens))._asdict(),
        "activation_bytes": arithmetic.activation_bytes(model, float(tokens)),
    }
    if model.decoder:
        figures["decode_flops"] = arithmetic.decode_work(model, float(tokens))._asdict()
        figures["kv_bytes_per_token"] = arithmetic.kv_bytes_per_token(model)
        figures["kv_cache_bytes"] = arithmetic.kv_cache_bytes(model, float(tokens))
    return figures
