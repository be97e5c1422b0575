"""What is logged or traced holds no secret, whatever form it has; what is no secret stays readable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.workflow import redacting
from aios.workflow.redacting import clean, redacted


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("REGISTRY_TOKEN", "canary-of-environment")
    monkeypatch.setenv("STATE_URL", "postgresql://aios:canary-of-url@db/state")
    redacting._of_environment.cache_clear()
    yield
    redacting._of_environment.cache_clear()


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://aios:canary@db.example:5432/state",
        "postgresql://aios:can@ary@db.example/state",
        "postgresql://aios:can/ary@db/state?sslmode=require",
        "--state 'redis://:canary@cache:6379/0' --json",
        "host=db user=aios password=canary dbname=state",
        "host=db password='canary with blanks' dbname=state",
        '{"api_key": "canary"}',
        "Authorization: Bearer canary-canary",
        "authorization=Basic Y2FuYXJ5OmNhbmFyeQ==",
        "aios apply --registry-token canary",
        "PGPASSWORD=canary psql",
        "client_secret: canary",
        "password: canary\nhost: db",
        "password: canary7 and more",
        "AKIAIOSFODNN7CANARY1 is an access key",
        "AIzacanarycanarycanarycanarycanarycana_ of a cloud",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\ncanary",
        "cloned with ghp_canarycanarycanarycanary",
        "eyJjYW5hcnkiOiJjYW5hcnkifQ.eyJjYW5hcnkiOiJ4In0.canary",
        "-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\ncanary, torn off",
        "it is canary-of-environment, bare",
        "connection of canary-of-url failed",
    ],
)
def test_a_secret_is_hidden(text):
    told = redacted(text)
    assert "***" in told
    for part in ("canary", "CANARY", "ary@", "Y2FuYXJ5"):
        assert part not in told


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/v2/models/digits/infer",
        "postgresql://db.example:5432/state",
        "512 prompt_tokens: 128 tokens/s",
        "tokenizer: bpe",
        "git@example.org:team/models.git",
        "latency.p99 <= 20 ms  intent.yaml:13:22",
        "3 passwords were asked for",
        "the URL holds a password: it would end up in plans",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


def test_values_under_telling_names_are_hidden_however_deep():
    told = clean({"a": [{"password": "canary", "user": "aios"}], "token": "", "tokens": "12", "output_tokens": 12.5})
    assert told == {"a": [{"password": "***", "user": "aios"}], "token": "", "tokens": "12", "output_tokens": 12.5}


def test_what_is_told_is_plain_and_bounded():
    nested = []
    for _ in range(100):
        nested = [nested]
    assert clean(float("inf")) == "inf"
    assert "..." in str(clean(nested))
    assert len(redacted("x" * 10**6)) < 20_000


@pytest.mark.parametrize("text", ["a://a:" * 3000, "-" * 16_000, "password" * 2000, "token = " * 2000, "ey" * 8000])
def test_a_text_that_means_harm_takes_no_time(text):
    started = time.process_time()
    redacted(text)
    assert time.process_time() - started < 2.0


@given(
    st.text(alphabet="abcXYZ019_-.~!$*", min_size=6, max_size=40), st.sampled_from(["@db", "@db:5432/x", "@[::1]/y z"])
)
def test_no_password_of_a_url_is_left(secret, rest):
    told = redacted(f"see mysql://user:{secret}{rest}")
    assert f":{secret}@" not in told
    assert "user" in told


def test_a_bug_is_told_without_secrets(here, monkeypatch):
    def broken(_arguments):
        raise ZeroDivisionError("postgresql://me:canary@db/aios does not divide")

    monkeypatch.setattr("aios.cli.app.run", broken)
    ran = here("status", "--state", "postgresql://me:canary@db/aios")
    assert ran.code == 70
    assert "does not divide" in ran.err
    assert "this is a bug in aios" in ran.err
    assert "canary" not in ran.err
