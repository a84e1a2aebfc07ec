"""What large designs take to generate: several dataflows at 32x32, and memory at 64x64.

Prints a JSON list of measurements.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import islice

from benchmarks.fused_area import members
from dataflow import fuse
from hw import generate

MEMBERS, SIZE = 4, 32
LARGE = 64
# In a process of its own, whose peak is that of the generation and of Python itself.
PEAK = """
import resource
from benchmarks.fused_area import members
from hw import generate
generate(next(members({size})))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    alone = list(islice(members(SIZE), MEMBERS))
    began = time.perf_counter()
    generate(fuse(alone, name="four").architecture)
    took = time.perf_counter() - began
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(size=LARGE)], stdout=subprocess.PIPE, text=True, check=True
    )
    print(
        json.dumps(
            [
                {
                    "name": f"generate_fused_{MEMBERS}_at_{SIZE}x{SIZE}",
                    "value": round(took, 2),
                    "unit": "s",
                    "target": 10.0,
                    "better": "lower",
                    "how": "joint choice and generation of two GEMM and two convolution dataflows, int8, once",
                },
                {
                    "name": f"generate_{LARGE}x{LARGE}_memory",
                    "value": round(int(done.stdout) / 2**20, 3),
                    "unit": "GiB",
                    "target": 2.0,
                    "better": "lower",
                    "how": "peak resident memory of a process that generates an int8 GEMM, Python included",
                },
            ],
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
