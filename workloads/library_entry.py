"""What a library entry is: a nest with parameters, and how to write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workloads.body import parse_body, parse_guard
from workloads.dataflow_spec import DataflowSpec
from workloads.errors import SpecError
from workloads.formats import FORMATS
from workloads.nest import Loop, Nest, Tensor, reached_shape

Sizes = Mapping[str, int]
Build = Callable[[Sizes, str], Nest]


class LibraryError(SpecError):
    """A library name or its parameters make no nest; lists every fault."""


@dataclass(frozen=True)
class Entry:
    """A nest with parameters.

    Attributes
    ----------
    defaults : tuple of (parameter, value)
        Every integer parameter; ``format`` comes on top.
    formats : tuple of str
        What ``format`` may be, the default first; empty where it is the inputs' and may be anything.
    space : tuple of str
        Loops on the axes of the default dataflow, each 16 wide or as wide as the loop.
    use : str
        A text for `workloads.spec.load`.
    """

    name: str
    description: str
    defaults: tuple[tuple[str, int], ...]
    space: tuple[str, ...]
    build: Build
    formats: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """The default of ``format``."""
        return self.formats[0] if self.formats else "int8"

    @property
    def use(self) -> str:
        return f"{self.name}:{','.join(f'{n}={value}' for n, value in self.defaults[:3])},format={self.format}"

    def dataflow(self, nest: Nest) -> DataflowSpec:
        """A systolic array over ``space``."""
        sizes = tuple((loop, min(16, nest.extents[loop])) for loop in self.space)
        return DataflowSpec("dataflow", sizes, (1,) * len(sizes))


def library_nest(
    name: str,
    loops: Sizes,
    body: str,
    number_format: str,
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    padded: tuple[str, ...] = (),
    guards: tuple[str, ...] = (),
    formats: Mapping[str, str] | None = None,
) -> Nest:
    """Read ``body`` over ``loops``; inputs have the format named, the output the one that holds their sums.

    Parameters
    ----------
    shapes
        Of tensors that are larger than what the accesses reach.
    formats
        Of tensors that differ from the others.
    """
    parsed = parse_body(body)
    accesses = (parsed.output, *parsed.inputs)
    operand = FORMATS[number_format]
    result = FORMATS["int32" if operand.integer else "fp32"]
    tensors = tuple(
        Tensor(
            tensor,
            FORMATS[formats[tensor]] if formats and tensor in formats else operand if position else result,
            (shapes or {}).get(tensor) or reached_shape(tensor, accesses, loops),
            tensor in padded,
        )
        for position, tensor in enumerate(dict.fromkeys(a.tensor for a in accesses))
    )
    return Nest(
        name,
        tuple(Loop(n, extent) for n, extent in loops.items()),
        parsed.output,
        parsed.inputs,
        tensors,
        parsed.coefficient,
        tuple(g for text in guards for g in parse_guard(text)),
        parsed.unit,
        parsed.reduction,
    )


def contraction(name: str, body: str, *loops: str) -> Build:
    """A nest whose loops are its parameters."""
    return lambda sizes, number_format: library_nest(name, {n: sizes[n] for n in loops}, body, number_format)


def flag(name: str, sizes: Sizes, parameter: str) -> bool:
    """A parameter that is 0 or 1.

    Raises
    ------
    LibraryError
    """
    if sizes[parameter] > 1:
        raise LibraryError((f"{name}: parameter {parameter!r} must be 0 or 1, not '{sizes[parameter]}'",))
    return bool(sizes[parameter])


def parameters(text: str) -> tuple[tuple[str, int], ...]:
    """Read ``m=64 n=32``."""
    return tuple((name, int(value)) for name, value in (part.split("=") for part in text.split()))
