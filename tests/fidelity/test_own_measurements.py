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
    (learnt,) = calibrate_device("nvidia-t4", own_measurements(*places), "network", known, out, silent)
    assert learnt.file.name == "network-latency.mean-nvidia-t4.yaml"
    assert "measured by" in learnt.file.read_text()


def test_a_store_without_their_models_is_refused(places, tmp_path):
    with pytest.raises(InputError, match="nothing can be learnt"):
        own_measurements(places[0], tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no times"):
        own_measurements(tmp_path / "nothing", places[1])
