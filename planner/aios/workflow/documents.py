"""From paths to documents: files, folders and standard input; which documents describe the fleet."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from aios.records.document import Document, parse
from aios.records.errors import Diagnostic, InputError
from aios.records.forms import nearest
from aios.records.screening import refuse_secret, unseen
from aios.workflow.setting import Setting

__all__ = [
    "TEST_ENDINGS",
    "IncludedFiles",
    "documents_of",
    "fleet_beside",
    "only_fleets",
    "parsed",
    "policies_beside",
    "without_fleet",
]

_KINDS = ("Intent", "Objective", "Fleet", "Policy")
_READ_ELSEWHERE = {
    "Table": "a form of measured tables stands beside them: `aios fidelity --data FOLDER` reads it",
    "Test": "tests of intents stand beside them: `aios test` runs it",
    "Calibration": "calibrations are written by `aios calibrate` and read from the folder `calibrations` of --profiles",
}
"""Kinds of other documents -> what they are for."""
_SUFFIXES = (".yaml", ".yml")
_FLEET_FILE = "fleet.yaml"
_POLICY_FILES = ("policy.yaml", "*.policy.yaml")
TEST_ENDINGS = (".test.yaml", ".test.yml")
"""Ends of the names of files that `aios test` reads; in a folder of intents they are passed over."""


def without_fleet(document: Document) -> Diagnostic:
    """Return the mistake of a device type that no fleet can hold."""
    return document.diagnostic(
        ("name",),
        f"{document.file} describes a device type, and there is no fleet that could hold it",
        remedy="name a fleet file as well; `include` in a fleet file reads it too",
    )


class IncludedFiles:
    """Reads what fleet files include."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def same(self, file: str) -> str:
        """Return the one name of a file that may be written in many ways."""
        return str(Path(file).resolve())

    def read(self, path: str) -> Sequence[tuple[str, Sequence[Document]]]:
        """Return a file, or every YAML file of a folder, with its documents. Raises InputError."""
        problems: list[Diagnostic] = []
        files = _files(path, problems)
        if not files and Path(path).is_dir():
            problems = [Diagnostic(summary=f"folder {path} holds no .yaml file")]
        found = [(file, _parse(file, self._setting, problems)) for file in files]
        if problems:
            raise InputError(*problems)
        return found


def fleet_beside(paths: Sequence[str]) -> str | None:
    """Return the fleet file that holds when none is named: beside an intent, else in the working directory."""
    folders = [Path(path) if Path(path).is_dir() else Path(path).parent for path in paths if path != "-"]
    return next((str(folder / _FLEET_FILE) for folder in (*folders, Path()) if (folder / _FLEET_FILE).is_file()), None)


def policies_beside(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the policy files that stand beside intents: they hold whether a folder or a file in it is named."""
    folders = dict.fromkeys(Path(path) if Path(path).is_dir() else Path(path).parent for path in paths if path != "-")
    found = (file for folder in folders for pattern in _POLICY_FILES for file in sorted(folder.glob(pattern)))
    return tuple(str(file) for file in found if file.is_file())


def documents_of(setting: Setting) -> tuple[list[Document], list[Diagnostic]]:
    """Return the documents of all paths, and what is wrong with their files and kinds."""
    documents: list[Document] = []
    problems: list[Diagnostic] = []
    files: dict[str | Path, str] = {}
    own = len(setting.paths)
    ruling: set[str] = set()
    for number, path in enumerate((*setting.paths, *setting.policies, *policies_beside(setting.paths))):
        for file in _files(path, problems):
            # A file that is named twice, such as by its folder and itself, is one file.
            key = file if file == "-" else Path(file).resolve()
            if key not in files and number >= own:
                ruling.add(file)
            files.setdefault(key, file)
    holding: set[str | Path] = set()
    for key, file in files.items():
        found = _parse(file, setting, problems)
        holding |= {key for item in found if item.kind == "Policy"}
        wrong = [item for item in found if file in ruling and item.kind != "Policy"]
        problems += map(_no_policy, wrong)
        documents += (item for item in found if item not in wrong)
    for path in setting.policies:
        where = Path(path).resolve()
        if not problems and not any(where == key or where in Path(key).parents for key in holding):
            problems.append(Diagnostic(summary=f"{path}: no document of kind Policy", remedy="name a file of policies"))
    return [document for document in documents if _known_kind(document, problems)], problems


def _no_policy(document: Document) -> Diagnostic:
    what = f"a document of kind {document.kind} is no policy" if document.kind else "the document says no `kind`"
    return document.diagnostic(("kind",), what, remedy="keep policies in files of their own, each of `kind: Policy`")


def _files(path: str, problems: list[Diagnostic]) -> Sequence[str]:
    if path == "-":
        return [path]
    where = Path(path)
    if where.is_dir():
        there = (str(file) for file in where.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        found = sorted(name for name in there if not name.endswith(TEST_ENDINGS))
        if not found:
            problems.append(
                Diagnostic(
                    summary=f"folder {path} holds no .yaml file",
                    remedy="name a file, or write a first intent there",
                    command=shlex.join(["aios", "init", path]),
                )
            )
        return found
    if not where.exists():
        problems.append(_missing(path))
        return []
    return [path]


def _missing(path: str) -> Diagnostic:
    folder = Path(path).parent
    beside = [str(file) for file in folder.iterdir() if file.exists()] if folder.is_dir() else []
    near = difflib.get_close_matches(path, beside, n=1)
    if near:
        remedy = f"did you mean {near[0]}?"
    else:
        remedy = "check the path" + ("" if folder.is_dir() else f": there is no folder {folder}")
    return Diagnostic(summary=f"there is no file {path}", remedy=remedy)


def _parse(file: str, setting: Setting, problems: list[Diagnostic]) -> tuple[Document, ...]:
    documents = parsed(file, setting.stdin, problems)
    return setting.edit(documents) if documents else ()


def parsed(file: str, stdin: Callable[[], bytes], problems: list[Diagnostic]) -> tuple[Document, ...]:
    """Return the documents of a file; none where something is wrong, which ``problems`` receives."""
    try:
        text = stdin() if file == "-" else Path(file).read_bytes()
        name = "<stdin>" if file == "-" else file
        refuse_secret(text, name)
        found = parse(text, name)
        for document in found:
            problems.extend(unseen(document))
        return found
    except InputError as error:
        problems.extend(error.diagnostics)
    except OSError as error:
        problems.append(Diagnostic(summary=f"{file} cannot be read", reason=error.strerror))
    return ()


def _known_kind(document: Document, problems: list[Diagnostic]) -> bool:
    from aios.fleet import is_device

    if document.kind in _KINDS or is_device(document):
        return True
    if "format_version" in document.data:
        problems.append(
            document.diagnostic(
                ("format_version",),
                f"{document.file} is a saved plan, not an intent",
                remedy=f"carry it out with `{shlex.join(['aios', 'apply', document.file])}`, or name its intents",
            )
        )
        return False
    near = difflib.get_close_matches(str(document.kind), _KINDS, n=1)
    summary = f"unknown kind {document.kind!r}" if document.kind else "the document says no `kind`"
    if document.kind in _READ_ELSEWHERE:
        what = f"{document.file} is a document of kind {document.kind}, neither intent nor fleet"
        problems.append(document.diagnostic(("kind",), what, remedy=_READ_ELSEWHERE[document.kind]))
        return False
    known = "known kinds: " + ", ".join(_KINDS)
    remedy = f"did you mean `{near[0]}`? {known}" if near else known
    problems.append(document.diagnostic(("kind",), summary, remedy=remedy))
    return False


def only_fleets(path: str, setting: Setting, problems: list[Diagnostic]) -> list[Document]:
    """Return the fleets, and the device types that stand beside them."""
    from aios.fleet import is_device

    found = [document for file in _files(path, problems) for document in _parse(file, setting, problems)]
    fleets = [document for document in found if document.kind == "Fleet" or is_device(document)]
    if found and not any(document.kind == "Fleet" for document in fleets):
        kinds = ", ".join(dict.fromkeys(str(document.kind) for document in found))
        meant = [document for document in found if nearest(str(document.kind), ("Fleet",))]
        problems += [_misspelt(document) for document in meant]
        if meant:
            return []
        problems.append(
            Diagnostic(
                summary=f"{path} holds no document of kind Fleet",
                reason=f"it holds {kinds}",
                remedy="name the fleet file, or write one of this machine",
                command="aios init",
            )
        )
        return []
    return fleets


def _misspelt(document: Document) -> Diagnostic:
    return document.diagnostic(("kind",), f"unknown kind `{document.kind}`", remedy="did you mean `kind: Fleet`?")
