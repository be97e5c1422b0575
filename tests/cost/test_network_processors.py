"""Devices that only their names and cores tell of."""

from dataclasses import replace

import numpy as np
import pytest
from network_rows import TYPES, fact, observed

from aios.cost.network_predictor import PREDICTOR
from aios.cost.networks.processors import core_named, kind_named
from aios.cost.networks.rates import kinds_of, multiplying_bytes, rates_of
from aios.records.fleet import DeviceType


def test_a_processor_that_only_its_name_tells_of_has_the_rate_of_its_cores() -> None:
    # threads beyond the four cores that the name states run on smaller ones, or share one: they count half
    rows = observed(
        [1.0, 1.0],
        words={"precision": "fp32"},
        numbers={"cores": 4, "frequency": 2e9, "threads": [1, 8]},
        types="",
    )
    assert rates_of(rows, {}).peak == pytest.approx([2e9 * 16, 6 * 2e9 * 16])


def test_the_kind_of_its_cores_tells_what_a_processor_does_per_cycle() -> None:
    # 2 GHz x 8 operations (A53, one 128-bit unit), x 16 (A76, two), twice that in halves, 4 times in bytes
    rows = observed(
        [1.0] * 4,
        words={"core": ["A53", "A76", "A76", "A76"], "precision": ["fp32", "fp32", "fp16", "int8"]},
        numbers={"cores": 4, "frequency": 2e9, "threads": 1},
        types="",
    )
    assert rates_of(rows, {}).peak == pytest.approx([16e9, 32e9, 64e9, 128e9])


def test_bytes_are_apart_where_an_instruction_adds_up_their_products() -> None:
    xeon = DeviceType(name="xeon", kind="cpu", features=("avx2", "avx512_vnni"))
    old = DeviceType(name="old", kind="cpu", features=("avx2",))
    rows = observed(
        [1.0] * 6,
        words={"core": ["A53", "A76", "", "", "", ""], "device": ["", "", "", "", "", "a box"], "precision": "int8"},
        numbers={"threads": 1},
        types=["", "", "xeon", "old", "acme-1", ""],
    )
    types = {**TYPES, "xeon": xeon, "old": old}
    assert multiplying_bytes(rows, types).tolist() == [False, True, True, False, False, False]
    classes = PREDICTOR.design(rows, types).keys["class"].tolist()
    assert classes[0] == classes[3] != classes[1] == classes[2]
    halves = replace(rows, words={**rows.words, "precision": np.full(6, "fp16")})
    assert len(set(PREDICTOR.design(halves, types).keys["class"][:4].tolist())) == 1


def test_a_name_without_cores_or_clock_stands_for_an_ordinary_board() -> None:
    rows = observed([1.0], words={"device": "SoC: Arm Cortex-A73 MP6 (big)", "precision": "fp32"}, types="")
    assert rates_of(rows, {}).peak == pytest.approx(6 * 1.8e9 * 8)


@pytest.mark.parametrize(
    ("core", "device", "fp32"),
    [
        ("Cortex®-M4", "NUCLEO_L4R5ZI 120 MHz", 0.7),
        ("A7", "some board (Cortex-A7 1.0GHz * 4)", 2),
        ("A7", "iPhone 5S (Apple A7 1.3GHz x 2)", 16),
        ("", "Cortex\N{NON-BREAKING HYPHEN}A720 2.6Ghz x4", 16),
        ("", "Apple M1", 32),
        ("Kyro485", "SM8150", 16),
        ("", "Banana Pi M2 Zero", None),
        ("", "Spacemit M1", None),
        ("", "FTC664@1.8GHz x2", None),
        ("", "NVIDIA GH200 Grace Hopper", None),
        ("GS264", "Loongson 2K1000", None),
    ],
)
def test_names_of_cores(core: str, device: str, fp32: float | None) -> None:
    found = core_named(core, device)
    assert (found and found.fp32) == fp32


@pytest.mark.parametrize(
    ("core", "device", "kind"),
    [
        ("Adreno 740", "Snapdragon (Kryo + Adreno 740) 0", "mobile gpu"),
        ("", "Arm Mali-G52 MP6 GPU", "mobile gpu"),
        ("", "NVIDIA GeForce RTX 4090", "gpu"),
        ("", "Arm Cortex-A72 MP4", "cpu"),
        ("", "acme accelerator", ""),
    ],
)
def test_kinds_of_devices_that_only_their_names_tell_of(core: str, device: str, kind: str) -> None:
    assert kind_named(core, device) == kind


def test_what_is_counted_in_threads_is_a_processor_whatever_else_its_name_tells() -> None:
    rows = observed(
        [1.0, 1.0], words={"device": "laptop with GeForce RTX 3070"}, numbers={"threads": [4, np.nan]}, types=""
    )
    assert kinds_of(rows, {}).tolist() == ["cpu", "gpu"]


def test_threads_of_a_known_processor_share_its_rate_and_leave_a_part_to_one_core() -> None:
    board = DeviceType(
        name="board",
        kind="cpu",
        cores=4,
        peak_ops_per_s={"fp32": fact(4e11)},
        memory_bandwidth_bytes_per_s=fact(1e10),
    )
    rows = observed(
        [1.0] * 3,
        words={"model": "resnet50", "precision": "fp32"},
        numbers={"threads": [1, 4, np.nan]},
        types="board",
    )
    rates = rates_of(rows, {"board": board})
    assert rates.peak == pytest.approx([1e11, 4e11, 4e11])
    assert rates.bandwidth == pytest.approx([0.5e10, 1e10, 1e10])  # one core draws half of what four do
    serial = PREDICTOR.design(rows, {"board": board}).parts["serial"]
    # a tenth of 8.2 GFLOP, by as much slower as one core is than four, which all are where nobody says
    alone = 0.1 * 8.18e9 * (1 / 1e11 - 1 / 4e11)
    assert serial == pytest.approx([0, alone, alone], rel=0.01)
    assert rates.threads.tolist() == [1, 4, 4]
    assert rates.bound == pytest.approx([1e11, 4e11, 4e11])
