"""Towers that look at images, beside a language model."""

from __future__ import annotations

from aios.models.transformers.fields import Fields
from aios.records.transformer import Vision

__all__ = ["vision_of"]

_DEFAULT_PIXELS = 896


def vision_of(whole: Fields, hidden: int) -> Vision | None:
    """Return the tower of a configuration, with its projector into the stream ``hidden`` wide; None where it has none.

    Towers that take any resolution are counted at 896 pixels a side.
    """
    fields = whole.section("vision_config", "vit_config")
    if fields is None:
        return None
    layers = fields.integer("num_hidden_layers", "depth", "layers", "vt_num_hidden_layers", "n_layers")
    width = fields.integer("embed_dim", "hidden_size", "width", "vt_hidden_size", "dim")
    if fields.word("model_type") in ("qwen2_vl",):
        wide = round(width * (fields.number("mlp_ratio") or 4))
    else:
        default = round(width * (fields.number("mlp_ratio") or 4))
        wide = fields.integer("intermediate_size", "vt_intermediate_size", "mlp_hidden_dim", default=default)
    if not layers or not width:
        return None
    patch = max(1, fields.integer("patch_size", "spatial_patch_size", default=14))
    pixels = fields.integer("image_size", default=_DEFAULT_PIXELS) or _DEFAULT_PIXELS
    patches = max(1, (pixels // patch) ** 2)
    merge = fields.integer("spatial_merge_size") or _merged(fields) or 1
    tokens = whole.integer(
        "mm_tokens_per_image", "vision_soft_tokens_per_image", "image_seq_length", default=max(1, patches // merge**2)
    )
    gated = fields.word("hidden_act") == "silu"
    block = 4 * width * width + (3 if gated else 2) * width * wide
    merged = width * merge**2
    projectors = 1 + len(fields.listed("deepstack_visual_indexes"))
    projector = projectors * (merged * merged + merged * hidden) if merge > 1 else width * hidden
    parameters = layers * (block + 9 * width + wide) + 3 * width * patch**2 + patches * width + projector
    return Vision(layers=layers, hidden=width, intermediate=wide, patches=patches, tokens=tokens, parameters=parameters)


def _merged(fields: Fields) -> int:
    sizes = fields.listed("merge_kernel_size")
    return sizes[0] if sizes and isinstance(sizes[0], int) else 0
