"""Models that a store keeps encrypted: read by those who name the key, and plain on no disk whatever is done with
them."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

KEY = "file:model.key"

PROTECTED = """\
  requires: {encrypted: true}
  security: {key: file:./model.key}
"""


@pytest.fixture
def sealed(here, digits):
    """A folder with a key, another key, and a store that holds `digits`, encrypted."""
    for name, digit in (("model.key", "5a"), ("other.key", "6b")):
        here.write(name, digit * 32).chmod(0o600)
    added = here("model", "add", digits / "models" / "digits-m.onnx", "--name", "digits", "--encrypt-key", KEY)
    assert added.code == 0, added.err
    return here


@pytest.fixture
def secrets(digits):
    """Stretches of 64 bytes of the largest weights, and how weights are called: no profile of a model says that."""
    graph = onnx.load(digits / "models" / "digits-m.onnx").graph
    largest = max(graph.initializer, key=lambda item: int(np.prod(item.dims)))
    content = numpy_helper.to_array(largest).tobytes()
    return [*(content[at : at + 64] for at in range(0, len(content) - 64, len(content) // 3)), largest.name.encode()]


def holders(secrets, folder):
    """Return the files below a folder that hold a secret."""
    found = []
    for at, _, names in os.walk(folder):  # which passes over what is removed meanwhile
        for path in (Path(at) / name for name in names):
            with suppress(OSError):
                content = path.read_bytes()
                if any(secret in content for secret in secrets):
                    found.append(str(path.relative_to(folder)))
    return found


def watched(process, secrets, folder):
    """Look for secrets below a folder until a process ends; return where they were and how often was looked."""
    found, looks = set(), 0
    while process.poll() is None:
        found |= set(holders(secrets, folder))
        looks += 1
        time.sleep(0.02)
    return found | set(holders(secrets, folder)), looks


def objects(place):
    return sorted((place / ".aios" / "models" / "objects").glob("[!.]*/files/*"))


def test_secrets_are_found_where_they_are_plain(here, digits, secrets):
    here("model", "add", digits / "models" / "digits-m.onnx", "--name", "digits")
    assert [name for name in holders(secrets, here.place) if name.endswith("files/model.onnx")] != []


def test_what_is_stored_encrypted_is_written_out_with_its_key_alone(sealed, digits, secrets):
    original = (digits / "models" / "digits-m.onnx").read_bytes()
    assert [path.name for path in objects(sealed.place)] == ["model.onnx.sealed"]
    assert holders(secrets, sealed.place) == []
    version = sealed("model", "log", "digits", "--json").json["versions"][0]
    assert version["key_id"]
    assert version["key_id"] in sealed("model", "log", "digits").out
    for words, more in (
        ("is stored encrypted, and no key is named", ()),
        ("is encrypted by another key", ("--key", "file:other.key")),
        ("is not set", ("--key", "env:NO_SUCH_KEY")),
        ("holds no key to encrypt models with", ("--key", "file:short.key")),
    ):
        sealed.write("short.key", "5a").chmod(0o600)
        refused = sealed("model", "checkout", "digits", *more)
        assert (refused.code, words in refused.err) == (1, True), refused.err
    assert holders(secrets, sealed.place) == []
    assert sealed("model", "checkout", "digits", "--key", KEY).code == 0
    written = sealed.place / "digits.onnx"
    assert written.read_bytes() == original
    assert written.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("command", [("diff", "digits@v1", "@v1"), ("make", "digits", "--transform", "dynamic")])
def test_what_would_write_a_plain_copy_is_refused(sealed, secrets, command):
    refused = sealed("model", *command)
    assert refused.code == 1
    assert "would lie plain on a disk" in refused.err
    assert "aios model checkout digits@v1 --key REF" in refused.err
    assert holders(secrets, sealed.place) == []


def test_an_edited_blob_is_found_and_the_same_file_again_puts_it_right(sealed, digits):
    (blob,) = objects(sealed.place)
    before = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    assert sealed("model", "fsck").code == 6
    refused = sealed("model", "checkout", "digits", "--key", KEY)
    assert refused.code == 6
    assert "is not what was stored" in refused.err
    again = sealed("model", "add", digits / "models" / "digits-m.onnx", "--name", "digits", "--encrypt-key", KEY)
    assert "is that very model already" in again.out
    assert blob.read_bytes() == before
    assert sealed("model", "fsck").code == 0


def test_a_blob_that_was_edited_with_all_that_tells_of_it_does_not_open(sealed):
    """Whoever may write to the store can change its records too, and still cannot make what the key opens."""
    from aios.state.contents import contents_of, digest_of_contents

    (blob,) = objects(sealed.place)
    content = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = contents_of(blob.parent)
    manifest = blob.parent.parent / "manifest.json"
    manifest.write_text(
        json.dumps(json.loads(manifest.read_text()) | {"files": found, "digest": digest_of_contents(found)})
    )
    names = sealed.place / ".aios" / "models" / "names" / "digits.json"
    entry = json.loads(names.read_text())
    entry["versions"][0]["files"] = found
    names.write_text(json.dumps(entry))
    assert sealed("model", "fsck").code == 0
    refused = sealed("model", "checkout", "digits", "--key", KEY)
    assert refused.code == 6
    assert "is not what was written there under this key" in refused.err


def test_plain_and_encrypted_are_two_versions_of_one_model(sealed, digits):
    plain = sealed("model", "add", digits / "models" / "digits-m.onnx", "--name", "digits", "--json").json["version"]
    other = ("--encrypt-key", "file:other.key", "--json")
    under = sealed("model", "add", digits / "models" / "digits-m.onnx", "--name", "digits", *other).json["version"]
    first = sealed("model", "log", "digits@v1", "--json").json["versions"][0]
    assert {plain["digest"], under["digest"]} == {first["digest"]}
    assert first["key_id"] != under["key_id"]
    assert "key_id" not in plain
    assert len(objects(sealed.place)) == 3
    assert sealed("model", "rm", "digits@v2").code == 0
    assert sealed("model", "gc", "--json").code == 0
    assert [path.name for path in objects(sealed.place)] == ["model.onnx.sealed"] * 2
    assert sealed("model", "fsck", "--json").json["models"] == 2


def test_files_beside_a_model_are_encrypted_with_it(sealed, digits):
    folder = sealed.place / "given"
    (folder / "parts").mkdir(parents=True)
    model = onnx.load(digits / "models" / "digits-s.onnx")
    options = {"save_as_external_data": True, "location": "parts/weights.bin", "size_threshold": 0}
    onnx.save(model, folder / "m.onnx", **options)
    assert sealed("model", "add", folder / "m.onnx", "--name", "parted", "--encrypt-key", KEY).code == 0
    files = sealed("model", "log", "parted", "--json").json["versions"][0]["files"]
    assert sorted(files) == ["model.onnx.sealed", "parts/weights.bin.sealed"]
    assert sealed("model", "checkout", "parted", "--key", KEY, "-o", "copy.onnx").code == 0
    for name, copy in (("m.onnx", "copy.onnx"), ("parts/weights.bin",) * 2):
        assert (sealed.place / copy).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("protected", "words"),
    [
        ("", "is stored encrypted, and no key is named"),
        (PROTECTED.replace("model.key", "other.key"), "is encrypted by another key"),
        (PROTECTED.replace("file:./model.key", "env:NO_SUCH_KEY"), "is not set"),
    ],
)
def test_an_intent_without_the_key_is_refused_at_the_model_that_it_names(sealed, asked, protected, words):
    sealed.write("intent.yaml", asked(model="store://digits") + protected)
    refused = sealed("plan", "intent.yaml")
    assert refused.code == 1
    assert words in refused.err
    assert "at intent.yaml:6:10" in refused.err


@pytest.mark.usefixtures("sealed", "fleet")
def test_nothing_plain_stands_on_a_disk_while_it_is_measured_served_and_taken_down(aios, asked, secrets):
    pin = "{precision: int8, quantization: dynamic, threads: 1, batch: 1, replicas: 1}"
    aios.write("intent.yaml", asked(model="store://digits", pin=pin) + PROTECTED)
    (aios.place / "tmp").mkdir()
    elsewhere = {"TMPDIR": str(aios.place / "tmp")}
    for words in (
        ("profile", "intent.yaml", "--seconds", "0.2", "--budget", "8s"),
        ("apply", "intent.yaml", "--yes"),
        ("verify", "--seconds", "1"),
    ):
        process = aios.start(*words, **elsewhere)
        found, looks = watched(process, secrets, aios.place)
        assert process.returncode == 0, process.stderr.read()
        assert found == set()
        assert looks > 3
    assert aios("destroy", "--yes").code == 0
    assert list((aios.place / ".aios" / "artefacts").glob("*/files/model.onnx.sealed")) != []
    assert holders(secrets, aios.place) == []


@pytest.mark.usefixtures("sealed", "fleet")
def test_a_transform_that_is_killed_leaves_nothing_plain(aios, asked, secrets):
    pin = "{precision: int8, quantization: dynamic, threads: 1, batch: 1, replicas: 1}"
    aios.write("intent.yaml", asked(model="store://digits", pin=pin) + PROTECTED)
    (aios.place / "tmp").mkdir()
    process = aios.start("apply", "intent.yaml", "--yes", TMPDIR=str(aios.place / "tmp"))
    building, found = aios.place / ".aios" / "artefacts" / ".building", set()
    while process.poll() is None and not list(building.glob("*/files/.scratch")):
        time.sleep(0.005)
    until = time.monotonic() + 0.5  # its libraries are read by then, and it is in the midst of its work
    while process.poll() is None and time.monotonic() < until:
        found |= set(holders(secrets, aios.place))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert found | set(holders(secrets, aios.place)) == set()
