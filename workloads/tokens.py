"""Tokens of the expression language of spec files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"\s*(?:((?:max|min)=(?!=))|([A-Za-z_][A-Za-z0-9_]*)|([0-9]{1,18})|(\+=|//|<<|>=|<=|==|!=|[-+*%<>=()\[\],]))"
)
# A parenthesis costs a few frames of Python's stack.
_DEEPEST = 50


class ExpressionError(Exception):
    """What is wrong with an expression, and at which character; becomes a fault of the spec."""

    def __init__(self, offset: int, sentence: str) -> None:
        self.offset, self.sentence = offset, sentence
        super().__init__(sentence)


@dataclass
class Tokens:
    """The tokens of one expression, read from left to right; ``what`` names it in messages."""

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
        depth = 0
        for at, token in self.tokens:
            depth += (token == "(") - (token == ")")
            if depth > _DEEPEST:
                raise ExpressionError(at, f"{self.what}: expected at most {_DEEPEST} open parentheses, found more")

    @property
    def offset(self) -> int:
        return self.tokens[self.position][0]

    @property
    def kind(self) -> str:
        return self.tokens[self.position][1]

    @property
    def following(self) -> str:
        """The token after the next."""
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)][1]

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
