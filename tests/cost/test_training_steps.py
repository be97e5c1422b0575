"""The physics of a training step: hand-worked numbers, published tables, and what must hold of any job."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_cases import gpt, work

from aios import catalogue
from aios.cost.training import Hardware, Structure, Work, hardware_of, published_flops, step_parts, structure_of
from aios.cost.training.hardware import arithmetic
from aios.cost.training.steptime import kernels
from aios.fleet.catalogue import load_catalogue
from aios.records.transformer import Experts

DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")


def machine(name: str = "nvidia-a100-sxm4-80gb", precision: str = "fp16", **changes: object) -> Hardware:
    return hardware_of({name: DEVICES[name].model_copy(update=changes)}, np.array([name]), [precision])


def shape(layers: int = 24, hidden: int = 2304, heads: int = 24) -> Structure:
    return structure_of(gpt(layers, hidden, heads))


@pytest.mark.parametrize(("layers", "hidden", "heads"), [(24, 2304, 24), (96, 12288, 96)])
def test_flops_are_those_of_the_megatron_paper(layers: int, hidden: int, heads: int) -> None:
    """arXiv 2104.04473 equation 3: 96 B s l h^2 (1 + s / 6h + V / 16lh) with recomputation, of which 24 is again."""
    sequence, vocabulary = 2048, 51200
    job, model = work(sequence=sequence), shape(layers, hidden, heads)
    products, scores = model.forward_flops(job.sequence)
    counted = published_flops(model, job)[0] + products[0] + scores[0] - 2 * vocabulary * hidden
    expected = 96 * layers * hidden**2 * (1 + sequence / (6 * hidden) + vocabulary / (16 * layers * hidden))
    assert counted == pytest.approx(expected, rel=2e-3)  # norms and biases are counted in parameters


MEGATRON = [
    # layers, hidden, heads, tensor, pipeline, devices, batch, TFLOP/s per device: arXiv 2104.04473 table 1
    (40, 6144, 48, 8, 1, 256, 1024, 135),
    (48, 8192, 64, 8, 2, 512, 1536, 138),
    (60, 10240, 80, 8, 4, 1024, 1792, 140),
    (80, 12288, 96, 8, 8, 1536, 2304, 148),
    (96, 16384, 128, 8, 16, 1920, 2160, 155),
    (105, 20480, 128, 8, 35, 2520, 2520, 163),
    (128, 25600, 160, 8, 64, 3072, 3072, 163),
]


def test_published_throughput_is_met_without_learning() -> None:
    errors = []
    for layers, hidden, heads, tensor, pipeline, devices, batch, measured in MEGATRON:
        model = shape(layers, hidden, heads)
        job = work(
            devices=devices, tensor=tensor, pipeline=pipeline, global_batch=batch, recompute=1, sequence_parallel=0
        )
        counted = published_flops(model, job) + sum(model.forward_flops(job.sequence))
        rate = counted * job.tokens / step_parts(model, job, machine()).step_s(job) / devices
        errors.append(abs(float(rate[0]) / 1e12 / measured - 1))
    assert np.median(errors) < 0.10
    assert max(errors) < 0.20


def test_the_bubble_is_the_share_that_stages_wait() -> None:
    """(p - 1) / (m v) of the busy time: 7 stages' wait over 16 micro batches in 2 rounds is 7 / 32."""
    model, job = shape(), work(devices=8, pipeline=8, global_batch=16, chunks=2)
    parts = step_parts(model, job, machine())
    busy = parts.total - parts.bubble - parts.data - parts.optimizer
    assert parts.bubble[0] / busy[0] == pytest.approx(7 / 32)


def test_one_device_speaks_to_nobody() -> None:
    parts = step_parts(shape(), work(global_batch=8), machine())
    assert [float(getattr(parts, name)[0]) for name in ("tensor", "context", "expert", "data", "bubble")] == [0.0] * 5
    assert parts.recompute[0] == 0.0
    assert parts.compute[0] > 0


def test_tensor_parallel_traffic_by_hand() -> None:
    """4 all-reduces a block (2 per pass), each 2 (t - 1) / t of 2 bytes a channel, at 3/4 of 300 GB/s."""
    parts = step_parts(shape(), work(devices=4, tensor=4, global_batch=8), machine())
    assert parts.tensor[0] == pytest.approx(4 * 24 * 4 * (2 * 3 / 4) * 2 * 2304 / (0.75 * 300e9))


def test_adapters_have_no_gradients_of_weights() -> None:
    whole, adapters = (step_parts(shape(), work(global_batch=8, adapters=flag), machine()) for flag in (0, 1))
    assert 0.6 < adapters.compute[0] / whole.compute[0] < 0.85
    assert adapters.optimizer[0] == 0.0


def test_narrower_arithmetic_helps_less_than_its_peak() -> None:
    wide, narrow = (
        step_parts(shape(80, 8192, 64), work(global_batch=8), machine("nvidia-h100-sxm5-80gb", precision))
        for precision in ("bf16", "fp8")
    )
    assert 1.1 < wide.total[0] / narrow.total[0] < 2.0


def test_experts_cost_what_is_active() -> None:
    dense = gpt(24, 2304, 24)
    mixture = dense.model_copy(
        update={"dense_layers": 0, "experts": Experts(layers=24, count=64, active=1, intermediate=4 * 2304)}
    )
    model = structure_of(mixture)
    assert model.active[0] == pytest.approx(structure_of(dense).active[0], rel=0.01)
    assert model.parameters[0] > 20 * model.active[0]
    spread, alone = (work(devices=8, expert=degree, global_batch=64) for degree in (8, 1))
    assert step_parts(model, spread, machine()).expert[0] > 0
    assert step_parts(model, alone, machine()).expert[0] == 0


def test_a_power_cap_slows_and_an_ample_one_does_not() -> None:
    name = "nvidia-a100-sxm4-80gb"
    rates = [
        hardware_of({name: DEVICES[name]}, np.array([name]), ["fp16"], np.array([cap])).peak[0]
        for cap in (200.0, 300.0, 400.0)
    ]
    assert rates[0] < rates[1] < rates[2] == 312e12


@pytest.mark.parametrize(
    ("written", "precision"),
    [
        ("amp_bf16", "bf16"),
        ("MXFP8", "fp8"),
        ("float8 rowwise", "fp8"),
        ("NVFP4", "fp4"),
        ("TF32", "tf32"),
        ("", "bf16"),
    ],
)
def test_words_for_precision(written: str, precision: str) -> None:
    assert arithmetic(written) == precision


@settings(max_examples=60, deadline=None)
@given(
    tensor=st.sampled_from([1, 2, 4, 8]),
    pipeline=st.sampled_from([1, 2, 4]),
    replicas=st.sampled_from([1, 2, 8, 64]),
    micro=st.sampled_from([1, 2, 4]),
    shard=st.sampled_from([0, 1, 3]),
)
def test_what_holds_of_any_job(tensor: int, pipeline: int, replicas: int, micro: int, shard: int) -> None:
    """Parts are finite and no less than 0; a forward pass done again, or half the link, never makes a step quicker."""
    job = work(
        devices=tensor * pipeline * replicas,
        tensor=tensor,
        pipeline=pipeline,
        micro_batch=micro,
        shard=shard,
        global_batch=replicas * micro * 16,
    )
    model, hardware = shape(), machine()
    parts = step_parts(model, job, hardware)
    for item in fields(parts):
        part = getattr(parts, item.name)
        assert np.isfinite(part).all(), item.name
        assert (part >= 0).all(), item.name
    again = step_parts(model, replace(job, recompute=np.array([1.0])), hardware)
    slower = step_parts(model, job, replace(hardware, link=hardware.link / 2, port=hardware.port / 2))
    assert again.total[0] > parts.total[0]
    assert slower.total[0] >= parts.total[0]


def test_many_jobs_at_once_are_the_same_jobs() -> None:
    columns = {item.name: np.repeat(getattr(work(devices=8, global_batch=64), item.name), 3) for item in fields(Work)}
    columns["tensor"] = np.array([1.0, 2.0, 8.0])
    together = step_parts(shape(), Work(**columns), machine()).total
    alone = [step_parts(shape(), work(devices=8, global_batch=64, tensor=t), machine()).total[0] for t in (1, 2, 8)]
    assert together.tolist() == pytest.approx(alone)


def test_softmax_goes_at_the_rate_of_exponentials() -> None:
    """A100: 19.5e12 fp32 operations a second, 8 in the time of one exponential; H100 61.8e12 (1/16 of 989.5e12), 16.

    Two devices alike but for twice as many special function units differ in that half of the softmax alone.
    """
    assert machine().exponentials == pytest.approx(19.5e12 / 8)
    assert machine("nvidia-h100-sxm5-80gb").exponentials == pytest.approx(989.5e12 / 16 / 16)
    base, ultra = (
        kernels(shape(), work(), machine(name, "bf16", reached_ops_per_s={})).scores
        for name in ("nvidia-gb200-186gb", "nvidia-gb300-279gb")
    )
    pairs = 24 * 24 * 2048 / 2
    assert base - ultra == pytest.approx(6 * pairs * (16 - 8) / 80e12)


def test_a_window_bounds_what_a_query_reads() -> None:
    """Of 2048 keys a query reads 1024 in the mean, in a window of 128 it is 128 x (1 - 128 / 4096) = 124."""
    far = shape()
    ones = np.ones(1)
    near = replace(far, near=ones, window=128 * ones)
    half = replace(far, near=0.5 * ones, window=128 * ones)
    whole, narrow, mixed = (kernels(model, work(), machine()).scores for model in (far, near, half))
    assert narrow / whole == pytest.approx(124 / 1024)
    assert mixed == pytest.approx((whole + narrow) / 2)


def test_scores_that_are_written_out_are_traffic() -> None:
    """32 bytes per head and key, of which 13 again where scores are computed again, at 80 % of 2039 GB/s."""
    fused, unfused, selective = (
        step_parts(shape(), work(**changes), machine())
        for changes in ({}, {"unfused": 1.0}, {"unfused": 1.0, "scores_again": 1.0})
    )
    written = 32 * 24 * 24 * 2048 / (0.8 * 2039e9)
    assert unfused.compute - fused.compute == pytest.approx(written)
    scores = kernels(shape(), work(), machine()).scores
    assert selective.recompute == pytest.approx(scores + written * 13 / 32)


def test_experts_of_a_latent_exchange_less() -> None:
    """Of a latent a quarter as wide, in half of the blocks, an eighth travels."""
    sparse = structure_of(
        gpt(24, 2048, 16).model_copy(
            update={"dense_layers": 0, "experts": Experts(layers=24, count=64, active=8, intermediate=1024)}
        )
    )
    ones = np.ones(1)
    latent = replace(sparse, expert_width=512 * ones, expert_layers=12 * ones)
    job = work(devices=8, expert=8, global_batch=8)
    assert step_parts(latent, job, machine()).expert * 8 == pytest.approx(step_parts(sparse, job, machine()).expert)


def test_state_space_blocks_take_time() -> None:
    plain = shape()
    hybrid = replace(plain, linear_width=np.full(1, 24 * 4096.0))
    assert step_parts(hybrid, work(), machine()).compute > step_parts(plain, work(), machine()).compute
