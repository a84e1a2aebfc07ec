"""Running a nest's kernel on torch tensors."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sw_kernels.source import generate
from sw_kernels.tiles import Tiles
from workloads.errors import BrickworkError
from workloads.nest import Nest


class LaunchError(BrickworkError):
    """Tensors that do not fit a nest, or a nest that no kernel form computes; lists every fault."""

    def __init__(self, nest: str, faults: tuple[str, ...]) -> None:
        self.nest, self.faults = nest, faults
        super().__init__("\n".join(f"nest {nest!r}: {fault}" for fault in faults))


def explain(nest: Nest) -> str:
    """Which kernel form a nest gets, with its roles and tiles, and why."""
    formats = [nest.tensor(access.tensor).format for access in nest.inputs]
    return generate(nest, formats[0].bits // 8, integer=formats[0].integer).why


def contract(
    nest: Nest, tensors: Mapping[str, Any], output: Any, *, tiles: Tiles | None = None, form: str | None = None
) -> None:
    """Compute a nest into ``output``; every element is written.

    Parameters
    ----------
    tensors
        Contiguous torch tensors by name, of the nest's shapes; their type decides the arithmetic: int8 with int32
        sums, fp16, bf16 and fp32 with fp32 sums.
    output
        A contiguous tensor of the output's shape.

    Raises
    ------
    LaunchError
        Lists every tensor that is missing or has another shape, type or device than expected.
    """
    _check(nest, tensors, output)
    first = [tensors[access.tensor] for access in nest.inputs]
    source = generate(
        nest, first[0].element_size(), integer=not first[0].is_floating_point(), tiles=tiles, form=form
    )
    kernel = load_kernel(source.text)
    kernel[(source.grid,)](*first, output, num_warps=source.tiles.warps, num_stages=source.tiles.stages)


@functools.cache
def load_kernel(text: str) -> Any:
    """The kernel function of a source; Triton reads the source back from the file that this writes."""
    given = os.environ.get("BRICKWORK_CACHE")
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"brickwork-{os.getuid()}"
    folder = folder / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"kernel_{hashlib.sha256(text.encode()).hexdigest()[:20]}.py"
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(name, path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.kernel


def _check(nest: Nest, tensors: Mapping[str, Any], output: Any) -> None:
    faults = []
    wanted = {t.name: t for t in nest.tensors}
    given = {**tensors, nest.output.tensor: output}
    for name in sorted(set(given) - set(wanted)):
        faults.append(f"tensor {name!r} was given, but the nest's tensors are {', '.join(wanted)}")
    for name, tensor in wanted.items():
        value = given.get(name)
        if value is None:
            faults.append(f"tensor {name!r} is missing; expected shape {list(tensor.shape)}")
        elif tuple(value.shape) != tensor.shape:
            faults.append(f"tensor {name!r} has shape {list(value.shape)}; expected {list(tensor.shape)}")
        elif not value.is_contiguous():
            faults.append(f"tensor {name!r} is not contiguous; expected row-major storage")
        elif value.numel() >= 1 << 31:
            faults.append(f"tensor {name!r} has {value.numel()} elements; indices are 32 bits wide")
    kinds = {str(given[a.tensor].dtype) for a in nest.inputs if a.tensor in given}
    if len(kinds) > 1:
        faults.append(f"the inputs have types {', '.join(sorted(kinds))}; expected one type for all")
    if not faults and _reads_twice(nest):
        faults.append("the output's access map reaches an element from several output points; no kernel form adds those")
    if faults:
        raise LaunchError(nest.name, tuple(faults))


def _reads_twice(nest: Nest) -> bool:
    """True unless every output element belongs to one point of the output's loops."""
    used: list[str] = []
    for index in nest.output.index:
        if len(index.terms) > 1:
            return True
        used += index.loops
    return len(set(used)) != len(used)


