"""What a device holds in training: the figures of published papers, by hand, and what must hold of any job."""

from pathlib import Path

import numpy as np
import pytest
from training_cases import gpt, work

from aios import catalogue
from aios.cost.training import capacity_bytes, held_bytes, structure_of
from aios.cost.training.memory import margin_bytes
from aios.cost.training.plans import USABLE
from aios.fleet.catalogue import load_catalogue
from aios.records.fleet import DeviceType, Fact

DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")
GIB = 2**30


KORTHIKANTI = [
    # layers, hidden, heads, tensor, pipeline, chunks, micro, batch, selective with sequence parallelism,
    # GiB of parameters and optimizer, of activations: arXiv 2205.05198 figure 1, as calculon quotes it (Apache-2.0)
    (48, 6144, 64, 8, 1, 1, 4, 4, False, 45.5625, 59.25),
    (96, 12288, 96, 8, 8, 3, 1, 64, True, 45.5625, 12.35156),
    (105, 20480, 128, 8, 35, 3, 1, 280, False, 31.64062, 114.0234),
    (105, 20480, 128, 8, 35, 3, 1, 280, True, 31.64062, 23.07617),
    (128, 25600, 160, 8, 64, 1, 1, 512, True, 32.95898, 26.5625),
]


@pytest.mark.parametrize("row", KORTHIKANTI)
def test_states_and_activations_as_published(row: tuple[float, ...]) -> None:
    layers, hidden, heads, tensor, pipeline, chunks, micro, batch, selective, states, activations = row
    job = work(
        devices=tensor * pipeline,
        tensor=tensor,
        pipeline=pipeline,
        chunks=chunks,
        micro_batch=micro,
        global_batch=batch,
        scores_again=selective,
        sequence_parallel=selective,
    )
    held = held_bytes(structure_of(gpt(int(layers), int(hidden), int(heads))), job, unfused=1.0)
    assert held.states[0] / GIB == pytest.approx(states, rel=0.03)
    assert held.activations[0] / GIB == pytest.approx(activations, rel=0.01)


def test_stages_of_zero_by_hand() -> None:
    """arXiv 1910.02054: of 18 bytes per parameter, 12, 16 and 18 are spread over the 8 replicas."""
    model = structure_of(gpt(24, 2304, 24))
    parameters = float(model.parameters[0])
    for stage, each in ((0, 18), (1, 6 + 12 / 8), (2, 2 + 16 / 8), (3, 18 / 8)):
        held = held_bytes(model, work(devices=8, shard=stage, global_batch=8))
        assert held.states[0] == pytest.approx(each * parameters)


def test_full_recomputation_keeps_the_inputs_of_blocks() -> None:
    """2 bytes a channel and token of each block, and the block in work: 34 of them without dropout's masks less 2."""
    held = held_bytes(structure_of(gpt(24, 2304, 24)), work(global_batch=1, recompute=1))
    assert held.activations[0] == pytest.approx(2048 * 2304 * (2 * 24 + 32))


def test_the_margin_grows_faster_than_what_moves() -> None:
    sizes = np.array([1e8, 1e9, 1e10, 1e11])
    shares = margin_bytes(sizes) / sizes
    assert (np.diff(shares) > 0).all()
    assert 0.01 < shares[0] < shares[-1] < 0.1


MEGATRON = [
    # layers, hidden, heads, tensor, pipeline, devices, batch: arXiv 2104.04473 table 1, all of which ran on 80 GB
    (24, 2304, 24, 1, 1, 32, 512),
    (30, 3072, 32, 2, 1, 64, 512),
    (40, 6144, 48, 8, 1, 256, 1024),
    (60, 10240, 80, 8, 4, 1024, 1792),
    (80, 12288, 96, 8, 8, 1536, 2304),
    (96, 16384, 128, 8, 16, 1920, 2160),
    (105, 20480, 128, 8, 35, 2520, 2520),
    (128, 25600, 160, 8, 64, 3072, 3072),
]


@pytest.mark.parametrize("row", MEGATRON)
def test_what_ran_is_not_refused_and_half_of_it_is(row: tuple[int, ...]) -> None:
    layers, hidden, heads, tensor, pipeline, devices, batch = row
    capacity = capacity_bytes(DEVICES["nvidia-a100-sxm4-80gb"])
    assert capacity is not None
    model = structure_of(gpt(layers, hidden, heads))
    usual = {"devices": devices, "global_batch": batch, "recompute": 1, "sequence_parallel": 0}
    held = held_bytes(model, work(**usual, tensor=tensor, pipeline=pipeline))
    assert held.total[0] <= USABLE * capacity
    if layers >= 60:
        for smaller in ((tensor / 2, pipeline), (tensor, pipeline // 2)):
            less = held_bytes(model, work(**usual, tensor=smaller[0], pipeline=smaller[1]))
            assert less.total[0] > USABLE * capacity


def test_gigabytes_of_graphics_cards_are_gibibytes() -> None:
    """An A100 80 GB reports 81,920 MiB; graphics of an Apple processor get part of its memory."""
    assert capacity_bytes(DEVICES["nvidia-a100-sxm4-80gb"]) == 80 * GIB
    processor = DeviceType(
        name="apple-like", kind="gpu", vendor="Apple", memory_bytes=Fact(value=64 * GIB, unit="B"), memory_kind="lpddr"
    )
    assert capacity_bytes(processor) == 48 * GIB
    assert capacity_bytes(DeviceType(name="bare", kind="gpu")) is None
