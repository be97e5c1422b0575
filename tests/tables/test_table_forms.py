import pytest

from aios import catalogue
from aios.cost.predictors import PREDICTORS
from aios.records.errors import InputError
from aios.tables import load_forms

GOOD = """\
apiVersion: aios/v1
kind: Table
metadata: {name: one}
spec:
  words: {model: model}
  numbers: {macs: {column: gmacs, unit: 1e9}}
  metrics: [{metric: throughput, column: rate, unit: /s, predictor: network}]
"""


def mistakes(tmp_path, text):
    (tmp_path / "one.table.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_forms(tmp_path, PREDICTORS)
    return [
        f"{item.where.line}:{item.where.column} {item.summary} | {item.remedy}" for item in caught.value.diagnostics
    ]


def test_a_good_form(tmp_path):
    (tmp_path / "one.table.yaml").write_text(GOOD)
    (form,) = load_forms(tmp_path, PREDICTORS)
    assert set(form.needed()) == {"model", "gmacs"}
    assert form.numbers["macs"].factor == 1e9


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{model: model}", "{modell: model}", "did you mean `model`?"),
        ("macs:", "mac:", "did you mean `macs`?"),
        ("throughput", "thruput", "did you mean `throughput`?"),
        ("network}", "netwrok}", "did you mean `network`?"),
        ("unit: /s", "unit: ms", "is a time"),
        ("unit: 1e9", "unit: GMAC", "`GMAC` is no unit here"),
        (", unit: 1e9", "", "unit"),
        ("unit: 1e9", "unit: -1", "a factor of -1 makes no sense"),
        ("{model: model}", "{model: {column: m, pattern: '('}}", "is no regular expression"),
        ("{model: model}", "{model: {column: m, pattern: 'a+'}}", "has no group"),
        ("{model: model}", "{model: {column: m, value: v}}", "one source is wanted"),
        ("kind: Table", "kind: Tabel", "did you mean `Table`?"),
        ("metrics: [", "choices: [{within: [devise], bound: power, goal: throughput}]\n  metrics: [", "unknown role"),
        ("metrics: [", "choices: [{within: device, goal: throughput}]\n  metrics: [", "nothing limits"),
    ],
)
def test_mistakes_have_a_place_and_a_remedy(tmp_path, old, new, said):
    assert old in GOOD
    found = mistakes(tmp_path, GOOD.replace(old, new))
    assert any(said in line for line in found), found


def test_all_mistakes_of_all_files_at_once(tmp_path):
    (tmp_path / "two.table.yaml").write_text(GOOD.replace("macs:", "mac:"))
    found = mistakes(tmp_path, GOOD.replace("unit: /s", "unit: ms").replace("network}", "x}"))
    assert len(found) == 3


def test_the_forms_that_ship_are_right():
    forms = load_forms(catalogue.root(), PREDICTORS)
    assert len({form.name for form in forms}) == len(forms)
    assert all(form.files for form in forms)
