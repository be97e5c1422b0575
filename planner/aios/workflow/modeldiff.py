"""model diff: two versions of the model store beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aios.records.base import Span
from aios.records.intent import ModelChoice
from aios.records.measurement import Measured, Measurement, Subject
from aios.records.modelstore import Reference, Version
from aios.workflow.modelstore import plain_only, reference_of, store_of
from aios.workflow.setting import Setting
from aios.workflow.stages import stage

if TYPE_CHECKING:
    from aios.models.comparing import Fact, WeightChanges
    from aios.records.model import ModelProfile
    from aios.spi.model_reader import ModelReader
    from aios.spi.weights import Constants

__all__ = ["Beside", "Difference", "diff_models"]


class Beside(NamedTuple):
    """One measured metric of both models under the same conditions; None where one was not measured so."""

    conditions: str
    metric: str
    before: Measured | None
    after: Measured | None


class Difference(NamedTuple):
    """figures: equal ones too · operators: whose number differs · weights: None where the reader cannot tell"""

    before: tuple[str, Version]
    after: tuple[str, Version]
    figures: tuple[Fact, ...]
    operators: tuple[Fact, ...]
    weights: WeightChanges | None
    measured: tuple[Beside, ...]


def diff_models(setting: Setting, first: str, second: str) -> Difference:
    """Return how two versions differ; ``@REF`` alone is of the first one's name. Every byte is compared before."""
    from aios.models.comparing import compare_profiles, compare_weights
    from aios.spi import registry

    store = store_of(setting)
    before = reference_of(first)
    after = reference_of(f"{before.name}{second}" if second.startswith("@") else second)
    with stage("comparing models", setting.tell, "checking both models"):
        old, new = store.load(before), store.load(after)
        with old.lease, new.lease:
            for item, reference in ((old, before), (new, after)):
                plain_only(item.version, str(reference))
            readers = registry.load_all("aios.model_readers")
            profiles = [_profile(item.path, readers, setting) for item in (old, new)]
            figures, operators = compare_profiles(*profiles)
            setting.tell("comparing weights")
            one, other = _constants(old.path, readers), _constants(new.path, readers)
            weights = None if one is None or other is None else compare_weights(one, other)
    told = (Reference(item.name, f"v{found.version.number}") for item, found in ((before, old), (after, new)))
    left, right = map(str, told)
    measured = _measured(setting, old.version.digest, new.version.digest)
    return Difference((left, old.version), (right, new.version), figures, operators, weights, measured)


def _profile(path: Path, readers: Mapping[str, ModelReader], setting: Setting) -> ModelProfile:
    from aios.models import profile_models

    choice = ModelChoice(name="model", path=str(path), where=Span(file=str(path), line=1, column=1))
    return profile_models((choice,), readers, setting.model_cache)["model"]


def _constants(path: Path, readers: Mapping[str, object]) -> Constants | None:
    from aios.spi.weights import HoldsWeights

    found = [item for item in readers.values() if isinstance(item, HoldsWeights) and path.suffix in item.suffixes]
    return found[0].weights(path) if found else None


def _measured(setting: Setting, before: str, after: str) -> tuple[Beside, ...]:
    """Return every metric that was measured of one of two models, what both have first."""
    from aios.state import ProfileStore

    found: dict[Subject, list[Measurement | None]] = {}
    for item in ProfileStore(setting.profiles).load().values():
        for place, digest in enumerate((before, after)):
            if item.subject.model == digest:
                found.setdefault(item.subject.model_copy(update={"model": ""}), [None, None])[place] = item
    lines = [
        Beside(_conditions(subject), metric, *(item.values.get(metric) if item else None for item in pair))
        for subject, pair in found.items()
        for metric in sorted({name for item in pair if item for name in item.values})
    ]
    return tuple(
        sorted(lines, key=lambda line: (line.before is None or line.after is None, line.metric, line.conditions))
    )


def _conditions(subject: Subject) -> str:
    quantized = f" {subject.quantization}" if subject.quantization != "none" else ""
    words = [f"{subject.kind}, {subject.precision}{quantized} on {subject.device}"]
    words += [f"{subject.threads} threads, batch {subject.batch}"] if subject.kind in ("service", "serving") else []
    return ", ".join(words)
