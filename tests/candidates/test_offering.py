"""What declarations offer becomes candidates: named ones only where they are named, every one with its settings."""

from __future__ import annotations

from typing import Any

import pytest

from aios.candidates import enumerate_candidates
from aios.records.intent import Data
from aios.records.model import Operator
from aios.records.transform import Declaration, Needs, Parameter

KEEP = Parameter(help="Share that stays.", default="0.5", least=0, most=1, offered=("0.5",))
RANGES = Parameter(help="Ranges.", default="minmax", choices=("minmax", "entropy"), offered=("minmax",))
DECLARED = {
    "dynamic": Declaration(
        name="dynamic",
        summary="",
        precisions=("int8",),
        quantization="dynamic",
        needs=Needs(operators=("MatMul", "Gemm"), devices=("cpu",)),
    ),
    "static": Declaration(
        name="static",
        summary="",
        precisions=("int8",),
        quantization="static",
        needs=Needs(data=("calibrate",)),
        parameters={"ranges": RANGES},
    ),
    "shrink": Declaration(name="shrink", summary="", stage="compression", asked=True, parameters={"keep": KEEP}),
    "graph": Declaration(
        name="graph",
        summary="",
        stage="executor",
        needs=Needs(stored=(), executors=("willing",)),
        parameters={"level": Parameter(help="", default="all", choices=("all", "basic"), offered=("all",))},
    ),
    "other": Declaration(
        name="other",
        summary="",
        stage="executor",
        needs=Needs(stored=(), executors=("elsewhere",)),
        parameters={"level": Parameter(help="", default="off", choices=("off", "on"))},
    ),
    "cache": Declaration(
        name="cache",
        summary="",
        stage="executor",
        needs=Needs(stored=(), formats=("transformer",)),
        parameters={"precision": Parameter(help="", default="bf16", choices=("bf16", "fp8"))},
    ),
    "teach": Declaration(
        name="teach", summary="", stage="compression", asked=True, needs=Needs(data=("train",)), parameters={}
    ),
}


@pytest.fixture
def offered(intent: Any, profiles: Any, fleet: Any, willing: Any) -> Any:
    def run(device: str = "cpu", operators: tuple[str, ...] = ("Gemm",), **changes: Any) -> tuple[set[str], Any]:
        kinds = tuple(
            Operator(kind=kind, count=1, flops=1.0, weight_bytes=1.0, input_bytes=1.0, output_bytes=1.0)
            for kind in operators
        )
        own = {name: item.model_copy(update={"operators": kinds}) for name, item in profiles.items()}
        wanted = intent.model_copy(update=changes)
        found = enumerate_candidates(wanted, own, fleet, willing, declared=DECLARED)
        labels = {item.id.split("/")[3] for item in found.candidates if item.device == device}
        return labels, found

    return run


def test_defaults_keep_the_names_that_they_had(offered: Any) -> None:
    labels, found = offered()
    assert labels == {"fp32", "int8-dynamic", "int8-static"}
    assert not any(item.settings for item in found.candidates)


def test_a_named_transform_is_laid_over_every_precision(offered: Any) -> None:
    labels, found = offered(transforms={"shrink": {"keep": ("0.5", "0.25")}})
    assert labels == {
        f"{base}{more}"
        for base in ("fp32", "int8-dynamic", "int8-static")
        for more in ("", "+shrink", "+shrink+keep=0.25")
    }
    (one,) = {
        (item.compression, tuple(item.settings.items()))
        for item in found.candidates
        if "+keep" in item.id and item.precision == "fp32"
    }
    assert one == ("shrink", (("keep", "0.25"),))


def test_values_of_an_offered_transform_are_tried_where_they_are_named(offered: Any) -> None:
    labels, _ = offered(transforms={"static": {"ranges": ("minmax", "entropy")}})
    assert labels == {"fp32", "int8-dynamic", "int8-static", "int8-static+ranges=entropy"}


def test_what_the_executor_decides_is_laid_over_every_precision_where_it_is_named(offered: Any) -> None:
    labels, _ = offered()
    assert not any("graph" in label for label in labels)
    labels, found = offered(transforms={"graph": {"level": ("all", "basic")}})
    plain = {"fp32", "int8-dynamic", "int8-static"}
    assert labels == plain | {f"{label}+graph=basic" for label in plain}
    assert {tuple(item.settings.items()) for item in found.candidates} == {(), (("graph", "basic"),)}


def test_a_decision_of_another_executor_or_another_kind_of_model_is_told(offered: Any) -> None:
    labels, found = offered(transforms={"other": {"level": ("on",)}, "cache": {"precision": ("fp8",)}})
    assert labels == {"fp32", "int8-dynamic", "int8-static"}
    told = {item.what: item.reason for item in found.rejections if item.what.startswith("small ")}
    assert told["small cache"] == "small is onnx; cache is decided of transformer"
    assert told["small other by willing"] == "willing does not decide it; elsewhere does"


def test_a_pin_asks_for_a_compression_too(offered: Any, intent: Any) -> None:
    labels, _ = offered(pin=intent.pin.model_copy(update={"compression": ("shrink",)}))
    assert labels == {"fp32+shrink", "int8-dynamic+shrink", "int8-static+shrink"}


@pytest.mark.parametrize(
    ("changes", "what", "clause", "remedy"),
    [
        ({"data": Data()}, "small int8-static", "static quantisation needs calibration data", "set data.calibrate"),
        ({"transforms": {"teach": {}}}, "small fp32+teach", "teach needs training data", "set data.train"),
        ({"operators": ("Conv",)}, "small int8-dynamic", "operators", None),
    ],
)
def test_what_lacks_something_is_left_out_with_the_reason(
    offered: Any, changes: Any, what: str, clause: str, remedy: str | None
) -> None:
    _, found = offered(**changes)
    (row,) = [item for item in found.rejections if item.what == what]
    assert (row.clause, row.resolvable) == (clause, remedy)


ABSENT = "no_such_module_anywhere"


@pytest.fixture
def lacking(monkeypatch: Any) -> None:
    """Two transforms that need what nobody has: one always, one for other settings than the default."""
    passes = Parameter(
        help="", default="0", least=0, most=9, modules=(ABSENT,), install="pip install it", data=("train",)
    )
    shrink = DECLARED["shrink"].model_copy(update={"parameters": {"keep": KEEP, "passes": passes}})
    needs = Needs(modules=("json", ABSENT), install="pip install all")
    teach = DECLARED["teach"].model_copy(update={"needs": needs})
    for name, item in {"shrink": shrink, "teach": teach}.items():
        monkeypatch.setitem(DECLARED, name, item)


@pytest.mark.usefixtures("lacking")
def test_what_needs_packages_that_are_not_here_is_left_out_with_the_command_that_brings_them(offered: Any) -> None:
    data = Data(calibrate=("c.npz",), train=("t.npz",))
    asked = {"shrink": {"passes": ("0", "5")}, "teach": {}}
    labels, found = offered(transforms=asked, data=data)
    assert labels == {f"{base}{more}" for base in ("fp32", "int8-dynamic", "int8-static") for more in ("", "+shrink")}
    told = {item.what: item for item in found.rejections}
    one, other = told["small fp32+teach"], told["small fp32+shrink+passes=5"]
    assert (one.clause, one.resolvable) == (f"teach needs {ABSENT}", "pip install all")
    assert (other.clause, other.resolvable) == (f"shrink with passes=5 needs {ABSENT}", "pip install it")
    assert one.reason == f"{ABSENT}: not installed here"


@pytest.mark.usefixtures("lacking")
def test_settings_that_need_data_are_left_out_without_them(offered: Any) -> None:
    labels, found = offered(transforms={"shrink": {"passes": ("0", "5")}})
    assert "fp32+shrink" in labels
    (row,) = [item for item in found.rejections if item.what == "small fp32+shrink+passes=5"]
    assert (row.clause, row.resolvable) == ("shrink with passes=5 needs training data", "set data.train")


def test_a_device_that_gains_nothing_is_left_out(offered: Any) -> None:
    labels, found = offered(device="gpu")
    assert "int8-dynamic" not in labels
    (reason,) = {item.reason for item in found.rejections if item.what == "int8-dynamic on gpu"}
    assert reason == "it gains nothing on a gpu, only on cpu"
