"""Torch modules as networks: totals against torch's own counter, and what is left out by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from brickwork import BrickworkError, from_torch  # noqa: E402
from workloads.networks import network_named  # noqa: E402


class Bottleneck(nn.Module):
    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, 4 * inner, 1, bias=False), nn.BatchNorm2d(4 * inner)
        self.shortcut = nn.Identity()
        if stride > 1 or channels != 4 * inner:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, 4 * inner, 1, stride=stride, bias=False), nn.BatchNorm2d(4 * inner)
            )

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


def resnet50() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            layers.append(Bottleneck(channels, 64 << stage, 2 if stage and not block else 1))
            channels = 256 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


class Llama(nn.Module):
    """RMS normalisation, rotary positions, grouped queries and a gated MLP."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.shared = shared
        self.embed = nn.Embedding(50, 64)
        self.norm1, self.norm2 = nn.RMSNorm(64), nn.RMSNorm(64)
        self.q, self.kv = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)
        self.o = nn.Linear(64, 64, bias=False)
        self.gate, self.up = nn.Linear(64, 96, bias=False), nn.Linear(64, 96, bias=False)
        self.down = nn.Linear(96, 64, bias=False)

    def forward(self, tokens: Any) -> Any:
        x = self.embed(tokens)
        b, t, _ = x.shape
        y = self.norm1(x)
        q = self.q(y).view(b, t, 4, 16).transpose(1, 2)
        k, v = self.kv(y).view(b, t, 4, 16).transpose(1, 2).chunk(2, dim=1)
        with torch.no_grad():
            angle = torch.outer(torch.arange(t).float(), 1e4 ** -(torch.arange(8) / 8.0))
        q, k = (torch.cat((h[..., 8:] * angle.sin(), h[..., :8] * angle.cos()), -1) for h in (q, k))
        if not self.shared:
            k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.shared)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, 64))
        y = self.norm2(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))


class Products(nn.Module):
    def forward(self, a: Any, b: Any) -> Any:
        x = torch.einsum("bhid,bhjd->bhij", a, b)
        return torch.matmul(x, b) + torch.baddbmm(b[0], x[0], b[0]) + (x[0, 0] @ b[0, 0])


@dataclass(frozen=True)
class Case:
    id: str
    module: Callable[[], nn.Module]
    inputs: tuple[tuple[int, ...], ...]
    tokens: bool = False


CASES = [
    Case("linear", lambda: nn.Linear(7, 5), ((3, 2, 7),)),
    Case("conv1d", lambda: nn.Conv1d(4, 8, 3, stride=2, padding=1, dilation=2, groups=2), ((2, 4, 21),)),
    Case("conv3d", lambda: nn.Conv3d(4, 8, (1, 3, 3), padding=(0, 1, 1)), ((1, 4, 5, 9, 9),)),
    Case("conv-one-by-seven", lambda: nn.Conv2d(3, 8, (1, 7), padding=(0, 3)), ((1, 3, 13, 17),)),
    Case("conv-same", lambda: nn.Conv2d(3, 8, 5, padding="same"), ((2, 3, 13, 17),)),
    Case("depthwise", lambda: nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.Conv2d(8, 5, 1)), ((1, 8, 15, 15),)),
    Case("depthwise-doubled", lambda: nn.Conv2d(8, 16, 3, groups=8), ((1, 8, 15, 15),)),
    Case("transposed", lambda: nn.ConvTranspose2d(8, 6, 4, 2, 1, groups=2), ((1, 8, 9, 9),)),
    Case("encoder-layer", lambda: nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), ((2, 10, 64),)),
    Case("llama", lambda: Llama(False), ((2, 9),), tokens=True),
    Case("llama-grouped", lambda: Llama(True), ((2, 9),), tokens=True),
    Case("products", Products, ((2, 3, 4, 4), (2, 3, 4, 4))),
]


def inputs_of(case: Case) -> tuple[Any, ...]:
    if case.tokens:
        return tuple(torch.randint(0, 50, shape) for shape in case.inputs)
    return tuple(torch.randn(shape) for shape in case.inputs)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_totals_equal_those_of_torch(case: Case) -> None:
    module, inputs = case.module().eval(), inputs_of(case)
    # Torch counts attention in this form only.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        module(*inputs)
    network = from_torch(module, inputs)
    assert network.unsupported == ()
    assert 2 * network.macs == counter.get_total_flops()
    assert network.parameters == sum(p.numel() for p in module.parameters())


@pytest.mark.filterwarnings("ignore")
def test_resnet_50_is_the_table_of_layers() -> None:
    with torch.device("meta"):
        network = from_torch(resnet50(), (torch.empty(1, 3, 224, 224),), name="mine")
    published = network_named("resnet50")
    assert (network.name, network.macs, network.parameters) == ("mine", 4_089_184_256, 25_557_032)
    assert dict(network.operators) == dict(published.operators)


@pytest.mark.filterwarnings("ignore")
def test_a_recurrence_is_its_steps() -> None:
    """Torch's counter does not see into an LSTM; the products are those of its equations."""
    network = from_torch(nn.LSTM(4, 5, 2, batch_first=True), (torch.randn(2, 3, 4),))
    assert network.macs == 3 * 2 * 20 * (4 + 5) + 3 * 2 * 20 * (5 + 5)
    assert network.unsupported == ()


@pytest.mark.filterwarnings("ignore")
def test_what_is_left_out_has_a_name() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3, stride=(2, 1))

        def forward(self, x: Any) -> Any:
            return torch.fft.rfft(self.conv(x)).abs().sort()[0]

    found = [
        (u.operator, u.count, u.where, u.multiplies) for u in from_torch(Odd(), (torch.randn(1, 3, 8, 8),)).unsupported
    ]
    assert found == [
        ("conv2d (stride 2 x 1 and dilation 1 x 1 differ between axes)", 1, ("conv",), True),
        ("fft_rfft (_fft_r2c)", 1, ("the module itself",), True),
        ("sort", 1, ("the module itself",), False),
    ]


@pytest.mark.filterwarnings("ignore")
def test_control_flow_is_left_out_and_settings_are_not() -> None:
    class Choice(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.cond(x.sum() > 0, lambda y: y @ y, lambda y: y + 1, (x,))

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                y = self.linear(x)
            return self.linear(y)

    (left_out,) = from_torch(Choice(), (torch.zeros(4, 4),)).unsupported
    assert (left_out.operator, left_out.multiplies) == ("higher_order.cond", True)
    network = from_torch(Frozen(), (torch.zeros(3, 4),))
    assert (network.operators, network.parameters) == ((("gemm:m=3,n=4,k=4", 2),), 20)


@pytest.mark.filterwarnings("ignore")
def test_like_layers_are_one_row() -> None:
    network = from_torch(nn.Sequential(*(nn.Linear(8, 8) for _ in range(3))), (torch.randn(2, 8),), format="bf16")
    (layer,) = network.layers
    assert (layer.name, layer.operator, layer.repeat) == ("*", "gemm:m=2,n=8,k=8,format=bf16", 3)
    named = nn.ModuleDict({"up": nn.Linear(8, 8), "down": nn.Linear(8, 8)})
    named.forward = lambda x: named["down"](named["up"](x))  # type: ignore[method-assign]
    assert [each.name for each in from_torch(named, (torch.randn(2, 8),)).layers] == ["up, down"]
    assert layer.nest().tensor("A").format.name == "bf16"
    assert layer.nest("int4").tensor("A").format.name == "int4"


@pytest.mark.filterwarnings("ignore")
def test_modules_keep_their_mode() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5).eval())
    from_torch(module, (torch.randn(1, 4),))
    assert [each.training for each in module.modules()] == [True, True, False]


@pytest.mark.filterwarnings("ignore")
def test_mistakes() -> None:
    with pytest.raises(BrickworkError) as caught:
        from_torch(nn.Linear(4, 4), (torch.randn(1, 4),), format="int9")
    assert str(caught.value) == "format 'int9' is not known; did you mean 'int4'?"
    with pytest.raises(BrickworkError) as caught:
        from_torch(3, ())  # type: ignore[arg-type]
    assert str(caught.value) == "from_torch: expected a torch.nn.Module, not int"
    with pytest.raises(BrickworkError) as caught:
        from_torch(nn.Linear(4, 4), (torch.randn(1, 5),))
    assert str(caught.value).startswith("Linear: torch.export cannot export it: ")
    assert "\n" not in str(caught.value)
