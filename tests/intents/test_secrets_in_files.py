"""What looks like a secret is found in files and hidden in messages, and what merely resembles one is left alone."""

import pytest

from aios.records.secrets import masked, secret_in

# In two parts each, so that no scanner takes this file for a leak.
SECRETS = [
    ("AKIA" + "ABCDEFGHIJKLMNOP", "an AWS access key"),
    ("labels: {note: AS" + "IAABCDEFGHIJKLMNOP}", "an AWS access key"),
    ("pass" + "word: hunter22", "a password or key in plain text"),
    ("db_pass" + "word = 'correct-horse'", "a password or key in plain text"),
    ("{'api" + "-key': abcdef123456}", "a password or key in plain text"),
    ('"client_' + 'secret": "abcdefgh"', "a password or key in plain text"),
    ("-----BEGIN OPENSSH " + "PRIVATE KEY-----\nMC4CAQ", "a private key"),
    ("-----BEGIN " + "PRIVATE KEY-----\nMC4CAQ", "a private key"),
    ("ghp_" + "a" * 36, "a GitHub token"),
    ("glpat-" + "a" * 20, "a GitLab token"),
    ("hf_" + "a" * 34, "a Hugging Face token"),
    ("sk-ant-" + "a1" * 20, "an API key"),
    ("eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxIn0xxxx.abcdefghijklmnop", "a signed token (JWT)"),
    ("state: postgresql://me:" + "hunter22@db.example/aios", "a password in an address"),
]

NONE = [
    "password: env:DB",
    "password: file:/run/secrets/db",
    "password: ''",
    "password: ${PW}",
    "password: null",
    "prompt_tokens: 4096",
    "tokens: 123456789",
    "http://localhost:8080/a@b",
    "https://example.com:443/x",
    "secret: team-x",
    "passwords are kept elsewhere",
    "postgresql://me@host:5432/db",
    "postgresql://me:$PGPASSWORD@host/db",
    "postgresql://me:env:PW@host/db",
    "key: hello-world",
    "model: ./sk-learn-pipeline-with-a-rather-long-name.onnx",
    "access_token: null",
    "digest: sha256:" + "ab" * 32,
    "ssh://git@host:22/path",
    "image: registry:5000/x@sha256:abc",
]


@pytest.mark.parametrize(("text", "what"), SECRETS)
def test_a_secret_is_found_and_hidden(text, what):
    found = secret_in(f"# a line\n{text}")
    assert found is not None
    assert found.what == what
    hidden = masked(text)
    assert "***" in hidden
    assert secret_in(hidden) is None
    assert not any(part in hidden for part in ("hunter22", "correct-horse", "abcdef", "MC4CAQ", "a" * 20, "KLMNOP"))


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_secret_is_left_alone(text):
    assert secret_in(text) is None
    assert masked(text) == text
