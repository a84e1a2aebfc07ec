"""Area of a generated array at a node, component by component, in milliseconds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from dataflow.technology import Technology
from hw.design import Design
from hw.estimate.primitives import design_primitives
from hw.estimate.scaling import area_factor
from hw.estimate.table import AreaTable, read_table

_TABLE = Path(__file__).parent / "osu018_stdcells.toml"
_TABLE_NM = 180.0

# What each primitive counts as in a report.
COMPONENT = {
    "multiplier_bits2": "multipliers",
    "adder_bits": "adders",
    "register_bits": "registers",
    "mux_bits": "muxes",
    "gate_bits": "muxes",
    "switch_bits": "switches",
    "config_bits": "control",
    "state_bits": "control",
}


@dataclass(frozen=True, slots=True)
class AreaEstimate:
    """Modelled area of the logic of an array, without banks, wires and clock tree.

    Attributes
    ----------
    components : tuple of (name, um2)
        Multipliers, adders, registers, muxes, switches and control.
    source : str
        How it was calibrated, and how far from synthesis it was.
    """

    components: tuple[tuple[str, float], ...]
    source: str

    @property
    def total_um2(self) -> float:
        return sum(um2 for _, um2 in self.components)


def calibrated() -> AreaTable:
    """The calibration that estimates stand on."""
    return read_table(_TABLE)


def estimate_area(design: Design, technology: Technology) -> AreaEstimate:
    """Count a design's primitives, price them by the calibration, and scale to the technology's node.

    Raises
    ------
    EstimateError
        The process node is not one that area is known for, or the design has a part that nothing was calibrated on.
    """
    return scaled(calibrated_components(design), technology)


def calibrated_components(design: Design) -> tuple[tuple[str, float], ...]:
    """Area in um2 by component, in the library that the calibration used.

    Everything in the control's module counts as control, whatever it is made of.

    Raises
    ------
    EstimateError
        The design has a part that nothing was calibrated on.
    """
    price = dict(calibrated().area_um2)
    found: dict[str, float] = defaultdict(float, dict.fromkeys(COMPONENT.values(), 0.0))
    for module in design_primitives(design):
        for primitive, amount in module.primitives.items():
            component = "control" if module.component == "control" else COMPONENT[primitive]
            found[component] += module.instances * amount * price[primitive]
    return tuple(found.items())


def scaled(components: tuple[tuple[str, float], ...], technology: Technology) -> AreaEstimate:
    """Components of `calibrated_components` at a technology's node.

    Raises
    ------
    EstimateError
        The process node is not one that area is known for.
    """
    table, factor = calibrated(), area_factor(_TABLE_NM, technology)
    source = (
        f"{len(table.left_out)} designs synthesized to {table.library} at {_TABLE_NM:g} nm with {table.tool}; "
        f"designs left out of the fit are off by {table.mean_error:.1%} in the mean, {table.worst_error:.1%} at worst; "
        f"scaled to {technology.node_nm:g} nm by {factor:.4g}, Stillmaker and Baas 2017"
    )
    return AreaEstimate(tuple((name, um2 * factor) for name, um2 in components), source)
