"""Area of the memories around an array."""

from __future__ import annotations

from dataflow.technology import Technology
from dataflow.technology.sram import sram_area_um2
from hw.estimate.table import EstimateError


def memory_area_um2(technology: Technology, capacity_bytes: int, banks: int) -> float:
    """Area of a buffer cut into equal banks, modelled by CACTI; no wires between the banks.

    Raises
    ------
    EstimateError
        There is no bank, or more banks than bytes.
    TechnologyError
        The node is not one that memories are known for.
    """
    if not 1 <= banks <= capacity_bytes:
        raise EstimateError(technology.name, (f"expected 1 to {capacity_bytes} banks, one a byte, not {banks}",))
    return banks * sram_area_um2(technology.node_nm, -(-capacity_bytes // banks))
