"""How long spec to Verilog takes at growing array sizes, and how it grows.

Prints a JSON list of measurements. Each size is generated three times in this process; the best counts.
"""

from __future__ import annotations

import json
import time

from dataflow import Dataflow, build
from hw import generate
from workloads.spec import load

SIZES = (8, 16, 32, 64)
REPEAT = 3
# Seconds, from the design targets; the other sizes have none.
TARGETS = {16: 2.0, 64: 20.0}


def seconds(size: int) -> float:
    """Best time from the spec's text to Verilog for an int8 GEMM on ``size`` by ``size`` functional units."""
    best = float("inf")
    for _ in range(REPEAT):
        began = time.perf_counter()
        nest = load("gemm:m=128,n=128,k=128").nest
        generate(build(nest, Dataflow.of(nest, {"m": size, "n": size})))
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    seconds(SIZES[0])
    times = {size: seconds(size) for size in SIZES}
    how = f"best of {REPEAT}, one process, warm caches; int8 GEMM, output stationary, systolic"
    found = [
        {
            "name": f"generate_{size}x{size}",
            "value": round(value, 3),
            "unit": "s",
            "target": TARGETS.get(size),
            "better": "lower",
            "how": how,
        }
        for size, value in times.items()
    ]
    found.append(
        {
            "name": "generate_growth_16_to_64",
            "value": round(times[64] / times[16], 2),
            "unit": "ratio",
            "target": 3.0,
            "better": "lower",
            "how": f"time at 64x64 over time at 16x16 (16 times the functional units); {how}",
        }
    )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
