"""What the user wants: the record that every way of writing an intent compiles to."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record, Span
from aios.records.when import When
from aios.records.where import PlacementRules

__all__ = ["Constraints", "Data", "Goal", "Intent", "Load", "ModelChoice", "Requirement", "Serve", "Training"]


class ModelChoice(Record):
    """One model that may serve the intent.

    name: file stem, unique within the intent · path: relative to the working directory, or absolute if written so; of a
    model without a file, the name of the card that describes it · card: whether it is one ·
    declared: metric -> value (SI) that the author states for the unquantised model, such as ``accuracy.top1``
    """

    name: str
    path: str
    card: bool = False
    declared: Mapping[str, float] = {}
    where: Span


class Data(Record):
    """Data of the intent; paths like ModelChoice.path. The first file whose arrays fit a model's inputs is used for it.

    evaluate: what accuracy is measured on · calibrate: what static quantisation reads its ranges from
    """

    evaluate: tuple[str, ...] = ()
    calibrate: tuple[str, ...] = ()


class Load(Record):
    """What must be sustained.

    rate_per_s: mean arrival rate of requests, one item each · prompt_tokens, output_tokens: of a request to a language
    model, on average; None for other models
    """

    rate_per_s: float
    arrivals: Literal["poisson", "constant"] = "poisson"
    prompt_tokens: int | None = None
    output_tokens: int | None = None


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
        suffix = f" within {self.tolerance:.3g}" if self.tolerance else ""
        return f"{self.direction} {self.metric}{suffix}"


class Constraints(Record):
    """What the user pins; an empty tuple leaves the choice open. ``exclude`` uses the same names and takes away."""

    model: tuple[str, ...] = ()
    device: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()
    quantization: tuple[str, ...] = ()
    executor: tuple[str, ...] = ()
    batch: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()
    replicas: tuple[int, ...] = ()


class Serve(Record):
    """Where the service answers. port: None lets the executor take a free one and keep it in the state."""

    host: str = "127.0.0.1"
    port: int | None = None


class Intent(Record):
    """One workload as its author wants it; after this record nothing has a hidden default.

    require: what is written as a bound, and before it what the load implies: a throughput no smaller than its rate ·
    when: a job may run · required: whether it must run; else it may be refused ·
    risk: which end of an estimate a requirement is compared with (``pessimistic`` is the default) · placement: where
    its replicas may stand, how they spread, beside whom ·
    spans: dotted field path, as written in the file -> where its value stands
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
    pin: Constraints = Constraints()
    exclude: Constraints = Constraints()
    placement: PlacementRules = Field(
        default_factory=PlacementRules, exclude_if=lambda rules: rules == PlacementRules()
    )
    serve: Serve = Serve()
    where: Span
    spans: Mapping[str, Span] = {}
