"""The right side of a body: an expression over tensors, and the functional unit that it spells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from workloads.functional_unit import FunctionalUnit, UnitError
from workloads.functional_units import functional_units
from workloads.functional_units.product import UNIT as PRODUCT
from workloads.nest import Access
from workloads.tokens import ExpressionError, Tokens

# Loosest first, as in Python.
_LEVELS = ((">", "=="), ("<<",), ("+", "-"), ("*",))


@dataclass(frozen=True)
class Leaf:
    """A tensor access, or an operand's letter in a spelling."""

    value: Access | str
    offset: int = field(compare=False)


@dataclass(frozen=True)
class Operation:
    """An operator or a function with its arguments; ``negate`` is the minus sign."""

    operator: str
    arguments: tuple[Tree, ...]
    offset: int = field(default=0, compare=False)


Tree = Leaf | int | Operation


@dataclass(frozen=True)
class Term:
    """``coefficient * unit(inputs)``.

    Attributes
    ----------
    offsets : tuple of int
        Where in the text each input starts.
    """

    unit: FunctionalUnit
    inputs: tuple[Access, ...]
    coefficient: int
    offsets: tuple[int, ...]


def parse_term(tokens: Tokens, access: Callable[[], Access]) -> Term:
    """Read a term up to a token that no term has.

    Parameters
    ----------
    access
        Reads a tensor access from ``tokens``.

    Raises
    ------
    ExpressionError
        No functional unit is spelled so.
    """
    start = tokens.offset

    def leaf() -> Leaf:
        at = tokens.offset
        return Leaf(access(), at)

    tree = _tree(tokens, leaf)
    coefficient, factors = _scaled(tree)
    if not factors:
        return Term(PRODUCT, (), coefficient, ())
    whole = functools.reduce(lambda a, b: Operation("*", (a, b)), factors)
    for unit in (PRODUCT, *functional_units()):
        if (leaves := _matched(unit, whole)) is not None:
            inputs = tuple(leaf.value for leaf in leaves if isinstance(leaf.value, Access))
            return Term(unit, inputs, coefficient, tuple(leaf.offset for leaf in leaves))
    if isinstance(whole, Operation) and whole.operator in ("+", "-"):
        sentence = f"{tokens.what}: expected a single term, found a sum; write one nest a summand"
        raise ExpressionError(whole.offset, sentence)
    known = ", ".join(repr(unit.spelling) for unit in functional_units())
    raise ExpressionError(start, f"{tokens.what}: no functional unit computes this; expected one of {known}")


def term_text(unit: FunctionalUnit, coefficient: int, operands: list[str]) -> str:
    """What `parse_term` reads back."""
    text = unit.text(operands)
    if coefficient != 1 and unit != PRODUCT:
        pattern = _pattern(unit)
        if isinstance(pattern, Operation) and pattern.operator in {o for level in _LEVELS for o in level}:
            text = f"({text})"
    return text if coefficient == 1 else f"-{text}" if coefficient == -1 else f"{coefficient} * {text}"


@functools.cache
def _pattern(unit: FunctionalUnit) -> Tree:
    try:
        tokens = Tokens(unit.spelling, "spelling")
        tree = _tree(tokens, lambda: Leaf(tokens.advance(), tokens.offset))
        tokens.end()
    except ExpressionError as error:
        raise UnitError(unit.name, f"{unit.spelling!r} cannot be read: {error.sentence}") from None
    return tree


def _tree(tokens: Tokens, leaf: Callable[[], Leaf], level: int = 0) -> Tree:
    if level == len(_LEVELS):
        return _primary(tokens, leaf)
    left = _tree(tokens, leaf, level + 1)
    while tokens.kind in _LEVELS[level]:
        at, operator = tokens.offset, tokens.advance()
        left = Operation(operator, (left, _tree(tokens, leaf, level + 1)), at)
    return left


def _primary(tokens: Tokens, leaf: Callable[[], Leaf]) -> Tree:
    if tokens.kind == "-":
        negative = False
        while tokens.take("-"):
            negative = not negative
        tree = _primary(tokens, leaf)
        return Operation("negate", (tree,)) if negative else tree
    if (number := tokens.number()) is not None:
        return number
    if tokens.take("("):
        tree = _tree(tokens, leaf)
        tokens.expect(")", "to close '('")
        return tree
    if tokens.kind.isidentifier() and tokens.following == "(":
        function = tokens.advance()
        tokens.advance()
        arguments = [_tree(tokens, leaf)]
        while tokens.take(","):
            arguments.append(_tree(tokens, leaf))
        tokens.expect(")", f"after the arguments of {function!r}")
        return Operation(function, tuple(arguments))
    return leaf()


def _scaled(tree: Tree) -> tuple[int, list[Tree]]:
    """Integer factors and signs of a product as one coefficient, and the other factors from left to right."""
    if isinstance(tree, int):
        return tree, []
    if isinstance(tree, Operation) and tree.operator == "negate":
        coefficient, factors = _scaled(tree.arguments[0])
        return -coefficient, factors
    if isinstance(tree, Operation) and tree.operator == "*":
        (left, some), (right, more) = map(_scaled, tree.arguments)
        return left * right, some + more
    return 1, [tree]


def _matched(unit: FunctionalUnit, tree: Tree) -> tuple[Leaf, ...] | None:
    """The operands of the unit if the tree is its spelling."""
    pattern = _pattern(unit)
    if unit.folds:
        assert isinstance(pattern, Operation), unit
        leaves = list(_folded(pattern.operator, tree))
        return tuple(leaf for leaf in leaves if isinstance(leaf, Leaf)) if all(map(_is_leaf, leaves)) else None
    found: dict[str, Leaf] = {}
    return tuple(found[name] for name in unit.operands) if _bound(pattern, tree, found) else None


def _is_leaf(tree: Tree) -> bool:
    return isinstance(tree, Leaf)


def _folded(operator: str, tree: Tree) -> Iterator[Tree]:
    if isinstance(tree, Operation) and tree.operator == operator:
        yield from _folded(operator, tree.arguments[0])
        yield tree.arguments[1]
    else:
        yield tree


def _bound(pattern: Tree, tree: Tree, found: dict[str, Leaf]) -> bool:
    """Whether the tree is the pattern with a tensor access for each letter, which ``found`` collects."""
    if isinstance(pattern, Leaf):
        return isinstance(tree, Leaf) and found.setdefault(str(pattern.value), tree) == tree
    if isinstance(pattern, Operation):
        return (
            isinstance(tree, Operation)
            and (pattern.operator, len(pattern.arguments)) == (tree.operator, len(tree.arguments))
            and all(_bound(p, t, found) for p, t in zip(pattern.arguments, tree.arguments, strict=True))
        )
    return pattern == tree
