"""What the machine code of a kernel shows, from the text of ``cuobjdump --dump-sass``."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import triton

DISASSEMBLER = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
LINE = re.compile(r"^\s+/\*([0-9a-f]{4,5})\*/\s+(?:@!?U?P\w+\s+)?(.*?)\s*;", re.MULTILINE)
BRANCH = re.compile(r"BRA\S* (?:\S+, )?`?\(?0x([0-9a-f]+)")
# A warp-group product that reads its left operand from registers.
PRODUCT = re.compile(r"HGMMA\S* R\d+, R(\d+), g?desc")
WAIT = re.compile(r"WARPGROUP\.DEPBAR\.LE gsb0, 0x([0-9a-f]+)")
DESTINATION = re.compile(r"(?:P\w+, )?R(\d+)\b")
# Instructions without a destination among the general registers, whose first operand would look like one.
NO_DESTINATION = (
    "ST", "BAR", "WARP", "DEPBAR", "LDGSTS", "LDGDEPBAR", "BRA", "EXIT", "NOP", "MEMBAR", "ERRBAR", "CCTL", "RED",
    "SYNCS", "UTMA", "ISETP", "FSETP", "PLOP3", "FENCE", "HSETP2", "U", "CCTL", "ACQBULK", "PREFETCH",
)  # fmt: skip
# Registers that one instruction writes, where it is more than one.
WIDTHS = (
    (re.compile(r"LD\w*\.(?:E\.)?(?:\w+\.)*128|LDSM\S*\.(?:M88|MT88)\.4|LDSM\S*\.4"), 4),
    (re.compile(r"LD\w*\.(?:E\.)?(?:\w+\.)*64|LDSM\S*\.2|CS2R$|IMAD\.WIDE|DADD|DMUL|DFMA|I2F\.F64|F2F\.F64"), 2),
)


@dataclass(frozen=True, slots=True)
class Hazard:
    """An instruction that overwrites the left operand of a product in flight."""

    address: int
    instruction: str
    product: int

    def __str__(self) -> str:
        return f"{self.address:#x}: {self.instruction} while the product at {self.product:#x} reads its operand"


def disassembled(cubin: bytes) -> str:
    """Machine code as text."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return subprocess.run(
            [str(DISASSEMBLER), "--dump-sass", file.name], capture_output=True, text=True, check=True
        ).stdout


def instructions(text: str) -> list[tuple[int, str]]:
    """Addresses and instructions, predicates left out."""
    return [(int(address, 16), instruction) for address, instruction in LINE.findall(text)]


def hazards(text: str) -> tuple[int, list[Hazard]]:
    """Products with a register operand in loops, and what overwrites such an operand too early.

    A straight-line model: the body of each backward branch is walked twice, to see across the branch; a wait retires
    all groups but the newest few. None found makes none likely; it proves nothing.
    """
    code = instructions(text)
    products, found = 0, []
    for body in _loops(code):
        products += sum(bool(PRODUCT.match(instruction)) for _, instruction in body)
        found += _overwritten(body)
    return products, list(dict.fromkeys(found))


def _loops(code: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    index = {address: number for number, (address, _) in enumerate(code)}
    for number, (address, instruction) in enumerate(code):
        branch = BRANCH.match(instruction)
        if branch and int(branch[1], 16) < address and int(branch[1], 16) in index:
            yield code[index[int(branch[1], 16)] : number + 1]


def _overwritten(body: list[tuple[int, str]]) -> list[Hazard]:
    found: list[Hazard] = []
    flying: list[list[tuple[int, range]]] = []
    group: list[tuple[int, range]] = []
    for address, instruction in body * 2:
        if instruction.startswith("HGMMA"):
            product = PRODUCT.match(instruction)
            if product:
                group.append((address, range(int(product[1]), int(product[1]) + 4)))
            if "gsb0" in instruction:
                flying.append(group)
                group = []
        elif wait := WAIT.match(instruction):
            kept = int(wait[1], 16)
            flying = flying[len(flying) - kept :] if kept else []
        else:
            written = set(destination(instruction))
            found += [
                Hazard(address, instruction, at)
                for members in (*flying, group)
                for at, registers in members
                if written & set(registers)
            ]
    return found


def destination(instruction: str) -> range:
    """The general registers that an instruction writes."""
    operation, _, operands = instruction.partition(" ")
    match = DESTINATION.match(operands.strip())
    if operation.startswith(NO_DESTINATION) or not match:
        return range(0)
    width = next((width for pattern, width in WIDTHS if pattern.match(operation)), 1)
    return range(int(match[1]), int(match[1]) + width)
