"""Settings measured by turns beside a reference network, as calibrating a machine does; one alone is the same."""

import numpy as np
import pytest

from aios.records.errors import InputError
from aios.records.measurement import RELATIVE
from aios.spi.executor import Sampling
from aios_plugins.onnxruntime import Executor
from aios_plugins.onnxruntime.reference import Reference, write_reference


def test_settings_take_turns_and_each_is_told_in_times_of_the_reference(kit, prepared_store, tmp_path):
    executor = Executor()
    assert isinstance(executor, Sampling)
    path = kit.convolutional(tmp_path / "a.onnx", size=16)
    wanted = [kit.deployment_of(path, threads=threads, batch=batch) for threads in (1, 2) for batch in (1, 8)]
    made = [(deployment, executor.prepare(deployment, prepared_store)) for deployment in wanted]
    found = executor.measure_by_turns(made, kit.images(size=16), 0.2)
    assert [(item.subject.threads, item.subject.batch) for item in found] == [(1, 1), (1, 8), (2, 1), (2, 8)]
    for item in found:
        assert set(item.values) == {"time", "throughput", "cpu_time", RELATIVE}
        assert item.values[RELATIVE].n >= 5  # a median of fewer says little
        assert item.values["throughput"].value * item.values["time"].value == pytest.approx(item.subject.batch)
    alone, eight = (item.values[RELATIVE].value for item in found[:2])
    assert 2 * alone < eight  # eight items are more than twice the work


def test_a_setting_alone_is_measured_with_its_memory(kit, prepared_store, tmp_path):
    executor, deployment = Executor(), kit.deployment_of(kit.convolutional(tmp_path / "a.onnx", size=16))
    found = executor.measure(deployment, executor.prepare(deployment, prepared_store), kit.images(size=16), 0.1)
    assert {"time", "memory", RELATIVE} <= set(found.values)
    assert found.values["memory"].value > 1e6


def test_data_that_does_not_fit_is_refused(kit, prepared_store, tmp_path):
    executor, deployment = Executor(), kit.deployment_of(kit.convolutional(tmp_path / "a.onnx", size=16))
    made = [(deployment, executor.prepare(deployment, prepared_store))]
    with pytest.raises(InputError, match="does not fit the model's inputs"):
        executor.measure_by_turns(made, {"sound": np.zeros((1, 3), np.float32)}, 0.1)


def test_the_reference_is_the_same_everywhere_and_runs(tmp_path):
    for name in "ab":
        write_reference(tmp_path / f"{name}.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    Reference(str(tmp_path / "a.onnx"), 2).run()
