"""The driver's side of a design: registers, bank rows and predicted cycles of every run of a nest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.cycles import Cycles, count_cycles, run_weights
from dataflow.ordered_sum import run_ordered
from dataflow.reuse import dot
from hw.design import Design
from hw.generators import generator_registers
from hw.layout import Bytes, Layout, window
from hw.levels import levels_outside, loop_levels
from hw.netlist import Netlist
from hw.post.blocks import BlockLayout
from hw.post.scaling import Scaling, factor_values
from hw.post.stage import nest_faults
from hw.registers import Register, axis_names, guarded_tiles
from workloads.errors import BrickworkError
from workloads.formats.coded import CodedBlocks
from workloads.interpreter import run
from workloads.nest import Nest

Tensors = Mapping[str, npt.NDArray[np.generic]]


class ProgramError(BrickworkError):
    """A nest that a design cannot run; lists every reason."""

    def __init__(self, design: str, faults: tuple[str, ...]) -> None:
        self.design, self.faults = design, faults
        super().__init__("\n".join(f"design {design!r}: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Load:
    """Rows to write into the banks of a tensor, from an in-bank address on."""

    tensor_id: int
    address: int
    rows: Bytes


@dataclass(frozen=True)
class Run:
    """One start-to-done of the array.

    Attributes
    ----------
    origin, extents : tuple of (loop, value)
        The part of the nest that is computed.
    registers : tuple of (address, value)
        32-bit words to write before the start.
    weights : tuple of int
        Cycles that one step of each time loop takes, outermost first.
    placed : tuple of (tensor number, address)
        Inputs that do not begin at address 0 of their banks.
    blocks : BlockLayout or None
        Where the quantized output lies, in a run that finishes its results on a design that quantizes them.
    """

    origin: tuple[tuple[str, int], ...]
    extents: tuple[tuple[str, int], ...]
    registers: tuple[tuple[int, int], ...]
    weights: tuple[int, ...]
    cycles: Cycles
    inputs: tuple[Layout, ...]
    output: Layout
    preloads: bool
    placed: tuple[tuple[int, int], ...] = ()
    blocks: BlockLayout | None = None

    @property
    def predicted_cycles(self) -> int:
        return self.cycles.total

    def loads(self, tensors: Tensors, output: npt.NDArray[np.generic]) -> list[Load]:
        """Rows for every input bank, and for the output banks where sums start from them."""
        at = dict(self.placed)
        found = [
            Load(layout.tensor_id, at.get(layout.tensor_id, 0), layout.pack(tensors[layout.tensor]))
            for layout in self.inputs
        ]
        if self.preloads:
            found.append(Load(self.output.tensor_id, 0, self.output.pack(output)))
        return found

    @property
    def readback(self) -> tuple[int, int, int, int]:
        """Tensor number, address, rows and bytes a row of the result."""
        if self.blocks:
            return self.blocks.post.tensor_id, 0, self.blocks.rows, self.blocks.row_bytes
        return self.output.tensor_id, 0, self.output.rows, self.output.row_bytes

    def store(self, rows: Bytes, output: npt.NDArray[np.generic]) -> None:
        """Write the run's part of the result into ``output`` in place."""
        self.output.unpack(rows, output)

    def store_blocks(self, rows: Bytes, coded: CodedBlocks) -> bool:
        """Write the run's part of a quantized result in place; False where the run leaves numbers."""
        if self.blocks:
            self.blocks.unpack(rows, coded)
        return self.blocks is not None


class HasDesign(Protocol):
    """Anything generated, such as an accelerator."""

    @property
    def design(self) -> Design: ...


def runs(
    accelerator: HasDesign,
    nest: Nest,
    dataflow: str | None = None,
    scaling: Scaling | None = None,
    *,
    continues: bool = False,
    placed: Mapping[str, int] | None = None,
) -> tuple[Run, ...]:
    """Cut a nest into runs of a design, tiles in the nest's own loop order.

    Parameters
    ----------
    dataflow
        Name of the one to use, where the design serves the nest in several; the first that fits when left out.
    scaling
        Factors of the quantizer, on a design that has one; 1 when left out.
    continues
        Start from the sums that lie in the output banks instead of the reduction's identity; see `check_continues`.
    placed
        Addresses in their banks at which inputs begin, 0 where left out, so that several lie there side by side.

    Raises
    ------
    ProgramError
        The nest is none of those that the design serves, or too large for it; or it cannot continue.
    ScalingError
        The design's quantizer cannot take the factors.
    """
    design = accelerator.design
    mode = _mode(design, nest, dataflow)
    plan = design.netlist.plans[mode]
    post = design.post
    if post and (faults := tuple(nest_faults(nest, post.stage))):
        raise ProgramError(design.name, faults)
    if post is None and scaling not in (None, Scaling()):
        raise ProgramError(design.name, ("it does not quantize its results; expected no factors",))
    factors = factor_values(scaling or Scaling(), post.made, post.source) if post else {}
    held = dict(plan.dataflow.tile)
    ranges = [range(0, extent, held.get(loop, extent)) for loop, extent in nest.extents.items()]
    done = []
    for start in product(*ranges):
        origin = dict(zip(nest.loop_names, start, strict=True))
        extents = {loop: min(held.get(loop, extent), extent - origin[loop]) for loop, extent in nest.extents.items()}
        done.append(_run(design, mode, nest, origin, extents, continues, placed or {}, factors))
    if continues and (len(done) > 1 or not plan.drain.reads_back):
        why = (
            f"takes {len(done)} runs, of which only one can follow on another nest's sums"
            if len(done) > 1
            else "always starts its sums anew; it continues earlier ones only if it is built for that"
        )
        raise ProgramError(design.name, (f"dataflow {plan.dataflow.name!r} of nest {nest.name!r} {why}",))
    return tuple(done)


def check_continues(accelerator: HasDesign, before: Run, after: Run) -> None:
    """Check that the sums which a run left in the output banks lie where the next one, which continues them, looks.

    Raises
    ------
    ProgramError
    """
    if replace(before.output, tensor="") != replace(after.output, tensor=""):
        raise ProgramError(
            accelerator.design.name,
            (
                f"tensor {after.output.tensor!r} cannot continue the sums of tensor {before.output.tensor!r}: "
                "format, size or banks of the two differ",
            ),
        )


def meaning(
    accelerator: HasDesign,
    nest: Nest,
    inputs: Mapping[str, npt.ArrayLike],
    dataflow: str | None = None,
    initial: npt.ArrayLike | None = None,
) -> npt.NDArray[np.generic]:
    """What a design has to compute: the nest's own meaning, or in floating point that of the order of its sums.

    Raises
    ------
    ProgramError
    InputError
    """
    if not nest.floating:
        return run(nest, inputs, initial)
    design = accelerator.design
    return run_ordered(design.netlist.plans[_mode(design, nest, dataflow)], nest, inputs, initial)


def _mode(design: Design, nest: Nest, dataflow: str | None) -> int:
    plans = design.netlist.plans
    asked = [mode for mode, plan in enumerate(plans) if dataflow in (None, plan.dataflow.name)]
    if not asked:
        names = ", ".join(dict.fromkeys(plan.dataflow.name for plan in plans))
        raise ProgramError(design.name, (f"it has no dataflow {dataflow!r}; it has {names}",))
    found = {mode: tuple(_mismatches(plans[mode], nest)) for mode in asked}
    for mode, faults in found.items():
        if not faults:
            return mode
    raise ProgramError(design.name, tuple(dict.fromkeys(fault for faults in found.values() for fault in faults)))


def _mismatches(plan: Plan, nest: Nest) -> Iterator[str]:
    built = plan.nest
    if (nest.loop_names, nest.output, nest.inputs, nest.coefficient, nest.guards, nest.unit, nest.reduction) != (
        built.loop_names,
        built.output,
        built.inputs,
        built.coefficient,
        built.guards,
        built.unit,
        built.reduction,
    ):
        yield f"it was generated for nest {built.name!r}; loops, body or guards of {nest.name!r} differ from it"
        return
    for mine, other in zip(built.tensors, nest.tensors, strict=True):
        if mine.format != other.format:
            yield f"tensor {mine.name!r} is {mine.format} in the design but {other.format} in nest {nest.name!r}"
    held = dict(plan.dataflow.tile)
    for loop, limit in plan.limits:
        extent = nest.extents[loop]
        if loop not in held and extent > limit:
            yield f"loop {loop!r} has extent {extent}, but the design was generated for at most {limit}"


def _run(
    design: Design,
    mode: int,
    nest: Nest,
    origin: dict[str, int],
    extents: dict[str, int],
    continues: bool,
    placed: Mapping[str, int],
    factors: Mapping[str, int],
) -> Run:
    plans = design.netlist.plans
    plan, timing, outside = plans[mode], design.timings[mode], levels_outside(plans, plans[mode])
    levels = loop_levels(plans)
    dataflow, drain = plan.dataflow, plan.drain
    weights = run_weights(plan, extents, timing)
    cycles = count_cycles(plan, extents, timing)
    reduction = [loop for loop in nest.loop_names if loop not in nest.output.loops]
    again = any(origin[loop] for loop in reduction)
    trips = dict(zip(dataflow.order, dataflow.time_extents(extents), strict=True))
    # What a dataflow has no use for is 0.
    values = {register.name: 0 for register in design.registers}
    values |= {"mode": 1 << mode, "drain": design.drain_cycles(mode)} if len(plans) > 1 else {}
    values |= {f"last_{levels[k + outside]}": trip - 1 for k, trip in enumerate(trips.values())}
    values["gap"] = cycles.gap // max(1, _gaps(trips, drain.gap_level))
    values["accumulate"] = int(again or continues)
    for axis, (loop, size) in zip(axis_names(plans), dataflow.space, strict=True):
        left = extents[loop] - size * (trips[loop] - 1)
        values[f"edge_{axis}"] = (1 << left) - 1
    values |= {f"origin_{loop}": origin[loop] for loop in guarded_tiles(plan)}
    values |= _link_values(design, mode, weights)
    layouts = {}
    for gen in design.generators[mode]:
        unit = design.unit[gen.name]
        held = window(gen.access, nest, extents, origin)
        shape = None if gen.tensor_id == 0 else nest.tensor(gen.access.tensor).shape
        values |= generator_registers(unit, gen, outside, dataflow, extents, held, shape)
        first = placed.get(gen.access.tensor, 0) if gen.tensor_id else 0
        values[f"{gen.name}_start"] += first
        layouts[gen.tensor_id] = Layout(
            gen.access.tensor,
            nest.tensor(gen.access.tensor).format,
            gen.tensor_id,
            design.bank_bits(gen),
            gen.banking,
            held,
            unit.banks,
            design.placement(mode, gen),
        )
        if first + layouts[gen.tensor_id].rows > unit.depth:
            raise ProgramError(
                design.name,
                (
                    f"tensor {gen.access.tensor!r} needs {layouts[gen.tensor_id].rows} words in each bank"
                    f"{f' from address {first} on' if first else ''}, which holds {unit.depth}",
                ),
            )
    blocks = None
    if (post := design.post) and all(origin[loop] + extents[loop] == nest.extents[loop] for loop in reduction):
        blocks = BlockLayout.of(post, layouts[0])
        held = layouts[0].held
        values |= {"post_on": 1, "post_last_block": post.blocks(held) - 1, "post_last_row": post.rows(held) - 1}
        values |= {f"post_{name}": value for name, value in factors.items()}
        cycles = replace(cycles, post=post.cycles(held))
    return Run(
        tuple(origin.items()),
        tuple(extents.items()),
        tuple(_words(design, values)),
        weights,
        cycles,
        tuple(layout for number, layout in sorted(layouts.items()) if number),
        layouts[0],
        not continues and (drain.start == "memory" or again or not nest.dense),
        tuple((n, placed[layout.tensor]) for n, layout in layouts.items() if n and layout.tensor in placed),
        blocks,
    )


def _gaps(trips: Mapping[str, int], level: int) -> int:
    """How often the gap loop or a loop outside it steps."""
    total = 1
    for trip in list(trips.values())[: level + 1]:
        total *= trip
    return total - 1


def _link_values(design: Design, mode: int, weights: tuple[int, ...]) -> dict[str, int]:
    netlist: Netlist = design.netlist
    values: dict[str, int] = {}
    # A delay that the mode does not use still needs a length.
    values |= dict.fromkeys(design.fifos, 1)
    for feed in netlist.plans[mode].feeds:
        node = netlist.node[f"{feed.operand}_in"]
        for i, step in enumerate(feed.delayed):
            on = f"{feed.operand}_link{i}_on"
            values[on] = 1
            for arc in node.arcs(f"delayed{i}"):
                if not arc.fifo or arc.mode != mode:
                    continue
                consumer, producer = arc.pairs[0]
                delay = (
                    dot(weights, step.time)
                    + netlist.offset_cycles(node, consumer, mode)
                    - netlist.offset_cycles(node, producer, mode)
                    + netlist.slack(node, arc)
                )
                usable = 1 <= delay <= design.fifos[arc.fifo]
                values[on] = int(usable)
                values[arc.fifo] = delay if usable else 1
    return values


def _words(design: Design, values: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    for register in design.registers:
        value = values[register.name]
        _check_fits(design, register, value)
        for word in range(register.words):
            yield register.address + word, (value >> (32 * word)) & 0xFFFFFFFF


# Address registers work modulo the bank's depth; all others must hold their value.
def _check_fits(design: Design, register: Register, value: int) -> None:
    if register.wraps:
        return
    signed = register.signed
    low, high = (
        (-(1 << (register.bits - 1)), (1 << (register.bits - 1)) - 1) if signed else (0, (1 << register.bits) - 1)
    )
    if not low <= value <= high:
        raise ProgramError(
            design.name,
            (f"register {register.name!r} would need {value}, but holds {low} to {high}: {register.meaning}",),
        )
