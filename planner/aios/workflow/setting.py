"""What a command was given: paths, places on disk, the clock, and where talk goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from aios.records.document import Document
    from aios.solve.limits import Limits
    from aios.state.leases import Lease

__all__ = ["Effort", "Setting", "place_of", "silent"]


class Effort(StrEnum):
    """How much work a search may take before it ends without a proof."""

    QUICK = "quick"
    NORMAL = "normal"
    THOROUGH = "thorough"


_TIMES = {Effort.QUICK: 0.1, Effort.NORMAL: 1.0, Effort.THOROUGH: 10.0}
"""The work of a search as a multiple of what is usual."""


def place_of(state: str) -> Path | str:
    """Return where a state is kept, as it was given: the path of a file (also ``file:///...``), or a URL."""
    scheme, found, rest = state.partition("://")
    if not found:
        return Path(state)
    return Path(unquote(rest)) if scheme == "file" and rest.startswith("/") else state


def silent(_text: str) -> None:
    """Say nothing."""


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _no_stdin() -> bytes:
    return b""


def _as_read(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    return documents


@dataclass(frozen=True)
class Setting:
    """Everything that the rooms must not fetch for themselves.

    paths: intent files and folders, ``-`` for stdin · fleet: fleet file; None looks for one among the paths, then for
    ``fleet.yaml`` beside them, then here, then at this machine · state: its file, or the URL of where it is kept ·
    profiles: where measurements are kept · lock_timeout_s: how long to wait for whoever holds the state's lock ·
    lock_id: by which our own lock can be released from outside; one is made up where none is given · tell: receives
    progress, one line each · warn: receives what is not used although it was given, one line each · now: UTC time, ISO
    8601 · edit: receives the documents of each file right after they were read and returns those that hold · effort: of
    searches · policies: files and folders of policies, beside those found with the intents · store: folder of the model
    store; None for the one at home · leases: on what is used until the command ends
    """

    paths: tuple[str, ...] = ()
    fleet: str | None = None
    state: Path | str = Path(".aios/state.json")
    profiles: Path = Path("profiles")
    lock_timeout_s: float = 0.0
    lock_id: str | None = None
    tell: Callable[[str], None] = silent
    warn: Callable[[str], None] = silent
    now: Callable[[], str] = field(default=_utc_now)
    stdin: Callable[[], bytes] = field(default=_no_stdin)
    edit: Callable[[tuple[Document, ...]], tuple[Document, ...]] = field(default=_as_read)
    effort: Effort = Effort.NORMAL
    policies: tuple[str, ...] = ()
    store: Path | None = None
    leases: list[Lease] = field(default_factory=list, compare=False, repr=False)

    def limits(self, share: float = 1.0) -> Limits:
        """Return how long to search. share: of the work that one plan may take"""
        from aios.solve.limits import Limits

        usual = Limits()
        return usual._replace(deterministic_limit=usual.deterministic_limit * _TIMES[self.effort] * share)

    @property
    def home(self) -> Path:
        """The folder of everything that aios keeps on this machine: beside the state, where that is a file."""
        return self.state.parent if isinstance(self.state, Path) else Path(".aios")

    @property
    def artefacts(self) -> Path:
        """Where prepared models are kept."""
        return self.home / "artefacts"

    @property
    def model_store(self) -> Path:
        """Where models are kept by name and version."""
        return self.store or self.home / "models"

    @property
    def model_cache(self) -> Path:
        """Where profiles of model files are cached."""
        return self.home / "cache" / "models"

    @property
    def data_cache(self) -> Path:
        """Where arrays are kept that were made of pictures and texts."""
        return self.home / "cache" / "data"
