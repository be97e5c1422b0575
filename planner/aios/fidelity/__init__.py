"""How right predictions are: which rows may be seen before which is predicted, errors, and what decisions would cost.

Arithmetic on measured and predicted numbers; what predicts them is none of its business.
"""

from aios.fidelity.comparing import Change, compared
from aios.fidelity.protocol import Split, splits
from aios.fidelity.regret import Decisions, Predictions, decisions
from aios.fidelity.scoring import Score, score

__all__ = ["Change", "Decisions", "Predictions", "Score", "Split", "compared", "decisions", "score", "splits"]
