"""Whether what was learnt is of a predictor as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from aios.records.calibration import Calibration, Stage

if TYPE_CHECKING:
    from aios.cost.learning import Design, Predictor, StageForm

__all__ = ["disagreement", "odd_name"]


def disagreement(learnt: Calibration) -> str | None:
    """Return why a calibration is not one of the predictor that it names, as far as is soon seen; None where it is."""
    from aios.cost.predictors import PREDICTORS, predictor

    if learnt.predictor not in PREDICTORS:
        return f"there is no predictor {learnt.predictor}"
    known = predictor(learnt.predictor)
    if learnt.metric not in known.metrics:
        return f"{known.name} does not predict {learnt.metric}"
    if learnt.version != known.version:
        return f"of version {learnt.version} of the predictor {known.name}, which is at {known.version}"
    odd = _odd_keys(learnt.mixes, known.mixes) or _odd_keys(learnt.stages, known.stages)
    return f"the predictor {known.name} learns nothing by {odd}" if odd else None


def odd_name(learnt: Calibration) -> str | None:
    """Return why a calibration that names no other predictor has features or parts that are none of its predictor's.

    Takes a tenth of a second: names are seen in what the predictor says of a row that states nothing.
    """
    from aios.cost.predictors import predictor

    known = predictor(learnt.predictor)
    design = _of_nothing(known, learnt.metric)
    named = (name for term in _terms(learnt.stages) for name in term.split(" * "))
    features = dict.fromkeys((*learnt.features, *learnt.spread, *named))
    odd = [name for name in features if name not in design.features and name != "constant"]
    odd += [name for name in _terms(learnt.mixes) if name not in design.parts]
    return f"the predictor {known.name} has no feature or part called {odd[0]}" if odd else None


def _odd_keys(found: Sequence[Stage], forms: Sequence[StageForm]) -> str | None:
    known = [form.keys for form in forms]
    return next((", ".join(stage.keys) or "nothing" for stage in found if stage.keys not in known), None)


def _terms(stages: Iterable[Stage]) -> list[str]:
    return list(dict.fromkeys(term for stage in stages for effect in stage.effects for term in effect.terms))


def _of_nothing(known: Predictor, metric: str) -> Design:
    """Return what a predictor says of a row that states nothing: what its features and parts are called."""
    import numpy as np

    from aios.records.observation import Observations

    nothing = np.array([""])
    return known.design(
        Observations(
            table="",
            predictor=known.name,
            metric=metric,
            unit="",
            words={},
            numbers={},
            types=nothing,
            families=nothing,
            lines=np.array([0]),
            values=np.array([1.0]),
        ),
        {},
    )
