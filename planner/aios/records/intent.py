"""What the user wants: the record that every way of writing an intent compiles to."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record, Span
from aios.records.data import DataFile
from aios.records.protection import Protection
from aios.records.when import When
from aios.records.where import PlacementRules

__all__ = [
    "USUAL_CONFIDENCE",
    "Constraints",
    "Data",
    "Goal",
    "Intent",
    "Load",
    "ModelChoice",
    "Part",
    "Pipeline",
    "Requirement",
    "Serve",
    "Stage",
    "Stored",
    "Training",
]


USUAL_CONFIDENCE = 0.9
"""That of every interval where nobody states another: an end of it is passed by chance once in 20 times."""


class Stored(Record):
    """A version of a model in a model store.

    version: reference, ``digits@v3`` · file: path like ModelChoice.path · opens: of an encrypted one, the reference to
    its ``key`` and the ``context`` that it is bound to
    """

    version: str
    digest: str
    file: str
    opens: Mapping[str, str] | None = Field(default=None, exclude_if=lambda opens: opens is None)


class ModelChoice(Record):
    """One model that may serve the intent.

    name: file stem, unique within the intent · path: relative to the working directory, or absolute if written so; of a
    model without a file, the name of the card that describes it; of one in a model store, its reference after
    ``store://`` · card: whether it is one · stored: what that reference stands for, once that was looked up ·
    declared: metric -> value (SI) that the author states for the unquantised model, such as ``accuracy.top1``
    """

    name: str
    path: str
    card: bool = False
    stored: Stored | None = Field(default=None, exclude_if=lambda stored: stored is None)
    declared: Mapping[str, float] = {}
    where: Span

    @property
    def file(self) -> str:
        """The file to read, or the name of the card."""
        return self.stored.file if self.stored else self.path

    @property
    def opens(self) -> Mapping[str, str] | None:
        """What opens that file, where a model store holds it encrypted."""
        return self.stored.opens if self.stored else None


class Data(Record):
    """Data of the intent; paths like ModelChoice.path. The first file whose arrays fit a model's inputs is used for it.

    evaluate: what accuracy is measured on · calibrate: what static quantisation reads its ranges from · train: items
    with right answers that compression may learn from
    """

    evaluate: tuple[DataFile, ...] = ()
    calibrate: tuple[DataFile, ...] = ()
    train: tuple[DataFile, ...] = Field(default=(), exclude_if=lambda files: not files)


class Load(Record):
    """What must be sustained.

    rate_per_s: mean arrival rate of requests, one item each; of a rate that changes, the highest · hourly_per_s: the
    rate in each hour of the day, the first from midnight UTC; empty where it is always the same · prompt_tokens,
    output_tokens: of a request to a language model, on average; None for other models · split: into how many equal
    pieces it may be cut, for groups of replicas on different devices; None: all replicas are alike
    """

    rate_per_s: float
    hourly_per_s: tuple[float, ...] = Field(default=(), exclude_if=lambda rates: not rates)
    arrivals: Literal["poisson", "constant"] = "poisson"
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    split: int | None = Field(default=None, exclude_if=lambda pieces: pieces is None)

    def times(self, factor: float) -> "Load":
        """Return so many times the load."""
        rates = tuple(rate * factor for rate in self.hourly_per_s)
        return self.model_copy(update={"rate_per_s": self.rate_per_s * factor, "hourly_per_s": rates})


class Part(Record):
    """A group of alike replicas that serves a share of a service; it is an intent of its own, ``<service>/<number>``.

    pieces: of the service's load that it serves · of: equal ones into which that is cut · rate_per_s: of all of them
    """

    service: str
    number: int
    pieces: int
    of: int
    rate_per_s: float

    @property
    def share(self) -> float:
        """The share of the service's requests that it serves."""
        return self.pieces / self.of


class Training(Record):
    """A training job. tokens: to train on, in all · batch: sequences per optimizer step · sequence: tokens of one."""

    tokens: float
    batch: int
    sequence: int


class Requirement(Record):
    """One bound that must hold.

    bound: SI · text: as shown to people, ``latency.p99 <= 10 ms`` · where: of the value · implied_by: the part of the
    intent that it follows from, None where its author wrote it as a bound
    """

    metric: str
    bound: float
    text: str
    where: Span
    implied_by: Literal["load"] | None = None


class Goal(Record):
    """One thing to make small or large; goals are ordered, most important first.

    tolerance: share by which this goal may worsen to improve the next one
    """

    direction: Literal["minimize", "maximize"]
    metric: str
    tolerance: float = 0.0
    where: Span | None = None

    def __str__(self) -> str:
        suffix = f" within {100 * self.tolerance:.4g} %" if self.tolerance else ""
        return f"{self.direction} {self.metric}{suffix}"


class Constraints(Record):
    """What the user pins; an empty tuple leaves the choice open. ``exclude`` uses the same names and takes away."""

    model: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()
    quantization: tuple[str, ...] = ()
    compression: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    executor: tuple[str, ...] = ()
    batch: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()
    replicas: tuple[int, ...] = ()


class Serve(Record):
    """Where the service answers. port: None lets the executor take a free one and keep it in the state."""

    host: str = "127.0.0.1"
    port: int | None = None


_MOST_NAMED = 8
"""Stages of a pipeline that are named in a sentence."""


class Stage(Record):
    """One model of a pipeline.

    after: stages whose output it takes; none for what takes the request itself · per: items of it that one request of
    the pipeline makes, one after the other · produces_bytes: that one item hands to each stage behind it; None where
    nobody says · where: its name
    """

    name: str
    after: tuple[str, ...] = ()
    per: int = 1
    produces_bytes: float | None = None
    where: Span


class Pipeline(Record):
    """Several models that answer a request together. Each stage is an intent of its own, ``<pipeline>/<stage>``.

    stages: each behind those that it takes from · require: bounds on what a request sees of the whole, and on what all
    stages take together; what each stage must sustain for itself stands with the stage · where: of its name
    """

    name: str
    stages: tuple[Stage, ...]
    require: tuple[Requirement, ...] = ()
    where: Span

    @property
    def edges(self) -> tuple[tuple[Stage, Stage], ...]:
        """Who hands to whom."""
        named = {stage.name: stage for stage in self.stages}
        return tuple((named[first], stage) for stage in self.stages for first in stage.after)

    @property
    def branches(self) -> bool:
        """Whether a request waits for the slower of several stages."""
        taken = [first for stage in self.stages for first in stage.after]
        joined = any(len(stage.after) > 1 for stage in self.stages)
        return joined or len({stage.name for stage in self.stages} - set(taken)) > 1

    def said(self, bound: Requirement) -> str:
        """Say a bound of the whole, and of which stages."""
        names = [stage.name for stage in self.stages]
        chain = all(then.after == (first.name,) for first, then in zip(self.stages, self.stages[1:], strict=False))
        many = len(names) > _MOST_NAMED
        listed = [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} more"] if many else names
        return f"{bound.text}, all of {(' -> ' if chain else ', ').join(listed)}"

    def known_handing(self, first: Stage, then: Stage) -> str:
        """Say what must hold for it to be known how long one stage takes to hand to another."""
        both = f"{self.called(first)} and {self.called(then)}"
        if first.produces_bytes is None:
            return f"{both} stand on one machine, as nobody says what {first.name} `produces`"
        return f"{both} stand on one machine, or on machines that something of known bandwidth joins"

    def called(self, stage: Stage) -> str:
        """Return the name of a stage's intent."""
        return f"{self.name}/{stage.name}"


class Intent(Record):
    """One workload as its author wants it; after this record nothing has a hidden default.

    require: what is written as a bound, and before it what the load implies: a throughput no smaller than its rate ·
    when: a job may run · required: whether it must run; else it may be refused ·
    risk: which end of an estimate a requirement is compared with (``pessimistic`` is the default) · confidence: of the
    two-sided intervals of what is measured on finite data · transforms: name -> parameter -> values to try, as text;
    what is only planned with where it is named is named here · placement: where
    its replicas may stand, how they spread, beside whom · pipeline: that it is a stage of · part: of a service whose
    load is split, that it serves · moved_from: names that it had before · prevent_destroy: what stands of it is neither
    deleted nor replaced · protection: what is required of its model's files · spans: dotted field path, as written in
    the file -> where its value stands
    """

    name: str
    labels: Mapping[str, str] = {}
    task: str
    models: tuple[ModelChoice, ...]
    data: Data = Data()
    load: Load | None = None
    train: Training | None = None
    when: When | None = Field(default=None, exclude_if=lambda when: when is None)
    require: tuple[Requirement, ...] = ()
    goal: tuple[Goal, ...]
    required: bool = Field(default=True, exclude_if=bool)
    priority: int = 0
    risk: Literal["pessimistic", "expected"] = "pessimistic"
    confidence: float = Field(default=USUAL_CONFIDENCE, exclude_if=lambda share: share == USUAL_CONFIDENCE)
    pin: Constraints = Constraints()
    exclude: Constraints = Constraints()
    transforms: Mapping[str, Mapping[str, tuple[str, ...]]] = Field(default={}, exclude_if=lambda wanted: not wanted)
    placement: PlacementRules = Field(
        default_factory=PlacementRules, exclude_if=lambda rules: rules == PlacementRules()
    )
    pipeline: Pipeline | None = Field(default=None, exclude_if=lambda pipeline: pipeline is None)
    part: Part | None = Field(default=None, exclude_if=lambda part: part is None)
    serve: Serve = Serve()
    moved_from: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    prevent_destroy: bool = Field(default=False, exclude_if=lambda prevented: not prevented)
    protection: Protection | None = Field(default=None, exclude_if=lambda protection: protection is None)
    where: Span
    spans: Mapping[str, Span] = {}

    @property
    def judged_by(self) -> tuple[str, ...]:
        """Every ``accuracy.<measure>`` that is bounded or a goal, once."""
        names = (*(item.metric for item in self.bounds), *(goal.metric for goal in self.goal))
        return tuple(dict.fromkeys(name for name in names if name.startswith("accuracy.")))

    @property
    def stage(self) -> Stage | None:
        """What it is in its pipeline."""
        if self.pipeline is None:
            return None
        return next(stage for stage in self.pipeline.stages if self.pipeline.called(stage) == self.name)

    def times(self, metric: str) -> int:
        """Return how often a request counts a metric of it: a stage's energy once for each item that it makes."""
        stage = self.stage if metric == "energy" or metric.startswith("latency.") else None
        return 1 if stage is None else stage.per

    @property
    def bounds(self) -> tuple[Requirement, ...]:
        """Every bound that it has a part in keeping: its own, then those of its pipeline."""
        return self.require if self.pipeline is None else (*self.require, *self.pipeline.require)
