"""The plan document: what will be done, why, and what is promised."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from aios.records.base import Record
from aios.records.candidate import Estimate, Quantization, Rejection, Residence
from aios.records.intent import Serve, Training
from aios.records.model import MemoryPart
from aios.records.selection import Conflict, ObjectiveValue, Placement

__all__ = [
    "FORMAT_VERSION",
    "Action",
    "ActionKind",
    "Claim",
    "Decision",
    "Deployment",
    "Inputs",
    "Plan",
    "Refusal",
    "SolverNote",
]

FORMAT_VERSION = "1.3"
"""Version of the plan document: a reader ignores unknown keys of a later minor and refuses another major version."""

ActionKind = Literal["create", "update", "replace", "delete", "keep"]


class Inputs(Record):
    """Fingerprints of all that a plan was made from; ``apply`` refuses when one no longer matches (exit 4).

    state: lineage and serial of the state it was planned against, ``<lineage>:<serial>``
    """

    intents: str
    fleet: str
    models: str
    profiles: str
    catalogue: str
    state: str


class Decision(Record):
    """What was chosen for one intent. memory: where each part of the model lives, and what reading it costs · devices,
    machines, degrees, settings: see ``Candidate`` · notes: what nobody judged, and what was assumed or compared unlike,
    in words"""

    intent: str
    candidate: str
    model: str
    device: str
    precision: str
    quantization: Quantization
    compression: str
    batch: int
    threads: int
    replicas: int
    parallelism: str
    devices: int = 1
    machines: int = 1
    degrees: Mapping[str, int] = {}
    settings: Mapping[str, str] = {}
    power_mode: str | None
    executor: str
    placement: tuple[Placement, ...]
    memory: tuple[Residence, ...] = ()
    estimates: Mapping[str, Estimate]
    notes: tuple[str, ...] = ()


class Refusal(Record):
    """An intent that may be refused and is. count: copies of it that are not admitted"""

    intent: str
    count: int


class Deployment(Record):
    """Everything that an executor needs to run one intent, and nothing else.

    model_path, calibrate: relative to the working directory of plan and apply · *_digest: of the files' content ·
    placement: where · addresses: instance name -> how to reach it (None: only described) · rate_per_s, arrivals: the
    load it
    is sized for ·
    max_delay_s: longest time that a request may wait for its batch to fill · tiers: part of the model -> memory tier
    that it lives in, where that is not the device's own memory · devices, machines, degrees, settings: see
    ``Candidate`` · prompt_tokens, output_tokens: of a request to a language model · train: the job, of one that trains
    """

    intent: str
    task: str
    model: str
    model_path: str
    model_digest: str
    precision: str
    quantization: Quantization
    compression: str = "none"
    calibrate: tuple[str, ...] = ()
    calibrate_digest: str | None = None
    device: str
    device_kind: str
    batch: int
    max_delay_s: float
    threads: int
    replicas: int
    power_mode: str | None = None
    tiers: Mapping[MemoryPart, str] = {}
    devices: int = 1
    machines: int = 1
    degrees: Mapping[str, int] = {}
    settings: Mapping[str, str] = {}
    executor: str
    placement: tuple[Placement, ...]
    addresses: Mapping[str, str | None]
    serve: Serve = Serve()
    rate_per_s: float | None = None
    arrivals: Literal["poisson", "constant"] = "poisson"
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    train: Training | None = None


class Claim(Record):
    """A promise of the plan. clause: requirement it stems from, as text, or None for a mere prediction · bound: SI."""

    address: str
    metric: str
    estimate: Estimate
    clause: str | None = None
    bound: float | None = None


class Action(Record):
    """One step. before, after: what stands and what shall stand · undo: what takes it back, in words."""

    address: str
    action: ActionKind
    reason: str
    executor: str
    before: Deployment | None = None
    after: Deployment | None = None
    undo: str


class SolverNote(Record):
    """How the decision was reached.

    wall_s is always null: a plan depends on nothing but its inputs (the time is shown beside it).
    """

    termination: str
    wall_s: float | None = None
    seed: int
    workers: int
    deterministic_limit: float
    version: str


class Plan(Record):
    """The versioned plan document; its JSON is the contract with pipelines.

    id: digest of everything else · evaluate: intent name -> files that accuracy is verified on
    """

    format_version: str = FORMAT_VERSION
    id: str
    aios_version: str
    inputs: Inputs
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    goals: tuple[str, ...] = ()
    objective: tuple[ObjectiveValue, ...] = ()
    decisions: tuple[Decision, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    refused: tuple[Refusal, ...] = ()
    conflict: Conflict | None = None
    actions: tuple[Action, ...] = ()
    claims: tuple[Claim, ...] = ()
    evaluate: Mapping[str, tuple[str, ...]] = {}
    files: Mapping[str, Any] = Field(
        default_factory=dict, description="Paths the plan was made from, to check it again."
    )
    solver: SolverNote
