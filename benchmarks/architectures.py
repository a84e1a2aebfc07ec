"""Dataflows of the literature, by name, for benchmarks that compare designs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from dataflow import Architecture, Dataflow, build, fuse
from workloads.spec import load


def architecture(
    name: str, spec: str, space: Mapping[str, int], skew: tuple[int, int], order: tuple[str, ...] | None = None
) -> Architecture:
    """An architecture of one dataflow that goes by ``name``."""
    nest = load(spec).nest
    return build(nest, Dataflow.of(nest, space, skew=skew, order=order, name=name))


def literature(size: int) -> dict[str, partial[Architecture]]:
    """Architectures over ``size`` by ``size`` functional units, to be built when called."""
    gemm = f"gemm:m={2 * size},n={2 * size},k={2 * size}"
    conv = f"conv2d:n=1,oc={size},ic={size},h={size},w={size},kh=3,kw=3"
    near = ("n", "oc", "oh", "ow", "ic", "kh", "kw")
    rows = (
        ("gemm_weight_systolic", gemm, {"k": size, "n": size}, (1, 1), ("n", "k", "m")),
        ("gemm_weight_broadcast", gemm, {"k": size, "n": size}, (0, 0), ("n", "k", "m")),
        ("gemm_output_systolic", gemm, {"m": size, "n": size}, (1, 1), ("m", "n", "k")),
        ("gemm_output_broadcast", gemm, {"m": size, "n": size}, (0, 0), ("m", "n", "k")),
        ("gemm_input_systolic", gemm, {"m": size, "k": size}, (1, 1), ("m", "k", "n")),
        ("gemm_input_broadcast", gemm, {"m": size, "k": size}, (0, 0), ("m", "k", "n")),
        ("conv2d_ic_oc", conv, {"ic": size, "oc": size}, (1, 1), ("n", "oc", "ic", "kh", "kw", "oh", "ow")),
        ("conv2d_oh_ow", conv, {"oh": size, "ow": size}, (0, 0), near),
        ("conv2d_kh_oh", conv, {"kh": 3, "oh": size}, (1, 1), ("n", "oc", "oh", "ic", "kh", "ow", "kw")),
        ("depthwise_oh_ow", f"depthwise:c=4,h={size},w={size}", {"oh": size, "ow": size}, (0, 0), None),
        ("mttkrp_i_j", f"mttkrp:i={size},j={size},k=4,l=4", {"i": size, "j": size}, (1, 1), None),
        (
            "attention_scores_q_k",
            f"attention_scores:h=1,q={2 * size},k={2 * size},d={size}",
            {"q": size, "k": size},
            (1, 1),
            None,
        ),
    )
    return {row[0]: partial(architecture, *row) for row in rows}


def fused_literature(size: int) -> dict[str, partial[Architecture]]:
    """Arrays of several dataflows over ``size`` by ``size`` functional units, to be built when called."""
    gemm = f"gemm:m={2 * size},n={2 * size},k={2 * size}"
    conv = f"conv2d:n=1,oc={size},ic={size},h={size},w={size},kh=3,kw=3"
    depthwise = f"depthwise:c=4,h={size},w={size}"
    near, channels = ("n", "oc", "oh", "ow", "ic", "kh", "kw"), ("n", "oc", "ic", "kh", "kw", "oh", "ow")
    members = {
        "gemm_m_n": (gemm, {"m": size, "n": size}, (0, 0), ("m", "n", "k")),
        "gemm_k_n": (gemm, {"k": size, "n": size}, (0, 0), ("n", "k", "m")),
        "gemm_m_k": (gemm, {"m": size, "k": size}, (0, 0), ("m", "k", "n")),
        "conv_ic_oc": (conv, {"ic": size, "oc": size}, (0, 0), channels),
        "conv_oh_ow": (conv, {"oh": size, "ow": size}, (0, 0), near),
        "depthwise_oh_ow": (depthwise, {"oh": size, "ow": size}, (0, 0), None),
    }
    chosen = {
        "gemm_three_fused": ("gemm_m_n", "gemm_k_n", "gemm_m_k"),
        "conv_three_fused": ("conv_ic_oc", "conv_oh_ow", "depthwise_oh_ow"),
        "gemm_conv_fused": ("gemm_m_n", "gemm_k_n", "conv_ic_oc", "conv_oh_ow", "depthwise_oh_ow"),
    }

    def fused(name: str) -> Architecture:
        return fuse([architecture(each, *members[each]) for each in chosen[name]], name=name).architecture

    return {name: partial(fused, name) for name in chosen}
