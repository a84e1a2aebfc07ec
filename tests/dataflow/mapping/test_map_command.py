"""The verb ``map``: what it prints, and what it says to mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from shlex import split

import pytest
from typer.testing import CliRunner

from brickwork.cli import app
from dataflow.mapping import Machine, gemmini_mapping
from workloads.spec import load

SMALL = ("gemm:m=20,n=12,k=30", "--array", "4x4", "--buffer", "200")
SPEC = """\
name: product
loops: {m: 32, n: 32, k: 32}
body: C[m, n] += A[m, k] * B[k, n]
formats: {C: int32, A: int8, B: int8}
dataflows:
  - {name: outputs, space: {m: 4, n: 4}, order: [m, n, k]}
  - {name: weights, space: {k: 4, n: 4}, order: [k, n, m]}
"""


def brickwork(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["map", *arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def facts(*arguments: str) -> dict:
    status, out, _ = brickwork(*arguments, "--json")
    assert status == 0
    return json.loads(out)


def test_a_nest_as_text() -> None:
    status, out, _ = brickwork(*SMALL, "--objective", "cycles")
    assert status == 0
    # How the search went is the only thing that two versions may print differently.
    assert re.sub(r"[\d,]+ bounds, \d+ evaluated, \d+\.\d+ s\n", "...\n", out) == (
        "off-chip memory\n"
        "  for m in 5 tiles of 4\n"
        "    for n in 3 tiles of 4\n"
        "      for k in 2 tiles of 15\n"
        "      buffer\n"
        "        for k in 15\n"
        "          parallel m over 4, n over 4: O[m, n] += A[m, k], B[k, n]\n"
        "\n"
        "4,035 cycles, 4.0 us, one after the other: array 750, transfers 285, their latency 3,000; "
        "utilization 11.2%\n"
        "4,035 cycles with transfers one tile ahead of the array\n"
        "0.27 uJ (37.307 pJ a product): operations 720.0 pJ, hops 84.7 pJ, buffer 0.01 uJ, off-chip 0.26 uJ\n"
        "tensor       tile bytes   fetched bytes    stored bytes     buffer reads    buffer writes\n"
        "A                    60           1,800               0            1,800                0\n"
        "B                    60           1,800               0            1,800                0\n"
        "O                    64               0             960              240              480\n"
        "proven: no mapping is better; 12,960 mappings on 9 dataflows, ...\n"
        "array in RTL: brickwork simulate gemm:m=20,n=12,k=30 --space m=4,n=4 --skew 1,1 --order m,n,k "
        "--tile m=4,n=4,k=15\n"
    )


def test_the_example_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example
    exec(compile(example[1], "docs/mapping.md", "exec"), {})


def test_a_nest_as_json() -> None:
    found = facts(*SMALL)
    assert found["certificate"]["proven"]
    assert found["certificate"]["lower_bound"] <= found["certificate"]["value"]
    assert found["energy_pj"] == pytest.approx(
        sum(found[f"{p}_pj"] for p in ("operation", "hop", "buffer", "off_chip"))
    )
    moved = sum(t["fetched_bytes"] + t["stored_bytes"] for t in found["tensors"])
    assert found["transfer_bytes"] == moved
    copies = 2 if found["double_buffered"] else 1
    assert copies * sum(t["tile_bytes"] for t in found["tensors"]) <= 200


def test_the_printed_command_runs_in_rtl() -> None:
    found = facts("gemm:m=9,n=10,k=33", "--array", "3x4", "--buffer", "400", "--exact-timing")
    command = split(found["simulate"])
    assert command[:2] == ["brickwork", "simulate"]
    done = CliRunner().invoke(app, [*command[1:], "--simulator", "icarus", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    simulated = json.loads(done.stdout)
    assert simulated["match"]
    assert simulated["cycles"]["simulated"] == found["array_cycles"]


def test_dataflows_of_a_spec_file_are_the_choice(tmp_path: Path) -> None:
    path = tmp_path / "product.yaml"
    path.write_text(SPEC, encoding="utf-8")
    found = facts(str(path), "--buffer", "1KB")
    assert found["certificate"]["dataflows"] == 2
    assert found["dataflow"] in ("outputs", "weights")
    assert facts(str(path), "--array", "4x4", "--buffer", "1KB")["certificate"]["dataflows"] == 9
    assert facts(str(path), "--dataflow", "weights", "--buffer", "1KB")["dataflow"] == "weights"


def test_options_change_what_they_say() -> None:
    found = facts(*SMALL)
    assert facts(*SMALL, "--every-tile")["certificate"]["mappings"] > found["certificate"]["mappings"]
    assert facts(*SMALL, "--clock", "2")["time_us"] == found["time_us"] / 2
    assert facts(*SMALL, "--technology", "45nm")["energy_pj"] > 2 * found["energy_pj"]
    assert facts(*SMALL, "--result-bits", "8")["tensors"][2]["stored_bytes"] < found["tensors"][2]["stored_bytes"]
    # Between 8 KB and 1 MB of the table, 128 KB costs more than one of its banks; the counts stay.
    large = facts("gemm:m=64,n=64,k=64", "--objective", "cycles")
    banked = facts("gemm:m=64,n=64,k=64", "--objective", "cycles", "--bank", "8KB")
    assert banked["buffer_pj"] < large["buffer_pj"]
    assert banked["tensors"] == large["tensors"]
    assert facts(*SMALL, "--axes", "k,n", "--axes", "m,n")["certificate"]["dataflows"] == 6


def test_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("alexnet", "--array", "16x16", "--axes", "oc,ic", "--axes", "n,k", "--objective", "energy")
    found = facts(*arguments)
    assert found["proven"]
    assert found["macs"] == 714_188_480 == sum(layer["macs"] * layer["times"] for layer in found["layers"])
    assert found["cycles"] == sum(layer["cycles"] * layer["times"] for layer in found["layers"])
    assert 0 < found["utilization"] < 1
    status, out, _ = brickwork(*arguments)
    assert status == 0
    assert out.startswith("alexnet, one image of 224 x 224: 714,188,480 products, 61,100,840 parameters\n")
    assert f"{found['cycles']:,}" in out
    assert "every layer proven" in out


def test_the_gemmini_tiler() -> None:
    arguments = ("gemm:m=64,n=64,k=64", "--array", "16x16", "--buffer", "32KB", "--tiler", "gemmini")
    found = facts(*arguments)
    nest = load("gemm:m=64,n=64,k=64").nest
    direct = gemmini_mapping(nest, Machine(32 << 10, 16.0, 100), (16, 16))
    assert (found["cycles"], found["tiles"]) == (
        direct.cost.cycles,
        {loop: cut.size for loop, cut in direct.mapping.cuts},
    )
    assert (found["certificate"]["tiler"], found["certificate"]["proven"]) == ("gemmini", False)
    status, out, _ = brickwork(*arguments)
    assert status == 0
    assert re.search(r"^not proven: chosen by the gemmini tiler, \d+\.\d+ s$", out, re.MULTILINE)
    status, out, _ = brickwork("alexnet", "--tiler", "gemmini")
    assert status == 0
    assert re.search(r"off chip; not proven: chosen by the gemmini tiler, \d+\.\d s$", out)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("gemm", "--tiler", "gemini"), "--tiler: expected one of optimal, gemmini, not 'gemini'"),
        (
            ("gemm", "--tiler", "gemmini", "--array", "8x32"),
            "nest 'gemm': the gemmini tiler is for square arrays, not 8x32",
        ),
        (
            ("mttkrp:i=4,j=4,k=4,l=4", "--tiler", "gemmini"),
            "nest 'mttkrp': the gemmini tiler knows nests of 2 inputs, not of 3",
        ),
        (
            ("gemm", "--tiler", "gemmini", "--buffer", "100"),
            "nest 'gemm': the buffer of 100 bytes is too small for the gemmini tiler",
        ),
        (
            ("gemm", "--tiler", "gemmini", "--space", "m=4"),
            "--tiler gemmini makes its own dataflow, which keeps weights; expected --array, not dataflow 'm'",
        ),
        (
            ("gemm", "--tiler", "gemmini", "--every-tile"),
            "--every-tile is for the optimal tiler; the gemmini tiler makes one tiling by its rules",
        ),
        (
            ("alexnet", "--tiler", "gemmini", "--axes", "oc,ow"),
            "nest 'conv2d': no dataflow of oc-ow has only loops of the weights W[oc, ic, kh, kw] on its axes, which "
            "the gemmini tiler keeps",
        ),
        (("resnet50", "--exact-timing"), "--exact-timing is about one nest; a network has many"),
        (
            ("resnet5",),
            "'resnet5' is neither a spec file, nor in the library, nor a network; did you mean 'resnet50'?",
        ),
        (("gemm", "--buffer", "12XB"), "--buffer: expected bytes, as in --buffer 128KB or 4MB, not '12XB'"),
        (("gemm", "--array", "16x"), "--array: expected one to three sizes, as in --array 16x16, not '16x'"),
        (("gemm", "--objective", "speed"), "--objective: expected one of cycles, energy, energy-delay, not 'speed'"),
        (
            ("gemm", "--array", "4x4", "--space", "m=4"),
            "--array and --axes try many dataflows; give them or a single dataflow, not both",
        ),
        (("resnet50", "--order", "m"), "--order is about one nest; for a network give --array and --axes"),
        (("gemm", "--format", "int8"), "--format is for networks; a nest has its formats in the spec"),
        (
            ("gemm", "--axes", "oc,ic"),
            "nest 'gemm': none of the axes oc,ic are loops of it; expected some of m, n, k",
        ),
        (
            ("gemm", "--technology", "5nm"),
            "technology '5nm': not known; expected one of 7nm, 28nm, 45nm or a .toml file",
        ),
        (
            ("gemm", "--off-chip", "hbm9"),
            "technology '7nm': off-chip memory 'hbm9' is not known; expected one of hbm2, gddr6, ddr4",
        ),
        (
            ("gemm", "--bandwidth", "0", "--latency", "-1", "--clock", "0", "--result-bits", "0"),
            "machine: the off-chip bandwidth must be more than 0 bytes a cycle, not 0\n"
            "machine: the off-chip latency must be 0 or more cycles, not -1\n"
            "machine: the clock must be more than 0 GHz, not 0\n"
            "machine: a finished sum must have at least 1 bit, not 0",
        ),
        (
            ("gemm", "--buffer", "100"),
            "nest 'gemm': the buffer of 100 bytes excludes every mapping: the smallest tiles need 336 bytes on "
            "dataflow 'm_k_keeps_O' (A 256, B 16, O 64)",
        ),
        (
            ("gemm", "--axes", "m,n,k"),
            "nest 'gemm': axes m,n,k do not fit an array of 16 x 16; expected at most 2 different loops",
        ),
        (
            ("alexnet", "--axes", "oc,oc"),
            "nest 'conv2d': axes oc,oc do not fit an array of 16 x 16; expected at most 2 different loops",
        ),
        (("gemm", "--bank", "1MB"), "machine: a bank must hold 1 to 131072 bytes, what the buffer does, not 1048576"),
        (("gpt2:tokens=0",), "gpt2: parameter 'tokens' must be an integer of at least 1, not '0'"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], says: str) -> None:
    status, out, err = brickwork(*arguments)
    assert (status, out) == (1, "")
    assert err == "".join(f"brickwork: error: {line}\n" for line in says.splitlines())
