"""Saved plans that can be trusted: stale, expired, signed, encrypted, made up by a stranger; and where secrets go."""

import base64
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from refusals import refused, untouched

from aios.cli.differing import diff
from aios.records.base import digest_of
from aios.records.errors import InputError, UsageError
from aios.workflow.planfiles import Keeping, Trust, make_keys, read_plan_file, see_keeping
from aios.workflow.setting import Setting

pytestmark = pytest.mark.usefixtures("fleet")

DRY = "{executor: dryrun}"
FORMATS = sorted((Path(__file__).resolve().parents[1] / "plan" / "formats").glob("*.json"))


@pytest.fixture
def planned(aios, asked):
    """Makes ``plan.json`` for an intent that only writes files; returns what the command said."""

    def plan(*options, **environment):
        aios.write("intent.yaml", asked(pin=DRY))
        ran = aios("plan", "intent.yaml", "-o", "plan.json", *options, **environment)
        assert ran.code == 0, ran.err
        return ran

    return plan


def test_a_stale_plan_says_what_changed_and_where(aios, planned, asked):
    planned()
    aios.write("intent.yaml", asked(pin=DRY, p99="4 s", rate="30/s"))
    ran = refused(aios("apply", "plan.json"), 4, "latency.p99 of digits was <= 5 s, now <= 4 s (intent.yaml:10:20)")
    assert "load.rate_per_s of digits was 20, now 30 (intent.yaml:8:16)" in ran.err
    aios.write("intent.yaml", asked(pin=DRY))
    fleet = (aios.place / "fleet.yaml").read_text()
    more = fleet.replace("  devices:\n", "    - {name: more, cpu: 2}\n  devices:\n", 1)
    aios.write("fleet.yaml", more.replace("tdp: 10 W", "tdp: 12 W"))
    ran = refused(aios("apply", "plan.json"), 4, "node more is new", "planned with sha256:", ", now sha256:")
    assert "tdp_w of device type two-cores was 10 W, now 12 W" in ran.err
    aios.write("fleet.yaml", fleet)
    aios.write("other.yaml", asked(name="other", pin=DRY))
    assert aios("apply", "other.yaml", "--yes").code == 0
    ran = refused(
        aios("apply", "plan.json"), 4, "other was created by plan sha256:", "serial 0 of the state, now serial"
    )
    assert aios("apply", "plan.json").code == 4


def test_a_model_with_another_content_is_named(aios, asked, digits):
    shutil.copy(digits / "models" / "digits-s.onnx", aios.place / "mine.onnx")
    aios.write("intent.yaml", asked(pin=DRY, model="./mine.onnx"))
    assert aios("plan", "intent.yaml", "-o", "plan.json").code == 0
    shutil.copy(digits / "models" / "digits-m.onnx", aios.place / "mine.onnx")
    refused(aios("apply", "plan.json"), 4, "model mine.onnx has another content (sha256:")


def test_a_plan_expires(aios, planned):
    planned("--expires", "1 s")
    until = json.loads((aios.place / "plan.json").read_text())["valid"]["expires_at"]
    time.sleep(1.1)  # plans state whole seconds
    refused(aios("apply", "plan.json"), 4, "the plan has expired", f"until {until}", "now", "plan again")
    untouched(aios)
    assert (
        f"expires {planned('--expires', '2099-01-01T10:00+02:00') and '2099-01-01T08:00:00Z'}"
        in planned("--expires", "2099-01-01T10:00+02:00").out
    )
    assert aios("apply", "plan.json").code == 0


@pytest.mark.parametrize("text", ["soon", "-1 h", "0 s", "2020-01-01T00:00Z", "9e99 d", "1e9 weeks", "9999-12-31", ""])
def test_an_expiry_that_is_none_is_refused_before_anything_is_planned(text):
    with pytest.raises(UsageError, match=r"no expiry|expires at"):
        see_keeping(Keeping(expires=text), "2027-03-01T10:00:00Z", saved=True)


def test_the_same_inputs_give_the_same_bytes_unless_a_time_is_asked_for(aios, planned):
    planned()
    first = (aios.place / "plan.json").read_bytes()
    planned()
    assert (aios.place / "plan.json").read_bytes() == first
    assert b"made_at" not in first


def test_a_signed_plan_is_applied_where_its_key_is_demanded(aios, planned):
    made = aios("key", "generate", "deploy.pem", "--json").json
    assert (aios.place / "deploy.pem").stat().st_mode & 0o777 == 0o600
    assert aios("key", "id", "deploy.pem.pub").out == f"{made['key_id']}\n"
    assert f"key {made['key_id']}" in planned("--sign-key", "deploy.pem").out
    assert aios("apply", "plan.json", AIOS_VERIFY_KEY="deploy.pem.pub").code == 0


def read(aios, trust, name="plan.json"):
    """Read a plan as every command does; return what is refused."""
    with pytest.raises(InputError) as caught:
        read_plan_file(str(aios.place / name), trust)
    found = caught.value.diagnostics[0]
    return f"{found.summary} {found.reason} {found.remedy}"


def test_what_is_not_signed_by_the_demanded_key_is_refused(aios, planned):
    one, other = (make_keys(aios.place / name, None).id for name in ("deploy.pem", "other.pem"))
    demanded = Trust(verify_key=str(aios.place / "deploy.pem.pub"))
    planned("--sign-key", "other.pem")
    told = read(aios, demanded)
    assert "signed by another key" in told
    assert one in told
    assert other in told
    document = json.loads((aios.place / "plan.json").read_text())
    document["signature"]["key_id"] = one
    rewrite(aios, document)
    assert "changed after it was signed" in read(aios, demanded)
    del document["signature"]
    rewrite(aios, document)
    assert "is not signed" in read(aios, demanded)
    refused(aios("apply", "plan.json", "--verify-key", "deploy.pem.pub"), 1, "is not signed", one)
    refused(aios("apply", "intent.yaml", "--yes", "--verify-key", "deploy.pem.pub"), 64, "a signed plan is demanded")
    assert "cannot be read" in read(aios, Trust(verify_key="none.pub"))
    assert "holds no public key" in read(aios, Trust(verify_key=str(aios.place / "deploy.pem")))
    untouched(aios)


def kept(keeping, **environment):
    """Return why keys are refused before anything is planned."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(InputError) as caught:
            see_keeping(keeping, "2027-03-01T10:00:00Z", saved=True)
    found = caught.value.diagnostics[0]
    return f"{found.summary} {found.reason} {found.remedy} {found.command}"


def test_keys_are_handled_with_care(aios):
    assert aios("key", "generate", "k.pem", "--passphrase", "env:PP", PP="a long passphrase").code == 0
    path = aios.place / "k.pem"
    key, content = str(path), path.read_bytes()
    refused(aios("key", "generate", "k.pem"), 1, "k.pem and k.pem.pub is there already")
    refused(aios("key", "generate", "new.pem", "--passphrase", "hunter2"), 1, "was given itself")
    assert path.read_bytes() == content
    opened = Keeping(sign_key=key, sign_passphrase="env:PP")
    assert "is protected by a passphrase" in kept(Keeping(sign_key=key))
    assert "does not open" in kept(opened, PP="another passphrase")
    assert "PP is not set" in kept(opened)
    path.chmod(0o644)
    told = kept(opened, PP="a long passphrase")
    assert "may read" in told
    assert "0644" in told
    assert f"chmod o-rwx -- {key}" in told
    assert "was given itself" in kept(Keeping(sign_key=content.decode()))
    assert "was given itself" in kept(Keeping(encrypt_key="correct horse battery staple"))
    aios.write("intent.yaml", "")
    refused(aios("plan", "intent.yaml", "--sign-key", "k.pem"), 1, "everybody on this machine may read k.pem")


@pytest.mark.parametrize("secret", ["0f" * 32, "correct horse battery staple"])
def test_an_encrypted_plan_is_read_with_its_secret_alone(aios, planned, monkeypatch, secret):
    planned("--encrypt-key", "env:KEY", KEY=secret)
    text = (aios.place / "plan.json").read_text()
    assert "digits" not in text
    monkeypatch.setenv("KEY", secret)
    monkeypatch.setenv("OTHER", "another secret altogether")
    monkeypatch.delenv("AIOS_DECRYPT_KEY", raising=False)
    assert "the plan" in read(aios, Trust())
    assert "--decrypt-key env:NAME" in read(aios, None)
    assert "this secret does not open the plan" in read(aios, Trust(decrypt_key="env:OTHER"))
    aios.write("torn.json", text.replace('"ciphertext": "', '"ciphertext": "AAAA'))
    assert "was changed after it was made, or is damaged" in read(aios, Trust(decrypt_key="env:KEY"), "torn.json")
    refused(aios("apply", "plan.json"), 1, "the plan plan.json is encrypted", "--decrypt-key env:NAME")
    untouched(aios)
    shutil.move(aios.place / "plan.json", aios.place / "sealed")
    assert aios("apply", "sealed", "--decrypt-key", "env:KEY").code == 0


def test_nothing_is_encrypted_that_is_not_saved(aios, asked):
    aios.write("intent.yaml", asked(pin=DRY))
    refused(aios("plan", "intent.yaml", "--encrypt-key", "env:KEY", KEY="0f" * 32), 64, "none is saved")


def test_without_the_library_everything_else_works(aios, planned):
    planned("--encrypt-key", "env:KEY", KEY="0f" * 32)
    aios.write("none/cryptography/__init__.py", "raise ImportError")
    without = {"PYTHONPATH": os.pathsep.join([str(aios.place / "none"), os.environ.get("PYTHONPATH", "")])}
    for command in (
        ("diff", "plan.json", "plan.json"),
        ("key", "generate", "k.pem"),
        ("plan", "intent.yaml", "-o", "x.json", "--encrypt-key", "env:KEY"),
    ):
        ran = aios.apart(*command, **without, KEY="0f" * 32, AIOS_DECRYPT_KEY="env:KEY")
        refused(ran, 6, "need `cryptography`, which is not installed", "pip install 'aios-planner[signing]'")
    assert aios.apart("plan", "intent.yaml", "-o", "x.json", **without).code == 0
    assert not (aios.place / "k.pem").exists()


def rewrite(aios, document):
    """Save a changed plan with the id that it has then: whoever makes one up can do so."""
    content = {name: value for name, value in document.items() if name != "id"}
    aios.write("plan.json", json.dumps({**document, "id": digest_of(content)}))


def other_address(plan):
    plan["actions"][0]["address"] = plan["actions"][0]["after"]["intent"] = "miner"


def other_file(plan):
    plan["actions"][0]["after"]["model_path"] = "/etc/passwd"


def other_host(plan):
    plan["actions"][0]["after"]["serve"]["host"] = "0.0.0.0"


def other_executor(plan):
    plan["actions"][0]["executor"] = plan["actions"][0]["after"]["executor"] = "onnxruntime"


def other_name(plan):
    plan["actions"][0]["after"]["intent"] = "digits\x1b[2J"


def other_machine(plan):
    plan["actions"][0]["after"]["addresses"] = {"local": "10.0.0.1"}


def more_replicas(plan):
    plan["actions"][0]["after"]["replicas"] = 1000


def twice(plan):
    plan["actions"].append(plan["actions"][0])


def another_service(plan):
    action = json.loads(json.dumps(plan["actions"][0]).replace('"digits"', '"miner"'))
    plan["actions"].append(action)


def a_delete(plan):
    action = dict(plan["actions"][0], action="delete", address="prod", before=plan["actions"][0]["after"], after=None)
    plan["actions"].append(action)


def evaluated_elsewhere(plan):
    plan["evaluate"]["digits"] = ["/etc/shadow"]


CHANGES = (
    other_address,
    other_file,
    other_host,
    other_executor,
    other_name,
    other_machine,
    more_replicas,
    twice,
    another_service,
    a_delete,
    evaluated_elsewhere,
)


def test_a_plan_made_up_by_a_stranger_does_nothing_that_was_not_decided(aios, planned):
    planned()
    sound = (aios.place / "plan.json").read_text()
    for change in CHANGES:
        document = json.loads(sound)
        change(document)
        rewrite(aios, document)
        ran = refused(aios("apply", "plan.json"), 1, "the plan would do something else than it decided")
        assert "\x1b" not in ran.err, change.__name__
    untouched(aios)
    assert not (aios.place / ".aios" / "run").exists()


@pytest.mark.parametrize("path", FORMATS, ids=lambda path: path.stem)
def test_plans_of_every_released_format_are_shown(path, capsys):
    assert diff(Setting(), str(path), str(FORMATS[-1]), detailed=False, every=True, json=False, json_into=None) == 0
    assert capsys.readouterr().out


def test_no_secret_enters_a_plan_a_state_or_a_log(aios, asked):
    secrets = {"PASSPHRASE": "canary-passphrase-17b1", "SEAL": "canary-sealing-29c2", "OTHER": "canary-other-31d3"}
    aios.write("secret.txt", secrets["SEAL"]).chmod(0o600)
    said = []

    def run(*arguments):
        ran = aios(*arguments, **secrets, AIOS_DECRYPT_KEY="file:secret.txt")
        assert "Traceback" not in ran.err
        said.append(ran.out + ran.err)
        return ran.code

    aios.write("intent.yaml", asked())
    seal = ("--encrypt-key", "file:secret.txt")
    sign = ("--sign-key", "k.pem", "--sign-passphrase", "env:PASSPHRASE")
    assert run("key", "generate", "k.pem", "--passphrase", "env:PASSPHRASE") == 0
    assert run("plan", "intent.yaml", "-o", "open.json", *sign, "--json-into", "view.json") == 0
    assert run("plan", "intent.yaml", "-o", "plan.json", *sign, *seal, "--json") == 0
    assert run("diff", "open.json", "plan.json") == 0
    assert run("apply", "plan.json", "--verify-key", "k.pem.pub", "--json") == 0
    assert run("status", "--json") == 0
    assert run("plan", "intent.yaml", "-o", "x.json", "--sign-key", "k.pem", "--sign-passphrase", "env:OTHER") == 1
    assert run("plan", "intent.yaml", "-o", "x.json", "--encrypt-key", "env:NONE") == 1
    assert run("plan", "intent.yaml", "-o", "x.json", "--encrypt-key", "file:k.pem") in (0, 1)
    assert run("apply", "plan.json", "--decrypt-key", "env:OTHER") == 1
    logs = b"".join(path.read_bytes() for path in aios.place.rglob("*.log"))
    assert run("destroy", "--yes") == 0
    key = base64.b64decode(b"".join((aios.place / "k.pem").read_bytes().splitlines()[1:-1]))
    wanted = [value.encode() for value in secrets.values()]
    wanted += [form(value) for value in wanted for form in (base64.b64encode, lambda text: text.hex().encode())]
    wanted.append(base64.b64encode(key)[:40])
    files = [path for path in aios.place.rglob("*") if path.is_file() and path.name not in ("secret.txt", "k.pem")]
    assert not any(value in logs for value in wanted)
    for path in files:
        content = path.read_bytes()
        assert not any(value in content for value in wanted), path
    told = "".join(said).encode()
    assert not any(value in told for value in wanted)


def test_what_looks_like_a_secret_in_a_file_is_refused_and_not_repeated(aios, asked):
    leaked = "hunter2hunter2"
    head, rest = asked(pin=DRY).split("spec:", 1)
    name = "pass" + "word"
    aios.write("intent.yaml", head.replace("}", f", labels: {{{name}: {leaked}}}}}", 1) + "spec:" + rest)
    ran = aios("plan", "intent.yaml", "-o", "plan.json", "--json")
    assert ran.code == 1
    assert "looks like a password" in ran.err
    assert "intent.yaml:3:" in ran.err
    assert leaked not in ran.err + ran.out
    assert json.loads(ran.out)["exit_code"] == 1
    wrong = asked(pin=DRY).replace("spec:", f"secret_thing:\n  {name}: {leaked}\nspec:", 1)
    ran = aios("validate", "-", "--json", stdin=wrong)
    assert ran.code == 1
    assert leaked not in ran.err + ran.out
