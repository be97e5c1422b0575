"""How right predictions are: which rows may be seen before which is predicted, errors, and what decisions would cost.

Arithmetic on measured and predicted numbers; what predicts them is none of its business.
"""

from aios.fidelity.comparing import Change, compared
from aios.fidelity.configurations import Predictions, configurations
from aios.fidelity.deriving import derived
from aios.fidelity.protocol import Split, splits
from aios.fidelity.regret import Decisions, decisions
from aios.fidelity.scoring import Score, score

__all__ = [
    "Change",
    "Decisions",
    "Predictions",
    "Score",
    "Split",
    "compared",
    "configurations",
    "decisions",
    "derived",
    "score",
    "splits",
]
