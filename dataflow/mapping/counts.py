"""What one mapping does, counted; and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from dataflow.mapping.machine import Energies, Machine


@dataclass(frozen=True, slots=True)
class OperandCounts:
    """Elements of one operand that move while a nest runs.

    Attributes
    ----------
    name : str
        The tensor's name, numbered where one tensor is read twice.
    bits : int
        Of one element.
    tile : int
        Elements that the buffer must hold at a time, one copy.
    fetched, stored : int
        Moved from and to the off-chip memory.
    finished, finished_bits : int
        Those of the stored elements that are stored for the last time, and their width.
    reads, writes : int
        Of the buffer, by the array.
    hops : int
        From one functional unit to another, over direct and delayed links.
    """

    name: str
    bits: int
    tile: int
    fetched: int
    stored: int
    finished: int
    finished_bits: int
    reads: int
    writes: int
    hops: int

    @property
    def transfer_bits(self) -> int:
        """Moved between buffer and off-chip memory."""
        return self.bits * (self.fetched + self.stored - self.finished) + self.finished_bits * self.finished


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything that is counted over all tiles of a mapping; exact.

    Attributes
    ----------
    runs : int
        Starts of the array.
    array_cycles : int
        Sum over the runs.
    macs : int
        Iteration points.
    first_bits : int
        Moved before the first run can start.
    last_bits : int
        Moved after the last run has ended.
    operands : tuple of OperandCounts
        Inputs in the order of the body, then the output.
    """

    runs: int
    array_cycles: int
    macs: int
    first_bits: int
    last_bits: int
    operands: tuple[OperandCounts, ...]

    @property
    def transfer_bits(self) -> int:
        """Moved between buffer and off-chip memory."""
        return sum(o.transfer_bits for o in self.operands)

    @property
    def tile_bits(self) -> int:
        """Held in the buffer at a time, one copy of each tile."""
        return sum(o.bits * o.tile for o in self.operands)


@dataclass(frozen=True, slots=True)
class Cost:
    """Cycles and energy of a mapping.

    Attributes
    ----------
    cycles : int
        Modelled: exact array cycles and exact transfer bits, joined by the rule of `cost`.
    array_cycles, transfer_cycles, latency_cycles : int
        The array alone; the off-chip memory alone: moving bits, and its latency once a run.
    operation_pj, hop_pj, buffer_pj, off_chip_pj : float
        The parts of the energy: exact counts times the technology's constants.
    """

    cycles: int
    array_cycles: int
    transfer_cycles: int
    latency_cycles: int
    operation_pj: float
    hop_pj: float
    buffer_pj: float
    off_chip_pj: float

    @property
    def energy_pj(self) -> float:
        return self.operation_pj + self.hop_pj + self.buffer_pj + self.off_chip_pj

    @property
    def energy_delay_pj_cycles(self) -> float:
        return self.energy_pj * self.cycles


def cost(counts: Counts, machine: Machine, energy: Energies, *, double_buffered: bool) -> Cost:
    """Turn counts into cycles and energy.

    The off-chip memory answers the transfers of each run after its latency. With two buffers they proceed beside the
    array, at their own rate: the slower of the two decides, after the first tile has come and before the last result
    has left. That is a lower bound of `scheduled_cycles`, which transfers one tile ahead. With one buffer each run
    waits for its own transfers, and the two are equal.
    """
    bits_per_cycle = 8 * machine.bandwidth_bytes_per_cycle
    transfer = ceil(counts.transfer_bits / bits_per_cycle)
    waiting = counts.runs * machine.latency_cycles
    if double_buffered:
        ends = ceil((counts.first_bits + counts.last_bits) / bits_per_cycle)
        cycles = machine.latency_cycles + max(counts.array_cycles + ends, transfer + waiting)
    else:
        cycles = counts.array_cycles + transfer + waiting
    read, write = energy.buffer_read_pj_per_bit, energy.buffer_write_pj_per_bit
    return Cost(
        cycles=cycles,
        array_cycles=counts.array_cycles,
        transfer_cycles=transfer,
        latency_cycles=waiting,
        operation_pj=counts.macs * energy.operation_pj,
        hop_pj=sum(o.bits * o.hops for o in counts.operands) * energy.hop_pj_per_bit,
        buffer_pj=sum(o.bits * ((o.reads + o.stored) * read + (o.writes + o.fetched) * write) for o in counts.operands),
        off_chip_pj=counts.transfer_bits * energy.off_chip_pj_per_bit,
    )
