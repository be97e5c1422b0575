"""A HuggingFace ``config.json`` as a Transformer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aios.models.transformers.architectures import Traits, positions_ahead, traits_of, unread_reason
from aios.models.transformers.attention import attention_of
from aios.models.transformers.feedforward import feed_forward_of
from aios.models.transformers.fields import Fields, Mistakes
from aios.models.transformers.quantization import stored_precision
from aios.models.transformers.vision import vision_of
from aios.records.base import digest_of
from aios.records.errors import InputError
from aios.records.transformer import Attention, Transformer

__all__ = ["load_config", "read_config"]

_MOST_BYTES = 4 * 1024 * 1024
_MOST_LAYERS = 100_000
_UNREAD = "describe it as a network (an ONNX file or a model card)"
_INSIDE = ("text_config", "llm_config", "language_config", "thinker_config")
"""Sections that hold the language model of a model with several parts."""


def load_config(path: Path) -> Transformer:
    """Return what a ``config.json`` describes; its name is that of the folder it lies in.

    Raises InputError, with every mistake: a file that is no such configuration, sizes that are missing or impossible.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(raw) > _MOST_BYTES:
        raise InputError(f"{path} is larger than 4 MiB: this is no model configuration")
    try:
        text = raw.decode()
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no well-formed JSON: {str(error)[:200]}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no JSON object: this is no model configuration")
    name = path.stem if path.name != "config.json" else path.absolute().parent.name
    return read_config(data, str(data.get("_name_or_path") or name)[:200], file=str(path), text=text)


def read_config(data: Mapping[str, Any], name: str, *, file: str = "config.json", text: str = "") -> Transformer:
    """Return what a configuration describes. file, text: where it was read from, for messages. Raises InputError."""
    mistakes = Mistakes(file, text)
    if not _is_text(data):
        mistakes.add("a text in it holds half a character (a lone surrogate)", remedy="copy the file again")
        raise InputError(*mistakes.found)
    whole = Fields(data, mistakes)
    fields = _language_model(whole)
    model_type = fields.word("model_type") or whole.word("model_type")
    architectures = [item for item in whole.listed("architectures") if isinstance(item, str)]
    if not model_type and not architectures:
        mistakes.add("there is neither model_type nor architectures", remedy="name the config.json beside the weights")
        raise InputError(*mistakes.found)
    reason = unread_reason(whole, model_type)
    if reason is not None:
        mistakes.add(f"{model_type or architectures[0]} is not read: {reason}", "model_type", remedy=_UNREAD)
        raise InputError(*mistakes.found)
    traits = _traits(fields, traits_of(model_type))
    found = _structure(fields, whole, traits, model_type or architectures[0])
    if mistakes.found:
        raise InputError(*mistakes.found)
    marked = () if traits.known else (_guess(model_type or architectures[0], traits),)
    return found.model_copy(
        update={
            "name": name,
            "digest": digest_of(dict(data)) if _hashable(data) else "",
            "architecture": architectures[0] if architectures else model_type,
            "marked": (*marked, *found.marked),
        }
    )


def _language_model(whole: Fields) -> Fields:
    fields = whole
    for _ in range(3):
        inside = fields.section(*_INSIDE)
        if inside is None:
            break
        fields = inside
    return fields


def _structure(fields: Fields, whole: Fields, traits: Traits, model_type: str) -> Transformer:
    hidden = fields.needed("hidden_size", "n_embd", "d_model", "dim", "model_dim")
    layers = len(fields.listed("layers_block_type")) or fields.needed(
        "num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_decoder_layers"
    )
    if layers > _MOST_LAYERS:
        fields.mistakes.add(f"{layers:,} layers are more than {_MOST_LAYERS:,}", "num_hidden_layers")
        raise InputError(*fields.mistakes.found)
    vision_alone = fields.has("patch_size") and fields.has("image_size")
    vocabulary = 0 if vision_alone else fields.needed("vocab_size", "padded_vocab_size", "embedding_size")
    attention = attention_of(fields, traits, model_type, hidden, layers)
    if not attention:
        fields.mistakes.add("no block has attention, or a state in its place")
        raise InputError(*fields.mistakes.found)
    made = feed_forward_of(fields, model_type, hidden, layers)
    frame = Transformer(
        name="",
        architecture="",
        layers=layers,
        hidden=hidden,
        vocabulary=vocabulary,
        attention=attention,
        dense_layers=made.dense_layers,
        intermediate=made.intermediate,
        experts=made.experts,
        gated=traits.gated,
        tied=_tied(fields, whole, traits),
        biases=traits.biases,
        parallel=traits.parallel,
        positions=_positions(fields),
        learnt_positions=traits.learnt_positions,
        precision=stored_precision(fields, whole),
        decoder=traits.decoder and not vision_alone,
        vision=vision_of(whole, hidden),
        other_parameters=_others(fields, model_type, hidden, layers),
    )
    return _with_encoder(frame, fields) if model_type in ("t5", "mt5", "umt5", "longt5") else frame


def _traits(fields: Fields, traits: Traits) -> Traits:
    """The traits that the file itself states win."""
    activation = fields.word(
        "hidden_act", "activation_function", "hidden_activation", "feed_forward_proj", "mlp_hidden_act"
    )
    if activation.startswith("gated-"):
        traits = traits._replace(gated=True)
    if not traits.known and activation in ("relu", "gelu", "gelu_new", "gelu_fast", "relu2"):
        traits = traits._replace(gated=False)
    if fields.has("use_parallel_residual", "parallel_attn"):
        traits = traits._replace(parallel=fields.flag("use_parallel_residual", "parallel_attn"))
    if fields.flag("no_bias"):
        traits = traits._replace(biases=False, query_biases=False)
    if fields.has("position_embedding_type") and fields.word("position_embedding_type") in ("rope", "rotary", "alibi"):
        traits = traits._replace(learnt_positions=False)
    if fields.flag("alibi"):
        traits = traits._replace(learnt_positions=False)
    return traits


def _guess(model_type: str, traits: Traits) -> str:
    feed_forward = "gated" if traits.gated else "plain"
    return f"the model type {model_type} is not known: read as a usual decoder with {feed_forward} feed-forwards"


def _tied(fields: Fields, whole: Fields, traits: Traits) -> bool:
    if fields.has("tie_word_embeddings"):
        return fields.flag("tie_word_embeddings")
    return whole.flag("tie_word_embeddings", default=traits.tied)


def _positions(fields: Fields) -> int | None:
    stated = fields.integer(
        "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx",
        "max_target_positions", "model_max_length",
    )  # fmt: skip
    scaling = fields.section("rope_scaling")
    if scaling is not None and stated and scaling.integer("original_max_position_embeddings") == stated:
        stated = round(stated * (scaling.number("factor") or 1))
    return max(0, stated - positions_ahead(fields)) or None


def _others(fields: Fields, model_type: str, hidden: int, layers: int) -> int:
    """Parameters that are part of no block: segments and pooler of BERT, places that RoBERTa keeps ahead of the first
    token, patches and places of ViT, embeddings of each layer in Gemma 3n."""
    ahead = positions_ahead(fields)
    if ahead:
        return hidden * ahead
    if model_type == "bert":
        return hidden * fields.integer("type_vocab_size", default=2) + hidden * hidden + 3 * hidden
    if fields.has("patch_size") and fields.has("image_size"):
        patch = max(1, fields.integer("patch_size", default=16))
        return hidden * (3 * patch**2 + (fields.integer("image_size") // patch) ** 2 + 2)
    per_layer = fields.integer("hidden_size_per_layer_input")
    if per_layer:
        rows = fields.integer("vocab_size_per_layer_input")
        return layers * per_layer * (rows + 3 * hidden)
    return 0


def _with_encoder(model: Transformer, fields: Fields) -> Transformer:
    """T5: an encoder with as many blocks as the decoder has, whose blocks also attend to what the encoder made."""
    own = model.attention[0]
    decoders = fields.integer("num_decoder_layers", default=model.layers)
    kinds: tuple[Attention, ...] = (
        own.model_copy(update={"layers": model.layers + decoders}),
        own.model_copy(update={"kind": "cross", "layers": decoders}),
    )
    return model.model_copy(
        update={
            "attention": kinds,
            "encoder_layers": model.layers,
            "layers": model.layers + decoders,
            "dense_layers": model.layers + decoders,
            "marked": ("encoder and decoder: work is counted as if every token went through both",),
        }
    )


def _is_text(data: Mapping[str, Any]) -> bool:
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except ValueError:  # a number of more digits than Python writes: whoever reads that field refuses it
        return True
    return True


def _hashable(data: Mapping[str, Any]) -> bool:
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:
        return False
    return True
