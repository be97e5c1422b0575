"""A place within a text of a YAML file is found whatever way the text is written there."""

import pytest

from aios.records.document import parse

TEXT = "alpha > 1 && beta == 2"


@pytest.mark.parametrize(
    "written",
    [
        "alpha > 1 && beta == 2",
        "'alpha > 1 && beta == 2'",
        '"alpha > 1 && beta == 2"',
        "|\n    alpha > 1 && beta == 2",
        ">-\n    alpha > 1 &&\n    beta == 2",
        "alpha > 1\n    && beta == 2",
        '"alpha > 1\n     && beta == 2"',
    ],
)
def test_the_place_of_a_word_is_that_of_the_word_in_the_file(written):
    source = f"other: 1\nrule: {written}\n"
    (document,) = parse(source.encode(), "file.yaml")
    text = document.data["rule"]
    assert text.split() == TEXT.split()
    told = document.diagnostic_within(("rule",), (0, text.index("beta")), "here")
    line = source.splitlines()[told.where.line - 1]
    assert line[told.where.column - 1 :].startswith("beta"), told


@pytest.mark.parametrize(("written", "text"), [(r'"a\"b + beta"', 'a"b + beta'), ("'a''b + beta'", "a'b + beta")])
def test_quotes_within_quotes_count_once(written, text):
    source = f"rule: {written}\n"
    (document,) = parse(source.encode(), "file.yaml")
    assert document.data["rule"] == text
    told = document.diagnostic_within(("rule",), (0, text.index("beta")), "here")
    assert source[told.where.column - 1 :].startswith("beta")
