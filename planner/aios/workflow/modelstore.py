"""The commands that keep models by name and version: add, log, tag, branch, rollback, rm, checkout, fsck."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from aios.records.errors import AiosError, BadValue, Diagnostic, InputError
from aios.records.measurement import Measured
from aios.records.modelstore import MAIN, Entry, Reference, Version, check_label, check_name, parse_reference
from aios.records.transform import Provenance
from aios.records.units import Dimension, format_quantity
from aios.workflow.setting import Setting
from aios.workflow.stages import stage

if TYPE_CHECKING:
    from aios.spi.model_reader import ReadModel
    from aios.spi.sealing import Key
    from aios.state.modelrefs import By
    from aios.state.modelstore import ModelStore

__all__ = [
    "Added",
    "Adding",
    "Checked",
    "Logged",
    "Moved",
    "Removed",
    "add_model",
    "branch_model",
    "check_store",
    "checkout_model",
    "list_stored",
    "log_model",
    "opening_key",
    "plain_only",
    "reference_of",
    "references",
    "remove_model",
    "roll_back_model",
    "store_of",
    "tag_model",
]

T = TypeVar("T")


class Adding(NamedTuple):
    """A file that is to be kept.

    name: None for the file's own · provenance: how it was made, where that is known · parents: references to what it
    was made of · key: reference to the key that it is to be encrypted with; None keeps it plain
    """

    file: Path
    name: str | None = None
    branch: str = MAIN
    message: str = ""
    meta: Mapping[str, str] = {}
    provenance: tuple[Provenance, ...] = ()
    parents: tuple[str, ...] = ()
    key: str | None = None


class Added(NamedTuple):
    """What became of it. new: whether it is a version that was not there · before: where the branch stood"""

    name: str
    version: Version
    new: bool
    before: int | None


class Moved(NamedTuple):
    """A branch or tag after a change. before, after: numbers of versions; None where it was or is none"""

    name: str
    label: str
    before: int | None
    after: int | None


class Removed(NamedTuple):
    """What is no longer known: a name with all of its versions, one version, or a branch or tag of it."""

    name: str
    what: str


class Logged(NamedTuple):
    """An entry with those of its versions that are asked for, newest first. measured: digest of a model -> metric of
    accuracy -> value, of the model as it is or of the most precise form that was measured"""

    entry: Entry
    versions: tuple[Version, ...]
    measured: Mapping[str, Mapping[str, Measured]]


class Checked(NamedTuple):
    """versions, bytes: that were compared · wrong: what is not what it says"""

    versions: int
    bytes: int
    wrong: tuple[Diagnostic, ...]


def store_of(setting: Setting) -> ModelStore:
    """Return the setting's model store; making it touches nothing."""
    from aios.state.modelstore import ModelStore

    return ModelStore(setting.model_store)


def list_stored(setting: Setting, wanted: str | None) -> list[Entry]:
    """Return what is known under each name, or each in which ``wanted`` stands."""
    store, part = store_of(setting), (wanted or "").casefold()
    return [store.entry(name) for name in store.names() if part in name.casefold()]


def references(setting: Setting, begun: str) -> list[str]:
    """Return the references that begin with ``begun``: names, and after ``@`` branches, tags and versions."""
    store = store_of(setting)
    name, at_sign, _ = begun.partition("@")
    if not at_sign:
        return [found for found in store.names() if found.startswith(begun)]
    entry = store.entry(name)
    ends = [*entry.branches, *entry.tags, *(f"v{item.number}" for item in reversed(entry.versions))]
    return [found for end in ends if (found := f"{name}@{end}").startswith(begun)]


def add_model(setting: Setting, wanted: Adding) -> Added:
    """Keep a model file, with the files beside it that it reads, as a new version at the end of a branch.

    Nothing changes where the branch stands at the very same model already. Raises InputError for what is no model.
    """
    from aios.state.modelrefs import added

    name = _valid(check_name, wanted.name if wanted.name is not None else wanted.file.stem)
    branch = _valid(check_label, wanted.branch)
    store = store_of(setting)
    key = _key(wanted.key)
    with stage("reading the model"):
        read = _read(wanted.file)
    digest = read.profile.digest
    with stage("storing the model"):
        stored = store.put(wanted.file, sorted(read.external), digest, _progress(setting, wanted.file), key)
    with stored.lease, store.changing():
        entry = store.entry_or_new(name)
        head = entry.branches.get(branch)
        standing = next((item for item in entry.versions if head and item.number == head.at), None)
        key_id = key.id if key else None
        if standing is not None and (standing.digest, standing.key_id) == (digest, key_id):
            return Added(name, standing, False, standing.number)
        by = _by(setting)
        version = Version(
            number=entry.next,
            digest=digest,
            main=stored.main,
            files=stored.files,
            branch=branch,
            key_id=key_id,
            message=wanted.message,
            author=by.user,
            at=by.at,
            meta=wanted.meta,
            provenance=wanted.provenance,
        )
        entry = added(entry, version, by, wanted.parents)
        store.save(entry)
    return Added(name, entry.versions[-1], True, head.at if head else None)


def log_model(setting: Setting, reference: str) -> Logged:
    """Return a name's versions, or with a reference that one and those that it came from, newest first."""
    from aios.state.modelrefs import find, lineage
    from aios.state.profiles import ProfileStore

    wanted = reference_of(reference)
    entry = store_of(setting).entry(wanted.name)
    versions = lineage(entry, find(entry, wanted)) if wanted.at is not None else tuple(reversed(entry.versions))
    measured: dict[str, dict[str, Measured]] = {}
    digests = {item.digest for item in versions}
    for found in ProfileStore(setting.profiles).load().values():
        subject = found.subject
        if subject.kind == "accuracy" and subject.model in digests and subject.quantization == "none":
            measured.setdefault(subject.model, {}).update(found.values)
    return Logged(entry, versions, measured)


def tag_model(setting: Setting, reference: str, tag: str) -> Moved:
    """Put a tag at a version, made or moved."""
    return _labelled(setting, reference, tag, "tag")


def branch_model(setting: Setting, reference: str, branch: str) -> Moved:
    """Put the end of a branch at a version, made or moved."""
    return _labelled(setting, reference, branch, "branch")


def _labelled(setting: Setting, reference: str, label: str, how: Literal["tag", "branch"]) -> Moved:
    from aios.state.modelrefs import find, moved

    wanted = reference_of(reference)
    _valid(check_label, label)

    def change(entry: Entry, by: By) -> Entry:
        return moved(entry, label, find(entry, wanted).number, how, by)

    return _changed(setting, wanted.name, label, change)


def roll_back_model(setting: Setting, reference: str, to: str | None) -> Moved:
    """Put a branch or tag back to where it stood before, or to the version ``to``: ``@2``, ``@v2``, ``2``."""
    from aios.state.modelrefs import label_of, rolled_back

    wanted = reference_of(reference)
    if wanted.number is not None or wanted.is_digest:
        raise InputError(
            Diagnostic(
                summary=f"{reference} is a version, and versions never change",
                remedy="name the branch or tag to move, then the version to move it to",
                command=shlex.join(["aios", "model", "rollback", wanted.name, f"@{wanted.at}"]),
            )
        )
    number = None
    if to is not None:
        number = Reference(wanted.name, to.removeprefix("@")).number
        if number is None:
            raise InputError(Diagnostic(summary=f"`{to}` is no version", remedy="write @N, such as @2"))
    label = label_of(store_of(setting).entry(wanted.name), wanted)
    return _changed(setting, wanted.name, label, lambda entry, by: rolled_back(entry, wanted, number, by))


def remove_model(setting: Setting, reference: str, whole: bool) -> Removed:
    """Forget a tag, a branch, a version, or with ``whole`` the name with all of its versions. Files stay until `gc`."""
    from aios.state.modelrefs import find, removed, unlabelled

    wanted = reference_of(reference)
    store = store_of(setting)
    with store.changing():
        entry = store.entry(wanted.name)
        if wanted.at is None and not whole:
            count = len(entry.versions)
            summary = f"{wanted.name} names {count} version{'' if count == 1 else 's'}, not one"
            remedy = "name one: NAME@v3, NAME@TAG; --all forgets the name with every version"
            raise InputError(Diagnostic(summary=summary, remedy=remedy, command=f"aios model log {wanted.name}"))
        if whole and wanted.at is not None:
            raise InputError(
                Diagnostic(summary=f"--all forgets every version, and {wanted} is one", remedy="give the name alone")
            )
        if whole:
            store.forget(wanted.name)
            return Removed(wanted.name, "name")
        at = wanted.at or ""
        if at in entry.tags or at in entry.branches:
            store.save(unlabelled(entry, at, _by(setting)))
            return Removed(wanted.name, f"{'tag' if at in entry.tags else 'branch'} {at}")
        version = find(entry, wanted)
        store.save(removed(entry, version))
        return Removed(wanted.name, f"v{version.number}")


def checkout_model(
    setting: Setting, reference: str, target: Path | None, force: bool, key: str | None = None
) -> tuple[Version, Path]:
    """Write a version's file, plain, and the files that it reads beside it, after comparing every byte. Returns where.

    target: NAME with the model's ending, here, by default · key: reference to the key of an encrypted one. Raises
    InputError where another file is there, unless ``force``, and without the key.
    """
    from aios.spi.vault import SUFFIX
    from aios.state.modelcopies import copy_out

    wanted = reference_of(reference)
    with stage("checking the model"):
        loaded = store_of(setting).load(wanted)
    with loaded.lease, stage("writing the model"):
        path = target or Path(f"{wanted.name}{Path(loaded.path.name.removesuffix(SUFFIX)).suffix}")
        opening = opening_key(loaded.version, reference, key)
        copy_out(loaded.path.parent, loaded.version, path, opening, force=force)
    return loaded.version, path


def check_store(setting: Setting, names: tuple[str, ...]) -> Checked:
    """Compare every byte of every version, or of those under ``names``, with what was stored."""
    store = store_of(setting)
    wrong: list[Diagnostic] = []
    compared: dict[str, int] = {}
    with stage("checking the models"):
        for name in names or store.names():
            try:
                entry = store.entry(_valid(check_name, name))
            except AiosError as error:
                wrong += error.diagnostics
                continue
            setting.tell(f"comparing {name}")
            for version in entry.versions:
                wrong += _problems_of(store, name, version, compared)
    return Checked(len(compared), sum(compared.values()), tuple(wrong))


def _problems_of(store: ModelStore, name: str, version: Version, compared: dict[str, int]) -> Iterator[Diagnostic]:
    folder = str(store.folder(version))
    if folder in compared:
        return
    try:
        store.check(Reference(name, f"v{version.number}"), version)
    except AiosError as error:
        yield from error.diagnostics
    compared[folder] = version.size


def reference_of(text: str) -> Reference:
    """Return the reference that a command was given. Raises InputError."""
    return _valid(parse_reference, text)


def opening_key(version: Version, told: str, key: str | None) -> Key | None:
    """Return the key that opens a version's files, None for plain ones. told: how the version is called · key:
    reference to it. Raises InputError where none is given or it is another one."""
    if version.key_id is None:
        return None
    opening = _key(key)
    if opening is None:
        summary, reason = f"{told} is stored encrypted, and no key is named", f"by the key {version.key_id}"
    elif opening.id != version.key_id:
        summary, reason = f"{told} is encrypted by another key", f"by {version.key_id}; {key} leads to {opening.id}"
    else:
        return opening
    remedy = "name that key: `security: {key: REF}` in an intent that requires `encrypted`, --key REF for a copy"
    raise InputError(Diagnostic(summary=summary, reason=reason, remedy=remedy))


def plain_only(version: Version, told: str) -> None:
    """Raise InputError for an encrypted version: what is wanted of it reads and writes plain files."""
    if version.key_id is not None:
        summary = f"{told} is stored encrypted, and what is wanted of it would lie plain on a disk"
        command = shlex.join(["aios", "model", "checkout", told, "--key", "REF"])
        remedy = "do it with a plain copy, where one may lie"
        raise InputError(Diagnostic(summary=summary, remedy=remedy, command=command))


def _key(reference: str | None) -> Key | None:
    from aios.spi.sealing import sealing_key

    return None if reference is None else sealing_key(reference)


def _valid(check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except BadValue as error:
        raise InputError(Diagnostic(summary=error.summary, remedy=error.remedy)) from None


def _changed(setting: Setting, name: str, label: str, change: Callable[[Entry, By], Entry]) -> Moved:
    """Change an entry, alone; return where its label stood and stands."""
    store = store_of(setting)
    with store.changing():
        before = store.entry(name)
        after = change(before, _by(setting))
        if after != before:
            store.save(after)
    return Moved(name, label, _at(before, label), _at(after, label))


def _at(entry: Entry, label: str) -> int | None:
    found = entry.branches.get(label) or entry.tags.get(label)
    return found.at if found else None


def _by(setting: Setting) -> By:
    from aios.spi.owner import user_name
    from aios.state.modelrefs import By

    return By(user_name(), setting.now())


def _read(file: Path) -> ReadModel:
    from aios.models.profiles import read_model
    from aios.spi import registry

    return read_model(file, registry.load_all("aios.model_readers"))


def _progress(setting: Setting, file: Path) -> Callable[[int, int], None]:
    """Return what tells how much of a file is stored."""

    def tell(done: int, total: int) -> None:
        size = format_quantity(float(total), Dimension.BYTES)
        setting.tell(f"storing {file.name}: {100 * done // max(total, 1)} % of {size}")

    return tell
