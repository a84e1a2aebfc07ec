"""The library: well-known nests by name, with parameters."""

from __future__ import annotations

from workloads.dataflow_spec import DataflowSpec
from workloads.formats import FORMATS
from workloads.library_entry import Build, Entry, LibraryError, Sizes, contraction, flag, library_nest, parameters
from workloads.library_four_bit import FOUR_BIT
from workloads.nest import Nest
from workloads.yaml_reader import did_you_mean

# May be 0; everything else counts something and is at least 1.
_FROM_ZERO = ("padding", "causal", "radius")


def library() -> tuple[Entry, ...]:
    """Every entry, in the order in which people look for them."""
    return _ENTRIES


def entry_names() -> tuple[str, ...]:
    """Names of all entries."""
    return tuple(entry.name for entry in _ENTRIES)


def from_library(text: str) -> tuple[Nest, DataflowSpec]:
    """Build ``name:parameter=value,...``; parameters left out have their defaults.

    Raises
    ------
    LibraryError
    """
    name, _, rest = text.partition(":")
    entry = next((e for e in _ENTRIES if e.name == name), None)
    if entry is None:
        raise LibraryError((f"{name!r} is not in the library{did_you_mean(name, entry_names())}",))
    sizes, number_format, faults = dict(entry.defaults), entry.format, []
    seen: set[str] = set()
    for setting in rest.split(",") if rest else ():
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            faults.append(f"{name}: {setting.strip()!r} is not a setting; expected 'parameter=value'")
        elif key in seen:
            faults.append(f"{name}: parameter {key!r} is given twice")
        elif key == "format":
            if value in (entry.formats or FORMATS):
                number_format = value
            elif entry.formats:
                faults.append(f"{name}: format must be one of {', '.join(entry.formats)}, not {value!r}")
            else:
                faults.append(f"{name}: format {value!r} is not known{did_you_mean(value, FORMATS)}")
        elif key not in sizes:
            faults.append(f"{name}: {key!r} is not a parameter{did_you_mean(key, [*sizes, 'format'])}")
        elif not value.isdecimal() or int(value) < (0 if key in _FROM_ZERO else 1):
            least = 0 if key in _FROM_ZERO else 1
            faults.append(f"{name}: parameter {key!r} must be an integer of at least {least}, not {value!r}")
        else:
            sizes[key] = int(value)
        seen.add(key)
    if faults:
        raise LibraryError(tuple(faults))
    nest = entry.build(sizes, number_format)
    return nest, entry.dataflow(nest)


def _scores(sizes: Sizes, number_format: str) -> Nest:
    loops = {n: sizes[n] for n in ("h", "q", "k", "d")}
    guards = ("q >= k",) if flag("attention_scores", sizes, "causal") else ()
    return library_nest(
        "attention_scores", loops, "S[h, q, k] += Q[h, q, d] * K[h, k, d]", number_format, guards=guards
    )


def _attention_output(sizes: Sizes, number_format: str) -> Nest:
    loops = {n: sizes[n] for n in ("h", "q", "d", "k")}
    guards = ("q >= k",) if flag("attention_output", sizes, "causal") else ()
    return library_nest(
        "attention_output", loops, "O[h, q, d] += P[h, q, k] * V[h, k, d]", number_format, guards=guards
    )


def _correlation(sizes: Sizes, number_format: str) -> Nest:
    loops = {"n": sizes["n"], "dy": 2 * sizes["radius"] + 1, "dx": 2 * sizes["radius"] + 1}
    loops |= {n: sizes[n] for n in ("h", "w", "c")}
    body = f"O[n, dy, dx, h, w] += A[n, c, h, w] * B[n, c, h + dy - {sizes['radius']}, w + dx - {sizes['radius']}]"
    shape = tuple(sizes[n] for n in ("n", "c", "h", "w"))
    return library_nest("correlation", loops, body, number_format, shapes={"B": shape}, padded=("B",))


def _motion(sizes: Sizes, number_format: str) -> Nest:
    block, radius = sizes["block"], sizes["radius"]
    loops = {"y": sizes["h"], "x": sizes["w"], "dy": 2 * radius + 1, "dx": 2 * radius + 1, "i": block, "j": block}
    row, column = f"{block} * y + i", f"{block} * x + j"
    body = f"O[y, x, dy, dx] += abs(A[{row}, {column}] - B[{row} + dy - {radius}, {column} + dx - {radius}])"
    shape = (block * sizes["h"], block * sizes["w"])
    return library_nest("absolute_difference", loops, body, number_format, shapes={"B": shape}, padded=("B",))


def _shift_gemm(sizes: Sizes, number_format: str) -> Nest:
    body = "O[m, n] += sign(N[k, n]) * (A[m, k] << S[k, n])"
    weights = {"N": "int4", "S": "int4"}
    return library_nest("shift_gemm", {n: sizes[n] for n in ("m", "n", "k")}, body, number_format, formats=weights)


def _convolution(name: str, axes: str, *, depthwise: bool = False) -> Build:
    """A convolution over the spatial ``axes``; input ``n, (g,) ic`` or ``n, c``, then the axes."""

    def build(sizes: Sizes, number_format: str) -> Nest:
        stride, dilation, padding = sizes["stride"], sizes["dilation"], sizes["padding"]
        groups = 1 if depthwise else sizes["groups"]
        faults = [
            f"{name}: 'groups' is {groups}, which does not divide {key!r}, {sizes[key]}"
            for key in ("oc", "ic")
            if not depthwise and sizes[key] % groups
        ]
        out = {}
        for axis in axes:
            reach = dilation * (sizes[f"k{axis}"] - 1) + 1
            room = sizes[axis] + 2 * padding
            if reach > room:
                faults.append(
                    f"{name}: the kernel reaches {reach} elements along {axis!r}, but the padded input has {room}"
                )
            out[f"o{axis}"] = (room - reach) // stride + 1
        if faults:
            raise LibraryError(tuple(faults))
        channels = {"c": sizes["c"]} if depthwise else {"oc": sizes["oc"] // groups, "ic": sizes["ic"] // groups}
        group = {"g": groups} if groups > 1 else {}
        kernel = {f"k{axis}": sizes[f"k{axis}"] for axis in axes}
        loops = {"n": sizes["n"], **group, **channels, **out, **kernel}
        windows = [_window(axis, stride, dilation, padding) for axis in axes]
        to, of, by = ("c", "c", "c") if depthwise else ("oc", "ic", "oc, ic")
        prefix = "g, " if group else ""
        body = (
            f"O[n, {prefix}{to}, {', '.join(out)}] += "
            f"I[n, {prefix}{of}, {', '.join(windows)}] * W[{prefix}{by}, {', '.join(kernel)}]"
        )
        shape = (sizes["n"], *group.values(), channels[of], *(sizes[axis] for axis in axes))
        padded = ("I",) if padding else ()
        return library_nest(name, loops, body, number_format, shapes={"I": shape}, padded=padded)

    return build


def _window(axis: str, stride: int, dilation: int, padding: int) -> str:
    moved = f"o{axis}" if stride == 1 else f"{stride} * o{axis}"
    inner = f"k{axis}" if dilation == 1 else f"{dilation} * k{axis}"
    return f"{moved} + {inner}" + (f" - {padding}" if padding else "")


_WINDOW = " stride=1 dilation=1 padding={}"
_ENTRIES = (
    Entry(
        "gemm",
        "matrix times matrix",
        parameters("m=512 n=512 k=512"),
        ("m", "n"),
        contraction("gemm", "O[m, n] += A[m, k] * B[k, n]", "m", "n", "k"),
    ),
    Entry(
        "batched_gemm",
        "one matrix product a batch",
        parameters("b=8 m=128 n=128 k=128"),
        ("m", "n"),
        contraction("batched_gemm", "O[b, m, n] += A[b, m, k] * B[b, k, n]", "b", "m", "n", "k"),
    ),
    Entry(
        "gemv",
        "matrix times vector",
        parameters("m=1024 k=1024"),
        ("m",),
        contraction("gemv", "y[m] += A[m, k] * x[k]", "m", "k"),
    ),
    Entry(
        "conv1d",
        "convolution over one axis",
        parameters("n=1 oc=64 ic=64 w=256 kw=3" + _WINDOW.format(1) + " groups=1"),
        ("oc", "ic"),
        _convolution("conv1d", "w"),
    ),
    Entry(
        "conv2d",
        "convolution over two axes",
        parameters("n=1 oc=64 ic=64 h=56 w=56 kh=3 kw=3" + _WINDOW.format(1) + " groups=1"),
        ("oc", "ic"),
        _convolution("conv2d", "hw"),
    ),
    Entry(
        "conv3d",
        "convolution over three axes",
        parameters("n=1 oc=32 ic=32 d=8 h=28 w=28 kd=3 kh=3 kw=3" + _WINDOW.format(1) + " groups=1"),
        ("oc", "ic"),
        _convolution("conv3d", "dhw"),
    ),
    Entry(
        "depthwise",
        "convolution over two axes, each channel by itself",
        parameters("n=1 c=64 h=56 w=56 kh=3 kw=3" + _WINDOW.format(1)),
        ("c", "ow"),
        _convolution("depthwise", "hw", depthwise=True),
    ),
    Entry(
        "mttkrp",
        "matricised tensor times Khatri-Rao product",
        parameters("i=64 j=32 k=64 l=64"),
        ("i", "j"),
        contraction("mttkrp", "O[i, j] += X[i, k, l] * B[k, j] * C[l, j]", "i", "j", "k", "l"),
    ),
    Entry(
        "ttmc",
        "tensor times matrix chain",
        parameters("i=32 j=16 k=16 l=32 m=32"),
        ("i", "j"),
        contraction("ttmc", "O[i, j, k] += X[i, l, m] * B[l, j] * C[m, k]", "i", "j", "k", "l", "m"),
    ),
    Entry(
        "attention_scores",
        "queries times keys, optionally causal",
        parameters("h=8 q=128 k=128 d=64 causal=0"),
        ("q", "k"),
        _scores,
    ),
    Entry(
        "attention_output",
        "probabilities times values, optionally causal",
        parameters("h=8 q=128 k=128 d=64 causal=0"),
        ("q", "d"),
        _attention_output,
    ),
    Entry(
        "correlation",
        "cost volume of two feature maps within a radius",
        parameters("n=1 c=64 h=32 w=32 radius=4"),
        ("h", "w"),
        _correlation,
    ),
    Entry(
        "maxplus",
        "matrix product of the max-plus semiring: longest paths, Viterbi steps",
        parameters("m=128 n=128 k=128"),
        ("m", "n"),
        contraction("maxplus", "O[m, n] max= A[m, k] + B[k, n]", "m", "n", "k"),
    ),
    Entry(
        "absolute_difference",
        "sums of absolute differences of blocks with a second image within a radius",
        parameters("h=8 w=8 block=8 radius=4"),
        ("dy", "dx"),
        _motion,
    ),
    Entry(
        "shift_gemm",
        "matrix times signs and powers of two, by shifting",
        parameters("m=128 n=128 k=128"),
        ("m", "n"),
        _shift_gemm,
    ),
    Entry(
        "count_equal",
        "places in which each row equals each column",
        parameters("m=128 n=128 k=128"),
        ("m", "n"),
        contraction("count_equal", "O[m, n] += A[m, k] == B[k, n]", "m", "n", "k"),
    ),
    *FOUR_BIT,
)
