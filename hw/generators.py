"""Address generators: one a tensor, affine in the time counters, strength-reduced to additions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from dataflow.architecture import Plan
from dataflow.banking import Banking
from dataflow.dataflow import Dataflow
from dataflow.reuse import time_matrix
from hw.layout import Window, bank_extents, bank_strides, rows_below, window
from workloads.nest import Access, Nest


@dataclass(frozen=True)
class Generator:
    """The addresses of one operand or of the output in one mode.

    Attributes
    ----------
    name : str
    tensor_id : int
        Number of the bank set at the host port.
    address_bits : int
    ranged : tuple of int
        Tensor dimensions whose coordinate is compared with the shape.
    coordinate_bits : int
        Width of such a coordinate, two's complement.
    """

    name: str
    tensor_id: int
    access: Access
    banking: Banking
    depth: int
    address_bits: int
    ranged: tuple[int, ...]
    coordinate_bits: int

    @property
    def rotating(self) -> tuple[int, ...]:
        return tuple(r for r, turns in enumerate(self.banking.rotating) if turns)

    def digit_bits(self, dimension: int) -> int:
        """Bits of the bank digit."""
        return (self.banking.counts[dimension] - 1).bit_length()

    def phase_bits(self, dimension: int) -> int:
        """Bits below the bank digit."""
        return (self.banking.granularity[dimension] - 1).bit_length()

    def low_bits(self, dimension: int) -> int:
        """Bits of a coordinate modulo its banks."""
        return self.digit_bits(dimension) + self.phase_bits(dimension)

    @property
    def turning(self) -> tuple[int, ...]:
        """Dimensions in which a port may lie one row of banks further than port offset 0."""
        return tuple(r for r, turns in enumerate(self.banking.rotating) if turns or self.banking.first[r] > 0)


@dataclass(frozen=True)
class AddressUnit:
    """The address generator of a bank set: what it needs for all modes together.

    Attributes
    ----------
    members : tuple of Generator or None
        What it does in each mode; None where the bank set is not used.
    """

    members: tuple[Generator | None, ...]

    @cached_property
    def _present(self) -> tuple[Generator, ...]:
        return tuple(m for m in self.members if m is not None)

    @property
    def name(self) -> str:
        return self._present[0].name

    @property
    def tensor_id(self) -> int:
        return self._present[0].tensor_id

    @property
    def tensor(self) -> str:
        """The tensors that use the bank set, one name for each different one."""
        return "/".join(dict.fromkeys(m.access.tensor for m in self._present))

    @property
    def depth(self) -> int:
        return max(m.depth for m in self._present)

    @property
    def banks(self) -> int:
        """Memories in the set."""
        return max(m.banking.total for m in self._present)

    @property
    def address_bits(self) -> int:
        return max(m.address_bits for m in self._present)

    @property
    def coordinate_bits(self) -> int:
        return max(m.coordinate_bits for m in self._present)

    @property
    def ranged(self) -> tuple[int, ...]:
        return tuple(sorted({r for m in self._present for r in m.ranged}))

    @property
    def rotating(self) -> tuple[int, ...]:
        return tuple(sorted({r for m in self._present for r in m.rotating}))

    @property
    def turning(self) -> tuple[int, ...]:
        """Dimensions in which a port may lie one row of banks further than port offset 0."""
        return tuple(sorted({r for m in self._present for r in m.turning}))

    def low_bits(self, dimension: int) -> int:
        """Bits of a coordinate modulo its banks: the bank digit and what lies below it."""
        return max(m.low_bits(dimension) for m in self._present if dimension in m.rotating)

    def digit_modes(self, dimension: int) -> dict[int, tuple[int, ...]]:
        """Widths of the bank digit, each with the modes that use it."""
        found: dict[int, list[int]] = {}
        for mode, m in enumerate(self.members):
            if m is not None and dimension in m.rotating and m.phase_bits(dimension):
                found.setdefault(m.digit_bits(dimension), []).append(mode)
        return {bits: tuple(modes) for bits, modes in sorted(found.items())}


def generator(
    name: str,
    tensor_id: int,
    plan: Plan,
    access: Access,
    banking: Banking,
    *,
    ranged: tuple[int, ...],
) -> Generator:
    """Size the address generator of one access at the limits of the design."""
    nest, dataflow = plan.nest, plan.dataflow
    whole = all(extent >= nest.extents[loop] for loop, extent in plan.limits)
    origin = dict.fromkeys(nest.loop_names, 0) if whole else None
    sized = nest.with_extents({n: max(e, plan.extents[n]) for n, e in nest.extents.items()}, _given_shapes(nest))
    depth = prod(bank_extents(banking, window(access, sized, plan.extents, origin)))
    rounded = {loop: -(-extent // dataflow.size(loop)) * dataflow.size(loop) for loop, extent in sized.extents.items()}
    most = max(
        [abs(v) for r in ranged for v in access.index[r].bounds(rounded)]
        + [sized.tensor(access.tensor).shape[r] for r in ranged]
        + [1]
    )
    return Generator(
        name, tensor_id, access, banking, depth, max(1, (depth - 1).bit_length()), ranged, most.bit_length() + 2
    )


def _given_shapes(nest: Nest) -> dict[str, tuple[int, ...]]:
    """Shapes that do not follow from the accesses."""
    return {t.name: t.shape for t in nest.tensors if t.padded}


def generator_registers(
    unit: AddressUnit,
    gen: Generator,
    levels_outside: int,
    dataflow: Dataflow,
    extents: Mapping[str, int],
    held: Window,
    shape: Sequence[int] | None,
) -> dict[str, int]:
    """Values of the generator's run-time registers for one run.

    With in-bank strides ``p`` and coordinate ``f(d) = (d // (g n)) g + d mod g``, the address of port offset 0 is
    ``sum p_r (f(d_r) - f_0)``, ``f_0`` belonging to the window's first row of banks. A step of loop k moves ``d_r`` by
    ``delta``, that is its own stride less the way back of all loops inside it; the constant part of ``f``'s move goes
    into a register, carries of the bank digit are added by the hardware.

    ``shape`` is what coordinates are compared with; None compares them with the window itself. ``levels_outside``
    counts the time loops of the hardware outside the dataflow's own. A coordinate modulo fewer banks than the hardware
    has room for is kept at the upper end of its register, so that carries leave at the same place. The steps of a loop
    of one trip, which never steps, are not among the values: they may lie beyond any coordinate of the run.
    """
    banking, name = gen.banking, gen.name
    strides = bank_strides(bank_extents(banking, held))
    below = rows_below(banking, held.low)
    time_extents = dataflow.time_extents(extents)
    moves = time_matrix(gen.access, dataflow)
    values: dict[str, int] = {}
    start = 0
    for r, (origin, g, n, p) in enumerate(
        zip(banking.origin, banking.granularity, banking.counts, strides, strict=True)
    ):
        start += p * ((origin // (g * n)) * g + origin % g - below[r])
        values[f"{name}_turn{r}"] = p * g
        if banking.rotating[r]:
            values[f"{name}_low{r}"] = origin % (g * n) << _spare(unit, gen, r)
        if r in gen.ranged:
            constant = gen.access.index[r].constant
            values[f"{name}_at{r}"] = constant - held.low[r] if shape is None else constant + held.base[r]
            values[f"{name}_shape{r}"] = held.high[r] - held.low[r] + 1 if shape is None else shape[r]
    values[f"{name}_start"] = start
    for k in range(len(time_extents)):
        if time_extents[k] == 1:
            continue
        total = 0
        for r, (row, g, n, p) in enumerate(zip(moves, banking.granularity, banking.counts, strides, strict=True)):
            delta = row[k] - sum(row[j] * (time_extents[j] - 1) for j in range(k + 1, len(time_extents)))
            if banking.rotating[r]:
                low = delta % (g * n)
                total += p * ((delta // (g * n)) * g + low % g)
                values[f"{name}_low{r}_by{k + levels_outside}"] = low << _spare(unit, gen, r)
            else:
                total += p * (delta // n)
            if r in gen.ranged:
                values[f"{name}_at{r}_by{k + levels_outside}"] = delta
        values[f"{name}_by{k + levels_outside}"] = total
    return values


def _spare(unit: AddressUnit, gen: Generator, dimension: int) -> int:
    return unit.low_bits(dimension) - gen.low_bits(dimension)
