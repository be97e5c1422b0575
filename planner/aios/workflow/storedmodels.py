"""Models that intents name in the model store: which version each is now, its bytes compared, kept while it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Intent, ModelChoice, Stored
from aios.records.modelstore import SCHEME, parse_reference

if TYPE_CHECKING:
    from aios.state.modelstore import ModelStore
    from aios.workflow.setting import Setting

__all__ = ["with_stored"]


def with_stored(intents: Sequence[Intent], setting: Setting) -> tuple[Intent, ...]:
    """Return the intents with the versions that their references stand for now.

    Raises InputError with every reference to what is not there, WorldError where stored files are not what was stored.
    """
    if not any(choice.path.startswith(SCHEME) for intent in intents for choice in intent.models):
        return tuple(intents)
    from aios.state.modelstore import ModelStore

    store = ModelStore(setting.model_store)
    problems: list[Diagnostic] = []
    known: dict[str, Stored] = {}
    found = [
        intent.model_copy(
            update={"models": tuple(_looked_up(item, store, setting, known, problems) for item in intent.models)}
        )
        for intent in intents
    ]
    if problems:
        raise InputError(*problems)
    store.used_by(str(setting.state), [item.digest for item in known.values()])
    return tuple(found)


def _looked_up(
    choice: ModelChoice, store: ModelStore, setting: Setting, known: dict[str, Stored], problems: list[Diagnostic]
) -> ModelChoice:
    """Return the choice with what it stands for. known: reference -> that, of those that were looked up"""
    if not choice.path.startswith(SCHEME):
        return choice
    if choice.path not in known:
        reference = parse_reference(choice.path)
        try:
            loaded = store.load(reference)
        except InputError as error:
            problems.extend(item.model_copy(update={"where": choice.where}) for item in error.diagnostics)
            return choice
        setting.leases.append(loaded.lease)
        version = loaded.version
        known[choice.path] = Stored(
            version=f"{reference.name}@v{version.number}", digest=version.digest, file=str(loaded.path)
        )
    return choice.model_copy(update={"stored": known[choice.path]})
