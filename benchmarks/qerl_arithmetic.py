"""Reward of a small policy trained on sums of digits, by format of its frozen matrices and with or without noise.

Run ``python benchmarks/qerl_arithmetic.py``; about two minutes on one core.
"""

from __future__ import annotations

import argparse

import torch

from sw_kernels.qerl.noise_schedule import NoiseSchedule
from sw_kernels.qerl.train import Settings, train

STEPS = 100
NOISE = NoiseSchedule(1e-2, 1e-4, 10, STEPS)
CASES: tuple[tuple[str, str | None, NoiseSchedule | None], ...] = (
    ("fp32", None, None),
    ("mxfp4", "mxfp4", None),
    ("nvfp4", "nvfp4", None),
    ("nvfp4, noise", "nvfp4", NOISE),
)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| frozen matrices | steps 1-10 | steps {STEPS - 9}-{STEPS}, mean | by seed |\n|---|---|---|---|")
    for name, weights, noise in CASES:
        runs = [
            train(Settings(weights=weights, noise=noise, steps=STEPS, seed=seed, device=given.device))
            for seed in range(given.seeds)
        ]
        first = sum(run.reward(0, 10) for run in runs) / len(runs)
        last = [run.reward(STEPS - 10, STEPS) for run in runs]
        each = ", ".join(f"{reward:.2f}" for reward in last)
        print(f"| {name} | {first:.2f} | {sum(last) / len(last):.2f} | {each} |", flush=True)


if __name__ == "__main__":
    main()
