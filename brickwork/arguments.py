"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="a library name such as gemm:m=64 or a spec file")]
DataflowOption = Annotated[str | None, typer.Option("--dataflow", help="a dataflow of the spec, by name")]
SpaceOption = Annotated[str | None, typer.Option(help="functional units along each axis, as m=16,n=16")]
SkewOption = Annotated[str | None, typer.Option(help="cycles of control delay along each axis, as 1,1")]
OrderOption = Annotated[str | None, typer.Option(help="time loops, outermost first, as m,n,k")]
TileOption = Annotated[str | None, typer.Option(help="iterations that the banks hold in one run, as oh=28")]
LimitOption = Annotated[str | None, typer.Option(help="largest extents to generate for, as m=512,k=1024")]
FanOutOption = Annotated[int, typer.Option(help="most operands behind one register; 0: as many as there are")]
OutputFormatOption = Annotated[
    str | None, typer.Option("--output-format", help="block format that results are quantized to, as nvfp4")
]
QuantizersOption = Annotated[
    int | None, typer.Option(help="quantizers at work at the same time; one a group of output banks when left out")
]
AlphaOption = Annotated[float, typer.Option(help="factor of integer results before they are quantized")]
MultiplierOption = Annotated[
    float | None, typer.Option(help="factor of NVFP4's block scales; that of the results when left out")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
SimulatorOption = Annotated[str, typer.Option(help="verilator or icarus")]
InputsOption = Annotated[Path | None, typer.Option(help=".npz with the input tensors by name")]
SeedOption = Annotated[int, typer.Option(help="seed of the random inputs")]
FolderOption = Annotated[Path, typer.Option("--output", "-o", help="folder for the results")]
InputShapeOption = Annotated[
    list[str] | None, typer.Option("--input", help="shape of a torch model's input, as 1x3x224x224; one an input")
]
InputDtypeOption = Annotated[str, typer.Option("--input-dtype", help="torch's type of these inputs")]
GpuOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--gpu", help="measurement file of `brickwork bench`; may be given several times; an H200's when left out"
    ),
]

HERE = Path("brickwork-out")
SIMULATORS = ("verilator", "icarus")
