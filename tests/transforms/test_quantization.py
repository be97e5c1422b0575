"""What the quantising transforms make of real and of hand-made models, and what they refuse."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import quantised
from onnx import TensorProto, helper, numpy_helper
from quantised import CLASSES, DIGITS, answers, correlated, declared, images, make, network

from aios.records.errors import InputError
from aios.spi.transform import Work
from aios_plugins.quantization import sensitivity
from aios_plugins.quantization.graphs import session
from aios_plugins.quantization.items import Items


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The small digits network, and an archive of 48 images to calibrate with."""
    path = tmp_path_factory.mktemp("digits") / "calibrate.npz"
    with np.load(DIGITS / "calibrate.npz") as archive:
        np.savez(path, **{name: archive[name][:48] for name in archive.files})
    return DIGITS / "models/digits-s.onnx", path


@pytest.fixture
def only_exponentials(tmp_path):
    return network(tmp_path, [("Exp", ["x"], "y", {})], {"unused": [1.0]}, {"x": ["batch", 4]}, {"y": ["batch", 4]})


@pytest.mark.parametrize("name", CLASSES)
def test_declaration_is_of_the_transform(name):
    found = declared(name)
    assert found.name == name == CLASSES[name].name
    for item in found.parameters.values():
        assert not item.choices or {item.default, *item.offered} <= {*item.choices}
        assert item.default in item.offered


def test_same_bytes_in_another_process(digits, tmp_path):
    weights = DIGITS / "models/digits-m.onnx"
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import quantised as made;"
        "[made.make(name, sys.argv[2 + (name == 'weight-only')], Path(sys.argv[5]) / name, [Path(sys.argv[4])])"
        " for name in sys.argv[6:]]"
    )
    digests = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        arguments = [Path(quantised.__file__).parent, digits[0], weights, digits[1], folder, *CLASSES]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True, env=environment, timeout=240)
        made = [folder / name / "made/model.onnx" for name in CLASSES]
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in made])
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", CLASSES)
def test_result_differs_from_the_source_and_answers_alike(name, digits, tmp_path):
    model, data = digits
    model = DIGITS / "models/digits-m.onnx" if name == "weight-only" else model
    made, _ = make(name, model, tmp_path, [data])
    before = {item.data_type for item in onnx.load(model).graph.initializer}
    after = onnx.load(made)
    assert {item.data_type for item in after.graph.initializer} != before
    pictures = images()[:200]
    wanted, found = (answers(path, pictures) for path in (model, made))
    assert found.dtype == wanted.dtype
    assert np.mean(wanted.argmax(axis=1) == found.argmax(axis=1)) > 0.97


def test_static_is_what_onnxruntime_makes_with_these_parameters(digits, tmp_path):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model, data = digits
    with np.load(data) as archive:
        pictures = next(archive[name] for name in archive.files if archive[name].ndim == 4).astype(np.float32)
    name = ort.InferenceSession(model).get_inputs()[0].name

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.feeds = iter([{name: pictures}])

        def get_next(self):
            return next(self.feeds, None)

    quant_pre_process(str(model), str(tmp_path / "ready.onnx"), skip_symbolic_shape=True)
    quantize_static(
        str(tmp_path / "ready.onnx"),
        str(tmp_path / "oracle.onnx"),
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
    )
    made, _ = make("static", model, tmp_path, [data])
    assert np.array_equal(answers(made, pictures), answers(tmp_path / "oracle.onnx", pictures))


@pytest.mark.parametrize(
    "settings",
    [
        {"calibration": "entropy"},
        {"calibration": "percentile", "percentile": "99"},
        {"per_channel": "false"},
        {"activations": "symmetric"},
    ],
    ids=str,
)
def test_every_parameter_of_static_counts(settings, digits, tmp_path):
    model, data = digits
    plain, _ = make("static", model, tmp_path / "plain", [data])
    other, _ = make("static", model, tmp_path / "other", [data], **settings)
    pictures = images()[:100]
    assert not np.array_equal(answers(plain, pictures), answers(other, pictures))
    assert np.mean(answers(plain, pictures).argmax(1) == answers(other, pictures).argmax(1)) > 0.9


@pytest.mark.parametrize(("name", "reason"), [("dynamic", "MatMul"), ("static", "int8"), ("mixed", "int8")])
def test_models_without_anything_to_quantise_are_refused(name, reason, only_exponentials, tmp_path):
    data = tmp_path / "data.npz"
    np.savez(data, x=np.ones((16, 4), np.float32))
    with pytest.raises(InputError, match="changes nothing") as refused:
        make(name, only_exponentials, tmp_path, [data])
    assert reason in refused.value.diagnostics[0].reason
    assert not (tmp_path / "made/model.onnx").exists()


def test_weight_only_refuses_small_products(digits, tmp_path):
    with pytest.raises(InputError, match="weight-only changes nothing"):
        make("weight-only", digits[0], tmp_path)


def test_half_refuses_what_holds_no_fp32(digits, tmp_path):
    half, _ = make("half", digits[0], tmp_path / "first")
    with pytest.raises(InputError, match="half changes nothing"):
        make("half", half, tmp_path / "second")


def test_data_that_fits_no_input_is_told_with_both_shapes(digits, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, pictures=np.zeros((9, 3, 5, 5), np.float32))
    with pytest.raises(InputError, match="no calibration data fits") as refused:
        make("static", digits[0], tmp_path, [path])
    assert "pictures float32[9, 3, 5, 5]" in refused.value.diagnostics[0].reason


def test_cpus_that_add_up_in_16_bits_get_7_bit_weights(digits, tmp_path):
    model, data = digits
    for isa, top in (("avx2", 64), ("avx2 avx_vnni", 127)):
        made, _ = make("static", model, tmp_path / str(top), [data], isa=isa)
        held = [numpy_helper.to_array(item) for item in onnx.load(made).graph.initializer]
        assert max(np.abs(item.astype(int)).max() for item in held if item.dtype == np.int8 and item.size > 1) == top


def test_models_of_an_old_opset_get_one_in_which_every_channel_has_its_scale(tmp_path):
    random = np.random.default_rng(4)
    model = network(
        tmp_path,
        [("Conv", ["x", "w", "b"], "y", {"kernel_shape": [3, 3]})],
        {"w": random.normal(size=(4, 3, 3, 3)), "b": random.normal(size=4)},
        {"x": ["batch", 3, 8, 8]},
        {"y": ["batch", 4, 6, 6]},
        opset=11,
    )
    values = random.normal(size=(16, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=values)
    made, _ = make("static", model, tmp_path, [tmp_path / "data.npz"])
    assert np.corrcoef(answers(made, values).ravel(), answers(model, values).ravel())[0, 1] > 0.999


def test_inputs_that_never_vary_are_no_obstacle(tmp_path):
    model, _ = correlated(tmp_path)
    np.savez(tmp_path / "flat.npz", x=np.full((32, 8, 12, 12), 37.3, np.float32))
    made, _ = make("mixed", model, tmp_path, [tmp_path / "flat.npz"])
    assert np.isfinite(answers(made, np.full((1, 8, 12, 12), 37.3, np.float32))).all()


def test_mixed_halves_the_noise_without_keeping_anything_in_float(tmp_path):
    model, data = correlated(tmp_path)
    static, _ = make("static", model, tmp_path / "static", [data], isa="avx2")
    mixed, report = make("mixed", model, tmp_path / "mixed", [data], isa="avx2", float_share="0")
    assert report["products kept in float"] == "none"
    assert report["products in int8"] == "3"
    with np.load(correlated(tmp_path / "mixed", seed=3)[1]) as archive:
        values = archive["x"]
    wanted = answers(model, values)
    errors = [np.mean((answers(path, values) - wanted) ** 2) for path in (static, mixed)]
    assert errors[1] < errors[0] / 2


def test_mixed_keeps_in_float_no_more_than_the_share_that_it_may(tmp_path):
    model, data = correlated(tmp_path)
    with np.load(data) as archive:
        items = Items({"x": archive["x"]}, 0)
    groups = {group.name: group.cost for group in sensitivity.groups_of(onnx.load(model), items)}
    assert sum(groups.values()) == pytest.approx(1)
    for share in (0.2, 0.6, 1.0):
        _, report = make("mixed", model, tmp_path / str(share), [data], noise="0", float_share=str(share))
        kept = report["products kept in float"].split(", ")
        assert kept
        assert sum(groups.get(name, 0) for name in kept) <= share


def test_cost_of_a_convolution_by_hand(tmp_path):
    # 8 channels of 12 x 12: 9 products for each of 1152 outputs; 32 x 8 products in 144 places; 32 x 10 at the end;
    # and sixteen for each number that a product reads or writes.
    model, data = correlated(tmp_path)
    with np.load(data) as archive:
        items = Items({"x": archive["x"]}, 0)
    found = {group.name: group.cost for group in sensitivity.groups_of(onnx.load(model), items)}
    by_hand = {
        "a": 1152 * (9 + 16) + 1152 * 16,
        "c": 4608 * (8 + 16) + 1152 * 16,
        "y": 10 * (32 + 16) + 32 * 16,
    }
    total = sum(by_hand.values())
    assert found == pytest.approx({name: cost / total for name, cost in by_hand.items()})


def test_weight_only_splits_a_gemm_and_keeps_what_it_computes(tmp_path):
    random = np.random.default_rng(5)
    model = network(
        tmp_path,
        [("Gemm", ["x", "w", "b"], "y", {"transB": 1})],
        {"w": random.normal(size=(256, 320)), "b": random.normal(size=256)},
        {"x": ["batch", 320]},
        {"y": ["batch", 256]},
    )
    values = random.normal(size=(8, 320)).astype(np.float32)
    wanted, errors = answers(model, values), []
    for precision, most in (("int8", 1e-3), ("int4", 5e-2)):
        made, report = make("weight-only", model, tmp_path / precision, precision=precision)
        assert report["weights quantised"] == "1"
        assert made.stat().st_size < (0.4 if precision == "int8" else 0.25) * Path(model).stat().st_size
        errors.append(np.mean((answers(made, values) - wanted) ** 2) / wanted.var())
        assert errors[-1] < most
    assert errors[0] < errors[1]


def test_weight_only_keeps_constants_that_only_branches_read(tmp_path):
    random = np.random.default_rng(5)
    branches = [
        helper.make_graph(
            [helper.make_node(kind, ["p", "c"], [f"{kind} of p"])],
            kind,
            [],
            [helper.make_tensor_value_info(f"{kind} of p", TensorProto.FLOAT, None)],
        )
        for kind in ("Add", "Mul")
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w"], ["p"], name="p"),
            helper.make_node("If", ["which"], ["y"], then_branch=branches[0], else_branch=branches[1]),
        ],
        "made",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 320]),
            helper.make_tensor_value_info("which", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 256])],
        [
            numpy_helper.from_array(random.normal(size=(320, 256)).astype(np.float32), "w"),
            numpy_helper.from_array(np.full(256, 3, np.float32), "c"),
        ],
    )
    source = tmp_path / "branches.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    made, _ = make("weight-only", source, tmp_path)
    values = random.normal(size=(8, 320)).astype(np.float32)
    for which in (True, False):
        wanted, found = (
            session(path, 1).run(None, {"x": values, "which": np.array(which)})[0] for path in (source, made)
        )
        assert np.allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["digits-s", "digits-m"])
def test_every_node_of_a_model_in_half_precision_reads_what_was_made_before(tmp_path, name):
    made, _report = make("half", DIGITS / "models" / f"{name}.onnx", tmp_path, precision="fp16")
    model = onnx.load(made)
    onnx.checker.check_model(model, full_check=True)
    known = {item.name for item in (*model.graph.input, *model.graph.initializer)}
    for node in model.graph.node:
        assert known >= {item for item in node.input if item}
        known |= set(node.output)


def test_known_scales_give_the_same_bytes_and_spare_the_search_for_them(digits, tmp_path):
    from aios_plugins.quantization import graphs, items, ranges, static

    work = Work(
        source=digits[0], folder=tmp_path, scratch=tmp_path, precision="int8", settings={}, facts={"isa": "avx2"}
    )
    ready = graphs.preprocessed(work)
    seen = items.read_items(session(ready, 1), [digits[1]], 0)
    found = ranges.ranges(ready, tmp_path, seen, "minmax", {}, lambda *_: None)
    first = static.quantized(static.inferred(ready), found, narrow=True)
    again = static.quantized(static.inferred(ready), found, narrow=True, known=static.scales(first))
    assert static.scales(first)
    assert again.SerializeToString() == first.SerializeToString()
