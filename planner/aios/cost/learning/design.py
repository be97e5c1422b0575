"""What a predictor says of rows before anything is learnt, and what kinds of effects it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from aios.records.fleet import DeviceType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from aios.records.observation import Floats, Observations, Texts

__all__ = ["Design", "Predictor", "StageForm"]


@dataclass(frozen=True)
class Design:
    """n rows as the regression sees them; arrays are of length n.

    features: name -> column of finite numbers, mostly logarithms · base: physical prediction, in the unit of the target
    (natural logarithm of an SI number, or a plain number where the predictor's scale is plain) · keys: name -> group of
    each row (``device``, ``class``, ``setting``, ``model``...); rows of the empty group have no effect of that stage ·
    least: of the target that physics allows, -inf where nothing is known · most: the same, None where physics sets no
    upper bound to any row, inf where it sets none to one · unknown: why a row cannot be predicted,
    empty where it can; such a row's features and base are ignored · parts: kind of work -> its time at nominal rates,
    in the unit whose logarithm the target is; where a predictor learns mixes, their weighted sum takes the place of
    base
    """

    features: Mapping[str, Floats]
    base: Floats
    keys: Mapping[str, Texts]
    least: Floats
    unknown: Texts
    parts: Mapping[str, Floats] = field(default_factory=dict)
    most: Floats | None = None

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Design:
        """Return the rows that a mask or index selects."""
        return replace(
            self,
            features={name: column[rows] for name, column in self.features.items()},
            base=self.base[rows],
            keys={name: column[rows] for name, column in self.keys.items()},
            least=self.least[rows],
            unknown=self.unknown[rows],
            parts={name: column[rows] for name, column in self.parts.items()},
            most=None if self.most is None else self.most[rows],
        )

    def bounded(self, target: Floats) -> Floats:
        """Return the targets, those that physics forbids replaced by the nearest that it allows."""
        import numpy as np

        found: Floats = np.maximum(target, self.least)
        return found if self.most is None else np.minimum(found, self.most)

    def possible(self, target: Floats) -> npt.NDArray[np.bool_]:
        """Return which targets physics allows."""
        mask: npt.NDArray[np.bool_] = target >= self.least
        return mask if self.most is None else mask & (target <= self.most)


class StageForm(NamedTuple):
    """A kind of effect.

    keys: what makes a group · degree: 0 a constant, 1 linear, 2 with squares and products · fewest: rows that a group
    needs to have an effect of its own
    """

    keys: tuple[str, ...]
    degree: Literal[0, 1, 2] = 0
    fewest: int = 1


class Predictor(NamedTuple):
    """Predicts one kind of value.

    version: of its features and base; calibrations of another version are not read · metrics: that it knows · scale:
    ``log`` where the target is the logarithm of the value, ``plain`` where it is the value · stages: in order, widest
    groups first · design: rows and device types by name -> what is known of them · target: measured values in the
    metric's SI unit -> what is learnt (such as the logarithm of seconds per item) · value: the way back · mixes: groups
    that have factors of their own on the parts of a design, widest first; learnt before the stages
    """

    name: str
    version: int
    metrics: tuple[str, ...]
    stages: tuple[StageForm, ...]
    design: Callable[[Observations, Mapping[str, DeviceType]], Design]
    target: Callable[[Observations], Floats]
    value: Callable[[Observations, Floats], Floats]
    scale: Literal["log", "plain"] = "log"
    mixes: tuple[StageForm, ...] = ()
