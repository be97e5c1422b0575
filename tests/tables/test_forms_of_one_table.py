"""Several forms of one table tell one story of it: of its devices, and of what its words mean."""

from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

from aios.catalogue import root
from aios.cost.predictors import PREDICTORS
from aios.tables import TableForm, load_forms

TRANSLATED = ("precision", "kv_precision", "mode")
OF_A_PART = {"gpu_device", "compute_unit"}
"""Columns by which rows are of one part of a chip: what `float` means depends on it."""


@cache
def pairs() -> list[tuple[TableForm, TableForm]]:
    forms = load_forms(Path(root()) / "tables", PREDICTORS)
    return [pair for pair in combinations(forms, 2) if about_one_file(*pair)]


def about_one_file(one: TableForm, other: TableForm) -> bool:
    ours, theirs = ({name.rstrip("*").removesuffix("*.csv") for name in form.files} for form in (one, other))
    return any(mine.startswith(yours) or yours.startswith(mine) for mine in ours for yours in theirs)


def test_there_are_such_tables() -> None:
    assert len(pairs()) >= 10


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: "+".join(form.name for form in pair))
def test_a_device_is_the_same_one_in_both(pair: tuple[TableForm, TableForm]) -> None:
    one, other = pair
    both = one.devices.keys() & other.devices.keys()
    assert {name: one.devices[name] for name in both} == {name: other.devices[name] for name in both}


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: "+".join(form.name for form in pair))
def test_a_cell_means_the_same_in_both(pair: tuple[TableForm, TableForm]) -> None:
    """In forms of the same rows all cells do; in forms of other rows those that both translate."""
    one, other = pair
    for role in TRANSLATED:
        if not (role in one.words and role in other.words and one.words[role][:3] == other.words[role][:3]):
            continue
        ours, theirs = one.words[role].values, other.words[role].values
        if one.where == other.where:
            assert ours == theirs, role
        elif role != "precision" or not OF_A_PART & one.where.keys() & other.where.keys():
            assert {cell: ours[cell] for cell in ours.keys() & theirs} == {
                cell: theirs[cell] for cell in theirs.keys() & ours
            }, role


@pytest.mark.parametrize("pair", pairs(), ids=lambda pair: "+".join(form.name for form in pair))
def test_the_cache_is_kept_in_one_precision(pair: tuple[TableForm, TableForm]) -> None:
    served = [form for form in pair if any(metric.predictor == "serving" for metric in form.metrics)]
    assert len({"kv_precision" in form.words for form in served}) <= 1
