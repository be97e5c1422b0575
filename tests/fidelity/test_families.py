"""Models that are one network under two names are never on both sides of a fold."""

import numpy as np
import pytest

from aios.records.observation import Observations
from aios.workflow.families import families_of


def rows_of(models, table="t.csv", predictor="network", families=None, **numbers):
    rows = len(models)
    return Observations(
        table=table,
        predictor=predictor,
        metric="throughput",
        unit="/s",
        words={"model": np.array(models)},
        numbers={role: np.array(column, dtype=float) for role, column in numbers.items()},
        types=np.full(rows, ""),
        families=np.char.lower(np.array(models if families is None else families)),
        lines=np.arange(rows) + 2,
        values=np.ones(rows),
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("efficientnet_b0", "tf_efficientnet_b0"),
        ("resnet50", "ssl_resnet50"),
        ("resnext101_32x8d", "ig_resnext101_32x8d"),
        ("inception_resnet_v2", "ens_adv_inception_resnet_v2"),
        ("nest_small", "jx_nest_small"),
        ("mobilenetv3_large_100", "MobileNet-v3-large"),
        ("YOLOv5s", "yolov8n"),
        ("org/Llama-2-7b", "llama3_8b"),
        ("resnet18 for 32 pixels", "mlperf tiny resnet-8"),
    ],
)
def test_names_of_one_family(one, other):
    found = families_of([rows_of([one, other, "vgg16", "dla34", "swin_tiny", "alexnet", "senet154"])])
    assert found[0] == found[1]
    assert len(set(found[1:].tolist())) == 6


@pytest.mark.parametrize(
    ("one", "other"), [("tf_efficientnet_b0", "tf_mixnet_l"), ("wide_resnet50", "resnet50"), ("regnetx_004", "regnety")]
)
def test_names_of_two_families(one, other):
    found = families_of([rows_of([one, other, "vgg16", "dla34", "swin_tiny", "alexnet"])])
    assert found[0] != found[1]


NAMES = ["vit_small", "vit_base", "deit_small", "levit_128s", "vgg16", "dla34", "swin_tiny", "alexnet"]
FIGURES = {
    "macs": [4.61e9, 17.58e9, 4.61e9, 0.31e9, 15.5e9, 3.1e9, 4.5e9, 0.7e9],
    "activations": [11.95e6, 23.9e6, 11.95e6, 1.9e6, 13.6e6, 4.4e6, 17e6, 0.5e6],
    "parameters": [22.05e6, 86.57e6, 22.05e6, 7.8e6, 138e6, 15.7e6, 28e6, 61e6],
    "image_size": [224] * 8,
}


def test_networks_of_equal_figures_bring_their_families_together():
    found = families_of([rows_of(NAMES, **FIGURES)])
    assert found[0] == found[1] == found[2]
    assert len(set(found.tolist())) == 6


@pytest.mark.parametrize("role", ["macs", "activations", "parameters", "image_size"])
def test_one_figure_that_differs_keeps_them_apart(role):
    other = {**FIGURES, role: [value * (1.01 if place == 2 else 1) for place, value in enumerate(FIGURES[role])]}
    assert len(set(families_of([rows_of(NAMES, **other)]).tolist())) == 7


@pytest.mark.parametrize("role", ["macs", "activations", "parameters"])
def test_figures_that_are_not_stated_are_not_equal(role):
    nothing = {**FIGURES, role: [np.nan] * 8}
    assert len(set(families_of([rows_of(NAMES, **nothing)]).tolist())) == 7


def test_tables_share_the_names_of_families():
    few = rows_of(["yolo11n", "yolo11m", "resnet50"], table="few.csv")
    many = rows_of(["resnet18", *NAMES], table="many.csv")
    found = families_of([few, many]).tolist()
    assert found[:2] == ["yolo11n", "yolo11m"]  # this table has too few words to tell families apart by
    assert found[2] == found[3] == "resnet"
