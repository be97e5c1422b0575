"""Services of models that must be encrypted, signed and attested: what they load, and what they refuse to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aios.records.base import canonical_json
from aios.records.errors import InputError, WorldError
from aios.records.plan import unsigned
from aios.records.protection import Protection
from aios.spi.attesting import attestation_of, attestation_path, check_runtime, checked_attestation
from aios.spi.conformance import NotedJournal, action
from aios.spi.executor import Exercise
from aios.spi.keys import key_pair, private_key, public_keys
from aios.state.artefacts import ArtefactStore
from aios.workflow.keeping import artefacts_of
from aios.workflow.setting import Setting
from aios_plugins.onnxruntime import Executor

NOW = "2026-01-01T00:00:00Z"


class Keys:
    """A key to encrypt with and a pair to sign with, as files of ``folder``."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        pair = key_pair(bytes([seed]) * 32, None)
        self.private = private_key(pair.private, None, "sign.pem")
        self.public = folder / f"sign-{seed}.pub"
        self.public.write_bytes(pair.public)
        self.file = folder / f"model-{seed}.key"
        self.file.write_text(f"{seed:02x}" * 32)
        self.file.chmod(0o600)

    def protection(self, *names: str) -> Protection:
        given = {"key": f"file:{self.file}", "verify_key": str(self.public)}
        return Protection(**dict.fromkeys(names, True), **given)


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path)


@pytest.fixture(scope="module")
def programs():
    return Executor().programs()


def attest(artefact, keys, programs=None):
    found = attestation_of(artefact, programs or {}, keys.private, NOW)
    attestation_path(Path(artefact.path)).write_text(canonical_json(found))
    return found


def packed(model, kit, tmp_path):
    """Return the weights of a model as a plain artefact holds them: rearranged for this CPU."""
    artefact = Executor().prepare(kit.deployment_of(model), ArtefactStore(tmp_path / "plain" / "artefacts"))
    return (Path(artefact.path) / "weights.bin").read_bytes()


def holders(needle, *folders):
    """Return the files that hold any 64 of the bytes at a stretch, zeros apart."""
    pieces = {needle[at : at + 64] for at in range(0, len(needle) - 64, 64)} - {bytes(64)}
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(piece in path.read_bytes() for piece in pieces)]


def answers(served, kit, count=3):
    load = Exercise(np.arange(count) * 0.01, np.arange(count), kit.images(count), keep_outputs=True)
    trace = served.executor.exercise(served.handle, load)
    assert not trace.errors
    return trace.outputs["logits"]


def carry_out(deployment, store, prior=None, before=None):
    step = action("update" if prior else "create", deployment, before)
    return Executor().carry_out(step, prior, NotedJournal(), store)


def refused(deployment, store, **given):
    """Return what carrying out is refused with; nothing was started for it."""
    with pytest.raises((WorldError, InputError)) as caught:
        carry_out(deployment, store, **given)
    if not given:
        assert not list(store.runtime("digits").iterdir())
    item = caught.value.diagnostics[0]
    return f"{item.summary}: {item.reason}"


def test_an_encrypted_model_answers_like_a_plain_one_and_is_plain_on_no_disk(kit, keys, serve, tmp_path):
    model = kit.convolutional(tmp_path / "m.onnx")
    secret = packed(model, kit, tmp_path)
    assert holders(secret, tmp_path / "plain") == ["weights.bin"]
    store = ArtefactStore(tmp_path / "plain" / "artefacts")
    bare = kit.deployment_of(model)
    plain = Executor().infer(bare, Executor().prepare(bare, store), kit.images(3))
    encrypted = ArtefactStore(tmp_path / "safe" / "artefacts")
    served = serve(kit.deployment_of(model, replicas=2, protection=keys.protection("encrypted")), encrypted)
    assert np.array_equal(answers(served, kit), plain["logits"])
    assert holders(secret, tmp_path / "safe") == []
    found = Executor().prepare(served.deployment, encrypted)
    assert [path.name for path in sorted(Path(found.path).iterdir())] == ["model.onnx.sealed", "weights.bin.sealed"]
    inferred = served.executor.infer(served.deployment, found, kit.images(3))
    assert np.array_equal(inferred["logits"], plain["logits"])


def test_replicas_share_what_is_plain_and_have_no_key(kit, serve, tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_KEY", "5a" * 32)
    protection = Protection(encrypted=True, key="env:MODEL_KEY")
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "m.onnx"), replicas=2, protection=protection)
    served = serve(deployment)
    front, *replicas = served.observe().pids
    room = Path(served.handle["runtime"]) / "plain"
    if "no private memory" in (room.parent / "service.log").read_text():
        pytest.skip("this kernel permits no mount that only a service sees: its replicas decrypt for themselves")
    assert list(room.iterdir()) == []
    assert {path.name for path in Path(f"/proc/{front}/root{room}").iterdir()} == {"model.onnx", "weights.bin"}
    for pid in replicas:
        assert b"MODEL_KEY" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert "5a" * 32 not in (room.parent / "spec.json").read_text()
    monkeypatch.delenv("MODEL_KEY")
    os.kill(replicas[0], signal.SIGKILL)
    until = time.monotonic() + 15
    while served.observe().restarts < 1 or served.observe().replicas_ready < 2:
        assert time.monotonic() < until, "the replica did not come back"
        time.sleep(0.05)
    assert len(answers(served, kit)) == 3
    monkeypatch.setenv("MODEL_KEY", "5a" * 32)


def test_a_changed_model_succeeds_the_old_one_under_its_key(kit, keys, serve, tmp_path):
    first, second = (kit.convolutional(tmp_path / f"{seed}.onnx", seed=seed) for seed in (1, 2))
    served = serve(kit.deployment_of(first, protection=keys.protection("encrypted")))
    before, port = answers(served, kit), served.handle["port"]
    changed = kit.deployment_of(second)
    served.update(model_path=changed.model_path, model_digest=changed.model_digest, model=changed.model)
    assert served.handle["port"] == port
    assert not np.array_equal(answers(served, kit), before)


def test_without_its_key_nothing_is_started(kit, store, tmp_path, monkeypatch):
    monkeypatch.delenv("MODEL_KEY", raising=False)
    model = kit.convolutional(tmp_path / "m.onnx")
    deployment = kit.deployment_of(model, protection=Protection(encrypted=True, key="env:MODEL_KEY"))
    assert "the environment variable MODEL_KEY is not set" in refused(deployment, store)
    said = Executor().validate(action("create", deployment))
    assert [item.summary for item in said] == [
        "the key that models are encrypted with: the environment variable MODEL_KEY is not set"
    ]


def test_a_refused_change_leaves_the_old_service_alone(kit, keys, serve, tmp_path):
    model = kit.convolutional(tmp_path / "m.onnx")
    store = ArtefactStore(tmp_path / "artefacts", tmp_path / "run")
    served = serve(kit.deployment_of(model), store)
    before = answers(served, kit)
    wanted = served.deployment.model_copy(update={"protection": keys.protection("encrypted", "signed")})
    said = refused(wanted, store, prior=served.handle, before=served.deployment)
    assert "is missing: nothing is loaded" in said
    assert np.array_equal(answers(served, kit), before)
    assert served.observe().condition == "healthy"


@pytest.mark.parametrize("name", ["model.onnx.sealed", "weights.bin.sealed"])
def test_a_service_does_not_load_what_was_edited_after_it_was_verified(kit, keys, store, tmp_path, name):
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "m.onnx"), protection=keys.protection("encrypted"))
    executor = Executor()
    artefact = executor.prepare(deployment, store)
    path = Path(artefact.path) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WorldError, match="changed after it was"):
        executor.infer(deployment, artefact, kit.images(1))


def test_one_key_does_not_open_what_another_has_sealed(kit, keys, store, tmp_path):
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "m.onnx"), protection=keys.protection("encrypted"))
    artefact = Executor().prepare(deployment, store)
    other = deployment.model_copy(update={"protection": Keys(tmp_path, 2).protection("encrypted")})
    with pytest.raises(InputError, match="is encrypted by another key"):
        Executor().infer(other, artefact, kit.images(1))
    assert Executor().prepare(other, store).key != artefact.key


def test_what_is_attested_is_served(kit, keys, serve, programs, tmp_path):
    store = ArtefactStore(tmp_path / "artefacts", tmp_path / "run")
    everything = keys.protection("encrypted", "signed", "attested")
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "m.onnx"), protection=everything)
    attest(Executor().prepare(deployment, store), keys, programs)
    assert len(answers(serve(deployment, store), kit)) == 3


def test_programs_that_were_not_attested_load_nothing(kit, keys, store, programs, tmp_path):
    deployment = kit.deployment_of(
        kit.convolutional(tmp_path / "m.onnx"), protection=keys.protection("signed", "attested")
    )
    artefact = Executor().prepare(deployment, store)
    library = next(name for name in programs if "onnxruntime_pybind11_state" in name)
    attest(artefact, keys, {**programs, library: "sha256:0", "onnxruntime": "0.1"})
    with pytest.raises(WorldError) as caught:
        carry_out(deployment, store)
    reason = caught.value.diagnostics[0].reason or ""
    assert f"{library}: expected sha256:0, found {programs[library]}" in reason
    assert f"onnxruntime: expected 0.1, found {programs['onnxruntime']}" in reason


def test_signatures_that_do_not_hold_are_refused(kit, keys, store, tmp_path):
    deployment = kit.deployment_of(kit.convolutional(tmp_path / "m.onnx"), protection=keys.protection("signed"))
    artefact = Executor().prepare(deployment, store)
    assert "is missing: nothing is loaded: nobody has signed" in refused(deployment, store)
    stranger = Keys(tmp_path, 2)
    attest(artefact, stranger)
    assert "is signed by another key" in refused(deployment, store)
    path = attestation_path(Path(artefact.path))
    made = json.loads(canonical_json(attest(artefact, keys)))
    path.write_text(json.dumps({**made, "recipe": {"model": "sha256:other"}}))
    assert "was changed after it was signed" in refused(deployment, store)
    path.write_text("{")
    assert "is damaged" in refused(deployment, store)
    attest(artefact.model_copy(update={"digest": "sha256:other"}), keys)
    assert "is of other files: nothing is loaded: it vouches for sha256:other" in refused(deployment, store)
    keys.public.unlink()
    assert "the public keys" in refused(deployment, store)


def test_an_attestation_of_one_key_of_many_is_enough(kit, keys, store, tmp_path):
    artefact = Executor().prepare(kit.deployment_of(kit.convolutional(tmp_path / "m.onnx")), store)
    found = attest(artefact, keys)
    text = Keys(tmp_path, 2).public.read_bytes() + keys.public.read_bytes()
    assert checked_attestation(Path(artefact.path), artefact.digest, public_keys(text, "both")) == found


def test_what_differs_is_named_and_what_is_missing_does_no_harm():
    check_runtime({"a": "1", "b": "2"}, {"a": "1"})
    with pytest.raises(ValueError, match="a: expected 1, found 3; c: not attested"):
        check_runtime({"a": "1", "b": "2"}, {"a": "3", "c": "1"})


def test_what_transforms_make_on_the_way_is_encrypted_too(kit, keys, tmp_path):
    model = kit.convolutional(tmp_path / "m.onnx", channels=(32, 64))
    wanted = kit.deployment_of(model, precision="int8", quantization="dynamic")
    found = {}
    for name, protection in (("plain", None), ("safe", keys.protection("encrypted"))):
        store = artefacts_of(Setting(state=tmp_path / name / "state.json"))
        deployment = wanted.model_copy(update={"protection": protection})
        artefact = Executor().prepare(deployment, store)
        found[name] = Executor().infer(deployment, artefact, kit.images(2))["logits"]
    assert np.array_equal(found["plain"], found["safe"])
    models = [path for path in (tmp_path / "plain").rglob("model.onnx") if path.stat().st_size > 10_000]
    assert models != []
    for path in models:
        assert holders(path.read_bytes()[-4096:], tmp_path / "safe") == []
    names = {path.name for path in (tmp_path / "safe" / "artefacts").rglob("*") if path.is_file()}
    assert names <= {"model.onnx.sealed", "weights.bin.sealed", "manifest.json", "provenance.json"}


def test_a_build_that_is_killed_leaves_nothing_plain(kit, keys, tmp_path):
    model = kit.convolutional(tmp_path / "m.onnx", channels=(64, 128, 256))
    deployment = kit.deployment_of(model, protection=keys.protection("encrypted"))
    home = tmp_path / "home"
    script = (
        "import sys; from aios.records.plan import Deployment; from aios.state import ArtefactStore\n"
        "from pathlib import Path; from aios_plugins.onnxruntime import Executor\n"
        "Executor().prepare(Deployment.model_validate_json(sys.argv[1]), ArtefactStore(Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", script, deployment.model_dump_json(), str(home / "artefacts")]
    sealed = []
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not sealed:
            sealed = list(home.glob("artefacts/.building/*/files/*.sealed"))
            time.sleep(0.001)
        process.kill()
    assert holders(packed(model, kit, tmp_path), home) == []
    artefact = Executor().prepare(deployment, ArtefactStore(home / "artefacts"))
    assert len(Executor().infer(deployment, artefact, kit.images(1))["logits"]) == 1


def test_what_is_measured_before_anybody_vouched_stays_encrypted(kit, keys, tmp_path):
    model = kit.convolutional(tmp_path / "m.onnx")
    names = {
        wanted: unsigned(kit.deployment_of(model, protection=keys.protection(*wanted))).protection
        for wanted in [("encrypted", "signed", "attested"), ("signed",)]
    }
    assert [found and found.names for found in names.values()] == [("encrypted",), None]
    assert unsigned(kit.deployment_of(model)).protection is None
