"""What ships in calibrations/ is small, readable, of the predictors as they are, and holds no rows."""

import json

import pytest

from aios import catalogue
from aios.cost.agreeing import disagreement, odd_name
from aios.fidelity.keeping import calibration_text, file_name, read_calibration
from aios.workflow.calibrations import load_calibrations

FOLDER = catalogue.root() / "calibrations"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.fixture(scope="module")
def all_of_them():
    return {path: read_calibration(path.read_bytes(), str(path)) for path in FILES}


def test_each_predictor_that_plans_ask_ships_what_it_learnt(all_of_them):
    shared = {learnt.predictor for learnt in all_of_them.values() if not learnt.device}
    assert shared >= {"accuracy", "memory", "network", "power", "serving", "step"}, "learn them: `make calibrations`"


def test_each_is_of_its_predictor_as_it_is_now(all_of_them):
    wrong = {path.name: disagreement(learnt) or odd_name(learnt) for path, learnt in all_of_them.items()}
    assert {name: reason for name, reason in wrong.items() if reason} == {}, "learn them again: `make calibrations`"


def test_each_is_written_as_it_would_be_written_now(all_of_them):
    for path, learnt in all_of_them.items():
        assert file_name(learnt) == path.name
        assert calibration_text(learnt) == path.read_text(), path.name
        json.loads(path.read_text())


def test_devices_stand_on_the_shared_one_that_ships(all_of_them):
    told = []
    known = load_calibrations([FOLDER], told.append)
    assert {(learnt.predictor, learnt.metric) for learnt in all_of_them.values()} == set(known)
    for key in known:
        assert known.of(*key) is not None
    assert told == []


def test_each_says_where_it_comes_from_and_how_far_it_is_off(all_of_them):
    for path, learnt in all_of_them.items():
        assert learnt.provenance, path.name
        if learnt.device is None:
            assert all(entry.source for entry in learnt.provenance), path.name
            assert learnt.errors, path.name


def test_they_are_small_and_hold_no_rows(all_of_them):
    assert sum(path.stat().st_size for path in FILES) < 3 * 2**20
    for path, learnt in all_of_them.items():
        assert path.stat().st_size < 150_000, path.name
        for stage in (*learnt.mixes, *learnt.stages):
            if {"model", "workload"} & set(stage.keys):
                assert not any(key.endswith("device") for key in stage.keys), path.name
                assert all(effect.rows >= 30 for effect in stage.effects), path.name
