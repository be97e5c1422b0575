"""The written form of an intent: what may stand in the YAML, with the words that editors show beside it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainValidator, Strict, WithJsonSchema

from aios.intents.data import DataForm, file_path
from aios.intents.goals import DEFAULT_GOAL, WrittenGoal, read_goal
from aios.intents.protecting import RequiresForm, SecurityForm
from aios.intents.rates import WrittenRate
from aios.intents.times import WhenForm
from aios.intents.where import ApartForm, AtLeastOne, SpreadForm, SurviveForm, TogetherForm, WhereForm
from aios.records.base import Record
from aios.records.candidate import Quantization
from aios.records.errors import BadValue
from aios.records.forms import Many
from aios.records.intent import USUAL_CONFIDENCE
from aios.records.metrics import MEASURES
from aios.records.modelstore import SCHEME, parse_reference
from aios.records.names import Name
from aios.records.quantity import Bytes, CarbonRate, CostRate, Energy, Power, Price, Quantity, Rate, Time, Whole
from aios.records.units import Dimension, pattern_of

__all__ = ["AnyOf", "IntentForm", "IntentMetadata", "Lifecycle", "ModelFile", "Spec", "TransformsForm"]

_FILE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_MEASURE = r"[a-z][a-z0-9_]*"


def _file_name(text: str) -> str:
    if re.fullmatch(_FILE_NAME, text):
        return text
    raise BadValue(f"`{text[:120]}` is no name: names are letters, digits, `.`, `_` and `-`, at most 100")


def _measure(text: str) -> str:
    if re.fullmatch(_MEASURE, text):
        return text
    mended = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    raise BadValue(
        f"`{text[:80]}` is no measure: measures are lower-case letters, digits and `_`",
        f"write `{mended}`" if re.fullmatch(_MEASURE, mended) else None,
    )


def _judged(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Quantity(Dimension.COUNT if is_number else Dimension.FRACTION, zero=True).read(value)


def _judged_schema() -> Any:
    number = {"type": "number", "minimum": 0}
    share = {"type": "string", "pattern": pattern_of(Dimension.FRACTION), "examples": ["97 %"]}
    names = {"propertyNames": {"pattern": f"^{_MEASURE}$"}}
    bare = {item.pattern: number for item in MEASURES if not item.shares}
    return WithJsonSchema(
        {"type": "object", "properties": bare, "additionalProperties": {"anyOf": [share, number | {"maximum": 1}]}}
        | names
    )


def _model(text: str) -> str:
    if text.startswith(SCHEME):
        parse_reference(text)
        return text
    return file_path(text)


def _card(text: str) -> str:
    if not text.strip():
        raise BadValue("the name of a model is wanted here, not an empty text", "write one such as `resnet50`")
    return text


def _task(text: str) -> str:
    if not text.strip():
        raise BadValue("a task is wanted here, not an empty text", "write a task such as `image-classification`")
    return text


def _in_schema(pattern: str) -> Any:
    return Field(json_schema_extra={"pattern": f"^{pattern}$"})


FileName: TypeAlias = Annotated[str, AfterValidator(_file_name), _in_schema(_FILE_NAME)]
Measure: TypeAlias = Annotated[str, AfterValidator(_measure)]
Model: TypeAlias = Annotated[str, AfterValidator(_model)]
Count: TypeAlias = Annotated[int, Strict(), Field(ge=1, le=10**9)]
Card: TypeAlias = Annotated[str, AfterValidator(_card)]
Accuracy: TypeAlias = Annotated[float, Quantity(Dimension.FRACTION, most=1.0)]
Judged: TypeAlias = Annotated[dict[Measure, Annotated[float, PlainValidator(_judged)]], _judged_schema()]
"""Measure -> a share, or a bare number of measures that are none; which it must be, the reader asks of the measure."""
Sure: TypeAlias = Annotated[float, Quantity(Dimension.FRACTION, most=0.999)]
TransformsForm: TypeAlias = dict[str, dict[str, Many[bool | int | float | str]]]
Precision: TypeAlias = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp4", "int16", "int8", "int4"]


class Metadata(Record):
    """What identifies the intent."""

    name: Name = Field(
        description="Name of the intent, unique in a plan: lower-case letters, digits and `-`.",
        examples=["classify-images"],
    )
    labels: dict[str, str] = Field(
        {}, description="Words of your own, such as the team.", examples=[{"team": "vision"}]
    )


class MovedForm(Record):
    """That the intent had another name."""

    names: Many[Name] = Field(
        alias="from", description="The name that it had before, or every one that it had.", examples=["read-digits"]
    )


class IntentMetadata(Metadata):
    """What identifies an intent of which something is made to stand."""

    moved: MovedForm | None = Field(
        None,
        description="That it had another name: what stands under that one is kept, under the new name.",
        examples=[{"from": "read-digits"}],
    )


class Lifecycle(Record):
    """What may become of the service once it stands."""

    prevent_destroy: Annotated[bool, Strict()] = Field(
        False, description="Refuse plans that delete or replace the service; what changes in place may change."
    )


class Declared(Record):
    """What the author of a model states about it."""

    accuracy: dict[Measure, Accuracy] = Field(
        {}, description="Measure -> share of right answers of the unquantised model.", examples=[{"top1": "97 %"}]
    )


class ModelFile(Record):
    """One model."""

    path: Model | None = Field(
        None,
        description="Path of the model, or of the configuration of one (`config.json`), relative to this file; "
        "`store://NAME@REF` for one of the model store.",
        examples=["./models/classifier.onnx"],
    )
    card: Card | None = Field(
        None,
        description="Name of a published model that is planned without a file, as `aios model list` shows it.",
        examples=["meta-llama/Llama-3.1-8B", "resnet50"],
    )
    name: FileName | None = Field(None, description="How plans call it; the file's name without its ending by default.")
    declared: Declared = Field(
        default_factory=Declared,
        description="What the model's card states; used where nothing is measured.",
        examples=[{"accuracy": {"top1": "97 %"}}],
    )


class AnyOf(Record):
    """Models of which any may be chosen."""

    anyOf: Many[Model | ModelFile] = Field(
        description="Models of which any may be chosen.", examples=[["./models/small.onnx", "./models/large.onnx"]]
    )


PIECES = 10
"""Into how many pieces a load is cut where nobody says: shares in steps of a tenth."""
AtLeastTwo: TypeAlias = Annotated[int, Strict(), Field(ge=2, le=64)]


class LoadForm(Record):
    """What must be sustained."""

    rate: WrittenRate = Field(
        description="Mean arrival rate of requests, one item each: `20/s`. One that changes over the day is written "
        "as 24 values, one for each hour from midnight UTC on, or by the hours from which on another one holds: "
        '`{"08:00": 40/s, "20:00": 5/s}`.'
    )
    arrivals: Literal["poisson", "constant"] = Field(
        "poisson", description="How requests arrive: at random, independent of each other, or evenly spaced."
    )
    prompt: Count | None = Field(
        None, description="Mean tokens of a prompt, of requests to a language model.", examples=[1024]
    )
    output: Count | None = Field(
        None, description="Mean tokens of an answer, of requests to a language model.", examples=[256]
    )

    split: Annotated[bool, Strict()] | AtLeastTwo | None = Field(
        None,
        description="Whether groups of replicas on different devices may share the load: in how many equal pieces, or "
        "`true` for 10.",
        examples=[True],
    )

    @property
    def pieces(self) -> int | None:
        """Into how many pieces the load may be cut; None where it may not."""
        if isinstance(self.split, bool):
            return PIECES if self.split else None
        return self.split

    @property
    def highest(self) -> float:
        """The rate, of one that changes the highest, in 1/s."""
        rates = self.rate.values() if isinstance(self.rate, Mapping) else self.rate
        return rates if isinstance(rates, float) else max(rates)


class TrainForm(Record):
    """A training job."""

    tokens: Annotated[float, Quantity(Dimension.COUNT)] = Field(
        description="Tokens to train on, in all.", examples=["3e11"]
    )
    batch: Count = Field(description="Sequences per optimizer step, all devices together.", examples=[1024])
    sequence: Count = Field(description="Tokens of one sequence.", examples=[4096])


class TimesForm(Record):
    """Bounds on the mean and the percentiles of a time."""

    mean: Time | None = Field(None, description="Largest mean.")
    p50: Time | None = Field(None, description="Largest median.")
    p90: Time | None = Field(None, description="Largest 90th percentile.")
    p95: Time | None = Field(None, description="Largest 95th percentile.")
    p99: Time | None = Field(None, description="Largest 99th percentile.")


class LatencyForm(TimesForm):
    """Bounds on the time from sending a request to having its answer, at the stated load, queueing included."""

    ttft: TimesForm | None = Field(
        None, description="Time from sending a request to its first token.", examples=[{"p99": "500 ms"}]
    )
    tpot: TimesForm | None = Field(
        None, description="Time per output token after the first one.", examples=[{"p90": "50 ms"}]
    )


class RequireForm(Record):
    """Bounds that must all hold; the metric says which way each points."""

    latency: LatencyForm | None = Field(None, description="Upper bounds on latency.", examples=[{"p99": "10 ms"}])
    accuracy: Judged | None = Field(
        None,
        description="Measure -> smallest share of right answers; of measures of loss and error, the largest value.",
        examples=[{"top1": "97 %"}, {"top1_loss": "1 %"}],
    )
    time: Time | None = Field(None, description="Longest time from the start of a job to its end.", examples=["14 d"])
    throughput: Rate | None = Field(None, description="Smallest rate that can be sustained.")
    power: Power | None = Field(None, description="Largest mean power at the stated load.")
    energy: Energy | None = Field(None, description="Largest energy per request.")
    memory: Bytes | None = Field(None, description="Largest peak memory of all replicas.")
    cost: CostRate | None = Field(None, description="Largest price of the device shares used.")
    expense: Price | None = Field(None, description="Most that a job may cost in all.")
    carbon: CarbonRate | None = Field(None, description="Largest operational carbon.")


class ConstraintsForm(Record):
    """Choices by name; each a single one or a list."""

    model: Many[str] | None = Field(None, description="Models, by name.")
    device: Many[str] | None = Field(None, description="Device types, by name.", examples=["nvidia-t4"])
    node: Many[str] | None = Field(None, description="Nodes of the fleet, by name.")
    precision: Many[Precision] | None = Field(None, description="Precisions to compute in.")
    quantization: Many[Quantization] | None = Field(None, description="How a float model is quantised.")
    compression: Many[str] | None = Field(
        None, description="Transforms that change the network, by name, or `none`.", examples=["prune"]
    )
    executor: Many[str] | None = Field(None, description="Executors, by name.", examples=["onnxruntime"])
    batch: Many[Count] | None = Field(None, description="Largest batches that a replica forms.")
    threads: Many[Count] | None = Field(None, description="CPU threads per replica.")
    replicas: Many[Count] | None = Field(None, description="Numbers of copies that share the load.")


class ServeForm(Record):
    """Where the service answers."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: Annotated[int, Strict(), Field(ge=1, le=65535)] | None = Field(
        None, description="Port to listen on; a free one by default, kept while the service stands."
    )


class Spec(Record):
    """What is wanted."""

    task: Annotated[str, AfterValidator(_task)] = Field(
        description="What the model does.", examples=["image-classification"]
    )
    model: AnyOf | Many[Model | ModelFile] = Field(
        description="The model file, or several of which any may be chosen; paths are relative to this file.",
        examples=["./models/classifier.onnx"],
    )
    data: DataForm = Field(
        default_factory=DataForm, description="Data of the intent.", examples=[{"evaluate": "./eval.npz"}]
    )
    load: LoadForm | None = Field(None, description="What must be sustained.", examples=[{"rate": "20/s"}])
    train: TrainForm | None = Field(
        None,
        description="The training job, where the model is to be trained and not to be served.",
        examples=[{"tokens": "3e11", "batch": 1024, "sequence": 4096}],
    )
    when: WhenForm | None = Field(
        None, description="When a training job may run.", examples=[{"earliest": "18:00", "deadline": "3 d"}]
    )
    require: RequireForm = Field(
        default_factory=RequireForm, description="Bounds that must all hold.", examples=[{"latency": {"p99": "10 ms"}}]
    )
    requires: RequiresForm = Field(
        default_factory=RequiresForm,
        description="What must be true of the model's files before they are loaded.",
        examples=[{"encrypted": True}],
    )
    security: SecurityForm = Field(
        default_factory=SecurityForm,
        description="The keys by which that is kept: where they stand.",
        examples=[{"key": "env:MODEL_KEY"}],
    )
    goal: Many[WrittenGoal] = Field(
        default_factory=lambda: (read_goal(DEFAULT_GOAL),),
        description=f"What to make best among all that holds, most important first; `{DEFAULT_GOAL}` by default.",
    )
    required: Annotated[bool, Strict()] = Field(
        True, description="Whether it must run; one that need not is refused where it does not fit."
    )
    priority: Whole = Field(0, description="Goals of intents with a higher priority come first.")
    risk: Literal["pessimistic", "expected"] = Field(
        "pessimistic", description="Which end of an estimate a bound is compared with."
    )
    confidence: Sure = Field(
        USUAL_CONFIDENCE,
        description="Of the two-sided interval of what is measured on finite data; 90 % by default.",
        examples=["95 %"],
    )
    pin: ConstraintsForm = Field(
        default_factory=ConstraintsForm, description="Only these may be chosen.", examples=[{"precision": "int8"}]
    )
    exclude: ConstraintsForm = Field(
        default_factory=ConstraintsForm, description="These may not be chosen.", examples=[{"device": "nvidia-t4"}]
    )
    transforms: TransformsForm = Field(
        {},
        description="Transforms to plan with as well, by name: parameter -> value, or several to try.",
        examples=[{"static": {"calibration": ["minmax", "percentile"]}}],
    )
    where: WhereForm = Field(
        default_factory=WhereForm,
        description="Where it may stand, by what nodes state.",
        examples=[{"labels": {"zone": "a"}, "residency": "EU"}],
    )
    spread: Many[SpreadForm] | None = Field(
        None, description="How many replicas may be lost at once.", examples=[{"over": "rack", "max": 2}]
    )
    together: Many[Name | TogetherForm] | None = Field(
        None, description="Intents beside which every replica stands.", examples=[{"with": "cache", "by": "rack"}]
    )
    apart: Many[Name | ApartForm] | None = Field(
        None, description="Intents beside which no replica stands; its own name for one replica a node."
    )
    survive: AtLeastOne | SurviveForm | None = Field(
        None,
        description="How many nodes, or other failure domains, may be lost while the load is still sustained.",
        examples=[{"losses": 1, "of": "rack"}],
    )
    serve: ServeForm = Field(
        default_factory=ServeForm, description="Where the service answers.", examples=[{"port": 8000}]
    )
    lifecycle: Lifecycle = Field(
        default_factory=Lifecycle,
        description="What may become of the service once it stands.",
        examples=[{"prevent_destroy": True}],
    )


class IntentForm(Record):
    """One workload as its author wants it."""

    apiVersion: Literal["aios/v1"] = Field(description="Version of this form.")
    kind: Literal["Intent"] = Field(description="What this document is.")
    metadata: IntentMetadata = Field(description="What identifies the intent.", examples=[{"name": "classify-images"}])
    spec: Spec = Field(description="What is wanted.")
