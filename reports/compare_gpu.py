"""A GPU: what its maker states, and what a measurement file holds."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workloads.errors import BrickworkError
from workloads.formats import FORMATS

_DEVICES = Path(__file__).with_name("compare_gpus.toml")
# A case without all of these measures something else than one kernel.
_NEEDED = {"name", "flop", "bytes", "time_us", "energy_j"}


class GpuFileError(BrickworkError):
    """A measurement file that cannot be read."""


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """What is published of a GPU; nothing here is measured by us.

    Attributes
    ----------
    peaks : tuple of (format, 10^12 operations a second)
        Dense, a multiply-add counted as two.
    """

    name: str
    node: str
    node_nm: float
    area_mm2: float
    power_w: float
    bandwidth_gb_per_s: float
    peaks: tuple[tuple[str, float], ...]
    source: str

    def peak_tera_ops(self, number_format: str) -> float | None:
        """Peak of the tensor cores for inputs of this format; None where they have none."""
        return dict(self.peaks).get(number_format)


@dataclass(frozen=True, slots=True)
class GpuCase:
    """One measured case: the faster of our kernel and its peer.

    Attributes
    ----------
    kernel : str
        Which one was faster.
    energy_j : float
        Idle power included.
    sizes : mapping of str to int, or None
        Rows, outputs and inputs of a product, where the file gives them.
    """

    name: str
    ops: int
    bytes: int
    time_us: float
    energy_j: float
    kernel: str
    sizes: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class GpuMeasurements:
    """A measurement file."""

    gpu: str
    device: GpuDevice | None
    cases: tuple[GpuCase, ...]
    date: str
    method: str
    versions: tuple[tuple[str, str], ...]

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    def case(self, name: str) -> GpuCase | None:
        """The case of this name."""
        return next((case for case in self.cases if case.name == name), None)


def read_gpu(path: Path) -> GpuMeasurements:
    """Read a measurement file that ``brickwork bench`` wrote.

    Raises
    ------
    GpuFileError
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GpuFileError(f"{path}: there is no such file; expected measurements of `brickwork bench`") from None
    except OSError as error:
        raise GpuFileError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise GpuFileError(f"{path} is not JSON; expected measurements of `brickwork bench`") from None
    try:
        provenance = table["provenance"]
        return GpuMeasurements(
            gpu=table["gpu"],
            device=next((device for device in known_devices() if device.name == table["gpu"]), None),
            cases=tuple(_case(row) for row in table["cases"] if row.keys() >= _NEEDED),
            date=provenance["date"],
            method=provenance["method"],
            versions=tuple((name, str(version)) for name, version in table["versions"].items()),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise GpuFileError(f"{path} is no measurement file; expected what `brickwork bench` writes") from None


def known_devices() -> tuple[GpuDevice, ...]:
    """GPUs of which peaks, bandwidth and area are on file."""
    table = tomllib.loads(_DEVICES.read_text(encoding="utf-8"))
    return tuple(
        GpuDevice(**{key: value for key, value in entry.items() if key != "peaks"}, peaks=tuple(entry["peaks"].items()))
        for entry in table["gpu"]
    )


def _other_numerics(row: Mapping[str, Any]) -> bool:
    """True where the peer's name ends with a format that is not the case's."""
    words = row["peer"].split()
    return len(words) > 1 and words[-1] in FORMATS and words[-1] not in row["name"].split("-")


def _case(row: Mapping[str, Any]) -> GpuCase:
    """The faster of kernel and peer of the same numerics; sustained where measured, as its energy is."""
    ours = row.get("sustained_us", row["time_us"]), row["energy_j"], "Brickwork's Triton kernel"
    found = [ours]
    if row.get("peer") and "peer_energy_j" in row and not _other_numerics(row):
        found.append((row.get("peer_sustained_us", row["peer_time_us"]), row["peer_energy_j"], row["peer"]))
    time_us, energy_j, kernel = min(found)
    sizes = {key: row[key] for key in ("rows", "outputs", "inputs")} if "rows" in row and "inputs" in row else None
    return GpuCase(row["name"], row["flop"], row["bytes"], time_us, energy_j, kernel, sizes)
