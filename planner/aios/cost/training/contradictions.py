"""Training runs that cannot have been as they are stated: such rows are neither learnt from nor judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from aios.cost.training.steptime import Work
from aios.cost.training.structure import Structure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["contradictions"]

_LONGEST = 1e8
"""Tokens of a sequence; the longest that anybody trained on are some millions."""
_APART = 4.0
"""By what factor stated parameters may differ from those of the stated blocks: gated or narrow ones, tied tables."""


def contradictions(observations: Observations, model: Structure, work: Work) -> Texts:
    """Return for each row what contradicts itself, empty where nothing does.

    Stages may hold unequal numbers of blocks, as those of published runs do; heads and devices cannot be cut.
    """
    import numpy as np

    found = np.full(len(observations), "", dtype="U120")
    with np.errstate(invalid="ignore", divide="ignore"):
        for wrong, text, of in _rules(observations, model, work):
            rows = np.broadcast_to(wrong, found.shape) & (found == "")
            numbers = np.broadcast_to(of, found.shape)
            found[rows] = [text.format(number) for number in numbers[rows]]
    return found


def _rules(
    observations: Observations, model: Structure, work: Work
) -> Iterator[tuple[npt.NDArray[np.bool_], str, Floats]]:
    """Yield which rows break a rule, the rule in words, and the number that breaks it."""
    import numpy as np

    heads, layers, batch = (observations.number(role) for role in ("heads", "layers", "global_batch"))
    yield heads % work.tensor > 0, "tensor parallelism over {:.0f} devices does not divide its heads", work.tensor
    yield work.pipeline > layers, "it has fewer layers than {:.0f} pipeline stages", work.pipeline
    group = work.tensor * work.pipeline * work.context
    yield work.devices % group > 0, "{:.0f} devices are no multiple of tensor x pipeline x context", work.devices
    yield batch < work.data, "a batch of {:.0f} sequences leaves replicas without one", batch
    yield work.sequence > _LONGEST, "nobody trains on sequences of {:.2g} tokens", work.sequence
    blocks = 12 * layers * observations.number("hidden") ** 2 + model.vocabulary * observations.number("hidden")
    parameters = observations.number("parameters")
    apart = np.abs(np.log(parameters / blocks)) > np.log(_APART)
    yield apart & (model.experts == 0), "its layers do not have {:.2g} parameters", parameters
