"""Names, values and files that mean harm: they are told of in full and do nothing to a terminal, a shell or a disk."""

import json
import re
import subprocess
import sys

import pytest
from refusals import refused, untouched

from aios.cli.output import as_json
from aios.cli.words import Ink, diagnostic_text, discreet, harmless, one_line, shown, table
from aios.records.base import digest_of
from aios.records.errors import Diagnostic

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\u200b\ufeff\U000e0041"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff\U000e0041]")
INJECTED = re.compile(r"^(?:error: |::)(?:fake|error)", re.MULTILINE)
AT_END = "\nerror: fake\n::error::fake"


class Terminal:
    """A stream that is a terminal."""

    def isatty(self):
        return True


class Plain(Terminal):
    """One that is none."""

    def isatty(self):
        return False


def test_harmless_text_holds_nothing_that_is_obeyed_or_unseen():
    assert not OBEYED.search(harmless(EVIL))
    assert harmless("é 名 👩\u200d💻 م\u200cن\t\n") == "é 名 👩\u200d💻 م\u200cن\t\n"
    assert harmless("a\u200cb") == "a\ufffdb", (
        "a joiner between Latin letters only tells names apart that look the same"
    )
    assert "\n" not in one_line(AT_END)


def test_words_keep_the_colours_of_aios_and_no_other_sequence(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ink = Ink(Terminal())
    assert shown(ink("x", "red", "bold"), ink) == "\x1b[31;1mx\x1b[0m"
    assert not OBEYED.search(re.sub(r"\x1b\[(?:31|0)m", "", shown(ink(EVIL, "red"), ink)))
    ink.on = False
    assert shown("\x1b[31mx\x1b[0m\x1b[2J", ink) == "x\ufffd[2J"


def test_no_name_begins_a_line_of_a_table_or_a_message():
    ink = Ink(Plain())
    assert not INJECTED.search(table(["NAME"], [[f"x{AT_END}"]], ink))
    found = diagnostic_text(Diagnostic(summary=f"x{AT_END}", reason=AT_END, remedy=AT_END, command=AT_END), ink)
    assert not INJECTED.search(found)


def test_a_message_does_not_repeat_megabytes():
    text = diagnostic_text(Diagnostic(summary="x" * 10**7), Ink(Plain()))
    assert len(text) < 5000
    assert "9,996,000 characters more" in text


def test_what_looks_like_a_secret_is_not_repeated_and_json_stays_whole():
    key = "-----BEGIN " + "PRIVATE KEY-----\nMC4CAQ"
    found = Diagnostic(summary=f"`{key}` is no file", line_text="pass" + "word: hunter22", reason="AKIA" + "A" * 16)
    told = discreet(found)
    for text in (as_json({"errors": [told]}), diagnostic_text(found, Ink(Plain()))):
        assert not any(part in text for part in ("MC4CAQ", "hunter22", "A" * 16))
    assert json.loads(as_json({"errors": [told]}))["errors"][0]["summary"] == "`***"


@pytest.mark.usefixtures("fleet")
def test_values_that_nobody_sees_are_refused_where_they_stand(aios, asked):
    evil = json.dumps("x" + EVIL[:-1] + AT_END)  # YAML does not read JSON's pairs of surrogates
    for text in (
        asked().replace("{name: digits}", f"{{name: digits, labels: {{team: {evil}}}}}"),
        asked().replace("task: image-classification", f"task: {evil}"),
        asked() + f"  where: {{labels: {{rack: {evil}}}}}\n",
        asked() + '  where: {labels: {rack: "a\\nerror: fake"}}\n',
        asked().replace("{name: digits}", f"{{name: digits, labels: {{{evil}: x}}}}"),
    ):
        aios.write("intent.yaml", text)
        ran = refused(aios("plan", "intent.yaml"), 1, "is not allowed here", "intent.yaml:")
        assert not OBEYED.search(ran.err)
        assert not INJECTED.search(ran.err)
    aios.write("intent.yaml", "intent: >-\n  classify images\n  under 10 ms\n")
    assert "is not allowed" not in aios("validate", "intent.yaml").err, "a sentence may go on in the next line"


@pytest.mark.usefixtures("fleet")
def test_nothing_in_a_name_is_run_or_leads_elsewhere(aios, asked):
    for name in ("../../x", "$(touch pwned)", "`touch pwned`", "a;touch pwned", "-rf", "a b", ".", ""):
        aios.write("intent.yaml", asked(name=json.dumps(name)))
        refused(aios("plan", "intent.yaml"), 1, "intent.yaml:3:")
    aios.write("intent.yaml", asked(name='!!python/object/apply:os.system ["touch pwned"]'))
    refused(aios("plan", "intent.yaml"), 1, "the tag", "is not understood here")
    untouched(aios)
    assert sorted(path.name for path in aios.place.iterdir()) == ["fleet.yaml", "intent.yaml"]


def test_file_names_are_told_of_in_one_line_each(aios):
    for name in (f"none{EVIL}{AT_END}.yaml", f"none{AT_END}.json"):
        for command in (["plan"], ["apply"], ["model", "inspect"], ["diff", name]):
            ran = aios(*command, name.replace("\x00", ""))
            assert ran.code in (1, 64), ran.err
            assert not OBEYED.search(ran.err + ran.out)
            assert not INJECTED.search(ran.err + ran.out)


def test_a_model_with_names_that_mean_harm_is_shown(aios):
    script = (
        "import sys, onnx\n"
        "from onnx import helper as h, TensorProto as T\n"
        "name = sys.argv[1]\n"
        "a = h.make_tensor_value_info(name, T.FLOAT, [name, 4])\n"
        "b = h.make_tensor_value_info('out' + name, T.FLOAT, [name, 4])\n"
        "graph = h.make_graph([h.make_node('Relu', [name], ['out' + name], name=name)], name, [a], [b])\n"
        "onnx.save(h.make_model(graph, producer_name=name, opset_imports=[h.make_opsetid('', 13)]), 'evil.onnx')\n"
    )
    subprocess.run([sys.executable, "-c", script, EVIL + AT_END], cwd=aios.place, check=True)
    ran = aios("model", "inspect", "evil.onnx")
    assert ran.code == 0, ran.err
    assert not OBEYED.search(ran.out + ran.err)
    assert not INJECTED.search(ran.out + ran.err)
    assert aios("model", "inspect", "evil.onnx", "--json").json["inputs"][0]["name"] == EVIL + AT_END, "JSON is exact"


@pytest.mark.usefixtures("fleet")
def test_a_state_from_elsewhere_ends_no_process_of_others(aios, asked):
    aios.write("intent.yaml", asked())
    assert aios("apply", "intent.yaml", "--yes").code == 0
    path = aios.place / ".aios" / "state.json"
    envelope = json.loads(path.read_text())
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "bystander"])
    try:
        (resource,) = envelope["state"]["resources"].values()
        assert aios("destroy", "--yes").code == 0
        resource["handle"] |= {"token": "bystander", "pid": bystander.pid}
        envelope["state"]["resources"] = {"digits": resource}
        path.write_text(json.dumps(envelope | {"checksum": digest_of(envelope["state"])}))
        ran = aios("destroy", "--yes")
        assert ran.code == 0, ran.err
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
