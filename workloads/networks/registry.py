"""Networks by name, with the parameters that size one forward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from workloads.errors import SpecError
from workloads.networks.alexnet import alexnet
from workloads.networks.coatnet import coatnet_0
from workloads.networks.efficientnet_v2 import efficientnet_v2_s
from workloads.networks.flux import flux_1_dev
from workloads.networks.mobilenet_v2 import mobilenet_v2
from workloads.networks.network import Network
from workloads.networks.resnet import resnet50
from workloads.networks.transformer import QWEN_SIZES, bert_base, gpt2, gpt3_block, llama_7b, qwen2_5
from workloads.networks.unet import ddpm_cifar10, stable_diffusion_1_5
from workloads.yaml_reader import did_you_mean

_TOKENS = ("tokens", "context")
_BUILDERS: dict[str, tuple[Callable[..., Network], tuple[str, ...]]] = {
    "alexnet": (alexnet, ()),
    "mobilenet_v2": (mobilenet_v2, ()),
    "resnet50": (resnet50, ()),
    "efficientnet_v2_s": (efficientnet_v2_s, ("size",)),
    "bert_base": (bert_base, ("tokens",)),
    "gpt2": (gpt2, _TOKENS),
    "llama_7b": (llama_7b, _TOKENS),
    "coatnet_0": (coatnet_0, ()),
    "ddpm_cifar10": (ddpm_cifar10, ()),
    "stable_diffusion_1.5": (stable_diffusion_1_5, ()),
    **{f"qwen2.5_{size}": (partial(qwen2_5, size), _TOKENS) for size in QWEN_SIZES},
    "flux.1_dev": (flux_1_dev, ("tokens", "text")),
    "gpt3_6.7b_block": (gpt3_block, _TOKENS),
}


class NetworkError(SpecError):
    """A network name or its parameters make no network; lists every fault."""


def network_names() -> tuple[str, ...]:
    """Names of all networks."""
    return tuple(_BUILDERS)


def network_parameters(name: str) -> tuple[str, ...]:
    """Parameters that the network of this name takes."""
    return _BUILDERS[name][1]


def network_named(text: str) -> Network:
    """Build ``name`` or ``name:parameter=value,...``.

    Raises
    ------
    NetworkError
    """
    name, _, rest = text.partition(":")
    if name not in _BUILDERS:
        raise NetworkError((f"network {name!r} is not known{did_you_mean(name, _BUILDERS)}",))
    builder, known = _BUILDERS[name]
    sizes: dict[str, int] = {}
    faults = []
    for setting in rest.split(",") if rest else ():
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            faults.append(f"{name}: {setting.strip()!r} is not a setting; expected 'parameter=value'")
        elif key not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            faults.append(f"{name}: {key!r} is not a parameter; {takes}")
        elif key in sizes:
            faults.append(f"{name}: parameter {key!r} is given twice")
        elif not value.isdecimal() or int(value) < 1:
            faults.append(f"{name}: parameter {key!r} must be an integer of at least 1, not {value!r}")
        else:
            sizes[key] = int(value)
    if not faults and sizes.get("context", 1 << 62) < sizes.get("tokens", 1):
        faults.append(
            f"{name}: 'context' includes the new tokens, so it must be at least {sizes['tokens']}, "
            f"not {sizes['context']}"
        )
    if faults:
        raise NetworkError(tuple(faults))
    if "context" in sizes and "tokens" not in sizes:
        sizes["tokens"] = 1
    return builder(**sizes)
