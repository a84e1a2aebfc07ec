from hw.synthesis.library import Library, read_library
from hw.synthesis.synthesis import ModuleSynthesis, Synthesis, synthesize, synthesize_verilog

__all__ = ["Library", "ModuleSynthesis", "Synthesis", "read_library", "synthesize", "synthesize_verilog"]
