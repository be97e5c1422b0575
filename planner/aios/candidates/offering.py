"""What installed transforms could make of a model, with which settings, and why others are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple, get_args

from aios.candidates.rejections import Rejections
from aios.records.candidate import Quantization, label_of
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.transform import Declaration, Needs, Parameter
from aios.spi.transforms import not_installed

__all__ = ["Precision", "decided", "offered"]

_DATA = {"calibrate": "calibration data", "train": "training data", "evaluate": "evaluation data"}
_USED_FOR = {
    "calibrate": "to read the ranges of activations from",
    "train": "to learn from",
    "evaluate": "to be judged by",
}


class Precision(NamedTuple):
    """What a candidate computes in, and how its model comes to that. name: as in Candidate.precision · quantization,
    compression: as there · chosen: settings of its transforms that are not their defaults, by name · kinds: of devices
    on which anything is gained; empty for all"""

    name: str
    quantization: Quantization
    compression: str = "none"
    chosen: tuple[tuple[str, str], ...] = ()
    kinds: tuple[str, ...] = ()

    @property
    def precision(self) -> str:
        """Its name, as a candidate has it."""
        return self.name

    @property
    def settings(self) -> Mapping[str, str]:
        """Its settings, as a candidate has them."""
        return dict(self.chosen)

    def __str__(self) -> str:
        return label_of(self)


def offered(
    intent: Intent, profile: ModelProfile, declared: Mapping[str, Declaration], rejections: Rejections
) -> Iterator[Precision]:
    """Yield what transforms make of the file: first of its precision alone, then of its network with each of those."""
    stored = Precision(profile.precision, "none")
    narrower = [
        Precision(name, found.quantization, "none", chosen, found.needs.devices)
        for found in sorted(declared.values(), key=_place)
        if found.stage == "precision" and _is_asked(found, intent) and _possible(found, intent, profile, rejections)
        for choices in (tuple(_able(found, intent, profile, rejections)),)
        for name in found.precisions
        for chosen in choices
    ]
    yield from narrower
    for found in declared.values():
        if found.stage == "compression" and _is_asked(found, intent) and _possible(found, intent, profile, rejections):
            choices = list(_able(found, intent, profile, rejections))
            for base in (stored, *narrower):
                yield from _compressed(base, found, choices, declared, rejections)


def decided(
    intent: Intent,
    profile: ModelProfile,
    executor: str,
    declared: Mapping[str, Declaration],
    rejections: Rejections,
) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield each choice of what the executor decides of such a model, as what is not default in it; of decisions that
    an intent names and that are none of its, a row says so."""
    choices: list[list[tuple[tuple[str, str], ...]]] = []
    for found in declared.values():
        if found.stage != "executor":
            continue
        if profile.format not in found.needs.formats:
            if found.name in intent.transforms:
                formats = ", ".join(found.needs.formats)
                reason = f"{profile.name} is {profile.format}; {found.name} is decided of {formats}"
                rejections.add(f"{profile.name} {found.name}", "model format", reason)
        elif found.needs.executors and executor not in found.needs.executors:
            if found.name in intent.transforms:
                reason = f"{executor} does not decide it; {', '.join(found.needs.executors)} does"
                rejections.add(f"{profile.name} {found.name} by {executor}", "an executor that decides it", reason)
        else:
            choices.append([tuple((found.setting, value) for _, value in own) for own in _choices(found, intent)])
    for combined in product(*choices):
        yield tuple(pair for chosen in combined for pair in chosen)


def _compressed(
    base: Precision,
    found: Declaration,
    choices: Sequence[tuple[tuple[str, str], ...]],
    declared: Mapping[str, Declaration],
    rejections: Rejections,
) -> Iterator[Precision]:
    """Yield a precision of the compressed network, for each choice of settings. A name that both transforms have for a
    setting would leave open whose is meant."""
    first = next((item for item in declared.values() if item.stage == "precision" and _makes(item, base)), None)
    shared = sorted(set(found.parameters) & set(first.parameters)) if first is not None else []
    if shared:
        assert first is not None
        reason = f"{first.name} and {found.name} both have a parameter {', '.join(shared)}"
        rejections.add(f"{base}+{found.name}", "settings that tell whose they are", reason)
        return
    kinds = tuple(kind for kind in base.kinds if not found.needs.devices or kind in found.needs.devices)
    for chosen in choices:
        both = (*chosen, *base.chosen)
        yield base._replace(compression=found.name, chosen=both, kinds=kinds or base.kinds or found.needs.devices)


def _makes(found: Declaration, base: Precision) -> bool:
    return found.quantization == base.quantization and base.name in found.precisions


def _place(found: Declaration) -> tuple[int, str]:
    return get_args(Quantization).index(found.quantization), found.name


def _is_asked(found: Declaration, intent: Intent) -> bool:
    """Say whether the intent wants it tried: it names it, or it is nothing that has to be named."""
    pinned = (*intent.pin.compression, *intent.pin.quantization)
    return not found.asked or found.name in intent.transforms or found.name in pinned


def _choices(found: Declaration, intent: Intent) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield each choice of settings, as what is not default in it."""
    wanted = intent.transforms.get(found.name, {})
    values = [wanted.get(name) or item.offered or (item.default,) for name, item in found.parameters.items()]
    for combined in product(*values):
        pairs = zip(found.parameters.items(), combined, strict=True)
        yield tuple((name, value) for (name, item), value in pairs if value != item.default)


def _able(
    found: Declaration, intent: Intent, profile: ModelProfile, rejections: Rejections
) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield each choice of settings that can be made here; a row says why not of the others."""
    for chosen in _choices(found, intent):
        for name, value in chosen if profile.file_bytes else ():
            setting = f"{name}={value}"
            lacking = next(_missing(found.parameters[name], f"{found.name} with {setting}", intent), None)
            if lacking is not None:
                rejections.add(
                    f"{profile.name} {_named(found, profile)}+{setting}", *lacking[:2], resolvable=lacking[2]
                )
                break
        else:
            yield chosen


def _missing(needing: Needs | Parameter, name: str, intent: Intent) -> Iterator[tuple[str, str, str | None]]:
    """Yield (rule, fact, what lifts it) for data that the intent does not name and modules that are not installed."""
    for role in needing.data:
        if not getattr(intent.data, role, ()):
            clause, reason = f"{name} needs {_DATA[role]}", f"the intent names no data {_USED_FOR[role]}"
            yield clause, reason, f"set data.{role}"
    modules = not_installed(needing)
    if modules:
        yield f"{name} needs {', '.join(modules)}", f"{', '.join(modules)}: not installed here", needing.install


def _possible(found: Declaration, intent: Intent, profile: ModelProfile, rejections: Rejections) -> bool:
    """Say whether the transform can be applied to the file; a row says why not, unless nobody wants what it makes."""
    if profile.precision not in found.needs.stored:
        return False  # one row says so of all of them
    lacking = next(_lacking(found, intent, profile), None)
    if lacking is None:
        return True
    label = _named(found, profile)
    if all(rejections.allows(field, name, label) for field, name in _fields(found)):
        rejections.add(f"{profile.name} {label}", *lacking[:2], resolvable=lacking[2])
    return False


def _named(found: Declaration, profile: ModelProfile) -> str:
    if found.stage == "compression":
        return f"{profile.precision}+{found.name}"
    return str(Precision(found.precisions[0], found.quantization))


def _fields(found: Declaration) -> Sequence[tuple[str, str]]:
    if found.stage == "compression":
        return [("compression", found.name)]
    return [("precision", found.precisions[0]), ("quantization", found.quantization)]


def _lacking(found: Declaration, intent: Intent, profile: ModelProfile) -> Iterator[tuple[str, str, str | None]]:
    """Yield (rule, fact, what lifts it) for each need that is not met; where there is no file, none can be told."""
    if not profile.file_bytes:
        return
    needs = found.needs
    name = f"{found.name} quantisation" if found.quantization != "none" else found.name
    if profile.format not in needs.formats:
        reason = f"{profile.name} is {profile.format}; {found.name} changes {', '.join(needs.formats)}"
        yield "model format", reason, None
    kinds = {item.kind for item in profile.operators} | set(profile.unknown_operators)
    if needs.operators and kinds and not kinds.intersection(needs.operators):
        reason = f"{profile.name} has no {' or '.join(needs.operators)}, which is what {name} covers"
        yield "operators", reason, None
    yield from _missing(needs, name, intent)
