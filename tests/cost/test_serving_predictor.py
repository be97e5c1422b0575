"""Served language models from rows of tables: published throughputs, bad rows, what is learnt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aios import catalogue
from aios.cost.learning import fit, predict
from aios.cost.serving.rows import rows_of
from aios.cost.serving_predictor import PREDICTOR
from aios.fleet import load_catalogue
from aios.models.transformers import transformer_like
from aios.records.observation import Observations
from aios.records.structures import described, numbers_of
from aios.tables import load_forms, read_table

SAMPLE = Path(__file__).parent / "data" / "trtllm_perf_sample.csv"
LLAMA = transformer_like("Llama-3.1-8B")


@pytest.fixture(scope="module")
def devices():
    return load_catalogue(catalogue.root() / "hardware")


@pytest.fixture(scope="module")
def published():
    """Throughputs that TensorRT-LLM publishes, by the form that ships."""
    forms = [form for form in load_forms(catalogue.root()) if form.name == "trtllm-overview"]
    reading = read_table(SAMPLE, forms, lambda _: None, "llm/trtllm_perf_overview_sample.csv")
    assert reading.reason is None
    assert not reading.notes
    return described(reading.observations[0], transformer_like)


def rows(count=1, metric="latency.tpot.mean", value=0.02, words=None, **numbers):
    """Return equal rows of a model with 8 thousand million parameters on an H100."""
    texts = {"device": "h100", "model": "m", "software": "vllm 0.9", "precision": "bf16", "phase": "both",
             "scenario": "closed-loop", **(words or {})}  # fmt: skip
    counts = {**numbers_of(LLAMA), "prompt_tokens": 1000.0, "output_tokens": 200.0, "concurrency": 16.0, **numbers}
    return Observations(
        table="t",
        predictor="serving",
        metric=metric,
        unit="s",
        words={role: np.full(count, word) for role, word in texts.items()},
        numbers={role: np.full(count, float(number)) for role, number in counts.items()},
        types=np.full(count, "nvidia-h100-sxm5-80gb"),
        families=np.full(count, "f"),
        lines=np.arange(count),
        values=np.full(count, value),
    )


def said(observations, devices):
    return str(PREDICTOR.design(observations, devices).unknown[0])


def test_physics_alone_is_near_published_throughputs(published, devices):
    design = PREDICTOR.design(published, devices)
    target = PREDICTOR.target(published)
    assert set(design.unknown) == {""}
    assert (target >= design.least).all()
    # nothing is learnt here, and the rows go from 426 to 29,526 tokens per second
    assert np.median(np.abs(np.expm1(design.base - target))) < 0.25
    assert np.quantile(np.abs(design.base - target), 0.9) < 0.7


def test_a_model_that_barely_fits_collapses_at_long_outputs(published, devices):
    rate = PREDICTOR.value(published, PREDICTOR.design(published, devices).base)
    large = (published.word("model") == "LLaMA v3.1 70B") & (published.number("tensor_parallel") == 1)
    long = published.number("output_tokens") == 4096
    short = (published.number("output_tokens") == 128) & (published.number("prompt_tokens") == 128)
    assert rate[large & short][0] > 4 * rate[large & long][0]


def test_twice_the_devices_are_not_twice_as_fast(published, devices):
    rate = PREDICTOR.value(published, PREDICTOR.design(published, devices).base)
    for prompt, output in ((128, 128), (500, 2000), (2048, 2048)):
        same = (published.number("prompt_tokens") == prompt) & (published.number("output_tokens") == output)
        same &= published.word("model") == "LLaMA v3.1 70B"
        four, eight = (rate[same & (published.number("tensor_parallel") == n)][0] for n in (4, 8))
        assert 1.0 < eight / four < 1.9


def test_what_cannot_be_predicted_says_why(devices):
    assert said(rows(), devices) == ""
    assert "device is not in the catalogue" in said(replace(rows(), types=np.array([""])), devices)
    assert "larger than the devices' memory" in said(rows(parameters=1e12, active_parameters=1e12), devices)
    assert "larger than the devices' memory" in said(rows(parameters=1e15, active_parameters=1e15), devices)
    assert "how this precision is stored" in said(rows(words={"precision": "octal"}), devices)
    bare = rows()
    bare = replace(bare, numbers={"concurrency": bare.numbers["concurrency"]})
    assert "size of the model" in said(bare, devices)


def test_where_nobody_counts_engines_they_fill_32_devices_and_are_learnt_of_apart(devices):
    apart = {"serving": "disagg"}
    for tensor, concurrency, engines in ((1.0, 16.0, 16.0), (1.0, 100.0, 32.0), (4.0, 100.0, 8.0), (64.0, 100.0, 1.0)):
        numbers = {"tensor_parallel": tensor, "concurrency": concurrency}
        guessed = PREDICTOR.design(rows(words=apart, **numbers), devices)
        stated = PREDICTOR.design(rows(words=apart, replicas=engines, **numbers), devices)
        assert guessed.unknown[0] == stated.unknown[0] == ""
        # how attention is split is not stated either: the quicker way is taken
        assert guessed.base[0] <= stated.base[0]
        if tensor == 1:
            assert guessed.base[0] == stated.base[0]
        assert guessed.keys["engine"][0] != stated.keys["engine"][0]


def test_attention_whose_cache_cannot_be_split_is_split_by_sequences_under_load(devices):
    latent = numbers_of(transformer_like("deepseek-ai/DeepSeek-R1"))
    words = {"serving": "disagg", "precision": "fp8"}
    few, many = (
        rows_of(rows(words=words, **latent, tensor_parallel=16.0, expert_parallel=16.0, concurrency=n), devices).ways
        for n in (2.0, 2000.0)
    )
    assert (few.tensor[0], few.data[0]) == (16.0, 1.0)
    assert (many.tensor[0], many.data[0]) == (1.0, 16.0)


def test_fewer_prefill_engines_than_decode_engines_may_be_enough(devices):
    numbers = {"replicas": 8.0, "concurrency": 64.0, "output_tokens": 1000.0}
    first = {"metric": "latency.ttft.mean", "words": {"serving": "disagg"}}
    unsaid, one = (
        PREDICTOR.design(rows(**first, **numbers, **more), devices) for more in ({}, {"prefill_replicas": 1.0})
    )
    assert unsaid.base[0] == one.base[0]


def test_only_a_size_is_enough(devices):
    whole = rows()
    size = {role: whole.numbers[role] for role in ("parameters", "prompt_tokens", "output_tokens", "concurrency")}
    small = replace(whole, numbers={**size, "active_parameters": size["parameters"]})
    exact, guessed = (PREDICTOR.design(item, devices).base[0] for item in (whole, small))
    assert guessed == pytest.approx(exact, abs=0.25)


def test_rows_faster_than_the_hardware_are_suspicious(devices):
    # 16 GB of weights at 3.35 TB/s take 4.8 ms
    slow, fast = rows(value=0.006), rows(value=0.001)
    least = PREDICTOR.design(slow, devices).least
    assert PREDICTOR.target(slow)[0] > least[0] > PREDICTOR.target(fast)[0]
    unbelievable = rows(metric="throughput", value=1e6)
    assert PREDICTOR.target(unbelievable)[0] < PREDICTOR.design(unbelievable, devices).least[0]


@pytest.mark.parametrize("metric", PREDICTOR.metrics)
@pytest.mark.parametrize("phase", ["both", "prefill", "decode"])
def test_parts_make_up_the_time(metric, phase, devices):
    design = PREDICTOR.design(rows(metric=metric, words={"phase": phase}, concurrency=5000.0), devices)
    assert all(column[0] >= 0 for column in design.parts.values())
    assert sum(column[0] for column in design.parts.values()) == pytest.approx(np.exp(design.base[0]))


def test_requests_that_find_no_place_queue(devices):
    few, many = (PREDICTOR.design(rows(metric="latency.ttft.mean", concurrency=n), devices) for n in (16.0, 5000.0))
    assert few.parts["queue"][0] == 0
    assert many.parts["queue"][0] > 0.5 * np.exp(many.base[0])


@pytest.mark.parametrize("metric", PREDICTOR.metrics)
def test_target_and_value_are_inverse(metric):
    observations = rows(metric=metric, value=0.37)
    assert PREDICTOR.value(observations, PREDICTOR.target(observations)) == pytest.approx(0.37)


def test_a_slow_engine_is_learnt_and_an_unknown_one_is_ordinary(devices):
    few = rows(60)
    concurrency = 2.0 ** np.arange(60).__mod__(8)
    slow = replace(
        few,
        numbers={**few.numbers, "concurrency": concurrency},
        words={**few.words, "software": np.full(60, "slow 1.0"), "model": np.arange(60).astype(str)},
        families=np.arange(60).astype(str),
    )
    design = PREDICTOR.design(slow, devices)
    learnt = fit(design, design.base + np.log(1.5), slow.families, PREDICTOR, slow.metric, ("calibrated",))
    again = predict(design, learnt, "calibrated").value - design.base
    assert again == pytest.approx(np.log(1.5), abs=0.03)
    other = PREDICTOR.design(rows(words={"software": "other 2"}), devices)
    assert predict(other, learnt, "calibrated").value == pytest.approx(other.base)


def test_software_waits_for_its_host_as_it_is_known_to(devices):
    def parts(software, **numbers):
        return PREDICTOR.design(rows(words={"software": software}, **numbers), devices).parts

    old, new = (parts(name, concurrency=256.0)["sequences"][0] for name in ("vllm-v0 0.5", "vllm 0.9"))
    assert (old, new) == (pytest.approx(256 * 270e-6), pytest.approx(256 * 35e-6))
    old, new = (parts(name, tensor_parallel=8.0)["waits"][0] for name in ("vllm-v0 0.5", "vllm 0.9"))
    assert old - new == pytest.approx(10e-3 + 8 * 6e-3 - 0.1e-3)


def test_sums_of_16_bits_are_twice_as_fast_on_cards_that_halve_others(devices):
    def machine(device, software):
        row = replace(rows(words={"software": software, "precision": "fp16"}), types=np.array([device]))
        return rows_of(row, devices).machine

    card, server = "nvidia-geforce-rtx-4090", "nvidia-a100-pcie-80gb"
    usual, narrow = machine(card, "vllm"), machine(card, "llama.cpp")
    assert narrow.ops_per_s[0] == pytest.approx(2 * usual.ops_per_s[0], rel=0.01)
    assert narrow.half_ops_per_s[0] == usual.half_ops_per_s[0]
    assert machine(server, "llama.cpp").ops_per_s[0] == machine(server, "vllm").ops_per_s[0]
    assert (narrow.reading[0], usual.reading[0], machine(server, "vllm").reading[0]) == (1.0, 1.0, 1.0)
    assert machine(server, "llama.cpp").reading[0] < 1.0


def test_products_of_fewer_bits_keep_less_of_their_nominal_rate(devices):
    def share(precision):
        row = replace(rows(words={"precision": precision}), types=np.array(["nvidia-b200-sxm-180gb"]))
        return rows_of(row, devices).machine.products[0]

    assert [share(name) for name in ("bf16", "int4", "fp8", "fp8_block", "nvfp4")] == pytest.approx(
        [1.0, 1.0, 0.9, 0.9, 0.81]
    )


def test_four_bits_are_unpacked_by_integer_lanes_of_which_some_processors_have_half(devices):
    """5.3 operations on A100 (19.5 TFLOPS, as many integer lanes) and on H100 (67 TFLOPS, half as many)."""

    def unpacking(device, precision, software="vllm"):
        row = replace(rows(words={"precision": precision, "software": software}), types=np.array([device]))
        return rows_of(row, devices).machine.unpacking_s[0]

    assert unpacking("nvidia-a100-sxm4-80gb", "int4") == pytest.approx(5.3 / (19.5e12 / 2))
    assert unpacking("nvidia-h100-sxm5-80gb", "int8_wo") == pytest.approx(5.3 / (67e12 / 4), rel=0.01)
    assert unpacking("nvidia-h100-sxm5-80gb", "fp8") == 0  # multiplied as it is
    assert unpacking("nvidia-a100-sxm4-80gb", "int4", "llama.cpp b3000") == 0  # unpacks in kernels of its own
    assert unpacking("intel-xeon-platinum-8480plus", "int4") == 0


def test_four_bits_gain_little_where_many_are_answered_together(devices):
    """Published of TensorRT-LLM on H100 at 64 requests: 0.83 of 16 bits, with 8 bits 1.3 (TensorRT Model Optimizer)."""
    words = {"software": "trtllm", "precision": ""}
    four, eight, half = (
        float(np.exp(-PREDICTOR.design(rows(words={**words, "precision": name}, concurrency=64.0), devices).base[0]))
        for name in ("int4", "fp8", "bf16")
    )
    assert four / half < 1.15 < eight / half


def test_weights_of_one_width_are_one_group_whatever_tables_call_them(devices):
    written = ("bf16", "FP16", "FP8", "fp8_block", "nvfp4", "mxfp4", "strange", "")
    many = rows(len(written))
    many = replace(many, words={**many.words, "precision": np.array(written)})
    bits = PREDICTOR.design(many, devices).keys["bits"].tolist()
    assert bits == ["16", "16", "8", "8", "4.5", "16/4.25", "strange", ""]


def test_time_per_output_token_grows_with_the_context(devices):
    bases = [PREDICTOR.design(rows(prompt_tokens=n), devices).base[0] for n in (100, 1000, 10_000, 100_000)]
    assert bases == sorted(bases)


def test_structure_is_filled_in_where_a_table_leaves_it_out():
    bare = rows()
    bare = replace(bare, numbers={"layers": np.array([7.0])}, words={**bare.words, "model": np.array(["Llama-3.1-8B"])})
    found = described(bare, transformer_like)
    assert found.number("layers")[0] == 7  # what is stated stays
    assert found.number("kv_values")[0] == 32 * 2 * 8 * 128
    assert found.number("lookup_parameters")[0] == 128_256 * 4096


def test_latent_attention_caches_its_latent():
    numbers = numbers_of(transformer_like("deepseek-ai/DeepSeek-R1"))
    assert numbers["kv_values"] == numbers["latent_values"] == 61 * (512 + 64)
    assert numbers["kv_heads"] == 1
    assert numbers["routed_parameters"] == 58 * 256 * 3 * 7168 * 2048
    assert "selected" not in numbers


def test_sparse_attention_has_an_indexer_that_keeps_keys_of_its_own(devices):
    numbers = numbers_of(transformer_like("deepseek-ai/DeepSeek-V3.2"))
    assert numbers["selected"] == 2048
    assert numbers["index_values"] == 61 * 128
    assert numbers["index_width"] == 61 * 64 * 128
    shape = rows_of(rows(**numbers), devices).shape
    assert (shape.selected[0], shape.index_values[0], shape.index_width[0]) == (2048, 61 * 128, 61 * 64 * 128)
    shape = rows_of(rows(), devices).shape
    assert (shape.selected[0], shape.index_values[0], shape.index_width[0]) == (np.inf, 0, 0)
