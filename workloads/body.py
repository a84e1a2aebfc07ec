"""The expression language of spec files: bodies and guards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from workloads.affine import Affine, Division, Guard
from workloads.nest import Access

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][A-Za-z0-9_]*)|([0-9]{1,18})|(\+=|//|>=|<=|==|!=|[-+*%<>=()\[\],]))")
_RELATIONS = (">=", "<=", "==", "!=", ">", "<")


class ExpressionError(Exception):
    """What is wrong with an expression, and at which character; becomes a fault of the spec."""

    def __init__(self, offset: int, sentence: str) -> None:
        self.offset, self.sentence = offset, sentence
        super().__init__(sentence)


@dataclass(frozen=True)
class Body:
    """``output += coefficient * product(inputs)``.

    Attributes
    ----------
    offsets : tuple of int
        Where in the text each access starts, output first.
    """

    output: Access
    inputs: tuple[Access, ...]
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
    offsets = [parser.offset]
    output = parser.access("the output, as in 'O[m, n] += A[m, k] * B[k, n]'")
    parser.expect("+=", f"after the output {output}")
    coefficient, inputs = 1, []
    while True:
        while parser.take("-"):
            coefficient = -coefficient
        if (number := parser.number()) is not None:
            coefficient *= number
        else:
            offsets.append(parser.offset)
            inputs.append(parser.access("a tensor or an integer"))
        if not parser.take("*"):
            break
    if parser.kind in ("+", "-"):
        raise ExpressionError(parser.offset, "body: expected a single product, found a sum; write one nest a summand")
    parser.end()
    return Body(output, tuple(inputs), coefficient, tuple(offsets))


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


@dataclass
class _Parser:
    """Recursive descent over the tokens of one expression."""

    text: str
    what: str
    tokens: list[tuple[int, str]] = field(default_factory=list)
    position: int = 0

    def __post_init__(self) -> None:
        at, length = 0, len(self.text.rstrip())
        while at < length:
            match = _TOKEN.match(self.text, at)
            if match is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                raise ExpressionError(at, f"{self.what}: the character {self.text[at]!r} is not expected here")
            self.tokens.append((match.end() - len(match[0].lstrip()), match[0].strip()))
            at = match.end()
        self.tokens.append((length, ""))

    @property
    def offset(self) -> int:
        return self.tokens[self.position][0]

    @property
    def kind(self) -> str:
        return self.tokens[self.position][1]

    @property
    def found(self) -> str:
        return repr(self.kind) if self.kind else "the end"

    def advance(self) -> str:
        token = self.kind
        self.position += 1
        return token

    def take(self, token: str) -> bool:
        if self.kind != token:
            return False
        self.position += 1
        return True

    def expect(self, token: str, where: str) -> None:
        if not self.take(token):
            raise ExpressionError(self.offset, f"{self.what}: expected {token!r} {where}, found {self.found}")

    def end(self) -> None:
        if self.kind:
            raise ExpressionError(self.offset, f"{self.what}: expected the end, found {self.found}")

    def number(self) -> int | None:
        return int(self.advance()) if self.kind.isdigit() else None

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
        if self.take("-"):
            return _NOTHING.plus(self.unary(), -1)
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
