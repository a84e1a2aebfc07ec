"""How much larger one array for nine dataflows is than the largest array for one of them.

Prints a JSON list of measurements: areas of logic, without banks, by synthesis to a library of standard cells.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from benchmarks.architectures import architecture
from dataflow import Architecture, fuse
from hw import generate
from hw.synthesis import Synthesis, synthesize
from sim.toolchain import cache_folder

SIZE = 16
# Most that the design targets allow.
TARGET = 1.25


def members(size: int) -> Iterator[Architecture]:
    """Nine dataflows over ``size`` by ``size`` functional units, each with a name of its own."""
    twice = 2 * size
    gemm = f"gemm:m={twice},n={twice},k={twice}"
    conv = f"conv2d:n=1,oc={size},ic={size},h={size},w={size},kh=3,kw=3"
    near = ("n", "oc", "oh", "ow", "ic", "kh", "kw")
    yield architecture("gemm_m_n", gemm, {"m": size, "n": size}, (1, 1))
    yield architecture("gemm_k_n", gemm, {"k": size, "n": size}, (1, 1), ("n", "k", "m"))
    yield architecture("conv_ic_oc", conv, {"ic": size, "oc": size}, (1, 1), ("n", "oc", "ic", "kh", "kw", "oh", "ow"))
    yield architecture("conv_oh_ow", conv, {"oh": size, "ow": size}, (0, 0), near)
    yield architecture("conv_ow_oc", conv, {"ow": size, "oc": size}, (1, 1), near)
    yield architecture("depthwise_oh_ow", f"depthwise:c=4,h={size},w={size}", {"oh": size, "ow": size}, (0, 0))
    yield architecture(
        "scores_q_k", f"attention_scores:h=1,q={twice},k={twice},d={size}", {"q": size, "k": size}, (1, 1)
    )
    yield architecture(
        "output_q_d", f"attention_output:h=1,q={twice},k={size},d={size}", {"q": size, "d": size}, (1, 1)
    )
    yield architecture("mttkrp_i_j", f"mttkrp:i={size},j={size},k=4,l=4", {"i": size, "j": size}, (1, 1))


def measured(member: Architecture) -> Synthesis:
    """Generate and map a design."""
    return synthesize(generate(member), cache=cache_folder() / "synthesis")


def main() -> None:
    alone = list(members(SIZE))
    areas = {}
    for member in alone:
        found = measured(member)
        name = member.plans[0].dataflow.name
        areas[name] = found.area_um2
        print(f"{name}: {found.area_um2:,.0f} um2", file=sys.stderr, flush=True)
    fused = measured(fuse(alone, name="nine").architecture)
    largest = max(areas, key=lambda name: areas[name])
    how = f"logic without banks, {SIZE}x{SIZE}, int8; {fused.library}, {fused.tool}; modules mapped one by one"
    rows = [
        (f"fused_area_{SIZE}x{SIZE}_nine_dataflows", fused.area_um2, "um2", None, how),
        *((f"area_{SIZE}x{SIZE}_{name}", area, "um2", None, how) for name, area in areas.items()),
        (
            f"fused_over_largest_{SIZE}x{SIZE}",
            round(fused.area_um2 / areas[largest], 3),
            "ratio",
            TARGET,
            f"the array of nine dataflows over that of {largest} alone; {how}",
        ),
        (
            f"fused_over_sum_{SIZE}x{SIZE}",
            round(fused.area_um2 / sum(areas.values()), 3),
            "ratio",
            None,
            f"the array of nine dataflows over nine arrays; {how}",
        ),
    ]
    found_rows = [
        {"name": name, "value": value, "unit": unit, "target": target, "better": "lower", "how": text}
        for name, value, unit, target, text in rows
    ]
    print(json.dumps(found_rows, indent=2))


if __name__ == "__main__":
    main()
