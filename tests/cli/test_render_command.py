"""render: files for repositories of rendered manifests. The same bytes, its own files only, never outside."""

import hashlib
import json

import pytest
from made_plans import action, deployment, plan_of

import aios.state
from aios.records.errors import InputError, WorldError
from aios.spi import registry
from aios.workflow import rendering
from aios.workflow.rendering import INDEX, Rendered, difference, write

TWO = {"dryrun/a.json": "{}\n", "dryrun/sub/b.json": "[]\n"}


def tree(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def index_of(files):
    return {path: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for path, text in files.items()}


def test_a_folder_holds_what_is_rendered_and_an_index(tmp_path):
    folder = tmp_path / "out"
    assert write(Rendered(TWO), folder).new == tuple(TWO)
    assert json.loads((folder / INDEX).read_text())["files"] == index_of(TWO)
    before = tree(folder)
    assert not write(Rendered(TWO), folder).any
    assert tree(folder) == before


def test_what_is_no_longer_made_is_removed_and_nothing_else(tmp_path):
    write(Rendered(TWO), tmp_path)
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "dryrun" / "mine.json").write_text("mine")
    found = write(Rendered({"dryrun/a.json": "{1}\n"}), tmp_path)
    assert (found.changed, found.stale) == (("dryrun/a.json",), ("dryrun/sub/b.json",))
    assert set(tree(tmp_path)) == {"dryrun/a.json", "dryrun/mine.json", "README.md", INDEX}
    assert not (tmp_path / "dryrun" / "sub").exists()


def test_a_stale_file_that_somebody_changed_is_left(tmp_path):
    write(Rendered(TWO), tmp_path)
    (tmp_path / "dryrun" / "a.json").write_text("mine now")
    found = write(Rendered({}), tmp_path)
    assert (found.edited, found.stale) == (("dryrun/a.json",), ("dryrun/sub/b.json",))
    assert set(tree(tmp_path)) == {"dryrun/a.json", INDEX}


def test_a_file_of_somebody_else_is_never_written_over(tmp_path):
    (tmp_path / "dryrun").mkdir()
    (tmp_path / "dryrun" / "a.json").write_text("mine")
    with pytest.raises(InputError, match="would be written over"):
        write(Rendered(TWO), tmp_path)
    assert tree(tmp_path) == {"dryrun/a.json": "mine"}


@pytest.mark.parametrize("place", ["dryrun", "dryrun/a.json", INDEX])
def test_no_link_is_followed(tmp_path, place):
    outside, folder = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "a.json").write_text("theirs")
    (folder / place).parent.mkdir(parents=True)
    (folder / place).symlink_to(outside if place == "dryrun" else outside / "a.json")
    with pytest.raises(InputError, match="symbolic link"):
        write(Rendered(TWO), folder)
    assert tree(outside) == {"a.json": "theirs"}


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        "{}",
        '{"name": "a web app"}',
        '{"format_version": "2.0", "files": {}}',
        json.dumps({"format_version": "1.0", "files": {"../victim": "sha256:" + "0" * 64}}),
        json.dumps({"format_version": "1.0", "files": {"/etc/victim": "sha256:" + "0" * 64}}),
        json.dumps({"format_version": "1.0", "files": {"a/../../victim": "sha256:" + "0" * 64}}),
        json.dumps({"format_version": "1.0", "files": {"a/b": 3}}),
    ],
)
def test_an_index_that_is_none_is_refused_and_nothing_is_removed(tmp_path, content):
    (tmp_path / "victim").write_text("theirs")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / INDEX).write_text(content)
    with pytest.raises(InputError, match="is not the index"):
        write(Rendered(TWO), folder)
    assert tree(tmp_path) == {"victim": "theirs", f"out/{INDEX}": content}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("survived", range(4))
def test_killed_anywhere_the_next_run_ends_what_was_begun(tmp_path, monkeypatch, survived):
    write(Rendered({"dryrun/a.json": "old\n", "dryrun/old.json": "old\n"}), tmp_path)
    real, left = aios.state.write_atomically, [survived]

    def dying(path, content):
        if not left[0]:
            raise Killed
        left[0] -= 1
        real(path, content)

    monkeypatch.setattr(aios.state, "write_atomically", dying)
    with pytest.raises(Killed):
        write(Rendered(TWO), tmp_path)
    monkeypatch.setattr(aios.state, "write_atomically", real)
    write(Rendered(TWO), tmp_path)
    assert tree(tmp_path) == {**TWO, INDEX: (tmp_path / INDEX).read_text()}
    assert not difference(Rendered(TWO), tmp_path).any


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a//b", "a\nb", "a\\b", "./x"])
def test_an_executor_that_names_a_file_outside_is_named(path, monkeypatch):
    class Faulty:
        """An executor that breaks the rule."""

        def render(self, _deployments):
            return {path: "x"}

    monkeypatch.setattr(registry, "load_all", lambda _group: {"dryrun": Faulty()})
    with pytest.raises(WorldError, match="executor dryrun"):
        rendering.render(plan_of([action("a", "create", after=deployment("a"))]))


def test_the_command_writes_checks_and_takes_back(aios, asked, fleet):
    aios.write("a.yaml", asked(name="a", pin="{executor: dryrun, precision: fp32}"))
    aios.write("b.yaml", asked(name="b", pin="{executor: dryrun, precision: fp32}"))
    assert aios("plan", "a.yaml", "b.yaml", "-o", "plan.json").code == 0
    assert aios("render", "a.yaml", "b.yaml", "--into", "out").code == 0
    before = tree(aios.place / "out")
    assert set(before) == {"dryrun/a.json", "dryrun/b.json", INDEX}
    fleet.rename(aios.place / "away")
    same = aios("render", "plan.json", "--into", "out", "--check")
    assert (same.code, same.out) == (0, "out holds what is rendered: 2 files\n")
    (aios.place / "away").rename(fleet)
    differs = aios("render", "a.yaml", "--into", "out", "--check", "--json")
    assert differs.code == 2
    assert differs.json["stale"] == ["dryrun/b.json"]
    assert tree(aios.place / "out") == before
    assert aios("render", "a.yaml", "--into", "out").code == 0
    assert set(tree(aios.place / "out")) == {"dryrun/a.json", INDEX}
    printed = aios("render", "a.yaml", "--json").json["files"]
    assert printed[0]["text"] == before["dryrun/a.json"]
    assert aios("render", "a.yaml", "--check").code == 64


@pytest.mark.usefixtures("fleet")
def test_nothing_is_written_where_nothing_fits(aios, asked):
    aios.write("a.yaml", asked(name="a", p99="1 us"))
    ran = aios("render", "a.yaml", "--into", "out")
    assert (ran.code, ran.out) == (3, "")
    assert "latency.p99" in ran.err
    assert not (aios.place / "out").exists()
