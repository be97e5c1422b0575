"""The predictors `step`, `scaling` and `memory` on rows: ways back, what is unknown, learnt, refused."""

from pathlib import Path

import numpy as np
import pytest
from observed import observed

from aios import catalogue
from aios.cost.learning import fit, predict
from aios.cost.learning.fit import usable
from aios.cost.memory_predictor import PREDICTOR as MEMORY
from aios.cost.predictors import PREDICTORS, predictor
from aios.cost.scaling_predictor import PREDICTOR as SCALING
from aios.cost.step_predictor import PREDICTOR as STEP
from aios.cost.training.jobs import work_in
from aios.cost.training.scaling import item_parts
from aios.cost.training.structure import structures_in
from aios.fleet.catalogue import load_catalogue
from aios.records.observation import Observations
from aios.tables import load_forms, read_table

DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")
FORMS = load_forms(Path(catalogue.root()) / "tables", PREDICTORS)


def rows(
    name: str, metric: str, values: list[float], words: dict[str, list[str]], numbers: dict[str, list[float]]
) -> Observations:
    devices = np.array(words.get("device", ["nvidia-a100-sxm4-80gb"] * len(values)))
    types = np.where(np.isin(devices, list(DEVICES)), devices, "")
    return observed(name, types, words, numbers, values, metric, families=words.get("model", ""))


SIZES: dict[str, list[float]] = {
    "parameters": [7e9, 7e9],
    "devices": [8, 64],
    "micro_batch": [2, 1],
    "global_batch": [64, 128],
}


@pytest.mark.parametrize(
    ("metric", "counted"),
    [("step_time", ""), ("throughput", ""), ("throughput", "model-flops"), ("throughput", "hardware-flops")],
)
def test_every_way_of_stating_a_step_leads_back(metric: str, counted: str) -> None:
    observed = rows("step", metric, [12.5, 310.0], {"counted": [counted] * 2, "recompute": ["full", "none"]}, SIZES)
    assert STEP.value(observed, STEP.target(observed)).tolist() == pytest.approx([12.5, 310.0])


def test_a_step_stated_in_three_ways_is_one_step() -> None:
    """100 tokens/s of 2048-token sequences, 64 a step: 1310.72 s; in FLOP/s as published operations per token say."""
    by_tokens = rows("step", "throughput", [100.0], {}, {role: column[:1] for role, column in SIZES.items()})
    by_time = rows("step", "step_time", [64 * 2048 / 100], {}, {role: column[:1] for role, column in SIZES.items()})
    assert STEP.target(by_tokens) == pytest.approx(STEP.target(by_time))


def test_rows_that_cannot_be_predicted_say_why() -> None:
    observed = rows("step", "throughput", [1.0, 1.0], {"device": ["nobody's", "nvidia-a100-sxm4-80gb"]}, {})
    assert STEP.design(observed, DEVICES).unknown.tolist()[1] == "nobody states the size of the model"
    sized = rows("step", "throughput", [1.0], {"device": ["nobody's"]}, {"parameters": [7e9]})
    assert STEP.design(sized, DEVICES).unknown.tolist() == ["the device is not in the catalogue"]


def test_faster_than_the_peak_is_not_learnt_from() -> None:
    """312e12 / (6 x 7e9) is some 7,400 tokens a second of one device; 20,000 is no measurement."""
    sizes = {role: [column[0]] * 2 for role, column in SIZES.items()}
    observed = rows("step", "throughput", [8 * 3000.0, 8 * 20000.0], {"precision": ["bf16"] * 2}, sizes)
    design = STEP.design(observed, DEVICES)
    assert usable(design, STEP.target(observed)).tolist() == [True, False]


def test_what_an_engine_adds_is_learnt() -> None:
    """Rows that are 1.5 times as slow as physics say on one device are predicted so for another model on it."""
    count = 40
    words = {"model": [f"m{place % 8}" for place in range(count)], "software": ["engine"] * count}
    numbers = {"parameters": [(1 + place % 8) * 1e9 for place in range(count)], "devices": [8.0] * count}
    observed = rows("step", "step_time", [1.0] * count, words, numbers)
    design = STEP.design(observed, DEVICES)
    learnt = fit(design, design.base + np.log(1.5), observed.families, STEP, "step_time", ("calibrated",))
    other = rows(
        "step", "step_time", [1.0], {"model": ["new"], "software": ["engine"]}, {"parameters": [12e9], "devices": [8.0]}
    )
    fresh = STEP.design(other, DEVICES)
    assert predict(fresh, learnt, "calibrated").value - fresh.base == pytest.approx([np.log(1.5)], abs=0.03)


def test_words_for_recomputation_are_whole_words() -> None:
    """`selective+sequence_parallel` is not `full`, though it holds `all`."""
    written = ["full", "selective+sequence_parallel", "none", "True"]
    observed = rows("step", "step_time", [1.0] * 4, {"recompute": written}, {"parameters": [7e9] * 4})
    work = work_in(observed, structures_in(observed))
    assert work.recompute.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert work.scores_again.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_mixtures_teach_nothing_of_other_mixtures() -> None:
    numbers = {
        "parameters": [30e9] * 2,
        "active_parameters": [3e9, 30e9],
        "experts": [64.0, 0.0],
        "active_experts": [4.0, 0.0],
    }
    observed = rows("step", "step_time", [1.0] * 2, {"model": ["sparse", "whole"]}, numbers)
    keys = STEP.design(observed, DEVICES).keys
    assert keys["alike"].tolist() == ["sparse", "dense"]
    assert keys["mixture"].tolist() == ["sparse", ""]


@pytest.mark.parametrize("metric", ["step_time", "throughput", "time_to_target"])
def test_scaling_leads_back(metric: str) -> None:
    observed = rows("scaling", metric, [0.3, 7.0], {}, {"devices": [1, 8], "batch": [32, 64]})
    assert SCALING.value(observed, SCALING.target(observed)).tolist() == pytest.approx([0.3, 7.0])


def test_machines_apart_are_never_quicker_and_devices_never_more_than_proportional() -> None:
    numbers = {
        "devices": [1.0, 8.0, 8.0, 8.0],
        "nodes": [1.0, 1.0, 2.0, 8.0],
        "batch": [32.0] * 4,
        "macs": [4e9] * 4,
        "parameters": [3e8] * 4,
    }
    observed = rows("scaling", "throughput", [1.0] * 4, {"precision": ["fp16"] * 4}, numbers)
    single, together, pair, apart = SCALING.value(observed, SCALING.design(observed, DEVICES).base).tolist()
    assert together <= 8 * single
    assert together > pair > apart


def one(words: dict[str, str], numbers: dict[str, float], metric: str = "throughput") -> dict[str, float]:
    """Return the parts of one row."""
    observed = rows(
        "scaling",
        metric,
        [1.0],
        {role: [word] for role, word in words.items()},
        {role: [number] for role, number in numbers.items()},
    )
    return {name: float(part[0]) for name, part in item_parts(observed, DEVICES).items()}


def test_a_network_known_by_its_card_is_what_the_card_says() -> None:
    """ResNet-50's card: 4.09e9 multiply-accumulates, 11.1e6 values, 174 operators, 25.6e6 parameters."""
    words = {"device": "nvidia-v100-sxm2-16gb", "precision": "fp16"}
    stated = {"macs": 4.089e9, "activations": 11.11e6, "operators": 174.0, "parameters": 25.557e6}
    shape = {"batch": 256.0, "devices": 8.0}
    assert one({**words, "model": "resnet50"}, shape) == pytest.approx(one(words, {**shape, **stated}), rel=1e-3)
    own = {**shape, "macs": 1e9, "activations": 1e6}
    assert one({**words, "model": "resnet50"}, own) == one({**words, "model": "nobody's"}, own)


def test_an_epoch_is_its_items_times_what_the_card_says() -> None:
    words = {"device": "nvidia-v100-sxm2-16gb", "precision": "fp16", "model": "resnet50"}
    item = one(words, {"batch": 256.0})
    epoch = one(words, {"batch": 256.0, "tokens": 1.281e6}, "time_to_target")
    assert epoch["products"] == pytest.approx(1.281e6 * item["products"])
    assert epoch["memory"] == pytest.approx(1.281e6 * item["memory"])
    assert epoch["host"] == pytest.approx(1.281e6 * item["host"])


def test_where_an_image_goes_by_hand() -> None:
    """ResNet-50 on V100 in fp16: 6 x 4.1e9 / (0.3 x 125e12) s, 20 x 2 B x 11.1e6 / (0.8 x 900e9) s; host code of 175
    operators takes 28 ms for 256 images, a tenth of which is not hidden. Together 1.29 ms; 1.20 ms are published."""
    numbers = {"batch": 256.0, "macs": 4.1e9, "activations": 11.1e6, "operators": 175.0, "parameters": 25.6e6}
    parts = one({"device": "nvidia-v100-sxm2-16gb", "precision": "fp16"}, numbers)
    assert parts["products"] == pytest.approx(24.6e9 / 37.5e12)
    assert parts["memory"] == pytest.approx(444e6 / 720e9)
    assert parts["host"] == pytest.approx(0.1 * (175 * 1.5e-4 + 2e-3) / 256)
    assert (parts["near"], parts["far"]) == (0.0, 0.0)
    assert sum(parts.values()) == pytest.approx(1.20e-3, rel=0.1)


def test_small_steps_take_what_their_host_takes() -> None:
    """One image of a network of 184 operators: the host's 29.6 ms, whatever little the device does."""
    parts = one({"device": "nvidia-a40"}, {"batch": 1.0, "macs": 1e8, "activations": 9e5, "operators": 184.0})
    assert sum(parts.values()) == pytest.approx(184 * 1.5e-4 + 2e-3, rel=1e-6)


def test_devices_without_a_fabric_send_gradients_through_their_host_or_ethernet() -> None:
    """4 T4 (PCIe 3 x16, 15.75 GB/s): 2 x 3/4 x 100 MB at a quarter of the 12.6 GB/s that a network card beside them
    could take; with 4 more in a second machine 2 x 7/8 x 100 MB at 60 % of 10 Gbit/s, and two waits of 9.6 us. Per item
    of 10."""
    numbers = {"batch": 10.0, "macs": 1e9, "parameters": 25e6, "devices": 4.0, "nodes": 1.0}
    parts = one({"device": "nvidia-t4"}, numbers)
    assert parts["near"] == pytest.approx(1.5 * 1e8 / (0.25 * 0.8 * 15.754e9) / 10, rel=1e-3)
    assert parts["far"] == 0.0
    parts = one({"device": "nvidia-t4"}, {**numbers, "devices": 8.0, "nodes": 2.0})
    assert parts["near"] == 0.0
    assert parts["far"] == pytest.approx((1.75 * 1e8 / (0.6 * 1.25e9) + 19.2e-6) / 10)


def test_fp32_is_tf32_where_a_device_has_it() -> None:
    """Three tenths of 156 TFLOPS of A100, seven tenths of 15.7 of V100."""
    newer, older = (
        one({"device": device, "precision": "fp32"}, {"batch": 8.0, "macs": 1e9})["products"]
        for device in ("nvidia-a100-sxm4-80gb", "nvidia-v100-sxm2-16gb")
    )
    assert older / newer == pytest.approx(156 * 0.3 / (15.7 * 0.7), rel=0.01)


def test_a_batch_that_nobody_states_fills_the_memory() -> None:
    """0.8 x 80e9 B / (3 x 2 B x 11.1e6) = 961 images, over which the host's step is spread."""
    numbers = {"macs": 4.1e9, "activations": 11.1e6, "operators": 175.0}
    parts = one({"precision": "fp16"}, numbers)
    assert parts["host"] == pytest.approx(0.1 * (175 * 1.5e-4 + 2e-3) / (0.8 * 80e9 / (3 * 22.2e6)))


def test_a_table_of_one_machine_counts_the_devices_that_were_used(tmp_path: Path) -> None:
    """Invented rows in the columns of a published table: `8x_..._1xH100` is one device of a machine of eight, a batch
    that of all devices."""
    lines = (
        "set,system,n_gpu,gpu_w,price_usd,model,precision,batch_per_gpu,throughput",
        "v1,8x H100 80GB SXM5,8,700,,resnet50,fp16,10240,20000",
        "v2,Cloud_8x_Texas_1xH100_80GB_SXM5_v2,8,700,,resnet50,fp16,,2800",
        "v1,RTX 3090,1,350,,resnet50,fp16,448,1000",
    )
    path = tmp_path / "training" / "lambda_train_throughput.csv"
    path.parent.mkdir()
    path.write_text("# source: invented\n" + "\n".join(lines) + "\n")
    (observed,) = read_table(path, FORMS, lambda _: None, str(path)).observations
    assert observed.number("devices").tolist() == [8.0, 1.0, 1.0]
    assert observed.number("batch", 0.0).tolist() == [1280.0, 0.0, 448.0]


def test_a_placement_of_digits_tells_the_fullest_machine() -> None:
    """`211` is 2 + 1 + 1 devices; the digits of `42` are not 4, whose 2 machines hold 2 each then."""
    numbers = {"devices": [4.0, 4.0], "nodes": [3.0, 2.0]}
    observed = rows("scaling", "step_time", [1.0] * 2, {"placement": ["211", "42"]}, numbers)
    fullest = SCALING.design(observed, DEVICES).features["log devices of the fullest machine"]
    assert np.exp(fullest).tolist() == pytest.approx([2.0, 2.0])


def test_devices_are_in_no_more_machines_than_there_are_devices() -> None:
    """Tables write the machines of a whole cluster beside a job of one or two devices."""
    numbers = {"devices": [1.0, 2.0, 2.0], "nodes": [8.0, 8.0, 2.0], "batch": [32.0] * 3}
    made = SCALING.design(rows("scaling", "throughput", [1.0] * 3, {}, numbers), DEVICES)
    assert made.keys["several"].tolist() == ["single", "several", "several"]
    assert np.exp(made.features["log machines"]).tolist() == pytest.approx([1.0, 2.0, 2.0])
    assert made.features["several machines"].tolist() == [0.0, 1.0, 1.0]


def test_half_precision_speeds_large_networks_more_than_small_ones() -> None:
    numbers = {"batch": [64.0, 64.0, 4.0, 4.0], "macs": [1e11, 1e11, 1e8, 1e8]}
    observed = rows("scaling", "throughput", [1.0] * 4, {"precision": ["fp16", "fp32"] * 2}, numbers)
    large, large_wide, small, small_wide = SCALING.value(observed, SCALING.design(observed, DEVICES).base).tolist()
    assert large / large_wide > 1.5 > small / small_wide >= 1.0


def _llama(weights: float, sequence: float, memory: float) -> Observations:
    numbers = {
        "weight_bytes": [weights],
        "layers": [32.0],
        "hidden": [4096.0],
        "heads": [32.0],
        "kv_heads": [8.0],
        "parameters": [8e9],
        "sequence": [sequence],
        "device_memory": [memory],
    }
    words = {"task": ["text-generation"], "mode": ["inference"], "device": ["card"]}
    return rows("memory", "fits", [1.0], words, numbers)


@pytest.mark.parametrize(
    ("weights_gib", "sequence", "memory_gib", "fits"),
    [
        (4.58, 512, 8, True),
        (14.97, 512, 12, False),
        (14.97, 4096, 16, True),
        (14.97, 8192, 16, False),
        (39.6, 512, 24, False),
    ],
)
def test_models_fit_as_their_weights_and_keys_do(
    weights_gib: float, sequence: float, memory_gib: float, fits: bool
) -> None:
    """Keys and values of 8,192 tokens are 1 GiB here: 2 x 2 bytes x 8 heads x 128 channels x 32 blocks each."""
    observed = _llama(weights_gib * 2**30, sequence, memory_gib * 2**30)
    design = MEMORY.design(observed, DEVICES)
    assert MEMORY.value(observed, design.base).tolist() == [float(fits)]


def test_memory_of_an_unsized_model_is_unknown() -> None:
    observed = rows("memory", "memory", [1e9], {"mode": ["training"]}, {})
    assert MEMORY.design(observed, DEVICES).unknown.tolist() == ["nobody states the size of the model"]


def test_predictors_are_found_by_name() -> None:
    assert [predictor(name).name for name in ("step", "scaling", "memory")] == ["step", "scaling", "memory"]


def test_a_table_like_the_published_ones_needs_no_code(tmp_path: Path) -> None:
    """Invented rows in the columns of a published table; the shipped form reads tokens, FLOP/s and memory."""
    columns = (
        "table,source,model,params_b,layers,hidden,heads,vocab,hw,n_gpu,precision,gbs,mbs,grad_accum,seq_len,tp,pp,cp,vp,"
        "ep,dp,sharding,recompute,iter_s,tokens_per_s_per_gpu,tflops_per_gpu,mfu_pct,hfu_pct,mem_gib,note"
    )
    lines = (
        "own_2026,here,gpt-7B,7,32,4096,32,50000,DGX-H100,8,bf16,64,1,,4096,1,1,1,,,8,FSDP,none,,9000,400,,,61.5,",
        "own_2026,here,gpt-7B,7,32,4096,32,50000,DGX-H100,8,bf16,64,1,,4096,1,1,1,,,8,FSDP,none,,,420,,,,",
    )
    path = tmp_path / "training" / "llm_training_throughput.csv"
    path.parent.mkdir()
    path.write_text("# source: invented\n" + "\n".join((columns, *lines)) + "\n")
    reading = read_table(path, FORMS, lambda written: written if written in DEVICES else None, str(path))
    found = {(item.metric, item.predictor): item for item in reading.observations if item.metric == "memory"}
    tokens, flops = [item for item in reading.observations if item.metric == "throughput"]
    assert tokens.values.tolist() == [72000.0]
    assert flops.values.tolist() == pytest.approx([420e12 * 8])
    assert flops.word("counted").tolist() == ["model-flops"]
    assert found["memory", "memory"].values.tolist() == pytest.approx([61.5 * 2**30])
    error = STEP.target(tokens) - STEP.design(tokens, DEVICES).base
    assert abs(error[0]) < 0.4
