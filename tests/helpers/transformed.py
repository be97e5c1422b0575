"""Runs a transform as the planner does: a source, an empty folder, every parameter of its declaration."""

from pathlib import Path

import numpy as np
import onnxruntime
import yaml

from aios.records.transform import Declaration
from aios.spi.transform import Work

PLUGINS = Path(__file__).resolve().parents[2] / "plugins" / "aios_plugins"


def declaration(name):
    (path,) = PLUGINS.glob(f"*/{name}.transform.yaml")
    return Declaration.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def work_of(transform, source, place, train=(), task="image-classification", seed=0, **settings):
    number = len(list(place.glob("made*")))
    folder, scratch = place / f"made{number}", place / f"scratch{number}"
    folder.mkdir()
    scratch.mkdir()
    defaults = {name: item.default for name, item in declaration(transform.name).parameters.items()}
    assert settings.keys() <= defaults.keys()
    data = {"train": tuple(train)} if train else {}
    return Work(source, folder, scratch, "fp32", defaults | settings, data, task, seed=seed)


def make(transform, source, place, progress=lambda _share, _what: None, **given):
    """Return (path of the result, report)."""
    work = work_of(transform, source, place, **given)
    report = transform().make(work, progress)
    assert [path.name for path in work.folder.iterdir()] == ["model.onnx"]
    return work.folder / "model.onnx", report


def answers(path, feed):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (name,) = (item.name for item in opened.get_inputs())
    return opened.run(None, {name: feed})[0]


def top1(path, archive):
    data = np.load(archive)
    return float(np.mean(answers(path, data["image"].astype(np.float32)).argmax(axis=1) == data["label"]))
