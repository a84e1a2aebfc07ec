"""Energy: traces, toggles and tables, against hand counts and against a simulation of the mapped gates."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import Dataflow, build, fuse
from hw import generate
from hw.synthesis import read_library, synthesize, synthesize_verilog
from hw.synthesis.library import DEFAULT_LIBRARY
from sim import simulate
from sim.power import PARTS, SLEW_NS, WIRE_PF_PER_SINK, energy_pj, measure_power, power_facts
from sim.power_gates import MappedDesignError, count_toggles, instances_of
from sim.power_trace import Trace, read_trace
from workloads.interpreter import random_inputs
from workloads.spec import load

CELL_MODELS = DEFAULT_LIBRARY.with_suffix(".v")
DUT = ("bench", "dut")

VCD = """$timescale 1ns $end
$scope module bench $end
$var reg 1 ! clk $end
$scope module dut $end
$var wire 1 " busy $end
$var wire 4 # a [3:0] $end
$var wire 4 # same [3:0] $end
$var wire 2 $ \\$odd [1:0] $end
$upscope $end
$upscope $end
$enddefinitions $end
#0
0!
0"
bx #
b1 $
#1
1!
b11 #
#2
0!
#3
b101 #
1"
1!
#5
0!
#6
1!
b1x0 #
b10 $
#7
0!
#8
1!
0"
b1111 #
"""


@pytest.fixture
def vcd(tmp_path: Path) -> Path:
    path = tmp_path / "small.vcd"
    path.write_text(VCD)
    return path


def test_trace_has_the_last_value_of_each_cycle(vcd):
    trace = read_trace(vcd, (("bench",), "clk"), (DUT, "busy"), lambda scope, name: name != "busy")
    assert trace.cycles == 3
    assert {name for _, name in trace.values} == {"clk", "busy", "a", "same", "$odd"}
    # The cycle before the rise, that of 0101, that of 01x0.
    assert trace.values[DUT, "a"].T.astype(int).tolist() == [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 0]]
    assert trace.known[DUT, "a"].T.tolist() == [[True] * 4, [True] * 4, [True, False, True, True]]
    assert np.array_equal(trace.values[DUT, "same"], trace.values[DUT, "a"])
    assert trace.values[DUT, "$odd"].T.astype(int).tolist() == [[1, 0], [1, 0], [0, 1]]


@pytest.fixture(scope="module")
def mapped_once(tmp_path_factory):
    """A folder that keeps what the synthesis tools gave."""
    return tmp_path_factory.mktemp("synthesis")


@pytest.fixture(scope="module")
def gemm(mapped_once):
    """A 2x2 array, mapped."""
    nest = load("gemm:m=4,n=4,k=6").nest
    accelerator = generate(build(nest, Dataflow.of(nest, {"m": 2, "n": 2}, skew=(1, 1))))
    return accelerator, nest, synthesize(accelerator, cache=mapped_once)


def _trace(path: Path, wanted=lambda scope, name: True):
    return read_trace(path, (("bench",), "clk"), (DUT, "busy"), wanted)


def test_toggles_are_those_of_the_mapped_gates_simulated(gemm, tmp_path):
    accelerator, nest, mapped = gemm
    library, gates = read_library(), mapped.gates
    inputs = random_inputs(nest, 3)
    assert simulate(accelerator, nest, inputs, simulator="icarus", waveform=tmp_path / "source.vcd").matches
    verilog = "\n".join((gates.verilog, _memories(accelerator), CELL_MODELS.read_text().replace("`timescale", "//")))
    post = replace(accelerator, verilog=verilog)
    # The mapped design computes the same, in as many cycles.
    assert simulate(post, nest, inputs, simulator="icarus", waveform=tmp_path / "gates.vcd").matches
    source, cells = _trace(tmp_path / "source.vcd"), _trace(tmp_path / "gates.vcd")
    outputs = {"Y", "Q", "YC", "YS"}
    pins = {
        (scope, pin): (value, cells.known[scope, pin])
        for (scope, pin), value in cells.values.items()
        if pin in outputs and scope[-1].startswith("_")
    }
    compared = 0
    for name, scopes in instances_of(gates, DUT).items():
        module = gates.modules[name]
        # Scopes of cells right inside an instance of the module.
        inside = [found for (scope, _), found in pins.items() if scope[:-1] in scopes]
        # Before, some registers have not been written, and what gates make of that is anybody's guess.
        settled = 1 + max((int(np.argwhere(~known)[-1][1]) for _, known in inside if not known.all()), default=-1)
        if settled > source.cycles / 2:
            assert "_fu" not in name and "_control" not in name
            continue
        found = count_toggles(module, library, gates, _later(source, settled), scopes)
        mine = sum(
            found.of[i.pins[pin][0]] for i in module.instances if i.of in library.cells for pin in outputs & set(i.pins)
        )
        assert mine == sum(int((v[:, settled + 1 :] != v[:, settled:-1]).sum()) for v, _ in inside), name
        compared += mine
    assert compared > 10_000


def _later(trace: Trace, begin: int) -> Trace:
    """The trace from a cycle on."""
    return Trace(
        {name: value[:, begin:] for name, value in trace.values.items()},
        {name: value[:, begin:] for name, value in trace.known.items()},
        trace.cycles - begin,
    )


def _memories(accelerator) -> str:
    """The modules of the memories, as generated."""
    modules = [f"{text}endmodule\n" for text in accelerator.verilog.split("endmodule")]
    return "".join(text for text in modules if re.match(r"\s*module \w+_memory\(", text))


def test_gates_that_differ_from_the_source_are_found(gemm, tmp_path):
    accelerator, nest, mapped = gemm
    library = read_library()
    assert simulate(
        accelerator, nest, random_inputs(nest, 0), simulator="icarus", waveform=tmp_path / "source.vcd"
    ).matches
    trace = _trace(tmp_path / "source.vcd")
    gates = mapped.gates
    name, scopes = next((n, s) for n, s in instances_of(gates, DUT).items() if "_fu" in n)
    module = gates.modules[name]
    position = next(k for k, i in enumerate(module.instances) if i.of == "NAND2X1")
    wrong = replace(module.instances[position], of="NOR2X1")
    broken = replace(module, instances=(*module.instances[:position], wrong, *module.instances[position + 1 :]))
    count_toggles(module, library, gates, trace, scopes)
    with pytest.raises(MappedDesignError) as caught:
        count_toggles(broken, library, gates, trace, scopes)
    error = caught.value
    assert str(error).startswith(
        f"module {name!r}: {error.wire} of the mapped design differs from the simulated source"
    )


ONE_STAGE = """
module stage(input clk, input d, output reg q);
  always @(posedge clk) q <= ~d;
endmodule
"""

STAGE_VCD = """$timescale 1ns $end
$scope module bench $end
$var reg 1 ! clk $end
$scope module dut $end
$var wire 1 " busy $end
$var wire 1 ! clk $end
$var wire 1 # d $end
$var wire 1 $ q $end
$upscope $end
$upscope $end
$enddefinitions $end
#0
0!
0"
0#
1$
#1
1!
1"
1#
#2
0!
#3
1!
0$
#4
0!
#5
1!
0#
#6
0!
#7
1!
0"
1$
"""


def test_energy_of_an_inverter_and_a_register_by_hand(tmp_path):
    path = tmp_path / "stage.vcd"
    path.write_text(STAGE_VCD)
    library = read_library()
    gates = synthesize_verilog(ONE_STAGE, "stage", {}, library).gates
    (module,) = gates.modules.values()
    toggles = count_toggles(module, library, gates, _trace(path), [DUT])
    # Three steps: d rises, q falls, d falls.
    assert toggles.cycles == 3
    found = energy_pj(module, gates, library, toggles, {})
    inverter, register = library.cells["INVX1"], library.cells["DFFPOSX1"]
    half = 0.5 * 1.8**2
    wire = register.pin("D").capacitance + WIRE_PF_PER_SINK

    def inside(pin, load):
        return sum(table.at(SLEW_NS, load) for table in pin.energies) / len(pin.energies)

    assert found["logic"] == pytest.approx(2 * (half * wire + inside(inverter.pin("Y"), wire)))
    assert found["registers"] == pytest.approx(2 * inside(register.pin("D"), wire) + inside(register.pin("Q"), 0.0))
    clock = register.pin("CLK")
    assert found["clock"] == pytest.approx(6 * (half * (clock.capacitance + WIRE_PF_PER_SINK) + inside(clock, 0.0)))
    assert found["links"] == 0.0


def test_energy_of_a_run(gemm, mapped_once):
    accelerator, nest, _ = gemm
    found = measure_power(accelerator, nest, random_inputs(nest, 0), cache=mapped_once)
    assert found.cycles == 29
    # Each element of A is read once and kept for the second tile of its row; each of B is read for both tiles.
    assert found.bank_bits == {"read": (24 + 2 * 24) * 8, "written": 16 * 18}
    facts = power_facts(found)
    assert facts["pj_per_cycle"] == pytest.approx(sum(sum(c.values()) for c in facts["components"].values()))
    assert facts["pj_per_cycle"] == pytest.approx(sum(found.part_pj_per_cycle(part) for part in PARTS))
    assert found.component_pj_per_cycle("functional units") > 0.4 * found.pj_per_cycle
    assert found.power_mw(100) == pytest.approx(found.pj_per_cycle * 0.1)
    still = {tensor: np.zeros_like(value) for tensor, value in random_inputs(nest, 0).items()}
    quiet = measure_power(accelerator, nest, still, cache=mapped_once)
    clock = found.part_pj_per_cycle("clock")
    assert quiet.part_pj_per_cycle("clock") == pytest.approx(clock)
    assert quiet.part_pj_per_cycle("logic") < 0.2 * found.part_pj_per_cycle("logic")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            "body: O[i, j] += A[i, k] * B[k, j]\nformats: {A: bf16, B: bf16, O: fp32}",
            marks=pytest.mark.full,
            id="floating-point",
        ),
        pytest.param(
            "body: O[i, j] += A[i, k] * B[k, j] * S[k]\nformats: {A: int4, B: int4, S: e4m3, O: int64}", id="scales"
        ),
    ],
)
def test_energy_of_other_formats(body, mapped_once):
    """The mapped gates do what the source does there too, or there would be no energy."""
    nest = load(f"name: product\nloops: {{i: 2, j: 2, k: 4}}\n{body}\n").nest
    flow = Dataflow.of(nest, {"i": 2, "k": 2}, skew=(1, 0), order=("i", "j", "k"))
    found = measure_power(generate(build(nest, flow)), nest, random_inputs(nest, 0), cache=mapped_once)
    assert found.component_pj_per_cycle("functional units") > 0


@pytest.mark.full
def test_fused_design_runs_each_of_its_dataflows(mapped_once):
    nests = [load("gemm:m=4,n=4,k=3").nest, load("mttkrp:i=4,j=2,k=2,l=2").nest]
    spaces = [{"m": 1, "n": 2}, {"i": 1, "j": 2}]
    alone = [build(n, Dataflow.of(n, s, name=f"flow{k}")) for k, (n, s) in enumerate(zip(nests, spaces, strict=True))]
    accelerator = generate(fuse(alone, name="both").architecture)
    for nest in nests:
        assert measure_power(accelerator, nest, random_inputs(nest, 0), cache=mapped_once).pj_per_cycle > 0
