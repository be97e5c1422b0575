"""The model store: what names, branches and tags do, and that it is whole whoever is killed, and whenever."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aios.records.errors import BadValue, InputError, WorldError
from aios.records.modelstore import Entry, Reference, Version, parse_reference
from aios.state.collecting import abandoned, remove, set_aside, spare_models
from aios.state.modelrefs import By, added, find, lineage, moved, removed, rolled_back, unlabelled
from aios.state.modelstore import ModelStore

BY = By("ada", "2026-01-01T00:00:00Z")
NEVER = 10_000
InChild = Callable[[Callable[[], None]], int]


def quiet(_done: int, _total: int) -> None:
    pass


def add(store: ModelStore, content: bytes, branch: str = "main", name: str = "digits") -> Version:
    """Add a file that holds ``content``, as the command does; the store does not care whether it is a model."""
    source = store.root.parent / f"source-{os.getpid()}.onnx"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    stored = store.put(source, (), digest, quiet)
    with stored.lease, store.changing():
        entry = store.entry_or_new(name)
        version = Version(
            number=entry.next,
            digest=digest,
            main=stored.main,
            files=stored.files,
            branch=branch,
            author="ada",
            at=BY.at,
        )
        store.save(added(entry, version, BY))
    return store.entry(name).versions[-1]


def collect(store: ModelStore, needed: tuple[str, ...] = ()) -> int:
    """Remove what nobody needs, as the command does; return how many models went."""
    with store.changing():
        aside = [away for spare in spare_models(store, needed) if (away := set_aside(spare))]
    for away in (*aside, *abandoned([store.objects])):
        remove(away)
    return len(aside)


def content_of(store: ModelStore, version: Version) -> bytes:
    loaded = store.load(Reference("digits", f"v{version.number}"))
    with loaded.lease:
        return loaded.path.read_bytes()


CONTENTS = st.sampled_from([b"one", b"two", b"three"])
LABELS = st.sampled_from(["main", "dev", "prod", "canary"])
PICK = st.integers(0, 99)


class StoreMachine(RuleBasedStateMachine):
    """The store against lists: each branch and tag is the list of versions that it stood at, the present one last."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.store = ModelStore(self.folder / "models")
        self.contents: dict[int, bytes] = {}
        self.past: dict[str, list[int]] = {}
        self.kind: dict[str, str] = {}
        self.next = 1

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def change(self, work: Callable[[Entry], Entry]) -> None:
        with self.store.changing():
            self.store.save(work(self.store.entry("digits")))

    def put_at(self, label: str, number: int) -> None:
        stack = self.past.setdefault(label, [])
        if not stack or stack[-1] != number:
            stack.append(number)

    @rule(content=CONTENTS, branch=LABELS)
    def add(self, content: bytes, branch: str) -> None:
        if self.kind.get(branch) == "tag":
            with pytest.raises(InputError, match="is a tag of digits already"):
                add(self.store, content, branch)
            return
        version = add(self.store, content, branch)
        assert version.number == self.next
        self.contents[self.next] = content
        self.kind[branch] = "branch"
        self.put_at(branch, self.next)
        self.next += 1

    @precondition(lambda self: self.contents)
    @rule(label=LABELS, pick=PICK, how=st.sampled_from(["tag", "branch"]))
    def move(self, label: str, pick: int, how: str) -> None:
        number = sorted(self.contents)[pick % len(self.contents)]
        if self.kind.get(label, how) != how:
            with pytest.raises(InputError, match="already"):
                self.change(lambda entry: moved(entry, label, number, how, BY))
            return
        self.change(lambda entry: moved(entry, label, number, how, BY))
        self.kind[label] = how
        self.put_at(label, number)

    @precondition(lambda self: self.contents)
    @rule(label=LABELS, pick=PICK, named=st.booleans())
    def roll_back(self, label: str, pick: int, named: bool) -> None:
        number = sorted(self.contents)[pick % len(self.contents)] if named else None
        stack = self.past.get(label)
        if stack is None or (number is None and len(stack) == 1):
            with pytest.raises(InputError):
                self.change(lambda entry: rolled_back(entry, Reference("digits", label), number, BY))
            return
        self.change(lambda entry: rolled_back(entry, Reference("digits", label), number, BY))
        if number is None:
            stack.pop()
        elif number in stack:
            while stack[-1] != number:
                stack.pop()
        else:
            stack.append(number)

    @precondition(lambda self: self.contents)
    @rule(pick=PICK)
    def remove_version(self, pick: int) -> None:
        number = sorted(self.contents)[pick % len(self.contents)]
        version = find(self.store.entry("digits"), Reference("digits", f"v{number}"))
        if any(stack[-1] == number for stack in self.past.values()):
            with pytest.raises(InputError, match="stand"):
                self.change(lambda entry: removed(entry, version))
            return
        self.change(lambda entry: removed(entry, version))
        del self.contents[number]
        for label, stack in self.past.items():
            left = [item for item in stack if item != number]
            self.past[label] = [item for at, item in enumerate(left) if at == 0 or left[at - 1] != item]

    @precondition(lambda self: self.contents)
    @rule(label=LABELS)
    def remove_label(self, label: str) -> None:
        branches = [name for name, kind in self.kind.items() if kind == "branch"]
        if label not in self.past or branches == [label]:
            with pytest.raises(InputError):
                self.change(lambda entry: unlabelled(entry, label, BY))
            return
        self.change(lambda entry: unlabelled(entry, label, BY))
        del self.past[label], self.kind[label]

    @rule(kept=CONTENTS)
    def collect(self, kept: bytes) -> None:
        needed = f"sha256:{hashlib.sha256(kept).hexdigest()}"
        there = {item.digest for item in self.store.contents()}
        collect(self.store, (needed,))
        held = {f"sha256:{hashlib.sha256(item).hexdigest()}" for item in self.contents.values()}
        assert {item.digest for item in self.store.contents()} == there & {*held, needed}

    @invariant()
    def it_holds_what_the_lists_say(self) -> None:
        entry = self.store.entry_or_new("digits")
        assert {item.number for item in entry.versions} == set(self.contents)
        pointers = {**entry.branches, **entry.tags}
        assert {name: [*pointer.before, pointer.at] for name, pointer in pointers.items()} == self.past
        for label, stack in self.past.items():
            assert find(entry, Reference("digits", label)).number == stack[-1]
        for version in entry.versions:
            assert content_of(self.store, version) == self.contents[version.number]
            assert lineage(entry, version)[0] == version


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


def killed_at(point: int, work: Callable[[], object]) -> Callable[[], None]:
    """Return ``work`` that kills its own process when it is about to touch the disk for the ``point``-th time."""
    left = [point]
    touching = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "os.chmod", "fcntl.flock")

    def hook(event: str, _arguments: object) -> None:
        if event in touching:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    def run() -> None:
        sys.addaudithook(hook)
        work()

    return run


def leftovers(store: ModelStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if ".building" in path.parts and path.name != ".building"]


@pytest.mark.parametrize("command", ["add", "collect"])
def test_whenever_a_command_is_killed_the_store_is_whole(folder: Path, in_child: InChild, command: str) -> None:
    for point in range(NEVER):
        place = folder / str(point)
        store = ModelStore(place / "models")
        first = add(store, b"first" * 1000)
        if command == "collect":
            add(store, b"second" * 1000)
            with store.changing():
                entry = rolled_back(store.entry("digits"), Reference("digits"), None, BY)
                store.save(removed(entry, entry.versions[-1]))
            work: Callable[[], object] = partial(collect, store)
        else:
            work = partial(add, store, b"second" * 1000)
        status = in_child(killed_at(point, work))
        assert status in (0, signal.SIGKILL)
        entry = store.entry("digits")
        assert content_of(store, first) == b"first" * 1000
        for version in entry.versions:
            content_of(store, version)
        again = add(store, b"second" * 1000)
        assert content_of(store, again) == b"second" * 1000
        collect(store)
        assert len(list(store.contents())) == 2
        assert leftovers(store) == []
        shutil.rmtree(place)
        if status == 0:
            assert point > 10, "the command touched the disk less often than it can have"
            return
    pytest.fail("the command never ended")


HOLD = """
import sys
from pathlib import Path
from aios.records.modelstore import Reference
from aios.state.modelstore import ModelStore
loaded = ModelStore(Path(sys.argv[1])).load(Reference("digits", sys.argv[2]))
print(loaded.path, flush=True)
sys.stdin.readline()
print(len(loaded.path.read_bytes()), flush=True)
"""


def test_what_a_process_loads_stays_until_it_ends(folder: Path) -> None:
    store = ModelStore(folder / "models")
    add(store, b"first")
    add(store, b"second!")
    command = [sys.executable, "-c", HOLD, str(store.root), "v2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        path = Path(process.stdout.readline().strip())
        with store.changing():
            entry = rolled_back(store.entry("digits"), Reference("digits"), None, BY)
            store.save(removed(entry, entry.versions[-1]))
        assert collect(store) == 0
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == "7"
    assert path.exists()
    assert collect(store) == 1
    assert not path.exists()


ADD_MANY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_model_store import add, content_of
from aios.state.modelstore import ModelStore
store = ModelStore(Path(sys.argv[2]))
for number in range(int(sys.argv[4])):
    content = f"{sys.argv[3]}-{number % 3}".encode()
    add(store, content, sys.argv[3])
print("done")
"""


def test_writers_and_a_collector_at_once_lose_nothing(folder: Path) -> None:
    store = ModelStore(folder / "models")
    here = str(Path(__file__).parent)
    each = 12
    processes = [
        subprocess.Popen([sys.executable, "-c", ADD_MANY, here, str(store.root), name, str(each)])
        for name in ("left", "right")
    ]
    end = time.monotonic() + 60
    while any(process.poll() is None for process in processes) and time.monotonic() < end:
        collect(store)
        time.sleep(0.01)
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    entry = store.entry("digits")
    assert [item.number for item in entry.versions] == list(range(1, 2 * each + 1))
    for version in entry.versions:
        content = content_of(store, version).decode()
        assert content.startswith(version.branch)
    own = [item for item in entry.versions if item.branch == "left"]
    assert [content_of(store, item).decode() for item in own] == [f"left-{n % 3}" for n in range(each)]


def test_a_byte_that_was_changed_is_found_and_adding_again_puts_it_right(folder: Path) -> None:
    store = ModelStore(folder / "models")
    version = add(store, b"weights" * 100)
    path = store.folder(version) / version.main
    path.chmod(0o644)
    path.write_bytes(b"weighty" * 100)
    with pytest.raises(WorldError) as refused:
        store.load(Reference("digits"))
    told = refused.value.diagnostics[0]
    assert str(path) in told.summary
    assert version.files[version.main].sha256 in (told.reason or "")
    assert hashlib.sha256(b"weighty" * 100).hexdigest() in (told.reason or "")
    add(store, b"weights" * 100)
    assert content_of(store, version) == b"weights" * 100


@pytest.mark.parametrize("damage", ["gone", "more", "folder gone", "link"])
def test_files_that_come_or_go_are_found(folder: Path, damage: str) -> None:
    store = ModelStore(folder / "models")
    version = add(store, b"weights")
    files = store.folder(version)
    if damage == "gone":
        (files / version.main).unlink()
    elif damage == "more":
        (files / "another.bin").write_bytes(b"")
    elif damage == "link":
        (files / version.main).unlink()
        (files / version.main).symlink_to("/dev/null")
    else:
        shutil.rmtree(files.parent)
    with pytest.raises(WorldError):
        store.load(Reference("digits"))


def test_an_object_and_its_manifest_that_were_both_edited_are_not_taken_for_the_model(folder: Path) -> None:
    store = ModelStore(folder / "models")
    version = add(store, b"weights")
    files = store.folder(version)
    other = add(ModelStore(folder / "other"), b"weighty")
    shutil.rmtree(files)
    shutil.copytree(ModelStore(folder / "other").folder(other), files)
    manifest = files.parent / "manifest.json"
    forged = (ModelStore(folder / "other").folder(other).parent / "manifest.json").read_text()
    key = manifest.read_text().partition('"key": "')[2].partition('"')[0]
    forged = forged.replace(forged.partition('"key": "')[2].partition('"')[0], key)
    manifest.write_text(forged.replace(other.digest, version.digest))
    with pytest.raises(WorldError, match="does not hold the model"):
        add(store, b"weights")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("digits", Reference("digits")),
        ("store://digits@prod", Reference("digits", "prod")),
        ("Qwen3-0.6B@v12", Reference("Qwen3-0.6B", "v12")),
        ("digits@3", Reference("digits", "3")),
        ("digits@sha256:0123abcd", Reference("digits", "sha256:0123abcd")),
    ],
)
def test_a_reference_is_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    ["", "@prod", "a/b", "../x", "digits@", "digits@a b", "digits@sha256:12", "digits@../x", ".x", "a@b@c", "x" * 101],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        parse_reference(text)


def test_a_digest_that_two_models_begin_with_asks_for_more(folder: Path) -> None:
    store = ModelStore(folder / "models")
    one = add(store, b"one")
    twin = one.model_copy(update={"number": 2, "digest": f"{one.digest[:20]}{'0' * 51}"})
    entry = store.entry("digits").model_copy(update={"versions": (one, twin)})
    with pytest.raises(InputError, match="more than one version"):
        find(entry, Reference("digits", one.digest[:20]))
    assert find(entry, Reference("digits", one.digest)).number == 1
