"""Measure the generic kernel beside stock operators and write a measurement file."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sw_kernels.cases import Case, cases, peer
from sw_kernels.launch import contract
from sw_kernels.measure import (
    Call,
    Meter,
    copies_past_cache,
    environment,
    measure,
    relative_error,
    require_gpu,
    write_measurements,
)
from sw_kernels.tiles import CANDIDATES, Tiles
from workloads.errors import BrickworkError

Say = Callable[[str, float], None]

# Errors above these are wrong results, not rounding: relative L2, and largest element over the root mean square.
MOST_RELATIVE, MOST_ELEMENT = 5e-3, 0.05

# How long the sustained measurement of a case runs.
SECONDS = 1.5

METHOD = (
    "time_us: median of CUDA graph replays over input copies of five times the L2 cache, kernel and peer in turns "
    "with a pause between; sustained_us, energy_j, power_w, clock_mhz: a full queue for 1.5 s, energy from the slope "
    "of NVML's total-energy counter, idle power included; idle_power_w: board power with an open context and nothing "
    "running; error: relative L2 against an fp64 (matrix products, integers) or fp32 (convolutions) product of the "
    "same inputs; outputs filled with NaN first; 20 further runs equal bit for bit"
)


class BenchError(BrickworkError):
    """A case that is not known, or a kernel whose result is wrong."""


def bench(names: Sequence[str], out: Path, say: Say | None = None, *, tune: bool = False) -> dict[str, Any]:
    """Measure the named cases (all when empty) and write ``out``.

    Raises
    ------
    BenchError
        A name matches no case, or a result is wrong; then no speed is reported.
    NoGpuError
        There is no GPU.
    """
    chosen = [c for c in cases() if not names or any(c.name.startswith(n) for n in names)]
    for name in names:
        if not any(c.name.startswith(name) for c in cases()):
            known = ", ".join(c.name for c in cases())
            raise BenchError(f"case {name!r} is not known; expected the beginning of one of {known}")
    torch = require_gpu()
    meter = Meter()
    # Opens the context, whose power counts as idle.
    torch.zeros(1, device="cuda")
    properties = torch.cuda.get_device_properties(0)
    result: dict[str, Any] = {
        **environment(torch, meter),
        "provenance": {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "command": "brickwork bench",
            "method": METHOD,
            "l2_bytes": properties.L2_cache_size,
            "idle_power_w": meter.idle_power_w(),
        },
        "cases": [],
    }
    for number, case in enumerate(chosen):
        if say:
            say(case.name, number / len(chosen))
        result["cases"].append(_case(torch, meter, case, properties.L2_cache_size, tune))
        print(json.dumps(result["cases"][-1]), file=sys.stderr, flush=True)
        # What is done is kept, whatever comes after it.
        write_measurements(out, result)
    return result


def _tensors(torch: Any, case: Case, seed: int) -> dict[str, Any]:
    generator = torch.Generator(device="cuda").manual_seed(seed)
    made = {}
    for access in case.nest.inputs:
        tensor = case.nest.tensor(access.tensor)
        if case.dtype == "int8":
            value = torch.randint(-128, 128, tensor.shape, device="cuda", generator=generator, dtype=torch.int8)
        else:
            value = torch.randn(tensor.shape, device="cuda", generator=generator).to(getattr(torch, case.dtype))
        made[tensor.name] = value
    return made


def _reference(torch: Any, case: Case, tensors: dict[str, Any]) -> Any:
    """The product in fp64 for matrix products and integers, in fp32 without TF32 for convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    convolution = case.nest.name in ("conv", "depthwise") and case.dtype != "int8"
    wide = torch.float32 if convolution else torch.float64
    exact = Case(case.name, case.nest, "float", case.peer)
    return peer(torch, exact, {name: value.to(wide) for name, value in tensors.items()})()


def _case(torch: Any, meter: Meter, case: Case, cache_bytes: int, tune: bool) -> dict[str, Any]:
    nest = case.nest
    output_type = torch.int32 if case.dtype == "int8" else getattr(torch, case.dtype)
    shape = nest.tensor(nest.output.tensor).shape
    first = _tensors(torch, case, 0)
    bytes_each = sum(t.numel() * t.element_size() for t in first.values())
    copies = [first, *(_tensors(torch, case, s) for s in range(1, copies_past_cache(bytes_each, cache_bytes)))]
    count = len(copies)
    outputs = [torch.empty(shape, dtype=output_type, device="cuda") for _ in copies]
    poison = -7777777 if case.dtype == "int8" else float("nan")
    reference = _reference(torch, case, first)

    def check(tiles: Any) -> tuple[float, float]:
        outputs[0].fill_(poison)
        contract(nest, copies[0], outputs[0], tiles=tiles)
        return relative_error(torch, outputs[0], reference)

    def ours_with(tiles: Tiles | None) -> Call:
        return lambda c: contract(nest, copies[c], outputs[c], tiles=tiles)

    tried: dict[str, float] = {}
    best: tuple[float, Tiles] | None = None
    for candidate in CANDIDATES if tune else ():
        try:
            wrong = check(candidate)[0] > MOST_RELATIVE
            time_us = (
                float("inf")
                if wrong
                else measure(torch, meter, [ours_with(candidate)], [count], seconds=0.25)[0].time_us
            )
        except Exception:
            # A tile that the compiler refuses or that does not fit the multiprocessor is no candidate.
            continue
        tried[str(candidate)] = round(time_us, 2)
        if best is None or time_us < best[0]:
            best = (time_us, candidate)
    tiles = best[1] if best else None
    relative, element = check(tiles)
    if not (relative <= MOST_RELATIVE and element <= MOST_ELEMENT):
        raise BenchError(
            f"case {case.name!r} is wrong: relative error {relative:.2e}, largest {element:.2e} of the rms; "
            f"no speed is reported"
        )
    for _ in range(20):
        again = outputs[0].clone()
        outputs[0].fill_(poison)
        contract(nest, copies[0], outputs[0], tiles=tiles)
        if not torch.equal(again, outputs[0]):
            raise BenchError(f"case {case.name!r} differs from run to run; no speed is reported")
    stock = [peer(torch, case, tensors) for tensors in copies]
    ours, theirs = measure(torch, meter, [ours_with(tiles), lambda c: stock[c]()], [count, count], seconds=SECONDS)
    flop = 2 * nest.points
    moved = bytes_each + outputs[0].numel() * outputs[0].element_size()
    row: dict[str, Any] = {
        "name": case.name,
        "format": case.format,
        **({"operator": case.operator} if case.operator else {}),
        "error": relative,
        "largest_element_error": element,
        **{k: round(v, 9) for k, v in dataclasses.asdict(ours).items()},
        "flop": flop,
        "bytes": moved,
        "tflop_per_s": round(flop / ours.time_us * 1e-6, 1),
        "peer": case.peer,
        "peer_time_us": round(theirs.time_us, 3),
        "peer_sustained_us": round(theirs.sustained_us, 3),
        "peer_energy_j": round(theirs.energy_j, 9),
        "ratio_to_peer": round(theirs.time_us / ours.time_us, 4),
    }
    if tried:
        row["tried"] = tried
    return row


def main() -> None:
    """Entry point of ``python -m sw_kernels.bench``."""
    parser = argparse.ArgumentParser(description="Measure the generic kernel on this machine's GPU.")
    parser.add_argument("names", nargs="*", help="beginnings of case names; all by default")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--tune", action="store_true", help="try every candidate tile and report their times")
    options = parser.parse_args()
    try:
        bench(options.names, options.out, tune=options.tune)
    except BrickworkError as error:
        sys.exit(f"brickwork: error: {error}")


if __name__ == "__main__":
    main()
