"""Power and energy: physics in hand-worked numbers, and what rows of real traces teach."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.cost.energy.ratings import ratings_of
from aios.cost.energy.work import work_of
from aios.cost.learning import fit, predict
from aios.cost.power_predictor import PREDICTOR
from aios.records.fleet import DeviceType, Fact
from aios.records.observation import Observations
from aios.tables import load_forms, read_table

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


def test_decoding_draws_less_than_computing_and_waiting_least() -> None:
    rows = made(
        device=["card"] * 3,
        phase=["decode", "decode", "decode"],
        precision=["fp16"] * 3,
        parameters=[7e9, 7e9, 1e8],
        concurrency=[4.0, 4096.0, 1.0],
    )
    decoding, computing, waiting = physics(rows)
    assert waiting < decoding < computing < 300


def test_a_token_of_a_dense_model_costs_its_weights_read_once_for_all_sequences() -> None:
    rows = made(
        "energy", device=["card"] * 2, phase=["decode"] * 2, precision=["fp16"] * 2, parameters=[7e9] * 2,
        concurrency=[1.0, 8.0], sequence=[0.0, 0.0],
    )  # fmt: skip
    work = work_of(rows, ratings_of(rows, TYPES))
    assert work.memory == pytest.approx([7e9 * 2 / 0.7e12, 7e9 * 2 / 0.7e12 / 8])
    assert work.waiting == pytest.approx([4e-3, 4e-3 / 8])
    one, eight = physics(rows)
    assert 5 < one / eight < 8


def test_few_sequences_touch_few_experts() -> None:
    rows = made(
        device=["card"] * 2, phase=["decode"] * 2, precision=["fp16"] * 2, parameters=[1e11] * 2,
        active_parameters=[1e10] * 2, concurrency=[1.0, 1000.0], sequence=[0.0, 0.0],
    )  # fmt: skip
    read = work_of(rows, ratings_of(rows, TYPES)).memory * [1.0, 1000.0]
    assert read == pytest.approx(np.array([2e10, 2e11]) / 0.7e12)


def test_a_scaled_network_works_with_the_squares_of_its_width_and_image() -> None:
    rows = made(
        "energy", device=["card"] * 2, macs=[4e8, 4e8], channel_multiplier=[1.0, 0.5], image_size=[224.0, 112.0]
    )
    full, small = physics(rows)
    assert full / small == pytest.approx(16)


def test_what_cannot_be_is_not_learnt_and_what_nobody_states_is_not_predicted() -> None:
    above = PREDICTOR.design(made(device=["card"] * 2, values=[250.0, 900.0]), TYPES)
    assert above.unknown[0] == "" != above.unknown[1]
    assert PREDICTOR.design(made("energy", device=["card"], values=[3.0]), TYPES).unknown[0]
    free = made("energy", device=["mcu"], macs=[1e9], values=[1e-6])
    assert PREDICTOR.target(free) < PREDICTOR.design(free, TYPES).least


@given(st.floats(1.0, 5000.0), st.sampled_from(["power", "energy"]))
def test_the_way_back_is_the_way_there_and_back(value: float, metric: str) -> None:
    rows = made(metric, device=["card"], values=[value])
    assert PREDICTOR.value(rows, PREDICTOR.target(rows)) == pytest.approx([value])


def test_rows_of_a_workload_at_some_caps_tell_its_power_at_others() -> None:
    tdp = {"v100": 250.0, "p100": 250.0, "rtx6000": 260.0, "a40": 300.0}
    known = {name: device(name, watts) for name, watts in tdp.items()}
    forms = [form for form in load_forms(ROOT) if form.name == "zeus-power"]
    identify = {name: name for name in known}.get
    (rows,) = read_table(SAMPLE, forms, identify, "energy/zeus_power_trace.csv").observations
    types = {**known, **{name: known[written] for name, written in zip(rows.types, rows.word("device"), strict=True)}}
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
