"""The model's energy of products and hops beside the switching energy of synthesized arrays.

``python -m benchmarks.energy_calibration [LIBRARY]``; LIBRARY is a Liberty file, Debian's qflow-tech-osu018 when left
out. Prints a JSON list of measurements; some ten minutes on one core where nothing is cached.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.architectures import literature
from dataflow.accesses import count_accesses
from dataflow.technology import technology_named
from hw import generate
from hw.estimate.energy_scaling import energy_factor
from hw.synthesis import Library, read_library
from sim.power import PARTS, measure_power
from sim.toolchain import cache_folder
from workloads.interpreter import random_inputs

# The supply at which the 45 nm constants were published.
_MODEL_NM, _MODEL_V = 45.0, 0.9
_LIBRARY_NM = 180.0
_NAMES = ("gemm_weight_systolic", "gemm_output_systolic", "gemm_output_broadcast", "conv2d_ic_oc", "conv2d_oh_ow")


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one design, in pJ a product at the model's node.

    Attributes
    ----------
    operation_pj, hop_pj : float
        What the model says.
    logic_pj : float
        Gates, and links between modules.
    register_pj : float
        Registers with their clock pins, and ``flip_flop_cycles``, how many are clocked a product.
    """

    name: str
    operation_pj: float
    hop_pj: float
    logic_pj: float
    register_pj: float
    flip_flop_cycles: float

    @property
    def total_pj(self) -> float:
        return self.logic_pj + self.register_pj

    @property
    def model_pj(self) -> float:
        return self.operation_pj + self.hop_pj


def measured(name: str, size: int, library: Library) -> Measured:
    """Generate, map and simulate one design, and count what the model counts on the same run."""
    architecture = literature(size)[name]()
    accelerator, plan = generate(architecture), architecture.plans[0]
    nest = plan.nest
    power = measure_power(
        accelerator, nest, random_inputs(nest, 0), library=library, cache=cache_folder() / "synthesis"
    )
    factor = energy_factor(_LIBRARY_NM, library.voltage_v, _MODEL_NM, _MODEL_V)
    technology = technology_named("45nm")
    counts = count_accesses(plan, nest.extents)
    bits = [nest.tensor(feed.access.tensor).format.bits for feed in plan.feeds]
    hops = sum(b * (each.direct + each.delayed) for b, each in zip(bits, counts.feeds, strict=True))
    hops += nest.tensor(nest.output.tensor).format.bits * counts.drain.spatial
    parts = {part: sum(pj for (_, each), pj in power.energy_pj.items() if each == part) for part in PARTS}
    flip_flops = sum(module.instances * module.register_bits for module in power.synthesis.modules)
    found = Measured(
        f"{name}_{size}x{size}",
        technology.operation_pj(nest),
        hops * technology.register_pj_per_bit.value / counts.macs,
        (parts["logic"] + parts["links"]) * factor / counts.macs,
        (parts["clock"] + parts["registers"]) * factor / counts.macs,
        flip_flops * power.cycles / counts.macs,
    )
    print(found, file=sys.stderr, flush=True)
    return found


def prices(found: Sequence[Measured]) -> tuple[float, float]:
    """Least relative error: logic over the model's operation, and energy of a flip-flop's cycle in pJ."""
    return (
        _least([each.operation_pj / each.logic_pj for each in found]),
        _least([each.flip_flop_cycles / each.register_pj for each in found]),
    )


def _least(predicted: list[float]) -> float:
    """The factor that brings predictions over measurements closest to 1."""
    return sum(predicted) / sum(each**2 for each in predicted)


def _error(each: Measured, fitted: tuple[float, float]) -> float:
    operation, flip_flop_pj = fitted
    return (operation * each.operation_pj + flip_flop_pj * each.flip_flop_cycles) / each.total_pj - 1


def main() -> None:
    library = read_library(*map(Path, sys.argv[1:2]))
    found = [measured(name, size, library) for size in (4, 8) for name in _NAMES]
    operation, flip_flop_pj = prices(found)
    errors = [_error(each, prices([other for other in found if other is not each])) for each in found]
    factor = energy_factor(_LIBRARY_NM, library.voltage_v, _MODEL_NM, _MODEL_V)
    how = (
        f"int8, random inputs; {library.name} at {_LIBRARY_NM:g} nm and {library.voltage_v:g} V, scaled to "
        f"{_MODEL_NM:g} nm and {_MODEL_V:g} V by {factor:.4f}; without clock tree, glitches and banks"
    )

    def row(name: str, value: float, unit: str, text: str) -> dict[str, object]:
        text = f"{text}; {how}"
        return {"name": name, "value": round(value, 4), "unit": unit, "target": None, "better": "lower", "how": text}

    mean, worst = sum(map(abs, errors)) / len(errors), max(map(abs, errors))
    answers = [
        row("energy_logic_over_operation", operation, "ratio", "gates and links over the model's operations, fitted"),
        row("energy_flip_flop_cycle", flip_flop_pj, "pJ", "registers and their clock pins, fitted"),
        row("energy_left_out_mean_error", mean, "fraction", f"both prices, a design left out; mean of {len(found)}"),
        row("energy_left_out_worst_error", worst, "fraction", f"both prices, a design left out; worst of {len(found)}"),
    ]
    for each, error in zip(found, errors, strict=True):
        text = (
            f"logic {each.logic_pj:.3f} and registers {each.register_pj:.3f} pJ a product over operations "
            f"{each.operation_pj:.3f} and hops {each.hop_pj:.3f}; {each.flip_flop_cycles:.1f} flip-flop cycles a "
            f"product; left out of the fit {error:+.1%}"
        )
        answers.append(row(f"energy_over_model_{each.name}", each.total_pj / each.model_pj, "ratio", text))
    print(json.dumps(answers, indent=2))


if __name__ == "__main__":
    main()
