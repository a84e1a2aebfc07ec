"""Layer tables against the totals that their authors, or those who measured them, published."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from workloads.networks import Layer, NetworkError, network_named, network_names

GIGA = 10**9


@dataclass(frozen=True)
class Published:
    """Totals of one network.

    Attributes
    ----------
    within : float
        Relative; what the source's digits leave open, or what it is known to count otherwise.
    without_attention : bool
        The source's tool counts layers with parameters only.
    """

    network: str
    parameters: int
    macs: float | None
    within: float
    source: str
    parameters_within: float = 0.0
    without_attention: bool = False


PUBLISHED = [
    Published("alexnet", 61_100_840, 0.714 * GIGA, 1e-3, "torchvision AlexNet_Weights: num_params, _ops"),
    Published("mobilenet_v2", 3_504_872, 0.301 * GIGA, 1e-3, "torchvision MobileNet_V2_Weights: num_params, _ops"),
    Published("resnet50", 25_557_032, 4.089 * GIGA, 1e-3, "torchvision ResNet50_Weights: num_params, _ops"),
    Published("efficientnet_v2_s", 21_458_488, 8.366 * GIGA, 1e-3, "torchvision EfficientNet_V2_S_Weights"),
    Published("bert_base", 109_482_240, 22.5 * GIGA / 2, 1e-2, "bert-base-uncased; TinyBERT, table 1: 22.5 GFLOP"),
    Published("gpt2", 124_439_808, None, 0, "gpt2"),
    Published("llama_7b", 6_738_415_616, None, 0, "LLaMA, table 2: 6.7 B; the released weights"),
    Published("coatnet_0", 25_000_000, 4.2 * GIGA, 2e-2, "CoAtNet, table 4: 25 M, 4.2 G", parameters_within=0.03),
    Published("ddpm_cifar10", 35_746_307, 6.1 * GIGA, 1e-2, "DDPM: 35.7 M; Diff-Pruning, table 1", 0, True),
    Published("stable_diffusion_1.5", 859_520_964, 339 * GIGA, 2e-3, "diffusers documentation; BK-SDM", 0, True),
    Published("qwen2.5_0.5b", 494_032_768, None, 0, "Qwen2.5-0.5B"),
    Published("qwen2.5_1.5b", 1_543_714_304, None, 0, "Qwen2.5-1.5B"),
    Published("qwen2.5_3b", 3_085_938_688, None, 0, "Qwen2.5-3B"),
    Published("qwen2.5_7b", 7_615_616_512, None, 0, "Qwen2.5-7B"),
    Published("qwen2.5_14b", 14_770_033_664, None, 0, "Qwen2.5-14B"),
    Published("qwen2.5_32b", 32_763_876_352, None, 0, "Qwen2.5-32B"),
    Published("flux.1_dev", 11_901_408_320, None, 0, "FLUX.1-dev"),
]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda p: p.network)
def test_totals(published: Published) -> None:
    network = network_named(published.network)
    assert network.parameters == pytest.approx(published.parameters, rel=published.parameters_within, abs=0)
    if published.macs is not None:
        attention = sum(
            times * Layer("", operator).nest().points
            for operator, times in network.operators
            if operator.startswith("attention")
        )
        macs = network.macs - attention * published.without_attention
        assert macs == pytest.approx(published.macs, rel=published.within)


@pytest.mark.parametrize(
    ("name", "blocks", "width"), [("gpt2", 12, 768), ("llama_7b", 32, 4096), ("bert_base", 12, 768)]
)
@pytest.mark.parametrize("tokens", [1, 100, 512])
def test_macs_of_a_transformer_follow_from_its_parameters(name: str, blocks: int, width: int, tokens: int) -> None:
    """J. Kaplan et al., Scaling Laws for Neural Language Models, 2020, table 1: N + blocks * context * width a token.

    The table counts the products of attention twice as small, for a causal mask.
    """
    network = network_named(f"{name}:tokens={tokens}")
    inside = [layer for layer in network.layers if layer.repeat == blocks]
    weights = sum(layer.repeat * layer.parameters for layer in inside)
    biases = sum(layer.repeat * bias_of(layer) for layer in inside)
    macs = sum(layer.repeat * layer.nest().points for layer in inside)
    assert macs == tokens * (weights - biases + 2 * blocks * tokens * width)


def bias_of(layer: Layer) -> int:
    extents = layer.nest().extents
    return layer.parameters - extents["n"] * extents["k"] if layer.operator.startswith("gemm") else 0


def test_every_network_is_checked() -> None:
    assert {p.network for p in PUBLISHED} | {"gpt3_6.7b_block"} == set(network_names())
    # 12 * width**2 weights, biases of 9 * width + 4 * width, two normalisations.
    assert network_named("gpt3_6.7b_block").parameters == 12 * 4096**2 + 13 * 4096


@pytest.mark.parametrize("name", network_names())
def test_maps_are_square_and_strides_divide_them(name: str) -> None:
    for operator, _ in network_named(name).operators:
        nest = Layer("", operator).nest()
        if operator.startswith("conv2d"):
            assert nest.extents["oh"] == nest.extents["ow"]
            height = nest.tensor("I").shape[-1]
            assert height // nest.extents["ow"] in (1, 2, 4)


def test_a_decoded_token_reads_all_weights_once() -> None:
    network = network_named("qwen2.5_7b:context=2048")
    assert network.inputs == "1 token after 2047 others"
    first, scores = network.layers[:2]
    assert first.nest().extents == {"m": 1, "n": 4608, "k": 3584}
    # Seven query heads of a group are rows of one product.
    assert scores.nest().extents == {"h": 4, "q": 7, "k": 2048, "d": 128}
    assert first.nest("bf16").tensor("A").format.name == "bf16"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("resnet5", "network 'resnet5' is not known; did you mean 'resnet50'?"),
        ("resnet50:n=2", "resnet50: 'n' is not a parameter; it takes none"),
        ("gpt2:tokens", "gpt2: 'tokens' is not a setting; expected 'parameter=value'"),
        ("gpt2:tokens=0", "gpt2: parameter 'tokens' must be an integer of at least 1, not '0'"),
        ("gpt2:tokens=1,tokens=2", "gpt2: parameter 'tokens' is given twice"),
        (
            "gpt2:tokens=8,context=4",
            "gpt2: 'context' includes the new tokens, so it must be at least 8, not 4",
        ),
        (
            "bert_base:size=4,x",
            "bert_base: 'size' is not a parameter; it takes tokens\n"
            "bert_base: 'x' is not a setting; expected 'parameter=value'",
        ),
    ],
)
def test_names_that_make_no_network(text: str, says: str) -> None:
    with pytest.raises(NetworkError) as caught:
        network_named(text)
    assert str(caught.value) == says
