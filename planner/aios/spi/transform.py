"""What changes a model before it runs: the transform protocol.

A transform is a plugin of the group ``aios.transforms`` and a file ``<name>.transform.yaml`` in the same package
(``aios.records.transform.Declaration``), which is read without importing it. It takes a model file and gives a model
file; where the result is kept, under which digest, and when it is made anew is no concern of it. It runs in a process
of its own, so that the memory, the threads and the logging of its libraries end with it.

Rules, each one a conformance test: the same work gives the same bytes where ``reproducible`` is declared; the source is
never written to; what cannot be done ends in an exception, never in a copy of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from aios.records.transform import DataRole

__all__ = ["Progress", "Transform", "Work"]

Progress = Callable[[float, str], None]
"""Takes the share that is done, 0 to 1, and what is being done, in a few words."""


@dataclass(frozen=True)
class Work:
    """One model to change.

    source: file to read · folder: empty; the result goes there as ``model.onnx``, with what belongs to it beside it ·
    scratch: for files of the moment · precision: that is wanted · settings: every parameter of the declaration ·
    data: files of arrays, already preprocessed as the intent says: one array per input of the model, first axis counts
    items, ``label`` the right answers · task: of the intent · facts: of the device (``isa``: features of its CPU) ·
    threads: that may be used · seed: of everything random
    """

    source: Path
    folder: Path
    scratch: Path
    precision: str
    settings: Mapping[str, str]
    data: Mapping[DataRole, tuple[Path, ...]] = field(default_factory=dict)
    task: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    seed: int = 0


class Transform(Protocol):
    """Changes models in one way. Its module must import without its libraries."""

    name: ClassVar[str]
    api_version: ClassVar[int]

    def versions(self) -> Mapping[str, str]:
        """Return library -> version of all that the result depends on, without importing any."""

    def make(self, work: Work, progress: Progress) -> Mapping[str, str]:
        """Write the changed model and return a report of what was done, name -> text, for people.

        Raises InputError for a model or data that cannot be used as asked, WorldError when the machine fails.
        """
