"""Quantities: hand-worked values, what is refused and how, and exact round trips."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.records.errors import BadValue
from aios.records.quantity import Quantity
from aios.records.units import (
    Dimension,
    UnitError,
    examples,
    format_exactly,
    format_quantity,
    parse_quantity,
    pattern_of,
    units_of,
)

D = Dimension


@pytest.mark.parametrize(
    ("text", "dimension", "si"),
    [
        ("10 ms", D.TIME, 0.01),
        ("10ms", D.TIME, 0.01),
        ("12.4 ms", D.TIME, 0.0124),
        ("1e-3 s", D.TIME, 0.001),
        ("250 µs", D.TIME, 0.00025),  # micro sign
        ("250 μs", D.TIME, 0.00025),  # Greek mu
        ("2 min", D.TIME, 120.0),
        ("20/s", D.RATE, 20.0),
        ("20 /s", D.RATE, 20.0),
        ("30/min", D.RATE, 0.5),
        ("20 requests per second", D.RATE, 20.0),
        ("7200 images/h", D.RATE, 2.0),
        ("1_000 qps", D.RATE, 1000.0),
        ("97 %", D.FRACTION, 0.97),
        ("97%", D.FRACTION, 0.97),
        (0.97, D.FRACTION, 0.97),
        ("5 ‰", D.FRACTION, 0.005),
        ("5 W", D.POWER, 5.0),
        ("2 MW", D.POWER, 2e6),
        ("1 GW", D.POWER, 1e9),
        ("3 PiB", D.BYTES, 3.0 * 2**50),
        ("3 EB", D.BYTES, 3e18),
        ("1 EFLOPS", D.COMPUTE, 1e18),
        ("300 mW", D.POWER, 0.3),
        ("0.5 J", D.ENERGY, 0.5),
        ("2 Wh", D.ENERGY, 7200.0),
        ("2 GiB", D.BYTES, 2.0 * 2**30),
        ("2 GB", D.BYTES, 2e9),
        ("10 Gbit/s", D.BANDWIDTH, 1.25e9),
        ("25 GB / s", D.BANDWIDTH, 25e9),
        ("40 TFLOPS", D.COMPUTE, 40e12),
        ("2.4 GHz", D.FREQUENCY, 2.4e9),
        ("730 USD/month", D.COST_RATE, 1.0),
        ("4", D.COUNT, 4.0),
        (4, D.COUNT, 4.0),
    ],
)
def test_reads_what_people_write(text: str | float, dimension: Dimension, si: float) -> None:
    assert parse_quantity(text, dimension) == si  # exactly: rounded once


@pytest.mark.parametrize(
    ("text", "dimension", "summary", "remedy"),
    [
        ("5 W", D.TIME, "5 W is a power, but a time is wanted here", "write a time, such as `10 ms`"),
        ("10 ms", D.POWER, "10 ms is a time, but a power is wanted here", "write a power, such as `5 W`"),
        ("10 msec", D.TIME, "unknown unit 'msec' for a time", "did you mean `10 ms`?"),
        ("3 XB", D.BYTES, "unknown unit 'XB' for a size in bytes", "known: `EiB`"),
        ("1 TW", D.POWER, "unknown unit 'TW' for a power", "known: `GW`"),
        ("5 m", D.TIME, "unknown unit 'm' for a time", "did you mean `5 min`?"),
        ("5 mw", D.POWER, "unknown unit 'mw' for a power", "did you mean `5 mW` or `5 MW`?"),
        ("10 Gb/s", D.BANDWIDTH, "unknown unit 'Gb/s' for a bandwidth", "did you mean `10 Gbit/s`?"),
        ("16 Gi", D.BYTES, "unknown unit 'Gi' for a size in bytes", "did you mean `16 GiB`?"),
        ("20 Hz", D.RATE, "unknown unit 'Hz' for a rate", "did you mean `20/s`?"),
        ("2 usd/h", D.COST_RATE, "unknown unit 'usd/h' for a cost rate", "did you mean `2 USD/h`?"),
        ("1.2 EUR/h", D.COST_RATE, "unknown unit 'EUR/h' for a cost rate", "write the amount in US dollars; known:"),
        ("900 AUD", D.PRICE, "unknown unit 'AUD' for a price", "write the amount in US dollars; known:"),
        ("10", D.TIME, "10 has no unit", "write a time, such as `10 ms`"),
        (97, D.FRACTION, "97 is not between 0 and 1 and has no unit", "write `97 %`"),
        ("2026-12-24", D.TIME, "'2026-12-24' is not a time", "write how long it may take, such as `14 d`"),
        ("100B", D.COUNT, "100 B is no bare number", "write `100e9`"),
        ("1.5 trillion", D.COUNT, "1.5 trillion is no bare number", "write `1.5e12`"),
        ("fast", D.TIME, "'fast' is not a time", "write a number and a unit, such as `10 ms`"),
        ("10,5 ms", D.TIME, "'10,5 ms' is not a time", "write decimals with a point (`10.5 ms`)"),
        ("nan s", D.TIME, "'nan s' is not a time", "such as `10 ms`"),
        ("inf s", D.TIME, "'inf s' is not a time", "such as `10 ms`"),
        ("1e400 s", D.TIME, "1e400 is too large", "ordinary size"),
        ("1e999999999 s", D.TIME, "1e999999999 is no number that can be computed with", "ordinary size"),
        ("9" * 5000 + " s", D.TIME, "is no number that can be computed with", "ordinary size"),
        ("١٠ ms", D.TIME, "is not a time", "such as `10 ms`"),
    ],
)
def test_refuses_in_words(text: str | float, dimension: Dimension, summary: str, remedy: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, dimension)
    assert summary in caught.value.summary
    assert remedy in caught.value.remedy
    assert len(caught.value.summary) < 200


@pytest.mark.parametrize("dimension", list(Dimension))
def test_the_example_of_each_dimension_is_read_and_fits_its_pattern(dimension: Dimension) -> None:
    assert parse_quantity(examples(dimension), dimension) > 0
    if dimension is not D.COUNT:
        assert re.search(pattern_of(dimension), examples(dimension))


@settings(max_examples=30)
@given(st.sampled_from([d for d in Dimension if d is not D.COUNT]), st.data())
def test_whatever_the_pattern_of_an_editor_allows_is_read(dimension: Dimension, data: st.DataObject) -> None:
    text = data.draw(
        st.from_regex(pattern_of(dimension), fullmatch=True).filter(lambda t: len(t) < 60 and "e" not in t)
    )
    if text.isascii():
        parse_quantity(text, dimension)


@given(st.floats(0.001, 1e6), st.sampled_from([d for d in Dimension if units_of(d)]), st.data())
def test_every_unit_fits_the_pattern_and_scales(number: float, dimension: Dimension, data: st.DataObject) -> None:
    unit = data.draw(st.sampled_from(units_of(dimension)))
    text = f"{number!r} {unit}"
    assert re.search(pattern_of(dimension), text)
    one = parse_quantity(f"1 {unit}", dimension)
    assert parse_quantity(text, dimension) == pytest.approx(number * one, rel=1e-12)


@given(st.floats(0, 1e18, allow_subnormal=False), st.sampled_from(list(Dimension)))
def test_an_exact_text_gives_the_value_back(value: float, dimension: Dimension) -> None:
    if dimension is D.FRACTION:
        value /= 1e18
    assert parse_quantity(format_exactly(value, dimension), dimension) == value


@given(st.floats(1e-9, 1e15), st.sampled_from(list(Dimension)))
def test_a_short_text_gives_the_value_back_to_three_digits(value: float, dimension: Dimension) -> None:
    if dimension is D.FRACTION:
        value /= 1e15
    assert parse_quantity(format_quantity(value, dimension), dimension) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "dimension", "short", "exact"),
    [
        (0.0124, D.TIME, "12.4 ms", "12.4 ms"),
        (0.01025, D.TIME, "10.2 ms", "10.25 ms"),
        (0.9999, D.TIME, "1 s", "0.9999 s"),
        (0.0, D.TIME, "0 s", "0 s"),
        (0.0, D.COMPUTE, "0 MFLOP/s", "0 MFLOP/s"),
        (20.0, D.RATE, "20/s", "20/s"),
        (0.973, D.FRACTION, "97.3 %", "97.3 %"),
        (2.0**31, D.BYTES, "2 GiB", "2 GiB"),
        (1234567.0, D.COUNT, "1234570", "1234567"),
    ],
)
def test_writes_as_people_do(value: float, dimension: Dimension, short: str, exact: str) -> None:
    assert format_quantity(value, dimension) == short
    assert format_exactly(value, dimension) == exact


@pytest.mark.parametrize(
    ("quantity", "value", "summary"),
    [
        (Quantity(D.TIME), "-5 ms", "`-5 ms` is negative; a time here must be more than zero"),
        (Quantity(D.TIME), "0 ms", "`0 ms` is zero; a time here must be more than zero"),
        (Quantity(D.POWER, zero=True), "-1 W", "`-1 W` is negative; a power here must be zero or more"),
        (Quantity(D.FRACTION, most=1.0), "101 %", "`101 %` is more than 100 %"),
        (Quantity(D.TIME), True, "a time is wanted here, not `true`"),
        (Quantity(D.TIME), ["5 ms"], "a time is wanted here, not a list"),
        (Quantity(D.BYTES), {"a": 1}, "a size in bytes is wanted here, not a mapping"),
    ],
)
def test_fields_refuse_what_makes_no_sense(quantity: Quantity, value: object, summary: str) -> None:
    with pytest.raises(BadValue) as caught:
        quantity.read(value)
    assert caught.value.summary == summary


def test_zero_is_allowed_where_it_makes_sense() -> None:
    assert Quantity(D.POWER, zero=True).read("0 W") == 0
