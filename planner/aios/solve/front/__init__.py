"""The Pareto front of intents over several metrics: every plan that no other plan beats in all of them at once."""

from aios.solve.front.axes import Value, values_of
from aios.solve.front.make import Front, Missing, Point, front
from aios.solve.front.own import with_plan

__all__ = ["Front", "Missing", "Point", "Value", "front", "values_of", "with_plan"]
