"""A comparison with a GPU, on the terminal."""

from __future__ import annotations

from brickwork import console
from reports.compare import ComparedLayer, ComparedWorkload, GpuComparison, UnmeasuredLayer

_LINE = "  {:<26} {:<9} {:>12} {:>11} {:>12} {:>14}"
_MOST_UNMEASURED = 20


def print_comparison(found: GpuComparison) -> None:
    """Measured layers in full, the others in a line each, sums, and what the numbers are."""
    gpu = found.gpu.gpu
    for layer in found.layers:
        _print_layer(layer, gpu)
    if found.unmeasured:
        _print_unmeasured(found.unmeasured, gpu)
    for workload in found.workloads:
        _print_workload(workload, gpu)
    for note in found.notes:
        _say(note)


def _print_layer(layer: ComparedLayer, gpu: str) -> None:
    _say(f"{layer.operator} = case {layer.case}, {layer.ops:,} operations", style="bold")
    _say(_LINE.format("", "kind", "time us", "energy mJ", "of its peak", "off-chip bytes"))
    rows = [
        ("accelerator", "modelled", layer.accelerator_us, layer.accelerator_j, layer.accelerator_of_peak),
        ("with the GPU's bandwidth", "modelled", layer.equal_bandwidth_us, None, None),
        (gpu, "measured", layer.gpu_us, layer.gpu_j, layer.gpu_of_peak),
    ]
    for name, kind, time_us, joule, share in rows:
        moved = layer.gpu_bytes if kind == "measured" else layer.accelerator_bytes
        _say(_LINE.format(name, kind, _us(time_us), _mj(joule), "-" if share is None else f"{share:.1%}", f"{moved:,}"))
    if layer.gpu_without_idle_j is not None:
        _say(_LINE.format("  without idle power", "measured", "", _mj(layer.gpu_without_idle_j), "", ""))
    facts = layer.facts
    _say(
        f"  pJ an operation: accelerator {facts['accelerator_pj_per_op']:.3g}, GPU {facts['gpu_pj_per_op']:.3g}; "
        f"GPU kernel: {layer.kernel}"
    )
    if layer.gpu_elsewhere:
        _say(f"  in another format, which does not count here: {layer.gpu_elsewhere}")


def _print_unmeasured(layers: tuple[UnmeasuredLayer, ...], gpu: str) -> None:
    _say(f"not measured on {gpu}; at least is what its published peak and bandwidth allow, no kernel's time", "bold")
    shown = layers[:_MOST_UNMEASURED]
    width = max(len(layer.operator) for layer in shown)
    _say(f"  {'':<{width}} {'accelerator us':>14} {'mJ':>10} {'at least us':>12}")
    for layer in shown:
        cells = f"{_us(layer.accelerator_us):>14} {_mj(layer.accelerator_j):>10} {_us(layer.gpu_least_us):>12}"
        _say(f"  {layer.operator:<{width}} {cells}")
    if len(layers) > len(shown):
        _say(f"  and {len(layers) - len(shown)} more; --json has all")


def _print_workload(workload: ComparedWorkload, gpu: str) -> None:
    _say(f"{workload.name}: {workload.measured_share:.1%} of the operations are in measured layers", "bold")
    if workload.measured_share:
        idle = workload.gpu_without_idle_j
        without = "" if idle is None else f", {_mj(idle)} mJ without idle power"
        _say(
            f"  these: accelerator {_us(workload.accelerator_us)} us, {_mj(workload.accelerator_j)} mJ, modelled; "
            f"{gpu} {_us(workload.gpu_us)} us, {_mj(workload.gpu_j)} mJ{without}, measured"
        )
    least = "not known" if workload.gpu_least_us is None else f"at least {_us(workload.gpu_least_us)} us, published"
    _say(f"  all: accelerator {_us(workload.all_us)} us, {_mj(workload.all_j)} mJ, modelled; {gpu} {least}")


def _say(text: str, style: str | None = None) -> None:
    console.out.print(text, markup=False, style=style)


def _us(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}" if value >= 1 else f"{value:.2g}"


def _mj(joule: float | None) -> str:
    return "-" if joule is None else f"{joule * 1e3:,.4g}"
