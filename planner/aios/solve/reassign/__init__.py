"""Moving what stands on machines already, so that loads and moves together cost as little as can be, with a bound."""

from aios.solve.reassign.problem import Balance, Machine, Prices, Problem, Process, Reassignment, Resource, Service
from aios.solve.reassign.reassign import reassign

__all__ = [
    "Balance",
    "Machine",
    "Prices",
    "Problem",
    "Process",
    "Reassignment",
    "Resource",
    "Service",
    "reassign",
]
