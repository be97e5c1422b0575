"""Outcomes of tests as JUnit XML, as continuous integration reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from aios.records.errors import Diagnostic
    from aios.workflow.testing import Outcome

__all__ = ["junit_text"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write."""


def junit_text(outcomes: Sequence[Outcome]) -> str:
    """Return the document: a suite for each file, a case for each case."""
    suites = Element("testsuites", _counts(outcomes))
    for file, own in groupby(outcomes, lambda item: item.file):
        cases = list(own)
        suite = SubElement(suites, "testsuite", {"name": _xml(file), **_counts(cases)})
        for item in cases:
            seconds = f"{item.seconds:.3f}"
            head = {"classname": _xml(file), "name": _xml(item.name), "file": _xml(file), "line": str(item.where.line)}
            case = SubElement(suite, "testcase", {**head, "time": seconds})
            if item.status != "passed":
                kind = "failure" if item.status == "failed" else "error"
                message = "; ".join(said.summary for said in item.told)
                SubElement(case, kind, {"message": _xml(message)}).text = _xml("\n".join(map(_lines, item.told)))
    indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {
        "tests": str(len(outcomes)),
        "failures": str(sum(item.status == "failed" for item in outcomes)),
        "errors": str(sum(item.status == "broken" for item in outcomes)),
        "time": f"{sum(item.seconds for item in outcomes):.3f}",
    }


def _lines(said: Diagnostic) -> str:
    parts = (str(said.where or ""), said.summary, said.reason, said.remedy)
    return "\n  ".join(part for part in parts if part)


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)
