"""How a model is made: in a process of its own, checked, kept with its provenance, and refused where it must be.

The transform is made up here and honest: it does what its parameter says, wrongs included.
"""

from __future__ import annotations

import hashlib
import os
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from aios.records.candidate import with_content
from aios.records.errors import InputError, PluginError, WorldError
from aios.records.plan import Deployment
from aios.records.transform import Declaration, Needs, Parameter
from aios.state import ArtefactStore
from aios.transforms import Transforming, read_chain

CODE = '''
import os, resource, signal, time
from pathlib import Path
import numpy as np
import onnx
from onnx import numpy_helper
from aios.records.errors import InputError


class Scale:
    """Halves every weight."""

    name = "scale"
    api_version = 1

    def versions(self):
        return {"scale": "1"}

    def make(self, work, progress):
        how = work.settings["how"]
        print("libraries talk on standard output")
        progress(0.5, "halving")
        model = onnx.load(str(work.source))
        if how == "nothing":
            return {}
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "crashed":
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "raises":
            raise RuntimeError("axis 3 of w is not there")
        if how == "memory":
            held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + (256 << 20), resource.RLIM_INFINITY))
            hoard = []
            while True:
                hoard.append(bytearray(16 << 20))
        if how == "engine":
            import onnxruntime
            node = onnx.helper.make_node("ConstantOfShape", ["shape"], ["y"])
            ports = [
                onnx.helper.make_tensor_value_info("shape", onnx.TensorProto.INT64, [1]),
                onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None),
            ]
            graph = onnx.helper.make_graph([node], "large", ports[:1], ports[1:])
            large = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
            opened = onnxruntime.InferenceSession(large.SerializeToString(), providers=["CPUExecutionProvider"])
            held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + (64 << 20), resource.RLIM_INFINITY))
            opened.run(None, {"shape": np.array([1 << 30])})
        if how == "slow":
            time.sleep(60)
        if how == "refused":
            raise InputError("it holds no weights worth halving")
        if how == "source":
            changed = onnx.load(str(work.source))
            changed.doc_string = "written to"
            onnx.save(changed, str(work.source))
        for item in model.graph.initializer:
            if how != "same":
                by = float(Path(work.settings["by"]).read_text()) if "by" in work.settings else 0.5
                item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) * np.float32(by), item.name))
        if how == "same":
            for node in model.graph.node:
                node.name += "_renamed"
            model.producer_name = "scale"
        if how == "inputs":
            model.graph.input[0].name = model.graph.node[0].input[0] = "other"
        if how == "ports":
            model.graph.output[0].name = model.graph.node[-1].output[0] = "other"
        onnx.save(model, str(work.folder / "model.onnx"))
        return {"halved": str(len(model.graph.initializer))}
'''

VARIED = np.arange(480, dtype=np.float32).reshape(120, 4)
ENDS = ("killed", "crashed", "raises", "memory", "engine", "slow", "refused")
HOWS = ("good", "same", "nothing", "inputs", "ports", "source", *ENDS)


@pytest.fixture
def declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    """Installs the made-up transform for processes that are started from here."""
    folder = tmp_path / "site"
    (folder / "scaling").mkdir(parents=True)
    (folder / "scaling" / "__init__.py").write_text(textwrap.dedent(CODE))
    info = folder / "scaling-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scaling\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[aios.transforms]\nscale = scaling:Scale\n")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return Declaration(
        name="scale",
        summary="halves every weight",
        stage="compression",
        needs=Needs(data=("calibrate",)),
        parameters={"how": Parameter(help="What it does.", default="good", choices=HOWS)},
    )


def network(path: Path) -> Path:
    """Write a matrix product of 4 inputs."""
    weight = numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(4, 2), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


class World:
    """A store, a deployment that wants its network scaled, and what was said on the way."""

    def __init__(self, folder: Path, declaration: Declaration) -> None:
        self.folder, self.declaration = folder, declaration
        self.model = network(folder / "net.onnx")
        self.told: list[str] = []
        self.warned: list[str] = []
        self.items(VARIED)

    def items(self, array: Any) -> None:
        np.savez(self.folder / "c.npz", x=array)

    def making(self) -> Transforming:
        return Transforming(
            declared=lambda: {"scale": self.declaration},
            plugin=lambda _name: _Versions(),
            stored=lambda _path: "fp32",
            arrays=lambda _deployment, files, digest: ([str(file) for file in files], digest),
            tell=self.told.append,
            warn=self.warned.append,
            threads=1,
        )

    def deployment(self, how: str = "good") -> Deployment:
        calibrate = self.folder / "c.npz"
        return Deployment(
            intent="net",
            task="anything",
            model="net",
            model_path=str(self.model),
            model_digest=digest(self.model),
            precision="fp32",
            quantization="none",
            compression="scale",
            calibrate=(str(calibrate),),
            calibrate_digest=digest(calibrate),
            device="cpu",
            device_kind="cpu",
            batch=1,
            max_delay_s=0.0,
            threads=1,
            replicas=1,
            settings={} if how == "good" else {"how": how},
            executor="onnxruntime",
            placement=(),
            addresses={},
        )

    def store(self) -> ArtefactStore:
        return ArtefactStore(self.folder / "artefacts", making=self.making())

    def make(self, how: str = "good") -> Path:
        return self.store().model(self.deployment(how), {}).path

    def kept(self) -> list[Path]:
        return [path for path in (self.folder / "artefacts").rglob("*") if path.is_file()]


class _Versions:
    name, api_version = "scale", 1

    def versions(self) -> dict[str, str]:
        return {"scale": "1"}

    def make(self, _work: Any, _progress: Any) -> dict[str, str]:
        raise AssertionError("it is made in another process")


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def world(tmp_path: Path, declaration: Declaration) -> World:
    return World(tmp_path, declaration)


def test_what_is_made_is_kept_with_every_step_that_led_to_it(world: World) -> None:
    made = world.make()
    (weight,) = onnx.load(str(made)).graph.initializer
    assert np.array_equal(numpy_helper.to_array(weight), np.arange(8, dtype=np.float32).reshape(4, 2) / 2)
    source, step = read_chain(made.parent)
    assert (source.transform, source.digest) == (None, digest(world.model))
    assert (step.transform, step.source, step.digest) == ("scale", digest(world.model), digest(made))
    assert step.settings == {"how": "good"}
    assert step.versions == {"scale": "1"}
    assert step.data == {"calibrate": digest(world.folder / "c.npz")}
    assert step.report == {"halved": "1"}
    before = made.stat().st_mtime_ns
    assert world.make() == made
    assert made.stat().st_mtime_ns == before, "the same recipe was made twice"


def test_another_revision_or_version_or_data_is_another_recipe(world: World) -> None:
    first = world.make()
    world.declaration = world.declaration.model_copy(update={"revision": 2})
    second = world.make()
    world.items(VARIED + 2)
    assert len({first, second, world.make()}) == 3


def test_a_file_that_a_setting_names_is_part_of_the_recipe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Parameter(help="File of the factor.", default="factor.txt", file=True)
    parameters = {**world.declaration.parameters, "by": named}
    world.declaration = world.declaration.model_copy(update={"parameters": parameters})
    monkeypatch.chdir(world.folder)
    with pytest.raises(InputError, match=r"factor\.txt cannot be read"):
        world.make()
    sums = []
    for factor in ("2", "3"):
        (world.folder / "factor.txt").write_text(factor)
        (weight,) = onnx.load(str(world.make())).graph.initializer
        sums.append(float(numpy_helper.to_array(weight).sum()))
    assert sums == [2 * 28, 3 * 28]


def test_a_file_counts_as_what_it_holds_and_is_refused_once_that_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = world.declaration
    monkeypatch.chdir(world.folder)
    made = []
    for name in ("factor.txt", "copy.txt"):
        (world.folder / name).write_text("2")
        value = with_content(name, hashlib.sha256(b"2").hexdigest())
        named = Parameter(help="File of the factor.", default=value, file=True)
        world.declaration = plain.model_copy(update={"parameters": {**plain.parameters, "by": named}})
        made.append(world.make())
    assert made[0] == made[1], "under another name it is the same file"
    (world.folder / "copy.txt").write_text("3")
    with pytest.raises(InputError, match=r"copy\.txt, the by of scale, is not what was planned with"):
        world.make()


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("same", InputError, "silently returned the same model"),
        ("nothing", PluginError, "wrote no model.onnx"),
        ("ports", PluginError, "changed the model's outputs from y float32"),
        ("inputs", PluginError, "changed the model's inputs from x float32"),
        ("crashed", PluginError, "was ended by SIGSEGV"),
        ("raises", InputError, "net scale cannot be made: axis 3 of w is not there"),
        ("killed", WorldError, "was ended by SIGKILL .the kernel does that when memory runs out"),
        ("memory", WorldError, "there is not enough memory"),
        ("engine", WorldError, "net scale cannot be made: there is not enough memory"),
        ("refused", InputError, "net scale cannot be made: it holds no weights worth halving"),
        ("source", PluginError, "was written to while it was transformed"),
    ],
)
def test_what_must_not_be_kept_is_refused_and_leaves_nothing(
    world: World, how: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        world.make(how)
    assert type(caught.value) is error
    assert not world.kept()


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones((120, 5), np.float32), r"no file of data.calibrate fits the model's inputs \(x float32\[batch, 4\]\)"),
        (np.ones((120, 4), np.float64), "no file of data.calibrate fits"),
        (VARIED[:7], "holds 7 different items; at least 8"),
        (np.zeros((120, 4), np.float32), "holds 1 different item; at least 8"),
        (np.where(np.arange(480).reshape(120, 4) == 55, np.nan, 1).astype(np.float32), "item 13 of the array `x`.*nan"),
        (np.where(np.arange(480).reshape(120, 4) == 8, np.inf, 1).astype(np.float32), "item 2 of the array `x`.*inf"),
    ],
)
def test_data_that_ranges_cannot_be_read_from_is_refused_by_item(world: World, array: Any, words: str) -> None:
    world.items(array)
    with pytest.raises(InputError, match=words):
        world.make()
    assert not world.kept()


def test_few_items_are_a_warning(world: World) -> None:
    world.items(np.concatenate([VARIED[:99], VARIED[:21]]))
    world.make()
    assert ["ranges are read from 99 different items" in text for text in world.warned] == [True]


def test_a_model_or_data_that_changed_since_the_plan_is_refused(world: World) -> None:
    deployment = world.deployment()
    world.items(VARIED + 1)
    with pytest.raises(InputError, match=r"data\.calibrate is not what was planned with"):
        world.store().model(deployment, {})
    stale = world.deployment().model_copy(update={"model_digest": "sha256:0"})
    with pytest.raises(InputError, match="is not what the plan was made with"):
        world.store().model(stale, {})


def test_what_is_interrupted_ends_with_its_process_and_leaves_nothing(world: World) -> None:
    """Ended from outside, as the kernel does when the parent is killed."""

    def end() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            for child in psutil.Process().children():
                if "aios.transforms.child" in child.cmdline():
                    time.sleep(0.3)
                    child.terminate()
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=end)
    killer.start()
    with pytest.raises(WorldError, match="was ended by SIGTERM"):
        world.make("slow")
    killer.join()
    assert not world.kept()


def test_a_damaged_result_is_made_anew(world: World) -> None:
    made = world.make()
    content = made.read_bytes()
    made.write_bytes(content[:-1] + b"!")
    assert world.make().read_bytes() == content


def test_a_transform_that_is_not_installed_is_told(world: World) -> None:
    gone = world.deployment().model_copy(update={"compression": "shrink"})
    with pytest.raises(WorldError, match="wants net with shrink, and no installed transform makes that"):
        world.store().model(gone, {})


def test_without_transforms_the_model_file_itself_is_computed(world: World) -> None:
    plain = world.deployment().model_copy(update={"compression": "none"})
    assert world.store().model(plain, {}) == (world.model, digest(world.model), None)
