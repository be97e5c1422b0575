"""How right predictions are: which rows may be seen before which is predicted, errors, and what decisions would cost.

Arithmetic on measured and predicted numbers; what predicts them is none of its business. ``standing`` says what to
measure next, so that a choice rests on measurements.
"""

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.fidelity.comparing import Change, compared
    from aios.fidelity.configuring import Predictions, configurations
    from aios.fidelity.decisive import Contender, Pending, Rival, Standing, close_to, standing
    from aios.fidelity.deriving import derived
    from aios.fidelity.ledger import ErrorRow, error_rows
    from aios.fidelity.protocol import Split, splits, united
    from aios.fidelity.regret import Decisions, decisions
    from aios.fidelity.scoring import Score, score

__all__ = [
    "Change",
    "Contender",
    "Decisions",
    "ErrorRow",
    "Pending",
    "Predictions",
    "Rival",
    "Score",
    "Split",
    "Standing",
    "close_to",
    "compared",
    "configurations",
    "decisions",
    "derived",
    "error_rows",
    "score",
    "splits",
    "standing",
    "united",
]

__getattr__ = lazily(
    __name__,
    {
        "Change": "aios.fidelity.comparing",
        "Contender": "aios.fidelity.decisive",
        "Decisions": "aios.fidelity.regret",
        "ErrorRow": "aios.fidelity.ledger",
        "Pending": "aios.fidelity.decisive",
        "Predictions": "aios.fidelity.configuring",
        "Rival": "aios.fidelity.decisive",
        "Score": "aios.fidelity.scoring",
        "Split": "aios.fidelity.protocol",
        "Standing": "aios.fidelity.decisive",
        "close_to": "aios.fidelity.decisive",
        "compared": "aios.fidelity.comparing",
        "configurations": "aios.fidelity.configuring",
        "decisions": "aios.fidelity.regret",
        "derived": "aios.fidelity.deriving",
        "error_rows": "aios.fidelity.ledger",
        "score": "aios.fidelity.scoring",
        "splits": "aios.fidelity.protocol",
        "standing": "aios.fidelity.decisive",
        "united": "aios.fidelity.protocol",
    },
)
