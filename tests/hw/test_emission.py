"""What the Verilog is: the same bytes every time, clean for its readers, and structured as the netlist says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow import Dataflow, build
from hw import Accelerator, generate
from hw.kinds import Kind
from hw.units.float_multiply import float_formats, inner_bits
from sim.lint import lint, read_with_icarus, read_with_yosys
from sim.reread import reread
from workloads.spec import load

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str


CASES = (
    Case("output-stationary", "gemm:m=9,n=7,k=10", {"m": 4, "n": 4}, (1, 1), "m n k"),
    Case("weight-stationary-spilled", "gemm:m=9,n=7,k=10", {"k": 4, "n": 4}, (1, 1), "k n m"),
    Case("tree", "gemm:m=9,n=7,k=10", {"k": 5, "n": 2}, (0, 0), "m n k"),
    Case("sliding-window", "conv2d:n=1,oc=3,ic=2,h=6,w=6", {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw"),
    Case("one-word-banks", "gemm:m=4,n=4,k=3", {"m": 4, "n": 4}, (1, 1), "m n k"),
    Case("floating-point-chain", "gemm:m=5,n=3,k=7,format=bf16", {"k": 2, "n": 3}, (1, 1), "m n k"),
    Case("floating-point-tree-in-two-cycles", "gemm:m=5,n=3,k=7,format=bf16", {"k": 3, "n": 2}, (0, 1), "k n m"),
    Case("floating-point-rounding-products", "nvfp4_weight_gemm:m=3,n=3,k=32", {"ki": 4, "n": 2}, (2, 1), "kb ki n m"),
    Case("three-factors", "mttkrp:i=5,j=6,k=4,l=3", {"i": 3, "j": 2, "l": 2}, (1, 0, 1), "i j k l"),
)


def design(case: Case) -> Accelerator:
    nest = load(case.spec).nest
    dataflow = Dataflow.of(nest, case.space, skew=case.skew, order=tuple(case.order.split()))
    return generate(build(nest, dataflow))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_other_tools_read_it(case: Case) -> None:
    accelerator = design(case)
    assert [str(remark) for remark in lint(accelerator.verilog, accelerator.top) if not remark.accepted] == []
    read_with_icarus(accelerator.verilog, accelerator.top)
    read_with_yosys(accelerator.verilog, accelerator.top)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_pyverilog_finds_the_netlist(case: Case) -> None:
    accelerator = design(case)
    made = accelerator.design
    modules = reread(accelerator.verilog).modules
    top = modules[accelerator.top]
    wanted = Counter(made.kind_name[kind] for points in made.structure.kinds.values() for kind in points.values())
    wanted += Counter(made.composite.values())
    wanted[made.module("control")] += 1
    assert Counter(dict(top.instances)) == wanted
    for kind, name in made.kind_name.items():
        ports = {port.name: port.bits for port in modules[name].ports}
        for use in kind.uses:
            for operand in use.operands:
                for choice in operand.choices:
                    if choice.port:
                        assert ports[choice.port] == choice.width_bits
        for node, registers in kind.exports:
            assert ports[f"{node}_d{registers}"] == made.netlist.node[node].width_bits
        assert modules[name].register_bits == kind_register_bits(kind)


def kind_register_bits(kind: Kind) -> int:
    """Registers that a kind must have: chains behind nodes, pipeline stages, stationary registers, delays."""
    width = {use.node.name: use.node.width_bits for use in kind.uses}
    bits = sum(width[name] * length for name, length in kind.chains.items())
    for use in kind.uses:
        node = use.node
        deep = node.operation_cycles > 1
        if node.op in ("multiply", "float_multiply", "add"):
            bits += node.width_bits
            if deep:
                plain = "b" not in [o.role for o in use.operands]
                inner = 32 if plain else 28 + 9 + 4
                bits += inner if node.op == "add" else inner_bits(float_formats(node))
        elif node.op == "reduce":
            widths = [o.width_bits for o in use.operands]
            bits += float_tree_register_bits(len(widths)) if deep else tree_register_bits(widths, node.width_bits)
        bits += sum(node.width_bits for o in use.operands if o.role == "load")
        bits += sum(o.width_bits * o.fifo_depth for o in use.operands if o.fifo)
    return bits


def tree_register_bits(widths: list[int], most: int) -> int:
    """One register a level, as wide as the sum but not wider than the result."""
    total = 0
    while len(widths) > 1:
        pairs = [widths[k : k + 2] for k in range(0, len(widths), 2)]
        widths = [min(max(pair) + 1 if len(pair) == 2 else pair[0], most) for pair in pairs]
        total += sum(widths)
    return total


def float_tree_register_bits(terms: int) -> int:
    """Two registers a level, the first one inside an adder, or 32 bits where there is none."""
    total = 0
    while terms > 1:
        adders, left = divmod(terms, 2)
        terms = adders + left
        total += adders * (28 + 9 + 4) + left * 32 + terms * 32
    return total


def test_same_bytes_in_another_process() -> None:
    program = (
        "import sys, hashlib; sys.path.insert(0, 'tests/hw'); from test_emission import CASES, design; "
        "print([hashlib.sha256(design(c).verilog.encode()).hexdigest() for c in CASES])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_no_paths_in_the_text() -> None:
    text = design(CASES[0]).verilog
    assert str(ROOT) not in text
    assert "src =" not in text
