"""Policies: read, compiled before the long work, and asked of the plan that came of it."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aios.records.errors import Diagnostic, InputError, WorldError

if TYPE_CHECKING:
    from aios.policy import Stated
    from aios.records.plan import Plan
    from aios.records.policy import Ruling

__all__ = ["Evaluator", "check_rules", "denials", "judge", "judged"]

_LONGEST_S = 300.0
"""After which an evaluation is ended on a machine that is so busy that its processor time has not run out."""
_TOO_MUCH = "they take too much memory"
_INSTALL = "pip install 'aios-planner[policy]'"


class Evaluator:
    """The process that evaluates rules, as a context: started with the first request, ended with the last."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer. Raises InputError for rules that took too much, WorldError where CEL is not installed."""
        process, late = self._process or self._start(), False
        assert process.stdin is not None
        line = b""
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._read(process)
        except BrokenPipeError:
            pass
        except TimeoutError:
            late = True
        answer: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
        if not answer or "failed" in answer:
            late = self._end() == -signal.SIGXCPU or late
            raise InputError(_ended(answer.get("failed", "they take too long" if late else _TOO_MUCH)))
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        if importlib.util.find_spec("cel_expr_python") is None:
            summary = "policies and assertions are CEL, and what evaluates it is not installed"
            raise WorldError(Diagnostic(summary=summary, remedy="install the extra `policy`", command=_INSTALL))
        # -P: a folder called `aios` in the working directory is not the program.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "aios.policy.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self._process

    def _read(self, process: subprocess.Popen[bytes]) -> bytes:
        """Return a line; what there is of it where the process ended. Raises TimeoutError."""
        assert process.stdout is not None
        number, found, ends = process.stdout.fileno(), bytearray(), time.monotonic() + _LONGEST_S
        while not found.endswith(b"\n"):
            ready, _, _ = select.select([number], [], [], max(0.0, ends - time.monotonic()))
            if not ready:
                raise TimeoutError
            piece = os.read(number, 1 << 20)
            if not piece:
                break
            found += piece
        return bytes(found)

    def _end(self) -> int | None:
        """End the process, unless it has ended by itself; return its exit code, negative of a signal."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        process.communicate()
        return process.returncode


def _ended(what: str) -> Diagnostic:
    return Diagnostic(
        summary=f"the policies cannot be evaluated: {what}",
        reason="at most 10 s of a processor and 1 GiB are allowed: a rule that is not judged is not kept",
        remedy="look for a rule that joins texts within `map`; ask one thing at a time with `for: decision`",
    )


def check_rules(rules: Sequence[Stated], evaluator: Evaluator) -> None:
    """Raise InputError with every mistake that the compiler finds in rules."""
    if not rules:
        return
    from aios.policy import mistakes_of, request_of

    mistakes = tuple(mistakes_of(rules, evaluator.ask(request_of(rules, None))))
    if mistakes:
        raise InputError(*mistakes)


def judge(rules: Sequence[Stated], view: Mapping[str, Any], evaluator: Evaluator) -> tuple[Ruling, ...]:
    """Return what comes of each rule. view: a plan in the words of rules

    Raises InputError for rules with mistakes, and for those that have no value.
    """
    from aios.policy import answered, mistakes_of, request_of, rulings_of

    answer = evaluator.ask(request_of(rules, view))
    if "misfit" in answer:
        from aios.policy import misfit

        raise InputError(misfit(answer["misfit"]))
    problems = [*mistakes_of(rules, answer)]
    problems += answered(rules, answer) if not problems else ()
    if problems:
        raise InputError(*problems)
    return rulings_of(rules, answer)


def judged(plan: Plan, rules: Sequence[Stated], evaluator: Evaluator) -> Plan:
    """Return the plan with what comes of the rules; as it is without rules, and where there is nothing to judge."""
    if not rules or not plan.is_found:
        return plan
    from aios.plan import with_id
    from aios.policy import view_of

    return with_id(plan.model_copy(update={"rulings": judge(rules, view_of(plan), evaluator)}))


def denials(plan: Plan) -> tuple[Ruling, ...]:
    """Return the rulings that forbid a plan."""
    return tuple(item for item in plan.rulings if item.outcome == "deny")
