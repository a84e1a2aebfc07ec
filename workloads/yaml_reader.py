"""YAML text as nodes with positions, and the faults found in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import yaml

from workloads.errors import SpecError

Node = yaml.Node
Entries = dict[str, tuple[Node, Node]]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Longer ones would leave 64 bits, and mean nothing here.
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the closest known word, else the list of what is known."""
    known = list(known)
    likeness = {name: SequenceMatcher(None, word, name).ratio() for name in known}
    if known and likeness[closest := max(known, key=likeness.__getitem__)] >= 0.6:
        return f"; did you mean {closest!r}?"
    return f"; expected one of {', '.join(known)}" if known else ""


@dataclass
class Reader:
    """Reads typed values out of YAML nodes and collects every fault on the way.

    Plain scalars are taken by their text, so that a loop called ``n`` or ``y`` stays one.
    """

    source: str
    faults: list[tuple[int, int, str]] = field(default_factory=list)

    def compose(self, text: str) -> Node:
        """The root node; raises at once where the text is not YAML."""
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise SpecError((f"{self.source}:{line}:{column}: this is not YAML: {error.problem}",)) from None
        except yaml.YAMLError as error:
            raise SpecError((f"{self.source}:1:1: this is not YAML: {str(error).splitlines()[0]}",)) from None
        if node is None:
            raise SpecError((f"{self.source}:1:1: the spec is empty; expected a mapping with 'name', 'loops', 'body'",))
        return node

    def fault(self, node: Node, sentence: str, offset: int = 0) -> None:
        """Record a fault at ``node``, ``offset`` characters into a one-line scalar."""
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if isinstance(node, yaml.ScalarNode) and node.start_mark.line == node.end_mark.line:
            column += offset + (1 if offset and node.style in ("'", '"') else 0)
        self.faults.append((line, column, sentence))

    def finish(self) -> None:
        """Raise one error with every fault, in the order of the text."""
        if self.faults:
            ordered = sorted(dict.fromkeys(self.faults), key=lambda fault: fault[:2])
            raise SpecError(tuple(f"{self.source}:{line}:{column}: {text}" for line, column, text in ordered))

    def entries(self, node: Node, what: str) -> Entries:
        """Key text -> (key node, value node)."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{what} must be a mapping of keys to values, not {described(node)}")
            return {}
        found: Entries = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(key, f"{what}: a key must be a word, not {described(key)}")
            elif key.value in found:
                self.fault(key, f"{what}: {key.value!r} appears twice")
            else:
                found[key.value] = key, value
        return found

    def known(self, entries: Entries, keys: Iterable[str], what: str) -> Entries:
        """The entries whose keys are known; the others are faults."""
        keys = list(keys)
        for name, (key, _) in entries.items():
            if name not in keys:
                self.fault(key, f"{what}: {name!r} is not a key{did_you_mean(name, keys)}")
        return {name: entry for name, entry in entries.items() if name in keys}

    def items(self, node: Node, what: str) -> list[Node]:
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, f"{what} must be a list, not {described(node)}")
            return []
        return list(node.value)

    def text(self, node: Node, what: str) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            self.fault(node, f"{what} must be text, not {described(node)}")
            return None
        return str(node.value)

    def name(self, node: Node, what: str) -> str | None:
        text = self.text(node, what)
        if text is None or NAME.fullmatch(text):
            return text
        self.fault(node, f"{what} must be letters, digits and '_', starting with a letter, not {text!r}")
        return None

    def integer(self, node: Node, what: str, *, least: int | None = None) -> int | None:
        expected = f"{what} must be an integer" + ("" if least is None else f" of at least {least}")
        number = int(node.value) if isinstance(node, yaml.ScalarNode) and _INTEGER.fullmatch(node.value) else None
        if number is not None and (least is None or number >= least):
            return number
        self.fault(node, f"{expected}, not {described(node)}")
        return None

    def one_of(self, node: Node, known: Iterable[str], what: str) -> str | None:
        text, known = self.text(node, what), list(known)
        if text is None or text in known:
            return text
        self.fault(node, f"{what}: {text!r} is not known{did_you_mean(text, known)}")
        return None

    def missing(self, node: Node, entries: Mapping[str, object], wanted: Mapping[str, str], what: str) -> None:
        """Faults for absent keys; ``wanted`` says by example what each should hold."""
        for key, example in wanted.items() if isinstance(node, yaml.MappingNode) else ():
            if key not in entries:
                self.fault(node, f"{what}: key {key!r} is missing; expected for example '{key}: {example}'")


def described(node: Node) -> str:
    """What the user wrote, in a few words."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return repr(node.value) if node.value.strip() else "nothing"
