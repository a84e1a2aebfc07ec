"""Walks an exported torch program and collects layers, other operators, parameters, and what is unsupported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from brickwork.from_torch_operators import is_counted, is_free, multiplies
from brickwork.from_torch_products import NoNestError, Product, products
from workloads.errors import BrickworkError
from workloads.formats import FORMATS
from workloads.networks import Layer, Network, OtherOperator, Unsupported


class TorchModelError(BrickworkError):
    """A torch module that makes no network."""


def network_of_program(program: torch.export.ExportedProgram, name: str, number_format: str) -> Network:
    """The network of an exported program.

    Raises
    ------
    TorchModelError
        A shape is not fixed.
    """
    signature = program.graph_signature
    names = dict(signature.inputs_to_parameters)
    sizes = {}
    for parameter, tensor in program.named_parameters():
        sizes[parameter] = tensor.numel()
    walk = _Walk(FORMATS[number_format].bits, dict(sizes))
    walk.graph(program.graph_module, names)
    user_inputs = set(signature.user_inputs)
    inputs = [
        "x".join(map(str, node.meta["val"].shape)) or "scalar"
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in user_inputs and isinstance(node.meta.get("val"), torch.Tensor)
    ]
    return walk.network(name, f"inputs {', '.join(inputs)}", number_format)


@dataclass
class _Walk:
    bits: int
    unclaimed: dict[str, int]
    layers: list[Layer] = field(default_factory=list)
    others: dict[str, list[int]] = field(default_factory=dict)
    elsewhere: Counter[str] = field(default_factory=Counter)
    left_out: dict[tuple[str, bool], list[str]] = field(default_factory=dict)

    def graph(self, module: torch.fx.GraphModule, parameters: Mapping[str, str], above: str = "") -> None:
        """Walk one graph; ``parameters`` maps nodes to learned tensors, and grows along views of them."""
        of = dict(parameters)
        for node in module.graph.nodes:
            if node.op != "call_function":
                continue
            target, where = node.target, _module_path(node) or above
            namespace, name = _name(target)
            if name.startswith("wrap_with_"):
                self._inner(module, node, of, where)
                continue
            if namespace == "python":
                if name == "getitem" and node.args[0].name in of:
                    of[node.name] = of[node.args[0].name]
                continue
            read = [of[each.name] for each in node.all_input_nodes if each.name in of]
            if is_free(name):
                if len(read) == 1:
                    of[node.name] = read[0]
                continue
            self._call(node, namespace, name, where, tuple(dict.fromkeys(read)))

    def _inner(self, module: torch.fx.GraphModule, node: torch.fx.Node, of: dict[str, str], where: str) -> None:
        """A part of the program under other settings, such as without gradients."""
        position = next(
            i
            for i, each in enumerate(node.args)
            if isinstance(each, torch.fx.Node)
            and each.op == "get_attr"
            and isinstance(getattr(module, str(each.target), None), torch.fx.GraphModule)
        )
        inner = getattr(module, str(node.args[position].target))  # type: ignore[union-attr]
        held = [each for each in inner.graph.nodes if each.op == "placeholder"]
        given = node.args[position + 1 :]
        names = {
            h.name: of[g.name]
            for h, g in zip(held, given, strict=True)
            if isinstance(g, torch.fx.Node) and g.name in of
        }
        self.graph(inner, names, where)

    def _call(self, node: torch.fx.Node, namespace: str, name: str, where: str, read: tuple[str, ...]) -> None:
        claimed = sum(self.unclaimed.pop(each, 0) for each in read)
        found: list[Product] = []
        elements = 0
        if namespace == "higher_order":
            self._leave_out(f"{namespace}.{name}", where, True)
        elif is_counted(name, _tags(node.target)):
            elements = _elements([_value(each) for each in node.all_input_nodes], node.meta.get("val"))
        else:
            args, kwargs = (_shapes_only(each, where, name) for each in (node.args, node.kwargs))
            try:
                found, elements, unknown = _parts(node.target, name, args, kwargs)
            except NoNestError as error:
                self._leave_out(f"{name} ({error})", where, True)
            else:
                for each_namespace, each in unknown:
                    label = name if each == name else f"{name} ({each})"
                    self._leave_out(
                        label if each_namespace == "aten" else f"{each_namespace}.{label}",
                        where,
                        multiplies(each, each_namespace),
                    )
        if elements:
            tensors = [_value(each) for each in node.all_input_nodes] + [node.meta.get("val")]
            moved = sum(prod(t.shape) for t in tree_leaves(tensors) if isinstance(t, torch.Tensor)) if not found else 0
            entry = self.others.setdefault(name, [0, 0, 0])
            entry[0] += 1
            entry[1] += elements
            entry[2] += moved * self.bits // 8
        for position, (text, part) in enumerate(found):
            label = ".".join(filter(None, (where or name, part)))
            self.layers.append(Layer(label, text, 1, 0 if position else claimed))
        if claimed and not found:
            self.elsewhere[_kind(name)] += claimed

    def _leave_out(self, label: str, where: str, may_multiply: bool) -> None:
        self.left_out.setdefault((label, may_multiply), []).append(where or "the module itself")

    def network(self, name: str, inputs: str, number_format: str) -> Network:
        suffix = "" if number_format == "int8" else f",format={number_format}"
        grouped: dict[tuple[str, int], list[str]] = {}
        for layer in self.layers:
            grouped.setdefault((layer.operator + suffix, layer.parameters), []).append(layer.name)
        if unused := sum(self.unclaimed.values()):
            self.elsewhere["unused"] += unused
        return Network(
            name,
            inputs,
            tuple(Layer(_pattern(names), text, len(names), size) for (text, size), names in grouped.items()),
            tuple(self.elsewhere.items()),
            "torch.export",
            tuple(OtherOperator(operator, *counts) for operator, counts in self.others.items()),
            tuple(
                Unsupported(label, len(places), tuple(dict.fromkeys(places)), may_multiply)
                for (label, may_multiply), places in self.left_out.items()
            ),
        )


class _Recorder(TorchDispatchMode):
    """Lists the operators into which torch takes one apart."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result


def _parts(target: Any, name: str, args: Any, kwargs: Any) -> tuple[list[Product], int, list[tuple[str, str]]]:
    """Products, elements of everything else, and unknown operators of one operator on shapes without values."""
    # Its parts would hide the causal flag and shared heads.
    if (whole := products(name, _bound(target, args, kwargs))) is not None:
        softmax = prod(args[0].shape[:-1]) * args[1].shape[-2] if "scaled_dot_product" in name else 0
        return list(whole), softmax, []
    recorder = _Recorder()
    try:
        with torch.no_grad(), recorder:
            target(*args, **kwargs)
    except NoNestError:
        raise
    except Exception:
        return [], 0, [_name(target)]
    found: list[Product] = []
    unknown: list[tuple[str, str]] = []
    elements = 0
    for func, given, named, result in recorder.calls:
        namespace, part = _name(func)
        if is_free(part):
            continue
        if (made := products(part, _bound(func, given, named))) is not None:
            found += made
        elif is_counted(part, _tags(func)):
            elements += _elements(list(given), result)
        else:
            unknown.append((namespace, part))
    if not recorder.calls:
        unknown.append(_name(target))
    return found, elements, list(dict.fromkeys(unknown))


def _bound(target: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by the names of the schema."""
    schema = target._schema.arguments
    defaults = {each.name: each.default_value for each in schema if each.has_default_value()}
    return defaults | {each.name: value for each, value in zip(schema, args, strict=False)} | dict(kwargs)


def _name(target: Any) -> tuple[str, str]:
    """Namespace and name of what a node calls, without the overload."""
    if isinstance(target, torch._ops.OpOverload):
        namespace, _, name = target._schema.name.partition("::")
        return namespace, name
    if isinstance(target, torch._ops.HigherOrderOperator):
        return "higher_order", target.name()
    return "python", getattr(target, "__name__", str(target))


def _tags(target: Any) -> frozenset[str]:
    return frozenset(tag.name for tag in getattr(target, "tags", ()))


def _value(node: torch.fx.Node) -> Any:
    return node.meta.get("val")


def _shapes_only(arguments: Any, where: str, name: str) -> Any:
    """The arguments of a node with tensors that have a shape and no values."""

    def stand_in(each: Any) -> Any:
        value = each.meta.get("val") if isinstance(each, torch.fx.Node) else each
        if not isinstance(value, torch.Tensor):
            return value
        if not all(isinstance(size, int) for size in value.shape):
            shape = "x".join(map(str, value.shape))
            raise TorchModelError(
                f"{where or 'the module'}: operator {name!r} reads a tensor of {shape}; expected fixed sizes"
            )
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")

    return tree_map(stand_in, arguments)


def _elements(read: Any, written: Any) -> int:
    """The larger of the tensors that an operator reads and writes."""
    tensors = [each for each in tree_leaves([read, written]) if isinstance(each, torch.Tensor)]
    return max((prod(each.shape) for each in tensors), default=0)


def _module_path(node: torch.fx.Node) -> str:
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return ""
    return str(stack[-1][0]).removeprefix("L['self']").lstrip(".")


def _kind(name: str) -> str:
    if "embedding" in name:
        return "embeddings"
    return "normalisation" if "norm" in name else "elementwise"


def _pattern(names: list[str]) -> str:
    """One name for like layers: a star where their numbers differ, else the first ones."""
    starred = {re.sub(r"(?<![^.])\d+(?![^.])", "*", name) for name in names}
    if len(names) == 1 or len(set(names)) == 1:
        return names[0]
    if len(starred) == 1:
        return starred.pop()
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"
