"""What each primitive costs in a library, as read from the file that a calibration wrote."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from workloads.errors import BrickworkError

PRIMITIVES = (
    "multiplier_bits2",
    "adder_bits",
    "register_bits",
    "mux_bits",
    "gate_bits",
    "switch_bits",
    "config_bits",
    "state_bits",
)


class EstimateError(BrickworkError):
    """A calibration that cannot be read, or an area that is asked for and not known; lists every fault."""

    def __init__(self, table: str, faults: tuple[str, ...]) -> None:
        self.table, self.faults = table, faults
        super().__init__("\n".join(f"area estimate {table!r}: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class DesignError:
    """Estimated over synthesized area of one design."""

    design: str
    ratio: float


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Areas of primitives in one library.

    Attributes
    ----------
    area_um2 : tuple of (primitive, um2)
    left_out : tuple of DesignError
        Of each design of the calibration, by the table fitted to the others.
    held_out : tuple of DesignError
        Of larger designs that no fit saw.
    """

    library: str
    tool: str
    area_um2: tuple[tuple[str, float], ...]
    left_out: tuple[DesignError, ...]
    held_out: tuple[DesignError, ...]

    @property
    def mean_error(self) -> float:
        """Mean relative error of the designs left out."""
        return sum(abs(error.ratio - 1) for error in self.left_out) / len(self.left_out)

    @property
    def worst_error(self) -> float:
        """Largest relative error of the designs left out."""
        return max(abs(error.ratio - 1) for error in self.left_out)


@cache
def read_table(path: Path) -> AreaTable:
    """Read a calibration.

    Raises
    ------
    EstimateError
        Lists every fault of the file.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EstimateError(str(path), (f"cannot be read: {error.strerror}",)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EstimateError(str(path), (f"is not TOML: {error}",)) from error
    if faults := tuple(_faults(table)):
        raise EstimateError(str(path), faults)
    return AreaTable(
        table["library"],
        table["tool"],
        tuple((name, float(table["area_um2"][name])) for name in PRIMITIVES),
        *(tuple(DesignError(n, r) for n, r in table[title].items()) for title in ("left_out", "held_out")),
    )


def _faults(table: Mapping[str, Any]) -> Iterator[str]:
    for key in ("library", "tool"):
        if not isinstance(table.get(key), str):
            yield f"{key!r} is missing; expected a text"
    for key in ("area_um2", "left_out", "held_out"):
        if not isinstance(table.get(key), dict):
            yield f"[{key}] is missing; expected names with numbers"
            continue
        for name, number in table[key].items():
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < float("inf"):
                yield f"{key}.{name}: expected a number of at least 0, not {number!r}"
    areas = table.get("area_um2")
    if isinstance(areas, dict):
        for name in PRIMITIVES:
            if name not in areas:
                yield f"area_um2 has no entry for {name}"
        for name in areas:
            if name not in PRIMITIVES:
                yield f"area_um2.{name} is no primitive; expected one of {', '.join(PRIMITIVES)}"
    if table.get("left_out") == {}:
        yield "[left_out] names no design; expected at least one"
