"""What a kind of model is like where its configuration does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from aios.models.transformers.fields import Fields

__all__ = ["TRAITS", "Traits", "positions_ahead", "traits_of", "unread_reason"]

T = TypeVar("T")


class Traits(NamedTuple):
    """gated: feed-forwards have three matrices · tied: unless the file says otherwise · biases: of all matrices ·
    query_biases: of queries, keys and values · parallel: attention and feed-forward side by side · learnt_positions ·
    decoder · known: False for a model type that nobody described"""

    gated: bool = True
    tied: bool = False
    biases: bool = False
    query_biases: bool = False
    parallel: bool = False
    learnt_positions: bool = False
    decoder: bool = True
    known: bool = True


_PLAIN = Traits()
_TIED = Traits(tied=True)
_QUERY_BIASES = Traits(query_biases=True)
_GPT = Traits(gated=False, tied=True, biases=True, learnt_positions=True)
_NEOX = Traits(gated=False, biases=True, parallel=True)
_ENCODER = Traits(gated=False, tied=True, biases=True, learnt_positions=True, decoder=False)
_T5 = Traits(gated=False, tied=True)
_UNKNOWN = Traits(known=False)


def _each(names: str, what: T) -> dict[str, T]:
    return dict.fromkeys(names.split(), what)


TRAITS: Mapping[str, Traits] = {
    **_each(
        """llama mistral mistral3 ministral ministral3 mixtral qwen3 qwen3_moe qwen3_next qwen3_5 qwen3_5_moe qwen3_vl
        qwen3_vl_moe deepseek deepseek_v2 deepseek_v3 deepseek_v32 deepseek_v4 glm4_moe glm4_moe_lite glm_moe_dsa
        kimi_k2 kimi_k25 kimi_linear minimax minimax_m1 minimax_m2 minimax_m3 minimax_text_01 internlm2 internlm3
        baichuan olmo2 olmo3 olmoe phi3 phimoe phi4mm llama4 llama4_text deci exaone4 solar_open hunyuan_v1_dense
        hunyuan_v1_moe ernie4_5 ernie4_5_moe dbrx jamba mimo mimo_v2_flash step3p5 step3p7 bailing_moe xverse orion
        aquila grok-1 pixtral persimmon_gated helium zamba2 yi chatglm skywork_moe arctic dots1 afmoe longcat_flash
        ling hy_v3 laguna falcon_h1 granitemoehybrid bamba apriel nemotron-nas qwen3_omni_moe minimax_m3_vl mimo_v2""",
        _PLAIN,
    ),
    **_each(
        """gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4 gemma4_text smollm3 granite granitemoe lfm2
        lfm2_moe minicpm minicpm3 exaone olmo""",
        _TIED,
    ),
    **_each("qwen qwen2 qwen2_moe qwen2_vl qwen2_5_vl qwen2_audio glm glm4 glm4v seed_oss internlm", _QUERY_BIASES),
    **_each("cohere cohere2", Traits(tied=True, parallel=True)),
    **_each("gpt2 opt gpt_bigcode gpt_neo biogpt xglm imagegpt", _GPT),
    **_each("bloom", Traits(gated=False, tied=True, biases=True)),
    **_each("gpt_neox gptj codegen phi", _NEOX),
    **_each("falcon RefinedWeb RefinedWebModel", Traits(gated=False, tied=True, parallel=True)),
    **_each("mpt", Traits(gated=False, tied=True)),
    **_each("starcoder2", Traits(gated=False, tied=True, biases=True)),
    **_each("stablelm stablelm_epoch", _PLAIN),
    **_each("nemotron arcee nemotron_h apertus nemotron_h_puzzle", Traits(gated=False)),
    **_each("persimmon fuyu", Traits(gated=False, biases=True)),
    **_each("gpt_oss", Traits(biases=True)),
    **_each("chameleon", _PLAIN),
    **_each(
        """bert roberta xlm-roberta camembert electra distilbert mpnet ernie megatron-bert mobilebert data2vec-text
        deberta deberta-v2 layoutlm vit deit beit clip_text_model clip_vision_model
        siglip_text_model siglip_vision_model dinov2""",
        _ENCODER,
    ),
    **_each("modernbert eurobert nomic_bert", Traits(tied=True, decoder=False)),
    **_each("t5 mt5 umt5 longt5", _T5),
}
"""``model_type`` -> traits, as each model's code has them."""


def traits_of(model_type: str) -> Traits:
    """Return the traits of a model type; of one nobody described those that most models have today."""
    return TRAITS.get(model_type, TRAITS.get(model_type.removesuffix("_text"), _UNKNOWN))


_TWO_TOWERS = "it is an image and a text tower side by side, no language model"
_SPEECH = "it works on sound"
_STATES = "its blocks are states without attention or feed-forwards"
_PAIR = "it is an encoder with a decoder, of which T5 alone is described"
_PICTURES = "it works on pictures, and is no plain transformer"
_UNREAD: Mapping[str, str] = {
    **_each("clip chinese_clip altclip siglip siglip2 align clipseg blip flava groupvit", _TWO_TOWERS),
    **_each("whisper wav2vec2 hubert wavlm speech_to_text seamless_m4t encodec clap musicgen", _SPEECH),
    **_each("mamba mamba2 falcon_mamba rwkv rwkv5 rwkv6 rwkv7 xlstm", _STATES),
    **_each("bart mbart pegasus marian m2m_100 led blenderbot prophetnet fsmt nllb-moe", _PAIR),
    **_each("resnet convnext convnextv2 swin swinv2 detr sam segformer mobilevit efficientnet", _PICTURES),
}
"""Model types that a reading as decoder or encoder would tell nonsense of."""
_OFFSET_BY_PADDING = frozenset(_each("roberta xlm-roberta camembert mpnet data2vec-text longformer", None))


def unread_reason(whole: Fields, model_type: str) -> str | None:
    """Return why a configuration is not read as a decoder or an encoder; None where it is."""
    if model_type in _UNREAD or whole.word("model_type") in _UNREAD:
        return _UNREAD.get(whole.word("model_type")) or _UNREAD[model_type]
    if whole.has("logit_scale_init_value") and whole.has("text_config") and whole.has("vision_config"):
        return _TWO_TOWERS
    if whole.flag("is_encoder_decoder") and TRAITS.get(model_type) is not _T5:
        return _PAIR
    return None


def positions_ahead(fields: Fields) -> int:
    """Return how many of the stated positions no token can have: RoBERTa counts from behind that of the padding."""
    if fields.word("model_type") not in _OFFSET_BY_PADDING:
        return 0
    return fields.integer("pad_token_id", default=1) + 1
