"""Models that intents name in the model store: which version each is now, its bytes compared, kept while it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aios.records.errors import Diagnostic, InputError
from aios.records.intent import Intent, ModelChoice, Stored
from aios.records.modelstore import SCHEME, parse_reference
from aios.workflow.modelstore import opening_key

if TYPE_CHECKING:
    from aios.state.modelstore import Loaded, ModelStore
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
    known: dict[str, Loaded] = {}
    found = []
    for intent in intents:
        models = []
        for choice in intent.models:
            try:
                models.append(_looked_up(choice, intent, store, setting, known))
            except InputError as error:
                problems += (item.model_copy(update={"where": choice.where}) for item in error.diagnostics)
        found.append(intent.model_copy(update={"models": tuple(models)}))
    if problems:
        raise InputError(*problems)
    store.used_by(str(setting.state), [item.version.digest for item in known.values()])
    return tuple(found)


def _looked_up(
    choice: ModelChoice, intent: Intent, store: ModelStore, setting: Setting, known: dict[str, Loaded]
) -> ModelChoice:
    """Return the choice with what it stands for. known: reference -> that, of those that were looked up

    Raises InputError for what is not there, or is encrypted by a key that the intent does not name.
    """
    if not choice.path.startswith(SCHEME):
        return choice
    reference = parse_reference(choice.path)
    if choice.path not in known:
        known[choice.path] = store.load(reference)
        setting.leases.append(known[choice.path].lease)
    loaded = known[choice.path]
    version, told = loaded.version, f"{reference.name}@v{loaded.version.number}"
    key = opening_key(version, told, intent.protection.key if intent.protection else None)
    opens = {"key": key.origin, "context": version.digest} if key else None
    stored = Stored(version=told, digest=version.digest, file=str(loaded.path), opens=opens)
    return choice.model_copy(update={"stored": stored})
