"""test: the cases of test files, planned on emulated fleets. Reads files, writes nothing, touches no hardware."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from aios.records.base import Span
from aios.records.errors import AiosError, Diagnostic, InputError
from aios.workflow.documents import TEST_ENDINGS, parsed
from aios.workflow.emulating import Emulated, emulated
from aios.workflow.ruling import Evaluator
from aios.workflow.setting import silent

if TYPE_CHECKING:
    from aios.records.document import Document
    from aios.trials import Case, Trial

__all__ = ["Outcome", "find_tests", "run_tests"]


class Outcome(NamedTuple):
    """What came of a case.

    file, name, where: of the case · status: ``broken`` where it could not be tried · told: what is not as expected, or
    wrong with the case · chosen: how the intents would run, in words · seconds: that it took
    """

    file: str
    name: str
    where: Span
    status: Literal["passed", "failed", "broken"]
    told: tuple[Diagnostic, ...]
    chosen: tuple[str, ...]
    seconds: float


def find_tests(paths: Sequence[str], stdin: Callable[[], bytes]) -> tuple[Trial, ...]:
    """Return the tests in files and, at any depth, in folders. Raises InputError with every mistake of every file."""
    from aios.trials import compile_tests

    problems: list[Diagnostic] = []
    trials = []
    for file in dict.fromkeys(_files(paths or ["."], problems)):
        documents = parsed(file, stdin, problems)
        tests = [item for item in documents if item.kind == "Test"]
        others = [item for item in documents if item.kind != "Test"]
        problems += (_no_test(item) for item in others)
        try:
            trials += [compile_tests(tests)] if tests else []
        except InputError as error:
            problems += error.diagnostics
    if not trials and not problems:
        remedy = "write cases of kind Test into a file whose name ends in .test.yaml"
        problems.append(Diagnostic(summary=f"no tests in {', '.join(paths) or 'this folder'}", remedy=remedy))
    if problems:
        raise InputError(*problems)
    return tuple(trials)


def _files(paths: Sequence[str], problems: list[Diagnostic]) -> Iterator[str]:
    for path in paths:
        if path == "-" or Path(path).is_file():
            yield path
        elif Path(path).is_dir():
            for folder, below, names in os.walk(path):
                below[:] = sorted(name for name in below if not name.startswith("."))
                yield from (str(Path(folder) / name) for name in sorted(names) if name.endswith(TEST_ENDINGS))
        else:
            problems.append(Diagnostic(summary=f"there is no file {path}", remedy="check the path"))


def _no_test(document: Document) -> Diagnostic:
    what = f"a document of kind {document.kind} is no test" if document.kind else "the document says no `kind`"
    return document.diagnostic(("kind",), what, remedy="write `kind: Test`; a fleet may stand in a case, at `fleet`")


def run_tests(
    trials: Sequence[Trial], chosen: Callable[[str], bool], tell: Callable[[str], None] = silent
) -> Iterator[Outcome]:
    """Yield what comes of each case whose ``file: name`` is chosen, in order. tell: receives progress

    Raises InputError, before the first case, with the mistakes in all assertions.
    """
    cases = [case for trial in trials for case in trial.cases if chosen(f"{trial.file}: {case.form.name}")]
    with TemporaryDirectory(prefix="aios-test-") as home, Evaluator() as evaluator:
        _check_assertions(cases, evaluator)
        for case in cases:
            tell(case.form.name)
            yield _outcome(case, Path(home), evaluator)


def _outcome(case: Case, home: Path, evaluator: Evaluator) -> Outcome:
    started = time.perf_counter()
    told: tuple[Diagnostic, ...]
    status: Literal["passed", "failed", "broken"]
    chosen: tuple[str, ...] = ()
    try:
        found = emulated(case, home, evaluator)
        told, chosen = tuple(_differences(case, found, evaluator)), found.chosen
        status = "failed" if told else "passed"
    except AiosError as error:
        told, status = tuple(error.diagnostics), "broken"
    file = case.document.file
    return Outcome(file, case.form.name, case.where, status, told, chosen, time.perf_counter() - started)


def _differences(case: Case, found: Emulated, evaluator: Evaluator) -> Iterator[Diagnostic]:
    from aios.trials import failures_of, ruling_failures

    differ = (
        []
        if found.plan is None
        else list(failures_of(case.expected, found.plan, found.view.get("totals", {}), found.kinds, case.form.risk))
    )
    if not differ or differ[0].path != ("status",):
        differ += ruling_failures(case.expected, found.rulings)
    for item in differ:
        path = (*case.path, "expect", *item.path) if item.path != ("status",) else (*case.path, "expect")
        yield case.document.diagnostic(path, f"expected {item.expected}", reason=f"seen: {item.seen}")
    if not differ or differ[0].path != ("status",):
        yield from _broken_assertions(case, found, evaluator)


def _assertions(case: Case) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the assertions of a case, each with its path."""
    path = (*case.path, "expect", "holds")
    listed = case.expected.holds or ()
    several = len(listed) > 1 or case.document.place((*path, 0)) != case.document.place(path, key=True)
    return [((*path, index) if several else path, text) for index, text in enumerate(listed)]


def _request(texts: Sequence[str], view: object) -> dict[str, Any]:
    """Return what the evaluator is asked: of a plan, which of the texts are false; without one, what is wrong."""
    conditions = texts if view is None else [f"!({text}\n)" for text in texts]
    asked: list[dict[str, Any]] = [
        {"about": "plan", "labels": {}, "condition": text, "message": None, "wanted": "BOOL"} for text in conditions
    ]
    return {"rules": asked, "view": view}


def _check_assertions(cases: Sequence[Case], evaluator: Evaluator) -> None:
    from aios.policy import explained, place_of

    stated = [(case, path, text) for case in cases for path, text in _assertions(case)]
    if not stated:
        return
    answer = evaluator.ask(_request([text for _, _, text in stated], None))
    problems = []
    for item in answer["mistakes"]:
        case, path, text = stated[item["rule"]]
        summary, remedy = explained(item["text"], "plan")
        place = place_of(item["text"], text, item["line"], item["column"])
        problems.append(case.document.diagnostic_within(path, place, summary, remedy=remedy))
    if problems:
        raise InputError(*dict.fromkeys(problems))


def _broken_assertions(case: Case, found: Emulated, evaluator: Evaluator) -> Iterator[Diagnostic]:
    stated = _assertions(case)
    if not stated:
        return
    answer = evaluator.ask(_request([text for _, text in stated], found.view))
    for (path, text), told in zip(stated, answer["rules"], strict=True):
        seen = ", ".join(f"{name} = {value}" for item in told["findings"] for name, value in item["seen"].items())
        unknown = "; ".join(item["text"] for item in told["errors"])
        if told["findings"] or told["errors"]:
            said = " ".join(text.split())
            reason = f"seen: {unknown or seen or 'it is false'}"
            yield case.document.diagnostic(path, f"expected {said}", reason=reason)
