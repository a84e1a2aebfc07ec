"""Designs that quantize their results: codes, scales and cycles of the definition, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflow import Dataflow, build
from hw import Accelerator, generate
from hw.design import Design
from hw.emit import emit
from hw.manifest import manifest
from hw.post.scaling import Scaling
from hw.post.stage import quantize_to
from hw.program import Run, runs
from sim import Job, Result, simulate, simulate_all
from sim.lint import lint, read_with_icarus, read_with_yosys
from sim.reread import reread
from workloads.formats import BlockFormat
from workloads.formats.encoding import FP32
from workloads.formats.exact import rounded_once
from workloads.formats.quantize import quantize
from workloads.interpreter import random_inputs, run
from workloads.nest import Nest
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    id: str
    spec: str
    space: dict[str, int]
    order: str
    made: str
    skew: tuple[int, ...] = (1, 1)
    sizes: tuple[dict[str, int], ...] = ()
    tile: dict[str, int] | None = None
    alpha: float = 1.0
    simulator: str = "icarus"
    quantizers: int | None = None


BATCHED = "batched_gemm:b=2,m=3,n=32,k=5"
CASES = (
    Case("nvfp4-of-int8", "gemm:m=5,n=48,k=7", {"m": 3, "n": 5}, "m n k", "nvfp4", sizes=({"m": 2, "n": 16},)),
    Case("nvfp4-of-bf16", "gemm:m=5,n=32,k=7,format=bf16", {"k": 2, "n": 3}, "n m k", "nvfp4", sizes=({"n": 16},)),
    Case(
        "nvfp4-of-nvfp4",
        "nvfp4_gemm:m=3,n=32,k=32,format=int64",
        {"m": 2, "n": 2, "ki": 16},
        "m n kb ki",
        "nvfp4",
        (1, 1, 0),
        alpha=2.7e-3,
        simulator="verilator",
    ),
    Case("banks-beyond-a-block", "gemm:m=3,n=48,k=4", {"m": 2, "n": 24}, "m n k", "nvfp4", sizes=({"n": 16},)),
    Case("shared", "gemm:m=11,n=32,k=7", {"m": 4, "n": 3}, "m n k", "int4_g16", quantizers=2, sizes=({"m": 3},)),
    Case("one-for-all", "gemm:m=7,n=48,k=4", {"m": 3, "n": 5}, "m n k", "nvfp4", quantizers=1, alpha=0.1),
    Case("one-bank", "gemm:m=4,n=32,k=5", {"k": 2, "m": 1}, "m n k", "int4_g16", (0, 1)),
    Case("spilled-sums", "gemm:m=3,n=32,k=6", {"k": 2, "n": 4}, "k n m", "int4_g32", alpha=0.37),
    Case("mxfp4-of-bf16", "gemm:m=3,n=64,k=4,format=bf16", {"m": 2, "n": 2}, "m n k", "mxfp4", sizes=({"n": 32},)),
    Case("int4-of-bf16", "gemm:m=2,n=64,k=4,format=bf16", {"m": 2, "n": 4}, "n m k", "int4_g64"),
    Case("batched", BATCHED, {"m": 2, "n": 4}, "b m n k", "mxfp4"),
    Case(
        "conv2d-over-channels",
        "conv2d:n=1,oc=3,ic=2,h=4,w=16,kh=3,kw=3",
        {"oc": 2, "ic": 2},
        "n oc ic oh ow kh kw",
        "nvfp4",
        alpha=0.02,
    ),
    Case(
        "conv2d-over-pixels",
        "conv2d:n=1,oc=2,ic=2,h=3,w=32,kh=3,kw=3",
        {"oh": 2, "ow": 3},
        "n oc oh ow ic kh kw",
        "nvfp4",
        (0, 0),
        alpha=0.02,
    ),
    Case("tiles-of-the-sum", "gemm:m=4,n=32,k=8", {"m": 2, "n": 2}, "m n k", "nvfp4", tile={"k": 4, "m": 2}, alpha=0.1),
    Case("tiles-of-blocks", "gemm:m=5,n=80,k=4", {"m": 2, "n": 3}, "m n k", "nvfp4", tile={"n": 48}, alpha=0.1),
)


def flow_of(case: Case) -> tuple[Nest, Dataflow]:
    nest = load(case.spec).nest
    return nest, Dataflow.of(nest, case.space, skew=case.skew, order=tuple(case.order.split()), tile=case.tile)


def generated(case: Case) -> tuple[Nest, Accelerator]:
    nest, flow = flow_of(case)
    return nest, generate(build(nest, flow), stage=quantize_to(case.made, case.quantizers))


def simulated(case: Case, accelerator: Accelerator, nest: Nest, folder: Path, **given: Any) -> Result:
    cache = folder if case.simulator == "icarus" else None
    inputs = random_inputs(nest, 3)
    return simulate(accelerator, nest, inputs, alpha=case.alpha, simulator=case.simulator, cache=cache, **given)


def by_hand(nest: Nest, result: Result, alpha: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Codes and scales of integers, from the interpreter and the definition alone."""
    assert result.coded is not None
    totals = run(nest, random_inputs(nest, 3)).astype(np.int64)
    values = rounded_once(totals, np.float32(alpha), nest.fraction_bits or 0, FP32)
    made: BlockFormat = result.coded.format
    expected = quantize(values, made, multiplier=np.float32(result.multiplier) if made.tensor_scale else None)
    return expected.codes, expected.scale_codes


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_codes_scales_and_cycles(case: Case, tmp_path: Path) -> None:
    nest, accelerator = generated(case)
    padded = {t.name: t.shape for t in nest.tensors if t.padded}
    for size in ({}, *case.sizes):
        at_size = nest.with_extents(size, padded)
        result = simulated(case, accelerator, at_size, tmp_path)
        assert result.faults == (), size
        assert result.coded is not None
        assert np.array_equal(result.outputs, result.coded.codes)
        assert len(np.unique(result.coded.codes)) > 8
        if not nest.floating:
            codes, scales = by_hand(at_size, result, case.alpha)
            assert np.array_equal(result.coded.codes, codes)
            assert np.array_equal(result.coded.scales, scales)


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[4], CASES[8]], ids=lambda case: case.id)
def test_other_tools_read_it(case: Case) -> None:
    nest, accelerator = generated(case)
    plain = generate(build(*flow_of(case)))
    del nest

    def remarks(made: Accelerator) -> list[str]:
        return [remark.text for remark in lint(made.verilog, made.top) if not remark.accepted]

    # Floating-point adders have remarks of their own.
    assert remarks(accelerator) == remarks(plain)
    read_with_icarus(accelerator.verilog, accelerator.top)
    read_with_yosys(accelerator.verilog, accelerator.top)
    modules = reread(accelerator.verilog).modules
    post = accelerator.manifest["post"]
    name = accelerator.design.module
    instances = dict(modules[accelerator.top].instances)
    assert instances[name("post_quantizer")] == post["quantizers"]
    assert instances[name("post_control")] == instances[name("post_memory")] == 1
    block_bits = post["block"] * post["element_bits"] + post["scale_bits"]
    (memory,) = modules[name("post_memory")].memories
    assert (memory.word_bits, memory.depth) == (post["quantizers"] * block_bits, max(2, post["depth"]))


def test_manifest_describes_the_stage() -> None:
    _, accelerator = generated(CASES[0])
    assert accelerator.manifest["post"] == {
        "kind": "quantize",
        "format": "nvfp4",
        "source": "int32",
        "fraction_bits": 0,
        "id": 3,
        "block": 16,
        "element_bits": 4,
        "scale_bits": 8,
        "groups": 3,
        "quantizers": 3,
        "depth": 6,
        "timing": {"block_cycles": 35, "tail_cycles": 7},
        "registers": [
            "post_on",
            "post_last_block",
            "post_last_row",
            "post_alpha",
            "post_wanted",
            *(f"post_inverse{n}" for n in range(8)),
        ],
    }


def test_design_without_a_stage_has_nothing_of_it() -> None:
    accelerator = generate(build(*flow_of(CASES[0])))
    assert "post" not in accelerator.manifest
    assert "post_" not in accelerator.verilog


def test_runs_follow_each_other_without_a_reset(tmp_path: Path) -> None:
    """Sizes and factors change between runs; a run that only continues sums leaves numbers."""
    case = next(case for case in CASES if case.id == "tiles-of-the-sum")
    nest, accelerator = generated(case)
    small = nest.with_extents({"m": 1, "n": 16, "k": 4})
    jobs = [
        Job(nest, random_inputs(nest, 1), alpha=0.5),
        Job(small, random_inputs(small, 2), alpha=3e-5, multiplier=2.0**40),
        Job(nest, random_inputs(nest, 3), multiplier=2.0**-40),
    ]
    results = simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path)
    assert [result.faults for result in results] == [(), (), ()]
    parts = runs(accelerator, nest)
    assert [part.cycles.post for part in parts] == [0, 77, 0, 77]
    assert [part.readback[0] for part in parts] == [0, 3, 0, 3]


def test_zeros_and_saturation(tmp_path: Path) -> None:
    nest, accelerator = generated(CASES[0])
    inputs = {name: np.array(value) for name, value in random_inputs(nest, 3).items()}
    inputs["B"][:, 16:32] = 0
    for multiplier in (None, 1.0, 2.0**100, 2.0**-100):
        result = simulate(accelerator, nest, inputs, multiplier=multiplier, simulator="icarus", cache=tmp_path)
        assert result.faults == (), multiplier
        assert result.coded is not None
        assert not result.coded.scales[:, 1].any()


Registers = Callable[[dict[str, int]], dict[str, int]]


def registers(**changes: Callable[[int], int]) -> Registers:
    return lambda found: {**found, **{name: change(found[name]) for name, change in changes.items()}}


def texts(old: str, new: str, times: int = 1) -> Callable[[str], str]:
    """Change the design's Verilog."""

    def apply(verilog: str) -> str:
        assert verilog.count(old) == times
        return verilog.replace(old, new)

    return apply


class Planted:
    """A design with a fault in its Verilog."""

    def __init__(self, design: Design, verilog: str) -> None:
        self.design, self.verilog = design, verilog
        self.name = self.top = design.name
        self.host_bits, self.manifest = design.host_bits, manifest(design)


@dataclass(frozen=True)
class Fault:
    id: str
    verilog: Callable[[str], str] = lambda text: text
    registers: Registers = lambda found: found
    case: int = 0


FAULTS = (
    Fault("not-quantized", registers=registers(post_on=lambda on: 0)),
    Fault("block-too-few", registers=registers(post_last_block=lambda last: last - 1)),
    Fault("row-too-many", registers=registers(post_last_row=lambda last: last + 1)),
    Fault("factor", registers=registers(post_alpha=lambda code: code + (1 << 20))),
    Fault("wanted-scale", registers=registers(post_wanted=lambda code: code + (1 << 19))),
    Fault("inverses", registers=registers(**{f"post_inverse{n}": lambda code: code + (1 << 21) for n in range(8)})),
    Fault("groups-exchanged", texts("{post_word2, post_word1, post_word0}", "{post_word2, post_word0, post_word1}")),
    Fault("banks-exchanged", texts("O_bank_2_1_rdata, O_bank_2_0_rdata})", "O_bank_2_0_rdata, O_bank_2_1_rdata})")),
    Fault(
        "never-measured-anew",
        texts(
            ".rst(rst), .select(post_select), .measure(post_measure), .first(post_first)",
            ".rst(rst), .select(post_select), .measure(post_measure), .first(1'b0)",
            times=3,
        ),
    ),
)


def planted_runs(fault: Fault, accelerator: Accelerator, nest: Nest, scaling: Scaling) -> tuple[Run, ...]:
    """The runs with changed registers."""
    names = {r.address: r.name for r in accelerator.design.registers if r.words == 1}
    changed = []
    for part in runs(accelerator, nest, scaling=scaling):
        given = {names.get(address, str(address)): value for address, value in part.registers}
        new = fault.registers(given)
        changed.append(replace(part, registers=tuple((a, new[names.get(a, str(a))]) for a, _ in part.registers)))
    return tuple(changed)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_planted_fault_is_seen(fault: Fault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = CASES[fault.case]
    nest, accelerator = generated(case)

    def cut(found: Any, asked: Nest, dataflow: str | None, scaling: Scaling, **options: Any) -> tuple[Run, ...]:
        del found, dataflow, options
        return planted_runs(fault, accelerator, asked, scaling)

    monkeypatch.setattr("hw.program.runs", cut)
    planted = Planted(accelerator.design, fault.verilog(accelerator.verilog))
    result = simulate(planted, nest, random_inputs(nest, 3), simulator="icarus", cache=tmp_path)
    assert result.faults


def test_same_bytes_twice() -> None:
    _, accelerator = generated(CASES[0])
    assert emit(accelerator.design) == generated(CASES[0])[1].verilog
