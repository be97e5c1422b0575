import subprocess
import sys
from pathlib import Path

import pytest

from aios.models.profiles import Kept
from aios.records.errors import InputError
from aios.records.measurement import Measured, Measurement, Subject
from aios.records.model import ModelProfile
from aios.spi.model_reader import ReadModel
from aios.state import ProfileStore
from aios.workflow.calibrating import calibrate_device
from aios.workflow.calibrations import load_calibrations
from aios.workflow.ownmeasurements import own_measurements
from aios.workflow.setting import silent

AIOS = str(Path(sys.executable).with_name("aios"))


def model(name, macs):
    return ModelProfile(
        name=name,
        digest=f"sha256:{name}",
        format="onnx",
        file_bytes=1,
        inputs=(),
        outputs=(),
        precision="fp32",
        parameters=10**6,
        weight_bytes=4e6,
        macs=macs,
        flops=2 * macs,
        activation_bytes=1e6,
        operators=(),
        batch_axis=0,
    )


@pytest.fixture
def places(tmp_path):
    profiles, models = tmp_path / "profiles", tmp_path / "models"
    models.mkdir()
    store = ProfileStore(profiles)
    for number, name in enumerate(("small", "middle", "large", "huge")):
        macs = 1e9 * 2**number
        kept = Kept(revision="onnx 1", read=ReadModel(profile=model(name, macs)))
        (models / f"{name}.json").write_text(kept.model_dump_json())
        for batch in (1, 2, 4, 8):
            time = Measured(value=macs * batch / 1e12, low=0, high=1, unit="s", n=9, meter="clock")
            subject = Subject(
                kind="service",
                model=f"sha256:{name}",
                precision="fp32",
                quantization="none",
                device="nvidia-t4",
                executor="onnxruntime",
                engine="onnxruntime 1.22",
                batch=batch,
            )
            store.save(Measurement(subject=subject, values={"time": time}, as_of="2025-01-01"))
    (models / "broken.json").write_text("{")
    return profiles, models


def test_times_of_the_profile_store_are_rows(places):
    (rows, _), *others = own_measurements(*places).parts()
    assert others == []
    assert len(rows) == 16
    assert rows.metric == "latency.mean"
    assert set(rows.types) == {"nvidia-t4"}
    by_name = {
        (str(n), int(b)): v for n, b, v in zip(rows.word("model"), rows.number("batch"), rows.values, strict=True)
    }
    assert by_name["middle", 4] == pytest.approx(2e9 * 4 / 1e12)


def test_this_machine_is_learnt_from_them(places, tmp_path):
    out = tmp_path / "out"
    known = load_calibrations([], silent)
    ((learnt,), *_) = calibrate_device("nvidia-t4", own_measurements(*places), "network", known, out, silent)
    assert learnt.file.name == "network-latency.mean-nvidia-t4.yaml"
    assert "measured by" in learnt.file.read_text()


def test_a_store_without_their_models_is_refused(places, tmp_path):
    with pytest.raises(InputError, match="nothing can be learnt"):
        own_measurements(places[0], tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no times"):
        own_measurements(tmp_path / "nothing", places[1])


def test_a_device_of_ones_own_is_learnt_where_a_fleet_describes_it(tmp_path):
    (tmp_path / "fleet.yaml").write_text(OWN)
    (tmp_path / "boards.table.yaml").write_text(FORM)
    rows = [f"net{size}a,our-npu,{batch},{size},{5 * batch / size}" for size in range(1, 9) for batch in (1, 2, 4, 8)]
    (tmp_path / "boards.csv").write_text("\n".join(["model,board,batch,gmacs,rate", *rows]) + "\n")
    (tmp_path / "elsewhere").mkdir()
    asked = [AIOS, "calibrate", "--device", "our-npu", "--table", "../boards.csv", "--out", "../learnt"]
    unknown = subprocess.run(asked, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False)
    assert unknown.returncode == 1
    assert "there is no device type `our-npu`" in unknown.stderr
    assert "`--fleet`" in unknown.stderr
    done = subprocess.run(
        [*asked, "--fleet", "../fleet.yaml"], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "learnt" / "network-throughput-our-npu.yaml").is_file()


OWN = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: own}
spec:
  nodes: [{name: box, cpu: 4, memory: 8 GiB, devices: [{type: our-npu}]}]
  devices: [{name: our-npu, kind: npu, peak: {int8: 20 TOP/s}, bandwidth: 30 GB/s, memory: 4 GiB}]
"""
FORM = """\
apiVersion: aios/v1
kind: Table
metadata: {name: boards}
spec:
  files: ["boards.csv"]
  words: {model: model, device: board, mode: {value: inference}, precision: {value: int8}}
  numbers: {batch: {column: batch, unit: 1}, macs: {column: gmacs, unit: 1e9}}
  metrics: [{metric: throughput, column: rate, unit: /s, predictor: network}]
"""
