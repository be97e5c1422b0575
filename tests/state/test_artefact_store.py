"""The artefact store: content-addressed, verified, whole or absent, whoever builds and however it ends."""

from __future__ import annotations

import errno
import os
import resource as limits
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aios.records.errors import InputError, WorldError
from aios.state import ArtefactStore

RECIPE = {"model": "sha256:1", "precision": "int8"}
InChild = Callable[[Callable[[], None]], int]


def build(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"weights" * 1000)
    (folder / "sub").mkdir()
    (folder / "sub" / "data.bin").write_bytes(b"")


def never(_folder: Path) -> None:
    raise AssertionError("built again")


def leftovers(store: ArtefactStore) -> list[Path]:
    return list((store.root / ".building").iterdir())


def test_it_is_built_once_and_found_again(folder: Path) -> None:
    store = ArtefactStore(folder / "artefacts")
    made = store.fetch(RECIPE, build)
    assert store.fetch(dict(reversed(RECIPE.items())), never) == made
    assert (Path(made.path) / "model.onnx").stat().st_size == 7000
    assert Path(made.path).is_absolute()
    assert store.fetch({**RECIPE, "precision": "fp32"}, build).key != made.key
    assert leftovers(store) == []
    store.verify(made)


def test_the_digest_is_over_content_alone(folder: Path) -> None:
    first = ArtefactStore(folder / "one").fetch(RECIPE, build)
    second = ArtefactStore(folder / "two").fetch({"other": "recipe"}, build)
    assert (first.digest, first.key) != (second.digest, second.key)
    assert first.digest == second.digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "model.onnx").write_bytes(b"weighty" * 1000),
        lambda path: (path / "model.onnx").unlink(),
        lambda path: (path / "more").write_text(""),
        lambda path: (path.parent / "manifest.json").write_text("{"),
        lambda path: (path / "link").symlink_to("/etc/passwd"),
    ],
)
def test_a_damaged_one_is_noticed_and_built_anew(folder: Path, damage: Callable[[Path], object]) -> None:
    told: list[str] = []
    store = ArtefactStore(folder, warn=told.append)
    made = store.fetch(RECIPE, build)
    assert told == []
    damage(Path(made.path))
    if (Path(made.path).parent / "manifest.json").read_text() != "{":
        with pytest.raises(WorldError):
            store.verify(made)
    assert store.fetch(RECIPE, build) == made
    assert [Path(made.path).parent.name in line for line in told] == [True]
    store.verify(made)
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), WorldError, "cannot build the artefact"),
        (RuntimeError("bad graph"), WorldError, "building an artefact failed: RuntimeError: bad graph"),
        (InputError("the model is wrong"), InputError, "the model is wrong"),
        (KeyboardInterrupt("stop"), KeyboardInterrupt, "stop"),
    ],
)
def test_a_build_that_fails_leaves_nothing(
    folder: Path, error: BaseException, expected: type[BaseException], words: str
) -> None:
    store = ArtefactStore(folder)

    def fail(place: Path) -> None:
        build(place)
        raise error

    with pytest.raises(expected, match=words):
        store.fetch(RECIPE, fail)
    assert leftovers(store) == []
    assert [path.name for path in folder.iterdir()] == [".building"]
    store.fetch(RECIPE, build)


def test_a_file_that_the_disk_does_not_take_is_a_world_error(folder: Path, in_child: InChild) -> None:
    store = ArtefactStore(folder)

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limits.setrlimit(limits.RLIMIT_FSIZE, (4096, limits.RLIM_INFINITY))
        with pytest.raises(WorldError, match="cannot build"):
            store.fetch(RECIPE, build)

    assert in_child(fill) == 0
    assert leftovers(store) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small disk to fill")
def test_a_full_disk_is_a_world_error_and_is_left_as_free_as_before(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this root may not mount")
    try:
        store = ArtefactStore(disk / "artefacts")
        kept = store.fetch({"small": "one"}, lambda place: (place / "x").write_bytes(b"x") and None)
        free = os.statvfs(disk).f_bavail
        with pytest.raises(WorldError) as caught:
            store.fetch(RECIPE, lambda place: (place / "model.onnx").write_bytes(b"\0" * 200_000) and None)
        assert "free space" in (caught.value.diagnostics[0].remedy or "")
        assert os.statvfs(disk).f_bavail == free
        assert store.fetch({"small": "one"}, never) == kept
        del store, caught  # what it gave is in use, and the disk busy, for as long as the store is known
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_link_in_an_artefact_is_refused(folder: Path) -> None:
    with pytest.raises(WorldError, match="no plain file"):
        ArtefactStore(folder).fetch(RECIPE, lambda place: (place / "model.onnx").symlink_to("/etc/passwd"))


def test_of_two_builders_the_first_wins_and_both_get_the_same(folder: Path, in_child: InChild) -> None:
    store = ArtefactStore(folder)

    def slow(place: Path) -> None:
        def fast() -> None:
            ArtefactStore(folder).fetch(RECIPE, build)

        assert in_child(fast) == 0  # another process, while this one builds: it must not tidy our folder away
        assert place.is_dir()
        build(place)

    made = store.fetch(RECIPE, slow)
    assert store.fetch(RECIPE, never) == made
    assert leftovers(store) == []


def test_many_builders_at_once_leave_one_artefact(folder: Path) -> None:
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for number in range(5):
                    ArtefactStore(folder).fetch({"n": str(number)}, build)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert len([path for path in folder.iterdir() if path.name != ".building"]) == 5
    assert leftovers(ArtefactStore(folder)) == []


def test_what_a_killed_build_left_is_cleaned_by_the_next(folder: Path, in_child: InChild) -> None:
    def killed() -> None:
        def die(place: Path) -> None:
            build(place)
            os.kill(os.getpid(), signal.SIGKILL)

        ArtefactStore(folder).fetch(RECIPE, die)

    assert in_child(killed) == signal.SIGKILL
    store = ArtefactStore(folder)
    assert len(leftovers(store)) == 1
    store.fetch({"another": "recipe"}, build)
    assert leftovers(store) == []


def test_each_service_has_its_runtime_folder_whatever_it_is_called(folder: Path) -> None:
    store = ArtefactStore(folder / "artefacts")
    names = ["classify-digits", "..", ".", "a/b", "a%2Fb", ".a", "數字"]
    paths = [store.runtime(name) for name in names]
    assert len(set(paths)) == len(names)
    assert all(path.parent == folder / "run" and path.is_dir() for path in paths)
    assert store.runtime("classify-digits") == paths[0]


def replaced(path: Path, make: Callable[[Path, Path], object]) -> None:
    """Put something in the place of ``path``; the thing itself stands elsewhere."""
    top = next(parent for parent in path.parents if parent.name == "artefacts").parent
    aside = top / f"aside-{path.name}"
    path.rename(aside)
    make(path, aside)


TRICKS: dict[str, Callable[[Path], None]] = {
    "the folder is a link": lambda made: replaced(made.parent, lambda path, aside: path.symlink_to(aside)),
    "its files are a link": lambda made: replaced(made, lambda path, aside: path.symlink_to(aside)),
    "a file is a link": lambda made: replaced(made / "model.onnx", lambda path, aside: path.symlink_to(aside)),
    "a file has two names": lambda made: replaced(made / "model.onnx", lambda path, aside: path.hardlink_to(aside)),
    "a folder is a link": lambda made: replaced(made / "sub", lambda path, aside: path.symlink_to(aside)),
    "a file is a pipe": lambda made: replaced(made / "model.onnx", lambda path, _: os.mkfifo(path)),
    "a file is a folder": lambda made: replaced(made / "model.onnx", lambda path, _: path.mkdir()),
    "a link to a folder more": lambda made: (made / "more").symlink_to("/etc"),
    "the manifest is a link": lambda made: replaced(
        made.parent / "manifest.json", lambda path, aside: path.symlink_to(aside)
    ),
    "the manifest is a pipe": lambda made: replaced(made.parent / "manifest.json", lambda path, _: os.mkfifo(path)),
    "a file stands in its place": lambda made: replaced(made.parent, lambda path, _: path.write_text("")),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_could_be_changed_from_elsewhere_is_never_used(folder: Path, trick: str) -> None:
    store = ArtefactStore(folder / "artefacts")
    made = store.fetch(RECIPE, build)
    TRICKS[trick](Path(made.path))
    if "manifest" not in trick and trick != "the folder is a link":
        with pytest.raises(WorldError):
            store.verify(made)
    kept = sorted(path for path in folder.rglob("*") if "aside" in path.name)
    assert store.fetch(RECIPE, build) == made, "it is built anew"
    store.verify(made)
    final = Path(made.path)
    assert not any(path.is_symlink() for path in (final.parent, *final.parent.rglob("*")))
    assert sorted(path for path in folder.rglob("*") if "aside" in path.name) == kept, "nothing elsewhere is touched"
    assert leftovers(store) == []


def test_where_artefacts_are_built_may_be_no_link(folder: Path) -> None:
    store, precious = ArtefactStore(folder / "artefacts"), folder / "precious"
    (precious / "thesis").mkdir(parents=True)
    store.root.mkdir()
    (store.root / ".building").symlink_to(precious)
    with pytest.raises(WorldError, match="is a link to"):
        store.fetch(RECIPE, build)
    assert (precious / "thesis").is_dir()


def test_what_a_service_keeps_may_be_no_link(folder: Path) -> None:
    store = ArtefactStore(folder / "artefacts", folder / "run")
    (folder / "run").mkdir()
    (folder / "run" / "chat").symlink_to("/etc")
    with pytest.raises(WorldError, match="is a link to"):
        store.runtime("chat")


@pytest.mark.parametrize("name", ["../../x", "/etc", "..", ".", "a/b", "\x1b[2J", "a\nb", "\udce9"])
def test_no_address_leads_out_of_the_folder_of_services(folder: Path, name: str) -> None:
    store = ArtefactStore(folder / "artefacts", folder / "run")
    try:
        found = store.runtime(name)
    except UnicodeEncodeError:
        return
    assert found.resolve().parent == (folder / "run").resolve()
