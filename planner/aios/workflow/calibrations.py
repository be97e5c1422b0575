"""What was learnt from measurements, read from the folders where calibrations are kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from aios import catalogue
from aios.records.calibration import Calibration
from aios.records.errors import InputError

__all__ = ["Calibrations", "load_calibrations", "shipped_calibrations"]

Key = tuple[str, str]


class Calibrations(Mapping[Key, Calibration]):
    """Predictor and metric -> all that is known of it. A file is read when its predictor and metric are asked for."""

    def __init__(self, folders: Sequence[Path], tell: Callable[[str], None]) -> None:
        """``folders``: a file in a later one stands for one of the same name in an earlier one."""
        self._files = {path.name: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
        self._tell = tell
        self._read: dict[str, Calibration | None] = {}

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
        from aios.fidelity.keeping import merged

        head = f"{predictor}-{metric}-"
        names = [name for name in self._files if name.startswith(head)]
        if devices is not None:
            names = [name for name in names if name.removeprefix(head).removesuffix(".yaml") in devices]
        own = [item for item in map(self._calibration, names) if item is not None]
        found, remarks = merged(self.shared(predictor, metric), own)
        for remark in remarks:
            self._tell(remark)
        return found

    def shared(self, predictor: str, metric: str) -> Calibration | None:
        """Return what is known of all devices together."""
        name = f"{predictor}-{metric}.yaml"
        return self._calibration(name) if name in self._files else None

    def _calibration(self, name: str) -> Calibration | None:
        """Return what a file holds, None for one of another version of its predictor."""
        from aios.cost.predictors import PREDICTORS, predictor
        from aios.fidelity.keeping import read_calibration

        if name in self._read:
            return self._read[name]
        path = self._files[name]
        try:
            found: Calibration | None = read_calibration(path.read_bytes(), str(path))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        assert found is not None
        known = predictor(found.predictor).version if found.predictor in PREDICTORS else None
        if found.version != known:
            self._tell(f"{path} is of another version of its predictor and not used: learn it again")
            found = None
        self._read[name] = found
        return found


def _key(name: str) -> Key:
    predictor, metric = name.removesuffix(".yaml").split("-")[:2]
    return predictor, metric


def load_calibrations(folders: Sequence[Path], tell: Callable[[str], None]) -> Calibrations:
    """Return the calibrations of some folders; nothing is read yet. tell: hears of files that are not used"""
    return Calibrations(folders, tell)


def shipped_calibrations(tell: Callable[[str], None]) -> Calibrations:
    """Return the calibrations that ship with aios."""
    return load_calibrations([catalogue.root() / "calibrations"], tell)
