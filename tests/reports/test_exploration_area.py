"""Area and leakage of points: the array that `fuse` and the estimate give, CACTI's memories, power times time."""

from dataclasses import replace
from functools import cache

import pytest

from dataflow import Dataflow, build, fuse
from dataflow.technology import technology_named
from dataflow.technology.sram import sram_area_um2, sram_leakage_mw
from hw.accelerator import design_of
from hw.estimate import estimate_area
from reports.exploration.area import ArrayTask, array_task, run_array
from reports.exploration.design_point import DesignPoint
from reports.exploration.engine import evaluate_points
from reports.exploration.evaluate import evaluate
from reports.exploration.leakage import leakage_mw
from reports.exploration.outcome import MEMORY, PointOutcome
from reports.exploration.pareto import at_band
from reports.exploration.runners import run_chunk, serial
from reports.exploration.store import Store
from reports.exploration.study_file import parse_study
from reports.exploration.workload import StudyWorkload
from workloads.spec import load

POINT = DesignPoint((4, 4), (("k", "n"), ("ic", "oc")), "int8", 4096, 8.0, 50.0, 0.5, "28nm", "lpddr4", 8)
WORKLOADS = (
    StudyWorkload("first", 1.0, (("gemm:m=8,n=8,k=12", 2), ("conv2d:n=1,oc=8,ic=8,h=6,w=6,kh=3,kw=3", 1))),
    StudyWorkload("second", 2.0, (("gemm:m=1,n=20,k=20", 3),)),
)


@cache
def evaluated(**changes: object) -> PointOutcome:
    return evaluate(replace(POINT, **changes), WORKLOADS)


def test_the_area_is_that_of_the_fused_array_and_its_memories():
    out = evaluated()
    task = array_task(out)
    assert isinstance(task, ArrayTask)
    # The product of most cycles, and the convolution, each with the tiles of its mapping as limits.
    layers = {layer.operator: layer for workload in out.workloads for layer in workload.layers}
    assert {operator for operator, _ in task.members} == {
        max((o for o in layers if o.startswith("gemm")), key=lambda o: weighted(out, o)),
        next(o for o in layers if o.startswith("conv2d")),
    }
    plans = []
    for number, (operator, _) in enumerate(task.members):
        nest, layer = load(operator).nest, layers[operator]
        words = layer.simulate.split()
        order = tuple(words[words.index("--order") + 1].split(","))
        axes = layer.dataflow.partition("_keeps_")[0].split("_")
        tile = {loop: size for loop, size in layer.tiles if size < nest.extents[loop]}
        flow = Dataflow.of(nest, dict.fromkeys(axes, 4), order=order, tile=tile, name=f"{'_'.join(axes)}_{number}")
        plans.append(build(nest, flow))
    design = design_of(fuse(plans, name="array").architecture)
    banks = sum(unit.banks for unit in design.units)
    technology = technology_named("28nm")
    components = dict(out.area.components)
    assert out.area.banks == banks
    assert components.pop(MEMORY) == pytest.approx(banks * sram_area_um2(28, -(-4096 // banks)))
    assert components == pytest.approx(dict(estimate_area(design, technology).components))
    assert out.area_mm2 == pytest.approx(sum(um2 for _, um2 in out.area.components) / 1e6)
    assert f"{banks} banks" in out.area.source and "scaled to 28 nm" in out.area.source


def weighted(out: PointOutcome, operator: str) -> float:
    return max(
        w.weight * each.times * each.cycles for w in out.workloads for each in w.layers if each.operator == operator
    )


def test_leakage_is_power_times_time():
    out = evaluated()
    leaking = technology_named("28nm").leakage
    logic_um2 = sum(um2 for name, um2 in out.area.components if name != MEMORY)
    banks = out.area.banks
    power_mw = logic_um2 * 1e-6 * leaking.logic_mw_per_mm2.value
    power_mw += banks * sram_leakage_mw(28, -(-4096 // banks)) * leaking.memory_factor.value
    for workload in out.workloads:
        for layer in workload.layers:
            # A cycle of 2 ns.
            assert layer.energy.leakage_pj == pytest.approx(power_mw * 2 * layer.cycles)
            assert layer.energy.total_pj > layer.energy.leakage_pj > 0
    assert out.leakage_j == pytest.approx(power_mw * 1e-3 * out.time_s)


@pytest.mark.parametrize("band", ["low", "high"])
def test_leakage_moves_in_its_band(band):
    out = evaluated()
    moved = at_band(out, band)
    expected = leakage_mw(out, technology_named("28nm").at(band)) / leakage_mw(out, technology_named("28nm"))
    assert moved.leakage_j == pytest.approx(expected * out.leakage_j)
    assert (moved.leakage_j < out.leakage_j) == (band == "low")


def test_a_technology_that_does_not_say_leaks_nothing(tmp_path):
    text = (technology_file("28nm")).read_text()
    silent = tmp_path / "silent.toml"
    silent.write_text(text[: text.index("# Logic leaks")])
    out = evaluated(technology=str(silent))
    assert out.leakage_j == 0.0 and out.area is not None
    assert out.energy_j == pytest.approx(evaluated().energy_j - evaluated().leakage_j)


def technology_file(name: str):
    from dataflow.technology import technology

    return technology._FILES / f"{name}.toml"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"spaces": ()}, "every dataflow is a bound for what arrays can do, and no array"),
        ({"format": "bf16"}, "area estimate 'product0': no calibrated design has a node of kind 'float_multiply'"),
    ],
)
def test_why_there_is_no_area(changes, says):
    out = evaluated(**changes)
    assert out.failure is None and out.area is None and out.area_mm2 is None
    assert out.no_area == says
    # The buffer leaks all the same, as one memory.
    assert out.leakage_j == pytest.approx(sram_leakage_mw(28, 4096) * 1e-3 * out.time_s)


def test_a_layer_with_fewer_axes_has_one_unit_on_the_others():
    depthwise = StudyWorkload("d", 1.0, (("depthwise:n=1,c=4,h=6,w=6,kh=3,kw=3", 1), ("gemm:m=8,n=8,k=8", 1)))
    out = evaluate(replace(POINT, spaces=(("k", "n"), ("kw",))), (depthwise,))
    assert out.no_area is None and out.area_mm2 > 0


def test_a_failing_point_says_its_failure_only():
    out = evaluated(buffer_bytes=3)
    assert out.failure and out.area is None and out.no_area is None and out.leakage_j == 0.0


STUDY = """\
name: areas
workloads: [{name: w, operators: {"gemm:m=8,n=8,k=12": 1, "conv2d:n=1,oc=8,ic=8,h=6,w=6,kh=3,kw=3": 1}}]
axes: {array: [2x2, 4x4], bandwidth_gb_per_s: [8, 16], technology: [7nm, 28nm]}
fixed: {dataflows: k-n+ic-oc, buffer: 4KB}
objective: area
constraints: [area_mm2 < 0.02]
"""


def test_each_array_is_counted_once_and_kept(tmp_path):
    study = parse_study(STUDY)
    counted = []

    def runner(chunks):
        counted.extend(task for chunk in chunks for task in chunk if isinstance(task, ArrayTask))
        return serial(chunks)

    said = []
    with Store(tmp_path) as store:
        outcomes = evaluate_points(study, study.points(), store, runner, said.append)
        # Two arrays; bandwidth and technology do not change what they consist of.
        assert len(counted) == len(set(counted)) == 2
        assert {progress.unit for progress in said} == {"layers", "arrays"}
        assert evaluate_points(study, study.points(), store, runner) == outcomes
        assert len(counted) == 2
    assert outcomes == tuple(replace(evaluate(p, study.workloads), seconds=0.0) for p in study.points())
    ranked = study.ranked(outcomes)
    assert ranked[0].point.array == (2, 2) and ranked[0].point.technology == "7nm"
    assert [each.area_mm2 for each in ranked] == sorted(each.area_mm2 for each in ranked)
    large = next(each for each in outcomes if each.point.array == (4, 4) and each.point.technology == "28nm")
    assert study.broken(large) == (f"area_mm2 is {large.area_mm2:.4g}, and must be < 0.02",)


def test_a_worker_counts_arrays_too():
    task = array_task(evaluated())
    assert run_chunk((task,)) == (run_array(task),)
