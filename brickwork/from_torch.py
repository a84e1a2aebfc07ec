"""The front door for PyTorch: a user's own module as a network."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from workloads.errors import BrickworkError
from workloads.formats import FORMATS
from workloads.networks import Network
from workloads.yaml_reader import did_you_mean

if TYPE_CHECKING:
    import torch


def from_torch(
    module: torch.nn.Module | torch.export.ExportedProgram,
    example_inputs: torch.Tensor | tuple[Any, ...] = (),
    *,
    name: str | None = None,
    format: str = "int8",
) -> Network:
    """List the layers of a torch module as `torch.export` sees them, in inference mode.

    Attention is counted dense. A transposed convolution is a product whose overlapping results are added. Operators
    that the table cannot hold are in `Network.unsupported`.

    Parameters
    ----------
    module
        Or a program that is exported already.
    example_inputs
        Positional arguments of one forward pass, or its only tensor; their shapes are the network's.
    name
        The module's class when left out.
    format
        Number format of the layers' inputs; also sets the width of bytes that other operators move.

    Raises
    ------
    BrickworkError
        torch is missing, the format is unknown, or the module cannot be exported.
    """
    if format not in FORMATS:
        raise BrickworkError(f"format {format!r} is not known{did_you_mean(format, FORMATS)}")
    try:
        import torch
    except ImportError:
        raise BrickworkError("a torch module needs PyTorch; install it with: pip install 'brickwork[gpu]'") from None
    from brickwork.from_torch_graph import network_of_program

    if isinstance(module, torch.export.ExportedProgram):
        return network_of_program(module, name or "program", format)
    if not isinstance(module, torch.nn.Module):
        raise BrickworkError(f"from_torch: expected a torch.nn.Module, not {type(module).__name__}")
    given = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else tuple(example_inputs)
    return network_of_program(_export(module, given), name or type(module).__name__, format)


def _export(module: torch.nn.Module, example_inputs: tuple[Any, ...]) -> torch.export.ExportedProgram:
    import torch

    training = [each for each in module.modules() if each.training]
    fast = torch.backends.mha.get_fastpath_enabled()
    # The fused encoder layer is one opaque operator.
    torch.backends.mha.set_fastpath_enabled(False)
    # The reason is in our sentence; torch would log a traceback and print half a graph before it.
    said = io.StringIO()
    silent = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        module.eval()
        with redirect_stdout(said), redirect_stderr(said):
            return torch.export.export(module, example_inputs, strict=False)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise BrickworkError(
            f"{type(module).__name__}: torch.export cannot export it: {type(error).__name__}: "
            f"{lines[0] if lines else 'no reason given'}"
        ) from None
    finally:
        logging.disable(silent)
        torch.backends.mha.set_fastpath_enabled(fast)
        for each in training:
            each.training = True
