"""A thin typed builder over the CP-SAT engine.

It uses the engine's compiled module directly: the usual front end (``ortools.sat.python.cp_model``) imports pandas,
which takes several times as long as everything that ``aios plan`` does. Nothing outside this file knows the engine.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

from aios.solve.interrupting import came, stopping
from aios.solve.limits import Limits

__all__ = ["Answer", "Engine", "Model", "Term"]

Term = tuple[int, int]
"""A variable's index and its coefficient."""

_NO_LIMIT = 1 << 62
_HURRIED = 1 / 60
"""Share of the allowance for each thing that is still to be done once a search was interrupted."""


def _helper() -> Any:
    """Return the engine's compiled module, its 12,000 functions bound when first called: a plan calls few of them."""
    bound_at_once = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_LAZY)
    try:
        from ortools.sat.python import cp_model_helper
    finally:
        sys.setdlopenflags(bound_at_once)
    return cp_model_helper


class Model:
    """Integer variables, linear constraints and one objective to make small."""

    def __init__(self) -> None:
        self.proto = _helper().CpModelProto()
        self._size = 0

    @property
    def size(self) -> int:
        """How many variables there are."""
        return self._size

    def variable(self, low: int, high: int) -> int:
        """Add a variable with these inclusive bounds and return its index."""
        self.proto.variables.add().domain.extend([low, high])
        self._size += 1
        return self._size - 1

    def bound(self, variable: int, low: int, high: int) -> None:
        """Replace the inclusive bounds of a variable."""
        domain = self.proto.variables[variable].domain
        domain.clear()
        domain.extend([low, high])

    def at_most_one(self, booleans: Sequence[int]) -> None:
        """Let at most one of these 0-1 variables be 1."""
        self.proto.constraints.add().at_most_one.literals.extend(list(booleans))

    def exactly_one(self, booleans: Sequence[int]) -> None:
        """Let exactly one of these 0-1 variables be 1; with none, nothing can hold."""
        self.proto.constraints.add().exactly_one.literals.extend(list(booleans))

    def linear(self, terms: Iterable[Term], low: int | None = None, high: int | None = None) -> None:
        """Keep the weighted sum between ``low`` and ``high`` (inclusive; None is open)."""
        pairs = list(terms)
        linear = self.proto.constraints.add().linear
        linear.vars.extend([variable for variable, _ in pairs])
        linear.coeffs.extend([weight for _, weight in pairs])
        linear.domain.extend([-_NO_LIMIT if low is None else low, _NO_LIMIT if high is None else high])

    def forbid(self, variables: Sequence[int]) -> None:
        """Keep these variables, none of which can be negative, at 0."""
        if variables:
            self.linear([(variable, 1) for variable in variables], high=0)

    def interval(self, start: int | None, length: int, present: int | None = None, offset: int = 0) -> int:
        """Add the time from ``start`` (a variable; None: 0) plus ``offset`` on, ``length`` long; return its index.

        present: 0-1 variable that says whether it is there at all; None: always
        """
        index = len(self.proto.constraints)
        constraint = self.proto.constraints.add()
        if present is not None:
            constraint.enforcement_literal.extend([present])
        for end, at in ((constraint.interval.start, offset), (constraint.interval.end, offset + length)):
            if start is not None:
                end.vars.extend([start])
                end.coeffs.extend([1])
            end.offset = at
        constraint.interval.size.offset = length
        return index

    def cumulative(self, taken: Iterable[tuple[int, int | None, int]], capacity: int, more: int | None = None) -> None:
        """Let what intervals take at once never exceed ``capacity``, plus the variable ``more`` if there is one.

        taken: interval, the variable that says how often it takes (None: once), how much it takes each time
        """
        cumulative = self.proto.constraints.add().cumulative
        cumulative.capacity.offset = capacity
        if more is not None:
            cumulative.capacity.vars.extend([more])
            cumulative.capacity.coeffs.extend([1])
        for interval, times, amount in taken:
            cumulative.intervals.extend([interval])
            demand = cumulative.demands.add()
            if times is None:
                demand.offset = amount
            else:
                demand.vars.extend([times])
                demand.coeffs.extend([amount])

    def minimize(self, terms: Iterable[Term]) -> None:
        """Replace the objective."""
        pairs = [term for term in terms if term[1]]
        self.proto.clear_objective()
        # An objective without terms still makes the engine report its value and bound (0).
        self.proto.objective.scaling_factor = 1.0
        self.proto.objective.vars.extend([variable for variable, _ in pairs])
        self.proto.objective.coeffs.extend([weight for _, weight in pairs])

    def hint(self, values: Sequence[int]) -> None:
        """Give the engine a solution of the model to start from."""
        self.proto.clear_solution_hint()
        self.proto.solution_hint.vars.extend(list(range(len(values))))
        self.proto.solution_hint.values.extend(list(values))


class Answer(NamedTuple):
    """What the engine found. values: by variable, empty if none · bound: no solution has a smaller objective."""

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    values: Sequence[int] = ()
    bound: int | None = None


@dataclass
class Engine:
    """Solves models within one common allowance of deterministic work. left: what remains of it."""

    limits: Limits
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.limits.deterministic_limit * (_HURRIED if came() else 1.0)

    def part(self, share: float) -> Engine:
        """Return an engine with this share of the whole allowance, of its own."""
        return Engine(self.limits._replace(deterministic_limit=share * self.limits.deterministic_limit))

    def solve(self, model: Model, share: float = 1.0, *, numbers: bool = False, varied: bool = False) -> Answer:
        """Solve with at most this share of the whole allowance.

        ``unknown`` when that is used up before anything was found or refuted. numbers: whether the model is about
        amounts more than about yes and no, so that its linear relaxation is to guide the whole search · varied: whether
        to take turns among many ways of searching, of which some look around the best solution so far
        """
        if self.left <= 0:
            return Answer("unknown")
        helper = _helper()
        wrapper = helper.SolveWrapper()
        parameters = self._parameters(helper, min(self.left, share * self.limits.deterministic_limit))
        if numbers:
            parameters.linearization_level = 2
        parameters.interleave_search = varied
        wrapper.set_parameters(parameters)
        before = came()
        response = _solved(wrapper, model.proto)
        self.left -= response.deterministic_time
        if came() and not before:
            self.left = 0.0
        status = _statuses(helper).get(response.status)
        if status is None:
            raise RuntimeError(f"the solver refused a model: {helper.CpSatHelper.validate_model(model.proto)}")
        values = list(response.solution) if status in ("optimal", "feasible") else ()
        bound = response.inner_objective_lower_bound if model.proto.has_objective() else None
        return Answer(status, values, bound)

    def _parameters(self, helper: Any, allowance: float) -> Any:
        parameters = helper.SatParameters()
        parameters.num_workers = self.limits.workers
        parameters.random_seed = self.limits.seed
        parameters.max_deterministic_time = allowance
        # Otherwise the engine takes Ctrl-C for itself, and leaves the process without a handler when it has solved.
        parameters.catch_sigint_signal = False
        return parameters

    @staticmethod
    def version() -> str:
        """Return the engine's name and version."""
        return f"ortools {version('ortools')}"


def _solved(wrapper: Any, proto: Any) -> Any:
    """Return the engine's response; a signal that comes meanwhile stops the search at once and goes through.

    Python runs its handlers in the main thread, between its own instructions: that thread must not sit in the engine.
    """
    answered: list[Any] = []
    solving = threading.Thread(target=lambda: answered.append(wrapper.solve(proto)))
    solving.start()
    try:
        with stopping(wrapper.stop_search):
            solving.join()
    except BaseException:
        wrapper.stop_search()
        solving.join()
        raise
    return answered[0]


def _statuses(helper: Any) -> Mapping[Any, Literal["optimal", "feasible", "infeasible", "unknown"]]:
    status = helper.CpSolverStatus
    return {
        status.OPTIMAL: "optimal",
        status.FEASIBLE: "feasible",
        status.INFEASIBLE: "infeasible",
        status.UNKNOWN: "unknown",
    }
