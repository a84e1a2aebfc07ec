"""Running the normalisation: what is checked first."""

from __future__ import annotations

from typing import Any

from sw_kernels.rms_norm.noise import Noise
from workloads.errors import BrickworkError

TYPES = ("bfloat16", "float16", "float32")

# A program holds its row in registers.
MOST_CHANNELS = 1 << 15

# A few on each multiprocessor of the largest GPUs.
PROGRAMS = 396


class NormError(BrickworkError):
    """Tensors that cannot be normalised; lists every fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"rms norm: {fault}" for fault in faults))


def rms_norm(
    x: Any,
    weight: Any,
    out: Any,
    *,
    residual: Any | None = None,
    epsilon: float = 1e-6,
    noise: Noise | None = None,
) -> None:
    """Normalise the rows of ``x``, or of ``x + residual``, which then is stored in ``residual``.

    The noise is that which quantisation-enhanced reinforcement learning merges into the weights of the normalisation
    [1]_; it is made anew in every call and the same for the same seed.

    Parameters
    ----------
    x : tensor, shape (rows, channels)
        Rows may be further apart than the channels.
    weight : tensor, shape (channels,)
    out, residual : tensors, shape (rows, channels), contiguous

    Raises
    ------
    NormError
        Lists every tensor that does not fit.

    References
    ----------
    .. [1] W. Huang et al., "QeRL: Beyond efficiency - quantization-enhanced reinforcement learning for LLMs",
       arXiv:2510.11696, section 3.
    """
    from sw_kernels.rms_norm.kernel import rms_norm as kernel

    _check(x, weight, out, residual)
    rows, channels = x.shape
    block = 1 << (channels - 1).bit_length()
    kernel[(min(rows, PROGRAMS),)](
        x, weight, out if residual is None else residual, out, rows, channels, x.stride(0), epsilon,
        noise.sigma if noise else 0.0, noise.seed if noise else 0, BLOCK=block, RESIDUAL=residual is not None,
        NOISE=noise is not None, num_warps=max(1, min(16, block // 512)),
    )  # fmt: skip


def _check(x: Any, weight: Any, out: Any, residual: Any | None) -> None:
    if x.ndim != 2 or x.shape[0] < 1 or not 1 <= x.shape[1] <= MOST_CHANNELS:
        raise NormError(
            (f"x has shape {list(x.shape)}; expected [rows, channels] with at most {MOST_CHANNELS} channels",)
        )
    faults = []
    if _name(x.dtype) not in TYPES:
        faults.append(f"x has type {_name(x.dtype)}; expected {' or '.join(TYPES)}")
    if x.stride(1) != 1:
        faults.append("x is stored by columns; expected rows")
    shape = tuple(x.shape)
    others = [(weight, "the weight", shape[1:]), (out, "the output", shape)]
    if residual is not None:
        others.append((residual, "the residual", shape))
    for tensor, name, expected in others:
        if tuple(tensor.shape) != expected or tensor.dtype != x.dtype or not tensor.is_contiguous():
            faults.append(
                f"{name} has shape {list(tensor.shape)} and type {_name(tensor.dtype)}; "
                f"expected {list(expected)} and {_name(x.dtype)}, contiguous"
            )
    devices = sorted({str(x.device), *(str(tensor.device) for tensor, *_ in others)})
    if len(devices) > 1:
        faults.append(f"the tensors are on {', '.join(devices)}; expected one device for all")
    if faults:
        raise NormError(tuple(faults))


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
