"""What must hold, one module per kind of clause. Each has a twin in the checker that recomputes it."""

from aios.solve.clauses.rules import Rule, rules_of

__all__ = ["Rule", "rules_of"]
