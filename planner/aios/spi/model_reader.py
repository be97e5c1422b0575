"""What reads model files: the model reader protocol."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from aios.records.base import Record, digest_of
from aios.records.model import ModelProfile

__all__ = ["Comparing", "ModelReader", "ReadModel", "model_digest"]


class ReadModel(Record):
    """A profile and the files beside the model that it depends on:

    path relative to the model's folder -> sha256 digest.
    """

    profile: ModelProfile
    external: Mapping[str, str] = {}


def model_digest(file_digest: str, external: Mapping[str, str]) -> str:
    """Return the digest of a model: its file's own sha256, or, with files beside it, one over all of theirs."""
    return digest_of({"file": file_digest, "external": dict(external)}) if external else file_digest


class ModelReader(Protocol):
    """Reads one family of model formats. Its module must import without its libraries.

    revision: grows when the same file would give another profile; kept profiles of an older one are read anew
    """

    name: ClassVar[str]
    api_version: ClassVar[int]
    revision: ClassVar[int]
    suffixes: ClassVar[tuple[str, ...]]

    def read(self, path: Path, sizes: Mapping[str, int]) -> ReadModel:
        """Read the file at ``path``; ``sizes`` gives dynamic dimensions by name.

        Raises InputError, with what is wrong and what to do, for a file that is damaged, hostile or no model.
        """


@runtime_checkable
class Comparing(Protocol):
    """What a model reader may offer beside: to tell whether two files compute the same."""

    def computation(self, path: Path) -> str:
        """Return the digest of what the model computes: its graph, attributes and constants, whatever values are
        called and wherever constants are stored."""
