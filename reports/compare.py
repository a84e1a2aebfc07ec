"""An accelerator against a GPU: same work, same format, every number with its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from reports.compare_gpu import GpuCase, GpuDevice, GpuMeasurements
from reports.compare_work import work_of
from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import LayerOutcome, PointOutcome
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.spec import load


class CompareError(BrickworkError):
    """A design that has nothing to compare."""


@dataclass(frozen=True, slots=True)
class ComparedLayer:
    """One layer that both have run.

    Attributes
    ----------
    accelerator_us, accelerator_j : float
        Modelled.
    equal_bandwidth_us : float
        Modelled, with the GPU's published bandwidth in place of the accelerator's; the array stays.
    gpu_us, gpu_j : float
        Measured, the faster of our kernel and its peer; idle power included.
    gpu_without_idle_j : float or None
        None where idle power was not measured.
    gpu_elsewhere : str
        The same product in another format, which does not count; empty where there is none.
    """

    operator: str
    case: str
    file: str
    kernel: str
    ops: int
    accelerator_bytes: int
    gpu_bytes: int
    accelerator_us: float
    equal_bandwidth_us: float | None
    accelerator_j: float
    gpu_us: float
    gpu_j: float
    gpu_without_idle_j: float | None
    accelerator_of_peak: float
    gpu_of_peak: float | None
    gpu_elsewhere: str

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON types, with energies an operation."""
        idle = self.gpu_without_idle_j
        return asdict(self) | {
            "accelerator_pj_per_op": self.accelerator_j / self.ops * 1e12,
            "gpu_pj_per_op": self.gpu_j / self.ops * 1e12,
            "gpu_without_idle_pj_per_op": None if idle is None else idle / self.ops * 1e12,
        }


@dataclass(frozen=True, slots=True)
class UnmeasuredLayer:
    """One layer that the GPU files do not have.

    Attributes
    ----------
    gpu_least_us : float or None
        Published: no kernel is faster than the peak of its format and the bandwidth allow. None where they are not on
        file.
    """

    operator: str
    ops: int
    accelerator_us: float
    accelerator_j: float
    gpu_least_us: float | None


@dataclass(frozen=True, slots=True)
class ComparedWorkload:
    """Sums over the layers of one workload, each as often as it runs.

    Attributes
    ----------
    measured_share : float
        Part of its operations that are in measured layers; the following four are sums over these alone.
    gpu_least_us : float or None
        Published: over all layers.
    all_us, all_j : float
        Of the accelerator, over all layers.
    """

    name: str
    measured_share: float
    accelerator_us: float
    accelerator_j: float
    gpu_us: float
    gpu_j: float
    gpu_without_idle_j: float | None
    all_us: float
    all_j: float
    gpu_least_us: float | None


@dataclass(frozen=True, slots=True)
class GpuComparison:
    """Everything that a reader needs to judge the rows."""

    point: DesignPoint
    area_mm2: float | None
    gpu: GpuMeasurements
    layers: tuple[ComparedLayer, ...]
    unmeasured: tuple[UnmeasuredLayer, ...]
    workloads: tuple[ComparedWorkload, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """The two machines, and what the numbers are, in plain words."""
        point, gpu, device = self.point, self.gpu, self.gpu.device
        area = "area not modelled" if self.area_mm2 is None else f"{self.area_mm2:.3g} mm2 (modelled)"
        found = [
            f"accelerator: {point}; peak {_peak_ops(point) / 1e12:.3g} Top/s, {area}; all its numbers are modelled"
        ]
        for file in gpu.files:
            idle = (
                "idle power was not measured, so there is no energy without it"
                if file.idle_power_w is None
                else f"idle power {file.idle_power_w:g} W"
            )
            found.append(
                f"{gpu.gpu}, {file.name}: measured {file.date}; the faster of Brickwork's kernel and its peer in the "
                f"same format; board energy from NVML with idle power; {idle}"
            )
        if device is None:
            found.append(f"peaks, bandwidth and area of {gpu.gpu} are not on file, so nothing is normalized")
        else:
            peaks = ", ".join(f"{name} {peak:,g}" for name, peak in device.peaks)
            found.append(
                f"{device.name}, published: {device.node}, {device.area_mm2:g} mm2, {device.power_w:g} W, "
                f"{device.bandwidth_gb_per_s:g} GB/s, peaks in Top/s {peaks} ({device.source})"
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
            "gpu_measured": [asdict(file) | {"versions": dict(file.versions)} for file in self.gpu.files],
            "kinds": {
                "accelerator": "modelled",
                "gpu": "measured",
                "gpu_least_us": "published",
                "peaks, bandwidth, area of the GPU": "published",
            },
            "layers": [layer.facts for layer in self.layers],
            "unmeasured": [asdict(layer) for layer in self.unmeasured],
            "workloads": [asdict(workload) for workload in self.workloads],
            "notes": list(self.notes),
        }


def compare_with_gpu(outcome: PointOutcome, gpu: GpuMeasurements) -> GpuComparison:
    """Put every layer of a design beside the same work on a GPU, or beside what its maker says no kernel can beat.

    Raises
    ------
    CompareError
        The design failed.
    """
    if outcome.failure is not None:
        raise CompareError(f"the design {outcome.point} has no mapping to compare: {outcome.failure}")
    measured: dict[str, ComparedLayer] = {}
    unmeasured: dict[str, UnmeasuredLayer] = {}
    least: dict[str, float | None] = {}
    for layer in (layer for workload in outcome.workloads for layer in workload.layers):
        if layer.operator in least:
            continue
        nest = load(layer.operator).nest
        least[layer.operator] = _least_us(nest, gpu.device)
        case = gpu.of_work(work_of(nest))
        if case is None:
            own_us, own_j = _own(outcome.point, layer)
            unmeasured[layer.operator] = UnmeasuredLayer(
                layer.operator, 2 * layer.macs, own_us, own_j, least[layer.operator]
            )
        else:
            measured[layer.operator] = _row(outcome.point, layer, nest, case, gpu.device)
    workloads = tuple(_workload(w.name, w.layers, outcome.point, measured, least) for w in outcome.workloads)
    return GpuComparison(
        outcome.point, outcome.area_mm2, gpu, tuple(measured.values()), tuple(unmeasured.values()), workloads
    )


def _row(point: DesignPoint, layer: LayerOutcome, nest: Nest, case: GpuCase, device: GpuDevice | None) -> ComparedLayer:
    own_us, own_j = _own(point, layer)
    peak = None if device is None else device.peak_tera_ops(_widest_input(nest))
    equal = None
    if device is not None:
        equal = max(layer.array_cycles / point.clock_ghz / 1e3, layer.transfer_bytes / device.bandwidth_gb_per_s / 1e3)
    return ComparedLayer(
        operator=layer.operator,
        case=case.name,
        file=case.file,
        kernel=case.kernel,
        ops=2 * layer.macs,
        accelerator_bytes=layer.transfer_bytes,
        gpu_bytes=case.bytes,
        accelerator_us=own_us,
        equal_bandwidth_us=equal,
        accelerator_j=own_j,
        gpu_us=case.time_us,
        gpu_j=case.energy_j,
        gpu_without_idle_j=None if case.idle_j is None else case.energy_j - case.idle_j,
        accelerator_of_peak=2 * layer.macs / (own_us * 1e-6) / _peak_ops(point),
        gpu_of_peak=None if peak is None else 2 * layer.macs / case.time_us / 1e6 / peak,
        gpu_elsewhere=case.elsewhere,
    )


def _workload(
    name: str,
    layers: tuple[LayerOutcome, ...],
    point: DesignPoint,
    measured: dict[str, ComparedLayer],
    least: dict[str, float | None],
) -> ComparedWorkload:
    both = [(layer.times, measured[layer.operator]) for layer in layers if layer.operator in measured]
    own = [(layer.times, *_own(point, layer)) for layer in layers]
    ops = sum(2 * layer.macs * layer.times for layer in layers)
    return ComparedWorkload(
        name=name,
        measured_share=sum(times * row.ops for times, row in both) / ops,
        accelerator_us=sum(times * row.accelerator_us for times, row in both),
        accelerator_j=sum(times * row.accelerator_j for times, row in both),
        gpu_us=sum(times * row.gpu_us for times, row in both),
        gpu_j=sum(times * row.gpu_j for times, row in both),
        gpu_without_idle_j=_sum_of_known((times, row.gpu_without_idle_j) for times, row in both),
        all_us=sum(times * us for times, us, _ in own),
        all_j=sum(times * joule for times, _, joule in own),
        gpu_least_us=_sum_of_known((layer.times, least[layer.operator]) for layer in layers),
    )


def _sum_of_known(values: Iterator[tuple[int, float | None]]) -> float | None:
    """The weighted sum, None where one value is."""
    total = 0.0
    for times, value in values:
        if value is None:
            return None
        total += times * value
    return total


def _own(point: DesignPoint, layer: LayerOutcome) -> tuple[float, float]:
    """Time in microseconds and energy in joules of one run."""
    return layer.cycles / point.clock_ghz / 1e3, layer.energy.total_pj / 1e12


def _least_us(nest: Nest, device: GpuDevice | None) -> float | None:
    """What no kernel can beat: all operations at the peak, or inputs and result over the memory once.

    The result counts in the format of the narrowest input, as a GPU may keep its sums on chip.
    """
    peak = None if device is None else device.peak_tera_ops(_widest_input(nest))
    if device is None or peak is None:
        return None
    read = {access.tensor: nest.tensor(access.tensor) for access in nest.inputs}
    result = nest.tensor(nest.output.tensor)
    written = result.elements * min(tensor.format.bits for tensor in read.values()) / 8
    if nest.guards:
        # What the guards leave of operations and inputs is not counted here; the result is written whatever they leave.
        return written / device.bandwidth_gb_per_s / 1e3
    moved = written + sum(tensor.bytes for tensor in read.values())
    return max(2 * nest.points / peak / 1e6, moved / device.bandwidth_gb_per_s / 1e3)


def _widest_input(nest: Nest) -> str:
    """The format that multipliers see: four-bit weights are decoded to that of the activations."""
    formats = [nest.tensor(access.tensor).format for access in nest.inputs]
    return max(formats, key=lambda each: each.bits).name


def _peak_ops(point: DesignPoint) -> float:
    return 2e9 * point.units * point.clock_ghz
