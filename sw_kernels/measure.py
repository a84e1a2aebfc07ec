"""Timing and energy metering on a GPU.

Times come from CUDA graph replays over rotated copies of the inputs, so that nothing stays in the L2 cache between
calls. Energy comes from the slope of NVML's total-energy counter, which moves about ten times a second, over a queue
that never empties.
"""

from __future__ import annotations

import ctypes
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads.errors import BrickworkError

Call = Callable[[int], None]


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

    def driver(self) -> str:
        """Version of the driver."""
        text = ctypes.create_string_buffer(80)
        self._check(self.nvml.nvmlSystemGetDriverVersion(text, 80))
        return text.value.decode()


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


def measure(torch: Any, meter: Meter, call: Call, copies: int, *, seconds: float = 1.5) -> Timing:
    """Time and meter ``call(copy)`` over rotated copies of its inputs."""
    graph, calls = _graph(torch, call, copies)
    for _ in range(3):
        graph.replay()
    torch.cuda.synchronize()
    samples = []
    for _ in range(15):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        samples.append(begin.elapsed_time(end) * 1000 / calls)
    replays = max(8, int(seconds * 1e6 / (statistics.median(samples) * calls)))
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    watch = _Watch(meter)
    watch.start()
    begin.record()
    for _ in range(replays):
        graph.replay()
    end.record()
    torch.cuda.synchronize()
    marks, clocks = watch.end()
    sustained = begin.elapsed_time(end) * 1000 / (calls * replays)
    # The first mark may lie anywhere between two updates of the counter.
    if len(marks) < 4 and seconds >= 1:
        return measure(torch, meter, call, copies, seconds=2 * seconds)
    (t0, e0), (t1, e1) = marks[min(1, len(marks) - 1)], marks[-1]
    power = (e1 - e0) / 1000 / (t1 - t0) if t1 > t0 else 0.0
    return Timing(statistics.median(samples), sustained, power * sustained * 1e-6, power, statistics.median(clocks))


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
