"""The expression language of spec files: bodies and guards."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.affine import Affine, Division, Guard
from workloads.functional_unit import FunctionalUnit
from workloads.nest import Access
from workloads.reduction import REDUCTIONS, Reduction
from workloads.term import parse_term
from workloads.tokens import ExpressionError, Tokens

_RELATIONS = (">=", "<=", "==", "!=", ">", "<")


@dataclass(frozen=True)
class Body:
    """``output += coefficient * unit(inputs)``, with ``max=`` or ``min=`` for another reduction.

    Attributes
    ----------
    offsets : tuple of int
        Where in the text each access starts, output first.
    """

    output: Access
    inputs: tuple[Access, ...]
    unit: FunctionalUnit
    reduction: Reduction
    coefficient: int
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class _Sum:
    affine: Affine
    divisions: tuple[tuple[Division, int], ...] = ()

    def plus(self, other: _Sum, times: int = 1) -> _Sum:
        divisions = dict(self.divisions)
        for division, c in other.divisions:
            divisions[division] = divisions.get(division, 0) + times * c
        return _Sum(self.affine.plus(other.affine, times), tuple((d, c) for d, c in divisions.items() if c))

    @property
    def constant(self) -> int | None:
        return None if self.affine.terms or self.divisions else self.affine.constant


_NOTHING = _Sum(Affine())


def parse_body(text: str) -> Body:
    """Read ``O[m, n] += 2 * A[m, k] * B[k, n]``.

    Raises
    ------
    ExpressionError
    """
    parser = _Parser(text, "body")
    start = parser.offset
    output = parser.access("the output, as in 'O[m, n] += A[m, k] * B[k, n]'")
    if parser.kind not in REDUCTIONS:
        *some, last = map(repr, REDUCTIONS)
        raise ExpressionError(
            parser.offset, f"body: expected {', '.join(some)} or {last} after the output {output}, found {parser.found}"
        )
    reduction = REDUCTIONS[parser.advance()]
    term = parse_term(parser, lambda: parser.access("a tensor or an integer"))
    parser.end()
    return Body(output, term.inputs, term.unit, reduction, term.coefficient, (start, *term.offsets))


def parse_guard(text: str) -> tuple[Guard, ...]:
    """Read ``q >= k`` or a chain like ``0 <= i - j < 4``, one guard a relation.

    Raises
    ------
    ExpressionError
    """
    parser = _Parser(text, "guard")
    left = parser.sum()
    if parser.kind not in _RELATIONS:
        raise ExpressionError(parser.offset, f"guard: expected one of {' '.join(_RELATIONS)}, found {parser.found}")
    guards = []
    while parser.kind in _RELATIONS:
        relation = parser.advance()
        right = parser.sum()
        guards.append(_guard(left, relation, right))
        left = right
    parser.end()
    return tuple(guards)


def _guard(left: _Sum, relation: str, right: _Sum) -> Guard:
    difference = right.plus(left, -1) if relation in ("<", "<=") else left.plus(right, -1)
    if relation in ("<", ">"):
        difference = difference.plus(_Sum(Affine(constant=-1)))
    if relation == "==" or relation == "!=":
        return Guard(difference.affine, difference.divisions, "==" if relation == "==" else "!=")
    return Guard(difference.affine, difference.divisions, ">=")


class _Parser(Tokens):
    """Recursive descent over the accesses, indices and guards of one expression."""

    def access(self, expected: str) -> Access:
        if not self.kind.isidentifier():
            raise ExpressionError(self.offset, f"{self.what}: expected {expected}, found {self.found}")
        tensor = self.advance()
        self.expect("[", f"after the tensor {tensor!r}")
        index = [self.index(tensor)]
        while self.take(","):
            index.append(self.index(tensor))
        self.expect("]", f"after the index of tensor {tensor!r}")
        return Access(tensor, tuple(index))

    def index(self, tensor: str) -> Affine:
        start = self.offset
        value = self.sum()
        if value.divisions:
            raise ExpressionError(
                start, f"{self.what}: an index of tensor {tensor!r} uses '//' or '%'; expected them in guards only"
            )
        return value.affine

    def sum(self) -> _Sum:
        total = self.product()
        while self.kind in ("+", "-"):
            times = 1 if self.advance() == "+" else -1
            total = total.plus(self.product(), times)
        return total

    def product(self) -> _Sum:
        value = self.unary()
        while self.kind in ("*", "//", "%"):
            start = self.offset
            operator = self.advance()
            right = self.unary()
            value = (
                self.multiplied(value, right, start) if operator == "*" else self.divided(value, operator, right, start)
            )
        return value

    def multiplied(self, left: _Sum, right: _Sum, start: int) -> _Sum:
        if right.constant is not None:
            return _NOTHING.plus(left, right.constant)
        if left.constant is not None:
            return _NOTHING.plus(right, left.constant)
        raise ExpressionError(start, f"{self.what}: expected a loop times a constant, found a product of two loops")

    def divided(self, left: _Sum, operator: str, right: _Sum, start: int) -> _Sum:
        divisor = right.constant
        if divisor is None or divisor < 1:
            raise ExpressionError(start, f"{self.what}: expected a constant of at least 1 after {operator!r}")
        if left.divisions:
            raise ExpressionError(
                start, f"{self.what}: expected an affine expression before {operator!r}, found '//' or '%'"
            )
        if (value := left.constant) is not None:
            return _Sum(Affine(constant=value // divisor if operator == "//" else value % divisor))
        return _Sum(Affine(), ((Division("//" if operator == "//" else "%", left.affine, divisor), 1),))

    def unary(self) -> _Sum:
        if self.kind == "-":
            times = 1
            while self.take("-"):
                times = -times
            return _NOTHING.plus(self.unary(), times)
        if (number := self.number()) is not None:
            return _Sum(Affine(constant=number))
        if self.take("("):
            value = self.sum()
            self.expect(")", "to close '('")
            return value
        if self.kind.isidentifier():
            start, name = self.offset, self.advance()
            if self.kind == "[":
                raise ExpressionError(
                    start, f"{self.what}: {name}[...] is used as an index; expected loops and integers"
                )
            return _Sum(Affine(((name, 1),)))
        raise ExpressionError(self.offset, f"{self.what}: expected a loop or an integer, found {self.found}")
