"""A plan as the comment of a pull request: from its document alone, the same text for the same plan and state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from aios.cli.changewords import changed_by, value_text
from aios.cli.markdown import bullets, code, folded, table_of, told
from aios.cli.planwords import ended, goal_value, proof_words
from aios.cli.words import counted
from aios.records.candidate import label_of
from aios.records.differences import ValueChange
from aios.records.metrics import metric
from aios.records.plan import Action, Claim, Decision, Deployment, Plan
from aios.records.selection import Conflict

__all__ = ["MOST_BYTES", "comment"]

MOST_BYTES = 65_536
"""Of a comment: GitHub takes so many characters, and none of them is smaller than a byte."""
_CLOSING = 500
"""Bytes of that for what is said of what was cut."""
_OPEN = 10
"""Intents that change whose figures are not folded away."""
_SUMS = ("power", "cost", "carbon")
"""Metrics of which the sum over all services is told."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._/,]+")

_Promises = Mapping[str, Mapping[str, Claim]]
"""Address -> metric -> what is promised or predicted of it."""


def comment(plan: Plan, remarks: Sequence[str] = ()) -> str:
    """Return the comment: at most ``MOST_BYTES``, saying what was cut. remarks: told beside the plan, a line each"""
    page = _Page(MOST_BYTES - _CLOSING)
    page.add(f"<!-- aios:plan:{_name(plan)} -->\n### {_outcome(plan)}")
    page.add_items("remarks", [told(text) for text in remarks], bullets, 8_000)
    if plan.conflict is not None:
        for what, items in _conflict(plan, plan.conflict):
            page.add(what)
            page.add_items("lines of the conflict", items, bullets, 12_000)
        return page.text()
    page.add_items("findings of policies", [*_findings(plan)], bullets, 12_000)
    promises = _before(plan), _after(plan)
    page.add(_goals(plan))
    page.add(_sums(plan, *promises))
    page.add_items("actions", _changing(plan), _action_table, 16_000)
    page.add_items("refusals", [_refusal(plan, item.intent, item.count) for item in plan.refused], bullets, 4_000)
    sections = _Sections(plan, *promises)
    changed, predicted, unchanged = sections.sorted()
    page.add_items("intents that change", [sections.of(name) for name in changed[:_OPEN]], "\n\n".join)
    more = f"{counted(len(changed) - _OPEN, 'more intent')} that change"
    page.add_items("intents that change", [sections.of(name) for name in changed[_OPEN:]], _folding(more))
    stay = f"{counted(len(predicted), 'intent')} of which nothing changes but what is promised or predicted"
    page.add_items("intents with other predictions", [sections.of(name) for name in predicted], _folding(stay))
    page.add_items("notes", [*_notes(plan)], lambda items: folded("notes", bullets(items)), 8_000)
    same = f"{counted(len(unchanged), 'intent')} of which nothing changes"
    names = [code(name) for name in unchanged]
    page.add_items("unchanged intents", names, lambda names: folded(same, ", ".join(names)))
    return page.text()


_Joined = Callable[[Sequence[str]], str]
"""Makes one block of several items."""


def _folding(summary: str) -> _Joined:
    """Return what puts sections together and folds them away."""
    return lambda sections: folded(summary, "\n\n".join(sections))


class _Page:
    """Blocks of text that together stay within a number of bytes. cut: what was left out -> how many"""

    def __init__(self, room: int) -> None:
        self.room = room
        self.blocks: list[str] = []
        self.cut: dict[str, int] = {}

    def add(self, block: str) -> None:
        """Add a block of our own making, which is short."""
        if block:
            self.blocks.append(block)
            self.room -= _size(block) + 2

    def add_items(self, what: str, items: Sequence[str], joined: _Joined, most: int = MOST_BYTES) -> None:
        """Add as many items as there is room for, at most ``most`` bytes, and note how many are left out."""
        room, kept = min(self.room, most) - _CLOSING, 0
        for item in items:
            room -= _size(item) + 2
            if room < 0:
                break
            kept += 1
        if kept:
            self.add(joined(items[:kept]))
        if kept < len(items):
            self.cut[what] = self.cut.get(what, 0) + len(items) - kept

    def text(self) -> str:
        """Return the whole page, and what was cut of it."""
        cut = [f"{count:,} more {what}" for what, count in self.cut.items()]
        told_so = [f"**Cut**, as a comment has no room for it: {'; '.join(cut)}. `aios show` of the saved plan has it."]
        return "\n\n".join([*self.blocks, *(told_so if cut else [])]) + "\n"


def _size(text: str) -> int:
    return len(text.encode())


def _name(plan: Plan) -> str:
    """Return what the comment is known by: the paths that were planned, and what was given beside them."""
    parts = [",".join(map(str, plan.files.get("intents") or [])), str(plan.files.get("fleet") or "")]
    return _UNSAFE.sub("-", ":".join(filter(None, parts))).strip("-")[:200] or "plan"


def _outcome(plan: Plan) -> str:
    if plan.status == "infeasible":
        return "aios plan: infeasible, nothing can be applied"
    if plan.status == "unknown":
        return f"aios plan: unknown, {ended(plan)} before a plan was found"
    kinds = ("create", "update", "replace", "delete")
    counts = {kind: sum(action.action == kind for action in plan.actions) for kind in kinds}
    changes = ", ".join(f"{count} to {kind}" for kind, count in counts.items() if count) or "no change"
    if any(ruling.outcome == "deny" for ruling in plan.rulings):
        return f"aios plan: denied by policies, nothing can be applied ({changes})"
    proved = "proved optimal" if plan.status == "optimal" else "not proved optimal"
    return f"aios plan: {changes}, {proved}"


def _findings(plan: Plan) -> Iterator[str]:
    """Yield what policies deny, then what they warn of, each with its rule, the place of that, and what it saw."""
    for ruling in sorted(plan.rulings, key=lambda ruling: ruling.outcome != "deny"):
        word = "**denied**" if ruling.outcome == "deny" else "warning"
        for finding in ruling.findings:
            whose = f"{code(finding.subject)}: " if finding.subject else ""
            seen = ", ".join(f"{name} = {value}" for name, value in finding.seen.items())
            said = f"{whose}{told(finding.message)}{f' ({code(seen)})' if seen else ''}"
            yield f"{word} by {code(ruling.rule)} at {code(str(ruling.where))}: {said}"


def _goals(plan: Plan) -> str:
    rows = [[told(item.goal), told(goal_value(item, item.value)), told(proof_words(item))] for item in plan.objective]
    return table_of(["goal", "value", "proof"], rows) if rows else ""


def _changing(plan: Plan) -> list[str]:
    return [
        f"| {item.action} | {code(item.address)} | {told(item.reason)} |"
        for item in plan.actions
        if item.action != "keep"
    ]


def _action_table(rows: Sequence[str]) -> str:
    return "\n".join([table_of(["action", "intent", "why"], []), *rows])


def _refusal(plan: Plan, intent: str, count: int) -> str:
    several = any(decision.intent == intent for decision in plan.decisions) or count > 1
    copies = f" ({counted(count, 'copy', 'copies')})" if several else ""
    return f"refused: {code(intent)}{copies}, no room beside what must run and what weighs more"


def _before(plan: Plan) -> _Promises:
    """Return what was promised of what stands: what an action does not tell is what the plan promises as well."""
    found: dict[str, dict[str, Claim]] = {}
    after = _after(plan)
    for action in plan.actions:
        if action.before is None and action.action != "keep":
            continue
        same = () if action.promised or action.action == "delete" else after.get(action.address, {}).values()
        for claim in (*action.promised, *same):
            found.setdefault(claim.address, {}).setdefault(claim.metric, claim)
    return found


def _after(plan: Plan) -> _Promises:
    found: dict[str, dict[str, Claim]] = {}
    for claim in plan.claims:
        found.setdefault(claim.address, {})[claim.metric] = claim
    return found


def _sums(plan: Plan, before: _Promises, after: _Promises) -> str:
    """Return what all services take together, before and after."""
    services = {action.address for action in plan.actions}
    rows = []
    for name in _SUMS:
        if not any(name in own for side in (before, after) for own in side.values()):
            continue
        sides = ([own for address, own in side.items() if address in services] for side in (before, after))
        old, new = (_sum(side, name) for side in sides)
        change = ValueChange(metric=name, before=old, after=new, unit=metric(name).unit)
        rows.append(_row(f"{name}, all services", change))
    return table_of(["", "before", "after", "change"], rows) if rows else ""


def _sum(sides: Sequence[Mapping[str, Claim]], name: str) -> float | None:
    """Return a sum over services; None where there is none, or it is not known of one of them."""
    values = [own[name].estimate.value for own in sides if name in own]
    return sum(values) if values and len(values) == len(sides) else None


def _row(head: str, change: ValueChange) -> list[str]:
    old, new = (value_text(change.metric, value, change.unit) for value in (change.before, change.after))
    return [told(head), *(value if value == "-" else told(value) for value in (old, new)), changed_by(change)]


class _Sections:
    """What is told of each intent."""

    def __init__(self, plan: Plan, before: _Promises, after: _Promises) -> None:
        self.before, self.after = before, after
        self.decisions = {decision.intent: decision for decision in plan.decisions}
        self.actions: dict[str, list[Action]] = {}
        for action in plan.actions:
            self.actions.setdefault(action.address, []).append(action)

    def sorted(self) -> tuple[list[str], list[str], list[str]]:
        """Return the addresses of what changes, of what is only predicted otherwise, and of what stays the same."""
        names = sorted({*self.actions, *self.after})
        changed = [name for name in names if any(item.action != "keep" for item in self.actions.get(name, ()))]
        rest = [name for name in names if name not in set(changed)]
        predicted = [name for name in rest if self.before.get(name, {}) != self.after.get(name, {})]
        return changed, predicted, [name for name in rest if name not in set(predicted)]

    def of(self, name: str) -> str:
        """Return the figures of one intent before and after, and what it runs as."""
        actions = self.actions.get(name, [])
        kinds = " and ".join(item.action for item in actions) or "pipeline"
        lines = [f"#### {code(name)}: {kinds}", self._choice(actions), self._moved(self.decisions.get(name))]
        lines.append(table_of(["", "before", "after", "change", "source", "required"], [*self._rows(name)]))
        return "\n\n".join(line for line in lines if line)

    def _choice(self, actions: Sequence[Action]) -> str:
        old = next((item.before for item in actions if item.before), None)
        new = next((item.after for item in actions if item.after), None)
        if old and new and _deployed(old) != _deployed(new):
            return f"{_deployed(old)} → {_deployed(new)}"
        either = new or old
        return _deployed(either) if either else ""

    def _moved(self, decision: Decision | None) -> str:
        if decision is None or decision.moved is None:
            return ""
        away = decision.moved.disruption_s
        outage = f"{away.value:.3g} s without service ({away.low:.3g} to {away.high:.3g} s)"
        return f"moves: {told(decision.moved.reason)}; {outage}"

    def _rows(self, name: str) -> Iterator[list[str]]:
        old, new = self.before.get(name, {}), self.after.get(name, {})
        for key in (*new, *(key for key in old if key not in new)):
            was, now = old.get(key), new.get(key)
            known = now or was
            assert known is not None
            old_value, new_value = (claim.estimate.value if claim else None for claim in (was, now))
            change = ValueChange(metric=key, before=old_value, after=new_value, unit=known.estimate.unit)
            yield [*_row(key, change), _sources(was, now), _required(was, now)]


def _required(was: Claim | None, now: Claim | None) -> str:
    old, new = (told(claim.clause) if claim and claim.clause else "" for claim in (was, now))
    return new if not old or old == new or now is None else f"{old} → {new or 'nothing'}"


def _sources(was: Claim | None, now: Claim | None) -> str:
    return " → ".join(dict.fromkeys(claim.estimate.source for claim in (was, now) if claim))


def _deployed(item: Deployment) -> str:
    """Return what an intent runs as, in short."""
    threads = f", {counted(item.threads, 'thread')}" if item.threads else ""
    replicas = counted(item.replicas, "replica")
    what = f"{code(item.model)} {told(label_of(item, ' '))} on {code(item.device)}"
    return f"{what}, batch {item.batch}{threads}, {replicas}"


def _notes(plan: Plan) -> Iterator[str]:
    for decision in plan.decisions:
        for note in decision.notes:
            yield f"{code(decision.intent)}: {told(note)}"
    kept = [code(item.rule) for item in plan.rulings if item.outcome == "pass"]
    if kept:
        yield f"rules of policies that are kept: {', '.join(kept)}"
    demands = sum(not decision.executor for decision in plan.decisions)
    if demands:
        yield f"{counted(demands, 'stated demand')} placed: aios starts none of them"
    if not plan.at_once:
        yield "not everything runs at the same time: `aios apply` does not carry out this plan"


def _conflict(plan: Plan, conflict: Conflict) -> Iterator[tuple[str, list[str]]]:
    """Yield what cannot hold together, and what would do, each with its lines."""
    clauses = [clause for clause in conflict.clauses if clause.id != f"{clause.intent}/runs"]
    if len(clauses) < len(conflict.clauses) or not clauses:
        left_out = [f"{code(row.what)}: {told(row.reason)}" for row in plan.rejections]
        yield "There is no way at all to run what is asked. Left out:", left_out
    if clauses:
        lines = []
        for clause in clauses:
            owner = f"{code(clause.intent)}: " if clause.intent else ""
            lines.append(f"{owner}{told(clause.text)}{f' at {code(str(clause.where))}' if clause.where else ''}")
        yield "These cannot hold together:" if len(clauses) > 1 else "This cannot hold:", lines
    changes = (
        ("Each of these alone would do, the others as they are:", conflict.relaxations),
        ("These together would do, and change least:", conflict.together),
    )
    for head, items in changes:
        if items:
            yield head, [f"{code(item.clause)} → {told(item.to)}" for item in items]
    if conflict.helps:
        yield "What would help, each alone:", [told(item.text) for item in conflict.helps]
    if conflict.notes:
        yield "Notes:", [told(note) for note in conflict.notes]
