import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fidelity import splits, united

LEVELS = ("zero-shot", "calibrated", "profiled")


@st.composite
def measured(draw):
    rows = draw(st.integers(1, 120))
    seed = draw(st.integers(0, 2**16))
    random = np.random.default_rng(seed)
    devices = np.array([f"d{n}" for n in random.integers(0, draw(st.integers(1, 9)), rows)])
    models = np.array([f"m{n}" for n in random.integers(0, draw(st.integers(1, 20)), rows)])
    families = np.array([f"f{int(name[1:]) // 2}" for name in models])
    settings = np.array([f"s{n}" for n in random.integers(0, rows, rows)])
    return devices, models, families, settings


@given(measured(), st.sampled_from(LEVELS))
@settings(max_examples=60, deadline=None)
def test_nothing_is_predicted_by_what_its_level_may_not_see(columns, level):
    devices, models, families, settings = columns
    predicted = np.zeros(len(devices), dtype=int)
    for train, test, others, _ in splits(level, devices, models, families, settings):
        predicted += test
        assert not (test & (train | others)).any()
        assert not (train & ~others).any()
        if level == "zero-shot":
            assert not set(devices[test]) & set(devices[others])
        if level != "profiled":
            assert not set(families[test]) & set(families[train])
        else:
            assert not set(settings[test]) & set(settings[train])
            pairs = set(zip(devices[train], models[train], strict=True))
            assert set(zip(devices[test], models[test], strict=True)) <= pairs
        if level == "calibrated":
            assert all((devices[train] == name).sum() >= 5 for name in set(devices[test]))
    assert (predicted <= 1).all()


@pytest.mark.parametrize("level", LEVELS)
def test_every_row_has_its_turn(level):
    random = np.random.default_rng(1)
    models = np.array([f"m{n}" for n in random.integers(0, 40, 2000)])
    families = np.array([f"f{int(name[1:]) // 4}" for name in models])
    devices = np.array([f"d{n}" for n in random.integers(0, 6, 2000)])
    settings = np.arange(2000).astype(str)
    turns = sum(part.test.astype(int) for part in splits(level, devices, models, families, settings))
    assert (turns == 1).mean() > 0.99


def test_two_devices_are_never_in_one_fold():
    names = np.array([f"d{n}" for n in range(5)])
    parts = list(splits("zero-shot", np.repeat(names, 10), np.tile(names, 10), np.tile(names, 10), np.arange(50)))
    assert all(len(set(np.repeat(names, 10)[part.test])) == 1 for part in parts)
    assert len(parts) == 25


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", "1", "2", "3", "4"])), max_size=15))
@settings(deadline=None)
def test_families_are_united_by_networks_and_by_nothing_else(rows):
    """Rows are of one family where a chain of families and networks joins them: compared with plain reachability."""
    families, networks = (np.array([row[place] for row in rows], dtype="U1") for place in (0, 1))
    found = united(families, networks)
    reached = [{place} for place in range(len(rows))]
    for _ in rows:
        for own in reached:
            own |= {
                other
                for other in range(len(rows))
                for place in tuple(own)
                if families[place] == families[other] or networks[place] == networks[other] != ""
            }
    assert all(
        (found[place] == found[other]) == (other in own)
        for place, own in enumerate(reached)
        for other in range(len(rows))
    )
