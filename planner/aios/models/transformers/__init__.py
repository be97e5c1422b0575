"""Transformers by their configuration (HuggingFace ``config.json``) or by their name.

Their arithmetic is in ``aios.records.transformers``.
"""

from aios.models.transformers.config import load_config, read_config
from aios.models.transformers.presets import (
    find_transformer,
    load_presets,
    presets,
    transformer_like,
    transformer_named,
)

__all__ = [
    "find_transformer",
    "load_config",
    "load_presets",
    "presets",
    "read_config",
    "transformer_like",
    "transformer_named",
]
