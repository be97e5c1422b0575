"""Finding a model by what people call it: organisations, case, separators, versions and suffixes differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import NamedTuple

from aios.records.transformer import Transformer

__all__ = ["Named", "Names", "precision_in", "words_of"]

_MOST_CHARACTERS = 200
_MOST_CANDIDATES = 8

_TOKEN = re.compile(
    r"\d+x\d+(?:\.\d+)?b|[ae]\d+(?:\.\d+)?b(?![a-z])|\d+(?:\.\d+)?[bmkte]\d*(?![a-z])|[a-z]+|\d+(?:\.\d+)?"
)
"""8x7b · a3b, e4b · 8b, 7b1, 760m, 128k, 16e · a word · a number."""

_PRECISIONS = (
    (r"nvfp4|(?<![a-z])fp4", "nvfp4"),
    (r"mxfp4", "mxfp4"),
    (r"(?<![a-z])fp8(?:[-_]dynamic|[-_]kv|[-_]block|[-_]dyn)?", "fp8"),
    (r"(?<![a-z])(?:iq|q)\d(?:_[a-z0-9]{1,3}){0,2}(?![a-z0-9])", ""),
    (r"awq|gptq|w4a16|(?<![a-z])int4|4bit|w4afp8", "int4"),
    (r"w8a8|w8a16|smoothquant|(?<![a-z])int8|8bit|gptq[-_]int8", "int8"),
    (r"bfloat16|bf16", "bf16"),
    (r"float16|fp16|(?<![a-z])f16", "fp16"),
    (r"float32|fp32|(?<![a-z])f32", "fp32"),
)
"""Pattern in a name -> precision; the empty one is llama.cpp's own name for it."""

_PRECISION = re.compile("|".join(pattern for pattern, _ in _PRECISIONS))
_UNDERSCORED = re.compile(r"(?<![0-9.])(\d)[_p](\d)(?![0-9a-z.])")
"""llama3_1, qwen2p5"""
_VERSION = re.compile(r"(?<![a-z])v(?=\d)")
_POINT_ZERO = re.compile(r"(?<=\d)\.0(?=$|[a-z])")

_NOISE = re.compile(
    "instruct|chat|hf|it|sft|lora|dpo|rlhf|finetuned?|quantized|gguf|mlx|onnx|models?|the|meta|openai|google|microsoft|"
    "edge|offline|server|preview|latest|v|release|pretrained|pt|mmlu|version|llm|text|only|static|dynamic|pertensor|"
    "weights|ai|quark|trtllm|dyn|inference|training|new|updated|thinking|reasoning|hub|pyt|pytorch|tensorflow|tf|jax|"
    "torch|vllm|sglang"
)
"""Words that say how a model was tuned, packed or served, not how it is built."""

_SIZE = re.compile(r"(\d+x)?\d+(\.\d+)?[bm]\d*")
"""Beside one, ``base`` means untuned; elsewhere it is a size itself (BERT base)."""
_NOISE_NUMBERS = re.compile(r"99(\.9+)?|2[3-7]\d\d|0\d{3}|\d{6,8}|\d+k|\d+[mk]\d*ctx")
"""MLPerf's accuracy targets, months (2507, 0324), dates, context lengths."""


class Named(NamedTuple):
    """What a name stands for. transformer: None where nothing or more than one structure fits · candidates: names that
    it could stand for, or those that are spelled most like it"""

    transformer: Transformer | None
    candidates: tuple[str, ...] = ()


class Names:
    """Published transformers by everything they are called; each is read when it is asked for."""

    def __init__(self, models: Iterable[tuple[str, tuple[str, ...], Callable[[], Transformer]]]) -> None:
        """``models``: the name of each, its further names and what reads it; names win over what suffixes leave."""
        self._readers: dict[str, Callable[[], Transformer]] = {}
        self._read: dict[str, Transformer] = {}
        self._exact: dict[tuple[str, ...], str] = {}
        self._plain: dict[tuple[str, ...], list[str]] = {}
        self._shown: dict[str, str] = {}
        for own, others, read in models:
            self._readers[own] = read
            for spelling in (own, *others):
                words = words_of(spelling)
                self._exact.setdefault(words, own)
                plain = _without_noise(words)
                # Of a further name no more follows than it says: bert-99 is one model, bert is not.
                if (spelling == own or plain == words) and own not in self._plain.setdefault(plain, []):
                    self._plain[plain].append(own)
                self._shown.setdefault(spelling.rpartition("/")[2].lower(), own)

    def __len__(self) -> int:
        """Return how many models are known."""
        return len(self._readers)

    def __iter__(self) -> Iterator[Transformer]:
        return map(self._model, self._readers)

    def _model(self, name: str) -> Transformer:
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def find(self, name: str) -> Named:
        """Return the model of this name in the precision that the name states, if any (``-FP8``, ``Q4_K_M``).

        Several models of one structure are one. Nothing is guessed: without a match the nearest spellings are told.
        """
        name = name[:_MOST_CHARACTERS]
        words = words_of(name)
        if not words:
            return Named(None)
        found = self._exact.get(words)
        names = [found] if found else self._plain.get(_without_noise(words), [])
        if names and len({_structure(self._model(item)) for item in names}) == 1:
            return Named(_in_precision(self._model(names[0]), name))
        if names:
            return Named(None, tuple(names))
        near = get_close_matches(name.rpartition("/")[2].lower(), self._shown, n=_MOST_CANDIDATES, cutoff=0.75)
        return Named(None, tuple(dict.fromkeys(self._shown[item] for item in near)))


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a model's name, sorted: ``LLaMA v3.1 8B`` and ``meta-llama/Llama-3.1-8B`` have the same."""
    text = name.lower()
    last = text.rpartition("/")[2]
    text = last if re.search("[a-z]", last) else text
    text = _PRECISION.sub(" ", text)
    text = _UNDERSCORED.sub(r"\1.\2", text)
    text = _VERSION.sub(" ", text)
    return tuple(sorted(_POINT_ZERO.sub("", token) for token in _TOKEN.findall(text)))


def precision_in(name: str) -> str | None:
    """Return the precision that a name states (``fp8``, ``q4_k_m``), None if none."""
    text = name.lower()
    for pattern, precision in _PRECISIONS:
        found = re.search(pattern, text)
        if found:
            return precision or found.group()
    return None


def _without_noise(words: tuple[str, ...]) -> tuple[str, ...]:
    sized = any(_SIZE.fullmatch(word) for word in words)
    return tuple(
        word
        for word in words
        if not _NOISE.fullmatch(word) and not (sized and word == "base") and not _NOISE_NUMBERS.fullmatch(word)
    )


def _structure(model: Transformer) -> str:
    """What two models have in common when it does not matter which of them is meant."""
    ignored = {"name", "digest", "positions", "precision", "declared", "parameters", "marked", "architecture"}
    return model.model_dump_json(exclude=ignored)


def _in_precision(model: Transformer, name: str) -> Transformer:
    stated = precision_in(name)
    return model if stated in (None, model.precision) else model.model_copy(update={"precision": stated})
