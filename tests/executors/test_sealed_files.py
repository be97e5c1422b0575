"""Encrypted files: whole or refused, whatever was done to them."""

from __future__ import annotations

import hashlib
import io
import itertools
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from aios.records.errors import InputError, WorldError
from aios.spi import sealing
from aios.spi.sealing import is_sealed, key_of, repeatable, seal, sealing_key, unseal

HEX = b"00112233445566778899aabbccddeeff" * 2
KEY = key_of(HEX, "env:MODEL_KEY")
SMALL = 64
TAG = 16


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(sealing, "CHUNK_BYTES", SMALL)


def closed(plain, name="weights.bin", context="sha256:1", key=KEY):
    target = io.BytesIO()
    numbers = itertools.count(len(plain))
    seal(io.BytesIO(plain), len(plain), target, key, name, context, lambda n: bytes([next(numbers) % 256]) * n)
    return target.getvalue()


def opened(content, name="weights.bin", context="sha256:1", key=KEY):
    return bytes(unseal(io.BytesIO(content), name, context, key, lambda size: memoryview(bytearray(size)), "a/b"))


def parts(content):
    """Return the header and the chunks of an encrypted file."""
    start = content.index(b"}") + 1
    body = content[start:]
    return content[:start], [body[at : at + SMALL + TAG] for at in range(0, len(body), SMALL + TAG)]


@given(plain=st.binary(max_size=5 * SMALL))
def test_what_was_sealed_is_read_again_and_cannot_be_seen(plain):
    content = closed(plain)
    assert opened(content) == plain
    assert is_sealed(content[:20])
    _, chunks = parts(content)  # the header is the same whatever is encrypted
    assert len(plain) < 8 or plain not in b"".join(chunks)


@pytest.mark.parametrize("size", [0, 1, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL])
def test_sizes_at_the_edges_of_chunks(size):
    content = closed(bytes(size))
    assert opened(content) == bytes(size)
    assert len(parts(content)[1]) == max(1, -(-size // SMALL))


def test_the_format_is_what_its_documentation_says():
    plain = bytes(range(200))
    content = closed(plain)
    header = content[len(b"aios-sealed-1\n") + 4 : content.index(b"}") + 1]
    told = json.loads(header)
    own = HKDF(SHA256(), 32, bytes.fromhex(told["salt"]), b"aios sealed file 1").derive(bytes.fromhex(HEX.decode()))
    digest = hashlib.sha256(b"\0".join((header, b"weights.bin", b"sha256:1"))).digest()
    chunks = parts(content)[1]
    found = b""
    for number, chunk in enumerate(chunks):
        last = number == len(chunks) - 1
        nonce = bytes.fromhex(told["prefix"]) + number.to_bytes(4, "big") + bytes([last])
        found += AESGCM(own).decrypt(nonce, chunk, digest)
    assert found == plain


@given(st.data())
def test_whatever_byte_is_changed_it_is_refused(data):
    content = bytearray(closed(bytes(range(200))))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((WorldError, InputError)):
        opened(bytes(content))


@given(st.integers(0, 10**6))
def test_wherever_it_is_cut_it_is_refused(at):
    content = closed(bytes(range(200)))
    with pytest.raises(WorldError, match="changed after it was made, or is damaged"):
        opened(content[: at % len(content)])


def test_a_forged_size_makes_nobody_allocate_it():
    content = closed(bytes(200))
    header, _ = parts(content)
    start = header.index(b"{")
    told = json.loads(header[start:]) | {"bytes": 1 << 40}
    text = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    forged = header[: start - 4] + len(text).to_bytes(4, "big") + text + content[len(header) :]

    def allocate(size):
        raise AssertionError(f"{size} bytes were allocated")

    with pytest.raises(WorldError, match="is damaged"):
        unseal(io.BytesIO(forged), "weights.bin", "sha256:1", KEY, allocate)


@pytest.mark.parametrize(
    "change",
    [
        lambda chunks: [chunks[1], chunks[0], *chunks[2:]],
        lambda chunks: [chunks[0], chunks[0], *chunks[2:]],
        lambda chunks: chunks[:-1],
        lambda chunks: [*chunks[:1], *chunks[2:]],
        lambda chunks: [*chunks, chunks[-1]],
    ],
    ids=["reordered", "repeated", "last left out", "one left out", "more behind"],
)
def test_chunks_that_are_moved_are_refused(change):
    header, chunks = parts(closed(bytes(range(200))))
    with pytest.raises(WorldError, match="is damaged"):
        opened(header + b"".join(change(chunks)))


def test_a_chunk_of_another_file_under_the_same_key_is_refused():
    header, chunks = parts(closed(bytes(150)))
    _, others = parts(closed(bytes(151)))
    with pytest.raises(WorldError, match="the encrypted file a/b was changed") as caught:
        opened(header + b"".join([others[0], *chunks[1:]]))
    assert caught.value.diagnostics[0].reason == "chunk 0 is not what was written there under this key"


@pytest.mark.parametrize("other", [{"name": "model.onnx"}, {"context": "sha256:2"}])
def test_it_is_bound_to_its_name_and_to_what_it_belongs_to(other):
    with pytest.raises(WorldError, match="is damaged"):
        opened(closed(b"weights"), **other)


def test_another_key_is_told_from_damage_and_not_shown():
    other = key_of(b"f" * 64, "file:other.key")
    with pytest.raises(InputError, match="a/b is encrypted by another key") as caught:
        opened(closed(b"weights"), key=other)
    said = caught.value.diagnostics[0]
    assert KEY.id in (said.reason or "")
    assert "file:other.key leads to" in (said.reason or "")
    assert "f" * 64 not in str(said)
    assert other.value not in repr(other).encode()


@pytest.mark.parametrize("text", ["secret", "0" * 63, "0" * 65, "g" * 64])
def test_what_is_no_key_is_refused_and_not_shown(monkeypatch, text):
    monkeypatch.setenv("MODEL_KEY", text)
    with pytest.raises(InputError, match="env:MODEL_KEY holds no key to encrypt models with") as caught:
        sealing_key("env:MODEL_KEY")
    assert text not in str(caught.value.diagnostics)


def test_a_key_that_is_not_there_is_named(monkeypatch):
    monkeypatch.delenv("MODEL_KEY", raising=False)
    with pytest.raises(InputError, match="the environment variable MODEL_KEY is not set"):
        sealing_key("env:MODEL_KEY")


def test_a_source_that_ends_early_is_an_error():
    with pytest.raises(ValueError, match="shorter than the 100 bytes"):
        seal(io.BytesIO(b"short"), 100, io.BytesIO(), KEY, "w", "c", bytes)


@given(first=st.binary(max_size=2 * SMALL), second=st.binary(max_size=2 * SMALL))
def test_equal_content_seals_to_equal_bytes_and_no_other_under_its_salt(first, second):
    def stored(plain):
        target = io.BytesIO()
        random = repeatable(KEY, "a", "sha256:1", hashlib.sha256(plain).hexdigest())
        seal(io.BytesIO(plain), len(plain), target, KEY, "a", "sha256:1", random)
        return target.getvalue()

    salts = [json.loads(b"{" + parts(stored(plain))[0].partition(b"{")[2])["salt"] for plain in (first, second)]
    assert opened(stored(first), "a") == first
    assert stored(first) == stored(bytes(first))
    assert (salts[0] == salts[1]) == (first == second)
