"""Running a nest's kernel on torch tensors."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from sw_kernels.contraction import generate
from sw_kernels.source import Source
from sw_kernels.stored_again import stored_along_reduction
from sw_kernels.tiles import Tiles
from sw_kernels.transposed.launch import moved_last
from workloads.errors import BrickworkError
from workloads.nest import Nest

# Bytes of an element of each type of input.
TYPES = {"int8": 1, "int16": 2, "int32": 4, "float16": 2, "bfloat16": 2, "float32": 4}


class LaunchError(BrickworkError):
    """Tensors that do not fit a nest, or a nest that no kernel form computes; lists every fault."""

    def __init__(self, nest: str, faults: tuple[str, ...]) -> None:
        self.nest, self.faults = nest, faults
        super().__init__("\n".join(f"nest {nest!r}: {fault}" for fault in faults))


def explain(nest: Nest, dtype: str | None = None) -> str:
    """Which kernel form a nest gets, with its roles and tiles, and why.

    Parameters
    ----------
    dtype
        Name of the inputs' torch type, ``float16`` for example; the nest's own format when left out.
    """
    if dtype is None:
        formats = [nest.tensor(access.tensor).format for access in nest.inputs]
        return _why(nest, max(f.dtype.itemsize for f in formats), formats[0].integer)
    if dtype not in TYPES:
        raise LaunchError(nest.name, (f"the type {dtype!r} is not known; expected one of {', '.join(TYPES)}",))
    return _why(nest, TYPES[dtype], dtype.startswith("int"))


def _why(nest: Nest, element_bytes: int, integer: bool) -> str:
    read, again = _read(nest, element_bytes, integer)
    first = "".join(
        f"; {name} is stored again first, with dimension {dimension} last, so that the reduction is contiguous"
        for name, dimension in again
    )
    return generate(read, element_bytes, integer=integer).why + first


def contract(
    nest: Nest, tensors: Mapping[str, Any], output: Any, *, tiles: Tiles | None = None, form: str | None = None
) -> None:
    """Compute a nest into ``output``; every element is written.

    Parameters
    ----------
    tensors
        Contiguous torch tensors by name, of the nest's shapes and all of one type, which decides the arithmetic:
        integers with int32 sums that wrap; fp16, bf16 and fp32 with fp32 sums.
    output
        A contiguous tensor of the output's shape; sums are rounded or wrapped to its type at the end.
    tiles, form
        Overrule the choice that `explain` reports.

    Raises
    ------
    LaunchError
        Lists every tensor that is missing or has another shape, type or device than expected.
    """
    _check(nest, tensors, output)
    factors = [tensors[access.tensor] for access in nest.inputs]
    size, integer = factors[0].element_size(), not factors[0].is_floating_point()
    if form is None:
        nest, again = _read(nest, size, integer)
        tensors = {**tensors, **{name: moved_last(tensors[name], last) for name, last in again}}
        factors = [tensors[access.tensor] for access in nest.inputs]
    source = _generated(nest, size, integer, tiles, form)
    if not _covers(nest):
        output.zero_()
    kernel = load_kernel(source.text)
    kernel[(source.grid,)](*factors, output, num_warps=source.tiles.warps, num_stages=source.tiles.stages)


@functools.lru_cache(maxsize=256)
def _read(nest: Nest, element_bytes: int, integer: bool) -> tuple[Nest, tuple[tuple[str, int], ...]]:
    """The nest that a kernel is written for, and the tensors that are stored again for it."""
    if not nest.contraction:
        return nest, ()
    read, again = stored_along_reduction(nest, element_bytes, integer=integer)
    return read, tuple(again.items())


@functools.lru_cache(maxsize=256)
def _generated(nest: Nest, element_bytes: int, integer: bool, tiles: Tiles | None, form: str | None) -> Source:
    return generate(nest, element_bytes, integer=integer, tiles=tiles, form=form)


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
            faults.append(f"tensor {name!r} has {value.numel()} elements; expected fewer than 2**31")
    present = {name: given[name] for name in wanted if given.get(name) is not None}
    types = sorted({str(v.dtype).removeprefix("torch.") for n, v in present.items() if n != nest.output.tensor})
    if len(types) > 1:
        faults.append(f"the inputs have types {', '.join(types)}; expected one type for all")
    elif types and types[0] not in TYPES:
        faults.append(f"the inputs have type {types[0]}; expected one of {', '.join(TYPES)}")
    devices = sorted({str(value.device) for value in present.values()})
    if len(devices) > 1:
        faults.append(f"the tensors are on {', '.join(devices)}; expected one device for all")
    if not _one_point_an_element(nest):
        faults.append(f"several output points may reach one element of {nest.output}; no kernel form adds those")
    if faults:
        raise LaunchError(nest.name, tuple(faults))


def _one_point_an_element(nest: Nest) -> bool:
    """Whether each dimension counts in mixed radix over loops of its own, so that no two points share an element."""
    used: set[str] = set()
    for index in nest.output.index:
        reach = 0
        for loop, coefficient in sorted(index.terms, key=lambda term: abs(term[1])):
            if loop in used or abs(coefficient) <= reach:
                return False
            used.add(loop)
            reach += abs(coefficient) * (nest.extents[loop] - 1)
    return True


def _covers(nest: Nest) -> bool:
    """Whether there are as many output points as elements."""
    return prod(nest.extents[loop] for loop in nest.output.loops) == nest.tensor(nest.output.tensor).elements
