"""Ways to serve a language model: what fits, what divides, what is left out and why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.candidates import enumerate_candidates, language_problems
from aios.models.structures import card_profile, transformer_profile
from aios.records.base import Span
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Fleet, Node
from aios.records.intent import Constraints, Goal, Intent, Load, ModelChoice, Requirement
from aios.records.transformer import Attention, Transformer
from aios.records.transformers import cache_shares, holding, kv_bytes_per_token, most_sequences, weight_bytes
from aios.spi.executor import Refusal

HERE = Span(file="intent.yaml", line=1, column=1)
LLAMA = card_profile("meta-llama/Llama-3.1-8B")
LATENT = card_profile("deepseek-ai/DeepSeek-V3")


class Dry:
    """Stands in."""

    name = "dryrun"

    def can(self, candidate, device, model):
        del candidate, device, model


class Server(Dry):
    """Runs language models."""

    name = "server"


class Refusing(Dry):
    """Runs files alone."""

    name = "files"

    def can(self, candidate, device, model):
        del candidate, device
        return Refusal(clause="model format", reason=f"{model.name} is no file")


def fact(value, unit="B"):
    return Fact(value=value, unit=unit)


def gpu(memory=80e9, **changes):
    peaks = {"bf16": fact(1e15, "op/s"), "fp8": fact(2e15, "op/s")}
    plain = DeviceType(
        name="gpu", kind="gpu", memory_bytes=fact(memory), memory_bandwidth_bytes_per_s=fact(3e12, "B/s"),
        peak_ops_per_s=peaks,
    )  # fmt: skip
    return plain.model_copy(update=changes)


def fleet_of(*nodes, device=None):
    device = device or gpu()
    return Fleet(name="f", nodes=nodes, types={device.name: device}, digest="sha256:f", origin="fleet.yaml")


def node(name, devices, **changes):
    slot = DeviceSlot(type="gpu", ids=tuple(map(str, range(devices))))
    return Node(name=name, cores=64, memory_bytes=1e12, devices=(slot,), **changes)


def intent_of(prompt=1024, output=256, rate=2.0, **changes):
    choice = ModelChoice(name="m", path="m", card=True, where=HERE)
    load = Load(rate_per_s=rate, prompt_tokens=prompt, output_tokens=output)
    goal = (Goal(direction="minimize", metric="power"),)
    plain = Intent(name="chat", task="text-generation", models=(choice,), load=load, goal=goal, where=HERE)
    return plain.model_copy(update=changes)


def ways(profile=LLAMA, intent=None, fleet=None, executors=None):
    fleet = fleet or fleet_of(node("n", 8))
    executors = executors or {"server": Server()}
    return enumerate_candidates(intent or intent_of(), {"m": profile}, fleet, executors)


def test_what_a_device_holds_by_hand():
    alone = holding(LLAMA.transformer, "bf16", 16, 2048)
    assert alone.weights == pytest.approx(8.03e9 * 2, rel=0.001)
    assert kv_bytes_per_token(LLAMA.transformer) == 32 * 2 * 8 * 128 * 2
    assert alone.cache == 16 * 2048 * 131072
    assert alone.total == pytest.approx(sum(alone))


def test_tensor_parallelism_divides_weights_and_the_cache_up_to_its_heads():
    model = LLAMA.transformer
    alone, two, sixteen = (holding(model, "bf16", 16, 2048, tensor) for tensor in (1, 2, 16))
    assert (two.weights, two.cache) == (alone.weights / 2, alone.cache / 2)
    assert sixteen.cache == alone.cache / 8  # eight key-value heads
    assert [cache_shares(LATENT.transformer, tensor) for tensor in (1, 8)] == [1, 1]  # a latent is kept whole


def test_a_pipeline_stage_has_its_blocks_and_one_end():
    model = LLAMA.transformer
    whole, half = weight_bytes(model, "bf16"), holding(model, "bf16", 1, 128, pipeline=2).weights
    end = 2 * 128256 * 4096
    assert half == pytest.approx((whole - 2 * end) / 2 + end, rel=1e-6)


@given(st.floats(18e9, 3e11), st.integers(1, 100_000), st.sampled_from([1, 2, 4, 8]))
def test_most_sequences_is_the_largest_number_that_fits(memory, context, tensor):
    most = most_sequences(LLAMA.transformer, "bf16", memory, context, tensor)
    assert most == 0 or holding(LLAMA.transformer, "bf16", most, context, tensor).total <= memory
    assert holding(LLAMA.transformer, "bf16", most + 1, context, tensor).total > memory


def test_a_margin_grows_faster_than_what_is_held():
    small, large = (holding(LLAMA.transformer, "bf16", many, 2048) for many in (1, 256))
    assert large.margin / (large.total - large.margin) > 1.5 * small.margin / (small.total - small.margin)


@pytest.mark.parametrize("profile", [LLAMA, LATENT, card_profile("Qwen/Qwen3-235B-A22B")])
def test_every_candidate_fits_its_devices(profile):
    found = ways(profile, fleet=fleet_of(node("n", 8, count=4)))
    assert found.candidates
    for candidate in found.candidates:
        held = holding(
            profile.transformer, candidate.precision, candidate.batch, 1280, candidate.devices, candidate.machines
        )
        assert held.total <= 80e9, candidate.id
        assert candidate.degrees == {"tensor": candidate.devices, "pipeline": candidate.machines}
        assert candidate.parts * candidate.devices <= 32
    assert len({candidate.id for candidate in found.candidates}) == len(found.candidates)


def test_precisions_are_the_stored_one_and_those_that_gain():
    assert {(c.precision, c.quantization) for c in ways().candidates} == {
        ("bf16", "none"), ("fp8", "static"), ("int4", "weight-only"),
    }  # fmt: skip
    assert {c.precision for c in ways(LATENT, fleet=fleet_of(node("n", 8, count=4))).candidates} == {"fp8"}


CACHED = {"kv-cache": {"precision": ("bf16", "fp8", "int8")}}


def test_keys_and_values_stay_in_16_bits_unless_the_intent_says_otherwise():
    assert all(not c.settings for c in ways().candidates)
    assert {c.id for c in ways().candidates} < {c.id for c in ways(intent=intent_of(transforms=CACHED)).candidates}


def test_keys_and_values_in_8_bits_take_half_and_let_more_sequences_in():
    model = LLAMA.transformer
    half, whole = (holding(model, "bf16", 16, 2048, kept=kept) for kept in ("fp8", "bf16"))
    assert half.cache == whole.cache / 2 == 16 * 2048 * 65536
    assert half.weights == whole.weights
    # What one more sequence of 2048 tokens takes beside the rest is its cache alone, so nearly twice as many fit.
    few, more = (most_sequences(model, "bf16", 80e9, 2048, kept=kept) for kept in ("bf16", "fp8"))
    assert 1.9 < more / few < 2.1
    pinned = Constraints(precision=("bf16",), batch=(few, more), replicas=(1,))
    found = ways(intent=intent_of(1024, 1024, transforms=CACHED, pin=pinned), fleet=fleet_of(node("n", 1)))
    assert {(c.settings.get("kv_cache", "bf16"), c.batch) for c in found.candidates} == {
        ("bf16", few), ("fp8", few), ("fp8", more),
    }  # fmt: skip
    (wide,) = [c for c in found.candidates if c.batch == more]
    assert wide.id == f"chat/m/gpu/bf16+kv_cache=fp8/tp1/b{more}/r1"


def test_what_the_device_does_not_compute_in_is_no_way_to_keep_keys_and_values():
    found = ways(intent=intent_of(transforms=CACHED))
    assert {c.settings.get("kv_cache") for c in found.candidates} == {None, "fp8"}
    (row,) = [row for row in found.rejections if "keys and values" in row.what]
    assert row.what == "m with keys and values in int8 on gpu"
    assert row.reason == "gpu states no peak for int8 (stated: bf16, fp8)"
    assert row.resolvable == "state peak_ops_per_s.int8 of gpu if it has one"


def test_only_what_is_named_is_tried():
    found = ways(intent=intent_of(transforms={"kv-cache": {"precision": ("fp8",)}}))
    assert {c.settings["kv_cache"] for c in found.candidates} == {"fp8"}


def test_layers_are_shared_over_machines_only_when_one_is_used_up():
    found = {(c.devices, c.machines) for c in ways(fleet=fleet_of(node("n", 4, count=3))).candidates}
    assert found == {(1, 1), (2, 1), (4, 1), (4, 2)}


def test_degrees_that_do_not_divide_are_told():
    attention = (Attention(layers=4, heads=6, kv_heads=6, head_dim=64, value_dim=64),)
    odd = Transformer(
        name="odd", architecture="X", layers=4, hidden=384, vocabulary=100, attention=attention, dense_layers=4,
        intermediate=1536,
    )  # fmt: skip
    found = ways(transformer_profile(odd), fleet=fleet_of(node("n", 4)))
    assert {c.devices for c in found.candidates} == {1, 2}
    assert [r.reason for r in found.rejections if r.clause == "degrees divide the model"] == [
        "6 heads of odd cannot be divided over 4 devices"
    ]


def test_a_sequence_longer_than_the_model_allows_leaves_nothing():
    found = ways(card_profile("Qwen/Qwen3-32B"), intent_of(prompt=40_000, output=1000))
    assert not found.candidates
    assert any("40,960 positions" in row.reason for row in found.rejections)


def test_more_sequences_than_fit_are_told():
    found = ways(intent=intent_of(pin=Constraints(batch=(8, 100_000))))
    assert {c.batch for c in found.candidates} == {8}
    assert any("100000 sequences at once" in row.what and row.clause == "memory" for row in found.rejections)


def test_a_model_larger_than_everything_says_what_is_missing():
    attention = (Attention(layers=1000, heads=8192, kv_heads=64, head_dim=128, value_dim=128),)
    huge = Transformer(
        name="huge", architecture="X", layers=1000, hidden=1_048_576, vocabulary=128_000, attention=attention,
        dense_layers=1000, intermediate=1 << 18,
    )  # fmt: skip
    profile = transformer_profile(huge)
    assert profile.parameters > 1e15
    found = ways(profile)
    assert not found.candidates
    memory = [row for row in found.rejections if row.clause == "memory"]
    assert len(memory) == 3  # one for each precision
    assert all("each device would hold" in row.reason and "has 74.5 GiB" in row.reason for row in memory)


def test_an_encoder_generates_nothing():
    found = ways(card_profile("bert-base-uncased"), intent_of(prompt=100, output=100))
    assert not found.candidates
    assert any("encoder" in row.reason for row in found.rejections)


def test_what_runs_nothing_stands_in_only_where_nobody_else_can():
    everybody = {"dryrun": Dry(), "files": Refusing(), "server": Server()}
    assert {c.executor for c in ways(executors=everybody).candidates} == {"server"}
    found = ways(executors={"dryrun": Dry(), "files": Refusing()})
    assert {c.executor for c in found.candidates} == {"dryrun"}
    assert any("dryrun writes down what would run" in row.reason for row in found.rejections)
    pinned = intent_of(pin=Constraints(executor=("files",)))
    assert not ways(intent=pinned, executors={"dryrun": Dry(), "files": Refusing()}).candidates


def test_replicas_are_bounded_by_requests_that_can_be_there_at_once():
    require = (
        Requirement(metric="latency.ttft.p99", bound=1.0, text="", where=HERE),
        Requirement(metric="latency.tpot.p99", bound=0.01, text="", where=HERE),
    )
    many = fleet_of(node("n", 8, count=100))
    found = ways(intent=intent_of(rate=0.5, output=100, require=require), fleet=many)
    # At most 0.5/s x (1 s + 100 x 10 ms) = 1 request is there: 1 + 3 + 1.
    assert max(c.replicas for c in found.candidates) == 5
    assert max(c.replicas for c in ways(fleet=many).candidates) == 800


@pytest.mark.parametrize(
    ("load", "lacking"),
    [
        (None, "`rate`, `prompt`, `output`"),
        (Load(rate_per_s=1.0), "`prompt`, `output`"),
        (Load(rate_per_s=1.0, prompt_tokens=10), "`output`"),
    ],
)
def test_a_load_without_tokens_is_a_mistake(load, lacking):
    (found,) = language_problems(intent_of(load=load), {"m": LLAMA})
    assert lacking in found.summary
    assert found.where is not None
    assert language_problems(intent_of(), {"m": LLAMA}) == []
