"""What can be made of a model: quantised, pruned, distilled; and what such a change needs and does.

A transform's declaration is a file beside its code (``<name>.transform.yaml``), so that what is supported can be read,
and planned with, without importing any of it.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from aios.records.base import Record
from aios.records.candidate import Quantization

__all__ = ["DEFAULT_STAGE", "Declaration", "Effect", "Needs", "Parameter", "Provenance", "Range"]

DataRole = Literal["calibrate", "train", "evaluate"]
"""Which of the intent's data: of usual inputs, with labels to learn from, with labels to be judged by."""

Stage = Literal["compression", "precision", "executor"]
DEFAULT_STAGE: Stage = "precision"


class Range(Record):
    """What a figure of the changed model is of the figure before, as a factor: usual and extreme values."""

    low: float
    value: float
    high: float


class Parameter(Record):
    """One setting of a transform.

    help: one sentence · default: as text · choices: every value that it takes, as text; empty for a number between
    ``least`` and ``most`` · offered: values that a planner may try unasked, the default among them · file: it is the
    path of a file, seen from the working directory, on whose content the result depends; empty for none · modules,
    install, data: as in Needs, of every value but the default
    """

    help: str
    default: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    offered: tuple[str, ...] = ()
    file: bool = False
    modules: tuple[str, ...] = ()
    install: str | None = None
    data: tuple[DataRole, ...] = ()


class Needs(Record):
    """What must be there.

    formats: of the model's file · stored: precisions of its weights · operators: types of which it must hold one;
    empty for any · data: of the intent · uses: further data, taken where the intent names them · modules: that must be
    installed · install: the command that brings them ·
    devices: kinds of device on which the result gains anything; empty for all · executors: that a decision of
    executors is one of; empty for all
    """

    formats: tuple[str, ...] = ("onnx",)
    stored: tuple[str, ...] = ("fp32",)
    operators: tuple[str, ...] = ()
    data: tuple[DataRole, ...] = ()
    uses: tuple[DataRole, ...] = ()
    modules: tuple[str, ...] = ()
    install: str | None = None
    devices: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    executors: tuple[str, ...] = ()


class Effect(Record):
    """What is to be expected before anything is measured, each a factor of the source's figure; None: unchanged.

    weights: bytes of the weights · time: of the engine · flops: arithmetic that is left ·
    accuracy_loss: points of a fraction that are lost (0.01 is one point), not a factor · by: parameter, a share between
    0 and 1, that all of it depends on: stated for its default, no change at 1, and of its default squared twice that
    change (factors squared, points doubled) · falls_where: settings with which accuracy only falls as ``by`` does, so
    that one result bounds others; None: nobody says so · mixed_by: parameter, the share of the arithmetic that stays in
    the file's precision, so that the time lies as far between the two precisions' · source: where that comes from
    """

    weights: Range | None = None
    time: Range | None = None
    flops: Range | None = None
    accuracy_loss: Range | None = None
    by: str | None = Field(default=None, exclude_if=lambda name: name is None)
    falls_where: Mapping[str, str] | None = Field(default=None, exclude_if=lambda settings: settings is None)
    mixed_by: str | None = Field(default=None, exclude_if=lambda name: name is None)
    source: str = ""


class Declaration(Record):
    """A transform as its file states it.

    name: as in ``quantization`` or ``compression`` of a candidate; ``half`` for the conversion to fp16 ·
    stage: ``compression`` changes the network and comes first, ``precision`` what it computes in, ``executor`` is no
    file that is made but a decision that an executor carries out, by its one parameter · precisions: that it
    gives; empty where it keeps the source's · revision: grows when equal settings would give another result · asked:
    planned with only where the intent names it, because making it takes minutes or needs data to learn from ·
    reproducible: whether the same recipe gives the same bytes; ``why_not`` says what keeps it from that
    """

    name: str
    summary: str
    stage: Stage = DEFAULT_STAGE
    precisions: tuple[str, ...] = ()
    quantization: Quantization = "none"
    revision: int = 1
    asked: bool = False
    needs: Needs = Needs()
    parameters: Mapping[str, Parameter] = {}
    effect: Effect = Effect()
    reproducible: bool = True
    why_not: str | None = Field(default=None, exclude_if=lambda reason: reason is None)

    @property
    def setting(self) -> str:
        """How a candidate's settings call a decision of its executor."""
        return self.name.replace("-", "_")


class Provenance(Record):
    """Where a prepared model comes from; one entry for each step, the source's own file first.

    transform: its name, None for the source · source: digest of what it was made from · settings: every parameter,
    defaults too · versions: library -> version · data: role -> digest · digest: of the result · reproducible: as
    declared · report: what the transform says of what it did (layers kept in float, share pruned), name -> text
    """

    transform: str | None
    source: str
    settings: Mapping[str, str] = {}
    versions: Mapping[str, str] = {}
    data: Mapping[DataRole, str] = {}
    digest: str
    reproducible: bool = True
    report: Mapping[str, str] = {}
