"""What carries out a plan: the executor protocol and the records that cross it.

Rules, each one a conformance test: carrying out twice is the same as once; after ``done``, observe agrees; after
delete, observe
finds nothing; an outcome or an exception, never a silent skip; nothing is substituted. An executor gets records and
a narrow
journal, never the plan, the state or the console.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from aios.records.base import Record
from aios.records.candidate import Candidate
from aios.records.errors import Diagnostic
from aios.records.fleet import DeviceType
from aios.records.measurement import Measurement
from aios.records.model import ModelProfile
from aios.records.plan import Action, Deployment
from aios.records.protection import ProtectionName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "API_VERSION",
    "OPERATORS",
    "SAMPLES",
    "Adopting",
    "Artefact",
    "Counted",
    "Executor",
    "Exercise",
    "Found",
    "Hint",
    "Journal",
    "Observation",
    "Outcome",
    "Protecting",
    "Refusal",
    "Sampling",
    "Source",
    "Store",
    "Stranger",
    "Tensors",
    "Trace",
    "Watching",
]

API_VERSION = 1
"""Version of this seam; a plugin states the one it was written for and is refused when it differs."""

SAMPLES, OPERATORS = "sample-", "operator-"
"""What the names of files begin with that ``Sampling`` writes: networks, and chains of one kind of operator."""

Tensors: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Name of an input or output -> array whose first axis counts items."""


class Refusal(Record):
    """Why a plugin cannot do something.

    clause: its rule, short · reason: the fact behind it · resolvable: what lifts it.
    """

    clause: str
    reason: str
    resolvable: str | None = None


class Artefact(Record):
    """A prepared model in the store. key: digest of its recipe · path: folder · digest: of the folder's content: of
    the canonical JSON of each file's relative path -> ``{"sha256": HEX, "bytes": N}``"""

    key: str
    path: str
    digest: str
    recipe: Mapping[str, str]


class Outcome(Record):
    """What carrying out an action led to. handle: how to find it again, None after a delete · note: one sentence."""

    address: str
    handle: Mapping[str, Any] | None
    note: str


class Counted(Record):
    """What a service counted over a stretch of time.

    began_s, ended_s: seconds before it was asked, ``began_s`` the larger one · requests: answered, or not for a reason
    that is the service's own · failed: those of them that got no answer for such a reason · queue_s, compute_s: spent
    waiting for a replica, by all requests together, and computing, by all batches · batches: computed · latency:
    (index of a bucket of ``BOUNDS_S``, count), from a request's last byte read to its answer written; what failed is
    not in it · delay: likewise, how long something that arrives at a random moment lies unread: it precedes the latency
    """

    began_s: float
    ended_s: float
    requests: int
    failed: int = 0
    batches: int = 0
    queue_s: float = 0.0
    compute_s: float = 0.0
    latency: tuple[tuple[int, int], ...] = ()
    delay: tuple[tuple[int, int], ...] = ()


class Stranger(Record):
    """Something that an executor made and nobody looks after any more. what: one phrase that names it · remedy: how to
    end it · address: what it was made for, where that is known"""

    what: str
    remedy: str
    address: str | None = None


class Observation(Record):
    """What is true of an address now.

    condition: ``absent`` nothing is there · ``starting`` · ``healthy`` all replicas answer · ``degraded`` some do ·
    ``dead`` it was made and no longer answers · ``written`` files of it are all that was wanted: nothing runs ·
    deployment_digest: digest of the Deployment that it runs, to see foreign changes ·
    pids: every process of the service, for meters · differences: what else is not as it was made, in words: files of
    its artefact, what it was told; found without reading what nobody touched · taken_by: who listens on its port, in
    words, when it does not · restarts: replicas that died and were started again · recent: what it counted in the last
    minutes, where it counts
    """

    address: str
    condition: Literal["absent", "starting", "healthy", "degraded", "dead", "written"]
    detail: str
    endpoint: str | None = None
    deployment_digest: str | None = None
    replicas_ready: int = 0
    pids: tuple[int, ...] = ()
    differences: tuple[str, ...] = ()
    taken_by: str | None = None
    restarts: int = 0
    recent: Counted | None = None


class Hint(NamedTuple):
    """Where something may be found that runs already; what is None is not known.

    endpoint: where it answers · folder: where its files are · handle: as a state had it
    """

    endpoint: str | None = None
    folder: str | None = None
    handle: Mapping[str, Any] | None = None


class Found(Record):
    """Something that runs already, proved to be what it says. handle: how to find it again · deployment: what it runs ·
    folder: of its files, ``<home>/run/<address>`` · note: by what it is known, one sentence"""

    handle: Mapping[str, Any]
    deployment: Deployment
    folder: str
    note: str


class Journal(Protocol):
    """Write-ahead notes of an executor, kept on disk before it goes on; enough to find what a crash left behind."""

    def note(self, event: str, **facts: str | int | float | bool | None) -> None:
        """Record that ``event`` is about to happen or has happened; returns after it is on disk."""

    def notes(self) -> Sequence[Mapping[str, Any]]:
        """Return what earlier, interrupted attempts at the same action noted, oldest first."""


class Source(NamedTuple):
    """The file that a deployment computes. digest: as its model reader has it · sealed: it lies encrypted beside that
    path: reference to its ``key``, and the ``context`` that it is bound to, see ``aios.spi.vault``"""

    path: Path
    digest: str
    sealed: Mapping[str, str] | None = None


class Store(Protocol):
    """Content-addressed store of prepared artefacts."""

    def model(self, deployment: Deployment, facts: Mapping[str, str]) -> Source:
        """Return the deployment's own model file, or what its transforms made of that, made if need be and verified.

        The own file is not: whoever reads it compares its digest. facts: of the device (``isa``: features of its CPU).
        Raises InputError for a model or data that cannot be used, WorldError when the machine fails.
        """

    def fetch(self, recipe: Mapping[str, str], build: Callable[[Path], None]) -> Artefact:
        """Return the artefact of ``recipe``, verified; ``build(folder)`` fills an empty folder when there is none yet.

        Raises WorldError when building fails (disk full...); a half-built artefact is never visible.
        """

    def verify(self, artefact: Artefact) -> None:
        """Raise WorldError unless the folder's content still has the artefact's digest."""

    def runtime(self, address: str) -> Path:
        """Return the folder for what a running service keeps: sockets, logs, pid files. It exists and outlives runs."""


@dataclass(frozen=True)
class Exercise:
    """Load to put on a served endpoint, free of coordinated omission.

    at_s: when to send each request, seconds from the start, sorted · item: which item of ``inputs`` each request
    carries ·
    inputs: name -> array, first axis counts items · keep_outputs: whether to return the answers ·
    timeout_s: after which a request counts as failed · trial: whether the service shall count it apart from what its
    clients ask for
    """

    at_s: NDArray[np.float64]
    item: NDArray[np.int64]
    inputs: Tensors
    keep_outputs: bool = False
    timeout_s: float = 10.0
    trial: bool = False


@dataclass(frozen=True)
class Trace:
    """What the load met; all arrays have one entry per request, in order of ``at_s``.

    latency_s: from the intended time of sending to the full answer; inf where it failed · queue_s, compute_s: as the
    service
    states them, nan where it does not · outputs: name -> array (request, ...) when kept · errors: text -> count
    """

    latency_s: NDArray[np.float64]
    queue_s: NDArray[np.float64]
    compute_s: NDArray[np.float64]
    outputs: Tensors
    errors: Mapping[str, int]


class Executor(Protocol):
    """Carries out actions of one kind of world.

    Its module must import without its engine; the engine is imported when used.
    """

    name: ClassVar[str]
    api_version: ClassVar[int]
    in_place: ClassVar[frozenset[str]]
    """Fields of Deployment that may change without replacing the service."""

    def engine(self) -> str:
        """Return name and version of what computes, ``onnxruntime 1.31.1``; part of what a measurement holds for."""

    def can(self, candidate: Candidate, device: DeviceType, model: ModelProfile) -> Refusal | None:
        """Say whether this executor could run the candidate on such a device, reachable or not."""

    def validate(self, action: Action) -> Sequence[Diagnostic]:
        """Return all reasons why the action cannot be carried out from here, without changing anything."""

    def prepare(self, deployment: Deployment, store: Store) -> Artefact:
        """Make, or find, what ``deployment`` runs: the optimised or quantised model."""

    def carry_out(self, action: Action, prior: Mapping[str, Any] | None, journal: Journal, store: Store) -> Outcome:
        """Make the world as ``action.after`` says (delete: gone). ``prior``: handle of what stands now, if anything."""

    def observe(self, address: str, handle: Mapping[str, Any] | None) -> Observation:
        """Say what is true of ``address`` now; never raises for a dead or missing service."""

    def render(self, deployments: Sequence[Deployment]) -> Mapping[str, str]:
        """Return what would be handed to the world, as files: relative path -> text, byte-stable."""

    def measure(self, deployment: Deployment, artefact: Artefact, inputs: Tensors, budget_s: float) -> Measurement:
        """Measure the engine alone (subject kind ``service``):

        calls back to back at the deployment's threads and batch.
        """

    def infer(self, deployment: Deployment, artefact: Artefact, inputs: Tensors) -> Tensors:
        """Return the model's outputs for all items of ``inputs``, computed as the deployment would, without serving."""

    def exercise(self, handle: Mapping[str, Any], load: Exercise) -> Trace:
        """Send ``load`` to the served endpoint, open loop, and return what was met."""


@runtime_checkable
class Watching(Protocol):
    """What an executor may offer beside: to say what its services count, and what of it nobody looks after."""

    def counted(self, handle: Mapping[str, Any]) -> Sequence[Counted]:
        """Return what the service remembers of the last ``FORGET_S``, in stretches of about a minute, oldest first.

        Empty where it does not answer.
        """

    def strangers(self, folder: Path, handles: Sequence[Mapping[str, Any]]) -> Sequence[Stranger]:
        """Return what it made below ``folder``, that of ``Store.runtime``, and what none of ``handles`` leads to."""


@runtime_checkable
class Protecting(Protocol):
    """What an executor may offer beside: to load files only as ``Deployment.protection`` requires it."""

    protects: ClassVar[frozenset[ProtectionName]]

    def programs(self) -> Mapping[str, str]:
        """Return version, or sha256 of its file, of everything that is in memory where a model is loaded."""


@runtime_checkable
class Sampling(Protocol):
    """What an executor may offer beside: networks of its own to measure a machine with."""

    def samples(self, folder: Path, count: int, seed: int) -> Sequence[Path]:
        """Write model files that a model reader knows, of one input of floats; equal arguments give equal bytes.

        Their names begin with ``SAMPLES``, or with ``OPERATORS`` where they are of one kind of operator alone.
        """

    def measure_by_turns(
        self, settings: Sequence[tuple[Deployment, Artefact]], inputs: Tensors, budget_s: float
    ) -> Sequence[Measurement]:
        """Measure settings of one model as ``measure`` does, for ``budget_s`` in all, a few calls of each by turns.

        What disturbs the machine for a while then disturbs all of them. Memory is not measured.
        """


@runtime_checkable
class Adopting(Protocol):
    """What an executor may offer beside: to take over what it made and nobody looks after any more."""

    def find(self, address: str, hint: Hint, store: Store) -> Found:
        """Return what ``hint`` leads to; without any, what stands where the files of ``address`` belong.

        Changes nothing. Raises InputError where nothing is there, or it cannot be proved to be what it says.
        """

    def is_same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Say whether two handles lead to the same thing."""

    def take_over(self, address: str, found: Found, store: Store) -> Mapping[str, Any]:
        """Bring the files of what was found to where those of ``address`` belong, without a restart, and return its
        handle. Twice is the same as once. Raises InputError where something else is there.
        """
