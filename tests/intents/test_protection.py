"""What an intent requires of its model's files: how it is written, and who can keep it."""

from __future__ import annotations

import pytest

from aios.candidates.refusals import Refusals
from aios.candidates.rejections import Rejections
from aios.cost.protecting import protection_notes
from aios.intents import compile_intents
from aios.records.candidate import Candidate
from aios.records.document import parse
from aios.records.errors import InputError
from aios.records.fleet import DeviceType
from aios.records.protection import Protection

HEAD = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: digits}
spec:
  task: image-classification
  model: ./m.onnx
"""
PIPELINE = """\
apiVersion: aios/v1
kind: Intent
metadata: {name: both}
spec:
  task: ocr
  pipeline: [{name: one, model: ./a.onnx}, {name: two, model: ./b.onnx}]
"""


def compiled(text, head=HEAD, file="sub/in.yaml"):
    return [intent.protection for intent in compile_intents(parse((head + text).encode(), file)).intents]


def refused(text):
    with pytest.raises(InputError) as caught:
        compiled(text)
    return [(item.summary, str(item.where), item.remedy) for item in caught.value.diagnostics]


def test_without_anything_required_there_is_no_protection():
    assert compiled("") == [None]


def test_keys_are_references_and_paths_are_relative_to_the_intent():
    written = "  requires: {encrypted: true, signed: true}\n  security: {key: file:./model.key, verify_key: ./k.pub}\n"
    assert compiled(written) == [
        Protection(encrypted=True, signed=True, key="file:sub/model.key", verify_key="sub/k.pub")
    ]
    assert compiled("  requires: {encrypted: true}\n  security: {key: env:MODEL_KEY}\n") == [
        Protection(encrypted=True, key="env:MODEL_KEY")
    ]


def test_what_is_attested_is_signed():
    [found] = compiled("  requires: {attested: true}\n  security: {verify_key: ./k.pub}\n")
    assert found is not None
    assert found.names == ("signed", "attested")


def test_a_pipeline_requires_it_of_every_stage():
    written = "  requires: {encrypted: true}\n  security: {key: env:MODEL_KEY}\n"
    assert compiled(written, PIPELINE) == [Protection(encrypted=True, key="env:MODEL_KEY")] * 2


@pytest.mark.parametrize(
    ("text", "summary", "where"),
    [
        ("  requires: {encrypted: true}\n", "`encrypted` is required, and `security` names no `key`", "7:25"),
        ("  requires: {signed: true}\n", "`signed` is required, and `security` names no `verify_key`", "7:22"),
        ("  security: {key: env:K}\n", "`key` is given, and nothing that it is for is required", "7:19"),
    ],
)
def test_what_is_required_and_its_keys_belong_together(text, summary, where):
    [(found, place, remedy)] = refused(text)
    assert found == summary
    assert place == f"sub/in.yaml:{where}"
    assert remedy


def test_a_key_itself_is_refused_and_not_repeated():
    secret = "00112233445566778899aabbccddeeff" * 2
    [(summary, _, remedy)] = refused(f'  requires: {{encrypted: true}}\n  security: {{key: "{secret}"}}\n')
    assert summary == "`spec.security.key`: this is no reference to a key"
    assert secret not in f"{summary}{remedy}"


class Keeps:
    """An executor that takes everything; the only one of these that says what it protects."""

    name = "keeps"
    protects = frozenset({"encrypted"})

    def can(self, *_asked):
        return None

    def programs(self):
        return {}


class Careless:
    """An executor that takes everything and knows of no protection."""

    name = "careless"

    def can(self, *_asked):
        return None


@pytest.mark.parametrize(
    ("executor", "protection", "lacking"),
    [
        (Keeps(), ("encrypted",), None),
        (Keeps(), ("encrypted", "signed"), "not signed"),
        (Careless(), ("encrypted",), "not encrypted"),
        (Careless(), (), None),
    ],
)
def test_who_does_not_keep_it_is_left_out_and_says_so(executor, protection, lacking):
    candidate = Candidate(
        id="c", intent="digits", model="m", model_digest="d", device="cpu", nodes=(), executor="e", precision="fp32",
        protection=protection,
    )  # fmt: skip
    device = DeviceType(name="cpu", kind="cpu")
    refusals = Refusals({"e": executor})
    assert refusals.accepts(candidate, device, None) is (lacking is None)
    rejections = Rejections(compile_intents(parse(HEAD.encode(), "in.yaml")).intents[0])
    refusals.tell(rejections)
    assert [lacking in row.reason for row in rejections.rows()] == ([] if lacking is None else [True])


def test_what_it_costs_is_bounded_and_nothing_where_nothing_is_required():
    assert protection_notes((), 1e9) == ()
    said, held = protection_notes(("encrypted",), 100e6)
    # 100 MB at 4 GB/s; twice that at 0.4 GB/s.
    assert "adds 25 ms to 500 ms to a start" in said
    assert "nothing to a request" in said
    assert "191 MiB of plain weights" in held
