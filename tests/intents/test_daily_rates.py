"""Rates that change over the day: how they are written, what they become, and what is wrong with them."""

import pytest

from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.errors import InputError

TEXT = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: a}
spec:
  task: image-classification
  model: ./m.onnx
  load: {rate: %s}
"""


def compiled(rate):
    return compile_intents(parse((TEXT % rate).encode(), "a.yaml")).intents[0]


def mistakes(rate):
    with pytest.raises(InputError) as caught:
        compiled(rate)
    return [item.summary for item in caught.value.diagnostics]


def test_a_rate_holds_until_the_next_one_and_the_last_one_over_midnight():
    load = compiled('{"08:00": 40/s, 18:00: 15/s, 6:00: 2/s}').load
    assert load.hourly_per_s == (15.0,) * 6 + (2.0,) * 2 + (40.0,) * 10 + (15.0,) * 6
    assert load.rate_per_s == 40.0


def test_what_is_implied_is_the_highest_rate():
    [bound] = compiled('{"00:00": 2/s, "08:00": 40/s}').require
    assert (bound.metric, bound.bound, bound.implied_by) == ("throughput", 40.0, "load")


def test_24_values_are_the_hours():
    rates = [f"{hour}/s" for hour in range(24)]
    assert compiled(f"[{', '.join(rates)}]").load.hourly_per_s == tuple(map(float, range(24)))


@pytest.mark.parametrize("rate", ['{"08:00": 5/s}', f"[{', '.join(['5/s'] * 24)}]", '{"00:00": 5/s, "12:00": 5/s}'])
def test_what_never_changes_is_the_same_intent_as_one_rate(rate):
    plain = compiled("5/s").model_dump(mode="json", exclude={"spans"})
    assert compiled(rate).model_dump(mode="json", exclude={"spans"}) == plain
    assert "hourly_per_s" not in plain["load"]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ('{"24:00": 1/s}', "`24:00` is no time of a day"),
        ('{"08:00": 1e300/s}', "`1e300/s` is more than 1000000000000/s"),
        ('{"08:30": 1/s}', "`08:30` is no full hour: rates change on the hour"),
        ("{noon: 1/s}", "`noon` is no hour of a day"),
        ('{"08:00": 1/s, "8:00": 2/s}', "`08:00` and `8:00` are the same hour"),
        ("{}", "no hour has a rate"),
        ('{"08:00": 0/s}', "no request ever comes"),
        ("[1/s, 2/s]", "2 values of a rate"),
        ('{"08:00": -1/s}', "`-1/s` is negative"),
        ("0/s", "`0/s` is zero"),
    ],
)
def test_mistakes_say_what_is_wrong_with_the_value(rate, said):
    [found] = mistakes(rate)
    assert said in found


def test_all_mistakes_at_once():
    assert len(mistakes('{"25:00": 1/s, "x": 1/s, "09:00": 1 W}')) == 3
