"""Reads what the user wants: YAML documents in, Intent records out.

``compile_intents`` checks the documents of kind Intent against their written form, makes every default visible, turns
every quantity into SI and keeps the place of every value, so that all that follows can point at it; everything that is
wrong is reported at once. ``intent_schema`` gives editors the same rules.
"""

from aios.intents.compile import compile_intents
from aios.intents.schema import intent_schema, intent_schema_text

__all__ = ["compile_intents", "intent_schema", "intent_schema_text"]
