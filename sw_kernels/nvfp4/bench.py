"""Measure hand-written kernels for four-bit models beside stock operators and write a measurement file."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sw_kernels.decode_attention import cases as attention
from sw_kernels.measure import Meter, environment, require_gpu, write_measurements
from sw_kernels.measured import Measurable, MeasurementError
from sw_kernels.nvfp4 import activations, products, tokens
from workloads.errors import BrickworkError

METHOD = (
    "time_us: median of CUDA graph replays over copies of the weights or of the cache, five times the L2 cache, "
    "kernel and peer in turns with a pause between; energy_j, power_w, clock_mhz: a full queue, energy from the slope "
    "of NVML's total-energy counter, idle power included; idle_power_w: board power with an open context and nothing "
    "running; error: relative L2 and largest element over the rms, products against fp64 with the dequantised "
    "weights, attention against fp64; outputs and workspaces filled with NaN first; 20 further runs equal bit for "
    "bit; token: all kernels of one token of a model of that shape, random weights, in one graph"
)


def cases() -> tuple[Measurable, ...]:
    """Every case, in the order in which they run."""
    return (*products.cases(), *activations.cases(), *attention.cases(), *tokens.cases())


def bench(names: Sequence[str], out: Path, *, seconds: float = 1.5) -> dict[str, Any]:
    """Measure the cases whose names begin with one of ``names`` (all when empty) and write ``out``.

    Raises
    ------
    MeasurementError
        A name matches no case, or a result is wrong; then no speed is reported.
    NoGpuError
    """
    known = cases()
    chosen = [case for case in known if not names or any(case.name.startswith(name) for name in names)]
    for name in names:
        if not any(case.name.startswith(name) for case in known):
            expected = ", ".join(case.name for case in known)
            raise MeasurementError(f"case {name!r} is not known; expected the beginning of one of {expected}")
    torch = require_gpu()
    meter = Meter()
    # Opens the context, whose power counts as idle.
    torch.zeros(1, device="cuda")
    result: dict[str, Any] = {
        **environment(torch, meter),
        "provenance": {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "command": "python -m sw_kernels.nvfp4.bench",
            "method": METHOD,
            "idle_power_w": meter.idle_power_w(),
        },
        "cases": [],
    }
    for case in chosen:
        result["cases"].append(case.row(torch, meter, seconds))
        print(json.dumps(result["cases"][-1]), file=sys.stderr, flush=True)
        # What is done is kept, whatever comes after it.
        write_measurements(out, result)
        torch.cuda.empty_cache()
    return result


def main() -> None:
    """Entry point of ``python -m sw_kernels.nvfp4.bench``."""
    parser = argparse.ArgumentParser(description="Measure four-bit kernels on this machine's GPU.")
    parser.add_argument("names", nargs="*", help="beginnings of case names; all by default")
    parser.add_argument("--out", type=Path, default=Path("gpu_nvfp4.json"))
    parser.add_argument("--seconds", type=float, default=1.5, help="of the sustained part of each case")
    options = parser.parse_args()
    try:
        bench(options.names, options.out, seconds=options.seconds)
    except BrickworkError as error:
        sys.exit(f"brickwork: error: {error}")


if __name__ == "__main__":
    main()
