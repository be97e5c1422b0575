"""What is wrong with what was given: exit code, words that say what to do, and nothing half-done."""

import json
import os
import resource
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from refusals import refused, untouched

pytestmark = pytest.mark.usefixtures("fleet")

ROOT_USER = os.geteuid() == 0


# Intent files


def test_mistakes_in_the_text_are_told_together_with_place_and_remedy(aios, asked):
    text = asked(rate="20 lightyears", p99="5 W", pin="{precison: fp32}").replace("task:", "tusk:")
    aios.write("intent.yaml", text)
    ran = refused(
        aios("plan", "intent.yaml"), 1, "`task`", "`precision`", "5 W is a power", "unknown unit 'lightyears'"
    )
    assert ran.err.count("^") == ran.err.count("  at intent.yaml:") >= 4
    assert "errors\n" in ran.err
    told = aios("validate", "intent.yaml", "--json")
    assert told.code == told.json["exit_code"] == 1
    assert len(told.json["errors"]) >= 4
    assert all(item["where"].startswith("intent.yaml:") for item in told.json["errors"])
    untouched(aios)


def test_names_are_unique_but_a_file_may_be_named_twice(aios, asked):
    aios.write("many/a.yaml", asked())
    assert aios("validate", "many", "many/a.yaml", "./many/../many/a.yaml").code == 0
    aios.write("many/b.yaml", asked(rate="30/s"))
    refused(aios("validate", "many"), 1, "two intents are called `digits`", "the first stands at many/a.yaml:3:18")


def test_hostile_files(aios, asked):
    nested = "\n".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    aios.write("bomb.yaml", f"a0: &a0 [x,x,x,x,x,x,x,x,x]\n{nested}\n")
    aios.write("big.yaml", asked() + f"# {'x' * 98}\n" * 110_000)
    (aios.place / "latin.yaml").write_bytes(asked().replace("name: digits", "name: dígits").encode("latin-1"))
    aios.write("code.yaml", asked().replace("minimize power", '!!python/object/apply:os.system ["touch owned"]'))
    (aios.place / "escape.yaml").write_bytes(b"name: \xff\x1b]0;owned\x07\n")
    ran = refused(
        aios("validate", "bomb.yaml", "big.yaml", "latin.yaml", "code.yaml", "escape.yaml", "no/such.yaml"),
        1,
        "more than 500,000 values",
        "at most 8 MiB are read",
        "latin.yaml is not UTF-8 text: byte 0xed",
        "the tag `!!python/object/apply:os.system` is not understood",
        "there is no folder no",
        "6 errors",
    )
    assert "\x1b" not in ran.err
    assert not (aios.place / "owned").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan"], ["no intent is named", "aios plan intent.yaml"]),
        (["plan", "fleet.yaml"], ["no document of kind Intent"]),
        (["plan", "empty"], ["holds no .yaml file", "aios init empty"]),
        (["plan", "intent.yaml", "--fleet", "flet.yaml"], ["there is no file flet.yaml", "did you mean fleet.yaml?"]),
        (["plan", "intent.yaml", "--fleet", "intent.yaml"], ["holds no document of kind Fleet", "it holds Intent"]),
        (["plan", "model.onnx"], ["is not UTF-8 text", "looks like a binary file"]),
    ],
)
def test_wrong_files(aios, asked, digits, arguments, words):
    aios.write("intent.yaml", asked())
    (aios.place / "empty").mkdir()
    shutil.copy(digits / "models" / "digits-s.onnx", aios.place / "model.onnx")
    refused(aios(*arguments), 1, *words)


def test_an_executor_that_is_not_installed(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: tensorrt}"))
    ran = aios("plan", "intent.yaml")
    assert ran.code == 3
    assert "no executor tensorrt; it has: dryrun, onnxruntime" in ran.out
    applied = aios("apply", "intent.yaml", "--yes", "--json")
    assert applied.code == 3
    assert applied.json["status"] == "infeasible"
    assert applied.json["conflict"]["clauses"]
    untouched(aios)


# Models


def test_models_that_cannot_be_read(aios, asked, digits):
    sound = (digits / "models" / "digits-s.onnx").read_bytes()
    (aios.place / "torn.onnx").write_bytes(sound[:3000])
    (aios.place / "empty.onnx").write_bytes(b"")
    models = "{anyOf: [torn.onnx, empty.onnx, torm.onnx]}"
    aios.write("intent.yaml", asked(model=models))
    ran = refused(
        aios("plan", "intent.yaml"),
        1,
        "torn.onnx is not an ONNX model",
        "empty.onnx is empty",
        "did you mean torn.onnx?",
    )
    assert ran.err.count("  at intent.yaml:6:") == 3
    refused(aios("model", "inspect", "torn.onnx"), 1, "torn.onnx is not an ONNX model", "export the model again")
    refused(aios("model", "inspect", "."), 1, "is a folder, not a model file")
    refused(aios("model", "inspect", "torn.onnx", "--size", "height=big"), 64, "--size takes NAME=N")
    untouched(aios)


def graph(nodes, initializers=(), domain=""):
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64]) for name in ("x", "y")]
    made = helper.make_graph(nodes, "g", value[:1], value[1:], list(initializers))
    opsets = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def test_a_model_that_reaches_out_of_its_folder_or_claims_too_much(aios, asked):
    aios.write("secret", "x" * 64 * 64 * 4)
    for name, location, rows in (("reach", "../secret", 64), ("huge", "weights.bin", 2**40)):
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[rows, 64])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        path = aios.place / "models" / f"{name}.onnx"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(graph([helper.make_node("MatMul", ["x", "w"], ["y"])], [tensor]).SerializeToString())
    aios.write("intent.yaml", asked(model="{anyOf: [models/reach.onnx, models/huge.onnx]}"))
    refused(aios("plan", "intent.yaml"), 1, "reach.onnx", "huge.onnx", "at intent.yaml:6:", "2 errors")
    refused(aios("model", "inspect", "models/reach.onnx"), 1, "reach.onnx")
    untouched(aios)


def test_a_model_with_operators_that_nobody_knows(aios, asked):
    nodes = [helper.make_node("Frobnicate", ["x"], ["h"], domain="acme"), helper.make_node("Relu", ["h"], ["y"])]
    path = aios.place / "acme.onnx"
    onnx.save(graph(nodes, domain="acme"), path)
    seen = aios("model", "inspect", "acme.onnx", "--json")
    assert seen.code == 0
    assert list(seen.json["unknown_operators"].values()) == [1]
    assert "Frobnicate" in next(iter(seen.json["unknown_operators"]))
    text = asked(model="acme.onnx", data="{}").replace("    accuracy: {top1: 90 %}\n", "")
    aios.write("intent.yaml", text)
    ran = aios("profile", "intent.yaml", "--json")
    assert "Traceback" not in ran.err
    assert ran.code == 3, ran.err
    assert ran.json["settled"] == {"digits": "infeasible"}
    told = aios("plan", "intent.yaml")
    assert told.code == 3
    assert "Frobnicate" in told.out
    untouched(aios)


# Data


UNFIT = {
    "name": (lambda a: {"pixels": a["image"], "label": a["label"]}, "has no array `image` (it has label, pixels)"),
    "shape": (lambda a: a | {"image": a["image"][:, :, :20]}, "`image` has shape [200, 1, 20, 28]"),
    "dtype": (lambda a: a | {"image": a["image"].astype(float)}, "`image` holds float64, the model takes float32"),
    "no-labels": (lambda a: {"image": a["image"]}, "has no array `label`"),
    "counts": (lambda a: a | {"label": a["label"][:-1]}, "different numbers of items (199, 200)"),
    "no-items": (lambda a: {name: array[:0] for name, array in a.items()}, "has no items"),
    "one-hot": (lambda a: a | {"label": np.eye(10)[a["label"]]}, "`label` must be one integer per item"),
    "pickled": (lambda a: a | {"image": np.array([{}, 1], dtype=object)}, "which are not numbers"),
}


def test_data_that_does_not_fit_the_model(aios, asked, few):
    with np.load(few) as stored:
        sound = dict(stored)
    for name, (change, _word) in UNFIT.items():
        np.savez(aios.place / f"{name}.npz", **change(sound))
        aios.write(f"many/{name}.yaml", asked(name=name, data=f"{{evaluate: ../{name}.npz}}"))
    np.savez(aios.place / "flat.npz", image=sound["image"].reshape(200, -1))
    aios.write("text.npz", "hello")
    for name, data in (
        ("no-npz", "{evaluate: ../text.npz}"),
        ("folder", "{evaluate: .}"),
        ("typo", "{evaluate: ../shap.npz}"),
    ):
        aios.write(f"many/{name}.yaml", asked(name=name, data=data))
    ran = aios("plan", "many", "--json")
    assert ran.code == 1
    told = {Path(item["where"].split(":")[0]).stem: item for item in ran.json["errors"]}
    assert len(told) == len(ran.json["errors"]) == len(UNFIT) + 3
    for name, (_change, word) in UNFIT.items():
        assert word in told[name]["reason"], name
        assert told[name]["where"].startswith(f"many/{name}.yaml:7:")
    assert "cannot be read as .npz data" in told["no-npz"]["summary"]
    assert "is a folder, not a data file" in told["folder"]["summary"]
    assert told["typo"]["remedy"] == "did you mean many/../shape.npz?"
    assert all(item["remedy"] for item in told.values())
    assert ran.err.count("^") == len(told), "every line is shown"
    aios.write("intent.yaml", asked(data="{calibrate: flat.npz}"))
    refused(aios("plan", "intent.yaml"), 1, "flat.npz: `image` has shape [200, 784]", "at intent.yaml:7:")
    untouched(aios)


def test_what_compression_learns_from_needs_no_right_answers(aios, asked, few):
    with np.load(few) as stored:
        np.savez(aios.place / "inputs.npz", image=stored["image"])
    aios.write("intent.yaml", asked(data="{train: inputs.npz}"))
    assert aios("candidates", "intent.yaml").code == 0
    aios.write("intent.yaml", asked(data="{evaluate: inputs.npz}"))
    refused(aios("candidates", "intent.yaml"), 1, "inputs.npz: has no array `label`", "at intent.yaml:7:")


def test_a_pin_that_leaves_out_what_is_as_stored_says_so(aios, asked):
    aios.write("intent.yaml", asked(pin="{compression: prune, quantization: dynamic}"))
    rows = aios("candidates", "intent.yaml", "--json").json["rejections"]
    told = {row["what"]: row for row in rows}
    plain, line = told["fp32"], aios("candidates", "intent.yaml").out
    assert plain["reason"] == "it is not quantised, and the intent pins dynamic at intent.yaml:14:43"
    assert plain["resolvable"] == "add none to pin.quantization, or unpin quantization"
    assert "it is not compressed, and the intent pins prune at intent.yaml:14:22" in line
    assert "none is not among" not in line


def test_labels_that_are_no_classes_of_the_model(aios, asked, few):
    with np.load(few) as stored:
        np.savez(aios.place / "data.npz", image=stored["image"], label=stored["label"] + 7)
    aios.write("intent.yaml", asked(data="{evaluate: data.npz}"))
    ran = aios("profile", "intent.yaml", "--json")
    assert ran.code == 1
    assert "labels run from 7 to 16, but the model has 10 classes" in ran.err
    assert ran.json["exit_code"] == 1
    untouched(aios)


# The world


def test_a_port_in_use(aios, asked):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        aios.write("intent.yaml", asked(serve=f"{{port: {port}}}"))
        ran = aios("apply", "intent.yaml", "--yes")
    assert ran.code == 6
    assert f"port {port} on 127.0.0.1 is in use" in ran.err
    assert "remedy" in ran.err
    untouched(aios)


def test_a_device_that_cannot_be_reached(aios, asked):
    text = (aios.place / "fleet.yaml").read_text()
    aios.write("far/fleet.yaml", text.replace("address: local, ", ""))
    aios.write("far/intent.yaml", asked())
    assert aios("plan", "far/intent.yaml", "-o", "plan.json").code == 0
    refused(aios("apply", "plan.json"), 6, "only described", "no address")
    profiled = aios("profile", "far/intent.yaml")
    assert profiled.code == 0
    assert "none of the fleet's devices is this machine's" in profiled.out
    untouched(aios)


def test_places_that_cannot_be_written(aios, asked):
    """A file where a folder is wanted refuses everybody, the superuser too."""
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    aios.write("file", "")
    for arguments in (
        ["apply", "intent.yaml", "--yes", "--state", "file/state.json"],
        ["plan", "intent.yaml", "-o", "file/plan.json"],
        ["plan", "intent.yaml", "--json-into", "file/plan.json"],
        ["init", "file/new"],
    ):
        ran = aios(*arguments)
        assert ran.code == 6, ran.err
        assert "file" in ran.err
        assert "choose another place" in ran.err
    aios.write("intent.yaml", asked())
    ran = aios("profile", "intent.yaml", "--profiles", "file")
    assert ran.code == 6
    assert "cannot write file/two-cores/" in ran.err
    untouched(aios)


@pytest.mark.skipif(ROOT_USER, reason="permissions do not bind the superuser")
def test_folders_without_permission(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    (aios.place / "locked").mkdir(mode=0o500)
    ran = aios("apply", "intent.yaml", "--yes", "--state", "locked/state.json")
    assert ran.code == 6
    assert "give this user the right to" in ran.err


def limited(aios, most_bytes, *arguments):
    """Run a command that can write files of so many bytes at most, as on a disk that is full."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))

    return subprocess.run(
        [aios.command, *arguments], cwd=aios.place, capture_output=True, text=True, preexec_fn=limit, check=False
    )


def test_a_disk_that_is_full(aios, asked):
    aios.write("intent.yaml", asked())
    for most_bytes, word in ((256, "cannot write"), (40_000, "could not be written")):  # the history; the artefact
        ran = limited(aios, most_bytes, "apply", "intent.yaml", "--yes")
        assert ran.returncode == 6, ran.stderr
        assert word in ran.stderr
        assert aios.wait_until_alone() == []
    artefacts = aios.place / ".aios" / "artefacts"
    assert [path.name for path in artefacts.glob("[!.]*")] == []
    assert list((artefacts / ".building").iterdir()) == []
    ran = limited(aios, 4096, "profile", "intent.yaml", "--seconds", "0.05")
    assert ran.returncode == 6, "a full disk is no property of the model, to be remembered"
    assert not (aios.place / "profiles").exists()
    ran = aios("apply", "intent.yaml", "--yes")
    assert ran.code == 0, ran.err
    before = (aios.place / ".aios" / "state.json").read_text()
    ran = limited(aios, 256, "destroy", "--yes")
    assert ran.returncode == 6
    assert (aios.place / ".aios" / "state.json").read_text() == before
    assert aios("destroy", "--yes").code == 0


# One document on stdout, whatever happens


def test_json_is_one_document_for_every_command(aios, asked, digits):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    for arguments in (
        ["init", "new"],
        ["validate", "intent.yaml"],
        ["plan", "intent.yaml"],
        ["candidates", "intent.yaml"],
        ["apply", "intent.yaml", "--yes"],
        ["status"],
        ["plugins"],
        ["model", "inspect", digits / "models" / "digits-s.onnx"],
        ["destroy", "--yes"],
    ):
        ran = aios(*arguments, "--json")
        assert ran.code == 0, ran.err
        json.loads(ran.out)
    for arguments in (["plan", "none.yaml"], ["destroy", "none"], ["verify"], ["apply"]):
        ran = aios(*arguments, "--json")
        assert ran.json["exit_code"] == ran.code != 0
        assert ran.json["errors"][0]["summary"] in ran.err
