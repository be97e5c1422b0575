"""Says why nothing fits: the smallest set of clauses that cannot hold together, and what would be enough."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from aios.records.candidate import Priced
from aios.records.fleet import Fleet
from aios.records.selection import Conflict, Relaxation
from aios.solve.clauses import Rule, rules_of
from aios.solve.cpsat import Engine
from aios.solve.limits import Limits
from aios.solve.model import Decisions
from aios.solve.notes import notes_on_options, without_end
from aios.solve.problem import Problem, pose

__all__ = ["explain"]


def explain(problem: Problem, limits: Limits) -> Conflict:
    """Return the conflict of a problem that has no plan.

    The set is found by leaving out whatever can be left out, each time solving what remains: the solver's own account
    of a conflict is not relied on. Clauses that only say that an intent runs are listed where several intents, or
    nothing else, make the conflict. Relaxations change one clause and keep all others, also those outside the set.
    """
    return _Explanation(problem, limits).conflict()


class _Explanation:
    def __init__(self, problem: Problem, limits: Limits) -> None:
        self.problem = problem
        self.rules = rules_of(problem)
        self.engine = Engine(limits)
        self.sure = True

    def conflict(self) -> Conflict:
        core = self.shrink(self.rules)
        relaxations = []
        notes = []
        for rule in core:
            if rule.runs:
                continue
            relaxation = self.relax(rule)
            if relaxation:
                relaxations.append(relaxation)
            else:
                notes.extend(self.what_else(rule))
        if not self.sure:
            notes.append("The solver's limit was reached while explaining: a smaller set of clauses may conflict.")
        shown = _shown(core)
        return Conflict(
            clauses=tuple(rule.clause for rule in shown),
            relaxations=tuple(relaxations),
            notes=(*notes_on_options(self.problem, core), *dict.fromkeys(notes)),
        )

    def can_hold(self, rules: Sequence[Rule]) -> bool:
        """Say whether these clauses can hold together; when the limit comes first, say yes and remember that."""
        decisions = Decisions(self.problem, _planned(rules))
        for rule in rules:
            rule.add(decisions)
        feasible = decisions.feasible(self.engine)
        self.sure &= feasible is not None
        return feasible is not False

    def shrink(self, rules: Sequence[Rule]) -> list[Rule]:
        """Return a set of these clauses, which cannot hold together, of which every smaller set can."""
        kept = list(rules)
        capacities = [rule for rule in kept if rule.intent is None]
        each_intent = [[rule for rule in kept if rule.intent == index] for index in range(len(self.problem.intents))]
        # Whole groups first, which is quicker; capacities and less important intents are spared blame before others.
        for group in [capacities, *reversed(each_intent), *([rule] for rule in capacities)]:
            kept = self.without(kept, group)
        for rule in [rule for rule in reversed(kept) if rule.intent is not None]:
            kept = self.without(kept, [rule])
        return kept

    def without(self, kept: list[Rule], group: Sequence[Rule]) -> list[Rule]:
        """Return ``kept`` without the group if that still cannot hold, else as it is."""
        rest = [rule for rule in kept if rule not in group]
        return kept if len(rest) == len(kept) or self.can_hold(rest) else rest

    def relax(self, rule: Rule) -> Relaxation | None:
        """Return the smallest change to one clause that lets a plan exist while all others hold, if there is one."""
        found = self.grown(rule) if rule.grow else self.eased(rule)
        if found is None:
            return None
        text, value = found
        return Relaxation(clause=rule.clause.id, to=text, value=value, where=rule.clause.where)

    def eased(self, rule: Rule) -> tuple[str, float] | None:
        decisions = Decisions(self.problem, range(len(self.problem.intents)))
        for other in self.rules:
            if other is not rule:
                other.add(decisions)
        soft = rule.ease(decisions) if rule.ease else None
        if soft is None:
            return None
        decisions.model.minimize(soft.minimize)
        answer = self.engine.solve(decisions.model)
        self.sure &= answer.status in ("optimal", "infeasible")
        return soft.read(answer) if answer.values else None

    def grown(self, rule: Rule) -> tuple[str, float] | None:
        """Add devices one by one, up to all that is wanted, until a plan exists."""
        if not self.can_hold([other for other in self.rules if other is not rule]):
            return None
        named = {
            intent.name: [option.priced for option in row]
            for intent, row in zip(self.problem.intents, self.problem.options, strict=True)
        }
        most = sum(max(map(_devices, row), default=0) for row in named.values())
        grow = rule.grow
        assert grow is not None
        more = bisect_left(range(most + 1), True, lo=1, key=lambda n: self.fits(named, grow(self.problem.fleet, n)[0]))
        return grow(self.problem.fleet, more)[1:] if more <= most else None

    def fits(self, named: Mapping[str, Sequence[Priced]], fleet: Fleet) -> bool:
        """Say whether there is a plan on another fleet."""
        larger = pose(self.problem.intents, named, fleet)
        decisions = Decisions(larger, range(len(larger.intents)))
        for rule in rules_of(larger):
            rule.add(decisions)
        feasible = decisions.feasible(self.engine)
        self.sure &= feasible is not None
        return feasible is True

    def what_else(self, rule: Rule) -> list[str]:
        """Say what must give besides this clause, when giving it up is not enough."""
        endless = without_end(self.problem, rule)
        if endless is not None:
            return [endless]
        rest = [other for other in self.rules if other is not rule]
        if self.can_hold(rest):
            return [f"No value of `{rule.clause.text}` is enough; without it there is a plan."]
        core = _shown(self.shrink(rest))
        others = [f"`{other.clause.text}`" for other in core]
        if rule.of_load and all(other.intent == rule.intent and _waits(other) for other in core):
            return [f"Whether a smaller load keeps {' and '.join(others)} shows when it is planned for."]
        also = others[0] if len(others) == 1 else f"one of {', '.join(others)}"
        return [f"Changing `{rule.clause.text}` alone is not enough: {also} must give too."]


def _devices(priced: Priced) -> int:
    return priced.candidate.parts * priced.candidate.devices


def _waits(rule: Rule) -> bool:
    """Say whether a clause bounds a time that shrinks with the load."""
    return (rule.clause.metric or "").startswith("latency.")


def _planned(rules: Sequence[Rule]) -> list[int]:
    """Return the intents that any of these clauses speaks of and that must run; others need not be in the model."""
    return sorted({rule.intent for rule in rules if rule.intent is not None and rule.runs})


def _shown(core: Sequence[Rule]) -> list[Rule]:
    """Leave out that an intent runs where it is the only one in the conflict, and plain."""
    runs = [rule for rule in core if rule.runs]
    bounds = [rule for rule in core if rule not in runs]
    return bounds if len(runs) == 1 and bounds else list(core)
