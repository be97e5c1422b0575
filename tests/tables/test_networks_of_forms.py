"""Forms of tables that measure the same networks say the same of them: that of their card."""

from functools import cache
from pathlib import Path

import pytest

from aios.catalogue import network_cards, root
from aios.cost.predictors import PREDICTORS
from aios.tables import TableForm, load_forms

AMOUNTS = ("macs", "activations", "parameters")
BY_CARD = (
    "cluster-step-times",
    "cluster-job-throughputs",
    "lambda-training",
    "triton-queue",
    "zeus-epochs",
    "zeus-power",
)


@cache
def forms() -> dict[str, TableForm]:
    return {form.name: form for form in load_forms(Path(root()) / "tables", PREDICTORS)}


def carded(form: TableForm) -> dict[str, str]:
    """Return what the table calls a network -> the card that its form says it is."""
    return {cell: name for cell, name in form.words["model"].values.items() if network_cards().named(name)}


@pytest.mark.parametrize("name", BY_CARD)
def test_a_network_with_a_card_is_given_no_amounts(name: str) -> None:
    form = forms()[name]
    known = carded(form)
    assert len(known) >= 2
    for role in AMOUNTS:
        stated = form.numbers[role].values if role in form.numbers else {}
        assert not known.keys() & stated.keys()


def test_operators_of_one_network_are_the_same_in_all_forms() -> None:
    said: dict[str, set[float]] = {}
    for form in forms().values():
        source = form.numbers.get("operators")
        model = form.words.get("model")
        if source is None or model is None or source.columns != model.columns:
            continue
        for cell, count in source.values.items():
            said.setdefault(model.values.get(cell, cell), set()).add(count)
    assert len(said) >= 10
    assert {name: counts for name, counts in said.items() if len(counts) > 1} == {}


@pytest.mark.parametrize("form", forms().values(), ids=lambda form: form.name)
def test_nothing_that_is_measured_is_what_a_row_is_predicted_from(form: TableForm) -> None:
    beside = [other for other in forms().values() if set(other.files) & set(form.files)]
    measured = {metric.number.column for other in beside for metric in other.metrics}
    for sources in (form.numbers, *(metric.numbers for metric in form.metrics)):
        for role, source in sources.items():
            assert not {source.column, source.minus} & measured - {None}, role
