"""Stated demands on a fleet: which copies are admitted, and where they stand."""

from aios.solve.admission.admit import Admitted, admit

__all__ = ["Admitted", "admit"]
