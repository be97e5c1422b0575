"""The physics of single operators, on a device with round numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.cost.kernels import (
    FORMATS,
    attention,
    elementwise,
    format_of,
    format_rows,
    gemm,
    hardware_of,
    hardware_rows,
    loads_of,
    moe,
)
from aios.cost.kernels.grouping import distinct, distinct_rows
from aios.cost.kernels.hardware import powered_share
from aios.cost.kernels.matrix import tile_padding
from aios.cost.kernels.work import one_after_the_other
from aios.records.fleet import DeviceType, Fact

BF16, FP8 = FORMATS["bf16"], FORMATS["fp8"]


def fact(value: float, unit: str = "1") -> Fact:
    return Fact(value=value, unit=unit)


DEVICE = DeviceType(
    name="round",
    kind="gpu",
    peak_ops_per_s={"fp32": fact(25.6e12), "bf16": fact(100e12), "fp8": fact(200e12)},
    memory_bandwidth_bytes_per_s=fact(1e12),
    frequency_hz=fact(1e9),
    launch_overhead_s=fact(1e-6),
    cache_bytes={"l2": fact(40e6)},
)
HARDWARE = hardware_of(DEVICE, BF16)
assert HARDWARE is not None


def test_units_follow_from_vector_peak_and_clock() -> None:
    assert HARDWARE.units == 100  # 25.6e12 / (2 x 128 x 1e9)
    old = hardware_of(DEVICE.model_copy(update={"features": ("sm_80",)}), BF16)
    assert old is not None
    assert old.units == 200


def test_formats_take_the_first_precision_that_a_device_has() -> None:
    fine = hardware_of(DEVICE, FORMATS["nvfp4"])  # fp4 is lacking, fp8 is next
    assert fine is not None
    assert fine.peak_ops_per_s == 200e12
    assert hardware_of(DEVICE, ("fp64",)) is None
    assert hardware_of(DEVICE.model_copy(update={"memory_bandwidth_bytes_per_s": None}), BF16) is None


def test_power_keeps_up_a_share_of_the_peak() -> None:
    """100 W beyond idle pay for 125 T operations/s of 16 bits, on chips of 12 nm for 60; the peak is 100."""
    device = DEVICE.model_copy(update={"tdp_w": fact(120.0, "W"), "idle_w": fact(20.0, "W")})
    assert powered_share(device, BF16) == pytest.approx((1 + (100 / 125) ** 4) ** -0.25)
    assert powered_share(device, FP8) == pytest.approx((1 + (200 / 250) ** 4) ** -0.25)  # half the energy each
    old = device.model_copy(update={"architecture": "Turing"})
    assert powered_share(old, BF16) == pytest.approx((1 + (100 / 60) ** 4) ** -0.25)
    assert powered_share(DEVICE, BF16) == 1  # no power is stated
    assert powered_share(device, ("fp64",)) == 1


def test_names_of_libraries_are_formats_too() -> None:
    assert format_of("bfloat16") is BF16
    assert format_of("AWQ") is FORMATS["w4a16"]
    assert format_of("sq") is FORMATS["int8"]
    assert format_of("posit8") is None
    rows = format_rows(["nvfp4", "posit8", "nvfp4"])
    assert np.array_equal(rows.weight_bytes, [0.5625, np.nan, 0.5625], equal_nan=True)


def test_rows_of_hardware_are_nan_where_nothing_is_known() -> None:
    rows = hardware_rows({"a": HARDWARE, "b": None}, ["b", "a", "c"])
    assert np.array_equal(rows.bandwidth_bytes_per_s, [np.nan, 1e12, np.nan], equal_nan=True)


def test_full_wave_of_tiles_worked_by_hand() -> None:
    """1280 x 2560 makes 10 x 10 tiles of 128 x 256, one for each multiprocessor."""
    work = gemm(HARDWARE, BF16, 1280, 2560, 1000)
    assert work.compute_s == pytest.approx(6.5536e9 / 100e12 / 0.8)
    assert work.memory_s == pytest.approx((5.12e6 + 2.56e6 + 6.5536e6) / 0.85e12)
    assert work.fixed_s == pytest.approx(2e-6)
    assert work.seconds() == pytest.approx(83.956e-6, rel=1e-4)


def test_last_wave_is_paid_for_in_full() -> None:
    """11 columns of large tiles would need two waves; 440 tiles of 64 x 128 need five of 100."""
    padding, tiles = tile_padding(np.array(1280.0), np.array(2816.0), np.array(100.0))
    assert padding == pytest.approx(500 / 440)
    assert tiles == 440


def test_single_rows_wait_for_the_weights() -> None:
    """4096 x 4096 in 16 bits is 33.55 MB."""
    one, eight = gemm(HARDWARE, BF16, [1, 8], 4096, 4096).seconds()
    assert one == pytest.approx(2e-6 + 33.55e6 / 0.85e12, rel=0.01)
    assert eight == pytest.approx(one, rel=0.01)


def test_quantised_weights_are_read_quicker() -> None:
    half, eight, four = (
        float(gemm(HARDWARE, FORMATS[name], 1, 8192, 8192).seconds()) for name in ("bf16", "w8a16", "w4a16")
    )
    assert four < eight < half
    assert (half - 2e-6) / (eight - 2e-6) == pytest.approx(2, rel=0.01)


def test_quantising_activations_takes_a_kernel_and_traffic() -> None:
    quick = hardware_of(DEVICE, FP8)
    assert quick is not None
    work = gemm(quick, FP8, 1000, 1000, 1000)
    assert work.fixed_s == pytest.approx(4e-6)
    assert work.streams_s == pytest.approx(3e6 / 0.85e12)  # two bytes in, one out


def test_causal_attention_counts_pairs() -> None:
    """Four queries see 1 + 2 + 3 + 4 keys; each pair costs two products of 2 x 64."""
    work = attention(HARDWARE, 1, 4, 4, 1, 1, 64)
    assert work.flops == pytest.approx(10 * 4 * 64)
    assert attention(HARDWARE, 1, 4, 4, 1, 1, 64, causal=False).flops == pytest.approx(16 * 4 * 64)
    assert attention(HARDWARE, 1, 1, 1000, 1, 1, 64).flops == pytest.approx(1000 * 4 * 64)


def test_long_prompts_are_bound_by_arithmetic() -> None:
    work = attention(HARDWARE, 1, 32768, 32768, 64, 8, 128)
    ideal = 4 * 64 * 128 * 32768 * 32769 / 2 / 100e12
    assert work.ideal_s == pytest.approx(ideal)
    assert work.seconds() == pytest.approx(ideal / 0.6, rel=0.03)


def test_generation_grows_with_the_cache_that_is_read() -> None:
    """Beyond its fixed part, in proportion to batch x keys x bytes."""
    base = attention(HARDWARE, 64, 1, 4096, 64, 8, 128).seconds()
    fixed = attention(HARDWARE, 64, 1, 4096, 64, 8, 128).fixed_s
    assert attention(HARDWARE, 128, 1, 4096, 64, 8, 128).seconds() - fixed == pytest.approx(
        2 * (base - fixed), rel=0.01
    )
    assert attention(HARDWARE, 64, 1, 8192, 64, 8, 128).seconds() - fixed == pytest.approx(2 * (base - fixed), rel=0.01)
    assert attention(HARDWARE, 64, 1, 4096, 64, 8, 128, kv_bytes=1.0).seconds() - fixed == pytest.approx(
        (base - fixed) / 2, rel=0.03
    )


def test_latents_are_read_once_for_all_heads() -> None:
    """DeepSeek-V3 keeps 512 + 64 numbers per token: 1,152 bytes."""
    work = attention(HARDWARE, 1, 1, 10_000, 128, 1, 576, value_dim=512, cached_per_token=576)
    assert work.bytes == pytest.approx(10_000 * 576 * 2 + 128 * (576 + 512) * 2)


def test_elementwise_is_traffic() -> None:
    assert elementwise(HARDWARE, 0.85e6, 0.85e6).seconds() == pytest.approx(1e-6 + 2e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("tokens", "active", "count", "parallel", "used", "busy"),
    [(1, 8, 256, 1, 8, 8), (2, 8, 256, 1, 16, 16), (1000, 2, 8, 1, 8, 2000), (1000, 2, 8, 4, 2, 500)],
)
def test_balanced_loads(tokens: int, active: int, count: int, parallel: int, used: float, busy: float) -> None:
    loads = loads_of(tokens, active, count, parallel, "balanced")
    assert (float(loads.experts), float(loads.tokens)) == (used, busy)


def test_random_choice_uses_the_experts_that_chance_says() -> None:
    loads = loads_of(10, 1, 10)
    assert loads.experts == pytest.approx(10 * (1 - 0.9**10))


def test_skewed_loads_keep_one_device_busier() -> None:
    even, skewed = loads_of(4096, 8, 128, 8, np.array(["balanced", "power_law_1.2"])).tokens
    assert even == 4096
    assert 1.3 * even < skewed < 8 * even


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 20_000),
    st.integers(1, 8),
    st.sampled_from([8, 32, 128, 256]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(["", "balanced", "power_law_1.01", "power_law_1.2", "power_law_x"]),
)
def test_loads_are_possible(tokens: int, active: int, count: int, parallel: int, distribution: str) -> None:
    loads = loads_of(tokens, active, count, parallel, distribution)
    every = tokens * active
    assert every / parallel * 0.999 <= float(loads.tokens) <= every
    assert float(loads.rows) >= float(loads.tokens)
    assert 0 < float(loads.experts) <= count / parallel + 1e-9
    assert every / count * 0.999 <= float(loads.heaviest) <= every


def test_few_tokens_of_a_mixture_wait_for_the_experts_that_they_use() -> None:
    """Two tokens with two of eight experts each read four experts of 3 x 4096 x 14336 values."""
    seconds = moe(HARDWARE, BF16, 2, 4096, 14336, 2, 8, distribution="balanced").seconds()
    assert seconds == pytest.approx(8e-6 + 4 * 3 * 4096 * 14336 * 2 / 0.85e12, rel=0.01)


def test_narrow_slices_of_experts_waste_arithmetic() -> None:
    """Eight-fold tensor parallelism cuts 768 columns to 96, which fill one and a half tiles of 64."""
    whole = moe(HARDWARE, BF16, 65536, 2048, 768, 8, 128, distribution="balanced")
    cut = moe(HARDWARE, BF16, 65536, 2048, 768, 8, 128, tensor_parallel=8, distribution="balanced")
    assert whole.compute_s / cut.compute_s == pytest.approx(8 / (128 / 96))


def test_operators_in_a_row_add_up() -> None:
    wide, narrow = gemm(HARDWARE, BF16, 8192, 8192, 8192), gemm(HARDWARE, BF16, 1, 8192, 8192)
    both = one_after_the_other([wide, narrow])
    assert both.seconds() == pytest.approx(wide.seconds() + narrow.seconds(), rel=0.01)
    assert one_after_the_other([narrow, narrow]).seconds() == pytest.approx(2 * narrow.seconds(), rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 20_000))
def test_no_product_beats_its_arithmetic(m: int, n: int, k: int) -> None:
    work = gemm(HARDWARE, BF16, m, n, k)
    assert math.isfinite(float(work.seconds()))
    assert work.seconds() > max(float(work.ideal_s), 2 * n * k / 1e12)


def test_equal_rows_are_found() -> None:
    names, places = distinct(np.array(["b", "a", "b"]))
    assert names == ["b", "a"]
    assert places.tolist() == [0, 1, 0]
    first, rows = distinct_rows([np.array([1.0, 2.0, 1.0, 1.0]), np.array([5.0, 5.0, 5.0, 6.0])])
    assert len(first) == 3
    assert rows[0] == rows[2]
    assert len(set(rows.tolist())) == 3
