"""What transforms declare is read beside their code, which is not imported, and mistakes are told at their place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aios.records.errors import InputError, WorldError
from aios.records.transform import Parameter
from aios.spi.transforms import declarations, read_declaration, tell_apart, unfit

GOOD = """\
name: shrink
summary: a smaller network
stage: compression
parameters:
  keep: {help: Share that stays., default: "0.5", least: 0, most: 1, offered: ["0.5"]}
effect:
  time: {low: 0.4, value: 0.6, high: 1.0}
  source: half of the arithmetic
"""


def declared(folder: Path, text: str) -> Path:
    path = folder / "shrink.transform.yaml"
    path.write_text(text)
    return path


def test_what_ships_is_declared_without_importing_any_of_it() -> None:
    code = (
        "import sys; from aios.spi.transforms import declarations; print(sorted(declarations()));"
        "print([m for m in sys.modules if m.startswith('aios_plugins.') or m in ('onnx', 'onnxruntime', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, imported = done.stdout.splitlines()
    assert {"dynamic", "half", "static", "prune", "distill"} <= set(eval(names))
    assert imported == "[]"


def test_what_needs_minutes_or_data_to_learn_from_has_to_be_asked_for() -> None:
    known = declarations()
    assert not any(known[name].asked for name in ("half", "dynamic", "static"))
    assert all(known[name].asked for name in ("prune", "distill", "mixed"))
    assert known["static"].needs.data == ("calibrate",)


def test_what_executors_decide_is_declared_beside_them() -> None:
    known = declarations()
    decided = {name: item for name, item in known.items() if item.stage == "executor"}
    assert {"graph", "kv-cache"} <= set(decided)
    assert decided["kv-cache"].setting == "kv_cache"
    assert all(len(item.parameters) == 1 for item in decided.values())
    (level,) = decided["graph"].parameters.values()
    assert (level.default, level.offered) == ("all", ("all",))


def test_a_declaration_is_read(tmp_path: Path) -> None:
    found = read_declaration(declared(tmp_path, GOOD), "shrink")
    assert (found.stage, found.parameters["keep"].most, found.reproducible) == ("compression", 1.0, True)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("name: shrink", "name: shrnk", 1, "`shrnk` is not the name of the plugin"),
        ("stage: compression", "stage: compresion", 3, "stage"),
        ('default: "0.5"', 'default: "1.5"', 5, "`1.5` is no value of keep: it takes numbers from 0 to 1"),
        ("low: 0.4", "low: 0.7", 7, "the usual value lies outside of its extremes"),
        ("  source: half of the arithmetic\n", "", 7, "nobody says where this comes from"),
        ("summary: a smaller network", "summary: a smaller network\nreproducible: false", 3, "does not say why"),
        ("effect:", "efect:", 6, "efect"),
        ("  source", "  by: kept\n  source", 8, "`kept` is no parameter that takes a share"),
        ("  source", "  by: keep\n  source", 8, "`keep` is no parameter that takes a share"),
    ],
)
def test_a_mistake_is_told_where_it_stands(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    path = declared(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_declaration(path, "shrink")
    told = caught.value.diagnostics[0]
    assert words in told.summary
    assert told.where is not None
    assert (told.where.file, told.where.line) == (str(path), line)


@pytest.mark.parametrize(
    ("value", "fits"), [("0", True), ("1", True), ("0.25", True), ("-0.1", False), ("nan", False), ("half", False)]
)
def test_numbers_lie_between_their_ends(value: str, fits: bool) -> None:
    assert (unfit(Parameter(help="", default="0.5", least=0, most=1), value) is None) == fits


def test_two_that_give_the_same_precision_in_the_same_way_are_refused() -> None:
    static = declarations()["static"]
    other = static.model_copy(update={"name": "my-static"})
    with pytest.raises(WorldError, match="`static` and `my-static` both give int8 with the quantization `static`"):
        tell_apart({"static": static, "my-static": other})
    # Those that change the network have names of their own in a candidate.
    tell_apart({"static": static, "my-static": other.model_copy(update={"stage": "compression"})})


def test_training_after_pruning_says_what_it_needs():
    passes = declarations()["prune"].parameters["fine_tune"]
    assert (passes.modules, passes.data) == (("torch",), ("train",))
    assert passes.install == declarations()["distill"].needs.install
