"""plan --changed-since: what did not change since a revision, by content, is left as it stands."""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

from aios.records.errors import InputError
from aios.workflow.applying import apply_plan
from aios.workflow.changedsince import changed_since
from aios.workflow.planning import make_plan
from aios.workflow.replanning import Wished
from aios.workflow.revisions import open_revision
from aios.workflow.setting import Setting

FLEET = """\
apiVersion: aios/v1
kind: Fleet
metadata: {name: bench}
spec:
  nodes:
    - {name: local, address: local, cpu: 8, memory: 4 GiB, devices: [{type: eight-cores, count: 1}]}
  devices:
    - {name: eight-cores, kind: cpu, cores: 8, peak: {fp32: 100 GFLOP/s}, memory: 4 GiB, bandwidth: 20 GB/s,
       tdp: 10 W, idle: 2 W}
"""
PIN = "{executor: dryrun, precision: fp32}"
WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
EVERYTHING = "everything is planned"


def git(place, *arguments):
    alone = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *arguments], cwd=place, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(place):
    git(place, "add", "-A")
    git(place, "commit", "-qm", "x")


def intent(asked, name, **changes):
    return asked(name=name, pin=PIN, model="../models/s.onnx", data="{evaluate: ../few.npz}", **changes)


@pytest.fixture(scope="module")
def template(tmp_path_factory, digits, few, asked):
    """A repository in which two intents, `a` and `b`, are committed and applied."""
    place = tmp_path_factory.mktemp("repository")
    files = {
        "fleet.yaml": FLEET,
        ".gitignore": ".aios\n",
        "intents/a.yaml": intent(asked, "a"),
        "intents/b.yaml": intent(asked, "b"),
    }
    (place / "models").mkdir()
    (place / "intents").mkdir()
    shutil.copy(digits / "models" / "digits-s.onnx", place / "models" / "s.onnx")
    shutil.copy(few, place / "few.npz")
    for name, text in files.items():
        (place / name).write_text(text)
    git(place, "init", "-q", "-b", "main")
    commit(place)
    with contextlib.chdir(place):
        setting = Setting(paths=("intents",))
        apply_plan(make_plan(setting).plan, setting, lambda _event: None)
    return place


@pytest.fixture
def repository(aios, template, monkeypatch):
    """A copy of it, which is the working directory."""
    shutil.copytree(template, aios.place, dirs_exist_ok=True)
    monkeypatch.chdir(aios.place)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    yield aios
    shutil.rmtree(aios.place / ".aios", ignore_errors=True)  # nothing runs


def notes(_repository, path="intents", fleet="fleet.yaml", revision="main"):
    """Return what is told of a plan since a revision, by the code that the command runs: a process each takes long."""
    setting = Setting(paths=(path,), fleet=fleet)
    return list(changed_since(setting, revision, Wished()).remarks)


def test_only_what_changed_is_planned_whatever_the_time_of_files_says(repository, asked):
    os.utime(repository.place / "intents" / "a.yaml")
    repository.write("intents/b.yaml", "# Another comment.\n" + intent(asked, "b"))
    assert notes(repository) == ["2 intents unchanged since main: left as they stand"]
    repository.write("intents/b.yaml", intent(asked, "b", rate="30/s"))
    repository.write("intents/c.yaml", intent(asked, "c"))
    assert notes(repository) == [
        "1 intent unchanged since main: left as it stands",
        "2 intents planned: b (intents/b.yaml says something else), c (new)",
    ]
    ran = repository("plan", "intents", "--changed-since", "main", "--json", "--markdown-into", "c.md")
    acted = {action["address"]: action["action"] for action in ran.json["actions"]}
    assert acted == {"a": "keep", "b": "update", "c": "create"}
    assert "- 1 intent unchanged since main: left as it stands\n" in (repository.place / "c.md").read_text()


def test_what_stands_is_left_even_where_another_choice_would_be_better(repository, asked):
    """Pinned to two replicas when it was applied; now free, and only the free one is chosen anew."""
    text = intent(asked, "a").replace(PIN, "{executor: dryrun, precision: fp32, replicas: 2}")
    repository.write("intents/a.yaml", text)
    assert repository("apply", "intents", "--yes").code == 0
    repository.write("intents/a.yaml", intent(asked, "a"))
    repository.write("intents/b.yaml", intent(asked, "b", rate="30/s"))

    def replicas(*options):
        made = repository("plan", "intents", "--json", *options).json
        return {item["intent"]: item["replicas"] for item in made["decisions"]}["a"]

    assert replicas() == 1
    assert replicas("--changed-since", "main") == 2


@pytest.mark.parametrize("what", ["models/s.onnx", "few.npz"])
def test_a_file_that_an_intent_names_counts_by_content(repository, digits, what, tmp_path):
    path = repository.place / what
    before = path.read_bytes()
    path.write_bytes((digits / "models" / "digits-m.onnx").read_bytes() if what.endswith("onnx") else before)
    if what == "few.npz":
        import numpy as np

        with np.load(path) as stored:
            arrays = {name: stored[name][:150] for name in stored.files}
        np.savez(path, **arrays)
    (said,) = notes(repository)
    assert said.startswith("2 intents planned: a (")
    assert f"{what} changed" in said
    path.write_bytes(before)
    assert notes(repository) == ["2 intents unchanged since main: left as they stand"]
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(before)
    assert "is no plain file of the repository" in notes(repository)[0]


def test_files_that_moved_with_what_they_name_are_the_same(repository):
    git(repository.place, "mv", "intents/a.yaml", "intents/z.yaml")
    assert notes(repository) == ["2 intents unchanged since main: left as they stand"]
    (repository.place / "deep").mkdir()
    for name in ("intents", "models", "few.npz"):
        git(repository.place, "mv", name, f"deep/{name}")
    said = notes(repository, "deep/intents")
    assert said[0].startswith("2 intents unchanged since main")
    shutil.rmtree(repository.place / "deep" / "intents")
    (repository.place / "deep" / "intents").mkdir()
    copied = git(repository.place, "show", "main:intents/a.yaml")
    repository.write("deep/intents/a.yaml", copied + "\n# moved and changed\n")
    assert "a (new)" in notes(repository, "deep/intents")[0]


def test_what_all_share_makes_everything_planned(repository, asked):
    fleet = (repository.place / "fleet.yaml").read_text()
    repository.write("fleet.yaml", fleet + "# no change\n")
    assert notes(repository)[0].startswith("2 intents unchanged")
    repository.write("fleet.yaml", fleet.replace("20 GB/s", "21 GB/s"))
    assert notes(repository) == [f"{EVERYTHING}: fleet.yaml changed since main"]
    repository.write("fleet.yaml", fleet)
    goals = "apiVersion: aios/v1\nkind: Objective\nmetadata: {name: g}\nspec: {budget: {power: 2 kW}}\n"
    repository.write("intents/goals.yaml", goals)
    assert notes(repository) == [f"{EVERYTHING}: intents/goals.yaml changed since main"]
    commit(repository.place)
    (repository.place / "intents" / "goals.yaml").unlink()
    assert notes(repository)[0].startswith(f"{EVERYTHING}: intents/goals.yaml described")
    repository.write("intents/goals.yaml", goals)
    repository.write("profiles/calibrations/x.yaml", "kind: none\n")
    assert notes(repository)[-1] == f"{EVERYTHING}: profiles/calibrations/x.yaml changed since main"
    shutil.rmtree(repository.place / "profiles")
    repository.write("intents/goals.yaml", intent(asked, "goals"))
    assert notes(repository) == [f"{EVERYTHING}: intents/goals.yaml changed since main"]


def test_it_works_from_folders_below_and_in_worktrees(repository, monkeypatch):
    place = repository.place
    git(place, "worktree", "add", "-q", "--detach", "tree", "main")
    same = ["2 intents unchanged since main: left as they stand"]
    assert notes(repository, "tree/intents", "tree/fleet.yaml") == same
    monkeypatch.chdir(place / "intents")
    shutil.copytree("../.aios", ".aios")
    assert notes(repository, ".", "../fleet.yaml") == same


@pytest.mark.usefixtures("repository")
def test_what_stands_in_no_file_of_the_repository_is_planned(asked, monkeypatch):
    text = intent(asked, "z").replace("../", "./").encode()
    setting = Setting(paths=("-", "intents"), fleet="fleet.yaml", stdin=lambda: text)
    monkeypatch.setenv("GIT_DIR", ".git")  # as Git's hooks have it
    said = changed_since(setting, "main", Wished()).remarks
    assert said == (
        "2 intents unchanged since main: left as they stand",
        "1 intent planned: z (<stdin> is in no file of the repository)",
    )


def test_a_shallow_clone_says_what_to_fetch(repository):
    first = git(repository.place, "rev-parse", "main")
    repository.write("more", "x")
    commit(repository.place)
    git(repository.place, "clone", "-q", "--depth=1", f"file://{repository.place}", "clone")
    with pytest.raises(InputError) as caught:
        notes(repository, "clone/intents", "clone/fleet.yaml", first)
    (said,) = caught.value.diagnostics
    assert "this clone is shallow" in said.reason
    assert said.command == f"git fetch --depth=1 origin {first}"
    assert notes(repository, "clone/intents", "clone/fleet.yaml", "HEAD")


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("nowhere", "knows no revision `nowhere`"),
        ("--upload-pack=touch${IFS}x", "names no revision"),
        ("-h", "names no revision"),
        ("", "names no revision"),
        ("main\nx", "names no revision"),
        ("main:intents/a.yaml", "knows no revision"),
        ("main; touch x", "knows no revision"),
    ],
)
def test_a_revision_that_is_none_is_refused(repository, revision, said):
    before = set(repository.place.iterdir())
    with pytest.raises(InputError, match=re.escape(said)):
        open_revision(revision, repository.place)
    assert set(repository.place.iterdir()) == before


def test_outside_of_a_repository_and_without_git_it_says_so(aios, asked, fleet, tmp_path):
    aios.write("a.yaml", asked(pin=PIN))
    lonely = {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    ran = aios("plan", "a.yaml", "--changed-since", "main", **lonely)
    assert ran.code == 1
    assert "is in no working tree of a Git repository" in ran.err
    (tmp_path / "bin").mkdir()
    ran = aios("plan", "a.yaml", "--changed-since", "main", PATH=str(tmp_path / "bin"))
    assert ran.code == 6
    assert "git, which is not installed" in ran.err
    assert fleet.is_file()


def test_where_what_was_left_is_in_the_way_it_is_said(repository, asked):
    tight = (repository.place / "fleet.yaml").read_text().replace("cores: 8", "cores: 2").replace("cpu: 8", "cpu: 2")
    repository.write("fleet.yaml", tight)
    commit(repository.place)
    repository.write("intents/b.yaml", intent(asked, "b").replace(PIN, "{executor: dryrun, threads: 2, replicas: 1}"))
    ran = repository("plan", "intents", "--changed-since", "main", "--markdown-into", "c.md")
    assert ran.code == 3
    said = "what was left as it stands is a part of this; without --changed-since more may be possible"
    assert said in ran.err
    assert said in (repository.place / "c.md").read_text()
