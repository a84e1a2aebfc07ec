"""Design -> Verilog text, through Amaranth and Yosys, each module kind once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.lib.wiring import Component

from dataflow.banking import Switch
from hw.carries import all_carries
from hw.design import Design
from hw.units.memory import Bank
from hw.units.point import PointModule
from hw.units.post_control import PostControl
from hw.units.sequencer import Sequencer
from hw.units.stream_quantizer import StreamQuantizer
from hw.units.switch_text import rotator_text, spread_text
from hw.wiring import top_verilog


def emit(design: Design) -> str:
    """Verilog of a design; the same design gives the same bytes."""
    text = "\n".join(_modules(design))
    # Yosys is another process: meanwhile this one writes the wiring.
    with ThreadPoolExecutor(1) as pool:
        modules = pool.submit(_verilog, text)
        top = top_verilog(design)
        return f"{modules.result()}\n{top}"


def _modules(design: Design) -> Iterator[str]:
    """RTLIL of every module but the top."""
    banks: dict[str, tuple[str, int, int]] = {}
    for unit in design.units:
        read = f"{unit.name}_read" in design.netlist.node
        write = f"{unit.name}_write" in design.netlist.node
        width = design.bank_bits(unit)
        name = design.module(f"{unit.name}_memory")
        yield _rtlil(Bank(width, unit.depth, array_writes=write, array_reads=read), name)
        banks[f"{unit.name}_bank"] = (name, width, unit.depth)
    for kind, name in design.kind_name.items():
        yield _rtlil(PointModule(kind, banks.get(kind.region)), name)
    for node_name, name in design.composite.items():
        node = design.netlist.node[node_name]
        switch = node.parameter("switch")
        assert isinstance(switch, Switch)
        if node.op == "spread":
            yield spread_text(switch, node.width_bits, all_carries(switch), name=name)
        else:
            towards_banks = node.parameter("towards") == "banks"
            yield rotator_text(switch, node.width_bits, towards_banks=towards_banks, name=name)
    sequencer = Sequencer(
        design.netlist,
        design.units,
        design.control_registers,
        design.fifos,
        design.most_drain_cycles,
        design.structure.mode_sets,
    )
    yield _rtlil(sequencer, design.module("control"))
    if design.post:
        post = design.post
        memory = Bank(post.row_bits, post.depth, array_writes=True, array_reads=False)
        quantizer = StreamQuantizer(post.made, post.source, post.fraction_bits, post.word_bits, post.turns * post.banks)
        control = PostControl(post, design.post_registers, design.units[0].address_bits)
        yield _rtlil(memory, design.module("post_memory"))
        yield _rtlil(quantizer, design.module("post_quantizer"))
        yield _rtlil(control, design.module("post_control"))


def _rtlil(component: Component, name: str) -> str:
    text: str = rtlil.convert(component, name=name, emit_src=False)
    return text


def _verilog(text: str) -> str:
    """Let the bundled Yosys write Verilog from RTLIL, as Amaranth's own back end does for one module tree."""
    # A Yosys on PATH would write other text; the one that comes with Amaranth is pinned.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    yosys = find_yosys(lambda version: version >= (0, 40))
    script = (
        f"read_rtlil <<rtlil\n{text}\nrtlil",
        "proc -nomux -norom",
        "memory_collect",
        "write_verilog -norename",
    )
    written = yosys.run(["-q", "-"], "\n".join(script), ignore_warnings=True)
    # Attributes serve no reader here, and Pyverilog stumbles over those inside statements.
    return re.sub(r"(?m)^\s*\(\*.*\*\)\n", "", written)
