"""The product of all choices, family by family."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aios.candidates.hosts import Host, hosts_of, replicas_that_fit
from aios.candidates.making import candidate_of
from aios.candidates.modes import modes_of
from aios.candidates.offering import decided
from aios.candidates.places import admits, check_places
from aios.candidates.precisions import Precision, precisions_of, ranges_known, runs_on
from aios.candidates.refusals import Refusals
from aios.candidates.rejections import Rejections
from aios.candidates.residences import Residing, residing
from aios.candidates.sizes import batches_of, replica_bound, replicas_of, threads_of
from aios.candidates.transformers import OnDevice
from aios.records.candidate import Candidate, Rejection, label_of
from aios.records.fleet import DeviceType, Fleet
from aios.records.intent import Intent
from aios.records.model import ModelProfile
from aios.records.training import Search
from aios.records.transform import Declaration
from aios.spi.executor import Executor

__all__ = ["Enumeration", "enumerate_candidates"]

_ONLY_WHEN_PINNED = frozenset({"dryrun"})
"""Executors that run nothing: nobody wants them chosen unasked."""


class Enumeration(NamedTuple):
    """All candidates of an intent, in a fixed order with unique ids, and a row for every family left out."""

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]


class _Space(NamedTuple):
    """What is the same for every family of one enumeration.

    bound: on replicas, None for none · crowded: several executors take part, so ids name them · failed: (model,
    label of its precision, executor) -> why it could not be prepared · search: finds splits of training steps
    """

    intent: Intent
    refusals: Refusals
    bound: int | None
    crowded: bool
    rejections: Rejections
    failed: Mapping[tuple[str, str, str], str]
    search: Search | None
    declared: Mapping[str, Declaration]

    def place_of(self, device: DeviceType, executor: str) -> str:
        """Return what stands for device and executor in a candidate's id."""
        return f"{device.name}@{executor}" if self.crowded else device.name


class _Family(NamedTuple):
    """One model in one precision on one device type, run by one executor."""

    profile: ModelProfile
    device: DeviceType
    executor: str
    precision: Precision
    hosts: tuple[Host, ...]

    def __str__(self) -> str:
        return f"{self.profile.name} {self.precision} on {self.device.name}"


def enumerate_candidates(
    intent: Intent,
    profiles: Mapping[str, ModelProfile],
    fleet: Fleet,
    executors: Mapping[str, Executor],
    failed: Mapping[tuple[str, str, str], str] | None = None,
    search: Search | None = None,
    declared: Mapping[str, Declaration] | None = None,
) -> Enumeration:
    """Return every way ``intent`` could run on ``fleet``.

    profiles: by name of the intent's models, each one present · executors: by name · failed: (model, label,
    executor) -> why it could not be prepared when that was tried · search: finds the splits of training jobs, which
    have no candidates without one · declared: transforms by name, those that are installed by default. The
    candidates come sorted by model, device, executor, precision, power mode, threads, batch and replicas; the order of
    the arguments' items does not matter. Raises KeyError for a model without a profile, which is the caller's mistake.
    """
    rejections = Rejections(intent)
    without_file = all(not profile.file_bytes for profile in profiles.values())
    names = _executors(executors, rejections, quiet=without_file)
    language = any(profile.transformer is not None for profile in profiles.values())
    bound = None if language else replica_bound(intent, rejections)
    space = _Space(
        intent, Refusals(executors), bound, len(names) > 1, rejections, failed or {}, search, _installed(declared)
    )
    models = sorted(choice.name for choice in intent.models)
    rejections.check_known("model", models, "the intent")
    rejections.check_known("device", fleet.types, f"fleet {fleet.name}")
    rejections.check_known("node", (node.name for node in fleet.nodes), f"fleet {fleet.name}")
    check_places(intent.placement, fleet, rejections)
    places = tuple(_places(fleet, rejections))
    candidates: list[Candidate] = []
    for model in models:
        if not rejections.allows("model", model, f"model {model}"):
            continue
        profile = profiles[model].model_copy(update={"name": model})
        made = list(_of_model(profile, places, names, space))
        if not made and not profile.file_bytes:
            made = list(_of_model(profile, places, _standing_in(intent, executors), space))
            if made:
                reason = f"no installed executor runs {model}: {made[0].executor} writes down what would run"
                remedy = "install an executor that does"
                rejections.add(f"{model} by an installed executor", "an executor", reason, resolvable=remedy)
        candidates.extend(made)
    space.refusals.tell(rejections)
    return Enumeration(candidates=tuple(candidates), rejections=rejections.rows())


def _installed(declared: Mapping[str, Declaration] | None) -> Mapping[str, Declaration]:
    if declared is not None:
        return declared
    from aios.spi.transforms import declarations

    return declarations()


def _of_model(
    profile: ModelProfile,
    places: Sequence[tuple[DeviceType, tuple[Host, ...]]],
    executors: Sequence[str],
    space: _Space,
) -> Iterator[Candidate]:
    """Yield the candidates of one model, device by device and executor by executor."""
    model = profile.transformer
    fixed = model is None and space.intent.train is None
    precisions = tuple(precisions_of(space.intent, profile, space.declared, space.rejections)) if fixed else ()
    for device, hosts in places:
        for executor in executors:
            if model is not None:
                place, on = space.place_of(device, executor), space.rejections
                decisions = tuple(decided(space.intent, profile, executor, space.declared, on))
                around = OnDevice(space.intent, profile, model, device, hosts, executor, place, on, decisions)
                yield from _accepted(_of_transformer(around, space.search), device, profile, space)
            for wanted in precisions:
                precision = runs_on(device, wanted, profile.precision, space.rejections)
                if precision and ranges_known(space.intent, device, precision, space.rejections):
                    yield from _of_precision(_Family(profile, device, executor, precision, hosts), space)


def _of_precision(family: _Family, space: _Space) -> Iterator[Candidate]:
    """Yield the candidates of one precision, for each choice of what the executor decides."""
    executor, own = family.executor, family.precision
    for chosen in decided(space.intent, family.profile, executor, space.declared, space.rejections):
        precision = own._replace(chosen=(*own.chosen, *chosen))
        decision = family._replace(precision=precision)
        why = space.failed.get((family.profile.name, str(precision), executor))
        if why is None:
            yield from _members(decision, space)
        else:
            remedy = "mend the model or its data, then `aios profile --fresh`"
            space.rejections.add(str(decision), "can be prepared", why, executor, remedy)


def _of_transformer(space: OnDevice, search: Search | None) -> Iterator[Candidate]:
    """Yield the ways to train a transformer where the intent says so, else those to serve it."""
    if space.intent.train is None:
        from aios.candidates.language import language_candidates

        yield from language_candidates(space)
    elif search is not None:
        from aios.candidates.training import training_candidates

        yield from training_candidates(space, space.intent.train, search)


def _accepted(
    candidates: Iterator[Candidate], device: DeviceType, profile: ModelProfile, space: _Space
) -> Iterator[Candidate]:
    """Yield those that their executor accepts; it is asked once a precision."""
    asked: dict[str, bool] = {}
    for candidate in candidates:
        key = label_of(candidate)
        if key not in asked:
            asked[key] = space.refusals.accepts(candidate, device, profile)
        if asked[key]:
            yield candidate


def _standing_in(intent: Intent, executors: Mapping[str, Executor]) -> list[str]:
    """Return executors that run nothing, for a model that has no file and that nobody installed can run."""
    if intent.pin.executor:
        return []
    return [name for name in sorted(_ONLY_WHEN_PINNED & set(executors)) if name not in intent.exclude.executor]


def _executors(executors: Mapping[str, Executor], rejections: Rejections, quiet: bool) -> list[str]:
    """Return the executors that take part. quiet: one that runs nothing may well stand in, so that is no rejection."""
    rejections.check_known("executor", executors, "this installation")
    if not executors:
        rejections.add("every candidate", "an executor", "no executor is installed", resolvable="install an executor")
    return [
        name
        for name in sorted(executors)
        if rejections.allows("executor", name, f"executor {name}") and _takes_part(name, rejections, quiet)
    ]


def _takes_part(name: str, rejections: Rejections, quiet: bool) -> bool:
    if name not in _ONLY_WHEN_PINNED or rejections.pins("executor"):
        return True
    if not quiet:
        what, reason = f"executor {name}", f"{name} runs nothing"
        rejections.add(what, "only when pinned", reason, resolvable=f"pin executor {name}")
    return False


def _places(fleet: Fleet, rejections: Rejections) -> Iterator[tuple[DeviceType, tuple[Host, ...]]]:
    """Yield every device type that may be used, by name, with the nodes that hold it.

    A type of which the fleet only holds parts is nothing to run on, and nobody asked for it unless it is pinned.
    """
    held = {slot.type for node in fleet.nodes for slot in node.devices}
    for name in sorted(fleet.types):
        device = fleet.types[name]
        parts = [part for part in sorted(held & set(fleet.types)) if fleet.types[part].part_of == name]
        if name not in held and parts:
            if rejections.pins("device", name):
                reason = f"every {name} of fleet {fleet.name} is cut into parts: {', '.join(parts)}"
                rejections.add(f"device {name}", "a whole device", reason, resolvable="pin its parts instead")
        elif rejections.allows("device", name, f"device {name}") and admits(device, rejections.rules, rejections):
            hosts = hosts_of(device, fleet, rejections)
            if hosts:
                yield device, hosts
            else:
                reason = f"no node of fleet {fleet.name} that may be used holds a {name}"
                rejections.add(f"device {name}", "a node", reason)


def _members(family: _Family, space: _Space) -> Iterator[Candidate]:
    """Yield the candidates of one family, as far as device memory, cores and executor allow."""
    device, rejections = family.device, space.rejections
    modes = modes_of(device, space.intent)
    batches = []
    for batch in batches_of(family.profile, space.intent, rejections):
        answers = _residing(family, batch, rejections)
        if not answers:  # larger ones need more still
            break
        batches += [(batch, answer) for answer in answers]
    threads_choices = threads_of(device, family.hosts, space.intent, rejections) if batches else ()
    for mode in modes:
        for threads in threads_choices:
            for batch, answer in batches:
                able = tuple(host for host in answer.hosts if not threads or (host.cores or 1) >= threads)
                if able:
                    shape = _Shape(mode, threads, batch)
                    yield from _everywhere(family, space, shape, answer._replace(hosts=able))
                else:
                    what = f"{family} with {threads} threads in batches of {batch}"
                    rejections.add(what, "room", "no node has both the cores and the memory")


class _Shape(NamedTuple):
    """What a replica looks like. mode: power mode · threads: CPU threads, 0 on what is no cpu · batch: largest."""

    mode: str | None
    threads: int
    batch: int


def _everywhere(family: _Family, space: _Space, shape: _Shape, answer: Residing) -> Iterator[Candidate]:
    """Yield the candidates on each group of equally good hosts, and on all of them what is too many for each group.

    Replicas on hosts of different price, electricity or tiers would cost what their placement makes them cost; a
    candidate whose estimates hold wherever it is placed names hosts that do not differ in those. Where rules tell
    machines apart, as few as fit on one group may have to stand on several.
    """
    spreads = bool(space.intent.placement.domains)
    groups: dict[Hashable, list[Host]] = {}
    for host in answer.hosts:
        reads = tuple(tier for tier in host.tiers if tier.name in answer.tiers.values())
        groups.setdefault((host.site, tuple((tier.name, tier.read) for tier in reads)), []).append(host)
    if len(groups) == 1:
        yield from _copies(family, space, shape, answer, "", 0)
        return
    largest = 0
    for hosts in groups.values():
        if not spreads:
            largest = max(largest, replicas_that_fit(family.device, hosts, shape.threads))
        yield from _copies(family, space, shape, answer._replace(hosts=tuple(hosts)), f"on {hosts[0].node}", 0)
    yield from _copies(family, space, shape, answer, "anywhere", largest)


def _copies(
    family: _Family, space: _Space, shape: _Shape, answer: Residing, where: str, beyond: int
) -> Iterator[Candidate]:
    """Yield one candidate per number of replicas above ``beyond``, if the executor can run one replica."""
    device, precision, profile = family.device, family.precision, family.profile
    mode, threads, batch = shape
    label = f"{device.name} with {threads} threads" if threads else device.name
    fits = replicas_that_fit(device, answer.hosts, threads)
    place = space.place_of(device, family.executor)
    stem = f"{space.intent.name}/{profile.name}/{place}/{precision}/b{batch}/t{threads}"
    suffix = "".join(f"/{part}" for part in (mode, str(answer), where) if part)
    nodes = tuple(host.node for host in answer.hosts)
    counts = replicas_of(fits, space.bound, space.intent, space.rejections, label)
    for index, replicas in enumerate(count for count in counts if count > beyond):
        candidate = candidate_of(
            space.intent,
            profile,
            device,
            family.executor,
            id=f"{stem}/r{replicas}{suffix}",
            nodes=nodes,
            precision=precision.name,
            quantization=precision.quantization,
            compression=precision.compression,
            settings=precision.settings,
            batch=batch,
            threads=threads,
            replicas=replicas,
            power_mode=mode,
            tiers=answer.tiers,
        )
        if index == 0 and not space.refusals.accepts(candidate, device, profile):
            return
        yield candidate


def _residing(family: _Family, batch: int, rejections: Rejections) -> tuple[Residing, ...]:
    """Return where one replica's weights and activations could live."""
    precision = family.precision
    sizes = family.profile.part_bytes(precision.name, precision.quantization, batch)
    what = f"{family}" if batch == 1 else f"{family} in batches of {batch} and more"
    return residing(what, sizes, family.device, family.hosts, rejections)
