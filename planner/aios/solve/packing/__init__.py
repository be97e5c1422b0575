"""Packing demands onto nodes: many of few kinds, with a bound."""

from aios.solve.packing.pack import pack
from aios.solve.packing.problem import NO_GROUP, WHOLE, Kind, Nodes, Packing, Problem, Short, Standing

__all__ = ["NO_GROUP", "WHOLE", "Kind", "Nodes", "Packing", "Problem", "Short", "Standing", "pack"]
