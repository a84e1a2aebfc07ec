"""The GPU figures that ship with the project as benchmark rows (measured by ``brickwork bench``, not here)."""

from __future__ import annotations

import json
from importlib.resources import files


def main() -> None:
    measured = json.loads(files("sw_kernels").joinpath("measurements/h200.json").read_text(encoding="utf-8"))
    print(
        json.dumps(
            [
                {
                    "name": f"gpu_{case['name']}_to_{case['peer']}",
                    "value": round(case["ratio_to_peer"], 3),
                    "unit": "ratio",
                    "target": 0.7 if case["peer"] == "cudnn" else 0.85,
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
