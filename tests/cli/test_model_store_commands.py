"""Models by name and version, as people and their intents use them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def three(here, digits):
    """A store in the folder with `digits` v1 (small, tagged `prod`) and v2 (medium)."""
    for size, more in (("s", ()), ("m", ("-m", "reads sevens", "--meta", "run=7"))):
        added = here("model", "add", digits / "models" / f"digits-{size}.onnx", "--name", "digits", *more)
        assert added.code == 0, added.err
    assert here("model", "tag", "digits@v1", "prod").code == 0
    return here


def asked_of(asked, reference, **more):
    return asked(model=f"store://{reference}", **more)


def test_versions_labels_and_going_back(three):
    log = three("model", "log", "digits", "--json").json
    assert [item["number"] for item in log["versions"]] == [2, 1]
    assert log["versions"][0]["parents"] == ["digits@v1"]
    assert log["versions"][0]["meta"] == {"run": "7"}
    assert log["versions"][0]["message"] == "reads sevens"
    assert three("model", "tag", "digits", "prod").out == "digits@prod went from v1 to v2\n"
    assert three("model", "rollback", "digits@prod").out == "digits@prod went from v2 to v1\n"
    assert three("model", "rollback", "digits@prod", "@2", "--json").json["after"] == 2
    assert three("model", "branch", "digits@v1", "dev").out == "digits@dev begins at v1\n"
    assert [item["number"] for item in three("model", "log", "digits@dev", "--json").json["versions"]] == [1]
    assert three("model", "rollback", "digits").out == "digits@main went from v2 to v1\n"
    stood = three("model", "rollback", "digits")
    assert stood.code == 1
    assert "has never stood at another version than v1" in stood.err
    moves = three("model", "log", "digits", "--json").json["moves"]
    assert [(move["how"], move["label"], move["before"], move["after"]) for move in moves[-2:]] == [
        ("branch", "dev", None, 1),
        ("rollback", "main", 2, 1),
    ]


def test_the_same_model_again_is_no_new_version(three, digits):
    again = three("model", "add", digits / "models" / "digits-m.onnx", "--name", "digits", "--json").json
    assert (again["new"], again["version"]["number"]) == (False, 2)


def test_what_is_listed(three):
    listed = three("model", "list", "--stored", "--json").json
    assert [(item["name"], item["versions"], item["tags"]) for item in listed] == [("store://digits", 2, {"prod": 1})]
    assert three("model", "list", "no-such-model-anywhere").code == 1
    assert three("model", "list", "no-such-model-anywhere", "--stored").code == 1
    empty = three("model", "list", "--stored", "--store", "nowhere")
    assert (empty.code, empty.out) == (0, "the model store nowhere is empty: nothing is stored\n")
    every = three("model", "list", "dig", "--json").json
    assert [item["name"] for item in every] == ["store://digits"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("log", "digit"), "did you mean digits?"),
        (("tag", "digits@prdo", "x"), "did you mean digits@prod?"),
        (("tag", "digits@v9", "x"), "has no version, branch or tag `v9`"),
        (("tag", "digits@v1", "v7"), "`v7` is what versions are called"),
        (("tag", "digits@v1", "main"), "`main` is a branch of digits already"),
        (("branch", "digits@v1", "prod"), "`prod` is a tag of digits already"),
        (("rm", "digits"), "digits names 2 versions, not one"),
        (("rm", "digits@v1"), "is what `prod` stands at"),
        (("rm", "digits@main"), "main is the only branch of digits"),
        (("rollback", "digits@v1"), "is a version, and versions never change"),
        (("rollback", "digits", "@9"), "has no version, branch or tag `v9`"),
        (("rollback", "digits@none"), "has no branch or tag `none`"),
        (("checkout", "a/b"), "is no name of a model in a store"),
        (("add", "missing.onnx"), "there is no model file missing.onnx"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_told_with_what_was_meant(three, arguments, words):
    done = three("model", *arguments)
    assert done.code == 1
    assert words in done.err


def test_what_is_no_model_is_not_kept(here):
    here.write("notes.onnx", "a text")
    here.write("config.json", "{}")
    for name, words in (("notes.onnx", "is not an ONNX model"), ("config.json", "is of no known model format")):
        done = here("model", "add", name)
        assert (done.code, words in done.err) == (1, True)
    assert not (here.place / ".aios" / "models" / "names").exists()


def test_what_is_checked_out_is_the_file(three, digits):
    assert three("model", "checkout", "digits@prod", "-o", "out.onnx").code == 0
    assert (three.place / "out.onnx").read_bytes() == (digits / "models" / "digits-s.onnx").read_bytes()
    other = three("model", "checkout", "digits@main", "-o", "out.onnx")
    assert other.code == 1
    assert "is there already, with another content" in other.err
    assert three("model", "checkout", "digits@main", "-o", "out.onnx", "--force").code == 0
    assert (three.place / "out.onnx").read_bytes() == (digits / "models" / "digits-m.onnx").read_bytes()
    assert [path.name for path in three.place.glob(".out*")] == []


def scaled(folder, factor):
    """Write a model whose matrix stands in a file beside it, times ``factor``."""
    matrix = (np.arange(12, dtype=np.float32).reshape(3, 4) + 1) * factor
    tensors = [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(np.ones(4, np.float32), "bias")]
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "matrix", "bias"], ["y"])],
        "scaled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        tensors,
    )
    folder.mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "scaled.onnx"
    options = {"save_as_external_data": True, "location": "parts/scaled.bin", "size_threshold": 0}
    (folder / "parts").mkdir()
    onnx.save(model, path, **options)
    return path


def test_files_beside_a_model_belong_to_it_and_a_change_is_measured_by_constant(here):
    for factor in (1, 2):
        assert here("model", "add", scaled(here.place / f"x{factor}", factor), "--name", "scaled").code == 0
    found = here("model", "diff", "scaled@v1", "@v2", "--json").json
    (changed,) = found["weights"]["changed"]
    norm = float(np.sqrt(sum(value**2 for value in range(1, 13))))  # of 1 .. 12
    assert changed["name"] == "matrix"
    assert changed["norm"] == pytest.approx(norm)
    assert changed["change"] == pytest.approx(norm)
    assert (changed["relative"], changed["largest"], changed["share"]) == (1.0, 12.0, 1.0)
    assert (found["weights"]["same"], found["weights"]["gone"], found["weights"]["new"]) == (1, [], [])
    assert here("model", "checkout", "scaled@v1", "-o", "again/scaled.onnx").code == 6  # there is no such folder
    (here.place / "again").mkdir()
    assert here("model", "checkout", "scaled@v1", "-o", "again/scaled.onnx").code == 0
    original = (here.place / "x1" / "parts" / "scaled.bin").read_bytes()
    assert (here.place / "again" / "parts" / "scaled.bin").read_bytes() == original
    assert here("model", "inspect", "again/scaled.onnx").code == 0


def test_a_difference_tells_figures_and_operators(three):
    found = three("model", "diff", "digits@v1", "digits@v2", "--json").json
    figures = {item["what"]: (item["before"], item["after"]) for item in found["figures"]}
    assert figures["parameters"] == (18876, 148606)
    assert figures["precision"] == ("fp32", "fp32")
    operators = {item["what"]: (item["before"], item["after"]) for item in found["operators"]}
    assert operators["Conv"] == (2, 4)
    assert three("model", "diff", "digits@v1", "@prod").out.startswith(
        "digits@v1 and digits@v1 are the very same model"
    )


@pytest.mark.usefixtures("fleet")
def test_a_plan_is_for_the_version_that_a_tag_stood_at(three, asked):
    three.write("intent.yaml", asked_of(asked, "digits@prod"))
    planned = three("plan", "intent.yaml", "-o", "plan.json")
    assert planned.code == 0, planned.err
    small, medium = (three("model", "log", f"digits@v{n}", "--json").json["versions"][0]["digest"] for n in (1, 2))
    plan = json.loads((three.place / "plan.json").read_text())
    assert plan["actions"][0]["after"]["model_digest"] == small
    three("model", "tag", "digits@v2", "prod")
    stale = three("apply", "plan.json")
    assert stale.code == 4
    assert f"digits@prod was v1 ({small[:15]}), now v2 ({medium[:15]})" in stale.err
    three("model", "rollback", "digits@prod")
    again = three("plan", "intent.yaml", "-o", "again.json")
    assert again.code == 0
    assert json.loads((three.place / "again.json").read_text())["id"] == plan["id"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("digits@prdo", "did you mean digits@prod?"),
        ("digit", "did you mean digits?"),
        ("digits@a b", "is neither a version, a branch, a tag nor a digest"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_an_intent_that_names_what_is_not_there_is_told_where(three, asked, reference, words):
    three.write("intent.yaml", asked_of(asked, reference))
    done = three("plan", "intent.yaml")
    assert done.code == 1
    assert words in done.err
    assert "at intent.yaml:6:10" in done.err


@pytest.mark.usefixtures("fleet")
def test_an_edited_blob_is_not_planned_with(three, asked):
    three.write("intent.yaml", asked_of(asked, "digits@prod"))
    for path in (three.place / ".aios" / "models" / "objects").glob("*/files/model.onnx"):
        path.chmod(0o644)
        with path.open("r+b") as stream:
            stream.seek(2000)
            stream.write(b"\0\1\2\3")
    done = three("plan", "intent.yaml")
    assert done.code == 6
    assert "is not what was stored" in done.err
    assert "expected sha256:" in done.err
    checked = three("model", "fsck", "--json")
    assert (checked.code, len(checked.json["wrong"])) == (6, 2)


@pytest.mark.usefixtures("fleet")
def test_a_team_shares_a_store(three, asked):
    shared = str(three.place / "shared")
    shutil.move(three.place / ".aios" / "models", shared)
    three.write("intent.yaml", asked_of(asked, "digits@prod"))
    assert three("plan", "intent.yaml").code == 1
    assert three("plan", "intent.yaml", AIOS_MODELS=shared).code == 0
    assert three("model", "log", "digits", "--store", shared).code == 0


@pytest.mark.usefixtures("three", "fleet")
def test_what_a_service_runs_outlives_its_name(aios, here, asked):
    here.write("intent.yaml", asked_of(asked, "digits@prod"))
    applied = aios.apart("apply", "intent.yaml", "--yes")  # what it has at hand is let go with its process
    assert applied.code == 0, applied.err
    assert here("model", "rm", "digits", "--all").code == 0
    told = here("model", "gc", "--dry-run", "--json").json
    collected = here("model", "gc", "--unused", "0s", "--json").json
    assert told["lines"] == collected["lines"]
    small, medium = ("fc3babae", "602e16c5")
    assert [line["digest"][7:15] for line in collected["lines"]] == [medium]
    assert here("status").code == 0
    assert aios("destroy", "--yes").code == 0
    left = here("model", "gc", "--unused", "0s", "--json").json
    # The history can still be gone back to: its model stays. What was prepared of it can be made again.
    assert [line["kind"] for line in left["lines"]] == ["artefact"]
    assert [line["digest"][7:15] for line in left["lines"]] == [small]


@pytest.mark.usefixtures("fleet")
def test_models_that_another_state_runs_are_kept(three, asked):
    three.write("intent.yaml", asked_of(asked, "digits@prod", pin="{executor: dryrun}"))
    store, elsewhere = str(three.place / ".aios" / "models"), ("--state", "elsewhere/state.json")
    applied = three("apply", "intent.yaml", "--yes", *elsewhere, AIOS_MODELS=store)
    assert applied.code == 0, applied.err
    assert three("model", "rm", "digits", "--all").code == 0
    collected = three("model", "gc", "--json").json["lines"]
    assert [line["digest"][7:15] for line in collected] == ["602e16c5"]
    (three.place / "elsewhere" / "state.json").write_text("damaged")
    damaged = three("model", "gc", "--json")
    assert "all models that" in damaged.err
    assert damaged.json["lines"] == []
    shutil.rmtree(three.place / "elsewhere")
    assert [line["digest"][7:15] for line in three("model", "gc", "--json").json["lines"]] == ["fc3babae"]


def test_a_copy_that_is_interrupted_leaves_nothing(aios):
    source = aios.place / "big.onnx"
    matrix = np.zeros((10000, 2000), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "big",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 10000])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2000])],
        [numpy_helper.from_array(matrix, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    building = aios.place / ".aios" / "models" / "objects" / ".building"
    for _attempt in range(5):  # a copy may be over before the signal comes
        process = aios.start("model", "add", "big.onnx")
        while process.poll() is None and not any(building.glob("*/files/*")):
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        if process.wait(timeout=30) == 130:
            break
        shutil.rmtree(aios.place / ".aios")
    assert process.returncode == 130
    assert not (aios.place / ".aios" / "models" / "names").exists()
    assert list(building.iterdir()) == []


def test_a_shell_completes_names_and_references(three):
    def completed(words):
        done = subprocess.run(
            [three.command],
            cwd=three.place,
            env={**os.environ, "_AIOS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    assert completed("aios model log d") == ["digits"]
    assert completed("aios model log digits@p") == ["digits@prod"]


def test_a_version_that_a_transform_makes_says_so(three):
    made = three("model", "make", "digits@v1", "--transform", "prune", "--set", "keep=0.5", "--name", "less", "--json")
    assert made.code == 0, made.err
    version = made.json["version"]
    source = three("model", "log", "digits@v1", "--json").json["versions"][0]
    assert version["parents"] == ["digits@v1"]
    origin, step = version["provenance"]
    assert (origin["transform"], origin["digest"]) == (None, source["digest"])
    assert (step["transform"], step["source"], step["settings"]["keep"]) == ("prune", source["digest"], "0.5")
    assert step["digest"] == version["digest"]
    assert "onnx" in step["versions"]
    figures = three("model", "diff", "digits@v1", "less", "--json").json["figures"]
    flops = next(item for item in figures if item["what"] == "compute")
    assert flops["after"] < 0.6 * flops["before"]
    for arguments, words in (
        (("--transform", "prun"), "did you mean prune?"),
        (("--transform", "prune", "--set", "kep=1"), "did you mean keep?"),
        (("--transform", "prune", "--set", "keep=7"), "it takes numbers from 0.02 to 1"),
        (("--transform", "static"), "name a file of them with --calibrate"),
        (("--transform", "distill"), "name a file of them with --train"),
        (("--transform", "half", "--train", "items.npz"), "half reads nothing from --train"),
    ):
        refused = three("model", "make", "digits@v1", *arguments)
        assert (refused.code, words in refused.err) == (1, True), refused.err
