"""A technology: what an operation and an access cost, read from a file in which every number has a source."""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any, Literal

from workloads.errors import BrickworkError
from workloads.formats import Format
from workloads.nest import Nest

Band = Literal["low", "value", "high"]

_FILES = Path(__file__).parent
_BITS_OF_THE_REFERENCE_MULTIPLIER = 8


class TechnologyError(BrickworkError):
    """A technology that is not known or not well-formed; lists every fault."""

    def __init__(self, technology: str, faults: tuple[str, ...]) -> None:
        self.technology, self.faults = technology, faults
        super().__init__("\n".join(f"technology {technology!r}: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Constant:
    """One number with the band in which sources place it."""

    value: float
    low: float
    high: float
    source: str

    def at(self, band: Band) -> Constant:
        """The same constant with one end of its band as its value."""
        return replace(self, value=getattr(self, band))


@dataclass(frozen=True, slots=True)
class Memory:
    """Energy of on-chip memory of one capacity, a bit."""

    capacity_bytes: int
    read_pj_per_bit: Constant
    write_pj_per_bit: Constant


@dataclass(frozen=True, slots=True)
class Leakage:
    """What leaks all the time.

    Attributes
    ----------
    logic_mw_per_mm2 : Constant
        Of estimated area of logic.
    memory_factor : Constant
        Times what `dataflow.technology.sram` says of a memory.
    """

    logic_mw_per_mm2: Constant
    memory_factor: Constant


@dataclass(frozen=True, slots=True)
class Technology:
    """Energies of one process node.

    Attributes
    ----------
    multiply_pj, add_pj : tuple of (format name, Constant)
        One operation.
    register_pj_per_bit : Constant
        One write of a register: a hop from one functional unit to the next.
    memories : tuple of Memory
        In order of capacity; others lie between them.
    off_chip_pj_per_bit : tuple of (memory name, Constant)
    leakage : Leakage or None
        Nothing is known to leak when None.
    """

    name: str
    node_nm: float
    multiply_pj: tuple[tuple[str, Constant], ...]
    add_pj: tuple[tuple[str, Constant], ...]
    register_pj_per_bit: Constant
    memories: tuple[Memory, ...]
    off_chip_pj_per_bit: tuple[tuple[str, Constant], ...]
    leakage: Leakage | None = None

    def at(self, band: Band) -> Technology:
        """Every constant at one end of its band."""
        return replace(
            self,
            multiply_pj=tuple((n, c.at(band)) for n, c in self.multiply_pj),
            add_pj=tuple((n, c.at(band)) for n, c in self.add_pj),
            register_pj_per_bit=self.register_pj_per_bit.at(band),
            memories=tuple(
                Memory(m.capacity_bytes, m.read_pj_per_bit.at(band), m.write_pj_per_bit.at(band)) for m in self.memories
            ),
            off_chip_pj_per_bit=tuple((n, c.at(band)) for n, c in self.off_chip_pj_per_bit),
            leakage=self.leakage
            and Leakage(self.leakage.logic_mw_per_mm2.at(band), self.leakage.memory_factor.at(band)),
        )

    def operation_pj(self, nest: Nest) -> float:
        """Energy of one iteration point: the functional unit's multiplications and the addition to the sum.

        A format without an entry is derived: a multiplier goes with the product of the significand widths of its
        operands (from int8), an integer adder with its width (from int32), and any floating-point sum is taken as fp32.
        """
        formats = [nest.tensor(access.tensor).format for access in nest.inputs]
        multiplies = sum(self._multiply_pj(a, b) for a, b in pairwise(formats))
        return multiplies + self._add_pj(nest.tensor(nest.output.tensor).format)

    def _multiply_pj(self, a: Format, b: Format) -> float:
        known = dict(self.multiply_pj)
        if a == b and a.name in known:
            return known[a.name].value
        area = _significand_bits(a) * _significand_bits(b)
        return known["int8"].value * area / _BITS_OF_THE_REFERENCE_MULTIPLIER**2

    def _add_pj(self, output: Format) -> float:
        known = dict(self.add_pj)
        if output.name in known:
            return known[output.name].value
        return known["int32"].value * output.bits / 32 if output.integer else known["fp32"].value

    def memory_pj_per_bit(self, capacity_bytes: int) -> tuple[float, float]:
        """Read and write energy of a memory of this capacity.

        Between two capacities of the table the logarithm of the energy is linear in the logarithm of the capacity;
        outside it the nearest entry holds.
        """
        sizes = [m.capacity_bytes for m in self.memories]
        above = bisect_left(sizes, capacity_bytes)
        if above in (0, len(sizes)):
            nearest = self.memories[min(above, len(sizes) - 1)]
            return nearest.read_pj_per_bit.value, nearest.write_pj_per_bit.value
        low, high = self.memories[above - 1], self.memories[above]
        part = log(capacity_bytes / low.capacity_bytes) / log(high.capacity_bytes / low.capacity_bytes)
        return (
            _between(low.read_pj_per_bit.value, high.read_pj_per_bit.value, part),
            _between(low.write_pj_per_bit.value, high.write_pj_per_bit.value, part),
        )

    def off_chip(self, memory: str) -> Constant:
        """Energy of moving one bit to or from an off-chip memory.

        Raises
        ------
        TechnologyError
        """
        known = dict(self.off_chip_pj_per_bit)
        if memory not in known:
            raise TechnologyError(
                self.name, (f"off-chip memory {memory!r} is not known; expected one of {', '.join(known)}",)
            )
        return known[memory]


def _between(low: float, high: float, part: float) -> float:
    return exp((1 - part) * log(low) + part * log(high)) if low > 0 and high > 0 else low + part * (high - low)


def _significand_bits(number_format: Format) -> int:
    encoding = number_format.encoding
    return number_format.bits if encoding is None else encoding.mantissa_bits + 1


def technologies() -> tuple[str, ...]:
    """Names of the technologies that come with Brickwork, smallest node first."""
    return tuple(sorted((path.stem for path in _FILES.glob("*.toml")), key=lambda name: float(name.removesuffix("nm"))))


def technology_named(name: str) -> Technology:
    """Read a technology that comes with Brickwork, or a file of the user's.

    Raises
    ------
    TechnologyError
        It is neither, or the file has faults; lists all of them.
    """
    if name in technologies():
        return read_technology(_FILES / f"{name}.toml")
    if name.endswith(".toml"):
        return read_technology(Path(name))
    raise TechnologyError(name, (f"not known; expected one of {', '.join(technologies())} or a .toml file",))


@cache
def read_technology(path: Path) -> Technology:
    """Read a technology file.

    Raises
    ------
    TechnologyError
        Lists every fault of the file.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TechnologyError(str(path), (f"cannot be read: {error.strerror}",)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TechnologyError(str(path), (f"is not TOML: {error}",)) from error
    if faults := tuple(_faults(table)):
        raise TechnologyError(str(path), faults)
    sources = table["sources"]
    return Technology(
        name=table["name"],
        node_nm=table["node_nm"],
        multiply_pj=_constants(table["multiply_pj"], sources),
        add_pj=_constants(table["add_pj"], sources),
        register_pj_per_bit=_constant(table["register_pj_per_bit"], sources),
        memories=tuple(
            Memory(m["capacity_bytes"], _constant(m["read"], sources), _constant(m["write"], sources))
            for m in sorted(table["memory_pj_per_bit"], key=lambda m: m["capacity_bytes"])
        ),
        off_chip_pj_per_bit=_constants(table["off_chip_pj_per_bit"], sources),
        leakage=Leakage(*(_constant(table["leakage"][key], sources) for key in _LEAKAGE))
        if "leakage" in table
        else None,
    )


def _constants(table: Mapping[str, Any], sources: Mapping[str, str]) -> tuple[tuple[str, Constant], ...]:
    return tuple((name, _constant(entry, sources)) for name, entry in table.items())


def _constant(entry: Mapping[str, Any], sources: Mapping[str, str]) -> Constant:
    return Constant(entry["value"], entry["low"], entry["high"], "; ".join(sources[key] for key in entry["source"]))


# A file may leave the whole table out.
_LEAKAGE = ("logic_mw_per_mm2", "memory_factor")

_NEEDED: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "node_nm": (int, float),
    "sources": dict,
    "multiply_pj": dict,
    "add_pj": dict,
    "register_pj_per_bit": dict,
    "memory_pj_per_bit": list,
    "off_chip_pj_per_bit": dict,
}


def _faults(table: Mapping[str, Any]) -> Iterator[str]:
    for key, kind in _NEEDED.items():
        if not isinstance(table.get(key), kind):
            yield f"{key!r} is missing or of the wrong kind"
            return
    for key, formats in (("multiply_pj", ("int8",)), ("add_pj", ("int32", "fp32"))):
        for name in formats:
            if name not in table[key]:
                yield f"{key} has no entry for {name}, from which other formats are derived"
    if not table["memory_pj_per_bit"]:
        yield "memory_pj_per_bit has no entry; expected at least one capacity"
    constants = [("register_pj_per_bit", table["register_pj_per_bit"])]
    for key in ("multiply_pj", "add_pj", "off_chip_pj_per_bit"):
        constants += [(f"{key}.{name}", entry) for name, entry in table[key].items()]
    for number, memory in enumerate(table["memory_pj_per_bit"]):
        if not isinstance(memory.get("capacity_bytes"), int) or memory["capacity_bytes"] < 1:
            yield f"memory_pj_per_bit[{number}] needs capacity_bytes, an integer of at least 1"
        constants += [(f"memory_pj_per_bit[{number}].{way}", memory.get(way)) for way in ("read", "write")]
    if "leakage" in table:
        if not isinstance(table["leakage"], dict):
            yield "'leakage' is of the wrong kind"
            return
        constants += [(f"leakage.{key}", table["leakage"].get(key)) for key in _LEAKAGE]
    for place, entry in constants:
        yield from _constant_faults(place, entry, table["sources"])


def _constant_faults(place: str, entry: Any, sources: Mapping[str, str]) -> Iterator[str]:
    numbers = [entry[key] for key in ("low", "value", "high") if key in entry] if isinstance(entry, dict) else []
    cited = entry.get("source") if isinstance(entry, dict) else None
    if len(numbers) < 3 or not all(isinstance(n, int | float) for n in numbers):
        yield f"{place} must give low, value, high and source"
    elif not 0 <= numbers[0] <= numbers[1] <= numbers[2]:
        yield f"{place}: expected 0 <= low <= value <= high, not {', '.join(map(str, numbers))}"
    elif not isinstance(cited, list) or not cited:
        yield f"{place} names no source; expected a list of keys of [sources]"
    else:
        for key in cited:
            if key not in sources:
                yield f"{place} names source {key!r}, which [sources] does not hold"
