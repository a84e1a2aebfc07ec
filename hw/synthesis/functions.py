"""Logic functions as Liberty writes them, evaluated on arrays of bits at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Value = TypeVar("Value", int, npt.NDArray[np.bool_])
# A name, or an operator with its operands.
Function = str | tuple["Function", ...]

_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|[01]|[!'&*|+^()])")


def parse_function(text: str) -> Function:
    """Read a function: ``!A`` or ``A'``, ``A B`` or ``A & B`` or ``A * B``, ``A ^ B``, ``A | B`` or ``A + B``.

    Raises
    ------
    ValueError
        The text is none of these.
    """
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{text!r} is no logic function")
        tokens.append(token[1])
        at = token.end()
    # The weakest operator is the last to be applied.
    found, rest = _any(tokens)
    if rest:
        raise ValueError(f"{text!r} is no logic function")
    return found


def evaluate(function: Function, values: Mapping[str, Value]) -> Value:
    """The function's value; the words ``0`` and ``1`` are looked up like names."""
    if isinstance(function, str):
        return values[function]
    operator, *operands = function
    found = [evaluate(operand, values) for operand in operands]
    if operator == "!":
        return ~found[0]
    total = found[0]
    for value in found[1:]:
        total = total & value if operator == "&" else total ^ value if operator == "^" else total | value
    return total


def inputs(function: Function) -> tuple[str, ...]:
    """Names that a function reads, each once."""
    if isinstance(function, str):
        return (function,)
    return tuple(dict.fromkeys(name for operand in function[1:] for name in inputs(operand)))


Parsed = tuple[Function, list[str]]


def _any(tokens: list[str]) -> Parsed:
    found, rest = _exclusive(tokens)
    while rest and rest[0] in "|+":
        other, rest = _exclusive(rest[1:])
        found = ("|", found, other)
    return found, rest


def _exclusive(tokens: list[str]) -> Parsed:
    found, rest = _all(tokens)
    while rest and rest[0] == "^":
        other, rest = _all(rest[1:])
        found = ("^", found, other)
    return found, rest


def _all(tokens: list[str]) -> Parsed:
    found, rest = _single(tokens)
    while rest and rest[0] not in "|+^)":
        other, rest = _single(rest[1:] if rest[0] in "&*" else rest)
        found = ("&", found, other)
    return found, rest


def _single(tokens: list[str]) -> Parsed:
    if not tokens or tokens[0] in "&*|+^)'":
        raise ValueError(f"expected a name, not {tokens[0] if tokens else 'the end'!r}")
    first, rest = tokens[0], tokens[1:]
    found: Function = first
    if first == "!":
        found, rest = _single(rest)
        return ("!", found), rest
    if first == "(":
        found, rest = _any(rest)
        if not rest or rest[0] != ")":
            raise ValueError("expected ')'")
        rest = rest[1:]
    while rest and rest[0] == "'":
        found, rest = ("!", found), rest[1:]
    return found, rest
