"""The plan document: what will be done, why, and what is promised."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from aios.records.base import Record, Source
from aios.records.candidate import Estimate, Period, Quantization, Rejection, Residence
from aios.records.data import DataFile
from aios.records.intent import USUAL_CONFIDENCE, Part, Serve, Training
from aios.records.model import MemoryPart
from aios.records.policy import Ruling
from aios.records.protection import Protection
from aios.records.schedule import Frame, Run
from aios.records.selection import Conflict, ObjectiveValue, Placement

__all__ = [
    "FORMAT_VERSION",
    "Action",
    "ActionKind",
    "Claim",
    "Claims",
    "Decision",
    "Deployment",
    "Disruption",
    "Handing",
    "Inputs",
    "Moved",
    "PipelineDecision",
    "Plan",
    "Refusal",
    "Return",
    "Signature",
    "SolverNote",
    "Stayed",
    "Validity",
    "unsigned",
]

FORMAT_VERSION = "1.5"
"""Version of the plan document: a reader ignores unknown keys of a later minor and refuses another major version."""

ActionKind = Literal["create", "update", "replace", "delete", "keep"]


class Inputs(Record):
    """Fingerprints of all that a plan was made from; ``apply`` refuses when one no longer matches (exit 4).

    state: lineage and serial of the state it was planned against, ``<lineage>:<serial>`` · current: digest of the
    placement that a saved plan said stands, where one was named instead of the state · policies: what their rules say,
    where there are any
    """

    intents: str
    fleet: str
    models: str
    profiles: str
    catalogue: str
    state: str
    current: str | None = Field(default=None, exclude_if=lambda current: current is None)
    policies: str | None = Field(default=None, exclude_if=lambda policies: policies is None)


class Validity(Record):
    """From when to when a plan may be applied; ISO 8601, UTC. made_at: by the clock of the machine that planned"""

    made_at: str
    expires_at: str

    @field_validator("made_at", "expires_at")
    @classmethod
    def _is_instant(cls, text: str) -> str:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("it states no time zone")
        return text


class Signature(Record):
    """Who vouches for the document: over the canonical JSON of all of it but ``id`` and ``signature``.

    algorithm: ``Ed25519`` is the only one that is written · key_id: of the public key, for people: the key itself is
    what counts · value: base64
    """

    algorithm: str
    key_id: str
    value: str


class Disruption(Record):
    """Seconds without service, added up over the replicas that move. low, high: 90 % of cases · basis: in words"""

    value: float
    low: float
    high: float
    source: Source
    basis: str


class Moved(Record):
    """That an intent leaves where or what it was.

    before: candidate and places that it leaves · replicas: that move · saving: of the first goal in which the two
    differ, in ``unit``; None where that is not why · reason: why it moves, in words
    """

    before: str
    places: tuple[str, ...]
    replicas: int
    disruption_s: Disruption
    goal: str | None = None
    saving: float | None = None
    unit: str | None = None
    reason: str


class Stayed(Record):
    """That an intent is left as it is although it could do better: what another candidate would save in the goal, and
    why that is not done. price: what moving costs in the goal's unit: what it costs now x disruption / a day"""

    candidate: str
    goal: str
    saving: float
    price: float
    unit: str
    disruption_s: Disruption
    reason: str


class Decision(Record):
    """What was chosen for one intent. memory: where each part of the model lives, and what reading it costs · devices,
    machines, degrees, settings: see ``Candidate`` · notes: what nobody judged, and what was assumed or compared unlike,
    in words · periods: of a load that changes over the day, what runs when, by rate; ``replicas`` is then the most, and
    ``hourly`` of a place how many of its replicas run in each hour · part: of a service whose load is split, that it
    serves · start_s, end_s: of what runs to an end and is planned in time, after the start of the plan; of several
    copies the first start and the last end · runs: each copy's own · moved, stayed: of what stood before, where it
    moves, or stays although it could do better"""

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
    periods: tuple[Period, ...] = Field(default=(), exclude_if=lambda periods: not periods)
    part: Part | None = Field(default=None, exclude_if=lambda part: part is None)
    start_s: float | None = Field(default=None, exclude_if=lambda seconds: seconds is None)
    end_s: float | None = Field(default=None, exclude_if=lambda seconds: seconds is None)
    runs: tuple[Run, ...] = Field(default=(), exclude_if=lambda runs: not runs)
    moved: Moved | None = Field(default=None, exclude_if=lambda moved: moved is None)
    stayed: Stayed | None = Field(default=None, exclude_if=lambda stayed: stayed is None)


class Handing(Record):
    """Data that one stage of a pipeline hands to another. first, then: names of the stages' intents · bytes: that one
    request hands over, None where nobody says · seconds: that this takes, None where nobody knows · basis: on which way
    """

    first: str
    then: str
    bytes: float | None
    seconds: float | None
    basis: str


class PipelineDecision(Record):
    """What the decisions on the stages of a pipeline come to. stages: names of their intents, each behind those that it
    takes from · estimates: of a request through all of them, and of all of them together · unknown: metric -> why
    there is none"""

    intent: str
    stages: tuple[str, ...]
    edges: tuple[Handing, ...]
    estimates: Mapping[str, Estimate]
    unknown: Mapping[str, str] = {}


class Refusal(Record):
    """An intent that may be refused and is. count: copies of it that are not admitted"""

    intent: str
    count: int


class Deployment(Record):
    """Everything that an executor needs to run one intent, and nothing else.

    model_path, calibrate, train_data: relative to the working directory of plan and apply · *_digest: of the files'
    content · placement: where · addresses: instance name -> how to reach it (None: only described) · rate_per_s,
    arrivals: the load it is sized for · next: addresses of the stages that take its output, where it is a stage of
    a pipeline · per: items of it that one request of the pipeline makes, one after the other · max_delay_s: longest
    time that a request may wait for its batch to fill · tiers: part of the model -> memory tier that it lives in,
    where that is not the device's own memory · devices, machines, degrees, settings: see ``Candidate`` ·
    prompt_tokens, output_tokens: of a request to a language model · train: the job, of one that trains · part: what
    of a service's requests a balancer in front of its groups sends here · protection: what must be true of its
    files before they are loaded · stored: which version of a model store its model was when it was planned, for
    people: the digest says what runs
    """

    intent: str
    task: str
    model: str
    model_path: str
    model_digest: str
    precision: str
    quantization: Quantization
    compression: str = "none"
    calibrate: tuple[DataFile, ...] = ()
    calibrate_digest: str | None = None
    train_data: tuple[DataFile, ...] = Field(default=(), exclude_if=lambda files: not files)
    train_digest: str | None = Field(default=None, exclude_if=lambda digest: digest is None)
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
    next: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    part: Part | None = Field(default=None, exclude_if=lambda part: part is None)
    per: int = Field(default=1, exclude_if=lambda per: per == 1)
    protection: Protection | None = Field(default=None, exclude_if=lambda protection: protection is None)
    stored: str | None = Field(default=None, exclude_if=lambda stored: stored is None)

    @property
    def served_as(self) -> str:
        """The name that clients and files know it by: that of the intent, without the slash of a pipeline's stage."""
        return self.intent.replace("/", ".")


def unsigned(deployment: Deployment) -> Deployment:
    """Return the deployment without the demand that what it loads was signed."""
    if deployment.protection is None:
        return deployment
    lighter = deployment.protection.model_copy(update={"signed": False, "attested": False})
    return deployment.model_copy(update={"protection": lighter if lighter.names else None})


class Claim(Record):
    """A promise of the plan. clause: requirement it stems from, as text, or None for a mere prediction · bound: SI ·
    confidence: of the interval that an accuracy is measured with"""

    address: str
    metric: str
    estimate: Estimate
    clause: str | None = None
    bound: float | None = None
    confidence: float = Field(default=USUAL_CONFIDENCE, exclude_if=lambda share: share == USUAL_CONFIDENCE)

    def concerns(self, address: str) -> bool:
        """Say whether it is a promise of what stands there, or of the pipeline that this is a stage of."""
        return self.address in (address, address.partition("/")[0])


class Claims:
    """The promises of a plan, to be asked for by address: of a thousand services, each has a few of six thousand."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._of: dict[str, list[tuple[int, Claim]]] = {}
        for place, claim in enumerate(claims):
            self._of.setdefault(claim.address, []).append((place, claim))

    def concerning(self, address: str) -> tuple[Claim, ...]:
        """Return those that concern what stands at ``address``, in the order of the plan."""
        found = [pair for name in {address, address.partition("/")[0]} for pair in self._of.get(name, ())]
        return tuple(claim for _, claim in sorted(found, key=lambda pair: pair[0]))


class Action(Record):
    """One step. before, after: what stands and what shall stand · undo: what takes it back, in words · promised: of
    what stands, when it was applied; empty where this plan promises the same of it · moved_from: address under which
    what stands was known before · waits_for: addresses whose actions are done before it, as they free what it takes ·
    downtime_s: of a replace, where the old and the new do not fit beside each other: the old one ends first, and nobody
    serves for so long"""

    address: str
    action: ActionKind
    reason: str
    executor: str
    before: Deployment | None = None
    after: Deployment | None = None
    undo: str
    promised: tuple[Claim, ...] = Field(default=(), exclude_if=lambda claims: not claims)
    moved_from: str | None = Field(default=None, exclude_if=lambda name: name is None)
    waits_for: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    downtime_s: Disruption | None = Field(default=None, exclude_if=lambda seconds: seconds is None)


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


class Return(Record):
    """That a plan goes back to what an earlier run wanted. run: its number in the history · plan: id of its plan, or of
    what stood after it"""

    run: int
    plan: str


class Plan(Record):
    """The versioned plan document; its JSON is the contract with pipelines.

    id: digest of everything else · evaluate: intent name -> files that accuracy is verified on · at_once: whether all
    replicas have room at the same time, and every job starts at once; else what is planned runs at different times ·
    frame: where a plan in time stands in it · made_from: fingerprint -> thing -> part of it -> what that was, in short,
    so that a stale plan can say what changed · valid: only where an expiry was asked for ·
    back_to: of a rollback · protected: addresses whose services are neither deleted nor replaced ·
    labels: intent name ->
    labels, of those that have any · rulings: what came of each rule of the policies
    """

    format_version: str = FORMAT_VERSION
    id: str
    aios_version: str
    inputs: Inputs
    back_to: Return | None = Field(default=None, exclude_if=lambda back: back is None)
    made_from: Mapping[str, Mapping[str, Mapping[str, str]]] = Field(default={}, exclude_if=lambda parts: not parts)
    valid: Validity | None = Field(default=None, exclude_if=lambda valid: valid is None)
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    goals: tuple[str, ...] = ()
    objective: tuple[ObjectiveValue, ...] = ()
    decisions: tuple[Decision, ...] = ()
    pipelines: tuple[PipelineDecision, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    refused: tuple[Refusal, ...] = ()
    at_once: bool = Field(default=True, exclude_if=bool)
    frame: Frame | None = Field(default=None, exclude_if=lambda frame: frame is None)
    conflict: Conflict | None = None
    actions: tuple[Action, ...] = ()
    claims: tuple[Claim, ...] = ()
    evaluate: Mapping[str, tuple[DataFile, ...]] = {}
    protected: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    labels: Mapping[str, Mapping[str, str]] = Field(default={}, exclude_if=lambda labels: not labels)
    rulings: tuple[Ruling, ...] = Field(default=(), exclude_if=lambda rulings: not rulings)
    files: Mapping[str, Any] = Field(
        default_factory=dict, description="Paths the plan was made from, to check it again."
    )
    solver: SolverNote
    signature: Signature | None = Field(default=None, exclude_if=lambda signature: signature is None)

    @property
    def is_found(self) -> bool:
        """Whether there is something to carry out, be it to leave all as it is."""
        return self.status in ("optimal", "feasible")

    @property
    def has_changes(self) -> bool:
        """Whether carrying it out changes anything that stands."""
        return any(action.action != "keep" for action in self.actions)
