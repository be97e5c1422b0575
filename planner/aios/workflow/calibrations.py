"""What was learnt from measurements, read from the folders where calibrations are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from aios import catalogue
from aios.records.base import digest_of
from aios.records.calibration import Calibration
from aios.records.errors import InputError

__all__ = ["Calibrations", "Relevant", "load_calibrations", "shipped_calibrations"]

Key = tuple[str, str]


class Calibrations(Mapping[Key, Calibration]):
    """Predictor and metric -> all that is known of it. A file is read when its predictor and metric are asked for."""

    def __init__(self, folders: Sequence[Path], tell: Callable[[str], None]) -> None:
        """``folders``: a file in a later one stands for one of the same name in an earlier one."""
        found = {path.name: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
        self._files = {name: path for name, path in found.items() if _is_calibration(name)}
        self._tell = tell
        for path in (path for name, path in found.items() if name not in self._files):
            tell(f"{path} is not called like a calibration (PREDICTOR-METRIC.yaml or with -DEVICE) and not used")
        self._read: dict[str, Calibration | None] = {}
        self._told: set[tuple[str, str, str]] = set()

    def __getitem__(self, key: Key) -> Calibration:
        """Return the shared calibration with those of all devices; raises KeyError where there is none."""
        found = self.of(*key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Key]:
        return iter(dict.fromkeys(_key(name) for name in self._files))

    def __len__(self) -> int:
        return len({_key(name) for name in self._files})

    def of(self, predictor: str, metric: str, devices: Collection[str] | None = None) -> Calibration | None:
        """Return what is known in common and of some devices (None: all); raises InputError for a broken file."""
        head = f"{predictor}-{metric}-"
        names = [name for name in self._files if name.startswith(head)]
        if devices is not None:
            names = [name for name in names if name.removeprefix(head).removesuffix(".yaml") in devices]
        if not names and f"{predictor}-{metric}.yaml" not in self._files:
            return None
        from aios.fidelity.keeping import merged

        own = [item for item in map(self._calibration, names) if item is not None]
        found, remarks = merged(self.shared(predictor, metric), own)
        for remark in remarks:
            self._tell(remark)
        return found

    def digests(self, keys: Collection[Key], devices: Collection[str]) -> Mapping[str, str]:
        """Return file name -> digest of each file that says something of these keys and devices. Raises InputError."""
        wanted = {"-".join(key) + ".yaml" for key in keys}
        wanted |= {f"{'-'.join(key)}-{device}.yaml" for key in keys for device in devices}
        return {name: digest_of(_bytes(self._files[name])) for name in sorted(wanted & self._files.keys())}

    def shared(self, predictor: str, metric: str) -> Calibration | None:
        """Return what is known of all devices together."""
        name = f"{predictor}-{metric}.yaml"
        return self._calibration(name) if name in self._files else None

    def _calibration(self, name: str) -> Calibration | None:
        """Return what a file holds, None for what its predictor no longer understands.

        What ships with aios has the names of its predictor: the tests see to that.
        """
        from aios.cost.agreeing import disagreement, odd_name
        from aios.fidelity.keeping import file_name, read_calibration

        if name in self._read:
            return self._read[name]
        path = self._files[name]
        found: Calibration | None = read_calibration(_bytes(path), str(path))
        assert found is not None
        reason = disagreement(found)
        if reason is None and file_name(found) != name:
            reason = f"what it holds is called {file_name(found)}"
        if reason is None and path.parent != catalogue.root() / "calibrations":
            reason = odd_name(found)
        if reason is not None:
            self._leave_out(path, found.predictor, reason)
            found = None
        self._read[name] = found
        return found

    def _leave_out(self, path: Path, predictor: str, reason: str) -> None:
        """Tell, once for all files of a folder that have the same reason, that they are not used."""
        case = (str(path.parent), predictor, reason)
        if case not in self._told:
            self._told.add(case)
            self._tell(f"{path} and others like it are not used: {reason}; learn them again with `aios calibrate`")


class Relevant(Mapping[Key, Calibration]):
    """What a plan may need of all that was learnt: of some predictors, metrics and devices; read when it is asked for,
    as a plan whose numbers are all measured needs none of it."""

    def __init__(self, known: Calibrations, keys: Sequence[Key], devices: Collection[str]) -> None:
        self._known, self._keys, self._devices = known, tuple(keys), frozenset(devices)
        self._read: dict[Key, Calibration | None] = {}

    def __getitem__(self, key: Key) -> Calibration:
        """Return one; raises KeyError where there is none."""
        if key not in self._read:
            self._read[key] = self._known.of(*key, devices=self._devices) if key in self._keys else None
        found = self._read[key]
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Key]:
        return iter([key for key in self._keys if self.get(key) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def digests(self) -> Mapping[str, str]:
        """Return file name -> digest of all that could be asked for, without understanding any of it."""
        return self._known.digests(self._keys, self._devices)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _is_calibration(name: str) -> bool:
    from aios.cost.predictors import PREDICTORS
    from aios.records.observation import MEASURED

    predictor, metric, *_ = [*name.removesuffix(".yaml").split("-"), ""]
    return predictor in PREDICTORS and metric in MEASURED


def _key(name: str) -> Key:
    predictor, metric = name.removesuffix(".yaml").split("-")[:2]
    return predictor, metric


def load_calibrations(folders: Sequence[Path], tell: Callable[[str], None]) -> Calibrations:
    """Return the calibrations of some folders; nothing is read yet. tell: hears of files that are not used"""
    return Calibrations(folders, tell)


def shipped_calibrations(tell: Callable[[str], None]) -> Calibrations:
    """Return the calibrations that ship with aios."""
    return load_calibrations([catalogue.root() / "calibrations"], tell)
