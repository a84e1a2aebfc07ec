"""The bench on a hand-written engine: what is right passes, and every kind of fault is caught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from dot_engine import VERILOG, Engine, Part, gemv, program

from sim import SimulationError, simulate
from workloads.interpreter import random_inputs, run


@dataclass(frozen=True)
class Case:
    id: str
    m: int
    k: int
    rows: int
    steps: int
    simulator: str


GOOD = [
    Case("one-run", 5, 8, 16, 8, "icarus"),
    Case("tiles-of-rows", 37, 8, 16, 8, "icarus"),
    Case("later-runs-start-from-earlier-sums", 20, 96, 16, 8, "icarus"),
    Case("one-element", 1, 4, 1, 1, "icarus"),
    Case("tiles-and-sums-compiled", 40, 96, 16, 8, "verilator"),
    Case("large-tiles-compiled", 200, 20, 200, 5, "verilator"),
]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_engine_agrees(case: Case) -> None:
    nest = gemv(case.m, case.k)
    inputs = random_inputs(nest, seed=case.m)
    cut = partial(program, rows=case.rows, steps=case.steps)
    result = simulate(Engine(), nest, inputs, simulator=case.simulator, program=cut)
    np.testing.assert_array_equal(result.outputs, run(nest, inputs))
    assert (result.matches, result.first_mismatch) == (True, None)
    assert result.predicted_cycles == result.simulated_cycles == result.timed_cycles == case.m * case.k // 4
    assert result.run_cycles == tuple(part.predicted_cycles for part in cut(Engine(), nest))
    assert (result.macs, result.utilization) == (case.m * case.k, 1.0)


@dataclass(frozen=True)
class Wrong:
    id: str
    old: str
    new: str
    says: str


# On `gemv(5, 8)` in one run of 10 cycles.
WRONG_RESULTS = [
    Wrong(
        "lane-takes-another-lanes-operand",
        "b[step][15:8]",
        "b[step][7:0]",
        "tensor 'O' differs in 5 of 5 elements, first at [0]: expected {expected[0]}, got {got[0]}",
    ),
    Wrong(
        "one-row-is-never-written",
        "o[row] <= base",
        "if (row != 8'd3) o[row] <= base",
        "tensor 'O' differs in 1 of 5 elements, first at [3]: expected {expected[3]}, got -1515870811",
    ),
    Wrong(
        "counter-counts-double",
        "cycles + 32'd1",
        "cycles + 32'd2",
        "run 0 took 20 cycles by the design's counter; predicted were 10",
    ),
    Wrong(
        "counter-starts-late",
        "if (busy) cycles",
        "if (busy && at != 10'd0) cycles",
        "run 0 took 9 cycles by the design's counter; predicted were 10",
    ),
]


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("wrong", WRONG_RESULTS, ids=lambda wrong: wrong.id)
def test_wrong_result_is_caught(wrong: Wrong, simulator: str) -> None:
    nest = gemv(5, 8)
    inputs = random_inputs(nest, seed=3)
    result = simulate(_changed(wrong), nest, inputs, simulator=simulator, program=program)
    assert not result.matches
    assert result.first_mismatch == wrong.says.format(expected=run(nest, inputs), got=result.outputs)


BROKEN_RUNS = [
    Wrong(
        "never-done",
        "if (row == last_row)",
        "if (1'b0)",
        "run 0 was still busy after 10040 cycles",
    ),
    Wrong(
        "never-starts",
        "busy <= 1'b1;",
        "busy <= 1'b0;",
        "run 0 was busy before its start, or neither busy nor done after it",
    ),
    Wrong(
        "stops-the-simulator",
        "if (row == last_row)",
        "if (row == last_row) $finish;\n        if (1'b0)",
        "the simulator stopped with exit status 0",
    ),
]


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("wrong", BROKEN_RUNS, ids=lambda wrong: wrong.id)
def test_broken_run_is_an_error(wrong: Wrong, simulator: str) -> None:
    nest = gemv(5, 8)
    with pytest.raises(SimulationError) as caught:
        simulate(_changed(wrong), nest, random_inputs(nest, seed=3), simulator=simulator, program=program)
    log = caught.value.log
    assert log is not None
    assert log.exists()
    assert str(caught.value) == f"design 'dot_engine': {wrong.says}; the simulator's own words are in {log}"


def test_unknown_bits_are_an_error() -> None:
    nest = gemv(5, 8)
    engine = _changed(Wrong("", "16'd2: accumulate <= cfg_data[0];", "", ""))
    with pytest.raises(SimulationError) as caught:
        simulate(engine, nest, random_inputs(nest, seed=3), simulator="icarus", program=program)
    assert str(caught.value) == (
        "design 'dot_engine': run 0 left unknown bits in its result, such as in the row at address 4; "
        f"the simulator's own words are in {caught.value.log}"
    )


def test_wrong_prediction_is_caught_in_every_run() -> None:
    nest = gemv(32, 8)
    result = simulate(Engine(), nest, random_inputs(nest, seed=3), simulator="icarus", program=_optimistic)
    assert result.faults == (
        "run 0 took 32 cycles by the design's counter; predicted were 31",
        "run 1 took 32 cycles by the design's counter; predicted were 31",
    )


@dataclass(frozen=True)
class Optimist(Part):
    """A part whose cycle model is off by one."""

    @property
    def predicted_cycles(self) -> int:
        return super().predicted_cycles - 1


def _optimistic(engine: Engine, nest: object) -> tuple[Optimist, ...]:
    return Optimist(0, 16, 0, 2), Optimist(16, 16, 0, 2)


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_rejected_verilog_is_an_error(simulator: str) -> None:
    nest = gemv(5, 8)
    engine = _changed(Wrong("", "reg working;", "reg working", ""))
    with pytest.raises(SimulationError) as caught:
        simulate(engine, nest, random_inputs(nest, seed=3), simulator=simulator, program=program)
    log = caught.value.log
    assert log is not None
    assert "syntax error" in log.read_text()
    assert str(caught.value) == (
        f"design 'dot_engine': {simulator} rejects the Verilog; the simulator's own words are in {log}"
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"simulator": "vcs"},
            "design 'dot_engine': simulator 'vcs' is not known; expected one of verilator, icarus",
        ),
        (
            {"waveform": Path("run.wav")},
            "design 'dot_engine': verilator writes waveforms as .vcd, not as .wav",
        ),
        (
            {"waveform": Path("run.wav"), "simulator": "icarus"},
            "design 'dot_engine': icarus writes waveforms as .vcd or .fst, not as .wav",
        ),
    ],
    ids=["unknown-simulator", "unknown-waveform", "unknown-waveform-of-icarus"],
)
def test_unknown_choice_is_an_error(changes: dict[str, object], says: str) -> None:
    nest = gemv(5, 8)
    with pytest.raises(SimulationError) as caught:
        simulate(Engine(), nest, random_inputs(nest, seed=3), program=program, **changes)  # type: ignore[arg-type]
    assert str(caught.value) == says


@pytest.mark.parametrize(("simulator", "kind"), [("icarus", "vcd"), ("icarus", "fst"), ("verilator", "vcd")])
def test_waveform_names_the_designs_signals(simulator: str, kind: str, tmp_path: Path) -> None:
    nest = gemv(5, 8)
    file = tmp_path / f"run.{kind}"
    result = simulate(Engine(), nest, random_inputs(nest, seed=3), simulator=simulator, program=program, waveform=file)
    assert result.matches
    assert result.waveform == file
    assert file.stat().st_size > 1000
    if kind == "vcd":
        assert "last_row" in file.read_text()


def test_interrupted_simulation_leaves_no_half_waveform(tmp_path: Path) -> None:
    nest, file = gemv(32, 8), tmp_path / "run.vcd"
    met = []

    def interrupt(phase: str, part: float) -> None:
        if part == 0.5:
            met.append(file.exists())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(
            Engine(),
            nest,
            random_inputs(nest, seed=3),
            simulator="icarus",
            program=program,
            waveform=file,
            progress=interrupt,
        )
    assert met == [True]
    assert list(tmp_path.iterdir()) == []


def test_working_folder_stays_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nest = gemv(5, 8)
    assert simulate(Engine(), nest, random_inputs(nest, seed=3), simulator="icarus", program=program).matches
    assert list(tmp_path.iterdir()) == []


def test_progress_goes_from_build_to_the_last_run() -> None:
    nest = gemv(32, 8)
    seen: list[tuple[str, float]] = []
    simulate(
        Engine(),
        nest,
        random_inputs(nest, seed=3),
        simulator="icarus",
        program=program,
        progress=lambda phase, part: seen.append((phase, part)),
    )
    assert seen == [("build", 0.0), ("build", 1.0), ("run", 0.0), ("run", 0.5), ("run", 1.0)]


def _changed(wrong: Wrong) -> Engine:
    assert VERILOG.count(wrong.old) == 1, wrong.id
    return replace(Engine(), verilog=VERILOG.replace(wrong.old, wrong.new))
