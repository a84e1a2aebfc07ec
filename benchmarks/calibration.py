"""Calibrate the area of primitives on synthesized designs, and hold others against it.

``python -m benchmarks.calibration [LIBRARY]`` writes ``hw/estimate/NAME.toml``; LIBRARY is a Liberty file, Debian's
qflow-tech-osu018 when left out. Prints the held-out designs as a JSON list of measurements.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.architectures import architecture, literature
from benchmarks.fused_area import members
from dataflow import Architecture, fuse
from hw import generate
from hw.estimate.calibration import Sample, calibrate, written
from hw.estimate.primitives import design_primitives
from hw.synthesis import Library, read_library, synthesize
from sim.toolchain import cache_folder

NEAR = ("n", "oc", "oh", "ow", "ic", "kh", "kw")
Make = Callable[[], Architecture]


def gemm(size: int, number_format: str, space: str, skew: int) -> Make:
    """A matrix product that names its dataflow after its parallel loops, its format and its size."""
    spec = f"gemm:m={2 * size},n={2 * size},k={2 * size},format={number_format}"
    name = f"gemm_{space}_{number_format}" + ("_broadcast" if not skew else "")
    return lambda: architecture(name, spec, dict.fromkeys(space, size), (skew, skew))


def conv(size: int, number_format: str) -> Make:
    """A convolution with shifted inputs."""
    spec = f"conv2d:n=1,oc={size},ic={size},h={size},w={size},kh=3,kw=3,format={number_format}"
    return lambda: architecture(f"conv_{number_format}", spec, {"oh": size, "ow": size}, (0, 0), NEAR)


def fused(size: int, chosen: tuple[str, ...]) -> Make:
    """Several dataflows in one array."""
    return lambda: (
        fuse(
            [m for m in members(size) if not chosen or m.plans[0].dataflow.name in chosen],
            name=f"fused_{len(chosen) or 'nine'}",
        ).architecture
    )


def calibration_set() -> tuple[Make, ...]:
    """Designs of 16 to 64 functional units: formats, dataflows, sizes, fusion."""
    four, eight = literature(4), literature(8)
    names = ("gemm_weight_systolic", "gemm_output_broadcast", "conv2d_ic_oc", "conv2d_oh_ow", "conv2d_kh_oh")
    return (
        *(four[name] for name in (*names, "depthwise_oh_ow", "mttkrp_i_j", "attention_scores_q_k")),
        gemm(4, "int4", "mn", 1),
        gemm(4, "int16", "mn", 1),
        gemm(4, "int4", "kn", 1),
        gemm(8, "int16", "kn", 0),
        conv(4, "int16"),
        eight["gemm_output_systolic"],
        eight["conv2d_ic_oc"],
        fused(4, ("gemm_m_n", "conv_ic_oc")),
        fused(4, ()),
    )


def held_out_set() -> tuple[Make, ...]:
    """Designs of 256 functional units, none of which was calibrated on."""
    large = literature(16)
    names = ("gemm_output_systolic", "gemm_weight_systolic", "conv2d_ic_oc", "conv2d_oh_ow")
    return (*(large[name] for name in names), fused(16, ()))


def sampled(make: Make, library: Library) -> Sample:
    """Generate, count and map one design."""
    accelerator = generate(make())
    found = synthesize(accelerator, library, cache=cache_folder() / "synthesis")
    areas = {m.name: m.area_um2 for m in found.modules}
    shape = accelerator.design.netlist.plans[0].dataflow.shape
    name = f"{accelerator.name}_{'x'.join(map(str, shape))}"
    print(f"{name}: {found.area_um2:,.0f} um2", file=sys.stderr, flush=True)
    modules = design_primitives(accelerator.design)
    return Sample(name, found.tool, tuple((m, areas.get(m.name, 0.0)) for m in modules))


def main() -> None:
    library = read_library(*map(Path, sys.argv[1:2]))
    samples = [sampled(make, library) for make in calibration_set()]
    held_out = [sampled(make, library) for make in held_out_set()]
    found = calibrate(samples, library.name, held_out)
    (Path(__file__).parent.parent / "hw" / "estimate" / f"{library.name}.toml").write_text(written(found))
    how = f"logic without banks, 256 functional units; calibrated on {len(samples)} smaller designs; {library.name}"
    rows = [
        {
            "name": f"area_estimate_{error.design}",
            "value": round(error.ratio, 4),
            "unit": "ratio",
            "target": None,
            "better": "lower",
            "how": f"estimated over synthesized area, {how}",
        }
        for error in found.held_out
    ]
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
