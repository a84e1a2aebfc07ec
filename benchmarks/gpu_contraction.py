"""The GPU figures that ship with the project as benchmark rows (measured by ``brickwork bench``, not here)."""

from __future__ import annotations

import json
from importlib.resources import files

# Beside stock operators of the same format; layers of networks alone on a GPU are too small to be held to them.
TARGETS = {"cudnn": 0.7, "cublas": 0.85}
LARGE = ("gemm-", "conv", "depthwise3x3-")


def main() -> None:
    measured = json.loads(files("sw_kernels").joinpath("measurements/h200.json").read_text(encoding="utf-8"))
    print(
        json.dumps(
            [
                {
                    "name": f"gpu_{case['name']}_to_{case['peer'].replace(' ', '_')}",
                    "value": round(case["ratio_to_peer"], 3),
                    "unit": "ratio",
                    "target": TARGETS.get(case["peer"]) if case["name"].startswith(LARGE) else None,
                    "better": "higher",
                    "how": f"{measured['gpu']}, {measured['provenance']['date']}: stock time over ours, same run",
                }
                for case in measured["cases"]
            ],
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
