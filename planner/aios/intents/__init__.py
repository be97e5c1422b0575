"""Reads what the user wants: YAML documents in, Intent, Demanded and Objective records out.

``compile_intents`` checks the documents of kind Intent against their written form, makes every default visible, turns
every quantity into SI and keeps the place of every value, so that all that follows can point at it; everything that is
wrong is reported at once. ``intent_schema`` gives editors the same rules.
"""

from aios.intents.compile import Compiled, compile_intents
from aios.intents.objectives import compile_objective
from aios.intents.schema import intent_schema, intent_schema_text
from aios.intents.times import read_instant
from aios.intents.windows import windows_of

__all__ = [
    "Compiled",
    "compile_intents",
    "compile_objective",
    "intent_schema",
    "intent_schema_text",
    "read_instant",
    "windows_of",
]
