"""An accelerator against a GPU: same products, same format, every number with its kind."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reports.compare_gpu import GpuCase, GpuMeasurements
from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import LayerOutcome, PointOutcome
from sw_kernels.cases import cases
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.spec import load

_FORMATS = {"bfloat16": "bf16", "float16": "fp16", "int8": "int8"}


class CompareError(BrickworkError):
    """Nothing that both sides have run."""


@dataclass(frozen=True, slots=True)
class ComparedLayer:
    """One matrix product on both.

    Attributes
    ----------
    accelerator_us, accelerator_j : float
        Modelled.
    equal_bandwidth_us : float
        Modelled, with the GPU's published bandwidth in place of the accelerator's; the array stays.
    gpu_us, gpu_j : float
        Measured, the faster of our kernel and its peer; idle power included.
    """

    operator: str
    case: str
    kernel: str
    ops: int
    accelerator_bytes: int
    gpu_bytes: int
    accelerator_us: float
    equal_bandwidth_us: float | None
    accelerator_j: float
    gpu_us: float
    gpu_j: float
    accelerator_of_peak: float
    gpu_of_peak: float | None


@dataclass(frozen=True, slots=True)
class GpuComparison:
    """Everything that a reader needs to judge the rows."""

    point: DesignPoint
    area_mm2: float | None
    gpu: GpuMeasurements
    layers: tuple[ComparedLayer, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """The two machines, and what the numbers are, in plain words."""
        point, device = self.point, self.gpu.device
        area = "area not modelled" if self.area_mm2 is None else f"{self.area_mm2:.3g} mm2 (modelled)"
        found = [
            f"accelerator: {point}; peak {_peak_ops(point) / 1e12:.3g} Top/s, {area}; all its numbers are modelled",
            f"{self.gpu.gpu}: measured {self.gpu.date}; the faster of Brickwork's kernel and its peer in the same "
            "format; board energy from NVML with idle power, which the file does not hold alone",
        ]
        if device is None:
            found.append(f"peaks, bandwidth and area of {self.gpu.gpu} are not on file, so nothing is normalized")
        else:
            peak = device.peak_tera_ops(point.format)
            found.append(
                f"{device.name}, published: {device.node}, {device.area_mm2:g} mm2, {device.power_w:g} W, "
                f"{device.bandwidth_gb_per_s:g} GB/s, peak for {point.format} "
                f"{'not on file' if peak is None else f'{peak:,g} Top/s'} ({device.source})"
            )
        found.append(
            "technology is not scaled: published scaling rules (Stillmaker and Baas 2017) end at 7 nm; nodes differ, "
            "so energies compare systems, not architectures; the model leaves out clock tree, control and host, "
            "which the board's energy contains"
        )
        return tuple(found)

    @property
    def facts(self) -> dict[str, Any]:
        """The comparison as JSON types."""
        device = self.gpu.device
        return {
            "point": self.point.facts,
            "area_mm2": self.area_mm2,
            "peak_tera_ops": _peak_ops(self.point) / 1e12,
            "gpu": self.gpu.gpu,
            "gpu_published": None if device is None else asdict(device) | {"peaks": dict(device.peaks)},
            "gpu_measured": {"date": self.gpu.date, "method": self.gpu.method, "versions": dict(self.gpu.versions)},
            "kinds": {"accelerator": "modelled", "gpu": "measured", "peaks, bandwidth, area of the GPU": "published"},
            "layers": [asdict(layer) for layer in self.layers],
            "notes": list(self.notes),
        }


def compare_with_gpu(outcome: PointOutcome, gpu: GpuMeasurements) -> GpuComparison:
    """Compare the matrix products that the GPU file has in the same sizes and format.

    Raises
    ------
    CompareError
        There is none, or the design failed.
    """
    if outcome.failure is not None:
        raise CompareError(f"the design {outcome.point} has no mapping to compare: {outcome.failure}")
    products = [case for case in cases() if case.nest.name == "gemm"]
    measured: dict[tuple[object, ...], list[str]] = {}
    for product in products:
        measured.setdefault(_sizes(product.nest, _FORMATS[product.dtype]), []).append(product.name)
    found: list[ComparedLayer] = []
    layers = {layer.operator: layer for workload in outcome.workloads for layer in workload.layers}
    for layer in layers.values():
        same = [case for name in measured.get(_work(layer), ()) if (case := gpu.case(name)) is not None]
        if same:
            found.append(_row(outcome, layer, min(same, key=lambda case: case.time_us), gpu))
    if not found:
        known = ", ".join(case.name for case in gpu.cases if any(case.name == p.name for p in products))
        raise CompareError(
            f"no matrix product of the design is in the measurements of {gpu.gpu} with the same sizes and format; "
            f"measured ones are {known or 'none'}"
        )
    return GpuComparison(outcome.point, outcome.area_mm2, gpu, tuple(found))


def _row(outcome: PointOutcome, layer: LayerOutcome, case: GpuCase, gpu: GpuMeasurements) -> ComparedLayer:
    point, device = outcome.point, gpu.device
    own_us = layer.cycles / point.clock_ghz / 1e3
    peak = None if device is None else device.peak_tera_ops(point.format)
    equal = None
    if device is not None:
        equal = max(layer.array_cycles / point.clock_ghz / 1e3, layer.transfer_bytes / device.bandwidth_gb_per_s / 1e3)
    return ComparedLayer(
        operator=layer.operator,
        case=case.name,
        kernel=case.kernel,
        ops=2 * layer.macs,
        accelerator_bytes=layer.transfer_bytes,
        gpu_bytes=case.bytes,
        accelerator_us=own_us,
        equal_bandwidth_us=equal,
        accelerator_j=layer.energy.total_pj / 1e12,
        gpu_us=case.time_us,
        gpu_j=case.energy_j,
        accelerator_of_peak=2 * layer.macs / (own_us * 1e-6) / _peak_ops(point),
        gpu_of_peak=None if peak is None else case.ops / case.time_us / 1e6 / peak,
    )


def _peak_ops(point: DesignPoint) -> float:
    return 2e9 * point.units * point.clock_ghz


def _work(layer: LayerOutcome) -> tuple[object, ...]:
    nest = load(layer.operator).nest
    formats = {nest.tensor(access.tensor).format.name for access in nest.inputs}
    plain = layer.operator.partition(":")[0] == "gemm" and len(formats) == 1
    return _sizes(nest, formats.pop()) if plain else ()


def _sizes(nest: Nest, number_format: str) -> tuple[object, ...]:
    return (number_format, *sorted(nest.extents.items()))
