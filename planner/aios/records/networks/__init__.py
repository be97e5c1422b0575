"""Arithmetic of fixed networks (vision, audio, tabular): amounts of work, and the cards that state them."""

from aios.records.networks.cards import Cards, spelling
from aios.records.networks.work import CLASSES, PER_CALL, WORK, scaled

__all__ = ["CLASSES", "PER_CALL", "WORK", "Cards", "scaled", "spelling"]
