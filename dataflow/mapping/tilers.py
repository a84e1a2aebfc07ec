"""Who chooses the tiles of a nest on an array of a given shape."""

from __future__ import annotations

from dataflow.mapping.arrays import every_dataflow, fitting_spaces
from dataflow.mapping.gemmini import gemmini_mapping
from dataflow.mapping.machine import Machine
from dataflow.mapping.mapping import MappingError
from dataflow.mapping.objective import Found, Objective
from dataflow.mapping.search import best_mapping
from dataflow.mapping.space import Cuts, even_cuts
from workloads.nest import Nest

TILERS = ("optimal", "gemmini")


def map_with(
    tiler: str,
    nest: Nest,
    machine: Machine,
    shape: tuple[int, ...],
    spaces: tuple[tuple[str, ...], ...] = (),
    *,
    objective: Objective = "energy-delay",
    cuts: Cuts = even_cuts,
) -> Found:
    """Map a nest onto an array as one of `TILERS` would.

    Parameters
    ----------
    tiler
        ``optimal`` searches every dataflow with a certificate; ``gemmini`` follows the fixed rules of that array's own
        library, whatever they cost.
    shape
        Functional units along each axis.
    spaces
        Loops for the axes, one tuple a choice; those whose loops the nest has are used. Every choice when empty.
    cuts
        Tiles that the search chooses from; the rules of ``gemmini`` make their own.

    Raises
    ------
    MappingError
        There is no such tiler, it has no rule for the nest, the nest has none of ``spaces``, or no tiles fit.
    """
    if tiler not in TILERS:
        raise MappingError(nest.name, (f"there is no tiler {tiler!r}; expected one of {', '.join(TILERS)}",))
    fitting = fitting_spaces(nest, spaces)
    if tiler == "gemmini":
        return gemmini_mapping(nest, machine, shape, fitting, objective=objective)
    return best_mapping(nest, machine, every_dataflow(nest, shape, fitting), objective=objective, cuts=cuts)
