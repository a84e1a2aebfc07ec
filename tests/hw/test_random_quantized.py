"""Random dataflows, sizes and tiles in front of a quantizer."""

from __future__ import annotations

import random
from math import lcm
from pathlib import Path

import pytest

from dataflow import Dataflow, build
from hw import generate
from hw.post.stage import quantize_to
from sim import simulate
from workloads.formats import BLOCK_FORMATS
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load

SPECS = (
    "gemm:m={a},n={last},k={b},format={format}",
    "batched_gemm:b={c},m={a},n={last},k={b},format={format}",
    "conv2d:n=1,oc={c},ic={c},h={a},w={last},kh=3,kw=3",
    "depthwise:n=1,c={c},h={a},w={last},kh=3,kw=3",
    "attention_scores:h={c},q={a},k={last},d={b},causal={causal}",
)


def drawn(seed: int) -> tuple[Nest, Dataflow, str, float]:
    """A nest, a dataflow, an output format and alpha."""
    r = random.Random(seed)
    made = r.choice(("nvfp4", "mxfp4", "int4_g16", "int4_g32"))
    block = BLOCK_FORMATS[made].block
    sizes = {"a": r.randint(3, 6), "b": r.randint(1, 6), "c": r.randint(1, 3), "last": block * r.randint(1, 3)}
    spec = r.choice(SPECS).format(**sizes, format=r.choice(("int8", "int8", "bf16")), causal=r.randint(0, 1))
    nest = load(spec).nest
    loops, (last,) = list(nest.loop_names), nest.output.index[-1].loops
    space = {axis: r.randint(1, 4) for axis in r.sample(loops, r.randint(1, 3))}
    r.shuffle(loops)
    tile = {}
    if r.random() < 0.4:
        tiled = r.choice(loops)
        size = space.get(tiled, 1) * r.randint(1, 2)
        tile = {tiled: lcm(size, block) if tiled == last else size}
    flow = Dataflow.of(nest, space, skew=tuple(r.randint(0, 1) for _ in space), order=tuple(loops), tile=tile)
    return nest, flow, made, 1.0 if nest.floating else r.choice((1.0, 0.013, 3e-5))


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.full) for n in range(3, 60))])
def test_random_design(seed: int, tmp_path: Path) -> None:
    nest, flow, made, alpha = drawn(seed)
    for quantizers in (None, 1):
        accelerator = generate(build(nest, flow), stage=quantize_to(made, quantizers))
        inputs = random_inputs(nest, seed)
        result = simulate(accelerator, nest, inputs, alpha=alpha, simulator="icarus", cache=tmp_path)
        assert result.faults == (), quantizers
