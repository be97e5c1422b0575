"""How right predictions are: which rows may be seen before which is predicted, errors, and what decisions would cost.

Arithmetic on measured and predicted numbers; what predicts them is none of its business.
"""

from typing import TYPE_CHECKING

from aios.records.lazily import lazily

if TYPE_CHECKING:
    from aios.fidelity.comparing import Change, compared
    from aios.fidelity.configuring import Predictions, configurations
    from aios.fidelity.deriving import derived
    from aios.fidelity.ledger import ErrorRow, error_rows
    from aios.fidelity.protocol import Split, splits, united
    from aios.fidelity.regret import Decisions, decisions
    from aios.fidelity.scoring import Score, score

__all__ = [
    "Change",
    "Decisions",
    "ErrorRow",
    "Predictions",
    "Score",
    "Split",
    "compared",
    "configurations",
    "decisions",
    "derived",
    "error_rows",
    "score",
    "splits",
    "united",
]

__getattr__ = lazily(
    __name__,
    {
        "Change": "aios.fidelity.comparing",
        "Decisions": "aios.fidelity.regret",
        "ErrorRow": "aios.fidelity.ledger",
        "Predictions": "aios.fidelity.configuring",
        "Score": "aios.fidelity.scoring",
        "Split": "aios.fidelity.protocol",
        "compared": "aios.fidelity.comparing",
        "configurations": "aios.fidelity.configuring",
        "decisions": "aios.fidelity.regret",
        "derived": "aios.fidelity.deriving",
        "error_rows": "aios.fidelity.ledger",
        "score": "aios.fidelity.scoring",
        "splits": "aios.fidelity.protocol",
        "united": "aios.fidelity.protocol",
    },
)
