"""The machine around an array: one on-chip buffer, one off-chip memory, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dataflow.cycles import Timing
from dataflow.technology import Technology, technology_named
from workloads.errors import BrickworkError
from workloads.nest import Nest


class MachineError(BrickworkError):
    """A machine that cannot be; lists every fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"machine: {fault}" for fault in faults))


# What delay matching gives int8 arrays of 16 by 16 units for gemm and conv2d: 3 to 5 cycles, and 0 to 3.
TYPICAL_TIMING = Timing(write_cycles=4, hazard_cycles=3)


@dataclass(frozen=True, slots=True)
class Machine:
    """Memories around the array.

    Attributes
    ----------
    buffer_bytes : int
        The banks of all tensors together.
    bank_bytes : int or None
        The memory whose energy an access costs; one of the whole buffer's capacity when None.
    bandwidth_bytes_per_cycle : float
        Of the off-chip memory, reads and writes together.
    latency_cycles : int
        From a request to its first byte.
    timing : Timing
        Pipeline distances of the generated array; modelled unless taken from a design.
    technology : Technology
    off_chip : str
        Off-chip memory, one of the technology's.
    clock_ghz : float
        Turns cycles into time; nothing else depends on it.
    result_bits : int or None
        Width of a finished sum in off-chip memory, where post-processing narrows it; the output's own when None.
        Sums that are not finished move at full width.
    """

    buffer_bytes: int
    bandwidth_bytes_per_cycle: float
    latency_cycles: int = 0
    timing: Timing = TYPICAL_TIMING
    technology: Technology = field(default_factory=lambda: technology_named("7nm"))
    off_chip: str = "hbm2"
    clock_ghz: float = 1.0
    result_bits: int | None = None
    bank_bytes: int | None = None

    def __post_init__(self) -> None:
        if faults := tuple(_faults(self)):
            raise MachineError(faults)
        self.technology.off_chip(self.off_chip)


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy of one event, for one nest on one machine."""

    operation_pj: float
    hop_pj_per_bit: float
    buffer_read_pj_per_bit: float
    buffer_write_pj_per_bit: float
    off_chip_pj_per_bit: float


def result_bits(machine: Machine, nest: Nest) -> int:
    """Bits of an output element that is stored for the last time.

    Where tiles of the output overlap or have holes, no store is known to be the last one, and all are of full width.
    """
    bits = nest.tensor(nest.output.tensor).format.bits
    return bits if machine.result_bits is None or not nest.dense else min(bits, machine.result_bits)


def energies(machine: Machine, nest: Nest) -> Energies:
    """Look up what the nest's operations and the machine's accesses cost."""
    read, write = machine.technology.memory_pj_per_bit(machine.bank_bytes or machine.buffer_bytes)
    return Energies(
        operation_pj=machine.technology.operation_pj(nest),
        hop_pj_per_bit=machine.technology.register_pj_per_bit.value,
        buffer_read_pj_per_bit=read,
        buffer_write_pj_per_bit=write,
        off_chip_pj_per_bit=machine.technology.off_chip(machine.off_chip).value,
    )


def _faults(machine: Machine) -> Iterator[str]:
    if machine.buffer_bytes < 1:
        yield f"the buffer must hold at least 1 byte, not {machine.buffer_bytes}"
    if machine.bank_bytes is not None and not 1 <= machine.bank_bytes <= machine.buffer_bytes:
        yield f"a bank must hold 1 to {machine.buffer_bytes} bytes, what the buffer does, not {machine.bank_bytes}"
    if not machine.bandwidth_bytes_per_cycle > 0:
        yield f"the off-chip bandwidth must be more than 0 bytes a cycle, not {machine.bandwidth_bytes_per_cycle:g}"
    if machine.latency_cycles < 0:
        yield f"the off-chip latency must be 0 or more cycles, not {machine.latency_cycles}"
    if not machine.clock_ghz > 0:
        yield f"the clock must be more than 0 GHz, not {machine.clock_ghz:g}"
    if machine.result_bits is not None and machine.result_bits < 1:
        yield f"a finished sum must have at least 1 bit, not {machine.result_bits}"
