"""Time of fixed networks: the roofline by hand, what is missing, and learning a law that is known."""

import numpy as np
import pytest
from network_rows import TYPES, fact, observed

from aios.cost.learning.basis import ranges_of, standardised
from aios.cost.learning.fit import held_back, usable
from aios.cost.network_predictor import PREDICTOR
from aios.cost.networks.bounds import held_on_chip
from aios.cost.networks.figures import figures_of
from aios.cost.networks.rates import numeric, rates_of
from aios.records.fleet import DeviceType, Interconnect
from aios.records.networks import CLASSES


def test_work_takes_its_time_at_nominal_rates() -> None:
    # ResNet-50: 4.09e9 multiply-accumulates at 1e12/s in fp16 and twice that in int8, 25.5e6 weights at 1e10 B/s
    rows = observed([1.0, 1.0], words={"model": "resnet50", "precision": ["fp16", "int8"]})
    parts = PREDICTOR.design(rows, TYPES).parts
    compute = sum(parts[f"{kind}_macs"] for kind in ("convolution", "pointwise"))
    assert compute == pytest.approx([2 * 4.09e-3, 4.09e-3], rel=0.01)
    assert parts["weights"] == pytest.approx([25.5e6 * 2 / 1e10, 25.5e6 / 1e10], rel=0.01)
    assert parts["kernels"] == pytest.approx(parts["kernels"].round(6))  # operators of one microsecond each


def test_weights_that_the_chip_cannot_hold_come_over_its_link_in_each_call() -> None:
    # 25.5e6 weights of one byte, of which 8e6 stay; the others at 5e8 bytes/s, of which payload has 0.8
    chip = DeviceType(
        name="chip",
        kind="tpu",
        peak_ops_per_s={"int8": fact(4e12)},
        cache_bytes={"sram": fact(8e6)},
        interconnects=(Interconnect(kind="pcie2-x1", bandwidth_bytes_per_s=fact(5e8)),),
    )
    types = {
        "chip": chip,
        "more": chip.model_copy(update={"name": "more", "memory_bytes": fact(1e9)}),
        "unsaid": chip.model_copy(update={"name": "unsaid", "interconnects": ()}),
    }
    rows = observed([1.0] * 3, words={"model": "resnet50", "precision": "int8"}, types=list(types))
    design = PREDICTOR.design(rows, types)
    assert design.parts["streamed"] == pytest.approx([17.5e6 / 5e8 / 0.8, 0, 0], rel=0.01)
    assert np.exp(design.least[0]) == pytest.approx(17.5e6 / 5e8, rel=0.01)
    assert np.exp(design.least[1:]) == pytest.approx([(1.97e9 / 2 + 2.12e9) * 2 / 4e12] * 2, rel=0.01)


def test_a_network_that_stays_on_the_chip_pays_neither_for_its_weights_nor_for_launches() -> None:
    # 25.5e6 weights: of one byte they fit into 26e6, of two they do not; nothing of a chip that states no such memory
    chip = TYPES["acme-1"].model_copy(update={"name": "chip", "cache_bytes": {"sram": fact(26e6)}})
    words = {"model": "resnet50", "precision": ["int8", "fp16", "int8"]}
    design = PREDICTOR.design(
        observed([1.0] * 3, words=words, types=["chip", "chip", "acme-1"]), {**TYPES, "chip": chip}
    )
    assert design.features["resident"].tolist() == [1.0, 0.0, 0.0]
    for name in ("weights", "convolution_weights", "kernels"):
        resident, loaded, elsewhere = design.parts[name]
        assert resident == 0 < min(loaded, elsewhere), name
    assert design.parts["convolution_macs"][0] == design.parts["convolution_macs"][2]
    assert np.isfinite(design.features["overhead"]).all()


def test_memory_that_is_all_on_the_chip_holds_weights_too() -> None:
    own = {"memory_bytes": fact(2e8), "memory_kind": "sram"}
    assert held_on_chip(DeviceType(name="all", kind="npu", **own)) == 2e8
    assert held_on_chip(DeviceType(name="beside", kind="npu", **{**own, "memory_kind": "hbm"})) == 0


def test_a_core_is_the_same_by_the_word_of_a_table_and_by_the_catalogue() -> None:
    types = {"board": DeviceType(name="board", kind="cpu", architecture="Cortex-A76", cores=4)}
    rows = observed([1.0] * 3, words={"core": ["A76", "", "A72"]}, types=["", "board", "board"])
    assert PREDICTOR.design(rows, types).keys["core"].tolist() == ["a76", "a76", "a72"]


def test_a_batch_shares_weights_and_launches() -> None:
    one, many = (
        PREDICTOR.design(observed([1.0], words={"model": "resnet50"}, numbers={"batch": batch}), TYPES).parts
        for batch in (1, 100)
    )
    assert many["weights"] == pytest.approx(one["weights"] / 100)
    assert many["kernels"] == pytest.approx(one["kernels"] / 100)
    assert many["convolution_macs"] == pytest.approx(one["convolution_macs"])


def test_a_network_that_nobody_counted_has_the_work_of_those_like_it() -> None:
    numbers = {"macs": 4.09e9, "activations": 11.1e6, "parameters": 25.6e6, "image_size": 224}
    stranger, known = (
        figures_of(observed([1.0], words={"model": name}, numbers=numbers)) for name in ("no-such-net", "resnet50")
    )
    assert (stranger.counted[0], known.counted[0]) == (0.0, 1.0)
    for name in ("weights", "kernels", "elementwise_values"):
        assert stranger.amounts[name][0] == pytest.approx(known.amounts[name][0], rel=1.0), name
    total = sum(stranger.amounts[f"{kind}_macs"][0] for kind in CLASSES[:5])
    assert total == pytest.approx(4.09e9, rel=0.02)


def test_work_that_a_row_states_counts_as_it_is() -> None:
    numbers = {"kernels": [10.0, np.nan], "convolution_macs": [5e8, np.nan], "weights": [1e6, np.nan]}
    rows = observed([1.0, 1.0], words={"model": ["mine", "resnet50"], "precision": "fp16"}, numbers=numbers)
    design = PREDICTOR.design(rows, TYPES)
    assert design.unknown.tolist() == ["", ""]
    assert design.parts["convolution_macs"][0] == pytest.approx(1e-3)
    assert design.parts["weights"][0] == pytest.approx(2e6 / 1e10)
    assert design.parts["kernels"][0] == pytest.approx(10e-6)
    assert design.parts["pointwise_macs"][0] == 0
    assert design.parts["convolution_macs"][1] == pytest.approx(2 * 1.97e9 / 1e12, rel=0.01)


def test_power_limits_what_a_graphics_processor_keeps_up() -> None:
    # 1e14/s of which 100 W pay for 0.75e14 at fp16: 1 / (1/1 + 1/0.75) of 1e14
    gpu = DeviceType(name="gpu", kind="gpu", peak_ops_per_s={"fp16": fact(1e14)}, tdp_w=fact(100.0))
    rows = observed([1.0], words={"precision": "fp16"}, types="gpu")
    rates = rates_of(rows, {"gpu": gpu})
    assert rates.peak == pytest.approx(1e14 * 0.75 / 1.75)
    assert rates.bound == pytest.approx(1e14)


def test_training_does_the_work_thrice() -> None:
    numbers = {"macs": 5e8, "activations": 1e6, "parameters": 1e6}
    once, thrice = (
        PREDICTOR.design(observed([1.0], words={"mode": mode}, numbers=numbers), TYPES).base[0]
        for mode in ("inference", "training")
    )
    assert thrice - once == pytest.approx(np.log(3))


def test_targets_are_seconds_per_item_on_one_device_and_back() -> None:
    rate = observed([400.0], "throughput", numbers={"devices": 4, "batch": 32})
    assert np.exp(PREDICTOR.target(rate)) == pytest.approx(0.01)
    call = observed([0.2], "latency.p90", numbers={"devices": 4, "batch": 10})
    assert np.exp(PREDICTOR.target(call)) == pytest.approx(0.02)
    for rows in (rate, call):
        assert PREDICTOR.value(rows, PREDICTOR.target(rows)) == pytest.approx(rows.values)


def test_faster_than_the_peak_is_suspicious_and_not_learnt_from() -> None:
    # 1 GFLOP at 1 TFLOP/s takes 1 ms; Winograd may save a factor of four of its multiplications, not of forty
    rows = observed([1e-3, 0.5e-3, 25e-6], numbers={"macs": 5e8, "activations": 1e6, "parameters": 1e6})
    design = PREDICTOR.design(rows, TYPES)
    assert usable(design, PREDICTOR.target(rows)).tolist() == [True, True, False]


def test_only_small_kernels_are_spared_multiplications_and_those_of_bytes_fewer() -> None:
    def least(name: str, precision: str) -> float:
        rows = observed(
            [1.0], words={"precision": precision}, numbers={f"{name}_macs": 1e9, "weights": 1.0, "kernels": 1.0}
        )
        return float(np.exp(PREDICTOR.design(rows, TYPES).least[0]))

    # 2 GFLOP at the highest peak, 2e12/s of bytes
    assert least("pointwise", "fp16") == pytest.approx(1e-3)
    assert least("convolution", "fp16") == pytest.approx(0.25e-3)
    assert least("convolution", "int8") == pytest.approx(0.5e-3)
    assert least("attention", "int8") == pytest.approx(1e-3)


def test_a_network_that_nothing_is_known_of_is_unknown_with_a_reason() -> None:
    design = PREDICTOR.design(observed([1.0, 1.0], words={"model": ["no-such-net", "resnet50"]}), TYPES)
    assert "no card" in design.unknown[0]
    assert design.unknown[1] == ""


def test_what_a_table_states_counts_before_a_card() -> None:
    rows = observed([1.0, 1.0], words={"model": "resnet50"}, numbers={"macs": [np.nan, 7e9], "image_size": 224})
    found = figures_of(rows)
    assert found.sizes.macs == pytest.approx([4.09e9, 7e9], rel=0.01)
    assert found.sizes.parameters == pytest.approx([25.6e6, 25.6e6], rel=0.01)


def test_an_input_that_is_not_square_has_the_size_of_the_square_of_its_area() -> None:
    rows = observed([1.0], words={"model": "resnet50"}, numbers={"image_size": 112, "image_width": 448})
    assert figures_of(rows).sizes.pixels == pytest.approx(224**2)
    assert figures_of(rows).sizes.macs == pytest.approx(4.09e9, rel=0.01)


@pytest.mark.parametrize(
    ("word", "peak", "weight", "value"),
    [
        ("fp32", "fp32", 4, 4),
        ("int8", "int8", 1, 1),
        ("uint8", "int8", 1, 1),
        ("w8a16", "fp16", 1, 2),
        ("w4a16", "fp16", 0.5, 2),
        ("w4", "fp16", 0.5, 2),
        ("w8a8_mixed_int16", "int8", 1, 1),
        ("int8 mixed", "int8", 1, 1),
        ("", "fp16", 2, 2),
    ],
)
def test_words_for_precisions(word: str, peak: str, weight: float, value: float) -> None:
    assert numeric(word) == (peak, weight, value)


def test_every_feature_is_finite_whatever_is_missing() -> None:
    rows = observed([1.0, 2.0], words={"model": ["resnet50", "no-such-net"]}, types=["", "acme-1"])
    design = PREDICTOR.design(rows, TYPES)
    assert np.isfinite(design.base).all()
    for name, column in design.features.items():
        assert np.isfinite(column).all(), name


def test_a_known_law_is_found_for_networks_that_were_not_seen() -> None:
    """Devices reach a share of their roofline that depends on how large a network is; noise of 5 %."""
    random = np.random.default_rng(7)
    models = np.array([f"{chr(97 + i % 26)}net-{i}" for i in range(120)])
    macs = 10 ** random.uniform(8, 10.5, len(models))
    place = np.tile(np.arange(len(models)), 3)
    device = np.repeat(["acme-1", "acme-2", "acme-3"], len(models))
    types = {
        name: TYPES["acme-1"].model_copy(update={"name": name, "peak_ops_per_s": {"fp16": fact(peak)}})
        for name, peak in (("acme-1", 1e12), ("acme-2", 4e12), ("acme-3", 9e12))
    }
    peak = np.array([types[str(name)].peak_ops_per_s["fp16"].value for name in device])
    seconds = 2 * macs[place] / peak / (0.2 + 0.1 * np.log10(macs[place] / 1e8))
    rows = observed(
        seconds * np.exp(random.normal(0, 0.05, len(place))),
        words={"model": models[place], "device": device, "precision": "fp16"},
        numbers={"macs": macs[place], "activations": 1e3 * np.sqrt(macs[place]), "parameters": macs[place] / 200},
        types=device,
    )
    design, target = PREDICTOR.design(rows, types), PREDICTOR.target(rows)
    columns = standardised(design, ranges_of(design))
    off = np.abs(np.expm1(held_back(design, columns, target, rows.families, PREDICTOR, "calibrated")))
    assert np.median(off) < 0.06
    assert np.quantile(off, 0.9) < 0.15


def test_a_network_with_far_other_arithmetic_than_its_graph_works_on_maps_of_another_size() -> None:
    from aios.catalogue import network_cards
    from aios.cost.networks.operators import asked_of, sizes_of

    card = network_cards().named("resnet50")
    assert card is not None
    assert card.macs
    own = sizes_of([card])
    like = asked_of([card], own).amounts
    larger = asked_of([card], own._replace(macs=own.macs * 4)).amounts
    near = asked_of([card], own._replace(macs=own.macs * 1.2)).amounts
    for name in ("pointwise_macs", "convolution_values"):
        assert larger[name][0] == pytest.approx(4 * like[name][0])
        assert near[name][0] == like[name][0]  # another habit of counting
    for name in ("weights", "kernels"):
        assert larger[name][0] == like[name][0]  # once per call, whatever the size


def test_networks_without_gaps_are_compared_with_no_others():
    from aios.catalogue import network_cards
    from aios.cost.networks import operators

    card = network_cards().named("resnet50")
    operators._known.cache_clear()
    operators.asked_of([card], operators.sizes_of([card]))
    assert operators._known.cache_info().misses == 0, "reading all cards takes a tenth of a second"
    operators.asked_of([card, None], operators.sizes_of([card, None]))
    assert operators._known.cache_info().misses == 1
