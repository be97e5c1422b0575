"""Runs shown, compared and gone back to; services renamed, protected and taken over: nothing runs, files stand."""

import json
import os
import shutil
import signal

import pytest

DRY = "{precision: fp32, threads: 1, batch: 1, replicas: 1, executor: dryrun}"


@pytest.fixture
def aios(aios, monkeypatch):
    monkeypatch.chdir(aios.place)
    return aios


pytestmark = pytest.mark.usefixtures("fleet")


@pytest.fixture
def apply(aios, asked):
    """Applies one intent: what it is called, and what else it says."""

    def work(extra="", metadata=None, **changes):
        text = asked(pin=DRY, **changes) + extra
        if metadata:
            text = text.replace("metadata: {name: digits}", f"metadata: {{{metadata}}}")
        aios.write("intent.yaml", text)
        return aios("apply", "intent.yaml", "--yes")

    return work


def addresses(aios):
    state = json.loads((aios.place / ".aios" / "state.json").read_text())["state"]
    return {name: item["deployment"]["rate_per_s"] for name, item in state["resources"].items()}


def test_runs_are_listed_shown_compared_and_gone_back_to(aios, apply):
    assert apply(rate="20/s").code == 0
    assert apply(rate="30/s").code == 0
    assert aios("destroy", "--target", "digits", "--yes").code == 0
    listed = aios("history", "--json").json["runs"]
    assert [(run["number"], run["command"]) for run in listed] == [(3, "destroy"), (2, "apply"), (1, "apply")]
    own = aios("history", "digits", "--limit", "2")
    assert "delete" in own.out
    assert "@1" not in own.out
    shown = aios("show", "@2")
    assert shown.code == 0, shown.err
    assert "run @2 apply: complete" in shown.out
    assert "load (requests/s) 20 -> 30" in shown.out
    assert aios("show", "@-2", "--json").json["plan"]["id"] == listed[1]["plan"]
    assert "| `digits` | delete | done |" in aios("show", "@-1", "--markdown").out
    assert "throughput >= 20/s (implied by load) -> throughput >= 30/s" in aios("diff", "@1", "@2").out
    assert "no longer run" in aios("diff", "@2", "@3").out
    assert aios("diff", "@0", "@3", "--json").json["intents"] == []

    saved = aios("rollback", "@1", "-o", "back.json")
    assert saved.code == 0, saved.err
    assert addresses(aios) == {}, "it was only saved"
    assert "the next `aios apply` of intent.yaml goes by what the files say" in saved.err
    assert "back to run @1" in aios("show", "back.json").out
    assert "no difference" not in aios("diff", "@2", "back.json").out
    assert aios("apply", "back.json").code == 0
    assert addresses(aios) == {"digits": 20.0}
    again = aios("apply", "back.json")
    assert again.code == 4
    assert "something was applied since" in again.err
    assert "aios rollback @1" in again.err
    assert aios("rollback", "@2", "--yes").code == 0
    assert addresses(aios) == {"digits": 30.0}
    assert aios("rollback", "@4", "--yes").code == 0, "a rollback is gone back to like any other run"
    assert addresses(aios) == {"digits": 20.0}
    nothing = aios("rollback", "@4", "--yes")
    assert "nothing to do: what stands is what run @4 wanted" in nothing.out
    assert aios("history", "--json", "-n", "1").json["runs"][0]["command"] == "rollback to @4"


@pytest.mark.parametrize(
    ("name", "word"), [("@9", "there is no run @9"), ("@x", "names no run"), ("@", "names no run"), ("@-7", "no run")]
)
def test_unknown_runs_are_told(aios, name, word):
    assert word in aios("show", name).err
    refused = aios("rollback", name, "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert word in refused.err


def test_what_can_no_longer_stand_is_refused_and_said_which(aios, apply, digits):
    shutil.copy(digits / "models" / "digits-s.onnx", aios.place / "m.onnx")
    assert apply(model="m.onnx", rate="20/s").code == 0
    assert apply(model="m.onnx", rate="30/s").code == 0
    saved = aios("rollback", "@1", "-o", "back.json")
    assert saved.code == 0, saved.err
    state = (aios.place / ".aios" / "state.json").read_bytes()

    def refused(word, code, *command):
        ran = aios(*command)
        assert ran.code == code, ran.err
        assert word in ran.err
        assert (aios.place / ".aios" / "state.json").read_bytes() == state

    both = (("rollback", "@1", "--yes"), ("apply", "back.json"))
    shutil.copy(digits / "models" / "digits-m.onnx", aios.place / "m.onnx")
    for command in both:
        refused("m.onnx is not what it was then", 1, *command)
        refused("git checkout REVISION -- m.onnx", 1, *command)
    (aios.place / "m.onnx").unlink()
    refused("there is no model file m.onnx", 1, *both[0])
    shutil.copy(digits / "models" / "digits-s.onnx", aios.place / "m.onnx")
    fleet = (aios.place / "fleet.yaml").read_text()
    aios.write("fleet.yaml", fleet.replace("name: local", "name: other"))
    refused("it stood on local, which the fleet no longer has", 1, *both[0])
    refused("the fleet is not the one", 4, *both[1])
    aios.write("fleet.yaml", fleet)
    document = json.loads((aios.place / "back.json").read_text())
    for change in (
        lambda plan: plan["actions"][0]["after"].update(model_path="../other.onnx"),
        lambda plan: plan["actions"].clear(),
        lambda plan: plan["claims"].clear(),
        lambda plan: plan["back_to"].update(run=2),
    ):
        forged = json.loads(json.dumps(document))
        change(forged)
        aios.write("forged.json", json.dumps(resealed(forged), indent=2))
        ran = aios("apply", "forged.json")
        assert ran.code in (1, 4), ran.out
        assert (aios.place / ".aios" / "state.json").read_bytes() == state
    assert aios("apply", "back.json").code == 0
    assert addresses(aios) == {"digits": 20.0}


def resealed(document):
    """A plan with the id that its content has, as anybody can compute it."""
    from aios.records.base import digest_of

    return document | {"id": digest_of({name: value for name, value in document.items() if name != "id"})}


def test_a_renamed_intent_keeps_its_service(aios, apply):
    assert apply().code == 0
    renamed = apply(metadata="name: numbers, moved: {from: digits}")
    assert renamed.code == 0, renamed.err
    assert "moved digits -> numbers" in renamed.out
    assert [path.name for path in (aios.place / ".aios" / "run").iterdir()] == ["numbers"]
    again = apply(metadata="name: numbers, moved: {from: digits}")
    assert "nothing changes" in again.out
    assert "nothing changes" in apply(metadata="name: numbers").out, "taking it away again changes nothing"
    assert aios("rollback", "@1", "--yes").code == 0
    assert list(addresses(aios)) == ["digits"], "a rollback gives the old name back"


@pytest.mark.parametrize("line", range(1, 7))
def test_a_rollback_that_is_killed_is_gone_on_with(aios, apply, line):
    apply(rate="20/s")
    apply(rate="30/s", metadata="name: numbers, moved: {from: digits}")
    assert aios("rollback", "@1", "-o", "back.json").code == 0
    child = os.fork()
    if child == 0:
        from aios.state import RunJournal

        real, left = RunJournal.record, [line]

        def record(self, *event, **facts):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            real(self, *event, **facts)

        RunJournal.record = record
        try:
            aios("apply", "back.json")
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "there is no such line"
    again = aios("apply", "back.json")
    assert again.code == 0, again.err
    assert addresses(aios) == {"digits": 20.0}
    assert [path.name for path in (aios.place / ".aios" / "run").iterdir()] == ["digits"]
    runs = aios("history", "--json").json["runs"]
    assert [run["outcome"] for run in runs[:2]] == ["complete", "interrupted"]
    assert aios("plan", "intent.yaml", "--json").json["actions"][0]["reason"].startswith("moved digits -> numbers")


def test_a_protected_service_is_neither_deleted_nor_replaced(aios, apply):
    protected = "  lifecycle: {prevent_destroy: true}\n"
    assert apply().code == 0
    assert apply(protected).code == 0
    assert apply(protected, rate="30/s").code == 0, "a change in place stays allowed"
    assert aios("destroy", "--yes").code == 1
    replaced = apply(protected, rate="30/s", serve="{port: 18992}")
    assert replaced.code == 1
    assert "intent.yaml:" in replaced.err
    assert "forbids that" in replaced.err
    gone = apply(metadata="name: other")
    assert gone.code == 1
    assert "would delete digits, which is not to be destroyed" in gone.err
    assert aios("rollback", "@1", "--yes").code == 0
    assert aios("destroy", "digits", "--yes").code == 1, "going back lifts nothing"
    assert apply("  lifecycle: {prevent_destroy: false}\n").code == 0
    assert aios("destroy", "--yes").code == 0


def test_what_was_lost_is_taken_over(aios, apply):
    assert apply().code == 0
    home = aios.place / ".aios"
    (home / "state.json").unlink()
    (home / "state.json.backup").unlink()
    refused = forged(aios, home / "run" / "digits")
    assert refused.code == 1
    assert "does not hold what its mark says" in refused.err
    done = aios("adopt", "digits", "intent.yaml", "--executor", "dryrun", "--yes")
    assert done.code == 0, done.err
    assert "next plan keep digits" in done.out
    again = aios("adopt", "digits", "--executor", "dryrun", "--yes")
    assert again.code == 4
    assert "looked after already" in again.err
    folder = home / "run" / "digits"
    elsewhere = aios("adopt", "d", "--folder", folder, "--executor", "dryrun", "--yes", "--state", "s.json")
    assert elsewhere.code == 4
    assert "state.json has it" in elsewhere.err
    assert aios("plan", "intent.yaml", "--detailed-exitcode").code == 0
    assert "adopt" in aios("history").out


def forged(aios, folder):
    """What adopt says of files that do not have the digest that their mark bears."""
    kept = (folder / "digits.json").read_text()
    (folder / "digits.json").write_text(kept.replace("fp32", "forged"))
    ran = aios("adopt", "digits", "--executor", "dryrun", "--yes")
    (folder / "digits.json").write_text(kept)
    return ran


def test_killed_after_the_files_and_before_the_state_it_is_adopted_by_the_next(aios, apply, monkeypatch):
    from aios.spi.executor import Hint
    from aios.workflow.adopting import adopt, to_adopt
    from aios.workflow.setting import Setting
    from aios_plugins.dryrun import Executor

    assert apply().code == 0
    (aios.place / ".aios").rename(aios.place / "before")
    (aios.place / "before" / "state.json").unlink()
    setting, hint = Setting(), Hint(folder="before/run/digits")
    seen = to_adopt(setting, "numbers", "dryrun", hint)
    child = os.fork()
    if child == 0:
        real = Executor.take_over

        def dies(self, *arguments):
            real(self, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(Executor, "take_over", dies)
        try:
            adopt(setting, seen, hint)
        finally:
            os._exit(99)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert aios("status").out == "nothing is applied\n"
    done = aios("adopt", "numbers", "--executor", "dryrun", "--yes")
    assert done.code == 0, done.err
    outcomes = [run["outcome"] for run in aios("history", "--json").json["runs"]]
    assert outcomes == ["complete", "interrupted"]
    assert list(addresses(aios)) == ["numbers"]


def test_nothing_is_taken_over_that_cannot_be_proved(aios):
    for arguments, word in (
        (["--endpoint", "http://127.0.0.1:1"], "no service of aios answers"),
        (["--endpoint", "nonsense"], "names no port"),
        (["--endpoint", "http://127.0.0.1:99999999"], "names no port"),
        (["--folder", "/etc"], "is not the folder of a service"),
        (["--handle", '{"runtime": "/etc", "token": "x"}'], "is not the folder of a service"),
        (["--handle", "[]"], "no JSON object"),
        (["--handle", "{}", "--folder", "."], "give one"),
        ([], "is not the folder of a service"),
    ):
        ran = aios("adopt", "digits", *arguments, "--yes")
        assert ran.code in (1, 64), ran.err
        assert word in ran.err
    assert "is no name of a service" in aios("adopt", "../x", "--yes").err
    assert aios("adopt", "digits").code == 64
    assert "nothing is applied" in aios("status").out
