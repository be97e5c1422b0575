"""In what precision a configuration says that its weights are stored."""

from __future__ import annotations

from aios.models.transformers.fields import Fields

__all__ = ["stored_precision"]

_METHODS = {"mxfp4": "mxfp4", "fp8": "fp8", "fbgemm_fp8": "fp8", "nvfp4": "nvfp4", "modelopt_fp4": "nvfp4"}
_WORDS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8_e4m3fn": "fp8"}


def stored_precision(fields: Fields, whole: Fields) -> str:
    """Return the precision of most weights. fields: of the language model · whole: of the file around it"""
    section = whole.section("quantization_config") or fields.section("quantization_config")
    section = section or whole.section("compression_config")
    found = _quantized(section) if section is not None else ""
    if found:
        return found
    word = fields.word("torch_dtype", "dtype") or whole.word("torch_dtype", "dtype")
    return _WORDS.get(word.removeprefix("torch."), "bf16")


def _quantized(section: Fields) -> str:
    method = section.word("quant_method", "quant_type").lower()
    if method in _METHODS:
        return _METHODS[method]
    if method in ("awq", "gptq", "auto-round", "auto_round"):
        return f"int{section.integer('bits', 'w_bit', default=4)}"
    if method == "bitsandbytes":
        return "int8" if section.flag("load_in_8bit") else "nf4"
    told = section.word("quant_algo") or section.word("fmt", "format")
    groups = section.section("config_groups")
    for name in groups.data if groups is not None else ():
        group = groups.section(name) if groups is not None else None
        weights = group.section("weights") if group is not None else None
        if weights is not None:
            bits = weights.integer("num_bits", default=8)
            if weights.word("type") == "float":
                blocks = "mxfp4" if "mxfp4" in told else "nvfp4"
                return {4: blocks, 8: "fp8"}.get(bits, "")
            return f"int{bits}"
    return next((name for name in ("nvfp4", "mxfp4", "fp8", "int8", "int4") if name in told.lower()), "")
