"""Timing and energy metering on a GPU.

Times come from CUDA graph replays over rotated copies of the inputs, so that nothing stays in the L2 cache between
calls. Energy comes from the slope of NVML's total-energy counter, which moves about ten times a second, over a queue
that never empties.
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workloads.errors import BrickworkError

Call = Callable[[int], None]
# Between replays: after four milliseconds of work at the power limit the clock is down for whoever comes next.
PAUSE_S = 0.01


class NoGpuError(BrickworkError):
    """There is nothing to measure on."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no CUDA GPU can be used here ({why}); measurements need one with torch and triton")


def require_gpu() -> Any:
    """The torch module, on a machine with a usable GPU.

    Raises
    ------
    NoGpuError
    """
    try:
        import torch
        import triton  # noqa: F401
    except ImportError as error:
        raise NoGpuError(f"{error.name} is not installed") from None
    if not torch.cuda.is_available():
        raise NoGpuError("torch sees none")
    return torch


class Meter:
    """NVML's counters of one GPU."""

    def __init__(self, index: int = 0) -> None:
        self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
        self._check(self.nvml.nvmlInit_v2())
        self.device = ctypes.c_void_p()
        self._check(self.nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(self.device)))

    @staticmethod
    def _check(status: int) -> None:
        if status:
            raise NoGpuError(f"NVML answers with error {status}")

    def energy_mj(self) -> int:
        """Total energy since the driver was loaded, in millijoule."""
        value = ctypes.c_ulonglong()
        self._check(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.device, ctypes.byref(value)))
        return value.value

    def sm_clock_mhz(self) -> int:
        """Clock of the multiprocessors now."""
        value = ctypes.c_uint()
        self._check(self.nvml.nvmlDeviceGetClockInfo(self.device, 1, ctypes.byref(value)))
        return value.value

    def power_mw(self) -> int:
        """Power of the board now, in milliwatt."""
        value = ctypes.c_uint()
        self._check(self.nvml.nvmlDeviceGetPowerUsage(self.device, ctypes.byref(value)))
        return value.value

    def idle_power_w(self, *, pause_s: float = 4.0, samples: int = 20) -> float:
        """Median power of the board while nothing runs, after a pause in which clocks settle."""
        time.sleep(pause_s)
        found = []
        for _ in range(samples):
            found.append(self.power_mw() / 1000)
            time.sleep(0.1)
        return round(statistics.median(found), 1)

    def driver(self) -> str:
        """Version of the driver."""
        text = ctypes.create_string_buffer(80)
        self._check(self.nvml.nvmlSystemGetDriverVersion(text, 80))
        return text.value.decode()


def environment(torch: Any, meter: Meter) -> dict[str, Any]:
    """What a measurement file says of the machine: the GPU and the versions of everything."""
    import triton

    return {
        "gpu": torch.cuda.get_device_properties(0).name,
        "versions": {
            "torch": torch.__version__,
            "triton": triton.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": meter.driver(),
        },
    }


def write_measurements(out: Path, result: Mapping[str, Any]) -> None:
    """Write a measurement file whole or not at all."""
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(temporary, out)


@dataclass(frozen=True, slots=True)
class Timing:
    """What one case takes.

    Attributes
    ----------
    time_us : float
        Median of graph replays, from a cool start.
    sustained_us : float
        The same work from a full queue for about a second.
    energy_j, power_w, clock_mhz : float
        Of the sustained work.
    """

    time_us: float
    sustained_us: float
    energy_j: float
    power_w: float
    clock_mhz: float


def measure(
    torch: Any, meter: Meter, calls: Sequence[Call], copies: Sequence[int], *, seconds: float = 1.5
) -> list[Timing]:
    """Time and meter each ``call(copy)`` over rotated copies of its inputs, the calls in turns.

    Taking turns with pauses keeps what heats the chip from counting for one of them only.
    """
    graphs = [_graph(torch, call, count) for call, count in zip(calls, copies, strict=True)]
    samples: list[list[float]] = [[] for _ in graphs]
    for turn in range(18):
        for (graph, times), found in zip(graphs, samples, strict=True):
            time.sleep(PAUSE_S)
            took = _elapsed_us(torch, graph, 1) / times
            # The first turns warm up.
            if turn >= 3:
                found.append(took)
    timings = []
    for (graph, times), found in zip(graphs, samples, strict=True):
        middle = statistics.median(found)
        timings.append(Timing(middle, *_sustained(torch, meter, graph, times, middle, seconds)))
    return timings


def _sustained(
    torch: Any, meter: Meter, graph: Any, times: int, each_us: float, seconds: float
) -> tuple[float, float, float, float]:
    """Time, energy, power and clock of the same work from a queue that is never empty."""
    replays = max(8, int(seconds * 1e6 / (each_us * times)))
    watch = _Watch(meter)
    watch.start()
    sustained = _elapsed_us(torch, graph, replays) / (times * replays)
    marks, clocks = watch.end()
    if len(marks) < 4 and seconds >= 1:
        return _sustained(torch, meter, graph, times, each_us, 2 * seconds)
    # The first mark may lie anywhere between two updates of the counter.
    (t0, e0), (t1, e1) = marks[min(1, len(marks) - 1)], marks[-1]
    power = (e1 - e0) / 1000 / (t1 - t0) if t1 > t0 else 0.0
    return sustained, power * sustained * 1e-6, power, statistics.median(clocks)


def _elapsed_us(torch: Any, graph: Any, replays: int) -> float:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(replays):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) * 1000


class _Watch(threading.Thread):
    """Marks (time, total energy) whenever the counter has moved, while the main thread fills the launch queue."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(daemon=True)
        self.meter, self.stopping = meter, threading.Event()
        self.marks: list[tuple[float, int]] = []
        self.clocks: list[int] = []

    def run(self) -> None:
        """Poll until told to stop."""
        while not self.stopping.wait(0.004):
            now, energy = time.perf_counter(), self.meter.energy_mj()
            if not self.marks or energy != self.marks[-1][1]:
                self.marks.append((now, energy))
                self.clocks.append(self.meter.sm_clock_mhz())

    def end(self) -> tuple[list[tuple[float, int]], list[int]]:
        """Stop, and what was marked."""
        self.stopping.set()
        self.join()
        return self.marks, self.clocks


def _graph(torch: Any, call: Call, copies: int) -> tuple[Any, int]:
    """A graph of about 4 ms of calls, so that a second of them fits the launch queue."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for copy in range(min(copies, 3)):
            call(copy)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for copy in range(4):
            call(copy % copies)
        end.record()
    stream.synchronize()
    each_ms = max(1e-3, begin.elapsed_time(end) / 4)
    calls = max(copies, round(4 / each_ms))
    calls = -(-calls // copies) * copies
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for n in range(calls):
            call(n % copies)
    return graph, calls


def relative_error(torch: Any, value: Any, reference: Any) -> tuple[float, float]:
    """Relative L2 error, and the largest element error over the root mean square of the reference."""
    difference = value.double() - reference.double()
    rms = reference.double().square().mean().sqrt()
    return float(difference.norm() / reference.double().norm()), float(difference.abs().max() / rms)


def copies_past_cache(bytes_each: int, cache_bytes: int) -> int:
    """Copies of the inputs that together are five times the cache."""
    return max(2, min(64, -(-5 * cache_bytes // max(1, bytes_each))))
