"""Operators of language models: what is said of rows, and that the rest is learnt."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from observed import observed

from aios.cost.kernel_predictor import PREDICTOR
from aios.cost.kernels import FORMATS, gemm, hardware_of
from aios.cost.kernels.layers import OPERATIONS
from aios.cost.learning import fit, predict
from aios.records.fleet import DeviceType, Fact, Interconnect
from aios.records.observation import Observations


def device(name: str, scale: float) -> DeviceType:
    return DeviceType(
        name=name,
        kind="gpu",
        architecture="Round",
        peak_ops_per_s={
            "fp32": Fact(value=25.6e12 * scale, unit="1/s"),
            "bf16": Fact(value=100e12 * scale, unit="1/s"),
        },
        memory_bandwidth_bytes_per_s=Fact(value=1e12 * scale, unit="B/s"),
    )


DEVICES = {name: device(name, scale) for name, scale in (("small", 1.0), ("large", 4.0))}


def asked(words: Mapping[str, object], numbers: Mapping[str, object], types: list[str]) -> Observations:
    return observed("kernel", types, words, numbers, values=1e-3)


def products(count: int) -> Observations:
    random = np.random.default_rng(0)
    sizes = {role: 2.0 ** random.integers(low, high, size=count) for role, low, high in
             (("m", 0, 15), ("n", 10, 15), ("k", 10, 15))}  # fmt: skip
    return asked({"operation": "gemm", "precision": "bf16"}, sizes, ["small", "large"] * (count // 2))


def test_base_is_the_physics() -> None:
    design = PREDICTOR.design(
        asked({"operation": "gemm", "precision": "bfloat16"}, {"m": 64, "n": 4096, "k": 1024}, ["large"]), DEVICES
    )
    hardware = hardware_of(DEVICES["large"], FORMATS["bf16"])
    assert hardware is not None
    work = gemm(hardware, FORMATS["bf16"], 64, 4096, 1024)
    assert design.unknown.tolist() == [""]
    assert np.exp(design.base[0]) == pytest.approx(float(work.seconds()))
    assert design.least[0] < np.log(work.ideal_s) < design.base[0]


def test_what_cannot_be_predicted_is_said() -> None:
    rows = asked(
        {
            "operation": ["gemm", "sort", "gemm", "gemm", "attention"],
            "precision": ["bf16", "bf16", "posit", "bf16", "bf16"],
        },
        {"m": 1, "n": 8, "k": [8, 8, 8, np.nan, 8]},
        ["", "small", "small", "small", "small"],
    )
    assert PREDICTOR.design(rows, DEVICES).unknown.tolist() == [
        "no device of the catalogue is called so",
        "unknown operation sort",
        "unknown precision posit",
        "k is not stated",
        "head_dim is not stated",
    ]


def test_every_operation_has_a_finite_base() -> None:
    structure = {
        "m": 16, "n": 4096, "k": 4096, "batch": 4, "sequence": 128, "tokens": 64, "hidden": 4096, "heads": 32,
        "kv_heads": 8, "intermediate": 14336, "active_experts": 2, "experts": 8, "tensor_parallel": 2,
    }  # fmt: skip
    for phase in ("prefill", "decode"):
        names = list(OPERATIONS)
        design = PREDICTOR.design(
            asked({"operation": names, "phase": phase}, structure, ["small"] * len(names)), DEVICES
        )
        assert set(design.unknown) == {""}
        assert np.isfinite(design.base).all()
        assert (design.base > design.least).all()
        assert all(np.isfinite(column).all() for column in design.features.values())


def test_layer_takes_as_long_as_its_largest_parts() -> None:
    """Of Llama-2-7B with 4,096 tokens, four products are nearly all of it."""
    structure = {"tokens": 4096, "hidden": 4096, "heads": 32, "kv_heads": 32, "intermediate": 11008}
    names = ["layer", "attention-qkv", "attention-out", "mlp-gate-up", "mlp-down"]
    base = np.exp(
        PREDICTOR.design(asked({"operation": names, "precision": "bf16"}, structure, ["small"] * 5), DEVICES).base
    )
    assert base[1:].sum() < base[0] < 1.15 * base[1:].sum()


def test_layers_of_a_group_add_up_their_results() -> None:
    """Two devices halve the products and send 4,096 x 4,096 values of two bytes twice, through the host's memory."""
    structure = {"tokens": 4096, "hidden": 4096, "heads": 32, "kv_heads": 32, "intermediate": 11008}
    bus = Interconnect(kind="pcie4-x16", bandwidth_bytes_per_s=Fact(value=32e9, unit="B/s"))
    joined = {"small": DEVICES["small"].model_copy(update={"interconnects": (bus,)})}
    rows = asked({"operation": "layer", "precision": "bf16"}, {**structure, "tensor_parallel": 2}, ["small"])
    apart, together = (np.exp(PREDICTOR.design(rows, known).base[0]) for known in (DEVICES, joined))
    sent = 2 * 4096 * 4096
    assert together - apart == pytest.approx(2 * (8e-6 + 2.2e-6 + 20e-6 + sent / (0.35 * 32e9)))


def test_layers_run_on_what_power_keeps_up_and_single_products_do_not() -> None:
    cool = DEVICES["small"]
    hot = cool.model_copy(update={"tdp_w": Fact(value=50.0, unit="W"), "idle_w": Fact(value=10.0, unit="W")})
    structure = {"tokens": 4096, "hidden": 4096, "heads": 32, "kv_heads": 32, "intermediate": 11008}
    for operation, slower in (("layer", True), ("mlp-down", False)):
        rows = asked({"operation": operation, "precision": "bf16"}, structure, ["small"])
        usual, held = (PREDICTOR.design(rows, {"small": item}).base[0] for item in (cool, hot))
        assert (held > usual + 0.5) == slower
        assert slower or held == usual


def test_throughput_is_arithmetic_over_time() -> None:
    rows = asked({"operation": "gemm", "precision": "bf16"}, {"m": 1000, "n": 1000, "k": 1000}, ["small"])
    rows = dataclasses.replace(rows, metric="throughput", values=np.array([50e12]))
    assert np.exp(PREDICTOR.target(rows)) == pytest.approx(2e9 / 50e12)
    assert PREDICTOR.value(rows, PREDICTOR.target(rows)) == pytest.approx(50e12)


def test_share_of_each_resource_is_learnt() -> None:
    """A device whose products reach 70 % of the assumed arithmetic and half the bandwidth is predicted closely."""
    rows = products(600)
    design = PREDICTOR.design(rows, DEVICES)
    hardware = [hardware_of(DEVICES[str(name)], FORMATS["bf16"]) for name in rows.types]
    truth = []
    for place, facts in enumerate(hardware):
        assert facts is not None
        work = gemm(facts, FORMATS["bf16"], *(rows.numbers[role][place] for role in ("m", "n", "k")))
        slower = work._replace(compute_s=work.compute_s / 0.7, memory_s=work.memory_s / 0.5)
        truth.append(float(slower.seconds()))
    target = np.log(truth)
    learnt = fit(
        design.take(np.arange(400)), target[:400], rows.families[:400], PREDICTOR, "latency.mean", ("calibrated",)
    )
    rest = design.take(np.arange(400, 600))
    error = np.abs(np.expm1(predict(rest, learnt, "calibrated").value - target[400:]))
    assert np.median(np.abs(np.expm1(rest.base - target[400:]))) > 0.25
    assert np.median(error) < 0.04
