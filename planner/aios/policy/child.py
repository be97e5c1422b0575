"""The process that evaluates rules: a request on each line of standard input, its answer on a line of standard output.

Policies come from a repository and may be anybody's. CEL always ends, but a short expression can double a text until
no memory is left; and the evaluator is compiled code. So it has a process, with little memory, that may be ended.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aios.policy.language import Language, Mistake, message, pieces_of, shown, valued

if TYPE_CHECKING:
    from aios.records.policy import About

__all__ = ["MOST_BYTES", "MOST_S", "answer", "main"]

MOST_BYTES = 2**30
"""Address space of the process: rules on ten thousand intents need a third of it."""
MOST_S = 10
"""Seconds of a processor that a request may take: ten rules on a thousand intents need a third of one."""
_MOST_FINDINGS = 1000
"""Findings of one rule that are told."""


def main() -> None:
    """Answer until standard input ends."""
    _limit_memory()
    for line in sys.stdin:
        _limit_time()
        try:
            told = answer(json.loads(line))
        except MemoryError:
            told = {"failed": "they take too much memory"}
        except (RuntimeError, RecursionError) as error:
            told = {"failed": str(error)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _limit_memory() -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    soft = MOST_BYTES if most == resource.RLIM_INFINITY else min(MOST_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (soft, most))


def _limit_time() -> None:
    """Let the system end this process (SIGXCPU) where what comes takes longer than a request may."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime) + 1 + MOST_S
    resource.setrlimit(resource.RLIMIT_CPU, (soft if most == resource.RLIM_INFINITY else min(soft, most), most))


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rules of a request come to.

    request: ``rules``, each with ``about``, ``labels``, ``condition``, ``message`` and ``wanted`` (type of its value);
    ``view``: the plan in the words of the vocabulary, None to compile alone.
    The answer: ``mistakes`` of the compiler; else, for each rule, ``asked``, ``findings`` and ``errors``; or
    ``misfit``: what in the view does not fit the vocabulary.
    """
    languages: dict[About, Language] = {}
    compiled, mistakes = [], []
    for number, rule in enumerate(request["rules"]):
        about = rule["about"]
        language = languages.get(about) or languages.setdefault(about, Language(about))
        parts = _Parts(language, rule)
        compiled.append((language, rule, parts))
        mistakes += [
            {"rule": number, "part": part, "line": item.line, "column": item.column, "text": item.text}
            for part, item in parts.mistakes
        ]
    if mistakes or request["view"] is None:
        return {"mistakes": mistakes}
    try:
        plan = message("Plan", request["view"])
        subjects = {about: list(_subjects(about, language, plan)) for about, language in languages.items()}
    except ValueError as error:
        return {"misfit": str(error)}
    return {"rules": [_asked(language, rule, parts, subjects[rule["about"]]) for language, rule, parts in compiled]}


class _Parts:
    """A rule, compiled: its condition, and the pieces of its message."""

    def __init__(self, language: Language, rule: Mapping[str, Any]) -> None:
        self.mistakes: list[tuple[str, Mistake]] = []
        self.condition, mistakes = language.compile(rule["condition"], rule["wanted"])
        self.mistakes += [("condition", item) for item in mistakes]
        self.message: list[Any] = []
        for is_cel, text, begins in pieces_of(rule["message"] or ""):
            if not is_cel:
                self.message.append(text)
                continue
            expression, mistakes = language.compile(text)
            self.message.append(expression)
            moved = (item._replace(column=item.column + begins) for item in mistakes)
            self.mistakes += [("message", item) for item in moved]

    def say(self, activation: Any) -> str:
        """Return the message with its values; where one is unknown, a question mark."""
        pieces: list[str] = []
        for piece in self.message:
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            value = valued(piece, activation)
            pieces.append("?" if value is None else shown(value.plain_value()))
        return "".join(pieces)


def _subjects(
    about: About, language: Language, plan: Any
) -> Iterator[tuple[str | None, str | None, Mapping[str, str], Any]]:
    """Yield name, intent, labels and activation of each thing that rules about ``about`` are asked of. plan: message"""
    if about == "plan":
        yield None, None, {}, language.bind({"plan": plan})
        return
    intents = {item.name: item for item in plan.intents}
    for item in getattr(plan, f"{about}s"):
        whose = item.intent if about == "decision" else item.address
        intent = intents.get(whose) or intents.get(whose.partition("/")[0]) or message("Intent", {"name": whose})
        name = f"{whose} {item.metric}" if about == "claim" else whose
        bound = {"plan": plan, "intent": intent, about: item}
        yield name, whose, dict(intent.labels), language.bind(bound)


def _asked(language: Language, rule: Mapping[str, Any], parts: _Parts, subjects: list[Any]) -> dict[str, Any]:
    findings: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    asked = 0
    for name, whose, labels, activation in subjects:
        if any(labels.get(key) != value for key, value in rule["labels"].items()):
            continue
        asked += 1
        problem, is_broken = _evaluated(parts.condition, activation)
        told = {"subject": name, "intent": whose}
        if problem is not None and len(errors) < _MOST_FINDINGS:
            errors.append({**told, "text": problem})
        if is_broken and len(findings) < _MOST_FINDINGS:
            seen = language.seen(rule["condition"], activation)
            findings.append({**told, "message": parts.say(activation), "seen": seen})
    return {"asked": asked, "findings": findings, "errors": errors}


def _evaluated(condition: Any, activation: Any) -> tuple[str | None, bool]:
    """Return why a condition has no value, if so; else whether it is true."""
    try:
        value = condition.eval(activation)
    except RuntimeError as error:
        return str(error), False
    kind = value.type().name()
    if kind == "ERROR":
        return str(value.plain_value()), False
    if kind != "BOOL":
        return f"the value is {kind.lower()}, not true or false", False
    return None, bool(value.value())


if __name__ == "__main__":
    main()
