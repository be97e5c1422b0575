"""Signatures and encryption: what was signed or sealed is found again, and nothing else is."""

import base64
import json
import subprocess

import pytest

from aios.plan import plan_text, read_plan
from aios.plan.sealing import is_sealed, opened_text, sealed
from aios.plan.signing import check_signature, signed
from aios.records.base import canonical_json
from aios.records.errors import InputError
from aios.spi.keys import key_pair, private_key, public_keys

ONE, OTHER = key_pair(bytes(32), None), key_pair(bytes([1]) * 32, None)
HEX = b"00" * 32
NONCE, SALT = bytes(12), bytes(16)


def signed_text(planned):
    return plan_text(signed(planned(), private_key(ONE.private, None, "k")))


def refusal(text, pem=ONE.public):
    with pytest.raises(InputError) as caught:
        check_signature(text, "plan.json", public_keys(pem, "k.pub"))
    return caught.value.diagnostics[0]


def test_a_signed_plan_is_verified_and_has_the_same_bytes_every_time(planned):
    text = signed_text(planned)
    assert text == signed_text(planned)
    assert check_signature(text, "plan.json", public_keys(ONE.public, "k.pub")) == ONE.id
    assert read_plan(text, "plan.json").signature.key_id == ONE.id


def test_any_of_several_keys_will_do(planned):
    keys = public_keys(OTHER.public + b"\n# the one before\n" + ONE.public, "keys.pub")
    assert [key.id for key in keys] == [OTHER.id, ONE.id]
    assert check_signature(signed_text(planned), "plan.json", keys) == ONE.id


def test_the_other_key_is_told_apart_by_both_ids(planned):
    found = refusal(signed_text(planned), OTHER.public)
    assert "another key" in found.summary
    assert ONE.id in found.reason
    assert OTHER.id in found.reason


def test_a_plan_without_signature_is_refused_where_one_is_demanded(planned):
    assert "not signed" in refusal(plan_text(planned())).summary


@pytest.mark.parametrize("what", ["content", "value", "unknown key", "algorithm", "no text", "no base64"])
def test_whatever_was_changed_after_signing_is_refused(planned, what):
    document = json.loads(signed_text(planned))
    if what == "content":
        document["actions"][0]["reason"] = "because"
    elif what == "unknown key":
        document["weather"] = "rain"
    elif what == "algorithm":
        document["signature"]["algorithm"] = "none"
    else:
        values = {"value": base64.b64encode(bytes(64)).decode(), "no text": 7, "no base64": "?"}
        document["signature"]["value"] = values[what]
    words = "does not know" if what == "algorithm" else "is wrong"
    assert words in refusal(json.dumps(document)).summary


def test_openssl_verifies_the_signature(planned, tmp_path):
    document = json.loads(signed_text(planned))
    content = canonical_json({name: value for name, value in document.items() if name not in ("id", "signature")})
    (tmp_path / "content").write_text(content)
    (tmp_path / "value").write_bytes(base64.b64decode(document["signature"]["value"]))
    (tmp_path / "key").write_bytes(ONE.public)
    command = "openssl pkeyutl -verify -pubin -inkey key -rawin -in content -sigfile value"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_keys_that_are_none_are_refused_without_their_text():
    locked = key_pair(bytes(32), b"a passphrase")
    cases = [
        (lambda: private_key(b"hunter2", None, "k"), "no private key"),
        (lambda: private_key(ONE.public, None, "k"), "no private key"),
        (lambda: public_keys(ONE.private, "k"), "no public key"),
        (lambda: public_keys(b"hunter2", "k"), "no public key"),
        (lambda: private_key(locked.private, None, "k"), "protected by a passphrase"),
        (lambda: private_key(locked.private, b"hunter2", "k"), "does not open"),
        (lambda: private_key(ONE.private, b"hunter2", "k"), "has no passphrase"),
    ]
    for call, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            call()
        assert "hunter2" not in str(caught.value.diagnostics)
    assert private_key(locked.private, b"a passphrase", "k").public_key() == public_keys(ONE.public, "k")[0].key


def test_a_key_of_another_kind_is_refused():
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    with pytest.raises(InputError, match="no Ed25519 key"):
        private_key(pem, None, "k")


@pytest.mark.parametrize("secret", [HEX, b"correct horse battery staple"])
def test_what_is_sealed_is_opened_by_the_same_secret_alone(secret):
    text = sealed("the plan\n", secret, NONCE, SALT)
    assert is_sealed(text)
    assert "the plan" not in text
    assert opened_text(text, secret, "plan.json") == "the plan\n"
    for other in (b"11" * 32, b"correct horse battery stable", None):
        with pytest.raises(InputError, match=r"does not open|is encrypted"):
            opened_text(text, other, "plan.json")


def test_a_short_passphrase_is_refused():
    with pytest.raises(InputError, match="shorter than 12"):
        sealed("x", b"hunter2", NONCE, SALT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ciphertext": base64.b64encode(bytes(40)).decode()}, "changed after it was made"),
        ({"ciphertext": "?"}, "changed after it was made"),
        ({"nonce": base64.b64encode(bytes([1]) * 12).decode()}, "changed after it was made"),
        ({"nonce": ""}, "changed after it was made"),
        ({"version": 2}, "in version 2"),
        ({"cipher": "none"}, "is damaged"),
        ({"colour": "red"}, "is damaged"),
        ({"kdf": {"name": "scrypt", "salt": "", "n": 2**40, "r": 8, "p": 1}}, "is damaged"),
        ({"kdf": {"name": "scrypt", "salt": "", "n": 3, "r": 8, "p": 1}}, "is damaged"),
    ],
)
def test_a_changed_envelope_is_refused(changes, words):
    document = json.loads(sealed("the plan", HEX, NONCE, SALT)) | changes
    with pytest.raises(InputError, match=words):
        opened_text(json.dumps(document), HEX, "plan.json")
