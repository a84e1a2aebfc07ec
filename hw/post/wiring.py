"""Nets and ports of the stage behind the output banks, as text of the top module."""

from __future__ import annotations

from collections.abc import Iterator

from hw.post.plan import PostPlan
from hw.verilog_text import bit_range

_FLAGS = ("measure", "first", "scales", "collect")


def post_nets(post: PostPlan, address_bits: int) -> Iterator[str]:
    """Wires between array, stage and host port; ``address_bits`` are those of the output banks."""
    yield "  wire array_busy, array_done;"
    yield "  wire [31:0] array_cycles;"
    yield f"  wire post_re, {', '.join(f'post_{flag}' for flag in _FLAGS)}, post_w_en;"
    yield f"  wire {bit_range(address_bits)}post_addr;"
    yield f"  wire {bit_range(post.select_bits)}post_select;"
    yield f"  wire {bit_range(post.address_bits)}post_w_addr;"
    yield from (f"  wire [31:0] post_{name};" for name in post.factors)
    yield from (f"  wire {bit_range(post.block_bits)}post_word{n};" for n in range(post.quantizers))
    yield f"  wire {bit_range(post.row_bits)}post_rdata;"
    yield f"  wire post_chosen = host_tensor == 4'd{post.tensor_id};"
    yield "  wire post_host_we = host_we & post_chosen;"
    yield "  wire post_host_re = host_re & post_chosen;"


def control_ports(post: PostPlan) -> dict[str, str]:
    """Ports of the stage's control."""
    ports = {name: name for name in ("clk", "rst", "cfg_we", "cfg_addr", "cfg_data", "start")}
    ports |= {name: name for name in ("array_busy", "array_done", "array_cycles", "busy", "done", "cycles")}
    own = ("re", "addr", "select", *_FLAGS, "w_en", "w_addr", *post.factors)
    return ports | {name: f"post_{name}" for name in own}


def quantizer_ports(post: PostPlan) -> dict[str, str]:
    """Ports that all quantizers share."""
    return {"clk": "clk", "rst": "rst"} | {name: f"post_{name}" for name in ("select", *_FLAGS, *post.factors)}


def memory_ports(post: PostPlan) -> dict[str, str]:
    """Ports of the memory but for what is written."""
    return {
        "clk": "clk",
        "rst": "rst",
        "busy": "busy",
        "h_we": "post_host_we",
        "h_re": "post_host_re",
        "h_addr": f"host_addr[{post.address_bits - 1}:0]",
        "h_wdata": f"host_wdata[{post.row_bits - 1}:0]",
        "q": "post_rdata",
        "w_en": "post_w_en",
        "w_addr": "post_w_addr",
    }
