"""The perfect affine loop nest: what every other room is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from workloads.affine import Affine, Guard
from workloads.errors import NestError
from workloads.formats import Format
from workloads.functional_unit import FunctionalUnit
from workloads.functional_units.product import UNIT as PRODUCT
from workloads.reduction import SUM, Reduction

# Extents are registers of 32 bits in hardware; points and elements are counted in 64 bits everywhere.
MOST_EXTENT = (1 << 31) - 1
MOST_COUNT = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Loop:
    """One axis of an iteration domain: ``0 <= name < extent``."""

    name: str
    extent: int


@dataclass(frozen=True, slots=True)
class Access:
    """An access map: iteration point -> element of ``tensor``, ``d = A i + b``."""

    tensor: str
    index: tuple[Affine, ...]

    def element(self, point: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(i.value(point) for i in self.index)

    @property
    def loops(self) -> tuple[str, ...]:
        """Loops that the access map depends on, in order of first use."""
        return tuple(dict.fromkeys(n for i in self.index for n in i.loops))

    def matrix(self, loops: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        """The linear part ``A``, one row a tensor dimension, one column a loop of ``loops``."""
        return tuple(tuple(i.coefficient(n) for n in loops) for i in self.index)

    def __str__(self) -> str:
        return f"{self.tensor}[{', '.join(map(str, self.index))}]"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array.

    Attributes
    ----------
    shape : tuple of int
    padded : bool
        Reads outside ``shape`` give 0; otherwise they are an error of the nest.
    """

    name: str
    format: Format
    shape: tuple[int, ...]
    padded: bool = False

    @property
    def elements(self) -> int:
        total = 1
        for extent in self.shape:
            total *= extent
        return total

    @property
    def bytes(self) -> int:
        return -(-self.elements * self.format.bits // 8)


@dataclass(frozen=True)
class Nest:
    """``output[...] += coefficient * unit(inputs)`` over a box of loops, where all guards hold.

    In an integer output, terms wrap in its format (two's complement) before they are reduced, and so do sums. Inputs
    such as e2m1 and e4m3 count in their smallest steps there, so that the output counts in ``2**-fraction_bits``.

    Attributes
    ----------
    loops : tuple of Loop
    output : Access
    inputs : tuple of Access
        Operands of the unit, the factors of a product; one tensor may appear in several of them.
    coefficient : int
    tensors : tuple of Tensor
        Output first, then inputs in order of first use.
    guards : tuple of Guard
    unit : FunctionalUnit
    reduction : Reduction

    Raises
    ------
    NestError
        The parts contradict each other; lists every fault.
    """

    name: str
    loops: tuple[Loop, ...]
    output: Access
    inputs: tuple[Access, ...]
    tensors: tuple[Tensor, ...]
    coefficient: int = 1
    guards: tuple[Guard, ...] = ()
    unit: FunctionalUnit = PRODUCT
    reduction: Reduction = SUM

    def __post_init__(self) -> None:
        if faults := tuple(_faults(self)):
            raise NestError(self.name, tuple(f for _, f in faults), tuple(place for place, _ in faults))

    def __str__(self) -> str:
        # The text of a spec file is a concept of its own, built on this one.
        from workloads.text import to_text

        return to_text(self)

    @cached_property
    def extents(self) -> dict[str, int]:
        return {loop.name: loop.extent for loop in self.loops}

    @property
    def loop_names(self) -> tuple[str, ...]:
        return tuple(loop.name for loop in self.loops)

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Output first, then the inputs."""
        return (self.output, *self.inputs)

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return {t.name: t for t in self.tensors}

    def tensor(self, name: str) -> Tensor:
        return self._tensors[name]

    @cached_property
    def reduction_loops(self) -> tuple[str, ...]:
        """Loops that the output's access map does not depend on."""
        return tuple(n for n in self.loop_names if n not in self.output.loops)

    @property
    def contraction(self) -> bool:
        """True for a sum of products."""
        return self.unit == PRODUCT and self.reduction == SUM

    @property
    def floating(self) -> bool:
        """True if the output is floating point."""
        return not self.tensor(self.output.tensor).format.integer

    @property
    def fraction_bits(self) -> int | None:
        """Terms are integers times ``2**-fraction_bits``, summed exactly; None where sums round on the way."""
        formats = [self.tensor(access.tensor).format for access in self.inputs]
        if not self.tensor(self.output.tensor).format.integer and any(f.fraction_bits is None for f in formats):
            return None
        return sum(f.fraction_bits or 0 for f in formats)

    @property
    def ignores_zeros(self) -> bool:
        """True if a term with a zero operand changes nothing."""
        return self.unit.absorbs_zero and self.reduction == SUM

    @property
    def dense(self) -> bool:
        """True if every output element between the first and the last that the loops reach is reached."""
        loops = [loop for index in self.output.index for loop in index.loops]
        unit = all(len(index.terms) <= 1 and all(abs(c) == 1 for _, c in index.terms) for index in self.output.index)
        return unit and len(set(loops)) == len(loops)

    @property
    def points(self) -> int:
        """Iteration points of the box, guards not considered."""
        total = 1
        for loop in self.loops:
            total *= loop.extent
        return total

    def guarded(self, point: Mapping[str, int]) -> bool:
        """True where every guard holds."""
        return all(g.holds(point) for g in self.guards)

    def with_extents(self, extents: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]] | None = None) -> Nest:
        """The same nest at another size; shapes follow what the accesses reach unless given."""
        loops = tuple(replace(loop, extent=extents.get(loop.name, loop.extent)) for loop in self.loops)
        sizes = {loop.name: loop.extent for loop in loops}
        tensors = tuple(
            replace(t, shape=(shapes or {}).get(t.name) or reached_shape(t.name, self.accesses, sizes))
            for t in self.tensors
        )
        return replace(self, loops=loops, tensors=tensors)


def reached_shape(tensor: str, accesses: tuple[Access, ...], extents: Mapping[str, int]) -> tuple[int, ...]:
    """The smallest shape that holds every non-negative element the accesses reach."""
    reaches = [[i.bounds(extents)[1] + 1 for i in a.index] for a in accesses if a.tensor == tensor]
    return tuple(max(1, *column) if len(column) > 1 else max(1, column[0]) for column in zip(*reaches, strict=True))


def _faults(nest: Nest) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each fault with its place, see `NestError`."""
    names = nest.loop_names
    for kind, name in (("nest", nest.name), *(("loop", n) for n in names), *(("tensor", t.name) for t in nest.tensors)):
        if not (name.isidentifier() and name.isascii()):
            yield ("name", name), f"{kind} {name!r}: a name is letters, digits and '_', starting with a letter"
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield ("loop", name), f"loop {name!r} is declared twice"
    for loop in nest.loops:
        if loop.extent < 1:
            yield ("loop", loop.name), f"loop {loop.name!r}: the extent must be at least 1, not {loop.extent}"
        elif loop.extent > MOST_EXTENT:
            yield (
                ("loop", loop.name),
                f"loop {loop.name!r}: the extent must be at most {MOST_EXTENT}, not {loop.extent}",
            )
    if nest.points > MOST_COUNT:
        yield ("loops",), f"the loops have {nest.points} points together; at most {MOST_COUNT} can be counted"
    if not nest.inputs:
        yield ("body",), "the body has no input tensor; expected a product of at least one"
    elif not nest.unit.takes(len(nest.inputs)):
        yield (
            ("body",),
            f"the functional unit {nest.unit.name!r} has {len(nest.unit.operands)} operands, not {len(nest.inputs)}",
        )
    if nest.coefficient == 0:
        yield ("body",), "the body is multiplied by 0; expected a non-zero constant"
    if any(a.tensor == nest.output.tensor for a in nest.inputs):
        yield (
            ("body",),
            f"tensor {nest.output.tensor!r} is both written and read; expected the output on the left only",
        )
    declared = {t.name: t for t in nest.tensors}
    extents = {loop.name: max(1, loop.extent) for loop in nest.loops}
    for number, access in enumerate(nest.accesses):
        place = ("access", number)
        tensor = declared.get(access.tensor)
        if tensor is None:
            yield place, f"tensor {access.tensor!r} is used but has no declaration"
            continue
        if len(tensor.shape) != len(access.index):
            yield (
                place,
                f"tensor {tensor.name!r} has {len(tensor.shape)} dimensions but {access} has {len(access.index)}",
            )
            continue
        unknown = [n for n in access.loops if n not in extents]
        for name in unknown:
            yield place, f"{access} uses {name!r}, which is not a loop; the loops are {', '.join(names)}"
        if unknown or (tensor.padded and number):
            continue
        for position, index in enumerate(access.index):
            low, high = index.bounds(extents)
            if low < 0 or high >= tensor.shape[position]:
                yield (
                    place,
                    f"{access} reaches {low}..{high} in dimension {position} of tensor {tensor.name!r}, "
                    f"which holds 0..{tensor.shape[position] - 1}"
                    + ("; expected a shape that holds it or 'padding'" if number else ""),
                )
    output = declared.get(nest.output.tensor)
    for tensor in nest.tensors:
        named = ("tensor", tensor.name)
        if any(extent < 1 for extent in tensor.shape):
            yield (
                named,
                f"tensor {tensor.name!r}: every extent of the shape must be at least 1, not {list(tensor.shape)}",
            )
        elif tensor.elements > MOST_COUNT:
            yield named, f"tensor {tensor.name!r} has {tensor.elements} elements; at most {MOST_COUNT} can be counted"
        if not any(a.tensor == tensor.name for a in nest.accesses):
            yield named, f"tensor {tensor.name!r} is declared but never used"
        if not nest.contraction and not tensor.format.integer:
            yield (
                named,
                f"tensor {tensor.name!r} is {tensor.format}, but only sums of products take it; "
                + f"{nest.reduction.symbol!r} with '{nest.unit.spelling}' takes integers",
            )
        elif output and output.format.integer and not (tensor.format.integer or tensor.format.fraction_bits):
            yield (
                named,
                f"tensor {tensor.name!r} is {tensor.format}, so the output {output.name!r} must be floating point, "
                + f"not {output.format}",
            )
    for tensor in nest.tensors:
        if tensor is not output and tensor.format.integer and tensor.format.bits > 32:
            yield ("tensor", tensor.name), f"tensor {tensor.name!r} is {tensor.format}, which only an output can be"
    if output and output.format.name == "e8m0":
        yield ("tensor", output.name), f"tensor {output.name!r} is e8m0, which has no 0, and cannot be the output"
    if output and output.padded:
        yield ("tensor", output.name), f"tensor {output.name!r} is the output and cannot have padding"
    for number, guard in enumerate(nest.guards):
        for name in guard.loops:
            if name not in extents:
                yield (
                    ("guard", number),
                    f"guard {guard} uses {name!r}, which is not a loop; the loops are {', '.join(names)}",
                )
