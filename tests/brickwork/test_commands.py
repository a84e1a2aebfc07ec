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
    assert manifest["limits"] == {"m": 6, "n": 5, "k": 7}
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
        "floating-point",
        ("generate", "gemm:m=4,n=4,k=4,format=fp32", *ARRAY),
        "tensor 'O' has format fp32, but functional units exist for int4, int8, int16 and int32 only",
    ),
)


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.id)
def test_mistake(case: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = brickwork(*case.arguments)
    assert ran.err == f"brickwork: error: {case.says}\n"
    assert (ran.status, ran.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_inputs_that_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", A=np.zeros((6, 6), np.int8), C=np.zeros(3))
    ran = brickwork("simulate", GEMM, *ICARUS, "--inputs", str(tmp_path / "in.npz"))
    assert ran.status == 1
    assert all(line.startswith("brickwork: error: ") for line in ran.err.splitlines())
    assert [name for name in ("'A'", "'B'", "'C'") if name not in ran.err] == []
    (tmp_path / "bad.npz").write_bytes(b"not an archive")
    ran = brickwork("simulate", GEMM, *ICARUS, "--inputs", str(tmp_path / "bad.npz"))
    assert ran.err == (
        f"brickwork: error: --inputs {tmp_path / 'bad.npz'}: expected an .npz archive of arrays, "
        "as numpy.savez writes it\n"
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


def test_bench_without_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    assert not torch.cuda.is_available()
    ran = brickwork("bench", "gemm-128")
    assert ran.status == 1
    assert ran.err.splitlines()[-1].startswith("brickwork: error: no CUDA GPU can be used here")
