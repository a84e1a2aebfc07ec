"""The settings of a design point as a study writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from dataflow.mapping import TILERS
from dataflow.technology import technology_named
from reports.exploration.design_point import DesignPoint
from reports.exploration.workload import BLOCK_SCALED
from workloads.formats import FORMATS
from workloads.yaml_reader import did_you_mean

_BYTES = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20}
_AXES = re.compile(r"[A-Za-z_]\w*(-[A-Za-z_]\w*)*")


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a design point in a study.

    Attributes
    ----------
    field : str
        Of `DesignPoint`.
    read : function
        From text; a ValueError says what was expected.
    default : str or None
        What holds where a study does not say; it must say where this is None.
    example : str
    """

    field: str
    read: Callable[[str], Any]
    default: str | None
    example: str


def bytes_of(text: str) -> int:
    """``256KB`` as a number."""
    found = re.fullmatch(r"(\d{1,15})\s*([KM]?B?)", text.strip().upper())
    if not found or found[2] not in _BYTES or int(found[1]) < 1:
        raise ValueError("expected bytes, as 256KB or 1MB")
    return int(found[1]) * _BYTES[found[2]]


def number_of(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("expected a number above 0") from None
    if not isfinite(value) or value <= 0:
        raise ValueError("expected a number above 0")
    return value


def _array(text: str) -> tuple[int, ...]:
    parts = text.split("x")
    if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"\d{1,7}", part) and int(part) for part in parts):
        raise ValueError("expected one to three sizes, as 16x16")
    return tuple(int(part) for part in parts)


def _dataflows(text: str) -> tuple[tuple[str, ...], ...]:
    if text == "every":
        return ()
    spaces = text.split("+")
    if not all(_AXES.fullmatch(space) for space in spaces):
        raise ValueError("expected the loops on the axes of each dataflow, as k-n+ic-oc, or 'every'")
    return tuple(dict.fromkeys(tuple(space.split("-")) for space in spaces))


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"it is not known{did_you_mean(text, known)}")
        return text

    return read


def _technology(text: str) -> str:
    technology_named(text)
    return text


def _bits(text: str) -> int | None:
    if text == "full":
        return None
    if not re.fullmatch(r"\d{1,4}", text) or not int(text):
        raise ValueError("expected a number of bits, or 'full'")
    return int(text)


def _latency(text: str) -> float:
    return 0.0 if text in ("0", "0.0") else number_of(text)


SETTINGS: Mapping[str, Setting] = {
    "array": Setting("array", _array, None, "16x16"),
    "dataflows": Setting("spaces", _dataflows, None, "k-n+ic-oc"),
    "buffer": Setting("buffer_bytes", bytes_of, None, "256KB"),
    "bandwidth_gb_per_s": Setting("bandwidth_gb_per_s", number_of, None, "16"),
    "latency_ns": Setting("latency_ns", _latency, "100", "100"),
    "clock_ghz": Setting("clock_ghz", number_of, "1", "1"),
    "format": Setting("format", _one_of((*FORMATS, *BLOCK_SCALED)), "int8", "int8"),
    "technology": Setting("technology", _technology, "7nm", "7nm"),
    "off_chip": Setting("off_chip", str, "first", "hbm2"),
    "result_bits": Setting("result_bits", _bits, "full", "8"),
    "tiler": Setting("tiler", _one_of(TILERS), "optimal", "optimal"),
}


def design_point(values: Mapping[str, Any]) -> DesignPoint:
    """A point from read values by setting; ``first`` off-chip memory is the technology's."""
    fields = {setting.field: values[name] for name, setting in SETTINGS.items()}
    if fields["off_chip"] == "first":
        fields["off_chip"] = technology_named(fields["technology"]).off_chip_pj_per_bit[0][0]
    return DesignPoint(**fields)
