"""A cell library as synthesis and power need it: areas, capacitances, functions, energies."""

from __future__ import annotations

import gzip
import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hw.synthesis.functions import Function, parse_function
from hw.synthesis.liberty import Group, LibertyError, parse

# What Debian calls qflow-tech-osu018: the standard cells of Oklahoma State University for TSMC's 0.18 um process.
DEFAULT_LIBRARY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")

_FARADS = {"ff": 1e-3, "pf": 1.0}
_PREFIX = {"p": 1e-3, "n": 1.0, "u": 1e3}


@dataclass(frozen=True, slots=True)
class Table:
    """Energy of one toggle in the library's unit, by input slew and output load.

    ``axes`` names what each index is: "slew" or "load".
    """

    axes: tuple[str, ...]
    indices: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]

    def at(self, slew: float, load: float) -> float:
        """Value between the table's points, linearly; beyond its ends, along the last step."""
        return self._along([slew if axis == "slew" else load for axis in self.axes], 0, 0)

    def _along(self, where: Sequence[float], axis: int, base: int) -> float:
        if axis == len(self.axes):
            return self.values[base]
        index = self.indices[axis]
        step = 1
        for later in self.indices[axis + 1 :]:
            step *= len(later)
        if len(index) == 1:
            return self._along(where, axis + 1, base)
        low = min(max(bisect_right(index, where[axis]) - 1, 0), len(index) - 2)
        part = (where[axis] - index[low]) / (index[low + 1] - index[low])
        below = self._along(where, axis + 1, base + low * step)
        above = self._along(where, axis + 1, base + (low + 1) * step)
        return below + part * (above - below)


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin of a cell.

    Attributes
    ----------
    capacitance : float
        In the library's unit of load.
    function : Function or None
        Of the cell's other pins, or of its state; None for inputs.
    energies : tuple of Table
        Internal energy of a toggle here: rise and fall, each condition and related pin.
    """

    name: str
    output: bool
    capacitance: float
    function: Function | None
    energies: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell.

    Attributes
    ----------
    state : str or None
        What the functions of a flip-flop's outputs call its state; None for cells without one.
    next_state, clock : Function or None
        What a flip-flop takes, and the clock at whose rising edge it does.
    """

    name: str
    area_um2: float
    pins: tuple[Pin, ...]
    state: str | None = None
    next_state: Function | None = None
    clock: Function | None = None

    def pin(self, name: str) -> Pin:
        return next(pin for pin in self.pins if pin.name == name)


@dataclass(frozen=True)
class Library:
    """A Liberty file.

    Attributes
    ----------
    text : str
        All of it, unpacked.
    """

    path: Path
    text: str

    @cached_property
    def group(self) -> Group:
        return parse(self.text, str(self.path))

    @cached_property
    def name(self) -> str:
        return self.group.arguments[0]

    @cached_property
    def digest(self) -> str:
        """A short name of the content."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:24]

    @cached_property
    def voltage_v(self) -> float:
        return self.group.number("nom_voltage")

    @cached_property
    def load_pf(self) -> float:
        """The unit of capacitance."""
        number, unit = self.group.values("capacitive_load_unit") or ("1", "pf")
        return float(number) * _FARADS[unit.lower()]

    @cached_property
    def time_ns(self) -> float:
        """The unit of time."""
        text = self.group.text("time_unit", "1ns")
        return float(text[:-2]) * _PREFIX[text[-2]]

    @cached_property
    def cells(self) -> Mapping[str, Cell]:
        """Cells by name.

        Raises
        ------
        LibertyError
            A function or a number that cannot be read; names the cell.
        """
        templates = {g.arguments[0]: g for g in self.group.groups if g.arguments and g.kind.endswith("template")}
        found = {}
        for group in self.group.of("cell"):
            try:
                found[group.arguments[0]] = _cell(group, templates)
            except (ValueError, IndexError, KeyError) as error:
                raise LibertyError(str(self.path), f"cell {' '.join(group.arguments)!r}: {error}") from None
        return found


def read_library(path: Path = DEFAULT_LIBRARY) -> Library:
    """Read a Liberty file, also one packed by gzip.

    Raises
    ------
    LibertyError
        The file is not there or is no text; says which package has the default one.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
    except OSError as error:
        remedy = "; 'apt-get install qflow-tech-osu018' brings it" if path == DEFAULT_LIBRARY else ""
        raise LibertyError(str(path), f"{error.strerror or error}{remedy}") from None
    except (UnicodeDecodeError, EOFError):
        raise LibertyError(str(path), "expected a Liberty file (.lib) or one packed by gzip (.lib.gz)") from None
    return Library(path, text)


def _cell(group: Group, templates: Mapping[str, Group]) -> Cell:
    pins = tuple(_pin(pin, templates) for pin in group.of("pin"))
    for state in group.of("ff"):
        following, clock = (parse_function(state.text(name)) for name in ("next_state", "clocked_on"))
        return Cell(group.arguments[0], group.number("area"), pins, state.arguments[0], following, clock)
    return Cell(group.arguments[0], group.number("area"), pins)


def _pin(group: Group, templates: Mapping[str, Group]) -> Pin:
    text = group.text("function")
    energies = tuple(
        _table(table, templates)
        for power in group.of("internal_power")
        for table in power.of("rise_power", "fall_power", "power")
    )
    return Pin(
        group.arguments[0],
        group.text("direction") == "output",
        group.number("capacitance"),
        # The state of a flip-flop and its inverse are names to the outputs' functions.
        parse_function(text) if text else None,
        energies,
    )


def _table(group: Group, templates: Mapping[str, Group]) -> Table:
    template = templates.get(group.arguments[0]) if group.arguments else None
    values = tuple(float(v) for text in group.values("values") or () for v in text.replace(",", " ").split())
    axes, indices = [], []
    for number in ("1", "2"):
        variable = template.text(f"variable_{number}") if template else ""
        if not variable:
            continue
        given = group.values(f"index_{number}") or (template.values(f"index_{number}") if template else None) or ("0",)
        axes.append("load" if "capacitance" in variable else "slew")
        indices.append(tuple(float(v) for v in given[0].replace(",", " ").split()))
    return Table(tuple(axes), tuple(indices), values)
