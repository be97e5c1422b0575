"""Between rules and the process that evaluates them: what it is asked, and its answers in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aios.policy.vocabulary import BOUND, FIELDS
from aios.records.document import Document
from aios.records.errors import Diagnostic
from aios.records.forms import nearest
from aios.records.metrics import METRICS
from aios.records.policy import About, Finding, Rule, Ruling

__all__ = ["Stated", "answered", "explained", "misfit", "mistakes_of", "place_of", "request_of", "rulings_of"]

_FIELD = re.compile(r"undefined field '(\w+)' not found in struct 'aios\.(\w+)'")
_NAME = re.compile(r"undeclared reference to '([\w.\-]+)'")
_OVERLOAD = re.compile(r"found no matching overload for '(.+?)' applied to '(.*)'")
_EXPECTING = re.compile(r" expecting .*", re.DOTALL)
_PARSING = re.compile(r"(?:Failed to parse \w+ field: )+")
_UNKNOWN = re.compile(r'Message type "aios\.(\w+)" has no field named "([^"]*)" at "(.*?)"')
_KEY = re.compile(r'Key not found in map : "(.*)"', re.DOTALL)
_STATUS = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$")
_OPERATORS = re.compile(r"_?([^\w\s]+|in)_")
_NUMBERS = {"(double, int)", "(int, double)"}
_FUNCTIONS = ("quantity", "sum", "size", "has", "int", "double", "string", "math")
_MOST_SHOWN = 12


class Stated(NamedTuple):
    """A rule and where it stands: the path of it in its document."""

    policy: str
    rule: Rule
    document: Document
    path: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """``<policy>/<rule>``, by which plans and tests name it."""
        return f"{self.policy}/{self.rule.name}"


def request_of(rules: Sequence[Stated], view: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the evaluator is asked: to compile the rules, and to evaluate them where there is a plan."""
    asked = [
        {
            "about": item.rule.about,
            "labels": dict(item.rule.labels),
            "condition": item.rule.condition,
            "message": item.rule.message,
            "wanted": "BOOL",
        }
        for item in rules
    ]
    return {"rules": asked, "view": view}


def mistakes_of(rules: Sequence[Stated], answer: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield what the compiler has against the rules, each at its place in the policy's file."""
    for item in answer.get("mistakes", ()):
        stated = rules[item["rule"]]
        summary, remedy = explained(item["text"], stated.rule.about)
        part, text = stated.rule.severity, stated.rule.condition
        if item["part"] == "message":
            part, text = "message", stated.rule.message or ""
        place = place_of(item["text"], text, item["line"], item["column"])
        yield stated.document.diagnostic_within(
            (*stated.path, part), place, f"rule `{stated.rule.name}`: {summary}", remedy=remedy
        )


def place_of(mistake: str, text: str, line: int, column: int) -> tuple[int, int]:
    """Return line and column of the name that a mistake is about: the compiler points at the dot beside it."""
    lines = text.split("\n")
    line = min(line, len(lines) - 1)
    if _FIELD.search(mistake):
        return line, column + 1
    match = _NAME.search(mistake)
    return line, column if match is None else max(lines[line].rfind(match[1].partition(".")[0], 0, column + 1), 0)


def explained(text: str, about: About) -> tuple[str, str | None]:
    """Return what is wrong with an expression in words, and a remedy."""
    if match := _FIELD.search(text):
        kind, name = match[2], match[1]
        known = list(FIELDS[kind])
        near = nearest(name, known)
        meant = f"did you mean `{near}`? " if near else ""
        return f"{_article(kind)} has no field `{name}`", f"{meant}it has {_listed(known)}"
    if match := _NAME.search(text):
        return _unknown_name(match[1].partition(".")[0], about)
    if match := _OVERLOAD.search(text):
        operator = _OPERATORS.fullmatch(match[1])
        what = f"`{operator[1] if operator else match[1]}` does not go with {match[2]}"
        if match[2].replace("wrapper", "") in _NUMBERS:
            return what, 'write a number with a point, such as `2000.0`, or a quantity, such as `quantity("2 kW")`'
        return what, None
    return _EXPECTING.sub("", text).replace("'<EOF>'", "its end"), None


def _unknown_name(name: str, about: About) -> tuple[str, str | None]:
    others = [other for other, names in BOUND.items() if name in names]
    if others:
        return (
            f"what is asked of {'the' if about == 'plan' else 'each'} {about} knows no `{name}`",
            f"add `for: {others[0]}` to the rule",
        )
    known = (*BOUND[about], *_FUNCTIONS)
    near = nearest(name, known)
    meant = f"did you mean `{near}`? " if near else ""
    return f"nothing is called `{name}`", f"{meant}known: {_listed(known)}"


def answered(rules: Sequence[Stated], answer: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Yield what kept rules from being judged: where one has no value, it does not count as kept."""
    for stated, told in zip(rules, answer["rules"], strict=True):
        for item in told["errors"][:_MOST_SHOWN]:
            about = f" of {item['subject']}" if item["subject"] else ""
            summary, remedy = _without_value(item["text"], stated.rule)
            yield stated.document.diagnostic_within(
                (*stated.path, stated.rule.severity),
                _place_of_key(item["text"], stated.rule.condition),
                f"rule `{stated.rule.name}`{about}: {summary}",
                reason="a rule that cannot be judged is not kept",
                remedy=remedy,
            )


def _place_of_key(text: str, condition: str) -> tuple[int, int]:
    """Return where in a condition the name stands that an error speaks of."""
    match = _KEY.search(text)
    found = re.search(rf"(?<!\w){re.escape(match[1])}(?!\w)", condition) if match else None
    at = found.start() if found else 0
    return condition.count("\n", 0, at), at - (condition.rfind("\n", 0, at) + 1)


def _without_value(text: str, rule: Rule) -> tuple[str, str | None]:
    if "Iteration budget" in text:
        return (
            "it takes more than 10,000 steps",
            "let it ask one thing at a time: `for: decision`, `for: claim` or `for: action`",
        )
    match = _KEY.search(text)
    if match is None:
        return _STATUS.sub("", text), None
    key = match[1]
    if key in METRICS or key.startswith("accuracy."):
        return (
            f"its {key} is unknown" if rule.about != "plan" else f"the {key} of all that runs is unknown",
            f'ask first whether it is known, `"{key}" in ...`; `aios profile` measures what is unknown',
        )
    return f"there is no `{key}`", f'ask for it first, `"{key}" in ...`, or say what holds without it'


def rulings_of(rules: Sequence[Stated], answer: Mapping[str, Any]) -> tuple[Ruling, ...]:
    """Return what came of each rule."""
    found = []
    for stated, told in zip(rules, answer["rules"], strict=True):
        rule = stated.rule
        findings = tuple(
            Finding(
                subject=item["subject"],
                intent=item["intent"],
                message=item["message"] or rule.name.replace("-", " "),
                seen=item["seen"],
            )
            for item in told["findings"]
        )
        found.append(
            Ruling(
                rule=stated.name,
                severity=rule.severity,
                outcome=rule.severity if findings else "pass",
                asked=told["asked"],
                findings=findings,
                remedy=rule.remedy,
                where=rule.where,
            )
        )
    return tuple(found)


def misfit(text: str) -> Diagnostic:
    """Return what does not fit the vocabulary in a fragment of a plan. text: as Protocol Buffers say it"""
    match = _UNKNOWN.search(text)
    if match is None:
        reason = _PARSING.sub("", text.partition("\n")[0]).rstrip(".")
        return Diagnostic(summary="this is no plan that rules can be asked of", reason=reason)
    kind, name, path = match.groups()
    known = list(FIELDS[kind])
    near = nearest(name, known)
    meant = f"did you mean `{near}`? " if near else ""
    where = f" at {path}" if path != "Plan" else ""
    return Diagnostic(
        summary=f"{_article(kind)} has no field `{name}`{where}", remedy=f"{meant}it has {_listed(known)}"
    )


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind.lower()}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_MOST_SHOWN])
    return shown + (", ..." if len(names) > _MOST_SHOWN else "")
