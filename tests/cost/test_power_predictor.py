"""Power and energy: physics in hand-worked numbers, and what rows of real traces teach."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.cost.energy.diffusion import diffusion_work
from aios.cost.energy.fixed import amounts_of, fixed_joules, fixed_work, starting_share
from aios.cost.energy.language import language_work
from aios.cost.learning import fit, predict
from aios.cost.learning.fit import usable
from aios.cost.power_predictor import PREDICTOR
from aios.fleet import load_catalogue
from aios.records.fleet import DeviceType, Fact
from aios.records.observation import Observations
from aios.tables import load_forms, read_table
from aios.workflow.pooling import pooled

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "data" / "zeus_power_sample.csv"


def device(name: str, tdp: float, idle: float | None = None, **more: object) -> DeviceType:
    """Return a graphics processor with 100 TFLOP/s in fp16 and fp32 and 1 TB/s."""
    return DeviceType(
        name=name,
        kind="gpu",
        tdp_w=Fact(value=tdp, unit="W"),
        idle_w=None if idle is None else Fact(value=idle, unit="W"),
        peak_ops_per_s={precision: Fact(value=1e14, unit="FLOP/s") for precision in ("fp16", "fp32")},
        memory_bandwidth_bytes_per_s=Fact(value=1e12, unit="B/s"),
        **more,
    )


CARD = device("card", 300.0, 30.0)
MODULE = device("module", 60.0, 6.0, memory_kind="lpddr")
TYPES = {"card": CARD, "module": MODULE}


def made(metric: str = "power", **columns: list[str] | list[float]) -> Observations:
    """Return rows of the given words and numbers; ``values`` are what was measured."""
    size = len(next(iter(columns.values())))
    words = {role: np.array(column) for role, column in columns.items() if isinstance(column[0], str)}
    numbers = {
        role: np.array(column, dtype=float) for role, column in columns.items() if not isinstance(column[0], str)
    }
    return Observations(
        table="made",
        predictor="power",
        metric=metric,
        unit="W",
        words=words,
        types=words.get("device", np.full(size, "")),
        families=np.full(size, ""),
        lines=np.arange(size),
        values=numbers.pop("values", np.full(size, np.nan)),
        numbers=numbers,
    )


def physics(rows: Observations) -> list[float]:
    return list(np.exp(PREDICTOR.design(rows, TYPES).base))


def test_work_that_nobody_knows_draws_seven_tenths_of_what_lies_above_idle() -> None:
    assert physics(made(device=["card"], devices=[4.0])) == pytest.approx([4 * (30 + 0.7 * 270)])


def test_a_cap_holds_the_power_down() -> None:
    demand = 30 + 0.7 * 270
    free, at = physics(made(device=["card"] * 2, power_cap=[np.nan, demand]))
    assert free == pytest.approx(demand)
    assert at == pytest.approx(demand / 2**0.25)


def test_a_whole_server_adds_processors_fans_and_the_loss_of_its_supply() -> None:
    devices = 2 * (30 + 0.7 * 270)
    found = physics(made(device=["card"], devices=[2.0], sockets=[2.0], host=["box"]))
    assert found == pytest.approx([(2 * 130 + 1.15 * devices) / 0.92])


def test_a_module_is_a_computer_by_itself() -> None:
    found = physics(made(device=["module"], host=["board"]))
    assert found == pytest.approx([(6 + 0.7 * 54) / 0.92 + 1.0])


def test_an_unknown_board_draws_a_few_watts_and_an_unknown_card_what_a_slot_feeds() -> None:
    board, cards = physics(made(device=["some board", "some card"], devices=[1.0, 2.0], host=["a", "b"]))
    assert 4 < board < 9
    assert 2 * 40 < cards < 400


def test_reading_draws_as_much_as_computing_and_waiting_least() -> None:
    rows = made(
        device=["card"] * 3,
        phase=["both"] * 3,
        precision=["fp16"] * 3,
        parameters=[7e9, 7e9, 1e8],
        concurrency=[1.0, 1024.0, 1.0],
        prompt_tokens=[64.0] * 3,
        output_tokens=[64.0] * 3,
    )
    decoding, computing, waiting = physics(rows)
    assert waiting < 0.8 * min(decoding, computing)
    assert decoding == pytest.approx(computing, rel=0.25)
    assert computing < 300


def language(**columns: list[str] | list[float]) -> Observations:
    size = len(next(iter(columns.values())))
    known = {"prompt_tokens": [1.0] * size, "output_tokens": [1000.0] * size, **columns}
    return made("energy", device=["card"] * size, phase=["both"] * size, precision=["fp16"] * size, **known)


def test_a_token_of_a_dense_model_costs_its_weights_read_once_for_all_sequences() -> None:
    rows = language(parameters=[2e9] * 2, concurrency=[1.0, 8.0])
    work = language_work(rows, TYPES)
    one, eight = work.parts["weights"]
    assert one == pytest.approx(2e9 * 2 / 0.88e12, rel=0.1)
    assert eight == pytest.approx(one / 8, rel=0.1)
    first, second = physics(rows)
    assert 4 < first / second <= 8


def eager(**columns: list[str] | list[float]) -> Observations:
    size = len(next(iter(columns.values())))
    return language(software=["transformers"] * size, scenario=["batch"] * size, **columns)


def test_a_model_that_python_moves_between_devices_waits_a_millisecond_per_layer() -> None:
    work = language_work(eager(parameters=[6.65e9] * 2, concurrency=[1.0] * 2, pipeline_parallel=[1.0, 2.0]), TYPES)
    alone, moved = work.parts["launches"]
    assert moved - alone == pytest.approx(32 * 1e-3, rel=0.1)
    assert list(work.turns) == [1.0, 2.0]


def test_experts_that_python_calls_one_by_one_wait_each() -> None:
    sizes = {"parameters": [4e10] * 2, "active_parameters": [1e10] * 2, "active_experts": [2.0] * 2}
    few, many = (
        language_work(eager(concurrency=[64.0] * 2, layers=[32.0] * 2, experts=[count] * 2, **sizes), TYPES)
        for count in (4.0, 8.0)
    )
    added = (many.parts["launches"] - few.parts["launches"])[0]
    assert added == pytest.approx(4 * 32 * 3e-4 / 64, rel=0.1)


def test_without_a_cache_every_token_computes_all_before_it() -> None:
    rows = eager(
        parameters=[2e9] * 3, concurrency=[1.0] * 3, prompt_tokens=[500.0, 1000.0, 1000.0], output_tokens=[2.0] * 3,
        kv_precision=["none", "none", ""],
    )  # fmt: skip
    work = language_work(rows, TYPES)
    short, long, cached = work.parts["products"]
    assert short > 0.8 * 2 * 2e9 * 500 / 1e14
    assert long == pytest.approx(2 * short, rel=0.1)
    assert cached < long / 500
    assert list(work.parts["prompts"][:2]) == [0.0, 0.0]
    assert work.parts["prompts"][2] > 0


def test_bfloat16_is_computed_in_32_bits_where_there_are_no_units_for_it() -> None:
    narrow = {name: Fact(value=value, unit="FLOP/s") for name, value in {"fp16": 1e14, "fp32": 1e13}.items()}
    old, new = (CARD.model_copy(update={"peak_ops_per_s": narrow, "features": (name,)}) for name in ("sm_70", "sm_80"))
    rows = eager(parameters=[2e9], concurrency=[1.0], prompt_tokens=[1500.0], output_tokens=[1.0])
    rows.words["precision"][:] = "bf16"
    slow, quick = (language_work(rows, {"card": device}).parts["prompts"][0] for device in (old, new))
    assert slow == pytest.approx(10 * quick, rel=0.2)


def test_devices_that_take_turns_draw_what_one_draws_and_the_others_idle_power() -> None:
    rows = made(
        device=["card"] * 2, phase=["both"] * 2, precision=["fp16"] * 2, parameters=[1e10] * 2, concurrency=[1.0] * 2,
        software=["transformers"] * 2, devices=[1.0, 4.0], pipeline_parallel=[1.0, 4.0], prompt_tokens=[8.0] * 2,
        output_tokens=[64.0] * 2,
    )  # fmt: skip
    one, four = physics(rows)
    assert 30 < four - 3 * 30 < one  # moving inputs between devices, the one at work waits as well


def test_a_latent_token_takes_two_operations_per_weight_and_pass() -> None:
    rows = made(
        "energy", device=["card"] * 2, precision=["fp16"] * 2, parameters=[1e9] * 2, steps=[10.0] * 2,
        passes=[1.0, 2.0], image_size=[512.0, 512.0], batch=[1.0, 1.0],
    )  # fmt: skip
    once, twice = diffusion_work(rows, TYPES).parts["products"]
    rate = 1 / (1 / 1e14 + 1 / (0.75e12 * 300))  # what the units can and what the power pays for, one after the other
    assert once == pytest.approx(2 * 1e9 * (512 / 16) ** 2 * 10 / rate)
    assert twice == pytest.approx(2 * once)


def test_one_device_decodes_and_the_others_watch() -> None:
    rows = made(
        "energy", device=["card"] * 2, precision=["fp16"] * 2, parameters=[1e9] * 2, steps=[10.0] * 2,
        image_size=[512.0] * 2, devices=[1.0, 4.0],
    )  # fmt: skip
    parts = diffusion_work(rows, TYPES).parts
    alone, shared = parts["decoding"] + parts["watching"]
    assert shared == pytest.approx(alone)
    assert parts["watching"][1] == pytest.approx(3 * parts["decoding"][1])
    assert parts["products"][0] == pytest.approx(4 * parts["products"][1])


def test_an_autoencoder_that_makes_fewer_tokens_saves_their_work() -> None:
    rows = made(
        "energy", device=["card"] * 3, precision=["fp16"] * 3, parameters=[1e9] * 3, steps=[10.0] * 3,
        image_size=[1024.0] * 3, latent_pixels=[16.0, 32.0, 16.0], frames=[1.0, 1.0, 9.0],
        latent_frames=[4.0, 4.0, 8.0],
    )  # fmt: skip
    plain, deep, video = diffusion_work(rows, TYPES).parts["products"]
    assert plain / deep == pytest.approx(4)
    assert video / plain == pytest.approx(2)


def test_half_the_image_is_a_quarter_of_the_work_and_a_batch_shares_weights_and_launches() -> None:
    rows = made(
        "energy", device=["card"] * 3, model=["resnet50"] * 3, image_size=[224.0, 112.0, 224.0], batch=[1.0, 1.0, 16.0]
    )
    parts = fixed_work(rows, TYPES, amounts_of(rows)).parts
    full, small, together = parts["dense"]
    assert full / small == pytest.approx(4, rel=0.01)
    assert full == pytest.approx(together)
    for name in ("weights", "launches"):
        assert parts[name][0] / parts[name][2] == pytest.approx(16)


def test_a_single_stream_keeps_one_device_busy_and_the_others_waiting() -> None:
    rows = made(
        "energy", device=["card"] * 2, model=["resnet50"] * 2, devices=[1.0, 4.0], scenario=["single-stream"] * 2,
        host=["box"] * 2,
    )  # fmt: skip
    one, four = physics(rows)
    assert 1 < four / one < 3


def test_named_cores_and_accelerators_of_unknown_rates_take_joules_per_operation() -> None:
    rows = made(
        "energy", device=["board", "chip"], core=["A72", ""], model=["resnet50"] * 2, precision=["fp32", "int8"]
    )
    board, chip = physics(rows)
    assert 0.8 < board < 8
    assert chip < board / 50


def test_cores_with_instructions_for_dot_products_multiply_bytes_for_less() -> None:
    cores = ["A72", "Cortex-A76", "Carmel", "A76", "Mali-G610"]
    rows = made(
        "energy", device=["board"] * 5, core=cores, model=["resnet50"] * 5, host=["box"] * 5,
        precision=["int8", "int8", "int8", "fp32", "int8"],
    )  # fmt: skip
    dense = fixed_joules(rows, TYPES, amounts_of(rows))["dense"]
    assert dense / dense[0] == pytest.approx([1.0, 0.3, 1.0, 2.0, 0.3])


def test_starting_operators_weighs_on_small_networks_of_boards_and_not_of_microcontrollers() -> None:
    rows = made(
        "power", device=["board"] * 3, core=["A76", "A76", "Cortex-M4"], model=["mobilenet-v1-0.25-128", "resnet50",
        "mobilenet-v1-0.25-128"], precision=["fp32"] * 3, host=["box", "box", ""],
    )  # fmt: skip
    small, large, bare = starting_share(rows, TYPES, amounts_of(rows))
    assert 0.3 < small < 0.8
    assert large < 0.1
    assert bare < 0.05
    less, more, _ = physics(rows)
    assert less < more


def test_a_capped_device_takes_fewer_joules_for_longer_work() -> None:
    rows = made("energy", device=["card"] * 2, model=["resnet50"] * 2, batch=[64.0] * 2, power_cap=[np.nan, 200.0])
    free, capped = physics(rows)
    assert 0.6 * free < capped < free


def test_what_cannot_be_is_not_learnt_and_what_nobody_states_is_not_predicted() -> None:
    rows = made(device=["card"] * 3, values=[320.0, 340.0, 340.0], devices=[1.0, 1.0, 2.0])
    found = PREDICTOR.design(rows, TYPES)
    assert list(found.unknown) == [""] * 3
    assert list(usable(found, PREDICTOR.target(rows))) == [True, False, True]
    assert PREDICTOR.design(made("energy", device=["card"], values=[3.0]), TYPES).unknown[0]
    free = made("energy", device=["mcu"], macs=[1e9], values=[1e-6])
    assert PREDICTOR.target(free) < PREDICTOR.design(free, TYPES).least


def test_neither_values_nor_intervals_lie_above_rating_and_cap() -> None:
    measured = made(device=["card"] * 40, values=[280.0, 330.0] * 20)
    design, target = PREDICTOR.design(measured, TYPES), PREDICTOR.target(measured)
    learnt = fit(design, target, np.array([f"family {i % 5}" for i in range(40)]), PREDICTOR, "power", ("calibrated",))
    asked = made(device=["card"] * 3, power_cap=[np.nan, 200.0, np.nan], host=["", "", "box"])
    found = predict(PREDICTOR.design(asked, TYPES), learnt, "calibrated")
    value, high = np.exp(found.value), np.exp(found.high)
    assert (value[:2] <= [330.001, 220.001]).all()
    assert high[:2] == pytest.approx([330.0, 220.0])
    assert high[2] > 330.0  # a whole system draws more than its card


def test_what_a_device_draws_in_training_is_learnt_from_other_networks_on_it() -> None:
    rows, types = zeus()
    less = replace(rows, values=0.6 * rows.values)
    design, target = PREDICTOR.design(less, types), PREDICTOR.target(less)
    families = np.unique(rows.families)
    off = np.full(len(rows), np.nan)
    for family in families:
        held = rows.families == family
        learnt = fit(design.take(~held), target[~held], rows.families[~held], PREDICTOR, "power", ())
        off[held] = predict(design.take(held), learnt, "calibrated").value - target[held]
    assert len(families) > 2
    assert np.median(np.exp(design.base - target)) > 1.6
    assert np.median(np.exp(off)) < 1.3


@given(st.floats(1.0, 5000.0), st.sampled_from(["power", "energy"]))
def test_the_way_back_is_the_way_there_and_back(value: float, metric: str) -> None:
    rows = made(metric, device=["card"], values=[value])
    assert PREDICTOR.value(rows, PREDICTOR.target(rows)) == pytest.approx([value])


def zeus() -> tuple[Observations, dict[str, DeviceType]]:
    """Return rows of real traces with the catalogue's facts of their devices."""
    forms = [form for form in load_forms(ROOT / "tables") if form.name == "zeus-power"]
    devices = load_catalogue(ROOT / "hardware")
    (rows,) = read_table(SAMPLE, forms, {"a40": "nvidia-a40"}.get, "energy/zeus_power_trace.csv").observations
    return rows, {str(name): devices[str(name)] for name in set(rows.types.tolist())}


def test_physics_alone_is_near_the_power_of_training_that_was_traced() -> None:
    rows, types = zeus()
    off = np.abs(np.exp(PREDICTOR.design(rows, types).base) / rows.values - 1)
    assert np.median(off) < 0.15
    assert np.quantile(off, 0.9) < 0.5


def test_a_row_above_rating_and_cap_is_suspicious_and_its_model_is_known() -> None:
    rows, types = zeus()
    values = rows.values.copy()
    values[5] = 5000.0
    pool = pooled(PREDICTOR, "power", [(replace(rows, values=values), None)], types)
    assert pool.suspicious_lines() == {"energy/zeus_power_trace.csv": (int(rows.lines[5]),)}
    assert pool.unpredictable_models() == {}
    assert pool.usable.sum() == len(rows) - 1


def test_rows_of_a_workload_at_some_caps_tell_its_power_at_others() -> None:
    rows, types = zeus()
    design, target = PREDICTOR.design(rows, types), PREDICTOR.target(rows)
    held = np.arange(len(rows)) % 4 == 1
    learnt = fit(design.take(~held), target[~held], rows.families[~held], PREDICTOR, "power", ("profiled",))
    found = predict(design.take(held), learnt, "profiled")
    off = np.abs(np.exp(found.value - target[held]) - 1)
    assert np.median(off) < 0.08
    assert np.mean((found.low <= target[held]) & (target[held] <= found.high)) > 0.8


def test_boards_are_ranked_by_energy_from_other_benchmarks() -> None:
    rng = np.random.default_rng(3)
    boards, models = [f"board {i}" for i in range(9)], {"ad": 2.6e5, "ic": 1.25e7, "kws": 2.7e6, "vww": 7.5e6}
    joules = {board: 10 ** rng.uniform(-10, -8) for board in boards}
    pairs = [(board, model) for board in boards for model in models]
    values = [joules[board] * models[model] ** 0.9 * rng.lognormal(0, 0.2) for board, model in pairs]
    rows = made(
        "energy", device=[b for b, _ in pairs], model=[m for _, m in pairs], macs=[models[m] for _, m in pairs],
        values=values,
    )  # fmt: skip
    seen = rows.word("model") != "vww"
    design, target = PREDICTOR.design(rows, TYPES), PREDICTOR.target(rows)
    learnt = fit(design.take(seen), target[seen], rows.word("model")[seen], PREDICTOR, "energy", ())
    found = predict(design.take(~seen), learnt, "calibrated").value
    order = np.sign(np.subtract.outer(found, found)) * np.sign(np.subtract.outer(target[~seen], target[~seen]))
    assert order.sum() / (9 * 8) >= 0.8  # Kendall's tau


def test_benchmarks_that_must_be_exact_are_computed_in_the_wider_of_two_precisions(tmp_path: Path) -> None:
    columns = "system,accelerator,n_acc,cpu,n_cpu,framework,benchmark,scenario,weights,accuracy,round,power_w,energy_j"
    rows = [
        f"box,some card,1,some cpu,2,some engine,{benchmark},Offline,{weights},,v9.9,500,1"
        for benchmark, weights in (("bert-99", '"int8,fp16"'), ("bert-99.9", '"int8,fp16"'), ("dlrm-99.9", "uint8"))
    ]
    table = tmp_path / "inference_results.csv"
    table.write_text("\n".join(["# source: invented", columns, *rows]) + "\n")
    forms = [form for form in load_forms(ROOT / "tables") if form.name == "mlperf-inference-power"]
    power = read_table(table, forms, lambda _name: None, "mlperf/inference_results.csv").observations[0]
    assert power.word("precision").tolist() == ["int8", "fp16", "int8"]
