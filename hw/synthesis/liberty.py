"""Liberty files: the text as nested groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workloads.errors import BrickworkError

_SKIPPED = re.compile(r"(?:\s+|\\\n|/\*.*?\*/|//[^\n]*)+", re.DOTALL)
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([(){};:,])|([^\s(){};:,"\\]+)', re.DOTALL)


class LibertyError(BrickworkError):
    """A cell library that cannot be read.

    Attributes
    ----------
    path : str
    """

    def __init__(self, path: str, why: str) -> None:
        self.path = path
        super().__init__(f"cell library '{path}': {why}")


@dataclass(frozen=True, slots=True)
class Group:
    """``kind (arguments) { attributes and groups }``."""

    kind: str
    arguments: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[Group, ...]

    def of(self, *kinds: str) -> tuple[Group, ...]:
        """The groups of these kinds, in order."""
        return tuple(g for g in self.groups if g.kind in kinds)

    def values(self, name: str) -> tuple[str, ...] | None:
        """What an attribute says, or None where it is not there."""
        return next((values for key, values in self.attributes if key == name), None)

    def text(self, name: str, default: str = "") -> str:
        """The only value of a simple attribute."""
        return (self.values(name) or (default,))[0]

    def number(self, name: str, default: float = 0.0) -> float:
        """A simple attribute as a number."""
        return float(self.text(name, str(default)))


def parse(text: str, path: str) -> Group:
    """Read the group that a Liberty file is.

    Raises
    ------
    LibertyError
        Names the line at which the text stops being Liberty.
    """
    tokens = list(_tokens(text, path))
    found, end = _statements(tokens, 0, path, text)
    if end < len(tokens):
        raise _unexpected(tokens, end, path, text)
    libraries = [g for g in found[1] if g.kind == "library"]
    if len(libraries) != 1:
        raise LibertyError(path, f"expected one library, found {len(libraries)}")
    return libraries[0]


Token = tuple[str, bool, int]


def _tokens(text: str, path: str) -> Iterator[Token]:
    """Each token with whether it was quoted and where it stands."""
    at = 0
    while True:
        if skipped := _SKIPPED.match(text, at):
            at = skipped.end()
        if at >= len(text):
            return
        token = _TOKEN.match(text, at)
        if token is None:
            raise LibertyError(path, f"line {_line(text, at)}: expected Liberty text, not {text[at : at + 10]!r}")
        quoted = token[1] is not None
        yield (token[1] if quoted else token[2] or token[3]), quoted, at
        at = token.end()


Statements = tuple[list[tuple[str, tuple[str, ...]]], list[Group]]


def _statements(tokens: list[Token], at: int, path: str, text: str) -> tuple[Statements, int]:
    """Attributes and groups up to a closing brace or the end."""
    attributes: list[tuple[str, tuple[str, ...]]] = []
    groups: list[Group] = []
    end = len(tokens)
    while at < end and tokens[at][0] != "}":
        name, _, _ = tokens[at]
        if name == ";":
            at += 1
            continue
        sign = tokens[at + 1][0] if at + 1 < end else ""
        if sign == ":":
            at += 2
            values: list[str] = []
            # A simple attribute may be an expression of several words, and may lack its semicolon at the line's end.
            while at < end and (tokens[at][1] or tokens[at][0] not in (";", "}")):
                if values and "\n" in text[tokens[at - 1][2] : tokens[at][2]]:
                    break
                values.append(tokens[at][0])
                at += 1
            attributes.append((name, (" ".join(values),)))
        elif sign == "(":
            at += 2
            arguments = []
            while at < end and (tokens[at][1] or tokens[at][0] != ")"):
                if tokens[at][1] or tokens[at][0] != ",":
                    arguments.append(tokens[at][0])
                at += 1
            at += 1
            if at < end and tokens[at][0] == "{" and not tokens[at][1]:
                (inner, nested), at = _statements(tokens, at + 1, path, text)
                if at >= end:
                    raise LibertyError(path, f"the group {name!r} is not closed")
                groups.append(Group(name, tuple(arguments), tuple(inner), tuple(nested)))
                at += 1
            else:
                attributes.append((name, tuple(arguments)))
        else:
            raise _unexpected(tokens, at, path, text)
    return (attributes, groups), at


def _unexpected(tokens: list[Token], at: int, path: str, text: str) -> LibertyError:
    token, _, where = tokens[at]
    return LibertyError(path, f"line {_line(text, where)}: expected an attribute or a group, not {token!r}")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
