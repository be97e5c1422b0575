"""The YAML parser's complaints in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aios.records.errors import Diagnostic
from aios.records.yamltree import Node, Source

if TYPE_CHECKING:
    from yaml import MarkedYAMLError

__all__ = ["syntax_mistake"]


class _Words(NamedTuple):
    """at_context: the place to show is where the construct began, not where the parser gave up."""

    summary: str
    remedy: str
    at_context: bool = False


_UNCLOSED = "close it with `{0}` on the same line or further down, with a comma between the items"

# Part of what the parser says about the problem -> our words; the first that fits is taken.
_PROBLEMS: tuple[tuple[str, _Words], ...] = (
    ("expected ',' or ']'", _Words("the list that begins here is not closed", _UNCLOSED.format("]"), True)),
    ("expected ',' or '}'", _Words("the mapping that begins here is not closed", _UNCLOSED.format("}"), True)),
    ("unexpected end of stream", _Words("the quote that begins here is not closed", "close the quote", True)),
    ("unexpected document indicator", _Words("the quote that begins here is not closed", "close the quote", True)),
    (
        "mapping values are not allowed",
        _Words(
            "a `:` stands where no `key: value` can begin",
            "put the text in quotes if the `:` belongs to it; else check the indentation here and on the line above",
        ),
    ),
    (
        "could not find expected ':'",
        _Words("this is no `key: value`", "write `key: value`, with a space after the colon", True),
    ),
    ("unknown escape character", _Words("unknown escape in double quotes", "use single quotes, or write `\\\\`")),
    ("undefined tag handle", _Words("the tag is not understood here", "leave the tag out")),
    ("expected '-' indicator", _Words("this line does not fit the list above it", "begin it with `- ` or indent it")),
    ("expected <block end>", _Words("this line does not fit the lines above it", "indent it like its neighbours")),
    ("did not find expected key", _Words("this line does not fit the lines above it", "indent it like its neighbours")),
    ("block sequence entries", _Words("a `- ` stands where no list can begin", "begin the list on a line of its own")),
    ("<document start>", _Words("text after the end of the document", "begin a new document with `---`")),
)


def syntax_mistake(source: Source, error: MarkedYAMLError, bracket: Node | None) -> Diagnostic:
    """Return a diagnostic for an error of the YAML parser; ``bracket``: the innermost ``[`` or ``{`` still open."""
    problem, mark = error.problem or "", error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    found = source.lines[line][column : column + 1] if line < len(source.lines) else ""
    indentation = source.lines[line][:column] if line < len(source.lines) else ""
    if "\t" in (found, *indentation) and not indentation.strip():
        return source.diagnostic(
            "a tab is used for indentation",
            line,
            (indentation + found).index("\t"),
            reason="YAML allows only spaces there",
            remedy="replace each tab by spaces",
        )
    if bracket and not found and line >= len(source.lines) - 1:
        kind, closing = ("list", "]") if isinstance(bracket.value, list) else ("mapping", "}")
        summary, remedy = f"the {kind} that begins here is not closed", _UNCLOSED.format(closing)
        return source.diagnostic(summary, bracket.line, bracket.column, remedy=remedy)
    if "cannot start any token" in problem or ("node content" in problem and found):
        return source.diagnostic(f"a value cannot begin with `{found}`", line, column, remedy="put it in quotes")
    for part, words in _PROBLEMS:
        if part in problem:
            if words.at_context and error.context_mark:
                line, column = error.context_mark.line, error.context_mark.column
            return source.diagnostic(words.summary, line, column, remedy=words.remedy)
    said = " ".join(text for text in (error.context, problem) if text)
    return source.diagnostic("this is no valid YAML", line, column, reason=f"the parser says: {said}")
