"""The command line: what each verb prints and writes, and what it says to mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import brickwork as api
from brickwork.cli import app
from workloads.interpreter import run_points
from workloads.spec import load

GEMM = "gemm:m=6,n=5,k=7"
ARRAY = ("--space", "m=2,n=2")
ICARUS = (*ARRAY, "--simulator", "icarus")


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


def brickwork(*arguments: str) -> Ran:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return Ran(done.exit_code, done.stdout, done.stderr)


def test_list_names_every_workload() -> None:
    ran = brickwork("list", "--json")
    found = json.loads(ran.out)
    assert ran.status == 0
    assert {"gemm", "conv2d", "mttkrp"} <= {entry["name"] for entry in found["workloads"]}
    assert "gemm" in brickwork("list").out


def test_show_draws_the_array(tmp_path: Path) -> None:
    picture = tmp_path / "array.svg"
    ran = brickwork("show", GEMM, *ARRAY, "--drawing", str(picture))
    assert ran.status == 0
    assert "array of 2 x 2 functional units" in ran.out
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert json.loads(brickwork("show", GEMM, "--json").out)["macs"] == 210


def test_generate_writes_the_same_bytes_twice(tmp_path: Path) -> None:
    texts = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        ran = brickwork("generate", GEMM, *ARRAY, "-o", str(folder), "--json")
        facts = json.loads(ran.out)
        assert ran.status == 0
        assert {"verilog", "manifest", "modules", "instances", "register_bits", "seconds"} <= set(facts)
        texts.append([Path(facts[key]).read_bytes() for key in ("verilog", "manifest", "drawing")])
    assert texts[0] == texts[1]
    manifest = json.loads(texts[0][1])
    assert manifest["modes"][0]["limits"] == {"m": 6, "n": 5, "k": 7}
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["gemm_m_n.json", "gemm_m_n.svg", "gemm_m_n.v"]


def test_simulate_with_given_tensors(tmp_path: Path) -> None:
    nest = load(GEMM).nest
    rng = np.random.default_rng(5)
    tensors = {name: rng.integers(-128, 128, nest.tensor(name).shape, dtype=np.int8) for name in ("A", "B")}
    np.savez(tmp_path / "in.npz", **tensors)
    ran = brickwork(
        "simulate",
        GEMM,
        *ICARUS,
        "--inputs",
        str(tmp_path / "in.npz"),
        "--outputs",
        str(tmp_path / "out.npz"),
        "--json",
    )
    facts = json.loads(ran.out)
    assert (ran.status, facts["match"]) == (0, True)
    assert facts["cycles"]["predicted"] == facts["cycles"]["simulated"]
    assert {"macs", "utilization", "simulator", "seconds", "outputs"} <= set(facts)
    with np.load(tmp_path / "out.npz") as archive:
        assert (archive["O"] == run_points(nest, tensors)).all()


def test_simulate_at_another_size() -> None:
    facts = json.loads(brickwork("simulate", GEMM, *ICARUS, "--size", "m=3,k=2", "--json").out)
    assert facts["match"]
    assert facts["macs"] == 30


def test_report_is_one_file_with_the_result(tmp_path: Path) -> None:
    ran = brickwork("report", GEMM, *ICARUS, "-o", str(tmp_path), "--json")
    page = Path(json.loads(ran.out)["report"]).read_text(encoding="utf-8")
    cycles = json.loads(brickwork("simulate", GEMM, *ICARUS, "--json").out)["cycles"]["simulated"]
    assert ran.status == 0
    assert f"<b>{cycles}</b>" in page
    for scheme in ("https://", "http://"):
        rest = [
            part
            for part in page.split(scheme)[1:]
            if not part.startswith(("www.w3.org/", "purl.org/", "creativecommons.org/"))
        ]
        assert rest == []


def test_help_has_examples() -> None:
    for verb in ("list", "show", "generate", "simulate", "report", "bench", "demo"):
        assert "Example" in brickwork(verb, "--help").out


@dataclass(frozen=True)
class Mistake:
    id: str
    arguments: tuple[str, ...]
    says: str


KNOWN = "the loops of nest 'gemm' are m, n, k"
MISTAKES = (
    Mistake(
        "unknown-axis",
        ("generate", GEMM, "--space", "q=4"),
        f"dataflow 'q': space names 'q', which is not a loop; {KNOWN}",
    ),
    Mistake(
        "space-form",
        ("generate", GEMM, "--space", "m:4"),
        "--space: expected loop=number, as in --space m=16,n=16, not 'm:4'",
    ),
    Mistake("space-twice", ("generate", GEMM, "--space", "m=4,m=4"), "--space names loop 'm' twice"),
    Mistake(
        "skew-length",
        ("generate", GEMM, *ARRAY, "--skew", "1"),
        "dataflow 'm_n': skew has 1 entries for 2 axes; expected one an axis",
    ),
    Mistake(
        "skew-form",
        ("generate", GEMM, *ARRAY, "--skew", "a,1"),
        "--skew: expected whole numbers, as in --skew 1,1, not 'a'",
    ),
    Mistake(
        "order-short",
        ("show", GEMM, *ARRAY, "--order", "m,n"),
        "dataflow 'm_n': order leaves out 'k'; expected every loop once",
    ),
    Mistake(
        "tile-odd",
        ("show", GEMM, *ARRAY, "--tile", "m=3"),
        "dataflow 'm_n': tile holds 3 iterations of loop 'm', which is not a multiple of the 2 functional units "
        "on its axis",
    ),
    Mistake(
        "dataflow-and-space",
        ("generate", GEMM, *ARRAY, "--dataflow", "dataflow"),
        "--dataflow and --space exclude each other: the one names a dataflow, the other makes a new one",
    ),
    Mistake(
        "dataflow-unknown",
        ("generate", GEMM, "--dataflow", "best"),
        "spec 'gemm' has no dataflow 'best'; expected one of dataflow",
    ),
    Mistake(
        "limit-unknown",
        ("generate", GEMM, *ARRAY, "--limit", "z=9"),
        f"--limit names 'z', which is not a loop; {KNOWN}",
    ),
    Mistake(
        "size-unknown", ("simulate", GEMM, *ICARUS, "--size", "z=9"), f"--size names 'z', which is not a loop; {KNOWN}"
    ),
    Mistake(
        "size-beyond",
        ("simulate", GEMM, *ICARUS, "--size", "m=9"),
        "design 'gemm_m_n': loop 'm' has extent 9, but the design was generated for at most 6",
    ),
    Mistake("spec-missing", ("show", "nothing.yaml"), "nothing.yaml: cannot read the file: no such file or directory"),
    Mistake(
        "inputs-missing",
        ("simulate", GEMM, *ICARUS, "--inputs", "nothing.npz"),
        "--inputs nothing.npz: there is no such file",
    ),
    Mistake(
        "outputs-suffix",
        ("simulate", GEMM, *ICARUS, "--outputs", "result.txt"),
        "--outputs result.txt: expected a name that ends in .npz",
    ),
    Mistake(
        "drawing-nowhere",
        ("show", GEMM, *ARRAY, "--drawing", "/proc/nowhere/array.svg"),
        "cannot write /proc/nowhere/array.svg: No such file or directory",
    ),
    Mistake(
        "order-unknown",
        ("show", GEMM, *ARRAY, "--order", "m,n,k,z"),
        f"dataflow 'm_n': order names 'z', which is not a loop; {KNOWN}",
    ),
    Mistake("tile-empty", ("show", GEMM, "--tile", ""), "--tile: expected loop=number, as in --tile m=16,n=16, not ''"),
    Mistake(
        "array-huge",
        ("generate", GEMM, "--space", "m=100000,n=100000"),
        "dataflow 'm_n': an array of 100000 x 100000 has 10000000000 functional units; at most 16384 are allowed",
    ),
    Mistake(
        "bank-huge",
        ("generate", "gemm:m=16,n=2048,k=2048", "--space", "m=2,k=1"),
        "dataflow 'm_k': tensor 'B' needs 4194304 words in each of its banks; at most 1048576 are allowed; "
        "hold less of it at a time with 'tile' (--tile)",
    ),
    Mistake(
        "limit-zero",
        ("generate", GEMM, *ARRAY, "--limit", "m=0"),
        "limit of loop 'm': expected 1 to 2147483647, not 0",
    ),
    Mistake(
        "fan-out-one",
        ("generate", GEMM, *ARRAY, "--fan-out-limit", "1"),
        "fan-out limit: expected at least 2 operands, or 0 for no limit, not 1",
    ),
    Mistake("seed-negative", ("simulate", GEMM, *ICARUS, "--seed", "-1"), "--seed: expected 0 or more, not -1"),
    Mistake(
        "size-zero",
        ("simulate", GEMM, *ICARUS, "--size", "m=0"),
        "nest 'gemm': loop 'm': the extent must be at least 1, not 0",
    ),
    Mistake(
        "simulator-unknown",
        ("simulate", GEMM, *ARRAY, "--simulator", "spice"),
        "--simulator: expected one of verilator, icarus, not 'spice'",
    ),
    Mistake(
        "waveform-suffix",
        ("simulate", GEMM, *ICARUS, "--waveform", "run.txt"),
        "design 'gemm_m_n': icarus writes waveforms as .vcd or .fst, not as .txt",
    ),
    Mistake(
        "waveform-nowhere",
        ("simulate", GEMM, *ICARUS, "--waveform", "/proc/nowhere/run.vcd"),
        "cannot write /proc/nowhere/run.vcd: No such file or directory",
    ),
    Mistake(
        "outputs-nowhere",
        ("simulate", GEMM, *ICARUS, "--outputs", "/proc/nowhere/result.npz"),
        "cannot write /proc/nowhere/result.npz: No such file or directory",
    ),
    Mistake(
        "library-unknown", ("show", "gemmm"), "'gemmm' is neither a spec file nor in the library; did you mean 'gemm'?"
    ),
    Mistake(
        "floating-point",
        ("generate", "nvfp4_gemm:m=4,n=4,k=16,format=bf16", *ARRAY),
        "tensor 'C' has format bf16, but functional units exist for int4, int8, int16, int32, int64, fp32 outputs only",
    ),
)


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.id)
def test_mistake(case: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = brickwork(*case.arguments)
    assert ran.err == f"brickwork: error: {case.says}\n"
    assert (ran.status, ran.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


ARCHIVE = "expected an .npz archive of arrays, as numpy.savez writes it"
A, B = np.zeros((6, 7), np.int8), np.zeros((7, 5), np.int8)


@dataclass(frozen=True)
class Given:
    id: str
    tensors: dict[str, np.ndarray] | np.ndarray | bytes
    says: tuple[str, ...]


GIVEN = (
    Given(
        "type",
        {"A": A.astype(np.float32), "B": B},
        ("'gemm': tensor 'A' is int8; expected an array of integers, not float32",),
    ),
    Given("range", {"A": A + np.int16(300), "B": B}, ("'gemm': tensor 'A' is int8 and holds -128..127, not 300..300",)),
    Given("shape", {"A": A[:, :6], "B": B}, ("'gemm': tensor 'A' has shape [6, 7], but the array has [6, 6]",)),
    Given("missing", {"A": A}, ("'gemm': tensor 'B' is missing; expected an array of shape [7, 5]",)),
    Given(
        "several",
        {"A": A[:2], "C": B},
        (
            "'gemm': tensor 'C' is not an input; the inputs are A, B",
            "'gemm': tensor 'A' has shape [6, 7], but the array has [2, 7]",
            "'gemm': tensor 'B' is missing; expected an array of shape [7, 5]",
        ),
    ),
    Given("no-archive", b"not an archive", (f"--inputs in.npz: {ARCHIVE}",)),
    Given("cut-archive", b"PK\x03\x04 and no more", (f"--inputs in.npz: {ARCHIVE}",)),
    Given("one-array", A, (f"--inputs in.npz: {ARCHIVE}",)),
    Given("objects", {"A": np.array([{}], dtype=object), "B": B}, (f"--inputs in.npz: {ARCHIVE}",)),
)


@pytest.mark.parametrize("case", GIVEN, ids=lambda case: case.id)
def test_inputs_that_do_not_fit(case: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("in.npz").open("wb") as file:
        if isinstance(case.tensors, bytes):
            file.write(case.tensors)
        elif isinstance(case.tensors, dict):
            np.savez(file, **case.tensors)  # type: ignore[arg-type]
        else:
            np.save(file, case.tensors)
    ran = brickwork("simulate", GEMM, *ICARUS, "--inputs", "in.npz")
    assert ran.err == "".join(f"brickwork: error: {line}\n" for line in case.says)
    assert (ran.status, ran.out) == (1, "")


def test_all_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "gemm_m_n.svg").mkdir()
    ran = brickwork("generate", GEMM, *ARRAY, "-o", str(tmp_path))
    assert ran.err == f"brickwork: error: cannot write {tmp_path / 'gemm_m_n.svg'}: it is a folder\n"
    assert [p.name for p in tmp_path.iterdir()] == ["gemm_m_n.svg"]
    (tmp_path / "file").touch()
    ran = brickwork("generate", GEMM, *ARRAY, "-o", str(tmp_path / "file"))
    assert (
        ran.err
        == f"brickwork: error: cannot write {tmp_path / 'file' / 'design.v'}: {tmp_path / 'file'} is not a folder\n"
    )


def test_interrupt_ends_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("brickwork.simulate_command.simulate", interrupted)
    ran = brickwork("simulate", GEMM, *ICARUS, "--outputs", str(tmp_path / "out.npz"))
    assert ran == Ran(130, "", "brickwork: interrupted; nothing half-written was left behind\n")
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def starving(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 8.00 TiB for an array")

    monkeypatch.setattr("brickwork.simulate_command.simulate", starving)
    ran = brickwork("simulate", GEMM, *ICARUS)
    assert ran == Ran(
        1,
        "",
        "brickwork: error: there is not enough memory for this (Unable to allocate 8.00 TiB for an array); "
        "expected smaller tensors or a smaller array\n",
    )


def test_wrong_usage_is_2() -> None:
    assert brickwork("generate").status == 2
    assert brickwork("generate", GEMM, "--nonsense").status == 2


def test_installed_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "brickwork.cli", "show", "gemm:m=0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("brickwork: error: ")


def test_bench_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    ran = brickwork("bench", "gemm-128", "--out", str(tmp_path / "gpu.json"))
    assert ran.status == 1
    assert ran.err == (
        "brickwork: error: no CUDA GPU can be used here (torch is not installed); "
        "measurements need one with torch and triton\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_functions_are_the_same_steps(tmp_path: Path) -> None:
    spec = api.load(GEMM)
    flow = api.dataflow_of(spec)
    accelerator = api.generate(spec.nest, flow, folder=tmp_path)
    result = api.simulate(accelerator, spec.nest, api.inputs_for(spec.nest, None, 3), simulator="icarus")
    page = api.report(accelerator, spec.nest, result, tmp_path / "page.html")
    assert result.matches
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert [p.suffix for p in sorted(tmp_path.iterdir())] == [".json", ".svg", ".v", ".html"]
    with pytest.raises(api.BrickworkError, match=r"^case 'none' is not known; expected the beginning of one of "):
        api.bench(["none"])
