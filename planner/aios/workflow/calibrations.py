"""What was learnt from measurements, read from the folders where calibrations are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from aios import catalogue
from aios.records.base import digest_of
from aios.records.calibration import Calibration
from aios.records.errors import InputError

__all__ = ["ASKED", "Calibrations", "Relevant", "load_calibrations", "shipped_calibrations"]

Key = tuple[str, str]

ASKED: Mapping[str, tuple[str, ...]] = {
    "accuracy": ("accuracy_change",),
    "memory": ("memory",),
    "network": ("latency.mean", "latency.p50", "throughput"),
    "power": ("power",),
    "serving": ("throughput", "latency.ttft.mean", "latency.ttft.p50", "latency.tpot.mean", "latency.tpot.p50"),
    "step": ("throughput", "step_time"),
}
"""Predictor -> metrics of its calibrations that plans are made with."""


class Calibrations(Mapping[Key, Calibration]):
    """Predictor and metric -> all that is known of it. A file is read when its predictor and metric are asked for."""

    def __init__(self, folders: Sequence[Path], tell: Callable[[str], None]) -> None:
        """``folders``: of the files of one name that can be used the one in the last folder is; of those that hold for
        all devices the one that was learnt from the most rows is."""
        self._files: dict[str, list[Path]] = {}
        self._say = tell
        self._told: set[str] = set()
        for path in (folder / name for folder in folders for name in _files(folder)):
            if _is_calibration(path.name):
                self._files.setdefault(path.name, []).insert(0, path)
            else:
                self._tell(
                    f"{path} is not called like a calibration (PREDICTOR-METRIC.yaml or with -DEVICE) and not used"
                )
        self._read: dict[Path, Calibration | None] = {}

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

        shared = self.shared(predictor, metric)
        own = [item for name in names if (item := self._of_device(name, shared)) is not None]
        found, remarks = merged(shared, own)
        for remark in remarks:
            self._tell(remark)
        return found

    def digests(self, keys: Collection[Key], devices: Collection[str]) -> Mapping[str, str]:
        """Return file name -> digest of each file that says something of these keys and devices. Raises InputError."""
        wanted = {"-".join(key) + ".yaml" for key in keys}
        wanted |= {f"{'-'.join(key)}-{device}.yaml" for key in keys for device in devices}
        return {
            name: digest_of(b"".join(map(_bytes, self._files[name]))) for name in sorted(wanted & self._files.keys())
        }

    def shared(self, predictor: str, metric: str) -> Calibration | None:
        """Return what is known of all devices together: of several the one that was learnt from the most rows."""
        sound = self._sound(f"{predictor}-{metric}.yaml")
        best = max(sound, key=lambda path: _rows(sound[path]), default=None)
        if best is None:
            return None
        for path in sound.keys() - {best}:
            rows = f"{_rows(sound[path]):,} rows, {best} from {_rows(sound[best]):,}"
            self._tell(f"{path} and what was learnt on top of it are not used: it was learnt from {rows}")
        return sound[best]

    def of_device(self, predictor: str, metric: str, device: str, without: Collection[str] = ()) -> Calibration | None:
        """Return the last calibration of a device on top of the shared one that knows none of some tables; None where
        there is none. Raises InputError for a broken file."""
        from aios.fidelity.keeping import standing_on

        shared = self.shared(predictor, metric)
        if shared is None:
            return None
        fits = standing_on(shared)
        sound = self._sound(f"{predictor}-{metric}-{device}.yaml").values()
        return next((item for item in sound if fits(item) and not {*without} & set(_tables(item))), None)

    def _of_device(self, name: str, shared: Calibration | None) -> Calibration | None:
        """Return the last calibration of a device that fits the shared one, else one that fits none."""
        from aios.fidelity.keeping import NOT_ON_IT, standing_on

        sound = self._sound(name)
        if shared is None or len(sound) < 2:
            return next(iter(sound.values()), None)
        fits = standing_on(shared)
        for path, found in sound.items():
            if fits(found):
                return found
            self._tell(f"{path} {NOT_ON_IT}")
        return None

    def _sound(self, name: str) -> Mapping[Path, Calibration]:
        """Return the calibrations of a name that can be used, the one in the last folder first."""
        read = {path: self._calibration(path) for path in self._files.get(name, ())}
        return {path: found for path, found in read.items() if found is not None}

    def _calibration(self, path: Path) -> Calibration | None:
        """Return what a file holds, None for what its predictor no longer understands.

        What ships with aios has the names of its predictor: the tests see to that.
        """
        from aios.cost.agreeing import disagreement, odd_name
        from aios.fidelity.keeping import file_name, read_calibration

        if path in self._read:
            return self._read[path]
        found: Calibration | None = read_calibration(_bytes(path), str(path))
        assert found is not None
        reason = disagreement(found)
        if reason is None and file_name(found) != path.name:
            reason = f"what it holds is called {file_name(found)}"
        if reason is None and path.parent != catalogue.root() / "calibrations":
            reason = odd_name(found)
        if reason is not None:
            case = f"{path.parent} {found.predictor} {reason}"
            words = f"{path} and others like it are not used: {reason}; learn them again with `aios calibrate`"
            self._tell(words, case)
            found = None
        self._read[path] = found
        return found

    def _tell(self, text: str, case: str | None = None) -> None:
        """Tell, once for all files that are of one case, that they are not used."""
        if (case or text) not in self._told:
            self._told.add(case or text)
            self._say(text)


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


def _files(folder: Path) -> list[str]:
    """Return the names of a folder's files of calibrations, in order; none where there is no such folder."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".yaml"))
    except OSError:
        return []


def _tables(learnt: Calibration) -> Iterator[str]:
    return (item.table for item in learnt.provenance)


def _rows(learnt: Calibration) -> int:
    return sum(item.rows for item in learnt.provenance)


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
