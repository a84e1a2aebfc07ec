"""Saying which command was meant, where a file or a name is fine but belongs to another one."""

from __future__ import annotations

import re
from pathlib import Path

from brickwork.models import is_network
from brickwork.steps import ChoiceError
from workloads.library import entry_names
from workloads.networks import network_names
from workloads.yaml_reader import did_you_mean

_KEY = re.compile(r"(?m)^(\w+) *:")
_FILES = (".yaml", ".yml", ".json")


def refuse_study(text: str) -> None:
    """Refuse a study file where a spec of one nest is expected.

    Raises
    ------
    ChoiceError
    """
    if "workloads" in _keys(text):
        raise ChoiceError(f"{text} is a study of many designs; expected one nest, or run: brickwork explore {text}")


def refuse_nest(text: str) -> None:
    """Refuse the spec of one nest, or a name that is no network, where a study file is expected.

    Raises
    ------
    ChoiceError
    """
    base = text.partition(":")[0]
    if "body" in _keys(text) or (base in entry_names() and not Path(text).exists()):
        raise ChoiceError(f"{text} is one nest; expected a study file or a network, or run: brickwork map {text}")
    if re.fullmatch(r"[\w.]*\w[\w.]*", base) and not base.endswith(_FILES) and not Path(text).exists():
        raise ChoiceError(f"{text!r} is neither a study file nor a network{did_you_mean(base, network_names())}")


def refuse_unexplored(text: str) -> None:
    """Refuse a network where results are expected.

    Raises
    ------
    ChoiceError
    """
    if is_network(text):
        raise ChoiceError(
            f"{text} has no results by itself; run: brickwork explore {text}, then give the results.json that it writes"
        )


def _keys(text: str) -> tuple[str, ...]:
    """Keys that begin the lines of a file; none of what is no text."""
    try:
        return tuple(_KEY.findall(Path(text).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return ()
