"""Nests for the kernel tests: a table of named ones, and random contractions that reach the tensor cores."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import prod

from workloads.nest import Nest
from workloads.spec import load, parse


@dataclass(frozen=True)
class Case:
    """A nest as library text or spec, and the form its kernel takes with int8 inputs."""

    id: str
    spec: str
    form: str

    @property
    def nest(self) -> Nest:
        return nest_of(self.spec)


def nest_of(spec: str) -> Nest:
    return parse(spec).nest if "\n" in spec else load(spec).nest


def spec(loops: str, body: str, *more: str, name: str = "nest") -> str:
    tensors = sorted({part[-1] for part in body.replace("*", " ").split("[")[:-1] for part in [part.split()]})
    formats = ", ".join(f"{t}: {'int32' if body.startswith(t) else 'int8'}" for t in tensors)
    return "\n".join((f"name: {name}", f"loops: {{{loops}}}", f"body: {body}", f"formats: {{{formats}}}", *more, ""))


NHWC = "O[n, oh, ow, oc] += I[n, {} * oh + {} * kh - 1, {} * ow + {} * kw - 1, ic] * W[oc, kh, kw, ic]"
GEMM = "C[m, n] += A[m, k] * B[k, n]"
# Random contractions by seed; those of the full tests come after the others.
RANDOM, RANDOM_FULL = range(10), range(10, 60)
CASES = [
    Case("gemm-ragged", "gemm:m=33,n=50,k=70", "dot"),
    Case("gemm-many-tiles", "gemm:m=150,n=140,k=130", "dot"),
    Case("gemm-right-by-columns", spec("m: 40, n: 33, k: 65", "C[m, n] += A[m, k] * B[n, k]"), "dot"),
    Case("gemm-m-of-two", "gemm:m=2,n=70,k=40", "dot"),
    Case("gemm-k-of-one", "gemm:m=20,n=20,k=1", "dot"),
    Case("gemm-times-constant", spec("m: 20, n: 20, k: 20", "C[m, n] += -12345 * A[m, k] * B[k, n]"), "dot"),
    Case("batched", "batched_gemm:b=3,m=17,n=33,k=20", "dot"),
    Case("conv-nchw", "conv2d:oc=18,ic=20,h=7,w=9", "dot"),
    Case("conv-nchw-deep", "conv2d:oc=18,ic=33,h=5,w=6", "dot"),
    Case("conv-three-channels-stride-2", "conv2d:oc=18,ic=3,h=9,w=9,stride=2", "dot"),
    Case("conv-groups-dilation", "conv2d:oc=18,ic=20,h=9,w=9,groups=2,dilation=2", "dot"),
    Case("conv1d", "conv1d:oc=20,ic=18,w=20", "dot"),
    Case("conv3d", "conv3d:oc=5,ic=4,d=3,h=5,w=4", "dot"),
    Case(
        "conv-nhwc-stride-2",
        spec(
            "n: 2, oh: 4, ow: 5, oc: 18, kh: 3, kw: 3, ic: 36",
            NHWC.format(2, 1, 2, 1),
            "shapes: {I: [2, 8, 10, 36]}",
            "padding: {I: 0}",
        ),
        "dot",
    ),
    Case(
        "conv-nhwc-dilation-2",
        spec(
            "n: 1, oh: 6, ow: 5, oc: 18, kh: 3, kw: 3, ic: 7",
            NHWC.format(1, 2, 1, 2),
            "shapes: {I: [1, 8, 7, 7]}",
            "padding: {I: 0}",
        ),
        "dot",
    ),
    Case("depthwise-nchw", "depthwise:c=20,h=7,w=7,stride=2", "map"),
    Case(
        "depthwise-nhwc",
        spec(
            "n: 2, oh: 5, ow: 4, c: 35, kh: 3, kw: 3",
            "O[n, oh, ow, c] += I[n, oh + kh - 1, ow + kw - 1, c] * W[kh, kw, c]",
            "shapes: {I: [2, 5, 4, 35]}",
            "padding: {I: 0}",
        ),
        "map",
    ),
    Case("mttkrp", "mttkrp:i=33,j=18,k=5,l=40", "dot"),
    Case("ttmc", "ttmc:i=9,j=6,k=7,l=5,m=35", "dot"),
    Case("correlation", "correlation:c=5,h=6,w=6,radius=1", "map"),
    Case("gemv", "gemv:m=33,k=100", "reduce"),
    Case("scores-causal", "attention_scores:h=2,q=40,k=35,d=20,causal=1", "dot"),
    Case("output-causal", "attention_output:h=2,q=33,k=40,d=20,causal=1", "dot"),
    Case(
        "guard-of-outer-step",
        spec("m: 20, n: 20, k: 3, l: 40", "C[m, n] += A[m, k, l] * B[k, l, n]", "guards: [m + n >= 9 * k]"),
        "dot",
    ),
    Case(
        "guard-divides-negatives",
        spec("m: 20, n: 20, k: 20", GEMM, "guards: [(m - k) // 3 + (k - m) % 4 >= -1]"),
        "dot",
    ),
    Case("guard-ties-all", spec("m: 20, n: 20, k: 20", GEMM, "guards: [m + n != k]"), "reduce"),
    Case("guard-never-holds", spec("m: 20, n: 20, k: 20", GEMM, "guards: [m >= 20]"), "dot"),
    Case("weighted-reduction", spec("m: 20, n: 20, k: 40", "C[m, n] += A[m, k] * w[k] * B[k, n]"), "reduce"),
    Case("weighted-rows-and-columns", spec("m: 20, n: 20, k: 40", "C[m, n] += A[m, k] * r[m] * B[k, n] * c[n]"), "dot"),
    Case("outer-product", spec("m: 20, n: 20", "C[m, n] += a[m] * b[n]"), "map"),
    Case("same-tensor-twice", spec("m: 20, n: 20, k: 33", "C[m, n] += A[m, k] * A[n, k]"), "dot"),
    Case("pixel-shuffle", spec("h: 5, w: 6, r: 2, s: 2", "O[2 * h + r, 2 * w + s] += I[2 * r + s, h, w]"), "map"),
    Case("output-with-holes", spec("m: 20, n: 20, k: 20", "C[2 * m, n + 3] += A[m, k] * B[k, n]"), "dot"),
    Case("sum-of-everything", spec("i: 20, j: 30", "s[0] += A[i, j]"), "reduce"),
    Case("never-inside", spec("m: 5, k: 4", "c[m] += A[m, k - 9]", "shapes: {A: [5, 4]}", "padding: {A: 0}"), "map"),
]


def random_contraction(seed: int) -> str:
    """A product of two or three tensors with loops of every role, some of them composite, padded or guarded."""
    rng = random.Random(seed)
    roles = {
        role: [f"{role}{i}" for i in range(rng.randint(least, 2))]
        for role, least in (("b", 0), ("m", 1), ("n", 1), ("k", 1))
    }
    extents = {
        loop: rng.choice((2, 3, 5, 9, 17, 34)[: 4 if role == "b" else 6])
        for role, loops in roles.items()
        for loop in loops
    }
    while len(extents) > 2 and prod(extents.values()) > 200_000:
        largest = max(extents, key=lambda loop: extents[loop])
        extents[largest] = max(2, extents[largest] // 2)

    def access(tensor: str, *used: str) -> str:
        loops = [loop for role in used for loop in roles[role]]
        rng.shuffle(loops)
        index = []
        while loops:
            loop = loops.pop()
            if tensor != "O" and loops and rng.random() < 0.3:
                index.append(f"{rng.choice((1, 2))} * {loop} + {loops.pop()} - {rng.choice((0, 1))}")
            else:
                index.append(loop)
        return f"{tensor}[{', '.join(index)}]"

    third = rng.choice((("n", "k"), ("m", "k"), ("m",), ("b", "n"), None, None))
    factors = [access("A", "b", "m", "k"), access("B", "b", "n", "k")]
    if third and any(roles[role] for role in third):
        factors.append(access("D", "b", *(r for r in third if r != "b")))
    body = f"{access('O', 'b', 'm', 'n')} += {' * '.join(factors)}"
    names = list(extents)
    guards = []
    if rng.random() < 0.5:
        a, b = rng.choice(names), rng.choice(names)
        guards.append(rng.choice((f"{a} + {b} >= 3", f"({a} - {b}) % 3 != 1", f"{a} // 2 >= {b} - 4")))
    more = [f"padding: {{{', '.join(f'{t}: 0' for t in ('A', 'B', 'D') if f'{t}[' in body)}}}"]
    if guards:
        more.append(f"guards: [{', '.join(guards)}]")
    return spec(", ".join(f"{n}: {e}" for n, e in extents.items()), body, *more, name=f"random{seed}")


def every_nest() -> dict[str, tuple[Nest, str | None, str | None]]:
    """Nests by name, each with the form to force, if any, and the form to expect, if it is known."""
    found: dict[str, tuple[Nest, str | None, str | None]] = {}
    for case in CASES:
        found[case.id] = case.nest, None, case.form
        if case.nest.points <= 60_000:
            for form in ("map", "reduce") if case.nest.reduction_loops else ("map",):
                if form != case.form:
                    found[f"{case.id}-by-{form}"] = case.nest, form, form
    return found | random_nests(RANDOM)


def random_nests(seeds: range) -> dict[str, tuple[Nest, None, None]]:
    """The same of random contractions."""
    return {f"random-{seed}": (nest_of(random_contraction(seed)), None, None) for seed in seeds}
