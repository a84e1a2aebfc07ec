"""The GPU figures of four-bit kernels that ship with the project as benchmark rows, and what they are held to.

Measured by ``python -m sw_kernels.nvfp4.bench``, not here.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

# Beginning of the case's name, key of the figure, target and which side is better.
TARGETS = (
    (r"decode-qkv-m[18]$", "ratio_to_peer", 1.5, "higher"),
    (r"decode-(gate_up|down)-m[18]$", "ratio_to_peer", 2.2, "higher"),
    (r"decode-qkv-m32$", "ratio_to_peer", 1.25, "higher"),
    (r"decode-(gate_up|down)-m32$", "ratio_to_peer", 1.7, "higher"),
    (r"decode-(gate_up|down)-m64$", "ratio_to_peer", 1.0, "higher"),
    (r"decode-(gate_up|down)-m128$", "ratio_to_peer", 0.8, "higher"),
    (r"decode-\w+-m(1|8)$", "energy_to_peer", 0.55, "lower"),
    (r"lora-", "overhead", 0.12, "lower"),
    (r"prefill-", "ratio_to_peer", 0.92, "higher"),
    (r"prefill_lora-", "overhead", 0.10, "lower"),
    (r"attention-", "ratio_to_peer", 0.90, "higher"),
    (r"token-qwen2.5-7b-b", "ratio_to_peer", 1.5, "higher"),
    (r"token-qwen2.5-32b", "memory_bytes", 80e9, "lower"),
)
UNITS = {"ratio_to_peer": "ratio", "energy_to_peer": "ratio", "overhead": "ratio", "memory_bytes": "bytes"}


def rows(case: dict[str, Any], how: str) -> list[dict[str, Any]]:
    """A row for each figure that has a target, or for the ratio without one."""
    held = [(key, target, better) for name, key, target, better in TARGETS if re.match(name, case["name"])]
    if not held and "ratio_to_peer" in case:
        held = [("ratio_to_peer", None, "higher")]
    return [
        {
            "name": f"gpu_{case['name']}_{key}",
            "value": round(case[key], 3),
            "unit": UNITS[key],
            "target": target,
            "better": better,
            "how": f"{how}; beside {case.get('peer', 'nothing')}",
        }
        for key, target, better in held
    ]


def main() -> None:
    measured = json.loads(files("sw_kernels").joinpath("measurements/h200_nvfp4.json").read_text(encoding="utf-8"))
    how = f"{measured['gpu']}, {measured['provenance']['date']}, same run"
    print(json.dumps([row for case in measured["cases"] for row in rows(case, how)], indent=2))


if __name__ == "__main__":
    main()
