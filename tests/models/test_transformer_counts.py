"""Parameters counted from structures, against the counts that publishers' weight files have."""

from __future__ import annotations

import pytest

from aios.models.transformers import presets, transformer_named
from aios.records.transformers import active_parameters, count_parameters, scheme_of, weight_bytes

# Numbers of the weights' own index (safetensors metadata) or of the paper, where a name has fewer digits.
PUBLISHED = {
    "huggyllama/llama-7b": 6_738_415_616,
    "huggyllama/llama-13b": 13_015_864_320,
    "huggyllama/llama-30b": 32_528_943_616,
    "huggyllama/llama-65b": 65_285_660_672,
    "meta-llama/Llama-2-70b-hf": 68_976_648_192,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496,
    "meta-llama/Llama-3.1-405B": 405_853_388_800,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 108_641_793_536,
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": 401_583_781_376,
    "codellama/CodeLlama-34b-hf": 33_743_970_304,
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": 1_100_048_384,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mistral-7B-v0.3": 7_248_023_552,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "mistralai/Mistral-Small-24B-Instruct-2501": 23_572_403_200,
    "mistralai/Ministral-8B-Instruct-2410": 8_019_808_256,
    "mistralai/Mistral-Large-Instruct-2407": 122_610_069_504,
    "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
    "mistralai/Mixtral-8x22B-v0.1": 140_630_071_296,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-3B": 3_085_938_688,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "Qwen/Qwen2.5-14B": 14_770_033_664,
    "Qwen/Qwen2.5-32B": 32_763_876_352,
    "Qwen/Qwen2.5-72B": 72_706_203_648,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8_292_166_656,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624,
    "Qwen/Qwen3-235B-A22B": 235_093_634_560,
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": 480_154_875_392,
    "Qwen/Qwen3-VL-8B-Instruct": 8_767_123_696,
    "google/gemma-2b": 2_506_172_416,
    "google/gemma-7b": 8_537_680_896,
    "google/gemma-2-2b": 2_614_341_888,
    "google/gemma-2-9b": 9_241_705_984,
    "google/gemma-2-27b": 27_227_128_320,
    "google/gemma-3-270m": 268_098_176,
    "google/gemma-3-1b-it": 999_885_952,
    "google/gemma-3-4b-it": 4_300_079_472,
    "google/gemma-3-12b-it": 12_187_325_040,
    "google/gemma-3-27b-it": 27_432_406_640,
    "microsoft/phi-2": 2_779_683_840,
    "microsoft/Phi-3-mini-4k-instruct": 3_821_079_552,
    "microsoft/Phi-3-medium-4k-instruct": 13_960_238_080,
    "microsoft/phi-4": 14_659_507_200,
    "microsoft/Phi-4-mini-instruct": 3_836_021_760,
    "microsoft/Phi-3.5-MoE-instruct": 41_873_153_344,
    "openai-community/gpt2": 124_439_808,
    "openai-community/gpt2-xl": 1_557_611_200,
    "openai/gpt-3-175b": 175e9,
    "openai/gpt-oss-20b": 20_914_757_184,
    "openai/gpt-oss-120b": 116_829_156_672,
    "EleutherAI/gpt-j-6b": 6_050_882_784,
    "EleutherAI/gpt-neox-20b": 20_554_567_680,
    "EleutherAI/pythia-6.9b": 6_857_302_016,
    "EleutherAI/pythia-12b": 11_846_072_320,
    "facebook/opt-6.7b": 6_658_473_984,
    "facebook/opt-30b": 29_974_540_288,
    "bigscience/bloom-560m": 559_214_592,
    "bigscience/bloom-7b1": 7_069_016_064,
    "bigscience/bloom": 176_247_271_424,
    "tiiuae/falcon-7b": 6_921_720_704,
    "tiiuae/falcon-40b": 41_303_293_952,
    "mosaicml/mpt-7b": 6_649_286_656,
    "mosaicml/mpt-30b": 29_957_095_424,
    "bigcode/starcoder": 15_517_456_384,
    "bigcode/starcoder2-3b": 3_030_371_328,
    "bigcode/starcoder2-15b": 15_957_889_024,
    "deepseek-ai/deepseek-moe-16b-base": 16_375_728_128,
    "deepseek-ai/DeepSeek-V2-Lite": 15_706_484_224,
    "deepseek-ai/DeepSeek-V2": 235_741_434_880,
    "deepseek-ai/DeepSeek-V3": 671_026_419_200,
    "moonshotai/Kimi-K2-Instruct": 1_026_408_232_448,
    "01-ai/Yi-6B": 6_061_035_520,
    "01-ai/Yi-34B": 34_388_917_248,
    "upstage/SOLAR-10.7B-v1.0": 10_731_524_096,
    "CohereForAI/c4ai-command-r-v01": 34_980_831_232,
    "CohereForAI/c4ai-command-r-plus": 103_810_674_688,
    "databricks/dbrx-base": 131_596_523_520,
    "ai21labs/Jamba-v0.1": 51_570_323_328,
    "allenai/OLMoE-1B-7B-0924": 6_919_161_856,
    "ibm-granite/granite-3.0-8b-base": 8_170_848_256,
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
    "HuggingFaceTB/SmolLM3-3B": 3_075_098_624,
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": 8_888_227_328,
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": 31_577_937_344,
    "nvidia/Nemotron-4-340B-Base": 341_029_847_040,
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": 49_867_145_216,
    "google-bert/bert-base-uncased": 109_482_240,
    "google-bert/bert-large-uncased": 335_141_888,
    "google/vit-base-patch16-224": 85_798_656,
    "google-t5/t5-small": 60_506_624,
    "google-t5/t5-large": 737_668_096,
    "google/flan-t5-xl": 2_849_757_184,
}

ACTIVE = {
    "mistralai/Mixtral-8x7B-v0.1": 12.9e9,
    "mistralai/Mixtral-8x22B-v0.1": 39e9,
    "deepseek-ai/DeepSeek-V2": 21e9,
    "Qwen/Qwen3-235B-A22B": 22e9,
    "databricks/dbrx-base": 36e9,
    "ai21labs/Jamba-v0.1": 12e9,
    "moonshotai/Kimi-K2-Instruct": 32e9,
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": 55e9,
    "allenai/OLMoE-1B-7B-0924": 1.3e9,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_counted_from_the_structure_are_those_published(name: str) -> None:
    model = transformer_named(name)

    assert model is not None
    assert model.name == name
    assert model.parameters is None, "the count must come from the structure"
    assert count_parameters(model).total == pytest.approx(PUBLISHED[name], rel=0.01)


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_are_those_published(name: str) -> None:
    model = transformer_named(name)

    assert model is not None
    assert active_parameters(model) == pytest.approx(ACTIVE[name], rel=0.04)


def test_every_preset_is_whole() -> None:
    for model in presets():
        blocks = sum(kind.layers for kind in model.attention if kind.kind != "cross")
        hybrid = blocks != model.layers  # blocks that are nothing but a feed-forward
        assert not hybrid or model.architecture.startswith(("NemotronH", "DeciLM")), model.name
        assert model.attention, model.name
        assert count_parameters(model).total > 0, model.name
        assert scheme_of(model.precision) is not None, model.name
        assert all(kind.heads % kind.kv_heads == 0 for kind in model.attention), model.name


@pytest.mark.parametrize(
    ("name", "precision", "size"),
    [
        # Sizes of published GGUF files and checkpoints, bytes.
        ("meta-llama/Llama-3.1-8B", "q4_k_m", 4.92e9),
        ("meta-llama/Llama-3.1-70B", "q4_k_m", 42.52e9),
        ("meta-llama/Llama-3.1-405B", "q4_k_m", 249.1e9 * 0.976),
        ("meta-llama/Llama-3.1-8B", "q8_0", 8.54e9),
        ("openai/gpt-oss-120b", "mxfp4", 65.3e9),
        ("openai/gpt-oss-20b", "mxfp4", 13.8e9),
    ],
)
def test_weights_are_as_large_as_published_files(name: str, precision: str, size: float) -> None:
    model = transformer_named(name)

    assert model is not None
    assert weight_bytes(model, precision) == pytest.approx(size, rel=0.015)
