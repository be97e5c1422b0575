"""Cards of well-known networks: found by any spelling, right in what they state, scaled with the input."""

import csv
import time

import pytest

from aios.catalogue import network_cards, root
from aios.records.networks import CLASSES, WORK, Cards, spelling

HEAD = ("name", "aliases", "kind", "image_size", "attention_power", "gmacs", "mactivations", "mparameters")


@pytest.mark.parametrize(
    ("written", "card"),
    [
        ("resnet50", "resnet50"),
        ("ResNet-50", "resnet50"),
        ("Resnet50_Pytorch_Infer", "resnet50"),
        ("mobilenet-v1-0.25-128-quantized", "mobilenet-v1-0.25-128"),
        ("mobilenet-v1-precision_float-0.25-128", "mobilenet-v1-0.25-128"),
        ("mobilenet-v3-large_224_0.75_float", "mobilenet-v3-large_224_0.75"),
        ("efficientnet-fp32-lite0", "efficientnet-lite0"),
        ("efficientnet-lite4-non-quantized", "efficientnet-lite4"),
        ("YOLO11n", "yolo11n"),
        ("yolov11n", "yolo11n"),
        ("regnet_x_1_6gf", "regnetx_016"),
        ("regnet_y_3_2gf", "regnety_032"),
        ("regnet_y_32gf", "regnety_320"),
        ("yolov5su", "yolov5su"),
        ("bert_large_squad", "bert-large at 256 tokens"),
    ],
)
def test_a_network_is_found_by_any_spelling(written: str, card: str) -> None:
    found = network_cards().named(written)
    assert found is not None
    assert found.name == card


@pytest.mark.parametrize("written", ["mobilenet_v1", "mobilenet_v3", "regnety_400m", "shufflenet_v2", "mobilenet_ssd"])
def test_names_that_tables_use_lead_to_counted_work(written: str) -> None:
    found = network_cards().named(written)
    assert found is not None
    assert found.work["pointwise_macs"] > 0
    assert sum(found.work.get(f"{kind}_macs", 0.0) for kind in CLASSES[:5]) == pytest.approx(found.macs, rel=0.01)


@pytest.mark.parametrize("written", ["", "resnet", "resnet51", "my-net", "yolo", "float32", "50"])
def test_nothing_is_guessed(written: str) -> None:
    found = network_cards().named(written)
    assert found is None or spelling(written) in map(spelling, (found.name, *found.aliases))


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [  # of the papers: He et al. 2015, Sandler et al. 2018, Simonyan and Zisserman 2014, Tan and Le 2019, YOLO11, ViT
        ("resnet50", 4.1e9, 25.6e6),
        ("mobilenet_v2", 0.300e9, 3.5e6),
        ("vgg16", 15.5e9, 138e6),
        ("efficientnet_b0", 0.39e9, 5.3e6),
        ("yolo11n", 3.25e9, 2.6e6),
        ("vit_b_16", 17.6e9, 86.6e6),
        ("mobilenet-v1-1.0-224", 0.569e9, 4.24e6),
        ("mobilenet-v2-1.4-224", 0.582e9, 6.06e6),
        # Zhang et al. 2017 (three groups), Cai et al. 2018, MLPerf Tiny's reference (Banbury et al. 2021)
        ("shufflenet", 0.137e9, 1.87e6),
        ("proxylessnasnet", 0.320e9, 4.08e6),
        ("mlperf tiny resnet-8", 12.5e6, 78e3),
        ("mlperf tiny anomaly detection", 264e3, 270e3),
    ],
)
def test_counted_figures_are_the_published_ones(name: str, macs: float, parameters: float) -> None:
    card = network_cards().named(name)
    assert card is not None
    assert card.macs == pytest.approx(macs, rel=0.03)
    assert card.parameters == pytest.approx(parameters, rel=0.03)


def test_work_by_class_adds_up_to_the_total() -> None:
    cards = network_cards()
    for card in map(cards.named, cards.names()):
        assert card is not None
        if card.work:
            assert sum(card.work.get(f"{kind}_macs", 0.0) for kind in CLASSES) == pytest.approx(card.macs, rel=0.01), (
                card.name
            )


def test_parts_of_work_are_no_more_than_the_whole() -> None:
    wholes = {
        "wide_depthwise_macs": ("depthwise_macs",),
        "odd_grouped_macs": ("grouped_macs",),
        "misaligned_macs": ("convolution_macs", "pointwise_macs"),
        "thin_pointwise_values": ("pointwise_values",),
        "silu_values": ("elementwise_values",),
        "convolution_weights": ("weights",),
    }
    cards = network_cards()
    for name in cards.names()[::5]:
        card = cards.named(name)
        assert card is not None
        for part, whole in wholes.items():
            total = sum(card.work.get(item, 0.0) for item in whole)
            assert card.work.get(part, 0.0) <= 1.001 * total, (name, part)


NET = (
    "# source: a paper\nname,aliases,image_size,attention_power,gmacs,mactivations,mparameters,convolution_macs,"
    "attention_macs,convolution_values,kernels,weights\nnet,other,100,2,9,2,0.5,8000,1000,3,10,0.4\n"
)


def test_work_grows_with_the_pixels_but_weights_and_kernels_do_not() -> None:
    twice = Cards([NET]).named("Net", 200)
    assert twice is not None
    assert twice.work == {
        "convolution_macs": 32e9,
        "attention_macs": 16e9,  # of every position with every other: the square of the pixels
        "convolution_values": 12e6,
        "kernels": 10,
        "weights": 4e5,
    }
    assert (twice.macs, twice.activations, twice.parameters) == (48e9, 8e6, 5e5)
    assert twice.source == "a paper"


def test_of_several_sizes_the_nearest_is_taken() -> None:
    cards = Cards(["name,aliases,image_size,gmacs\nnet,,100,1\nnet,,300,3\n"])
    found = cards.named("net", 300)
    assert found is not None
    assert found.macs == 3e9


def test_of_two_forms_the_one_with_as_many_parameters_is_taken() -> None:
    whole, merged = (network_cards().named("repvgg_a0", None, parameters) for parameters in (9.1e6, 8.3e6))
    assert whole is not None
    assert merged is not None
    assert (whole.name, merged.name) == ("repvgg_a0", "repvgg_a0-fused")
    assert merged.work["kernels"] < whole.work["kernels"]


def test_a_card_that_tells_of_its_work_comes_first() -> None:
    found = Cards(["name,aliases,gmacs\nnet,,1\n", "name,aliases,gmacs,kernels\nNet,,2,7\n"]).named("net")
    assert found is not None
    assert found.macs == 2e9


def _encoder(tokens: int, width: int, layers: int) -> float:
    """Return the multiply-accumulates of a BERT: four products of width x width and two of four times that per token
    and layer, scores and their use."""
    return layers * (12 * width**2 * tokens + 2 * width * tokens**2)


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [
        ("bert-large at 384 tokens", _encoder(384, 1024, 24), 335e6),
        ("bert-base-cased", _encoder(128, 768, 12), 109e6),
        ("whisper-base encoder", _encoder(1500, 512, 6) + 3000 * 240 * 512 + 1500 * 1536 * 512, 20.6e6),
        # 270 pairs: two perceptrons and the products of 27 vectors of 128 with each other
        ("dlrm-99", 270 * (13 * 512 + 512 * 256 + 256 * 128 + 479 * 1024 + 1024**2 + 1024 * 512 + 512 * 256 + 256
                           + 27 * 27 * 128), 2.4e6),
        ("yolov5s", 16.5e9 / 2, 7.2e6),  # as its authors state them: 16.5 GFLOP, 7.2 million
        ("yolov10n", 6.7e9 / 2, 2.3e6),
        ("yolov3", 65.86e9 / 2, 61.9e6),
    ],
)  # fmt: skip
def test_networks_are_counted_as_their_layers_say(name: str, macs: float, parameters: float) -> None:
    card = network_cards().named(name)
    assert card is not None
    assert card.work
    assert card.macs == pytest.approx(macs, rel=0.015)
    assert card.parameters == pytest.approx(parameters, rel=0.02)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        Cards(["# source: nowhere\nname,aliases,gmacs\nnet,,many\n"]).named("net")


def test_shipped_cards_say_where_they_are_from_and_are_whole() -> None:
    for path in (root() / "cards" / "networks").glob("*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# source: "), path.name
        rows = list(csv.reader(line for line in lines if not line.startswith("#")))
        assert {len(row) for row in rows} == {len(rows[0])}, path.name
        assert set(rows[0]) <= {*HEAD, *WORK}, path.name
        assert all(row[0] for row in rows), path.name


def test_a_name_is_found_soon() -> None:
    """Reading and indexing every file; a generous bound for a busy machine."""
    started = time.perf_counter()
    cards = Cards(path.read_text(encoding="utf-8") for path in sorted((root() / "cards" / "networks").glob("*.csv")))
    assert cards.named("resnet50") is not None
    assert time.perf_counter() - started < 1.0
