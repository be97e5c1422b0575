"""JSON read from front to back: what Python's reader gives, with places, and nothing lost."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.records.errors import InputError
from aios.spi.jsontext import JsonText
from aios.spi.texts import Mistakes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def reader(text, **more):
    return JsonText(text, Mistakes("a.json", text), **more)


def walked(text):
    """Return the value of a text by going into everything."""

    def taken(cursor):
        if cursor.mark() == "[":
            return [taken(cursor) for _ in cursor.items()]
        if cursor.mark() == "{":
            return {key: taken(cursor) for key, _ in cursor.members()}
        return cursor.value()

    cursor = reader(text)
    value = taken(cursor)
    if cursor.mark():
        raise cursor.wrong("there is more", cursor.at)
    return value


def refused(text, walk):
    with pytest.raises(InputError) as raised:
        walk(text)
    return [(item.summary, item.where.line, item.where.column, item.reason) for item in raised.value.diagnostics]


@given(VALUES, st.sampled_from([None, 0, 3]))
def test_it_reads_what_python_reads(value, indent):
    text = json.dumps(value, indent=indent)
    assert reader(text).value() == value
    assert walked(f" \n{text}\t") == value


@given(VALUES, st.integers(0, 40), st.text(alphabet='{}[]:,"\\ x1', max_size=3))
def test_text_with_a_slip_is_read_or_refused(value, at, inserted):
    text = json.dumps(value)
    with contextlib.suppress(InputError):
        walked(text[:at] + inserted + text[at:])


@pytest.mark.parametrize("walk", [walked, lambda text: reader(text).value()])
def test_each_doubled_key_is_told(walk):
    text = '{"a": 1, "b": {"x": "\\"a\\": [",\n "y": [{"z": 1,\n  "z": 2}], "x": 3}}'
    told = refused(text, walk)
    assert [item[:3] for item in told] == [
        ("`z` stands twice in one object", 3, 3),
        ("`x` stands twice in one object", 3, 13),
    ][: len(told)]
    assert told[0][3] == "the other one is on line 2"


def test_a_key_is_the_same_however_it_is_escaped():
    assert refused('{"a": 1, "\\u0061": 2}', walked)[0][0] == "`a` stands twice in one object"


def test_equal_keys_of_different_objects_are_no_doubles():
    assert walked('{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}]}')["b"] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "summary", "column"),
    [
        ("[1,]", "this is no well-formed JSON: a value is missing after the comma", 4),
        ("[1 2]", "this is no well-formed JSON: a comma or `]` is missing", 4),
        ('{"a": 1 "b"}', "this is no well-formed JSON: a comma or `}` is missing", 9),
        ('{"a" 1}', "this is no well-formed JSON: a key in quotes and a colon are wanted here", 6),
        ("{a: 1}", "this is no well-formed JSON: a key in quotes and a colon are wanted here", 2),
        ("NaN", "this cannot be read: NaN is no number that JSON knows", 1),
        ("9" * 401, "this cannot be read: no quantity has 401 digits", 1),
    ],
)
def test_what_is_no_json_says_where(text, summary, column):
    assert refused(text, walked)[0][:3] == (summary, 1, column)


def test_deep_nesting_is_refused():
    assert "nested too deep" in refused("[" * 200_000, lambda text: reader(text).value())[0][0]


def test_what_is_not_wanted_is_dropped_and_constants_may_be_read():
    assert reader('{"a": {"b": 1, "c": 2}}', keep=lambda key: key != "b").value() == {"a": {"c": 2}}
    assert reader("[Infinity]", constant=float).value() == [float("inf")]
