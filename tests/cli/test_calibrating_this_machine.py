"""Calibrating the machine that runs it: what was measured is kept, and the next run goes on from there."""

import pytest

from aios.records.errors import InputError
from aios.records.measurement import RELATIVE
from aios.state import ProfileStore
from aios.workflow.setting import Setting
from aios.workflow.thismachine import calibrate_machine


def test_a_run_goes_on_where_the_one_before_it_ended(tmp_path):
    pytest.importorskip("sklearn", reason="the extra `learning` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `onnxruntime` is not installed")
    told = []
    setting = Setting(state=tmp_path / ".aios/state.json", profiles=tmp_path / "profiles", tell=told.append)

    def measured():
        told.clear()
        with pytest.raises(InputError, match="too few times were measured here"):
            calibrate_machine(setting, 0.1, 0.05, 0)
        names = [line for line in told if line.startswith("measuring ")]
        assert names  # at least one, however short the time is
        return names, ProfileStore(setting.profiles).load()

    first, kept = measured()
    second, more = measured()
    assert not {*first} & {*second}  # nothing is measured twice
    assert kept.items() < more.items()
    settings = {(item.subject.threads, item.subject.batch) for item in kept.values()}
    assert {(1, 1), (1, 4)} <= settings
    assert all(RELATIVE in item.values and "memory" not in item.values for item in kept.values())
