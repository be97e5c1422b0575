"""The files of pipelines that are shipped: schemas of their systems, scripts that can be parsed, names that exist."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from intents_in_git import FLEET, INTENT, WHO

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "examples" / "gitops"


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("github-actions.yml", "vendor.github-workflows"),
        ("github-render.yml", "vendor.github-workflows"),
        ("gitlab-ci.yml", "vendor.gitlab-ci"),
    ],
)
def test_a_pipeline_keeps_the_schema_of_its_system(name, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(SHIPPED / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def scripts_of(document):
    """Yield every shell script in a pipeline."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "run" and isinstance(value, str):
                yield value
            elif key == "script":
                yield "\n".join(value)
            else:
                yield from scripts_of(value)
    elif isinstance(document, list):
        for item in document:
            yield from scripts_of(item)


def test_every_script_of_a_pipeline_can_be_parsed_and_calls_what_there_is():
    known = {"plan", "comment", "apply", "drift", "render", "publish"}
    found = []
    for path in sorted(SHIPPED.glob("*.yml")):
        for script in scripts_of(yaml.safe_load(path.read_text())):
            done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{path.name}: {done.stderr}"
            found += [
                line.partition("ci/run.sh ")[2].split()[0].strip(";")
                for line in script.splitlines()
                if "ci/run.sh " in line
            ]
    assert set(found) <= known
    assert set(found) >= {"plan", "comment", "apply", "drift", "publish"}
    usage = subprocess.run(["bash", str(SHIPPED / "run.sh")], capture_output=True, text=True, check=False)
    assert usage.returncode == 64
    assert all(f"run.sh {name}" in usage.stderr for name in known)


def test_the_files_of_argo_cd_and_flux_name_what_there_is():
    plugin = yaml.safe_load((SHIPPED / "argocd" / "plugin.yaml").read_text())
    assert (plugin["apiVersion"], plugin["kind"]) == ("argoproj.io/v1alpha1", "ConfigManagementPlugin")
    assert plugin["spec"]["generate"]["command"][1].endswith("/configmaps.py")
    application = yaml.safe_load((SHIPPED / "argocd" / "application.yaml").read_text())
    name = f"{plugin['metadata']['name']}-{plugin['spec']['version']}"
    assert application["spec"]["source"]["plugin"]["name"] == name
    source, kustomization = yaml.safe_load_all((SHIPPED / "flux" / "rendered.yaml").read_text())
    assert source["kind"] == kustomization["spec"]["sourceRef"]["kind"] == "GitRepository"
    assert source["metadata"]["name"] == kustomization["spec"]["sourceRef"]["name"]
    assert source["spec"]["ref"] == {"branch": "rendered"}
    assert kustomization["spec"]["path"] == "./kubernetes"


def test_pre_commit_refuses_what_is_wrong(tmp_path):
    """The hook as it is shipped, but for its environment: making one would fetch packages."""
    (shipped,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    hook = shipped | {"language": "system", "entry": f"{sys.executable} -m aios.cli.main validate"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {
        **os.environ,
        **WHO,
        "PATH": path,
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }

    def run(*words, code=0):
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "intents").mkdir()
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "examples" / "digits" / "models" / "digits-s.onnx", tmp_path / "models" / "s.onnx")
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "intents" / "a.yaml").write_text(INTENT.format(name="a", rate=1))
    (tmp_path / "other.yaml").write_text("no: intent\n")
    run("git", "init", "-q")
    run("git", "add", "intents", "fleet.yaml", "other.yaml", ".pre-commit-config.yaml")
    run("pre-commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"))
    run("pre-commit", "validate-config", str(SHIPPED / "pre-commit-config.yaml"))
    assert "Passed" in run("pre-commit", "run", "--all-files")
    (tmp_path / "intents" / "a.yaml").write_text(INTENT.format(name="a", rate="many"))
    run("git", "add", "-A")
    assert "intents/a.yaml:7:" in run("pre-commit", "run", code=1)
