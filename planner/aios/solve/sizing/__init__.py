"""Sizing: the machines of least price, power or number that hold what is wanted, out of shapes that may be taken.

``size`` chooses counts of machines for demands that are met in units, each by one of several ways; pooled resources
give the bound, and ``Standing`` says what really stands on machines, part by part. ``problem_of`` makes such a problem
of intents, their priced options and a fleet whose nodes are the shapes.
"""

from aios.solve.sizing.problem import Demand, Place, Problem, Shape, Way, within
from aios.solve.sizing.size import Alone, Held, Holds, Key, Sized, alone, size
from aios.solve.sizing.standing import Standing, Wanted, bought, copies_stand
from aios.solve.sizing.ways import kept, merged, numbered, problem_of, standable, undominated, watched

__all__ = [
    "Alone",
    "Demand",
    "Held",
    "Holds",
    "Key",
    "Place",
    "Problem",
    "Shape",
    "Sized",
    "Standing",
    "Wanted",
    "Way",
    "alone",
    "bought",
    "copies_stand",
    "kept",
    "merged",
    "numbered",
    "problem_of",
    "size",
    "standable",
    "undominated",
    "watched",
    "within",
]
