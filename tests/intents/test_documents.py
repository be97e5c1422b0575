"""Reading YAML: places, plain values, and every kind of broken or hostile text."""

from __future__ import annotations

import re
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aios.records.document import Document, kind_mistake, parse
from aios.records.errors import InputError
from aios.records.yamltree import MAX_BYTES, MAX_DEPTH, MAX_MISTAKES


def read(text: str | bytes) -> tuple[Document, ...]:
    return parse(text.encode() if isinstance(text, str) else text, "f.yaml")


def complaints(text: str | bytes) -> list[tuple[int, int, str]]:
    with pytest.raises(InputError) as caught:
        read(text)
    places = [(item.where, item.summary) for item in caught.value.diagnostics]
    assert all(where is not None and where.file == "f.yaml" for where, _ in places)
    return [(where.line, where.column, summary) for where, summary in places if where]


def test_places_of_values_and_keys() -> None:
    (document,) = read("apiVersion: aios/v1\nkind: Intent\nspec:\n  list: [a, {deep: 1}]\n  größe:  'x'\n")
    assert (document.api_version, document.kind) == ("aios/v1", "Intent")
    assert str(document.span(("spec", "list", 1, "deep"))) == "f.yaml:4:20"
    assert str(document.span(("spec", "list", 1, "deep"), key=True)) == "f.yaml:4:14"
    assert str(document.span(("spec", "größe"))) == "f.yaml:5:11"
    assert str(document.span(("spec", "absent", "more"))) == "f.yaml:3:1"  # the key of the nearest parent
    assert str(document.span(("spec", "list", 7))) == "f.yaml:4:3"
    assert str(document.span(())) == "f.yaml:1:1"
    assert {path: str(span) for path, span in document.leaves().items()}["spec.list[1].deep"] == "f.yaml:4:20"
    shown = document.diagnostic(("spec", "größe"), "wrong", remedy="mend it")
    assert (shown.line_text, shown.remedy) == ("  größe:  'x'", "mend it")


def test_columns_count_characters_after_a_byte_order_mark_and_beyond_the_basic_plane() -> None:
    (document,) = read("\ufeffa: 1\r\n'🦊🦊': 2\r\n".encode())
    assert str(document.span(("a",))) == "f.yaml:1:4"
    assert str(document.span(("🦊🦊",))) == "f.yaml:2:7"


def test_plain_values_follow_yaml_1_2() -> None:
    (document,) = read(
        "a: on\nb: 2026-01-31\nc: 1e3\nd: 010\ne: 0x1f\nf: 1:30\ng: null\nh: 'null'\ni: .inf\nj: True\n1: x\nk: 1_000"
    )
    assert document.data == {
        "a": "on", "b": "2026-01-31", "c": 1000.0, "d": 10, "e": 31, "f": "1:30", "g": None, "h": "null", "i": ".inf",
        "j": True, "1": "x", "k": "1_000",
    }  # fmt: skip


def test_documents_of_one_file_that_hold_something() -> None:
    documents = read("---\n---\nkind: A\n---\n# nothing\n---\nkind: B\n")
    assert [(document.kind, str(document.span(("kind",)))) for document in documents] == [
        ("A", "f.yaml:3:7"),
        ("B", "f.yaml:7:7"),
    ]


def test_aliases_stand_for_their_value() -> None:
    (document,) = read("a: &x {b: 1}\nc: *x\n")
    assert document.data["c"] == {"b": 1}
    assert str(document.span(("c", "b"))) == "f.yaml:1:11"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (1, 1, "f.yaml is empty")),
        ("# only words\n---\n", (1, 1, "f.yaml is empty")),
        ("- a\n- b\n", (1, 1, "a document is a mapping of fields, but this is a list")),
        ("just words\n", (1, 1, "a document is a mapping of fields, but this is a single value")),
        ("a: 1\n---\n[]\n", (3, 1, "a document is a mapping of fields, but this is a list")),
        ("a:\n\tb: 1\n", (2, 1, "a tab is used for indentation")),
        ("a:\n  b: 1\n \tc: 1\n", (3, 2, "a tab is used for indentation")),
        ("a: 1\nb: [1, 2\nc: 3\n", (2, 4, "the list that begins here is not closed")),
        ("a: {b: 1\nc: 3\n", (1, 4, "the mapping that begins here is not closed")),
        ("a: 1\nb: [1, }\n", (2, 8, "a value cannot begin with `}`")),
        ("a: [1,\n", (1, 4, "the list that begins here is not closed")),
        ("a: {b: [1, 2], c:", (1, 4, "the mapping that begins here is not closed")),
        ("a: 'x\nb: 1\n", (1, 4, "the quote that begins here is not closed")),
        ('a: "\\q"\n', (1, 5, "unknown escape in double quotes")),
        ("a: b: c\n", (1, 5, "a `:` stands where no `key: value` can begin")),
        ("a: 1\nb\nc: 1\n", (2, 1, "this is no `key: value`")),
        ("a:\n  b: 1\n c: 2\n", (3, 2, "this line does not fit the lines above it")),
        ("a: @x\n", (1, 4, "a value cannot begin with `@`")),
        ("a: !!python/object:os.system ls\n", (1, 4, "the tag `!!python/object:os.system` is not understood here")),
        ("a: !x 1\n", (1, 4, "the tag `!x` is not understood here")),
        ("<<: {a: 1}\n", (1, 1, "merge keys (`<<`) are not understood here")),
        ("? [a]\n: 1\n", (1, 3, "a key must be text, not a list or a mapping")),
        ("a: *b\n", (1, 4, "`*b` names nothing above it")),
        ("a: &a [*a]\n", (1, 8, "`*a` stands inside the value that it names, which has no end")),
        ("a: &a {b: {c: *a}}\n", (1, 15, "`*a` stands inside the value that it names, which has no end")),
        ("a: 1\nb: 2\na: 3\n", (3, 1, "`a` is written twice")),
        ("a: {b: 1, b: 2}\n", (1, 11, "`b` is written twice")),
        ("a: " + "9" * 5000 + "\n", (1, 4, "a number of 5000 digits is too long")),
        ("a: x\x00y\n", (1, 5, "the control character U+0000 is not allowed")),
        ("a: 1\nb: \x1b[31m\n", (2, 4, "the control character U+001B is not allowed")),
        (b"a: 1\nb: \xff\xfe\n", (2, 4, "f.yaml is not UTF-8 text: byte 0xff at position 8")),
        ("a: ü\n".encode("latin-1"), (1, 4, "f.yaml is not UTF-8 text: byte 0xfc at position 3")),
        ("a: 1\n".encode("utf-16"), (1, 1, "f.yaml is not UTF-8 text: byte 0xff at position 0")),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(text: str | bytes, found: tuple[int, int, str]) -> None:
    assert complaints(text) == [found]


def test_the_line_is_shown_for_the_caret() -> None:
    with pytest.raises(InputError) as caught:
        read("a: 1\nb: @x # y\n")
    assert caught.value.diagnostics[0].line_text == "b: @x # y"
    with pytest.raises(InputError) as caught:
        read(f"a: '{'x' * 5000}'\n---\n- '{'x' * 5000}'\n")
    assert caught.value.diagnostics[0].line_text is None


def test_several_mistakes_are_reported_together_with_the_syntax_error_that_ends_reading() -> None:
    assert complaints("a: 1\na: 2\nb: *c\nd: !x y\ne: [\n") == [
        (2, 1, "`a` is written twice"),
        (3, 4, "`*c` names nothing above it"),
        (4, 4, "the tag `!x` is not understood here"),
        (5, 4, "the list that begins here is not closed"),
    ]


def test_a_file_that_is_too_large_is_not_even_parsed() -> None:
    begin = time.process_time()
    assert complaints(b"a: [" * (10 * 2**20 // 4)) == [(1, 1, "f.yaml has 10.0 MiB; at most 8 MiB are read")]
    assert time.process_time() - begin < 1
    assert read(b"a: '" + b"x" * (MAX_BYTES - 5) + b"'")[0].kind is None


@pytest.mark.parametrize("open_", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_and_never_overflows(open_: str) -> None:
    (found,) = complaints(open_ * 200_000)
    assert found[0] == 1
    assert found[2] in (f"nested more than {MAX_DEPTH} levels deep", "a key must be text, not a list or a mapping")


def test_nesting_up_to_the_bound_is_read() -> None:
    deepest = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read(deepest)[0].leaves() == {}
    assert complaints(deepest.replace("[]", "[[]]"))[0][2] == f"nested more than {MAX_DEPTH} levels deep"


def test_an_alias_bomb_is_refused_without_being_expanded() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    tracemalloc.start()
    try:
        found = complaints("\n".join(lines))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [(6, 32, "more than 500,000 values, aliases counted as often as they are used")]
    assert peak < 5e6


@pytest.mark.parametrize(
    ("text", "summary", "remedy"),
    [
        ("kind: Intent\n", "`apiVersion` is missing", "add `apiVersion: aios/v1`"),
        ("apiVersion: aios/v2\nkind: Intent\n", "unknown apiVersion `aios/v2`", "did you mean `aios/v1`?"),
        ("apiVersion: aios/v1\n", "`kind` is missing", "known: `Intent`, `Fleet`"),
        ("apiVersion: aios/v1\nkind: intents\n", "unknown kind `intents`", "did you mean `Intent`?"),
        ("apiVersion: aios/v1\nkind: [Fleet]\n", "unknown kind `['Fleet']`", "known: `Intent`, `Fleet`"),
    ],
)
def test_the_kind_of_a_document(text: str, summary: str, remedy: str) -> None:
    found = kind_mistake(read(text)[0], ("Intent", "Fleet"))
    assert found is not None
    assert found.summary == summary
    assert remedy in (found.remedy or "")
    assert kind_mistake(read("apiVersion: aios/v1\nkind: Fleet\n")[0], ("Intent", "Fleet")) is None


# PyYAML writes `0E0` without quotes: to YAML 1.1 it is a text, to YAML 1.2, which is read here, a number.
words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=8).filter(
    lambda text: not re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", text)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef-_ß🦊", min_size=1), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(
    st.dictionaries(st.text("abcdef-_ß🦊", min_size=1), plain, min_size=1, max_size=4),
    st.sampled_from([None, True, False]),
)
def test_what_is_written_is_read_back_and_leaves_point_at_it(data: dict[str, object], flow: bool | None) -> None:
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=flow)
    (document,) = read(text)
    assert document.data == data
    lines = text.splitlines() if "\x85" not in text and "\u2028" not in text and "\u2029" not in text else None
    for span in document.leaves().values():
        assert lines is None or span.column <= len(lines[span.line - 1]) + 1


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"%@`#,? \t\n\r\u2028🦊0.", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_places_inside_the_file(text: bytes) -> None:
    try:
        documents = read(text)
    except InputError as error:
        for item in error.diagnostics:
            assert item.where is not None
            if item.line_text is not None:
                assert item.where.column <= len(item.line_text) + 1
    else:
        for document in documents:
            document.leaves()


def test_a_flood_of_mistakes_is_cut_short_and_counted() -> None:
    with pytest.raises(InputError) as caught:
        read("a: 1\n" * 50_000)
    assert len(caught.value.diagnostics) == MAX_MISTAKES + 1
    assert caught.value.diagnostics[-1].summary == "after 1,000 mistakes the rest of the file is not read"
