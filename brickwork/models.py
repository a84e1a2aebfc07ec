"""Networks from whatever names one: the registry, a Python file with a torch module, an exported program."""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from brickwork.from_torch import from_torch
from workloads.errors import BrickworkError
from workloads.networks import Network, network_named, network_names
from workloads.yaml_reader import did_you_mean

_FACTORY = re.compile(r"(?P<file>.+\.py):(?P<factory>[A-Za-z_]\w*)")
_SHAPE = re.compile(r"[1-9]\d*(x[1-9]\d*)*")


@dataclass(frozen=True, slots=True)
class Spelling:
    """How shapes and type of a model's inputs are written where the model is named."""

    input: str
    example: str
    dtype: str


ON_THE_COMMAND_LINE = Spelling("--input", "--input 1x3x224x224", "--input-dtype")
IN_A_STUDY = Spelling("'input'", "'input: 1x3x224x224'", "'input_dtype'")


class ModelError(BrickworkError):
    """A text that names no network, or a user's model that makes none."""


def is_network(text: str) -> bool:
    """A text is meant for `network_of`, and not a spec of one nest."""
    file = text.rpartition(":")[0] or text
    return text.partition(":")[0] in network_names() or text.endswith((".pt2", ".py")) or file.endswith(".py")


def network_of(
    text: str, inputs: tuple[str, ...] = (), *, input_dtype: str = "float32", incomplete: bool = False
) -> Network:
    """The network that a text names.

    Parameters
    ----------
    text
        A name such as ``gpt2:tokens=128``, ``FILE.py:FACTORY`` or a ``.pt2`` file of `torch.export.save`. The factory
        returns a module, or a module and its example inputs.
    inputs
        Shapes such as ``1x3x224x224``; they replace the factory's example inputs.
    incomplete
        Return networks even where operators with multiply-accumulates had to be left out.

    Raises
    ------
    BrickworkError
    """
    if not is_network(text):
        raise ModelError(f"network {text!r} is not known{did_you_mean(text.partition(':')[0], network_names())}")
    if text.partition(":")[0] in network_names():
        if inputs:
            raise ModelError(f"--input is for torch models; {text!r} has its sizes in its name")
        return network_named(text)
    network = _read(text, inputs, input_dtype, ON_THE_COMMAND_LINE)
    if not incomplete:
        refuse_incomplete(network)
    return network


def model_in_a_study(text: str, inputs: tuple[str, ...], input_dtype: str) -> Network:
    """The network of a torch model that a study names, its file beside the study.

    Raises
    ------
    BrickworkError
    """
    network = _read(text, inputs, input_dtype, IN_A_STUDY)
    refuse_incomplete(network)
    return network


def _read(text: str, inputs: tuple[str, ...], input_dtype: str, spelling: Spelling) -> Network:
    if text.endswith(".pt2"):
        return _program(text, inputs, spelling)
    return _module(text, inputs, input_dtype, spelling)


def refuse_incomplete(network: Network) -> None:
    """Refuse a network whose totals would be too small.

    Raises
    ------
    ModelError
        Names each operator that was left out, and where it is used.
    """
    faults = [
        f"{network.name}: operator {each.operator!r} in {', '.join(each.where[:3])} may multiply, "
        "and is in no layer; expected operators that 'brickwork show' counts"
        for each in network.unsupported
        if each.multiplies
    ]
    if not network.layers and not faults:
        faults = [f"{network.name}: nothing in it multiplies; expected at least one layer"]
    if faults:
        raise ModelError("\n".join(faults))


def _program(text: str, inputs: tuple[str, ...], spelling: Spelling) -> Network:
    if inputs:
        raise ModelError(f"{spelling.input} is for FILE.py:FACTORY; {text} has its inputs in it")
    if not Path(text).is_file():
        raise ModelError(f"{text}: there is no such file")
    torch = _torch()
    try:
        program = torch.export.load(text)
    except Exception:
        raise ModelError(f"{text}: expected a program that torch.export.save wrote") from None
    return from_torch(program, name=Path(text).stem)


def _module(text: str, inputs: tuple[str, ...], input_dtype: str, spelling: Spelling) -> Network:
    found = _FACTORY.fullmatch(text)
    if not found:
        raise ModelError(f"{text!r} names no model; expected FILE.py:FACTORY, as model.py:build")
    file, name = Path(found["file"]), found["factory"]
    if not file.is_file():
        raise ModelError(f"{file}: there is no such file")
    torch = _torch()
    factory = getattr(_imported(file), name, None)
    if not callable(factory):
        raise ModelError(f"{file}: there is no function or class {name!r}")
    try:
        made = factory()
    except Exception as error:
        raise ModelError(f"{file}: {name}() raises {_last_line(error, file)}") from None
    module, given = made if isinstance(made, tuple) and len(made) == 2 else (made, ())
    if not isinstance(module, torch.nn.Module):
        raise ModelError(
            f"{file}: {name}() returns {type(made).__name__}; expected a torch.nn.Module, or one with its inputs"
        )
    if inputs:
        given = tuple(_example(shape, input_dtype, spelling) for shape in inputs)
    elif (isinstance(given, tuple | list) and not given) or given is None:
        raise ModelError(f"{text} comes without example inputs; give their shapes, as {spelling.example}")
    if not isinstance(given, tuple | torch.Tensor):
        raise ModelError(
            f"{file}: {name}() returns a module with {type(given).__name__}; expected its example inputs as a tuple, "
            "or one tensor"
        )
    return from_torch(module, given)


def _imported(file: Path) -> ModuleType:
    """The user's file as a module that can import its neighbours."""
    spec = importlib.util.spec_from_file_location(f"brickwork_model_{file.stem}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent.resolve()))
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ModelError(f"{file}: importing it raises {_last_line(error, file)}") from None
    finally:
        sys.path.remove(str(file.parent.resolve()))
        del sys.modules[spec.name]
    return module


def _last_line(error: BaseException, file: Path) -> str:
    """An exception as one line, with the last line of the user's file that led to it."""
    said = next(iter(str(error).splitlines()), "")
    line = next(
        (
            frame.lineno
            for frame in reversed(traceback.extract_tb(error.__traceback__))
            if Path(frame.filename).resolve() == file.resolve()
        ),
        getattr(error, "lineno", None),
    )
    where = f" at line {line}" if line else ""
    return f"{type(error).__name__}{f': {said}' if said else ''}{where}"


def _example(shape: str, dtype: str, spelling: Spelling) -> Any:
    torch = _torch()
    if not _SHAPE.fullmatch(shape):
        raise ModelError(f"{spelling.input}: expected sizes, as in {spelling.example}, not {shape!r}")
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise ModelError(f"{spelling.dtype}: expected a type of torch such as float32 or int64, not {dtype!r}")
    return torch.zeros(tuple(int(size) for size in shape.split("x")), dtype=kind)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ModelError("a torch model needs PyTorch; install it with: pip install 'brickwork[gpu]'") from None
    return torch
