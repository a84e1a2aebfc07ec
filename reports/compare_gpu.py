"""GPU measurements: which work was measured, on what, when and how; and what the GPU's maker states."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from reports.compare_work import Work, work_of
from reports.exploration.workload import in_format
from sw_kernels.cases import cases as bench_cases
from workloads.errors import BrickworkError
from workloads.formats import FORMATS
from workloads.spec import load

_DEVICES = Path(__file__).with_name("compare_gpus.toml")
# A case without all of these measures something else than one kernel.
_NEEDED = {"name", "flop", "bytes", "time_us", "energy_j"}
_TORCH_FORMATS = {"bfloat16": "bf16", "float16": "fp16", "int8": "int8"}
# Cases of `sw_kernels.nvfp4.products` that are one product of bf16 rows with NVFP4 weights.
_FOUR_BIT_WEIGHTS = ("decode", "prefill")


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
class GpuFile:
    """Where measurements come from.

    Attributes
    ----------
    idle_power_w : float or None
        Of the board with nothing to do, where it was measured.
    """

    name: str
    date: str
    method: str
    versions: tuple[tuple[str, str], ...]
    idle_power_w: float | None


@dataclass(frozen=True, slots=True)
class GpuCase:
    """One measured case: the faster of our kernel and its peer of the same numerics.

    Attributes
    ----------
    kernel : str
        Which one was faster.
    energy_j : float
        Of the board, idle power included.
    file : str
        Name of the file that it is from.
    idle_j : float or None
        Part of the energy that the board takes in this time with nothing to do.
    work : tuple or None
        What it computes, as `work_of` says it; None where the file does not say.
    format : str or None
        Of the inputs.
    elsewhere : str
        A peer of another format, in words; empty where there is none.
    """

    name: str
    ops: int
    bytes: int
    time_us: float
    energy_j: float
    kernel: str
    file: str
    idle_j: float | None = None
    work: Work | None = None
    format: str | None = None
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class GpuMeasurements:
    """Measurement files of one kind of GPU."""

    gpu: str
    device: GpuDevice | None
    cases: tuple[GpuCase, ...]
    files: tuple[GpuFile, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "gpu": self.gpu,
            "device": None if self.device is None else asdict(self.device),
            "cases": [{name: value for name, value in asdict(case).items() if name != "work"} for case in self.cases],
            "files": [asdict(file) for file in self.files],
        }

    def of_work(self, work: Work) -> GpuCase | None:
        """The fastest case that computes this."""
        same = [case for case in self.cases if case.work == work]
        return min(same, key=lambda case: (case.time_us, case.name)) if same else None


def shipped_files() -> tuple[Path, ...]:
    """The measurement files that come with Brickwork, all of one GPU."""
    folder = Path(str(files("sw_kernels"))) / "measurements"
    return tuple(sorted(folder.glob("*.json")))


def read_gpu(*paths: Path) -> GpuMeasurements:
    """Read measurement files, such as ``brickwork bench`` writes, of one kind of GPU.

    Raises
    ------
    GpuFileError
    """
    found = [_read(path) for path in paths]
    for path, each in zip(paths, found, strict=True):
        if each.gpu != found[0].gpu:
            raise GpuFileError(f"{path} is of {each.gpu} and {paths[0]} of {found[0].gpu}; expected files of one GPU")
    return GpuMeasurements(
        found[0].gpu,
        found[0].device,
        tuple(case for each in found for case in each.cases),
        tuple(file for each in found for file in each.files),
    )


def known_devices() -> tuple[GpuDevice, ...]:
    """GPUs of which peaks, bandwidth and area are on file."""
    table = tomllib.loads(_DEVICES.read_text(encoding="utf-8"))
    return tuple(
        GpuDevice(**{key: value for key, value in entry.items() if key != "peaks"}, peaks=tuple(entry["peaks"].items()))
        for entry in table["gpu"]
    )


def _read(path: Path) -> GpuMeasurements:
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
        file = GpuFile(
            path.name,
            provenance["date"],
            provenance["method"],
            tuple((name, str(version)) for name, version in table["versions"].items()),
            provenance.get("idle_power_w"),
        )
        return GpuMeasurements(
            table["gpu"],
            next((device for device in known_devices() if device.name == table["gpu"]), None),
            tuple(_case(path, row, file) for row in table["cases"] if row.keys() >= _NEEDED),
            (file,),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise GpuFileError(f"{path} is no measurement file; expected what `brickwork bench` writes") from None


def _case(path: Path, row: Mapping[str, Any], file: GpuFile) -> GpuCase:
    """The faster of kernel and peer of the same numerics; sustained where measured, as its energy is."""
    found = [(row.get("sustained_us", row["time_us"]), row["energy_j"], "Brickwork's Triton kernel")]
    elsewhere = ""
    if row.get("peer") and "peer_energy_j" in row:
        peer = row.get("peer_sustained_us", row["peer_time_us"]), row["peer_energy_j"], row["peer"]
        if _other_numerics(row):
            elsewhere = f"{peer[2]}: {peer[0]:,.2f} us, {peer[1] * 1e3:,.4g} mJ"
        else:
            found.append(peer)
    time_us, energy_j, kernel = min(found)
    work, number_format = _work(path, row)
    idle_j = None if file.idle_power_w is None else file.idle_power_w * time_us / 1e6
    return GpuCase(
        name=row["name"],
        ops=row["flop"],
        bytes=row["bytes"],
        time_us=time_us,
        energy_j=energy_j,
        kernel=kernel,
        file=file.name,
        idle_j=idle_j,
        work=work,
        format=number_format,
        elsewhere=elsewhere,
    )


def _other_numerics(row: Mapping[str, Any]) -> bool:
    """True where the peer's name ends with a format that is not the case's."""
    words = row["peer"].split()
    if len(words) < 2 or words[-1] not in FORMATS:
        return False
    return words[-1] != row["format"] if "format" in row else words[-1] not in row["name"].split("-")


def _work(path: Path, row: Mapping[str, Any]) -> tuple[Work | None, str | None]:
    """What a case computes and from which format, as far as the file or the list of cases says it."""
    if "operator" in row:
        return _work_of_operator(path, row["name"], row["operator"], row["format"]), row["format"]
    if row["name"].partition("-")[0] in _FOUR_BIT_WEIGHTS and row.get("rank") == 0 and "rows" in row:
        operator = f"gemm:m={row['rows']},n={row['outputs']},k={row['inputs']}"
        return _work_of_operator(path, row["name"], operator, "nvfp4_weight"), "nvfp4_weight"
    return _BENCH_WORK.get(row["name"], (None, None))


def _work_of_operator(path: Path, case: str, operator: str, number_format: str) -> Work:
    try:
        return work_of(load(in_format(operator, number_format)).nest)
    except BrickworkError as error:
        fault = str(error).splitlines()[0]
        raise GpuFileError(f"{path}: case {case!r}, operator {operator!r} in {number_format!r}: {fault}") from None


# Older files name their cases only.
_BENCH_WORK = {
    case.name: (work_of(case.nest, _TORCH_FORMATS[case.dtype]), _TORCH_FORMATS[case.dtype]) for case in bench_cases()
}
